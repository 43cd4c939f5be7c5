//! Brings together what one label set says at one time: the points of histograms and summaries.

use std::borrow::Cow;

use super::Piece;
use super::judge::{Verdict, is, judge};
use super::relabel::{drop_empty_labels, has_label};
use super::settle::{Seen, Table};
use crate::exposition::labels::{Pairs, hash_bound};
use crate::exposition::model::{Kind, Sample, Suffix, Timestamp};
use crate::exposition::problem::{Counts, Reason};
use crate::exposition::value::read_bound;

/// A sample's place in a group: all that one label set says at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    group: usize,
    time: Option<i64>,
    pub(super) suffix: Suffix,
    /// `le` or `quantile`; NaN where there should be one and is none.
    pub(super) bound: f64,
    pub(super) index: usize,
    pub(super) dropped: bool,
}

pub(super) struct Groups {
    pub(super) verdict: Verdict,
    /// Whether a label set has points of several times.
    pub(super) repeat_in_time: bool,
}

impl Key {
    fn is_at(&self, bound: f64) -> bool {
        self.bound.total_cmp(&bound).is_eq()
    }
}

/// Brings the groups of one source together, drops what another source already said, and judges
/// what is left.
pub(super) fn settle_groups(
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
            // Of a later time the strict reader of OpenMetrics skips what it has met at an earlier
            // one, and then misses the bucket `+Inf`. A native histogram has nothing to miss.
            let mut kept = point.iter().filter(|key| !key.dropped);
            if kind.is_compound()
                && point[0].time != first
                && kept.any(|key| piece.samples[key.index].native().is_none())
            {
                found = found.min(Verdict::TextOnly);
            }
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
    let kept = keys.iter().filter(|key| !key.dropped);
    let mut last = None;
    for (sample, key) in piece.samples.iter_mut().zip(kept) {
        let point = Some((key.group, key.time));
        sample.begins = last != point;
        last = point;
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
        .and_then(read_bound);
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
