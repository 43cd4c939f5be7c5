//! One `Metric` message: its labels, its time, and the samples that its value makes.

use std::collections::HashMap;

use super::histogram::Histogram;
use super::labels::{broken, canonical, exemplar, instant, misshapen, pair};
use super::point::{Bounds, Point};
use super::wire::{Fields, Value};
use crate::exposition::keyed::Hashes;
use crate::exposition::labels::{hash_all, hash_bytes};
use crate::exposition::model::{Exemplar, Family, Kind, Suffix, Timestamp};
use crate::exposition::parse::{Limits, Refusal};
use crate::exposition::problem::Reason;
use crate::exposition::value::Number;

/// Reads the metrics of one family.
pub(super) struct Reader<'s> {
    /// Whether the family's type is none that we know, so that its metrics have to tell.
    guess: bool,
    /// The numbers of bounds, for where histograms of the family have different ones.
    bounds: HashMap<u64, u16>,
    /// Metrics of several samples that were there, by name, label set and time.
    seen: &'s mut Hashes,
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

impl<'s> Reader<'s> {
    pub(super) fn new(guess: bool, seen: &'s mut Hashes) -> Self {
        Self { guess, bounds: HashMap::new(), seen }
    }

    /// Adds the metric's samples to the family. `budget` is how many samples there may still be.
    pub(super) fn metric<'a>(
        &mut self,
        family: &mut Family<'a>,
        message: &'a [u8],
        at: usize,
        limits: &Limits,
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
        let (text, quoted) = canonical(&metric.labels, taken, limits.line_bytes)?;
        let mut point = Point {
            hash: hash_all(&text, None),
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
                let native = histogram.native(at, limits, &mut remarks);
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

    /// Whether a metric of several samples has a label set that one before it had at that time. Of
    /// two that were mixed nobody could tell which sample is whose.
    pub(super) fn is_repeated(&mut self, family: &Family<'_>, from: usize) -> bool {
        let Some(sample) = family.samples.get(from..).and_then(<[_]>::last) else { return false };
        if matches!(family.kind, Kind::Gauge | Kind::Unknown) {
            return false;
        }
        // The last sample is a sum, a count or a time, which has no bound; or native, or a counter.
        let time = sample.timestamp().and_then(Timestamp::millis);
        let time = time.map(i64::to_le_bytes);
        let place = hash_bytes(family.name.as_bytes(), time.as_ref().map_or(&[], |time| time));
        // What is told as another type has other samples.
        let place = place.rotate_left(family.kind as u32);
        !self.seen.insert(place.wrapping_add(sample.hash))
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
