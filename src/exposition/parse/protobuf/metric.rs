//! One `Metric` message: its labels, its time, and the samples that its value makes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::histogram::Histogram;
use super::labels::{broken, canonical, exemplar, instant, misshapen, pair};
use super::wire::{Fields, Value};
use crate::exposition::labels::{LabelText, hash_all, hash_bound, push_pair};
use crate::exposition::model::{Exemplar, Extra, Family, Kind, Sample, Suffix, Timestamp};
use crate::exposition::native::Native;
use crate::exposition::parse::Refusal;
use crate::exposition::problem::Reason;
use crate::exposition::value::Number;

/// Reads the metrics of one family.
pub(super) struct Reader {
    /// Whether the family's type is none that we know, so that its metrics have to tell.
    guess: bool,
    /// The numbers of bounds, for where histograms of the family have different ones.
    bounds: HashMap<u64, u16>,
}

/// What a metric says, before it becomes samples.
#[derive(Default)]
struct Metric<'a> {
    labels: Vec<(usize, &'a str, &'a str)>,
    timestamp: Option<i64>,
    gauge: Option<f64>,
    untyped: Option<f64>,
    counter: Option<Counter>,
    summary: Option<Summary>,
    histogram: Option<Histogram>,
}

#[derive(Default)]
struct Counter {
    value: f64,
    exemplar: Option<Exemplar<'static>>,
    created: Option<Number<'static>>,
}

#[derive(Default)]
struct Summary {
    count: u64,
    sum: f64,
    quantiles: Vec<(f64, f64)>,
    created: Option<Number<'static>>,
}

/// What is wrong with a metric that costs no sample.
pub(super) type Remarks = Vec<Refusal>;

impl Reader {
    pub(super) fn new(guess: bool) -> Self {
        Self { guess, bounds: HashMap::new() }
    }

    /// Adds the metric's samples to the family. `budget` is how many samples there may still be.
    pub(super) fn metric<'a>(
        &mut self,
        family: &mut Family<'a>,
        message: &'a [u8],
        at: usize,
        limit: usize,
        budget: &mut usize,
    ) -> Result<Remarks, Refusal> {
        let mut remarks = Vec::new();
        let metric = Metric::read(message, at, budget, &mut remarks)?;
        if self.guess && family.samples.is_empty() {
            family.kind = metric.kind();
        }
        let taken = match family.kind {
            Kind::Summary => "quantile",
            Kind::Histogram | Kind::GaugeHistogram => "le",
            _ => "",
        };
        let (text, quoted) = canonical(&metric.labels, taken, limit)?;
        let mut point = Point {
            hash: hash_all(&text, false),
            labels: text.into(),
            quoted,
            timestamp: metric.timestamp.map(Timestamp::Millis),
            samples: &mut family.samples,
        };
        let missing = || Refusal { at, reason: Reason::BadValue };
        match family.kind {
            Kind::Counter => {
                let counter = metric.counter.ok_or_else(missing)?;
                point.push(Suffix::Bare, Number::Float(counter.value), counter.exemplar);
                point.created(counter.created);
            }
            Kind::Gauge => {
                point.push(Suffix::Bare, Number::Float(metric.gauge.ok_or_else(missing)?), None);
            }
            Kind::Summary => {
                let summary = metric.summary.ok_or_else(missing)?;
                for (quantile, value) in summary.quantiles {
                    point.quantile(quantile, value);
                }
                point.push(Suffix::Sum, Number::Float(summary.sum), None);
                point.push(Suffix::Count, Number::Int(summary.count), None);
                point.created(summary.created);
            }
            Kind::Histogram | Kind::GaugeHistogram => {
                let mut histogram = metric.histogram.ok_or_else(missing)?;
                let is_gauge = family.kind == Kind::GaugeHistogram;
                let native = histogram.native(at, &mut remarks);
                let mut bounds = Bounds { known: &mut self.bounds, texts: &mut family.bounds };
                point.histogram(histogram, native, is_gauge, &mut bounds);
            }
            _ => {
                let counter = metric.counter.map(|counter| counter.value);
                let value = metric.untyped.or(metric.gauge.filter(|_| self.guess));
                let value = value.or(counter.filter(|_| self.guess)).ok_or_else(missing)?;
                point.push(Suffix::Bare, Number::Float(value), None);
            }
        }
        Ok(remarks)
    }
}

impl<'a> Metric<'a> {
    fn read(
        message: &'a [u8],
        at: usize,
        budget: &mut usize,
        remarks: &mut Remarks,
    ) -> Result<Self, Refusal> {
        spend(budget, 1, at)?;
        let mut metric = Self::default();
        for field in Fields::new(message, at) {
            let field = field.map_err(broken)?;
            match (field.number, field.value) {
                (1, Value::Bytes(bytes)) => {
                    let (name, value) = pair(bytes, field.at)?;
                    metric.labels.push((field.at, name, value));
                }
                (2, Value::Bytes(bytes)) => metric.gauge = Some(one_value(bytes, field.at)?),
                (3, Value::Bytes(bytes)) => {
                    let counter = metric.counter.get_or_insert_default();
                    counter.read(bytes, field.at, remarks)?;
                }
                (4, Value::Bytes(bytes)) => {
                    let summary = metric.summary.get_or_insert_default();
                    summary.read(bytes, field.at, budget, remarks)?;
                }
                (5, Value::Bytes(bytes)) => metric.untyped = Some(one_value(bytes, field.at)?),
                (6, Value::Varint(millis)) => metric.timestamp = Some(millis.cast_signed()),
                (7, Value::Bytes(bytes)) => {
                    let histogram = metric.histogram.get_or_insert_default();
                    histogram.read(bytes, field.at, budget, remarks)?;
                }
                (1..=7, _) => return misshapen(&field),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// The kind that the value is of.
    fn kind(&self) -> Kind {
        if self.histogram.is_some() {
            Kind::Histogram
        } else if self.summary.is_some() {
            Kind::Summary
        } else {
            Kind::Unknown
        }
    }
}

impl Counter {
    fn read(&mut self, message: &[u8], at: usize, remarks: &mut Remarks) -> Result<(), Refusal> {
        for field in Fields::new(message, at) {
            let field = field.map_err(broken)?;
            match (field.number, field.value) {
                (1, Value::Fixed64(bits)) => self.value = f64::from_bits(bits),
                (2, Value::Bytes(bytes)) => {
                    self.exemplar = kept(exemplar(bytes, field.at)?, remarks);
                }
                (3, Value::Bytes(bytes)) => self.created = created(bytes, field.at, remarks)?,
                (1..=3, _) => return misshapen(&field),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Summary {
    fn read(
        &mut self,
        message: &[u8],
        at: usize,
        budget: &mut usize,
        remarks: &mut Remarks,
    ) -> Result<(), Refusal> {
        for field in Fields::new(message, at) {
            let field = field.map_err(broken)?;
            match (field.number, field.value) {
                (1, Value::Varint(count)) => self.count = count,
                (2, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => {
                    spend(budget, 1, field.at)?;
                    let mut quantile = (0.0, 0.0);
                    for field in Fields::new(bytes, field.at) {
                        let field = field.map_err(broken)?;
                        match (field.number, field.value) {
                            (1, Value::Fixed64(bits)) => quantile.0 = f64::from_bits(bits),
                            (2, Value::Fixed64(bits)) => quantile.1 = f64::from_bits(bits),
                            (1 | 2, _) => return misshapen(&field),
                            _ => {}
                        }
                    }
                    self.quantiles.push(quantile);
                }
                (4, Value::Bytes(bytes)) => self.created = created(bytes, field.at, remarks)?,
                (1..=4, _) => return misshapen(&field),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A `Gauge` or an `Untyped`.
fn one_value(message: &[u8], at: usize) -> Result<f64, Refusal> {
    let mut value = 0.0;
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Fixed64(bits)) => value = f64::from_bits(bits),
            (1, _) => return misshapen(&field),
            _ => {}
        }
    }
    Ok(value)
}

/// Takes samples out of what there may still be.
pub(super) fn spend(budget: &mut usize, samples: usize, at: usize) -> Result<(), Refusal> {
    match budget.checked_sub(samples) {
        Some(rest) => {
            *budget = rest;
            Ok(())
        }
        None => Refusal::new(at, Reason::TooMany),
    }
}

pub(super) fn kept<T>(read: Result<T, Refusal>, remarks: &mut Remarks) -> Option<T> {
    read.map_err(|refusal| remarks.push(refusal)).ok()
}

pub(super) fn created(
    message: &[u8],
    at: usize,
    remarks: &mut Remarks,
) -> Result<Option<Number<'static>>, Refusal> {
    let time = instant(message, at)?;
    if time.is_none() {
        remarks.push(Refusal { at, reason: Reason::BadTimestamp });
    }
    Ok(time)
}

/// Where the samples of one metric go, with what they have in common.
struct Point<'s, 'a> {
    labels: Arc<str>,
    hash: u64,
    quoted: bool,
    timestamp: Option<Timestamp<'a>>,
    samples: &'s mut Vec<Sample<'a>>,
}

impl Point<'_, '_> {
    fn push(
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
        });
    }

    fn created(&mut self, created: Option<Number<'static>>) {
        if let Some(time) = created {
            self.push(Suffix::Created, time, None);
        }
    }

    fn quantile(&mut self, quantile: f64, value: f64) {
        self.push(Suffix::Bare, Number::Float(value), None);
        if let Some(sample) = self.samples.last_mut() {
            let mut text = String::from(&*self.labels);
            push_pair(&mut text, "quantile", &Number::Float(quantile).to_text());
            sample.labels = LabelText::Owned(text.into());
            sample.hash = sample.hash.wrapping_add(hash_bound("quantile", quantile));
        }
    }

    fn histogram(
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
        match bounds.place(bound) {
            Some(place) => sample.bound = place,
            None => {
                let mut text = String::from(&*self.labels);
                push_pair(&mut text, "le", &Number::Float(bound).to_text());
                sample.labels = LabelText::Owned(text.into());
            }
        }
    }
}

/// The bounds of a family, each spelt once.
struct Bounds<'b, 'a> {
    known: &'b mut HashMap<u64, u16>,
    texts: &'b mut Vec<Cow<'a, str>>,
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
