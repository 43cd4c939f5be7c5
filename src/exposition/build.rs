//! Families of the proxy's own, built on every scrape without copying a label set per bucket.

use std::borrow::Cow;
use std::time::Duration;

use super::labels::{LabelText, Labels, hash_bound, is_metric_name};
use super::model::{Exemplar, Extra, Family, Kind, Sample, Suffix};
use super::native::{Native, Observations, Side};
use super::value::Number;

/// Builds one family. Names are those of text 0.0.4: a counter's has its `_total`.
#[derive(Debug)]
pub struct FamilyBuilder<'a> {
    family: Family<'a>,
    created: Option<Duration>,
}

/// What one series of a histogram family says.
#[derive(Debug, Clone, Default)]
pub struct HistogramPoint<'p, 'a> {
    /// Bounds as they are to be read with their cumulative counts, ascending; none where only a
    /// native histogram is shown. A `+Inf` bucket is added where the last bound is another.
    pub buckets: Option<&'p [(&'p str, u64)]>,
    /// Traces that stand for some of them, each with the place of its bucket; that of `+Inf` is the
    /// number of the others.
    pub exemplars: Vec<(usize, Exemplar<'a>)>,
    /// The same as a native histogram.
    pub native: Option<NativeBuckets<'p>>,
    /// The sum of all values.
    pub sum: f64,
    /// How many there are.
    pub count: u64,
}

/// Native buckets of values none of which is below zero.
#[derive(Debug, Clone, Copy)]
pub struct NativeBuckets<'p> {
    /// The resolution: bounds grow by the `2^-schema`-th power of two.
    pub schema: i8,
    /// How many values are zero.
    pub zero: u64,
    /// The numbers and counts of the buckets that hold any, ascending.
    pub buckets: &'p [(i32, u64)],
}

impl<'a> FamilyBuilder<'a> {
    /// Begins a family. A name outside the classic alphabet is escaped when it is merged.
    pub fn new(name: impl Into<Cow<'a, str>>, kind: Kind, help: impl Into<Cow<'a, str>>) -> Self {
        let name = name.into();
        debug_assert!(is_metric_name(&name), "{name} is no metric name");
        let mut family = Family::new(name, kind);
        family.help = Some(help.into());
        Self { family, created: None }
    }

    /// What is added from here on has counted from this time on, since 1970.
    pub fn since(&mut self, created: Option<Duration>) -> &mut Self {
        self.created = created;
        self
    }

    /// Adds the sample of a counter.
    pub fn counter(&mut self, labels: &Labels, value: u64) -> &mut Self {
        self.push(labels, Suffix::Bare, Number::Int(value));
        self.date(labels)
    }

    /// The same of what is not counted in whole numbers.
    pub fn amount(&mut self, labels: &Labels, value: f64) -> &mut Self {
        self.push(labels, Suffix::Bare, Number::Float(value));
        self.date(labels)
    }

    /// Adds the sample of a gauge, or of any other kind that has one sample.
    pub fn gauge(&mut self, labels: &Labels, value: f64) -> &mut Self {
        self.push(labels, Suffix::Bare, Number::Float(value))
    }

    /// Says what all histograms of the family have as bounds, unless that is known already; else they
    /// are copied from the first.
    pub fn bounds(&mut self, all: impl FnOnce() -> Vec<Cow<'a, str>>) -> &mut Self {
        if self.family.bounds.is_empty() {
            self.family.bounds = all();
        }
        self
    }

    /// Adds a histogram: bounds as they are to be read with their cumulative counts, ascending.
    /// A `+Inf` bucket is added where the last bound is another.
    pub fn histogram(
        &mut self,
        labels: &Labels,
        buckets: &[(&str, u64)],
        sum: f64,
        count: u64,
    ) -> &mut Self {
        let buckets = Some(buckets);
        self.point(labels, HistogramPoint { buckets, sum, count, ..HistogramPoint::default() })
    }

    /// Adds all that is said of one series of a histogram.
    pub fn point(&mut self, labels: &Labels, point: HistogramPoint<'_, 'a>) -> &mut Self {
        let HistogramPoint { buckets, exemplars, native, sum, count } = point;
        if let Some(native) = native {
            self.native(labels, native, sum, count, &exemplars);
        }
        if let Some(buckets) = buckets {
            let first = self.family.samples.len();
            for (at, (le, cumulative)) in buckets.iter().enumerate() {
                self.bucket(labels, at, le, *cumulative);
            }
            if buckets.last().is_none_or(|(le, _)| *le != "+Inf") {
                self.bucket(labels, buckets.len(), "+Inf", count);
            }
            for (at, exemplar) in exemplars {
                if let Some(sample) = self.family.samples.get_mut(first + at) {
                    sample.extra =
                        Some(Box::new(Extra { exemplar: Some(exemplar), ..Extra::default() }));
                }
            }
            self.push(labels, Suffix::Sum, Number::Float(sum));
            self.push(labels, Suffix::Count, Number::Int(count));
        }
        self.date(labels)
    }

    /// The family, ready to be merged.
    pub fn build(self) -> Family<'a> {
        self.family
    }

    fn native(
        &mut self,
        labels: &Labels,
        native: NativeBuckets<'_>,
        sum: f64,
        count: u64,
        exemplars: &[(usize, Exemplar<'a>)],
    ) {
        let native = Native {
            schema: native.schema,
            zero_threshold: ZERO_THRESHOLD,
            sum,
            observations: Observations::Whole {
                count,
                zero: native.zero,
                positive: Side::of(native.buckets),
                negative: Side::default(),
            },
            exemplars: exemplars.iter().map(|(_, exemplar)| exemplar.clone()).collect(),
            alone: true,
        };
        let Some(native) = native.checked() else { return };
        self.push(labels, Suffix::Bare, Number::Int(count));
        if let Some(sample) = self.family.samples.last_mut() {
            let native = Some(Box::new(native));
            sample.extra = Some(Box::new(Extra { native, ..Extra::default() }));
        }
    }

    fn date(&mut self, labels: &Labels) -> &mut Self {
        if let Some(created) = self.created {
            self.push(labels, Suffix::Created, time(created));
        }
        self
    }

    fn bucket(&mut self, labels: &Labels, at: usize, le: &str, cumulative: u64) {
        let bounds = &mut self.family.bounds;
        // Every histogram of a family has the same bounds, so the place is the same, too.
        let at = if bounds.get(at).is_some_and(|known| known == le) {
            at
        } else {
            bounds.iter().position(|known| *known == le).unwrap_or_else(|| {
                bounds.push(Cow::Owned(le.to_owned()));
                bounds.len() - 1
            })
        };
        self.push(labels, Suffix::Bucket, Number::Int(cumulative));
        if let Some(sample) = self.family.samples.last_mut() {
            sample.bound = u16::try_from(at + 1).unwrap_or(0);
            let bound = le.parse().unwrap_or(f64::NAN);
            sample.hash = sample.hash.wrapping_add(hash_bound("le", bound));
        }
    }

    fn push(&mut self, labels: &Labels, suffix: Suffix, value: Number<'a>) -> &mut Self {
        self.family.samples.push(Sample {
            labels: LabelText::Shared(labels.shared()),
            value,
            extra: None,
            hash: labels.hash(),
            bound: 0,
            suffix,
            quoted: false,
            implied: false,
            begins: false,
        });
        self
    }
}

impl Exemplar<'_> {
    /// A trace of ours, which was at this time since 1970.
    pub fn new(labels: &Labels, value: f64, at: Duration) -> Self {
        Self {
            labels: LabelText::Shared(labels.shared()),
            value: Number::Float(value),
            timestamp: Some(time(at).to_text().into()),
        }
    }
}

impl Family<'_> {
    /// Says of each counter and histogram that does not say it that it has counted from this time
    /// on, since 1970.
    pub fn date(&mut self, created: Duration) {
        let has = |suffix| self.samples.iter().any(|sample| sample.suffix == suffix);
        let last_of_point = match self.kind {
            Kind::Histogram if has(Suffix::Count) => Suffix::Count,
            // A native one alone has no other sample.
            Kind::Counter | Kind::Histogram => Suffix::Bare,
            _ => return,
        };
        let mut dated = Vec::with_capacity(2 * self.samples.len());
        let mut samples = std::mem::take(&mut self.samples).into_iter().peekable();
        while let Some(sample) = samples.next() {
            let says = samples.peek().is_some_and(|next| next.suffix == Suffix::Created);
            let is_undated = sample.suffix == last_of_point && !says;
            let created = is_undated.then(|| Sample {
                value: time(created),
                extra: None,
                suffix: Suffix::Created,
                ..sample.clone()
            });
            dated.push(sample);
            dated.extend(created);
        }
        self.samples = dated;
    }

    /// Leaves out since when its series have counted.
    pub fn undate(&mut self) {
        self.samples.retain(|sample| sample.suffix != Suffix::Created);
    }
}

/// A time since 1970, as exact as Prometheus keeps it.
fn time(at: Duration) -> Number<'static> {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    Number::Time(seconds, at.subsec_millis() * 1_000_000)
}

/// The width of the bucket around zero that Prometheus's own clients have. Nothing of ours is that
/// small but zero.
const ZERO_THRESHOLD: f64 = 1.0 / (1_u128 << 127) as f64 / 2.0;
