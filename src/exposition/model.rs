//! What an exposition says: families of samples, borrowed from the text they were read from.

use std::borrow::Cow;

use super::block::Block;
use super::labels::{LabelText, Pairs, unescape_value};
use super::native::Native;
use super::problem::Problems;
use super::value::Number;

/// What was read from one source.
#[derive(Debug, Clone, Default)]
pub struct Exposition<'a> {
    /// In the order in which the source first named them.
    pub families: Vec<Family<'a>>,
    /// What could not be read.
    pub problems: Problems,
}

/// What was read from one source for merging: families whose samples are all in order stay as they
/// stand.
#[derive(Debug, Clone, Default)]
pub struct Scanned<'a> {
    pub(super) families: Vec<Family<'a>>,
    /// What could not be read.
    pub problems: Problems,
}

impl Exposition<'_> {
    /// Whether there are samples of a family of this name, as text 0.0.4 has it.
    pub fn has_family(&self, name: &str) -> bool {
        has_family(&self.families, name)
    }
}

fn has_family(families: &[Family<'_>], name: &str) -> bool {
    families.iter().any(|family| family.name == name && !family.is_empty())
}

impl Scanned<'_> {
    /// Whether there are samples of a family of this name, as text 0.0.4 has it.
    pub fn has_family(&self, name: &str) -> bool {
        has_family(&self.families, name)
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.families.iter().map(Family::len).sum()
    }

    /// How many of them stay as they stand.
    pub fn kept_as_they_stand(&self) -> usize {
        self.families.iter().flat_map(|family| &family.block).map(|block| block.len()).sum()
    }
}

impl<'a> From<Exposition<'a>> for Scanned<'a> {
    fn from(Exposition { families, problems }: Exposition<'a>) -> Self {
        Self { families, problems }
    }
}

impl<'a> From<Scanned<'a>> for Exposition<'a> {
    fn from(Scanned { mut families, problems }: Scanned<'a>) -> Self {
        families.iter_mut().for_each(Family::expand);
        Self { families, problems }
    }
}

/// The type of a family, in the words of OpenMetrics 1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Cumulative buckets with a sum and a count.
    Histogram,
    /// Quantiles with a sum and a count.
    Summary,
    /// Not told; text 0.0.4 says `untyped`.
    Unknown,
    /// Labels that say something; the value is 1.
    Info,
    /// Booleans, one per state; the state is the label that has the family's name.
    StateSet,
    /// Buckets that go up and down.
    GaugeHistogram,
}

impl Kind {
    /// The word after `# TYPE` in OpenMetrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::GaugeHistogram => "gaugehistogram",
        }
    }

    /// The kind that either format calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "summary" => Self::Summary,
            "unknown" | "untyped" => Self::Unknown,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "gaugehistogram" => Self::GaugeHistogram,
            _ => return None,
        })
    }

    /// Whether several samples make one point, so that they only make sense together.
    pub(crate) fn is_compound(self) -> bool {
        matches!(self, Self::Histogram | Self::Summary | Self::GaugeHistogram)
    }

    /// The suffixes that samples of this kind may have in OpenMetrics, beside [`Suffix::Bare`].
    pub(crate) fn suffixes(self) -> &'static [Suffix] {
        match self {
            Self::Counter => &[Suffix::Created],
            Self::Histogram => &[Suffix::Bucket, Suffix::Sum, Suffix::Count, Suffix::Created],
            Self::Summary => &[Suffix::Sum, Suffix::Count, Suffix::Created],
            Self::GaugeHistogram => &[Suffix::Bucket, Suffix::GaugeSum, Suffix::GaugeCount],
            Self::Gauge | Self::Unknown | Self::Info | Self::StateSet => &[],
        }
    }
}

/// What a sample's name adds to its family's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suffix {
    /// Nothing: the sample is called as text 0.0.4 calls the family.
    Bare,
    /// `_bucket`
    Bucket,
    /// `_sum`
    Sum,
    /// `_count`
    Count,
    /// `_gsum`
    GaugeSum,
    /// `_gcount`
    GaugeCount,
    /// `_created`; it takes the place of a counter's `_total`.
    Created,
}

impl Suffix {
    /// Every suffix, in the order in which a family is written when it is taken apart.
    pub(crate) const ALL: [Self; 7] = [
        Self::Bare,
        Self::Bucket,
        Self::Sum,
        Self::Count,
        Self::GaugeSum,
        Self::GaugeCount,
        Self::Created,
    ];

    /// The text that is added.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Bucket => "_bucket",
            Self::Sum => "_sum",
            Self::Count => "_count",
            Self::GaugeSum => "_gsum",
            Self::GaugeCount => "_gcount",
            Self::Created => "_created",
        }
    }
}

/// Samples under one name, with what is said about them.
#[derive(Debug, Clone)]
pub struct Family<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) help: Option<Cow<'a, str>>,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) samples: Vec<Sample<'a>>,
    /// `le` values that samples of our own and of protobuf name by number, see [`Sample::bound`].
    pub(crate) bounds: Vec<Cow<'a, str>>,
    /// All samples as they stand in the source, in the place of `samples`. Never in an
    /// [`Exposition`], only in a [`Scanned`].
    pub(super) block: Option<Box<Block<'a>>>,
}

impl<'a> Family<'a> {
    pub(crate) fn new(name: Cow<'a, str>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            help: None,
            unit: None,
            samples: Vec::new(),
            bounds: Vec::new(),
            block: None,
        }
    }

    /// The name as text 0.0.4 has it: with `_total` for a counter of OpenMetrics, with `_info`
    /// for an info.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type that the source gave, or [`Kind::Unknown`].
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The help text, unescaped.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The unit, where the source told one.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The samples, in the source's order.
    pub fn samples(&self) -> &[Sample<'a>] {
        &self.samples
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.block.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.block.as_ref().map_or(self.samples.len(), |block| block.len())
    }

    /// Makes samples of what stands in a block.
    pub(super) fn expand(&mut self) {
        if let Some(block) = self.block.take() {
            self.samples = block.to_samples();
        }
    }

    /// Whether the samples in the block are called as those of the family are to be.
    pub(super) fn names_its_block(&self) -> bool {
        self.block.as_ref().is_none_or(|block| {
            block.is_called(|suffix| [stem(&self.name, self.kind, suffix), suffix.as_str()])
        })
    }

    /// The name of one of the family's samples.
    pub fn sample_name(&self, sample: &Sample<'_>) -> String {
        sample_name(&self.name, self.kind, sample.suffix)
    }

    /// The label pairs of one of the family's samples, unescaped, in the source's order.
    pub fn labels(&self, sample: &Sample<'_>) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = pairs_of(sample.labels.as_str());
        if let Some(bound) = sample.bound(&self.bounds) {
            pairs.push(("le".to_owned(), bound.to_owned()));
        }
        pairs
    }
}

/// The unescaped pairs of a canonical label text.
pub(crate) fn pairs_of(text: &str) -> Vec<(String, String)> {
    Pairs(text)
        .map(|pair| {
            let name = if pair.quoted { unescape_value(pair.name) } else { pair.name.to_owned() };
            (name, unescape_value(pair.value))
        })
        .collect()
}

pub(crate) fn stem(name: &str, kind: Kind, suffix: Suffix) -> &str {
    match (kind, suffix) {
        (Kind::Counter, Suffix::Created) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    }
}

pub(crate) fn sample_name(name: &str, kind: Kind, suffix: Suffix) -> String {
    [stem(name, kind, suffix), suffix.as_str()].concat()
}

/// One sample. Its text belongs to the source; what few samples have is boxed.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    pub(crate) labels: LabelText<'a>,
    pub(crate) value: Number<'a>,
    pub(crate) extra: Option<Box<Extra<'a>>>,
    /// Of the label set, `le` included, see [`super::labels::hash_all`].
    pub(crate) hash: u64,
    /// 0, or the number of the `le` value in [`Family::bounds`] plus one.
    pub(crate) bound: u16,
    pub(crate) suffix: Suffix,
    /// Whether a label name stands in quotes.
    pub(crate) quoted: bool,
    /// Whether it is a `+Inf` bucket that the source left to be understood, as protobuf may.
    pub(crate) implied: bool,
    /// Whether it is the first of what its label set says at one time; told once its family is
    /// settled, and of those that can have several such samples.
    pub(crate) begins: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Extra<'a> {
    pub(crate) timestamp: Option<Timestamp<'a>>,
    pub(crate) exemplar: Option<Exemplar<'a>>,
    /// The native histogram of a [`Suffix::Bare`] sample in a family of histograms; the sample's
    /// value is its count.
    pub(crate) native: Option<Box<Native<'a>>>,
}

impl<'a> Sample<'a> {
    /// What its name adds to the family's.
    pub fn suffix(&self) -> Suffix {
        self.suffix
    }

    /// Its value.
    pub fn value(&self) -> Number<'a> {
        self.value
    }

    /// When it was taken, where the source told.
    pub fn timestamp(&self) -> Option<&Timestamp<'a>> {
        self.extra.as_ref()?.timestamp.as_ref()
    }

    /// Its exemplar.
    pub fn exemplar(&self) -> Option<&Exemplar<'a>> {
        self.extra.as_ref()?.exemplar.as_ref()
    }

    /// The native histogram that it is; its value is then the count of observations.
    pub fn native(&self) -> Option<&Native<'a>> {
        self.extra.as_ref()?.native.as_deref()
    }

    pub(crate) fn bound<'b>(&self, bounds: &'b [Cow<'_, str>]) -> Option<&'b str> {
        bounds.get(usize::from(self.bound).checked_sub(1)?).map(|bound| &**bound)
    }
}

/// When a sample was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timestamp<'a> {
    /// Milliseconds since the epoch, as text 0.0.4 has it.
    Millis(i64),
    /// Seconds since the epoch, as OpenMetrics has it: digits with or without a fraction.
    Seconds(Cow<'a, str>),
}

impl Timestamp<'_> {
    /// Milliseconds since the epoch, without what is finer; `None` outside of 64 bits.
    pub fn millis(&self) -> Option<i64> {
        let text = match self {
            Self::Millis(millis) => return Some(*millis),
            Self::Seconds(text) => text,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut millis = i128::from(whole.trim_start_matches('+').parse::<i64>().ok()?) * 1000;
        let digits: i128 = format!("{fraction:0<3.3}").parse().ok()?;
        millis += if whole.starts_with('-') { -digits } else { digits };
        i64::try_from(millis).ok()
    }
}

/// A trace that stands for many: labels, a value and perhaps a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar<'a> {
    pub(crate) labels: LabelText<'a>,
    pub(crate) value: Number<'a>,
    pub(crate) timestamp: Option<Cow<'a, str>>,
}

impl<'a> Exemplar<'a> {
    /// Its label pairs, unescaped.
    pub fn labels(&self) -> Vec<(String, String)> {
        pairs_of(self.labels.as_str())
    }

    /// Its value.
    pub fn value(&self) -> Number<'a> {
        self.value
    }

    /// Seconds since the epoch, as the source wrote them.
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }
}
