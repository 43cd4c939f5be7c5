//! The `Histogram` message: classic buckets, a native histogram, or both.

use std::borrow::Cow;

use super::exact::{float, whole};
use super::metric::{find, label, write_exemplar};
use crate::exposition::model::{Sample, Suffix};
use crate::exposition::native::{Native, Observations, Side};
use crate::exposition::render::wire;
use crate::exposition::value::Number;

pub(super) fn write_histogram(
    samples: &[Sample<'_>],
    bounds: &[Cow<'_, str>],
    gauge: bool,
    native: Option<&Native<'_>>,
    with_native: bool,
    out: &mut Vec<u8>,
) {
    let (sum, count) =
        if gauge { (Suffix::GaugeSum, Suffix::GaugeCount) } else { (Suffix::Sum, Suffix::Count) };
    let buckets = || samples.iter().filter(|sample| sample.suffix == Suffix::Bucket);
    let total =
        find(samples, count).or_else(|| native.map(Native::count_number)).unwrap_or(Number::Int(0));
    let sum = find(samples, sum).map(float).or_else(|| native.map(Native::sum)).unwrap_or(0.0);
    let native = native.filter(|_| with_native);
    let all_whole = buckets().all(|bucket| whole(bucket.value).is_some());
    // A native histogram is read as the kind of number that the count is.
    let is_integer = match native.map(|native| &native.observations) {
        Some(Observations::Whole { .. }) => true,
        Some(Observations::Parts { .. }) => false,
        None => all_whole,
    };
    let whole_total = whole(total).filter(|_| is_integer);
    if let Some(total) = whole_total {
        wire::uint(1, total, out);
    }
    wire::double(2, sum, out);
    for bucket in buckets().filter(|bucket| !bucket.implied || bucket.exemplar().is_some()) {
        wire::message(3, out, |out| {
            let counted = whole(bucket.value).filter(|_| all_whole && whole_total.is_some());
            if let Some(count) = counted {
                wire::uint(1, count, out);
            }
            let bound = bucket.bound(bounds).or_else(|| label(bucket, "le"));
            wire::double(2, bound.and_then(|le| le.parse().ok()).unwrap_or(f64::NAN), out);
            if let Some(exemplar) = bucket.exemplar() {
                write_exemplar(3, exemplar, out);
            }
            if counted.is_none() {
                wire::double(4, float(bucket.value), out);
            }
        });
    }
    if whole_total.is_none() {
        wire::double(4, float(total), out);
    }
    if let Some(native) = native {
        write_native(native, out);
    }
}

fn write_native(native: &Native<'_>, out: &mut Vec<u8>) {
    wire::sint(5, i64::from(native.schema), out);
    wire::double(6, native.zero_threshold, out);
    match &native.observations {
        Observations::Whole { zero, positive, negative, .. } => {
            wire::uint(7, *zero, out);
            for (field, side) in [(9, negative), (12, positive)] {
                write_spans(field, side, out);
                if !side.values.is_empty() {
                    wire::message(field + 1, out, |out| {
                        for delta in &side.values {
                            wire::varint(wire::zigzag(*delta), out);
                        }
                    });
                }
            }
        }
        Observations::Parts { zero, positive, negative, .. } => {
            wire::double(8, *zero, out);
            for (field, side) in [(9, negative), (12, positive)] {
                write_spans(field, side, out);
                if !side.values.is_empty() {
                    wire::message(field + 2, out, |out| {
                        for count in &side.values {
                            out.extend_from_slice(&count.to_bits().to_le_bytes());
                        }
                    });
                }
            }
        }
    }
    if !native.is_evident() {
        // An empty span tells that the histogram is native before anything was observed.
        wire::message(12, out, |out| {
            wire::sint(1, 0, out);
            wire::uint(2, 0, out);
        });
    }
}

fn write_spans<T>(field: u32, side: &Side<T>, out: &mut Vec<u8>) {
    for span in &side.spans {
        wire::message(field, out, |out| {
            wire::sint(1, i64::from(span.offset), out);
            wire::uint(2, u64::from(span.length), out);
        });
    }
}
