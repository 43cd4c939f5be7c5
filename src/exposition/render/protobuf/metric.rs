//! One `Metric` message: which samples make it, and how they are told in it.

use std::borrow::Cow;

use crate::exposition::labels::{Pairs, unescape_value};
use crate::exposition::merge::{MergedFamily, Piece, group_of};
use crate::exposition::model::{Exemplar, Kind, Sample, Suffix, Timestamp};
use crate::exposition::native::{Native, Observations, Side};
use crate::exposition::render::lines::Suffixes;
use crate::exposition::render::wire;
use crate::exposition::value::Number;

/// How the samples of a family become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Counter {
        created: bool,
    },
    Gauge,
    Untyped,
    Summary {
        created: bool,
    },
    /// With native histograms only where every histogram of the family is one: readers take a
    /// family for what its first message is.
    Histogram {
        gauge: bool,
        native: bool,
        created: bool,
    },
}

impl Shape {
    /// The shape that can hold the whole family, if one can: a sum or count that is not told
    /// would be read as zero.
    pub(super) fn of(family: &MergedFamily<'_>) -> Option<Self> {
        let created = || created_fits(family);
        match family.kind {
            Kind::Counter => Some(Self::Counter { created: created() }),
            Kind::Gauge | Kind::Info | Kind::StateSet => Some(Self::Gauge),
            Kind::Unknown => Some(Self::Untyped),
            Kind::Summary => points(family)
                .all(|point| {
                    let count = find(point, Suffix::Count).and_then(whole);
                    is_only_created(point) || find(point, Suffix::Sum).is_some() && count.is_some()
                })
                .then(|| Self::Summary { created: created() }),
            Kind::Histogram | Kind::GaugeHistogram => {
                let gauge = family.kind == Kind::GaugeHistogram;
                let (sum, count) = if gauge {
                    (Suffix::GaugeSum, Suffix::GaugeCount)
                } else {
                    (Suffix::Sum, Suffix::Count)
                };
                let (mut natives, mut others) = (false, false);
                let fits = points(family).all(|point| {
                    let native = point.iter().any(|sample| sample.native().is_some());
                    natives |= native;
                    let total = find(point, count);
                    others |= !native && total.is_some_and(|count| count.as_f64() != 0.0);
                    let alone = point.iter().any(|s| s.native().is_some_and(|n| n.alone));
                    let is_whole = alone || find(point, sum).is_some() && total.is_some();
                    is_only_created(point)
                        || is_whole
                            && point
                                .iter()
                                .filter(|s| s.suffix == Suffix::Bucket || s.suffix == count)
                                .all(|s| s.value.as_f64() >= 0.0)
                });
                let native = natives && !others;
                fits.then(|| Self::Histogram { gauge, native, created: created() })
            }
        }
    }

    pub(super) fn has_created(self) -> bool {
        match self {
            Self::Counter { created }
            | Self::Summary { created }
            | Self::Histogram { created, .. } => created,
            Self::Gauge | Self::Untyped => false,
        }
    }

    /// The number of the type in `MetricType`.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Counter { .. } => 0,
            Self::Gauge => 1,
            Self::Summary { .. } => 2,
            Self::Untyped => 3,
            Self::Histogram { gauge: false, .. } => 4,
            Self::Histogram { gauge: true, .. } => 5,
        }
    }

    /// Where the metric that begins at `start` ends; nothing at the end of the samples.
    pub(super) fn group(self, kind: Kind, piece: &Piece<'_>, start: usize) -> Option<usize> {
        let samples = piece.samples.get(start..).filter(|rest| !rest.is_empty())?;
        if matches!(self, Self::Gauge | Self::Untyped | Self::Counter { created: false }) {
            return Some(start + 1);
        }
        Some(start + point_len(kind, samples, &piece.bounds))
    }
}

/// Samples of one label set at one time; they stand together once a family is settled.
fn point_len(kind: Kind, samples: &[Sample<'_>], bounds: &[Cow<'_, str>]) -> usize {
    let of = |sample: &Sample<'_>| {
        let time = sample.timestamp().and_then(Timestamp::millis);
        (group_of(kind, sample, bounds), time)
    };
    let Some(first) = samples.first().map(of) else { return 0 };
    samples.iter().skip(1).take_while(|sample| of(sample) == first).count() + 1
}

fn points<'f, 'a>(family: &'f MergedFamily<'a>) -> impl Iterator<Item = &'f [Sample<'a>]> {
    family.pieces.iter().flat_map(move |piece| {
        let mut rest = &piece.samples[..];
        std::iter::from_fn(move || {
            let length = point_len(family.kind, rest, &piece.bounds);
            let (point, after) = rest.split_at(length);
            rest = after;
            (length > 0).then_some(point)
        })
    })
}

/// Whether each creation time has the metric that it can stand in, and is a time.
fn created_fits(family: &MergedFamily<'_>) -> bool {
    family.has(Suffix::Created)
        && points(family).all(|point| {
            find(point, Suffix::Created).is_none_or(|created| instant_of(created).is_some())
                && !is_only_created(point)
        })
}

fn is_only_created(point: &[Sample<'_>]) -> bool {
    point.iter().all(|sample| sample.suffix == Suffix::Created)
}

fn find<'s>(point: &'s [Sample<'_>], suffix: Suffix) -> Option<Number<'s>> {
    point
        .iter()
        .find(|sample| sample.suffix == suffix && sample.native().is_none())
        .map(|sample| sample.value)
}

/// Appends the samples as one field of a `MetricFamily`, or nothing if none of them belongs there.
pub(super) fn encode(
    shape: Shape,
    suffixes: Suffixes,
    samples: &[Sample<'_>],
    bounds: &[Cow<'_, str>],
    source: Option<&str>,
    out: &mut Vec<u8>,
) {
    let Some(first) = samples.iter().find(|sample| holds(suffixes, sample)) else { return };
    let one = |field: u32, value: f64, out: &mut Vec<u8>| {
        wire::message(field, out, |out| wire::double(1, value, out));
    };
    let mut metric = |le: Option<&str>, body: &dyn Fn(&mut Vec<u8>)| {
        wire::message(4, out, |out| {
            write_labels(shape, first.labels.as_str(), source, le, out);
            // Fields in ascending order: the histogram's number is after the timestamp's.
            let is_histogram = matches!(shape, Shape::Histogram { .. });
            if !is_histogram {
                body(out);
            }
            if let Some(millis) = first.timestamp().and_then(Timestamp::millis) {
                wire::int(6, millis, out);
            }
            if is_histogram {
                body(out);
            }
        });
    };
    match shape {
        Shape::Gauge | Shape::Untyped => {
            let field = if shape == Shape::Gauge { 2 } else { 5 };
            if let Some(native) = first.native() {
                for gauge in [false, true] {
                    for (suffix, value) in native.parts(gauge) {
                        let is_bucket = suffix == Suffix::Bucket;
                        // A bucket is part of both lists.
                        if suffixes.contains(suffix) && !(gauge && is_bucket) {
                            let le = is_bucket.then_some("+Inf");
                            metric(le, &|out| one(field, float(value), out));
                        }
                    }
                }
            } else {
                let le = first.bound(bounds);
                metric(le, &|out| one(field, float(first.value), out));
            }
        }
        Shape::Counter { .. } => metric(None, &|out| {
            wire::message(3, out, |out| {
                wire::double(1, float(first.value), out);
                if let Some(exemplar) = first.exemplar() {
                    write_exemplar(2, exemplar, out);
                }
                write_created(3, samples, suffixes, out);
            });
        }),
        Shape::Summary { .. } => metric(None, &|out| {
            wire::message(4, out, |out| {
                let count = find(samples, Suffix::Count).and_then(whole);
                wire::uint(1, count.unwrap_or_default(), out);
                wire::double(2, find(samples, Suffix::Sum).map_or(0.0, float), out);
                for sample in samples.iter().filter(|s| s.suffix == Suffix::Bare) {
                    wire::message(3, out, |out| {
                        let text = label(sample, "quantile").unwrap_or_default();
                        wire::double(1, text.parse().unwrap_or(f64::NAN), out);
                        wire::double(2, float(sample.value), out);
                    });
                }
                write_created(4, samples, suffixes, out);
            });
        }),
        Shape::Histogram { gauge, native, .. } => metric(None, &|out| {
            wire::message(7, out, |out| {
                let native_of = samples.iter().find_map(Sample::native);
                write_histogram(samples, bounds, gauge, native_of, native, out);
                write_created(15, samples, suffixes, out);
                if let Some(exemplars) = native_of.filter(|_| native).map(Native::exemplars) {
                    for exemplar in exemplars {
                        write_exemplar(16, exemplar, out);
                    }
                }
            });
        }),
    }
}

fn holds(suffixes: Suffixes, sample: &Sample<'_>) -> bool {
    match sample.native() {
        Some(native) => {
            suffixes.contains(Suffix::Bare)
                || native.alone
                    && [false, true].iter().any(|gauge| {
                        native.parts(*gauge).iter().any(|(suffix, _)| suffixes.contains(*suffix))
                    })
        }
        None => suffixes.contains(sample.suffix),
    }
}

fn write_histogram(
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
    let in_parts = native.is_some_and(|n| matches!(n.observations, Observations::Parts { .. }));
    let is_whole =
        whole(total).filter(|_| !in_parts && buckets().all(|bucket| whole(bucket.value).is_some()));
    if let Some(total) = is_whole {
        wire::uint(1, total, out);
    }
    wire::double(2, sum, out);
    for bucket in buckets().filter(|bucket| !bucket.implied || bucket.exemplar().is_some()) {
        wire::message(3, out, |out| {
            let counted = whole(bucket.value).filter(|_| is_whole.is_some());
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
    if is_whole.is_none() {
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

fn write_labels(
    shape: Shape,
    labels: &str,
    source: Option<&str>,
    le: Option<&str>,
    out: &mut Vec<u8>,
) {
    let told_elsewhere = match shape {
        Shape::Summary { .. } => "quantile",
        Shape::Histogram { .. } => "le",
        _ => "",
    };
    let pairs = Pairs(labels).filter(|pair| pair.name != told_elsewhere);
    for pair in pairs.chain(Pairs(source.unwrap_or_default())) {
        let plain = |text: &str| -> String { unescape_value(text) };
        wire::message(1, out, |out| {
            match pair.quoted && pair.name.contains('\\') {
                true => wire::string(1, &plain(pair.name), out),
                false => wire::string(1, pair.name, out),
            }
            match pair.value.contains('\\') {
                true => wire::string(2, &plain(pair.value), out),
                false => wire::string(2, pair.value, out),
            }
        });
    }
    if let Some(le) = le {
        wire::message(1, out, |out| {
            wire::string(1, "le", out);
            wire::string(2, le, out);
        });
    }
}

fn write_exemplar(field: u32, exemplar: &Exemplar<'_>, out: &mut Vec<u8>) {
    wire::message(field, out, |out| {
        write_labels(Shape::Untyped, exemplar.labels.as_str(), None, None, out);
        wire::double(2, float(exemplar.value), out);
        if let Some(at) = exemplar.timestamp().and_then(instant) {
            write_instant(3, at, out);
        }
    });
}

fn write_created(field: u32, samples: &[Sample<'_>], suffixes: Suffixes, out: &mut Vec<u8>) {
    if suffixes.contains(Suffix::Created)
        && let Some(at) = find(samples, Suffix::Created).and_then(instant_of)
    {
        write_instant(field, at, out);
    }
}

fn write_instant(field: u32, (seconds, nanos): (i64, u32), out: &mut Vec<u8>) {
    wire::message(field, out, |out| {
        wire::int(1, seconds, out);
        if nanos > 0 {
            wire::uint(2, u64::from(nanos), out);
        }
    });
}

fn label<'s>(sample: &'s Sample<'_>, name: &str) -> Option<&'s str> {
    Pairs(sample.labels.as_str()).find(|pair| pair.name == name).map(|pair| pair.value)
}

/// The NaN that Prometheus makes of the text; its stale markers are other ones.
const NORMAL_NAN: u64 = 0x7ff8_0000_0000_0001;

fn float(number: Number<'_>) -> f64 {
    match number {
        Number::Text("NaN") => f64::from_bits(NORMAL_NAN),
        number => number.as_f64(),
    }
}

/// The number if it is a whole one that 64 bits hold exactly.
fn whole(number: Number<'_>) -> Option<u64> {
    /// 2^64, the first float that does not fit.
    const END: f64 = 18_446_744_073_709_551_616.0;
    match number {
        Number::Int(value) => return Some(value),
        Number::Text(text) => {
            if let Ok(value) = text.parse() {
                return Some(value);
            }
        }
        _ => {}
    }
    let value = number.as_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    (value >= 0.0 && value < END && value.fract() == 0.0).then_some(value as u64)
}

fn instant_of(number: Number<'_>) -> Option<(i64, u32)> {
    match number {
        Number::Time(seconds, nanos) => Some((seconds, nanos)).filter(|at| is_date(*at)),
        number => {
            let text = number.to_text();
            match text.contains(['e', 'E']) {
                true => instant(&number.as_f64().to_string()),
                false => instant(&text),
            }
        }
    }
}

/// Seconds as a decimal fraction, as the seconds and nanoseconds of a `Timestamp`, which runs from
/// the year 1 to 9999. What is finer than nanoseconds is cut off.
fn instant(text: &str) -> Option<(i64, u32)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_decimal(whole) || !is_decimal(fraction) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let seconds: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    let at = match (is_negative, nanos) {
        (false, nanos) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, nanos) => (-seconds - 1, 1_000_000_000 - nanos),
    };
    is_date(at).then_some(at)
}

fn is_date((seconds, _): (i64, u32)) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        for (text, at) in [
            ("1625851153.233181499", Some((1_625_851_153, 233_181_499))),
            ("0", Some((0, 0))),
            (".5", Some((0, 500_000_000))),
            ("5.", Some((5, 0))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("1.0000000019", Some((1, 1))),
            ("99999999999999", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(instant(text), at, "{text}");
            if let Some(at) = at
                && text != "1.0000000019"
            {
                assert_eq!(instant(&Number::Time(at.0, at.1).to_text()), Some(at));
            }
        }
        assert_eq!(instant_of(Number::Text("1.5e9")), Some((1_500_000_000, 0)));
    }

    #[test]
    fn counts_are_whole_up_to_the_last_bit() {
        for (number, expected) in [
            (Number::Text("18446744073709551615"), Some(u64::MAX)),
            (Number::Text("1e3"), Some(1000)),
            (Number::Float(2.5), None),
            (Number::Text("-1"), None),
            (Number::Text("NaN"), None),
            (Number::Text("1e20"), None),
        ] {
            assert_eq!(whole(number), expected, "{number:?}");
        }
    }
}
