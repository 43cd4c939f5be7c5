//! Looks at samples one by one: each series once, and histograms and summaries that add up.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use super::relabel::{drop_empty_labels, has_bounds, has_label, rehash};
use super::{Merger, Piece};
use crate::exposition::keyed::ByHash;
use crate::exposition::labels::{Pairs, hash_bound, hash_pair};
use crate::exposition::model::{Kind, Sample, Suffix, Timestamp};
use crate::exposition::problem::{Counts, Reason};

impl Merger<'_> {
    pub(super) fn settle(&mut self) {
        let mut at = 0;
        // Families that come apart are added at the end and settled in their turn.
        while at < self.families.len() {
            self.settle_family(at);
            at += 1;
        }
    }

    fn settle_family(&mut self, at: usize) {
        let family = &mut self.families[at];
        if let [Piece { block: Some(block), .. }] = &*family.pieces {
            // Judged already, by these rules.
            family.strict = block.strict;
            return;
        }
        let kind = family.kind;
        for piece in &mut family.pieces {
            if has_bounds(piece.kind, Suffix::Bare) != has_bounds(kind, Suffix::Bare) {
                let label = self.labels[piece.source].as_deref();
                for sample in piece.samples.iter_mut().filter(|s| s.suffix == Suffix::Bare) {
                    rehash(sample, &piece.bounds, label, has_bounds(kind, Suffix::Bare));
                }
            }
        }
        if !kind.is_compound() && !family.has(Suffix::Created) {
            keep_first(&mut family.pieces, &mut self.dropped);
            family.strict = true;
            let guarded = family.own;
            for piece in &mut family.pieces {
                let legal = |sample: &Sample<'_>| is_legal(kind, &family.name, sample);
                if guarded && piece.source != 0 {
                    let before = piece.samples.len();
                    piece.samples.retain(legal);
                    let gone = (before - piece.samples.len()) as u64;
                    self.dropped[piece.source].add(Reason::TypeConflict, gone);
                } else {
                    family.strict &= piece.samples.iter().all(legal);
                }
            }
            if kind == Kind::StateSet {
                family.strict &= stand_together(&family.name, &family.pieces, &self.labels);
            }
            if kind == Kind::Info {
                let mut samples = family.pieces.iter().flat_map(|piece| &piece.samples);
                let timed = samples.next().is_some_and(|s| s.timestamp().is_some());
                family.strict &= samples.all(|s| s.timestamp().is_some() == timed);
            }
            return;
        }
        let mut seen = Table::default();
        let mut verdict = Verdict::Strict;
        let mut timed = false;
        for (number, piece) in family.pieces.iter_mut().enumerate() {
            let guarded = family.own && piece.source != 0;
            let dropped = &mut self.dropped[piece.source];
            let groups = settle_groups(kind, piece, number, guarded, &mut seen, dropped);
            verdict = verdict.min(groups.verdict);
            timed |= groups.repeat_in_time;
        }
        if kind == Kind::GaugeHistogram || kind == Kind::Counter {
            // In text these are families of single samples, which nothing can be wrong with.
            verdict = verdict.max(Verdict::TextOnly);
        }
        if verdict == Verdict::Neither || verdict == Verdict::TextOnly && timed {
            for grown in self.take_apart(at) {
                // What comes later is settled in its turn.
                if grown <= at {
                    self.settle_family(grown);
                }
            }
        } else {
            family.strict = verdict == Verdict::Strict;
        }
    }
}

/// What a family's samples allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// It does not add up.
    Neither,
    /// Readers of text take it, strict ones of OpenMetrics do not.
    TextOnly,
    Strict,
}

/// Whether a sample that stands alone may carry the kind in OpenMetrics.
fn is_legal(kind: Kind, name: &str, sample: &Sample<'_>) -> bool {
    match kind {
        Kind::Counter => is_amount(sample),
        Kind::Info => is(sample.value.as_f64(), 1.0),
        Kind::StateSet => {
            (is(sample.value.as_f64(), 0.0) || is(sample.value.as_f64(), 1.0))
                && has_label(sample.labels.as_str(), name)
        }
        _ => true,
    }
}

/// Whether the states of each label set stand together, their times in order: OpenMetrics wants it
/// so, and gauges, which a state set is otherwise, do not need it.
fn stand_together(name: &str, pieces: &[Piece<'_>], labels: &[Option<String>]) -> bool {
    let mut seen = HashSet::new();
    let mut last: (Option<(u64, Option<usize>)>, Option<i64>) = (None, None);
    let samples = pieces.iter().flat_map(|piece| piece.samples.iter().map(move |s| (piece, s)));
    for (piece, sample) in samples {
        let pairs = Pairs(sample.labels.as_str()).filter(|pair| pair.name != name);
        let group = pairs
            .fold(0_u64, |sum, pair| sum.wrapping_add(hash_pair(pair.name, pair.value, false)));
        // A label of its own keeps a source's samples apart from the others'.
        let group = (group, labels[piece.source].as_ref().map(|_| piece.source));
        let time = sample.timestamp().and_then(Timestamp::millis);
        let fits = if last.0 == Some(group) {
            time.is_some() == last.1.is_some() && time >= last.1
        } else {
            seen.insert(group)
        };
        if !fits {
            return false;
        }
        last = (Some(group), time);
    }
    true
}

/// Exactly this number: what readers compare, they compare so.
fn is(value: f64, number: f64) -> bool {
    value.total_cmp(&number).is_eq() || value.abs() + number.abs() <= 0.0
}

fn is_amount(sample: &Sample<'_>) -> bool {
    sample.value.as_f64() >= 0.0
}

/// Keeps the first sample of each series, and of the same source those that tell of later times;
/// these are brought together, as OpenMetrics wants them.
fn keep_first(pieces: &mut [Piece<'_>], dropped: &mut [Counts]) {
    let total = pieces.iter().map(|piece| piece.samples.len()).sum();
    let mut seen = Table::with_capacity_and_hasher(total, BuildHasherDefault::default());
    for (number, piece) in pieces.iter_mut().enumerate() {
        let before = piece.samples.len();
        let (mut place, mut scattered) = (0, false);
        piece.samples.retain(|sample| {
            let time = sample.timestamp().and_then(Timestamp::millis);
            let keep = match seen.entry(sample.hash) {
                Entry::Vacant(series) => {
                    series.insert(Seen { piece: number, place, time });
                    true
                }
                Entry::Occupied(mut series) => {
                    let last = series.get_mut();
                    let later = last.piece == number && last.time.is_some() && time > last.time;
                    if later {
                        last.time = time;
                        scattered = true;
                    }
                    later
                }
            };
            place += usize::from(keep);
            keep
        });
        if scattered {
            piece.samples.sort_by_key(|sample| seen.get(&sample.hash).map(|series| series.place));
        }
        let gone = (before - piece.samples.len()) as u64;
        dropped[piece.source].add(Reason::DuplicateSeries, gone);
    }
}

/// Where a series or a group was seen first, and its last time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    piece: usize,
    place: usize,
    time: Option<i64>,
}

/// A sample's place in a group: all that one label set says at one time.
#[derive(Debug, Clone, Copy)]
struct Key {
    group: usize,
    time: Option<i64>,
    suffix: Suffix,
    /// `le` or `quantile`; NaN where there should be one and is none.
    bound: f64,
    index: usize,
    dropped: bool,
}

struct Groups {
    verdict: Verdict,
    /// Whether a label set has points of several times.
    repeat_in_time: bool,
}

impl Key {
    fn is_at(&self, bound: f64) -> bool {
        self.bound.total_cmp(&bound).is_eq()
    }
}

/// Brings the groups of one source together, drops what another source already said, and judges
/// what is left.
fn settle_groups(
    kind: Kind,
    piece: &mut Piece<'_>,
    number: usize,
    guarded: bool,
    seen: &mut Table,
    dropped: &mut Counts,
) -> Groups {
    // Strict readers take an empty label for another group than none.
    piece.samples.iter_mut().for_each(drop_empty_labels);
    let mut keys = Vec::with_capacity(piece.samples.len());
    let mut misplaced = false;
    for (index, sample) in piece.samples.iter().enumerate() {
        let (group, bound, stray) = group_and_bound(kind, sample, &piece.bounds);
        misplaced |= stray;
        if stray && guarded {
            dropped.add(Reason::Inconsistent, 1);
            continue;
        }
        let place = seen.len();
        let first = *seen.entry(group).or_insert(Seen { piece: number, place, time: None });
        keys.push(Key {
            group: first.place,
            time: sample.timestamp().and_then(Timestamp::millis),
            suffix: sample.suffix,
            // A native histogram stands before the classic buckets beside it.
            bound: bound.unwrap_or(if sample.native().is_some() { f64::NEG_INFINITY } else { 0.0 }),
            index,
            dropped: first.piece != number,
        });
    }
    let repeated = keys.iter().filter(|key| key.dropped).count() as u64;
    dropped.add(Reason::DuplicateSeries, repeated);
    keys.retain(|key| !key.dropped);
    if !in_order(&keys) {
        keys.sort_by(|a, b| {
            (a.group, a.time, a.suffix)
                .cmp(&(b.group, b.time, b.suffix))
                .then(a.bound.total_cmp(&b.bound))
        });
    }
    let mut verdict = if misplaced && !guarded { Verdict::Neither } else { Verdict::Strict };
    let mut repeat_in_time = false;
    for group in keys.chunk_by_mut(|a, b| a.group == b.group) {
        let untimed = group.iter().filter(|key| key.time.is_none()).count();
        if untimed > 0 && untimed < group.len() {
            // A series that has no time cannot have another one with a time.
            for at in untimed..group.len() {
                let (before, key) = (&group[..untimed], group[at]);
                if before.iter().any(|b| b.suffix == key.suffix && b.is_at(key.bound)) {
                    group[at].dropped = true;
                    dropped.add(Reason::DuplicateSeries, 1);
                }
            }
        }
        let first = group[0].time;
        let kept = || group.iter().filter(|key| !key.dropped);
        repeat_in_time |= kept().any(|key| key.time != first);
        let mixed = kept().any(|key| key.time.is_some() != first.is_some());
        let mut found = if mixed { Verdict::TextOnly } else { Verdict::Strict };
        for point in group.chunk_by_mut(|a, b| a.time == b.time) {
            let repeated = drop_repeated(point);
            dropped.add(Reason::DuplicateSeries, repeated);
            dropped.add(Reason::DuplicateSeries, place_native(point, &mut piece.samples));
            found = found.min(judge(kind, point, &piece.samples));
        }
        if guarded && found != Verdict::Strict {
            for key in group.iter_mut().filter(|key| !key.dropped) {
                key.dropped = true;
                dropped.add(Reason::Inconsistent, 1);
            }
            found = Verdict::Strict;
        }
        verdict = verdict.min(found);
    }
    let untouched = keys.len() == piece.samples.len()
        && keys.iter().enumerate().all(|(at, key)| key.index == at && !key.dropped);
    if !untouched {
        let mut all: Vec<_> = std::mem::take(&mut piece.samples).into_iter().map(Some).collect();
        piece.samples = keys
            .iter()
            .filter(|key| !key.dropped)
            .filter_map(|key| all[key.index].take())
            .collect();
    }
    Groups { verdict, repeat_in_time }
}

/// What tells label sets apart when `le` or `quantile` does not count.
pub(in crate::exposition) fn group_of(
    kind: Kind,
    sample: &Sample<'_>,
    bounds: &[Cow<'_, str>],
) -> u64 {
    group_and_bound(kind, sample, bounds).0
}

fn group_and_bound(
    kind: Kind,
    sample: &Sample<'_>,
    bounds: &[Cow<'_, str>],
) -> (u64, Option<f64>, bool) {
    let (bound, stray) = bound_of(kind, sample, bounds);
    let label = if kind == Kind::Summary { "quantile" } else { "le" };
    let group = match bound {
        Some(bound) if !bound.is_nan() => sample.hash.wrapping_sub(hash_bound(label, bound)),
        _ => sample.hash,
    };
    (group, bound, stray)
}

/// The number that places a sample in its group, and whether such a label stands where it may not.
fn bound_of(kind: Kind, sample: &Sample<'_>, bounds: &[Cow<'_, str>]) -> (Option<f64>, bool) {
    let (label, bounded) = match kind {
        Kind::Summary => ("quantile", sample.suffix == Suffix::Bare),
        Kind::Counter => return (None, false),
        _ => ("le", sample.suffix == Suffix::Bucket),
    };
    let text = sample.labels.as_str();
    if !bounded {
        return (None, has_label(text, label));
    }
    let bound = sample
        .bound(bounds)
        .or_else(|| Pairs(text).find(|pair| pair.name == label).map(|pair| pair.value))
        .and_then(|value| value.parse().ok());
    (Some(bound.unwrap_or(f64::NAN)), false)
}

fn in_order(keys: &[Key]) -> bool {
    let mut last_bound = f64::NEG_INFINITY;
    let mut any_bound = false;
    keys.windows(2).all(|pair| {
        let [a, b] = pair else { return true };
        if a.group != b.group || a.time != b.time {
            any_bound = false;
            return a.group < b.group || a.group == b.group && a.time <= b.time;
        }
        if matches!(a.suffix, Suffix::Bare | Suffix::Bucket) {
            (last_bound, any_bound) = (a.bound, true);
        }
        let bounded = matches!(b.suffix, Suffix::Bare | Suffix::Bucket);
        !(bounded && any_bound && last_bound >= b.bound)
    })
}

fn drop_repeated(point: &mut [Key]) -> u64 {
    let mut once = 0_u8;
    let mut last_bound = None;
    let mut repeated = 0;
    for key in point {
        let bit = 1 << (key.suffix as u8);
        let again = if matches!(key.suffix, Suffix::Bare | Suffix::Bucket) {
            let again = once & bit != 0 && last_bound == Some(key.bound);
            last_bound = Some(key.bound);
            again
        } else {
            once & bit != 0
        };
        once |= bit;
        key.dropped |= again;
        repeated += u64::from(again);
    }
    repeated
}

/// Tells a native histogram whether classic buckets stand beside it. Ones that count otherwise are
/// another metric's of the same labels, of which the classic one stays.
fn place_native(point: &mut [Key], samples: &mut [Sample<'_>]) -> u64 {
    let kept = |suffixes: &[Suffix]| {
        let found = point.iter().find(|key| !key.dropped && suffixes.contains(&key.suffix));
        found.map(|key| key.index)
    };
    let is_classic = kept(&[Suffix::Bucket]).is_some();
    let count = kept(&[Suffix::Count, Suffix::GaugeCount]).map(|at| samples[at].value.as_f64());
    let mut repeated = 0;
    for key in point.iter_mut().filter(|key| !key.dropped && key.suffix == Suffix::Bare) {
        let native = samples[key.index].extra.as_mut().and_then(|extra| extra.native.as_mut());
        let Some(native) = native else { continue };
        native.alone = !is_classic;
        key.dropped = is_classic && count.is_some_and(|count| !is(count, native.count()));
        repeated += u64::from(key.dropped);
    }
    repeated
}

/// Judges one point of one label set by the strictest reader's rules.
fn judge(kind: Kind, point: &[Key], samples: &[Sample<'_>]) -> Verdict {
    let values = || {
        let kept = point.iter().filter(|key| !key.dropped);
        kept.map(|key| (key.suffix, key.bound, samples[key.index].value.as_f64()))
    };
    let find = |wanted: Suffix| values().find(|(suffix, ..)| *suffix == wanted).map(|(.., v)| v);
    let strict = |holds: bool| if holds { Verdict::Strict } else { Verdict::TextOnly };
    let amount = |value: Option<f64>| value.is_none_or(|value| value >= 0.0);
    let whole = |value: f64| value >= 0.0 && value.fract() == 0.0;
    match kind {
        Kind::Counter => strict(amount(find(Suffix::Bare))),
        Kind::Summary => {
            if values().any(|(_, bound, _)| bound.is_nan()) {
                return Verdict::Neither;
            }
            let quantiles = values().filter(|(suffix, ..)| *suffix == Suffix::Bare);
            strict(
                amount(find(Suffix::Sum))
                    && find(Suffix::Count).is_none_or(whole)
                    && quantiles.into_iter().all(|(_, q, value)| {
                        (0.0..=1.0).contains(&q) && (value >= 0.0 || value.is_nan())
                    }),
            )
        }
        _ => {
            let gauge = kind == Kind::GaugeHistogram;
            let (sum, count) = if gauge {
                (find(Suffix::GaugeSum), find(Suffix::GaugeCount))
            } else {
                (find(Suffix::Sum), find(Suffix::Count))
            };
            let mut kept = point.iter().filter(|key| !key.dropped);
            if let Some(native) = kept.find_map(|key| samples[key.index].native())
                && native.alone
            {
                let told = sum.is_some() || count.is_some();
                return match native.sum() >= 0.0 && whole(native.count()) {
                    _ if told => Verdict::Neither,
                    true => Verdict::Strict,
                    false => Verdict::TextOnly,
                };
            }
            let mut last = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            let (mut wholes, mut negative) = (count.is_none_or(whole), false);
            for (_, bound, value) in values().filter(|(suffix, ..)| *suffix == Suffix::Bucket) {
                if bound.is_nan() || value.is_nan() || value < last.1 {
                    return Verdict::Neither;
                }
                wholes &= whole(value);
                negative |= bound < 0.0;
                last = (bound, value);
            }
            if last.0 != f64::INFINITY || count.is_some_and(|count| !is(count, last.1)) {
                return Verdict::Neither;
            }
            let sum_is_legal = if gauge {
                sum.is_none_or(|sum| sum >= 0.0 || negative && !sum.is_nan())
            } else {
                amount(sum) && !(negative && sum.is_some())
            };
            strict(wholes && sum_is_legal && sum.is_some() == count.is_some())
        }
    }
}

type Table = ByHash<Seen>;
