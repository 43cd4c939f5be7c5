//! Histograms over fixed bounds, exact for every subset of those bounds.
//!
//! One array counts over the union of all the bounds that any dialect shows; each dialect then adds
//! up the ranges between its own bounds. Values are whole nanoseconds or bytes: nothing is rounded
//! before it is counted.

use super::cell::Cell;
use std::sync::Arc;

/// Upper bounds, ascending, each inclusive, without the infinite one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds(Arc<[u64]>);

impl Bounds {
    /// The union of several lists of bounds, in any order.
    pub fn union<'a>(lists: impl IntoIterator<Item = &'a [u64]>) -> Self {
        let mut all: Vec<u64> = lists.into_iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        Self(all.into())
    }

    /// The same with further ones.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = Vec<u64>>) -> Self {
        let more: Vec<u64> = more.into_iter().flatten().collect();
        Self::union([&*self.0, &more])
    }

    /// Which bucket `value` falls into; the number of bounds for the infinite one.
    fn bucket(&self, value: u64) -> usize {
        self.0.partition_point(|&bound| bound < value)
    }

    /// How many bounds there are, the infinite one left out.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is only the infinite one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A histogram that one thread writes.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[Cell]>,
    sum: Cell,
}

impl Histogram {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let counts = (0..=bounds.len()).map(|_| Cell::default()).collect();
        Self { counts, sum: Cell::default() }
    }

    pub(super) fn record(&self, bounds: &Bounds, value: u64) {
        self.sum.add(value);
        self.counts[bounds.bucket(value)].add(1);
    }
}

/// A histogram added up over all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many values fell into each bucket, not cumulative, the infinite one last.
    counts: Vec<u64>,
    sum: u64,
}

impl Totals {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    pub(super) fn add(&mut self, histogram: &Histogram) {
        self.sum = self.sum.wrapping_add(histogram.sum.get());
        for (total, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *total = total.wrapping_add(count.get());
        }
    }

    /// Adds another histogram that was counted over the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (total, count) in self.counts.iter_mut().zip(&other.counts) {
            *total = total.wrapping_add(*count);
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values, in nanoseconds or bytes.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values are at most `own`'s bounds, each in turn: exact when each of them is one of
    /// `bounds`, which the histogram was counted over.
    pub fn cumulative(&self, bounds: &Bounds, own: &[u64]) -> Vec<u64> {
        let mut counts = self.counts.iter();
        let mut reached = bounds.0.iter().zip(counts.by_ref()).peekable();
        let mut so_far = 0;
        own.iter()
            .map(|&bound| {
                while let Some((_, count)) = reached.next_if(|(b, _)| **b <= bound) {
                    so_far += count;
                }
                so_far
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_dialects_own_bounds_count_exactly(
            values in proptest::collection::vec(0u64..200, 0..100),
            first in proptest::collection::vec(0u64..200, 0..10),
            second in proptest::collection::vec(0u64..200, 0..10),
        ) {
            let bounds = Bounds::union([first.as_slice(), second.as_slice()]);
            let histogram = Histogram::new(&bounds);
            for &value in &values {
                histogram.record(&bounds, value);
            }
            let mut totals = Totals::new(&bounds);
            totals.add(&histogram);
            prop_assert_eq!(totals.count(), values.len() as u64);
            prop_assert_eq!(totals.sum(), values.iter().sum::<u64>());
            for own in [first, second] {
                let own = Bounds::union([own.as_slice()]);
                let expected: Vec<u64> = own.0.iter()
                    .map(|&bound| values.iter().filter(|&&v| v <= bound).count() as u64)
                    .collect();
                prop_assert_eq!(totals.cumulative(&bounds, &own.0), expected);
            }
        }
    }
}
