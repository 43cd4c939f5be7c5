//! The bounds that a histogram is counted over, and how a value finds its bucket.
//!
//! They are the union of all the bounds that any dialect shows, and of those that native histograms
//! have in every unit that one is shown in. So one number is written for a value, and whatever is
//! shown of it is a sum of such numbers: no two views of a histogram can disagree.

use super::Extras;
use super::native::{Scale, edges};
use std::sync::Arc;

/// Upper bounds, ascending, each inclusive, without the infinite one.
#[derive(Clone, Debug)]
pub struct Bounds {
    table: Arc<Table>,
    extras: Extras,
}

/// How native histograms are shown to a reader who can take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Natives {
    /// The most buckets before the resolution is halved.
    pub max_buckets: usize,
    /// Classic buckets stand beside them.
    pub beside: bool,
}

#[derive(Debug)]
struct Table {
    /// The bounds, and the largest number behind them, which no value is above.
    bounds: Box<[u64]>,
    /// Those of them that are not there for native histograms alone.
    classic: Box<[u64]>,
    /// For values of which all but the first few binary digits are cut off, how many bounds are
    /// below the least of them.
    starts: Box<[u16]>,
    /// How many digits behind the first one are looked at.
    digits: u32,
    /// Counts that are kept together, as a power of two.
    page: u32,
    scales: Box<[Scale]>,
}

impl Bounds {
    /// The union of several lists of bounds, in any order.
    pub fn union<'a>(lists: impl IntoIterator<Item = &'a [u64]>) -> Self {
        let mut bounds: Vec<u64> = lists.into_iter().flatten().copied().collect();
        bounds.sort_unstable();
        bounds.dedup();
        Self::new(bounds.clone(), bounds, 0, &[])
    }

    /// The same with further ones, before there are any for native histograms.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = Vec<u64>>) -> Self {
        let more: Vec<u64> = more.into_iter().flatten().collect();
        Self::union([&*self.table.classic, &more])
    }

    /// The same, and those of native histograms of this resolution, in units of so many of what is
    /// counted.
    #[must_use]
    pub fn with_native(&self, schema: u8, units: &[u64]) -> Self {
        let schema = schema.min(LARGEST_SCHEMA);
        let classic = self.classic().to_vec();
        let mut bounds = classic.clone();
        // What is zero is in no bucket of theirs, but in one around zero.
        bounds.push(0);
        bounds.extend(units.iter().flat_map(|unit| edges(*unit, schema)).map(|(_, edge)| edge));
        bounds.sort_unstable();
        bounds.dedup();
        Self::new(classic, bounds, schema, units)
    }

    fn new(classic: Vec<u64>, mut bounds: Vec<u64>, schema: u8, units: &[u64]) -> Self {
        let scales = units.iter().map(|unit| Scale::new(*unit, schema, &bounds)).collect();
        let digits = u32::from(schema) + 1;
        let below = |value| bounds.partition_point(|&bound| bound < value);
        let starts = (0..64 - digits).flat_map(|cut| {
            let first = if cut == 0 { 0 } else { 1 << digits };
            (first..2 << digits).map(move |kept: u64| kept << cut)
        });
        let starts = starts.map(|least| u16::try_from(below(least)).unwrap_or(u16::MAX)).collect();
        let page = FEWEST_IN_PAGE.max((bounds.len() / MOST_PAGES).next_power_of_two());
        bounds.push(u64::MAX);
        let (bounds, classic, page) = (bounds.into(), classic.into(), page.trailing_zeros());
        let table = Table { bounds, classic, starts, digits, page, scales };
        Self { table: Arc::new(table), extras: Extras::default() }
    }

    /// The same, of which a reader is shown so much.
    #[must_use]
    pub fn showing(&self, extras: Extras) -> Self {
        Self { table: Arc::clone(&self.table), extras }
    }

    /// What is shown beyond classic buckets.
    pub fn extras(&self) -> Extras {
        self.extras
    }

    /// How native histograms in units of so many of what is counted are shown, if they are.
    pub fn natives(&self, unit: f64) -> Option<(&Scale, Natives)> {
        let natives = self.extras.natives?;
        let scale = self.table.scales.iter().find(|scale| (scale.unit() as f64 - unit).abs() < 0.5);
        scale.map(|scale| (scale, natives))
    }

    /// How many bounds there are, the infinite one left out.
    pub fn len(&self) -> usize {
        self.finite().len()
    }

    /// Whether there is only the infinite one.
    pub fn is_empty(&self) -> bool {
        self.finite().is_empty()
    }

    /// The bounds of classic buckets.
    pub(super) fn classic(&self) -> &[u64] {
        &self.table.classic
    }

    /// Which bucket `value` falls into; the number of bounds for the infinite one.
    pub(super) fn bucket(&self, value: u64) -> usize {
        let Table { bounds, starts, digits, .. } = &*self.table;
        let cut = (u64::BITS - 1 - (value | 1).leading_zeros()).saturating_sub(*digits);
        // The first digit is part of the number here, and counts one step of `cut`.
        let slot = (u64::from(cut) << digits) + (value >> cut);
        let mut at = usize::from(starts[usize::try_from(slot).unwrap_or(0)]);
        while bounds[at] < value {
            at += 1;
        }
        at
    }

    /// The largest whole number in a bucket.
    pub(super) fn largest_in(&self, bucket: usize) -> u64 {
        self.table.bounds.get(bucket).copied().unwrap_or(u64::MAX)
    }

    /// In which page of how many counts the count of a bucket is.
    pub(super) fn place(&self, bucket: usize) -> (usize, usize) {
        (bucket >> self.table.page, bucket & (self.page_len() - 1))
    }

    /// How many counts are kept together.
    pub(super) fn page_len(&self) -> usize {
        1 << self.table.page
    }

    /// How many pages there are for all buckets, the infinite one too.
    pub(super) fn pages(&self) -> usize {
        (self.len() >> self.table.page) + 1
    }

    fn finite(&self) -> &[u64] {
        self.table.bounds.split_last().map_or(&[], |(_, finite)| finite)
    }
}

impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        self.finite() == other.finite()
    }
}

/// The finest resolution that the format has.
const LARGEST_SCHEMA: u8 = 8;
/// Counts in a page at least: 256 bytes.
const FEWEST_IN_PAGE: usize = 32;
/// So that a histogram of any resolution has few pages to look through.
const MOST_PAGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bounds: &Bounds, value: u64) {
        let expected = bounds.finite().partition_point(|&bound| bound < value);
        assert_eq!(bounds.bucket(value), expected, "{value}");
    }

    #[test]
    fn values_at_and_around_every_bound_find_their_bucket() {
        let classic = Bounds::union([[0, 1, 7, 500_000, u64::MAX - 1].as_slice()]);
        for bounds in [
            Bounds::union([]),
            classic.clone(),
            classic.with_native(0, &[1]),
            classic.with_native(3, &[1_000_000, 1_000_000_000]),
            classic.with_native(8, &[1_000_000, 1_000_000_000]),
        ] {
            for value in [0, 1, u64::MAX - 1, u64::MAX] {
                check(&bounds, value);
            }
            for &bound in bounds.finite() {
                for value in [bound.saturating_sub(1), bound, bound.saturating_add(1)] {
                    check(&bounds, value);
                }
            }
            let (page, at) = bounds.place(bounds.len());
            assert!(page < bounds.pages() && at < bounds.page_len());
        }
    }

    proptest! {
        #[test]
        fn every_value_finds_its_bucket(
            list in proptest::collection::vec(any::<u64>(), 0..50),
            schema in 0u8..=4,
            value: u64,
            shift in 0u32..64,
        ) {
            let classic = Bounds::union([list.as_slice()]);
            check(&classic, value >> shift);
            check(&classic.with_native(schema, &[1_000_000, 1_000_000_000]), value >> shift);
        }
    }
}
