//! Histograms over fixed bounds, exact for every subset of those bounds.
//!
//! One array counts over the union of all the bounds that anyone is shown; each dialect then adds
//! up the ranges between its own bounds. Values are whole nanoseconds or bytes: nothing is rounded
//! before it is counted. Native histograms have a thousand bounds, of which a series needs a few
//! that stand together, so the array comes to be page by page.

use super::bounds::Bounds;
use super::cell::Cell;
use super::native::{Exponential, Scale};
use super::traces::{Example, Traces};
use crate::clock::Nanos;
use std::cmp::Ordering;
use std::sync::OnceLock;

/// A histogram that one thread writes.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    pages: OnceLock<Box<[OnceLock<Page>]>>,
    sum: Cell,
    traces: Traces,
}

type Page = Box<[Cell]>;

impl Histogram {
    /// Counts a value; always over the same bounds.
    pub(super) fn record(&self, bounds: &Bounds, value: u64) {
        self.sum.add(value);
        let (page, at) = bounds.place(bounds.bucket(value));
        let pages =
            self.pages.get_or_init(|| (0..bounds.pages()).map(|_| OnceLock::new()).collect());
        let page = pages[page].get_or_init(|| Self::page(bounds));
        page[at].add(1);
    }

    /// Keeps a request that stands for its bucket; its value is recorded besides.
    pub(super) fn keep(&self, bounds: &Bounds, example: Example) {
        self.traces.keep(bounds, example);
    }

    #[cold]
    fn page(bounds: &Bounds) -> Page {
        (0..bounds.page_len()).map(|_| Cell::default()).collect()
    }

    /// The buckets that hold anything, ascending.
    fn counts(&self) -> impl Iterator<Item = (u32, u64)> {
        let pages = self.pages.get().into_iter().flatten().enumerate();
        let pages = pages.filter_map(|(number, page)| Some((number, page.get()?)));
        pages.flat_map(|(number, page)| {
            let first = number * page.len();
            let counts = page.iter().enumerate().map(move |(at, cell)| (first + at, cell.get()));
            let counts = counts.filter(|(_, count)| *count > 0);
            counts.map(|(bucket, count)| (u32::try_from(bucket).unwrap_or(u32::MAX), count))
        })
    }
}

/// A histogram added up over all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The buckets that hold anything, ascending, with how many values fell into each.
    counts: Vec<(u32, u64)>,
    sum: u64,
    /// Requests that stand for buckets, in no order.
    examples: Vec<Example>,
    /// Since when there is such a series, if that is known.
    created: Option<Nanos>,
}

impl Totals {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        self.sum = self.sum.wrapping_add(histogram.sum.get());
        self.add_counts(histogram.counts());
        self.examples.extend(histogram.traces.iter());
    }

    /// Adds another histogram that was counted over the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.add_counts(other.counts.iter().copied());
        self.examples.extend(&other.examples);
        if let Some(created) = other.created {
            self.began(created);
        }
    }

    fn add_counts(&mut self, others: impl Iterator<Item = (u32, u64)>) {
        if self.counts.is_empty() {
            self.counts.extend(others);
            return;
        }
        let mut others = others.peekable();
        if others.peek().is_none() {
            return;
        }
        let mut known = std::mem::take(&mut self.counts).into_iter().peekable();
        while let (Some((bucket, _)), Some((other, _))) = (known.peek(), others.peek()) {
            let next = match bucket.cmp(other) {
                Ordering::Less => known.next(),
                Ordering::Greater => others.next(),
                Ordering::Equal => known
                    .next()
                    .zip(others.next())
                    .map(|((bucket, one), (_, two))| (bucket, one.wrapping_add(two))),
            };
            self.counts.extend(next);
        }
        self.counts.extend(known.chain(others));
    }

    /// There is such a series since then, or has been before.
    pub(super) fn began(&mut self, created: Nanos) {
        self.created = Some(self.created.map_or(created, |known| known.min(created)));
    }

    /// The same series before anything was counted in it.
    #[must_use]
    pub fn at_zero(&self) -> Self {
        Self { created: self.created, ..Self::default() }
    }

    /// Since when there is such a series, if that is known.
    pub fn created(&self) -> Option<Nanos> {
        self.created
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The sum of all values, in nanoseconds or bytes.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values are at most `own`'s bounds, each in turn: exact when each of them is one of
    /// `bounds`, which the histogram was counted over.
    pub fn cumulative(&self, bounds: &Bounds, own: &[u64]) -> Vec<u64> {
        let mut counts = self.counts.iter().peekable();
        let mut so_far = 0;
        own.iter()
            .map(|&bound| {
                let below = |bucket: u32| bounds.largest_in(bucket as usize) <= bound;
                while let Some((_, count)) = counts.next_if(|(bucket, _)| below(*bucket)) {
                    so_far += count;
                }
                so_far
            })
            .collect()
    }

    /// The newest request that stands for each bucket between `own`'s bounds, with the bucket's
    /// place; that above all bounds is the last.
    pub fn examples(&self, own: &[u64]) -> Vec<(usize, Example)> {
        let mut newest: Vec<(usize, Example)> = Vec::new();
        for example in &self.examples {
            let bucket = own.partition_point(|&bound| bound < example.value);
            match newest.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(at) if newest[at].1.is_newer_than(example) => {}
                Ok(at) => newest[at].1 = *example,
                Err(at) => newest.insert(at, (bucket, *example)),
            }
        }
        newest
    }

    /// The same values as a native histogram of at most `max_buckets` buckets.
    pub fn exponential(&self, scale: &Scale, max_buckets: usize) -> Exponential {
        scale.show(&self.counts, max_buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn every_dialects_own_bounds_count_exactly(
            values in proptest::collection::vec(0u64..200, 0..100),
            first in proptest::collection::vec(0u64..200, 0..10),
            second in proptest::collection::vec(0u64..200, 0..10),
            native: bool,
        ) {
            let mut bounds = Bounds::union([first.as_slice(), second.as_slice()]);
            if native {
                bounds = bounds.with_native(2, &[10]);
            }
            let histogram = Histogram::default();
            for &value in &values {
                histogram.record(&bounds, value);
            }
            let mut totals = Totals::default();
            totals.add(&histogram);
            prop_assert_eq!(totals.count(), values.len() as u64);
            prop_assert_eq!(totals.sum(), values.iter().sum::<u64>());
            for own in [first, second] {
                let own: Vec<u64> = BTreeSet::from_iter(own).into_iter().collect();
                let expected: Vec<u64> = own.iter()
                    .map(|&bound| values.iter().filter(|&&v| v <= bound).count() as u64)
                    .collect();
                prop_assert_eq!(totals.cumulative(&bounds, &own), expected);
            }
        }

        #[test]
        fn what_two_threads_counted_adds_up_in_either_order(
            one in proptest::collection::vec(any::<u64>(), 0..50),
            two in proptest::collection::vec(any::<u64>(), 0..50),
        ) {
            let bounds = Bounds::union([[10].as_slice()]).with_native(3, &[1]);
            let counted = |values: &[&[u64]]| {
                let mut totals = Totals::default();
                for values in values {
                    let histogram = Histogram::default();
                    for value in *values {
                        histogram.record(&bounds, *value);
                    }
                    let mut part = Totals::default();
                    part.add(&histogram);
                    totals.merge(&part);
                }
                totals
            };
            let together = counted(&[&[one.as_slice(), two.as_slice()].concat()]);
            prop_assert_eq!(&counted(&[&one, &two]), &together);
            prop_assert_eq!(&counted(&[&two, &one]), &together);
        }
    }
}
