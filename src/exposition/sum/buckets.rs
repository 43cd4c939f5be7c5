//! Adds histograms whose processes have different buckets, as after an update of one of them.
//!
//! A bound stays where every process's count up to it is known: because the process has that
//! bound, or because nothing fell between its bounds on both sides. Where a count is not known the
//! bound is left out; the bounds that are left are exact.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::family::{Part, keep_newer_exemplar};
use super::total::{Rounding, Total};
use crate::exposition::labels::{Pairs, hash_bound};
use crate::exposition::model::{Kind, Sample, Suffix};
use crate::exposition::value::{Number, read_bound};

/// Of each label set whose processes do not have the same bounds, what it comes to.
pub(super) struct Layouts<'a> {
    mixed: HashMap<u64, Option<Vec<Sample<'a>>>>,
}

/// What is to be done with a bucket.
pub(super) enum Settled<'a> {
    /// All processes have it.
    AsItIs,
    /// It is part of what was told before.
    Already,
    /// These are all buckets of its label set, of all processes.
    Anew(Vec<Sample<'a>>),
}

impl<'a> Layouts<'a> {
    pub(super) fn of(kind: Kind, parts: &[Part<'a>], rounding: Rounding) -> Self {
        let mut mixed = HashMap::new();
        if matches!(kind, Kind::Histogram | Kind::GaugeHistogram) && parts.len() > 1 {
            let counted: Vec<_> =
                parts.iter().filter(|part| part.live || kind == Kind::Histogram).collect();
            for (group, members) in different(&counted) {
                if let Some(buckets) = common(&members, rounding) {
                    mixed.insert(group, Some(buckets));
                }
            }
        }
        Self { mixed }
    }

    pub(super) fn settle(&mut self, bucket: &Sample<'_>, bounds: &[Cow<'_, str>]) -> Settled<'a> {
        if self.mixed.is_empty() {
            return Settled::AsItIs;
        }
        match self.mixed.get_mut(&place(bucket, bounds).0) {
            None => Settled::AsItIs,
            Some(buckets) => buckets.take().map_or(Settled::Already, Settled::Anew),
        }
    }
}

/// One member's buckets of one label set.
type Buckets<'a> = BTreeMap<Bound, Sample<'a>>;

/// The label sets of which the bounds differ, each with every member's buckets.
fn different<'a>(parts: &[&Part<'a>]) -> HashMap<u64, Vec<Buckets<'a>>> {
    let mut layouts: HashMap<u64, (u64, bool)> = HashMap::new();
    for part in parts {
        let mut own: HashMap<u64, u64> = HashMap::new();
        for bucket in buckets(part) {
            let (group, bound) = place(bucket, &part.family.bounds);
            let layout = own.entry(group).or_default();
            *layout = layout.wrapping_add(hash_bound("le", bound));
        }
        for (group, layout) in own {
            let known = layouts.entry(group).or_insert((layout, false));
            known.1 |= known.0 != layout;
        }
    }
    layouts.retain(|_, (_, differ)| *differ);
    let mut groups: HashMap<u64, Vec<Buckets<'a>>> = HashMap::new();
    if layouts.is_empty() {
        return groups;
    }
    for part in parts {
        let mut own: HashMap<u64, Buckets<'a>> = HashMap::new();
        for bucket in buckets(part) {
            let (group, bound) = place(bucket, &part.family.bounds);
            if layouts.contains_key(&group) {
                let mut bucket = bucket.clone();
                super::owned::write_bound(&mut bucket, &part.family.bounds);
                // A bucket that is told twice is told first.
                own.entry(group).or_default().entry(Bound(bound)).or_insert(bucket);
            }
        }
        for (group, buckets) in own {
            groups.entry(group).or_default().push(buckets);
        }
    }
    groups
}

/// The buckets that are known of all; `None` where one member's do not add up, so that nothing can
/// be known.
fn common<'a>(members: &[Buckets<'a>], rounding: Rounding) -> Option<Vec<Sample<'a>>> {
    if !members.iter().all(adds_up) {
        return None;
    }
    let bounds: BTreeSet<Bound> = members.iter().flat_map(|own| own.keys().copied()).collect();
    let mut kept = Vec::new();
    for bound in bounds {
        let counts: Option<Vec<_>> = members.iter().map(|own| up_to(own, bound)).collect();
        let Some(counts) = counts else { continue };
        let mut exact = members.iter().filter_map(|own| own.get(&bound));
        let (Some((first, rest)), Some(bucket)) = (counts.split_first(), exact.next()) else {
            continue;
        };
        let mut total = Total::One(*first);
        for count in rest {
            total.add(count);
        }
        let mut bucket = bucket.clone();
        exact.for_each(|other| keep_newer_exemplar(&mut bucket, other.clone()));
        bucket.value = total.number(rounding);
        bucket.implied = false;
        if let Some(extra) = &mut bucket.extra {
            extra.timestamp = None;
        }
        kept.push(bucket);
    }
    Some(kept)
}

/// How much is up to a bound, where that is known.
fn up_to<'a>(own: &Buckets<'a>, bound: Bound) -> Option<Number<'a>> {
    if let Some(bucket) = own.get(&bound) {
        return Some(bucket.value);
    }
    let below = own.range(..bound).next_back().map_or(Number::Int(0), |(_, bucket)| bucket.value);
    let (_, above) = own.range(bound..).next()?;
    // Both count the same, so nothing is between them.
    (above.value.as_f64() <= below.as_f64()).then_some(below)
}

fn adds_up(own: &BTreeMap<Bound, Sample<'_>>) -> bool {
    let mut last = 0.0;
    own.values().all(|bucket| {
        let value = bucket.value.as_f64();
        value >= std::mem::replace(&mut last, value)
    }) && own.keys().next_back().is_some_and(|bound| bound.0 == f64::INFINITY)
        && own.keys().all(|bound| !bound.0.is_nan())
}

fn buckets<'p, 'a>(part: &'p Part<'a>) -> impl Iterator<Item = &'p Sample<'a>> + use<'p, 'a> {
    part.family.samples.iter().filter(|sample| sample.suffix == Suffix::Bucket)
}

/// The label set without its bound, and the bound; NaN is none.
pub(super) fn place(bucket: &Sample<'_>, bounds: &[Cow<'_, str>]) -> (u64, f64) {
    let bound = bucket
        .bound(bounds)
        .or_else(|| {
            Pairs(bucket.labels.as_str()).find(|pair| pair.name == "le").map(|pair| pair.value)
        })
        .and_then(read_bound);
    match bound {
        Some(bound) if !bound.is_nan() => {
            (bucket.hash.wrapping_sub(hash_bound("le", bound)), bound + 0.0)
        }
        _ => (bucket.hash, f64::NAN),
    }
}

/// A bound that can be sorted.
#[derive(Debug, Clone, Copy)]
struct Bound(f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
