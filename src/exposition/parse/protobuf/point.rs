//! The samples that one metric makes: one label text and one time for all of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::histogram::Histogram;
use crate::exposition::labels::{LabelText, hash_bound, push_pair};
use crate::exposition::model::{Exemplar, Extra, Sample, Suffix, Timestamp};
use crate::exposition::native::Native;
use crate::exposition::value::Number;

/// Where the samples of one metric go, with what they have in common.
pub(super) struct Point<'s, 'a> {
    pub(super) labels: Arc<str>,
    pub(super) hash: u64,
    pub(super) quoted: bool,
    pub(super) timestamp: Option<Timestamp<'a>>,
    pub(super) samples: &'s mut Vec<Sample<'a>>,
}

impl Point<'_, '_> {
    pub(super) fn push(
        &mut self,
        suffix: Suffix,
        value: Number<'static>,
        exemplar: Option<Exemplar<'static>>,
    ) {
        let timestamp = self.timestamp.clone();
        let rare = timestamp.is_some() || exemplar.is_some();
        self.samples.push(Sample {
            labels: LabelText::Shared(Arc::clone(&self.labels)),
            value,
            extra: rare.then(|| Box::new(Extra { timestamp, exemplar, native: None })),
            hash: self.hash,
            bound: 0,
            suffix,
            quoted: self.quoted,
            implied: false,
            begins: false,
        });
    }

    pub(super) fn created(&mut self, created: Option<Number<'static>>) {
        if let Some(time) = created {
            self.push(Suffix::Created, time, None);
        }
    }

    pub(super) fn quantile(&mut self, quantile: f64, value: f64) {
        self.push(Suffix::Bare, Number::Float(value), None);
        if let Some(sample) = self.samples.last_mut() {
            let mut text = String::from(&*self.labels);
            push_pair(&mut text, "quantile", &Number::Float(quantile).to_text());
            sample.labels = LabelText::Owned(text.into());
            sample.hash = sample.hash.wrapping_add(hash_bound("quantile", quantile));
        }
    }

    pub(super) fn histogram(
        &mut self,
        histogram: Histogram,
        native: Option<Native<'static>>,
        is_gauge: bool,
        bounds: &mut Bounds<'_, '_>,
    ) {
        let count = histogram.count();
        let alone = native.is_some() && histogram.buckets.is_empty();
        if let Some(mut native) = native {
            native.alone = alone;
            self.push(Suffix::Bare, native.count_number(), None);
            if let Some(sample) = self.samples.last_mut() {
                sample.extra.get_or_insert_default().native = Some(Box::new(native));
            }
        }
        if !alone {
            let is_whole = histogram.buckets.iter().any(|bucket| bucket.bound == f64::INFINITY);
            for bucket in histogram.buckets {
                self.push(Suffix::Bucket, bucket.count, bucket.exemplar);
                self.bind(bucket.bound, bounds);
            }
            if !is_whole {
                self.push(Suffix::Bucket, count, None);
                self.bind(f64::INFINITY, bounds);
                if let Some(sample) = self.samples.last_mut() {
                    sample.implied = true;
                }
            }
            let (sum, total) = if is_gauge {
                (Suffix::GaugeSum, Suffix::GaugeCount)
            } else {
                (Suffix::Sum, Suffix::Count)
            };
            self.push(sum, Number::Float(histogram.sum), None);
            self.push(total, count, None);
        }
        self.created(histogram.created);
    }

    /// Gives the last sample its `le`.
    fn bind(&mut self, bound: f64, bounds: &mut Bounds<'_, '_>) {
        let Some(sample) = self.samples.last_mut() else { return };
        sample.hash = sample.hash.wrapping_add(hash_bound("le", bound));
        if let Some(place) = bounds.place(bound) {
            sample.bound = place;
        } else {
            let mut text = String::from(&*self.labels);
            push_pair(&mut text, "le", &Number::Float(bound).to_text());
            sample.labels = LabelText::Owned(text.into());
        }
    }
}

/// The bounds of a family, each spelt once.
pub(super) struct Bounds<'b, 'a> {
    pub(super) known: &'b mut HashMap<u64, u16>,
    pub(super) texts: &'b mut Vec<Cow<'a, str>>,
}

impl Bounds<'_, '_> {
    /// The number of a bound, plus one; none where there are too many of them.
    fn place(&mut self, bound: f64) -> Option<u16> {
        if let Some(place) = self.known.get(&bound.to_bits()) {
            return Some(*place);
        }
        let place = u16::try_from(self.texts.len() + 1).ok()?;
        self.texts.push(Cow::Owned(Number::Float(bound).to_text()));
        self.known.insert(bound.to_bits(), place);
        Some(place)
    }
}
