//! One `Metric` message: which samples make it, and how they are told in it.

use std::borrow::Cow;

use super::exact::{float, instant, instant_of, whole};
use super::histogram::write_histogram;
use crate::exposition::labels::{Pairs, unescape_value};
use crate::exposition::merge::{MergedFamily, Piece, group_of, is};
use crate::exposition::model::{Exemplar, Kind, Sample, Suffix, Timestamp};
use crate::exposition::native::Native;
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
                    let count = find(&point, Suffix::Count).and_then(whole);
                    let is_told = find(&point, Suffix::Sum).is_some() && count.is_some();
                    is_only_created(&point) || is_told
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
                    let total = find(&point, count);
                    others |= !native && total.is_some_and(|count| count.as_f64() != 0.0);
                    let alone = point.iter().any(|s| s.native().is_some_and(|n| n.alone));
                    let is_whole = alone || find(&point, sum).is_some() && total.is_some();
                    is_only_created(&point)
                        || is_whole
                            && point
                                .iter()
                                .filter(|s| s.suffix == Suffix::Bucket || s.suffix == count)
                                .all(|s| s.value.as_f64() >= 0.0)
                            && (!gauge || alone || total.is_some_and(|t| adds_up(&point, t)))
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

    /// The samples of the metric that begins at `start`, and where the next one begins; nothing at
    /// the end of the piece.
    pub(super) fn group<'p, 'a>(
        self,
        kind: Kind,
        piece: &'p Piece<'a>,
        start: usize,
    ) -> Option<(Cow<'p, [Sample<'a>]>, usize)> {
        let alone = matches!(self, Self::Gauge | Self::Untyped | Self::Counter { created: false });
        group(kind, piece, start, alone)
    }
}

/// Samples of one label set at one time, which stand together once a family is settled; or one
/// sample where each is a metric of its own. In a block, places are those of lines in its text.
fn group<'p, 'a>(
    kind: Kind,
    piece: &'p Piece<'a>,
    start: usize,
    alone: bool,
) -> Option<(Cow<'p, [Sample<'a>]>, usize)> {
    if let Some(block) = &piece.block {
        let of = |sample: &Sample<'_>| {
            let time = sample.timestamp().and_then(Timestamp::millis);
            (group_of(kind, sample, &piece.bounds), time)
        };
        let mut samples = block.samples_from(start);
        let (mut end, first) = samples.next()?;
        let mut point = vec![first];
        if alone {
            return Some((Cow::Owned(point), end));
        }
        let mut key = None;
        for (next, sample) in samples {
            if of(&sample) != *key.get_or_insert_with(|| of(&point[0])) {
                break;
            }
            point.push(sample);
            end = next;
        }
        return Some((Cow::Owned(point), end));
    }
    let samples = piece.samples.get(start..).filter(|rest| !rest.is_empty())?;
    let more = samples.iter().skip(1).take_while(|sample| !alone && !sample.begins).count();
    Some((Cow::Borrowed(&samples[..=more]), start + more + 1))
}

fn points<'f, 'a>(family: &'f MergedFamily<'a>) -> impl Iterator<Item = Cow<'f, [Sample<'a>]>> {
    family.pieces.iter().flat_map(move |piece| {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (point, end) = group(family.kind, piece, at, false)?;
            at = end;
            Some(point)
        })
    })
}

/// Whether each creation time has the metric that it can stand in, and is a time.
fn created_fits(family: &MergedFamily<'_>) -> bool {
    family.has(Suffix::Created)
        && points(family).all(|point| {
            find(&point, Suffix::Created).is_none_or(|created| instant_of(created).is_some())
                && !is_only_created(&point)
        })
}

/// Whether the buckets of a gauge histogram, which stand in the order of their bounds, rise to the
/// count. Text and OpenMetrics have a place for ones that do not; of histograms there are none.
fn adds_up(point: &[Sample<'_>], total: Number<'_>) -> bool {
    let buckets = || point.iter().filter(|sample| sample.suffix == Suffix::Bucket);
    let count = |sample: &Sample<'_>| sample.value.as_f64();
    buckets().zip(buckets().skip(1)).all(|(one, next)| count(one) <= count(next))
        && buckets().next_back().is_some_and(|last| is(count(last), total.as_f64()))
}

fn is_only_created(point: &[Sample<'_>]) -> bool {
    point.iter().all(|sample| sample.suffix == Suffix::Created)
}

pub(super) fn find<'s>(point: &'s [Sample<'_>], suffix: Suffix) -> Option<Number<'s>> {
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
        Shape::Counter { .. } => metric(first.bound(bounds), &|out| {
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
        wire::message(1, out, |out| {
            if pair.quoted && pair.name.contains('\\') {
                wire::string(1, &unescape_value(pair.name), out);
            } else {
                wire::string(1, pair.name, out);
            }
            if pair.value.contains('\\') {
                wire::string(2, &unescape_value(pair.value), out);
            } else {
                wire::string(2, pair.value, out);
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

pub(super) fn write_exemplar(field: u32, exemplar: &Exemplar<'_>, out: &mut Vec<u8>) {
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

pub(super) fn label<'s>(sample: &'s Sample<'_>, name: &str) -> Option<&'s str> {
    Pairs(sample.labels.as_str()).find(|pair| pair.name == name).map(|pair| pair.value)
}
