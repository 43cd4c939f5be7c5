//! Families of the proxy's own, built on every scrape without copying a label set per bucket.

use std::borrow::Cow;

use super::labels::{LabelText, Labels, hash_bound, is_metric_name};
use super::model::{Family, Kind, Sample, Suffix};
use super::value::Number;

/// Builds one family. Names are those of text 0.0.4: a counter's has its `_total`.
#[derive(Debug)]
pub struct FamilyBuilder<'a>(Family<'a>);

impl<'a> FamilyBuilder<'a> {
    /// Begins a family. A name outside the classic alphabet is escaped when it is merged.
    pub fn new(name: impl Into<Cow<'a, str>>, kind: Kind, help: impl Into<Cow<'a, str>>) -> Self {
        let name = name.into();
        debug_assert!(is_metric_name(&name), "{name} is no metric name");
        let mut family = Family::new(name, kind);
        family.help = Some(help.into());
        Self(family)
    }

    /// Adds the sample of a counter.
    pub fn counter(&mut self, labels: &Labels, value: u64) -> &mut Self {
        self.push(labels, Suffix::Bare, Number::Int(value))
    }

    /// Adds the sample of a gauge, or of any other kind that has one sample.
    pub fn gauge(&mut self, labels: &Labels, value: f64) -> &mut Self {
        self.push(labels, Suffix::Bare, Number::Float(value))
    }

    /// Adds a histogram: bounds as they are to be read with their cumulative counts, ascending.
    /// A `+Inf` bucket is added where the last bound is another.
    pub fn histogram(
        &mut self,
        labels: &Labels,
        buckets: &[(&'a str, u64)],
        sum: f64,
        count: u64,
    ) -> &mut Self {
        for (at, (le, cumulative)) in buckets.iter().enumerate() {
            self.bucket(labels, at, le, *cumulative);
        }
        if buckets.last().is_none_or(|(le, _)| *le != "+Inf") {
            self.bucket(labels, buckets.len(), "+Inf", count);
        }
        self.push(labels, Suffix::Sum, Number::Float(sum));
        self.push(labels, Suffix::Count, Number::Int(count))
    }

    /// The family, ready to be merged.
    pub fn build(self) -> Family<'a> {
        self.0
    }

    fn bucket(&mut self, labels: &Labels, at: usize, le: &'a str, cumulative: u64) {
        let bounds = &mut self.0.bounds;
        // Every histogram of a family has the same bounds, so the place is the same, too.
        let at = if bounds.get(at).is_some_and(|known| known == le) {
            at
        } else {
            bounds.iter().position(|known| *known == le).unwrap_or_else(|| {
                bounds.push(Cow::Borrowed(le));
                bounds.len() - 1
            })
        };
        self.push(labels, Suffix::Bucket, Number::Int(cumulative));
        if let Some(sample) = self.0.samples.last_mut() {
            sample.bound = u16::try_from(at + 1).unwrap_or(0);
            let bound = le.parse().unwrap_or(f64::NAN);
            sample.hash = sample.hash.wrapping_add(hash_bound("le", bound));
        }
    }

    fn push(&mut self, labels: &Labels, suffix: Suffix, value: Number<'a>) -> &mut Self {
        self.0.samples.push(Sample {
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
