//! The `Histogram` message: classic buckets, a native histogram, or both.

use super::labels::{broken, exemplar, misshapen};
use super::metric::{Remarks, created, kept, spend};
use super::wire::{Fields, Value, fixed64, unzigzag, varint};
use crate::exposition::model::Exemplar;
use crate::exposition::native::{Native, Observations, Side, Span};
use crate::exposition::parse::{Limits, Refusal};
use crate::exposition::problem::Reason;
use crate::exposition::value::Number;

/// What the message says.
#[derive(Default)]
pub(super) struct Histogram {
    whole: u64,
    parts: f64,
    pub(super) sum: f64,
    pub(super) buckets: Vec<Bucket>,
    pub(super) created: Option<Number<'static>>,
    schema: i64,
    zero_threshold: f64,
    zero: u64,
    zero_parts: f64,
    positive: Buckets,
    negative: Buckets,
    exemplars: Vec<Exemplar<'static>>,
}

/// A classic bucket.
pub(super) struct Bucket {
    pub(super) bound: f64,
    pub(super) count: Number<'static>,
    pub(super) exemplar: Option<Exemplar<'static>>,
}

/// Native buckets on one side of zero, counted either way.
#[derive(Default)]
struct Buckets {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// Native buckets take little memory; so many of them count as one sample.
const NATIVE_BUCKETS_A_SAMPLE: usize = 8;

impl Histogram {
    pub(super) fn read(
        &mut self,
        message: &[u8],
        at: usize,
        budget: &mut usize,
        remarks: &mut Remarks,
    ) -> Result<(), Refusal> {
        for field in Fields::new(message, at) {
            let field = field.map_err(broken)?;
            match (field.number, field.value) {
                (1, Value::Varint(count)) => self.whole = count,
                (2, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
                (3, Value::Bytes(bytes)) => {
                    spend(budget, 1, field.at)?;
                    self.buckets.push(bucket(bytes, field.at, remarks)?);
                }
                (4, Value::Fixed64(bits)) => self.parts = f64::from_bits(bits),
                (5, Value::Varint(schema)) => self.schema = unzigzag(schema),
                (6, Value::Fixed64(bits)) => self.zero_threshold = f64::from_bits(bits),
                (7, Value::Varint(count)) => self.zero = count,
                (8, Value::Fixed64(bits)) => self.zero_parts = f64::from_bits(bits),
                (15, Value::Bytes(bytes)) => self.created = created(bytes, field.at, remarks)?,
                (16, Value::Bytes(bytes)) => {
                    spend(budget, 1, field.at)?;
                    self.exemplars.extend(kept(exemplar(bytes, field.at)?, remarks));
                }
                (9..=11, value) => self.negative.read(field.number - 9, value, field.at, budget)?,
                (12..=14, value) => {
                    self.positive.read(field.number - 12, value, field.at, budget)?;
                }
                (1..=8 | 15 | 16, _) => return misshapen(&field),
                _ => {}
            }
        }
        Ok(())
    }

    /// All observations: parts of them where these are told.
    pub(super) fn count(&self) -> Number<'static> {
        either(self.whole, self.parts)
    }

    /// Takes the native histogram out, where there is one by the rule that Prometheus has. One that
    /// does not add up is left out, and only what text could tell of it stays.
    pub(super) fn native(
        &mut self,
        at: usize,
        limits: &Limits,
        remarks: &mut Remarks,
    ) -> Option<Native<'static>> {
        let positive = std::mem::take(&mut self.positive);
        let negative = std::mem::take(&mut self.negative);
        let is_native = !positive.spans.is_empty()
            || !negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero > 0
            || self.zero_parts > 0.0;
        if !is_native {
            return None;
        }
        let native = Native {
            schema: i8::try_from(self.schema).unwrap_or(i8::MAX),
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            observations: if self.parts > 0.0 || self.zero_parts > 0.0 {
                Observations::Parts {
                    count: self.parts,
                    zero: self.zero_parts,
                    positive: Side { spans: positive.spans, values: positive.counts },
                    negative: Side { spans: negative.spans, values: negative.counts },
                }
            } else {
                Observations::Whole {
                    count: self.whole,
                    zero: self.zero,
                    positive: positive.whole(),
                    negative: negative.whole(),
                }
            },
            exemplars: std::mem::take(&mut self.exemplars),
            alone: true,
        };
        let may_be = |native: &Native<'_>| limits.native_below_zero || !native.is_below_zero();
        let native = native.checked().filter(may_be);
        if native.is_none() {
            remarks.push(Refusal { at, reason: Reason::Inconsistent });
        }
        native
    }
}

impl Buckets {
    fn read(
        &mut self,
        part: u64,
        value: Value<'_>,
        at: usize,
        budget: &mut usize,
    ) -> Result<(), Refusal> {
        let before = self.len();
        match (part, value) {
            (0, Value::Bytes(bytes)) => self.spans.push(span(bytes, at)?),
            (1, Value::Varint(delta)) => self.deltas.push(unzigzag(delta)),
            (1, Value::Bytes(packed)) => {
                spend(budget, packed.len() / NATIVE_BUCKETS_A_SAMPLE, at)?;
                let mut next = 0;
                while next < packed.len() {
                    let (delta, end) = varint(packed, next).ok_or_else(|| broken(at + next))?;
                    self.deltas.push(unzigzag(delta));
                    next = end;
                }
                return Ok(());
            }
            (2, Value::Fixed64(bits)) => self.counts.push(f64::from_bits(bits)),
            (2, Value::Bytes(packed)) if packed.len() % 8 == 0 => {
                let counts = packed.chunks(8).filter_map(fixed64).map(f64::from_bits);
                self.counts.extend(counts);
            }
            _ => return Err(broken(at)),
        }
        let after = self.len();
        spend(budget, after / NATIVE_BUCKETS_A_SAMPLE - before / NATIVE_BUCKETS_A_SAMPLE, at)
    }

    fn len(&self) -> usize {
        self.spans.len() + self.deltas.len() + self.counts.len()
    }

    fn whole(self) -> Side<i64> {
        let Self { spans, mut deltas, counts } = self;
        // Parts of observations that are all nothing: readers take no observation for whole ones.
        if deltas.is_empty() && counts.iter().all(|count| *count == 0.0) {
            deltas = vec![0; counts.len()];
        }
        Side { spans, values: deltas }
    }
}

fn bucket(message: &[u8], at: usize, remarks: &mut Remarks) -> Result<Bucket, Refusal> {
    let (mut whole, mut parts, mut bound, mut traced) = (0, 0.0, 0.0, None);
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Varint(count)) => whole = count,
            (2, Value::Fixed64(bits)) => bound = f64::from_bits(bits),
            (3, Value::Bytes(bytes)) => traced = kept(exemplar(bytes, field.at)?, remarks),
            (4, Value::Fixed64(bits)) => parts = f64::from_bits(bits),
            (1..=4, _) => return misshapen(&field),
            _ => {}
        }
    }
    Ok(Bucket { bound, count: either(whole, parts), exemplar: traced })
}

fn span(message: &[u8], at: usize) -> Result<Span, Refusal> {
    let mut span = Span { offset: 0, length: 0 };
    for field in Fields::new(message, at) {
        let field = field.map_err(broken)?;
        match (field.number, field.value) {
            (1, Value::Varint(offset)) => {
                span.offset = i32::try_from(unzigzag(offset)).map_err(|_| broken(field.at))?;
            }
            (2, Value::Varint(length)) => {
                span.length = u32::try_from(length).map_err(|_| broken(field.at))?;
            }
            (1 | 2, _) => return misshapen(&field),
            _ => {}
        }
    }
    Ok(span)
}

/// A count in parts goes before a whole one unless it is nothing (metrics.proto).
fn either(whole: u64, parts: f64) -> Number<'static> {
    if parts == 0.0 { Number::Int(whole) } else { Number::Float(parts) }
}
