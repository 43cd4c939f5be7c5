//! Makes one exposition of many: each family in one place with one kind, each series once.
//!
//! No valid sample is given up where a valid answer can carry it. Where two families cannot stand
//! side by side, or a histogram does not add up, the family is taken apart: its samples keep their
//! names and values and are `unknown`. The proxy's own families are never taken apart for an app;
//! there the app's sample gives way, and is counted.

mod conflicts;
mod groups;
mod judge;
mod relabel;
mod settle;

use std::borrow::Cow;
use std::collections::hash_map::Entry;

pub(super) use self::groups::group_of;
pub(super) use self::judge::is;
pub(super) use self::relabel::bound_label;
use self::relabel::rehash;
use super::block::Block;
use super::format::{Escaping, Format, Syntax};
use super::keyed::{ByName, NameSet};
use super::labels::is_metric_name;
use super::model::{Family, Kind, Sample, Scanned, Suffix, Timestamp, sample_name, stem};
use super::names::escape;
use super::problem::{Counts, Reason};

/// One app's exposition, to be merged.
#[derive(Debug)]
pub struct Source<'a> {
    name: Cow<'a, str>,
    labelled: bool,
    read: Scanned<'a>,
}

impl<'a> Source<'a> {
    /// A source whose samples stay as they are.
    pub fn new(name: impl Into<Cow<'a, str>>, read: impl Into<Scanned<'a>>) -> Self {
        Self { name: name.into(), labelled: false, read: read.into() }
    }

    /// Takes what was read in place of what was read before.
    pub(crate) fn replace(&mut self, read: impl Into<Scanned<'a>>) {
        self.read = read.into();
    }

    /// Adds the label `source` with the source's name to each of its samples. A label of that name
    /// is kept as `exported_source`, as Prometheus does with the labels of a target.
    #[must_use]
    pub fn labelled(mut self) -> Self {
        self.labelled = true;
        self
    }
}

/// What became of one source.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The source's name.
    pub source: String,
    /// Samples that are in the merged exposition.
    pub kept: u64,
    /// Samples that are not, by reason: those that could not be read among them.
    pub dropped: Counts,
    /// Its histograms and summaries that are shown as their parts.
    pub apart: Apart,
}

/// Families that lost their type, because something in them does not add up or another has a claim
/// on their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apart {
    /// How many.
    pub families: u64,
    /// What the first is called.
    pub first: Option<String>,
}

/// A merged exposition: valid by construction, ready to be rendered in either format.
#[derive(Debug)]
pub struct Merged<'a> {
    pub(super) families: Vec<MergedFamily<'a>>,
    /// Of each source, the label that it adds; the first is the proxy.
    pub(super) labels: Vec<Option<String>>,
    outcomes: Vec<Outcome>,
}

impl Merged<'_> {
    /// What became of each source, in the order in which they were given.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Samples in the exposition, the proxy's own among them.
    pub fn samples(&self) -> usize {
        self.families.iter().flat_map(|family| &family.pieces).map(Piece::len).sum()
    }
}

/// A family with the samples that each source has in it.
#[derive(Debug)]
pub(super) struct MergedFamily<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) kind: Kind,
    pub(super) help: Option<Cow<'a, str>>,
    pub(super) unit: Option<Cow<'a, str>>,
    pub(super) pieces: Vec<Piece<'a>>,
    /// Whether the proxy has samples in it.
    own: bool,
    /// Whether it can be shown with its kind in OpenMetrics, too.
    pub(super) strict: bool,
}

#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// 0 is the proxy, the apps follow.
    pub(super) source: usize,
    pub(super) bounds: Vec<Cow<'a, str>>,
    pub(super) samples: Vec<Sample<'a>>,
    /// All samples as they stand in the source, in the place of `samples`. Such a piece is the only
    /// one of its family.
    pub(super) block: Option<Box<Block<'a>>>,
    /// The kind that the source told, by which hashes were taken.
    kind: Kind,
}

impl Piece<'_> {
    pub(super) fn len(&self) -> usize {
        self.block.as_ref().map_or(self.samples.len(), |block| block.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether text would show samples of this suffix, in a family of this kind.
    fn has(&self, suffix: Suffix, kind: Kind) -> bool {
        if let Some(block) = &self.block {
            return block.has(suffix);
        }
        let is_gauge = kind == Kind::GaugeHistogram;
        self.samples.iter().any(|sample| match sample.native() {
            None => sample.suffix == suffix,
            Some(native) => {
                native.alone && native.parts(is_gauge).iter().any(|(part, _)| *part == suffix)
            }
        })
    }

    /// Makes samples of what stands in a block, of which nothing can be dropped any more.
    fn expand(&mut self, label: Option<&str>) {
        if let Some(block) = self.block.take() {
            self.samples = block.to_samples();
            let (kind, escaping) = (self.kind, Escaping::default());
            let dropped = &mut Counts::default();
            relabel::relabel(&mut self.samples, &self.bounds, label, kind, escaping, dropped);
        }
    }
}

impl<'a> MergedFamily<'a> {
    /// Adds samples to those that the family has of the same source. A block must be alone.
    fn push(&mut self, mut piece: Piece<'a>, labels: &[Option<String>]) {
        if self.pieces.is_empty() {
            // Most families are those of one source.
            self.pieces.reserve_exact(1);
            self.pieces.push(piece);
            return;
        }
        let label = labels[piece.source].as_deref();
        self.expand(labels);
        piece.expand(label);
        let known = self.pieces.iter_mut().find(|known| known.source == piece.source);
        let Some(known) = known else {
            self.pieces.push(piece);
            return;
        };
        if known.bounds.is_empty() {
            known.bounds = std::mem::take(&mut piece.bounds);
        } else if known.bounds != piece.bounds {
            relabel::rebind(&mut piece.samples, &piece.bounds, &mut known.bounds);
        }
        let numeric = bound_label(known.kind, Suffix::Bare);
        if numeric != bound_label(piece.kind, Suffix::Bare) {
            for sample in piece.samples.iter_mut().filter(|s| s.suffix == Suffix::Bare) {
                rehash(sample, &known.bounds, label, numeric);
            }
        }
        known.samples.append(&mut piece.samples);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.iter().all(Piece::is_empty)
    }

    fn expand(&mut self, labels: &[Option<String>]) {
        for piece in &mut self.pieces {
            piece.expand(labels[piece.source].as_deref());
        }
    }

    /// Whether text would show samples of this suffix.
    pub(super) fn has(&self, suffix: Suffix) -> bool {
        self.pieces.iter().any(|piece| piece.has(suffix, self.kind))
    }

    pub(super) fn has_other_than(&self, suffix: Suffix) -> bool {
        self.pieces.iter().any(|piece| match &piece.block {
            Some(block) => Suffix::ALL.iter().any(|s| *s != suffix && block.has(*s)),
            None => piece.samples.iter().any(|s| s.suffix != suffix),
        })
    }

    /// As [`Self::sample_name`], in two parts.
    pub(super) fn sample_name_parts(&self, suffix: Suffix) -> [&str; 2] {
        [stem(&self.name, self.kind, suffix), suffix.as_str()]
    }

    pub(super) fn sample_name(&self, suffix: Suffix) -> String {
        sample_name(&self.name, self.kind, suffix)
    }
}

/// Merges the proxy's own families with what the apps sent.
///
/// The order is the proxy's families, then those of the sources as they first name them. Two
/// samples of one series resolve to the first.
///
/// What comes out can be written in every format: names outside the classic alphabet are spelt with
/// `_`, and samples of a time that text cannot tell are left out. [`merge_for`] has the choice.
pub fn merge<'a>(own: Vec<Family<'a>>, sources: Vec<Source<'a>>) -> Merged<'a> {
    merge_for(Format::TEXT, own, sources)
}

/// As [`merge`], for an answer in this format: two names that are one once they are spelt as it asks
/// are one family, and what it cannot tell must be gone before histograms are looked at.
pub fn merge_for<'a>(format: Format, own: Vec<Family<'a>>, sources: Vec<Source<'a>>) -> Merged<'a> {
    let mut merger = Merger { format, ..Merger::default() };
    merger.labels.push(None);
    merger.dropped.push(Counts::default());
    merger.apart.push(Apart::default());
    let sources_have = sources.iter().map(|source| source.read.families.len()).sum::<usize>();
    merger.families.reserve(own.len() + sources_have);
    merger.by_name.reserve(own.len() + sources_have);
    for family in own {
        merger.add(0, family);
    }
    merger.reserve_own_names();
    let mut outcomes = Vec::with_capacity(sources.len());
    for (at, source) in sources.into_iter().enumerate() {
        let Source { name, labelled, read } = source;
        merger.labels.push(labelled.then(|| relabel::source_label(&name)));
        merger.dropped.push(*read.problems.dropped());
        merger.apart.push(Apart::default());
        for family in read.families {
            merger.add(at + 1, family);
        }
        let (dropped, apart) = (Counts::default(), Apart::default());
        outcomes.push(Outcome { source: name.into_owned(), kept: 0, dropped, apart });
    }
    merger.separate_misfits();
    merger.adopt_created();
    merger.drop_ambiguous_created();
    merger.separate_clashes();
    merger.settle();

    for piece in merger.families.iter().flat_map(|family| &family.pieces) {
        if let Some(outcome) = piece.source.checked_sub(1).and_then(|at| outcomes.get_mut(at)) {
            outcome.kept += piece.len() as u64;
        }
    }
    let became = merger.dropped.into_iter().zip(merger.apart).skip(1);
    for (outcome, (dropped, apart)) in outcomes.iter_mut().zip(became) {
        (outcome.dropped, outcome.apart) = (dropped, apart);
    }
    merger.families.retain(|family| !family.is_empty());
    Merged { families: merger.families, labels: merger.labels, outcomes }
}

#[derive(Default)]
struct Merger<'a> {
    format: Format,
    families: Vec<MergedFamily<'a>>,
    by_name: ByName<Cow<'a, str>, usize>,
    /// Sample names of the proxy's histograms and summaries, which no app's family may have.
    reserved: NameSet,
    labels: Vec<Option<String>>,
    dropped: Vec<Counts>,
    apart: Vec<Apart>,
}

impl<'a> Merger<'a> {
    fn add(&mut self, source: usize, family: Family<'a>) {
        if family.is_empty() {
            return;
        }
        let escaping = self.format.escaping();
        let Family { name, kind, help, unit, mut samples, bounds, mut block } = family;
        let name = if is_metric_name(&name) {
            name
        } else {
            Cow::Owned(escape(&name, escaping, is_metric_name))
        };
        if source != 0 && !self.reserved.is_empty() && self.reserved.contains(&*name) {
            let gone = block.as_ref().map_or(samples.len(), |block| block.len());
            self.dropped[source].add(Reason::NameClash, gone as u64);
            return;
        }
        let at = self.family(name, kind);
        let (label, dropped) = (self.labels[source].as_deref(), &mut self.dropped[source]);
        let known = !self.families[at].pieces.is_empty();
        if let Some(lines) =
            block.take_if(|block| known || label.is_some_and(|label| !block.takes_label(label)))
        {
            samples = lines.to_samples();
        }
        relabel::relabel(&mut samples, &bounds, label, kind, escaping, dropped);
        let earliest = earliest(self.format.syntax());
        samples.retain(|sample| {
            let in_range = |at: &Timestamp<'_>| at.millis().is_some_and(|at| at >= earliest);
            let told = sample.timestamp().is_none_or(in_range);
            if !told {
                dropped.add(Reason::TimestampRange, 1);
            }
            told
        });
        let merged = &mut self.families[at];
        if source == 0 {
            merged.own = true;
        } else if merged.own {
            let fits = |sample: &Sample<'_>| fits(merged.kind, sample);
            let before = samples.len();
            samples.retain(fits);
            let gone = (before - samples.len()) as u64;
            self.dropped[source].add(Reason::TypeConflict, gone);
        } else if merged.kind == Kind::Unknown {
            // Not told is no contradiction.
            merged.kind = kind;
        }
        merged.help = merged.help.take().or(help);
        merged.unit = merged.unit.take().or(unit);
        merged.push(Piece { source, bounds, samples, block, kind }, &self.labels);
    }

    fn reserve_own_names(&mut self) {
        for family in &self.families {
            let suffixes = family.kind.suffixes().iter();
            let parts = suffixes.filter(|suffix| family.kind.is_compound() || family.has(**suffix));
            self.reserved.extend(parts.map(|suffix| family.sample_name(*suffix)));
        }
    }

    /// The family of this name, a new one where there is none.
    fn family(&mut self, name: Cow<'a, str>, kind: Kind) -> usize {
        let entry = match self.by_name.entry(name) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(entry) => entry,
        };
        let name = entry.key().clone();
        entry.insert(self.families.len());
        self.families.push(MergedFamily {
            name,
            kind,
            help: None,
            unit: None,
            pieces: Vec::new(),
            own: false,
            strict: true,
        });
        self.families.len() - 1
    }
}

/// The first time that can be told, in milliseconds. Prometheus's reader of text knows no sign, and
/// refuses the whole answer for one.
fn earliest(syntax: Syntax) -> i64 {
    match syntax {
        Syntax::Text | Syntax::QuotedText => 0,
        Syntax::OpenMetrics | Syntax::Protobuf => i64::MIN,
    }
}

/// Whether a family of this kind has a place for such a sample.
pub(super) fn fits(kind: Kind, sample: &Sample<'_>) -> bool {
    match sample.suffix {
        Suffix::Bare if sample.native().is_some() => {
            matches!(kind, Kind::Histogram | Kind::GaugeHistogram)
        }
        Suffix::Bare => !matches!(kind, Kind::Histogram | Kind::GaugeHistogram),
        // Protobuf dates gauge histograms; OpenMetrics has no place for it, and shows it beside.
        Suffix::Created if kind == Kind::GaugeHistogram => true,
        suffix => kind.suffixes().contains(&suffix),
    }
}
