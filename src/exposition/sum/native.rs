//! Adds native histograms, at the coarser resolution and the wider zero bucket of the two.
//!
//! Both are as Prometheus adds histograms ("Native Histograms", section on resolution changes):
//! bounds of a lower schema are bounds of every higher one, so nothing is guessed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::total::{Rounding, Total};
use crate::exposition::model::Exemplar;
use crate::exposition::native::{Native, Observations, Side, Span};
use crate::exposition::value::Number;

/// A sum that histograms are still added to. It is rounded once, at its end.
pub(super) struct NativeSum<'a> {
    counts: Counts,
    sum: Total<'static>,
    alone: bool,
    exemplars: Vec<Exemplar<'a>>,
}

impl<'a> NativeSum<'a> {
    pub(super) fn of(first: &Native<'a>) -> Self {
        let sum = Total::One(Number::Float(first.sum));
        let exemplars = first.exemplars.clone();
        Self { counts: Counts::of(first), sum, alone: first.alone, exemplars }
    }

    pub(super) fn add(&mut self, other: &Native<'a>) {
        self.counts.add(Counts::of(other));
        self.sum.add(&Number::Float(other.sum));
        self.alone &= other.alone;
        self.exemplars.extend(other.exemplars.iter().cloned());
        self.exemplars.sort_by(|a, b| at(b).total_cmp(&at(a)));
        self.exemplars.truncate(EXEMPLARS);
    }

    pub(super) fn finish(self, rounding: Rounding) -> Native<'a> {
        let Self { counts, sum, alone, exemplars } = self;
        let (schema, zero_threshold) = (counts.schema, counts.zero_threshold);
        let (sum, observations) = (sum.number(rounding).as_f64(), counts.observations(rounding));
        Native { schema, zero_threshold, sum, observations, exemplars, alone }
    }
}

fn at(exemplar: &Exemplar<'_>) -> f64 {
    exemplar.timestamp().and_then(|text| text.parse().ok()).unwrap_or(f64::NEG_INFINITY)
}

/// A histogram as counts by the number of the bucket.
struct Counts {
    schema: i8,
    zero_threshold: f64,
    /// Whether all terms count whole observations.
    whole: bool,
    count: Amount,
    zero: Amount,
    positive: BTreeMap<i32, Amount>,
    negative: BTreeMap<i32, Amount>,
}

/// How much is in a bucket.
type Amount = Total<'static>;

impl Counts {
    fn of(native: &Native<'_>) -> Self {
        let whole = matches!(native.observations, Observations::Whole { .. });
        let (count, zero, positive, negative) = match &native.observations {
            Observations::Whole { count, zero, positive, negative } => (
                Number::Int(*count),
                Number::Int(*zero),
                whole_side(positive),
                whole_side(negative),
            ),
            Observations::Parts { count, zero, positive, negative } => {
                (Number::Float(*count), Number::Float(*zero), parts(positive), parts(negative))
            }
        };
        let (count, zero) = (Total::One(count), Total::One(zero));
        let (schema, zero_threshold) = (native.schema, native.zero_threshold);
        Self { schema, zero_threshold, whole, count, zero, positive, negative }
    }

    fn add(&mut self, mut other: Self) {
        widen(self, &mut other);
        let schema = self.schema.min(other.schema);
        self.coarsen(schema);
        other.coarsen(schema);
        self.whole &= other.whole;
        self.count.join(&other.count);
        self.zero.join(&other.zero);
        other.positive.into_iter().for_each(|(n, amount)| add_to(&mut self.positive, n, amount));
        other.negative.into_iter().for_each(|(n, amount)| add_to(&mut self.negative, n, amount));
    }

    /// The end of the bucket with this number.
    fn bound(&self, number: i32) -> f64 {
        (f64::from(number) * (-f64::from(self.schema)).exp2()).exp2()
    }

    /// Where a zero bucket of this width would end if it took every bucket that it touches whole.
    fn wider(&self, threshold: f64) -> f64 {
        let filled = self.positive.iter().chain(&self.negative);
        filled
            .filter(|(number, amount)| {
                as_f64(amount, Rounding::Nearest) > 0.0
                    && self.bound(number.wrapping_sub(1)) < threshold
            })
            .map(|(number, _)| self.bound(*number))
            .fold(threshold, f64::max)
    }

    /// Moves the buckets that the zero bucket covers into it.
    fn widen_to(&mut self, threshold: f64) {
        let (schema, zero) = (self.schema, &mut self.zero);
        let bound = |number: i32| (f64::from(number) * (-f64::from(schema)).exp2()).exp2();
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|number, amount| {
                let covered = bound(*number) <= threshold;
                if covered {
                    zero.join(amount);
                }
                !covered
            });
        }
        self.zero_threshold = threshold;
    }

    fn coarsen(&mut self, schema: i8) {
        let by = u32::try_from(i32::from(self.schema) - i32::from(schema)).unwrap_or(0);
        if by == 0 {
            return;
        }
        for side in [&mut self.positive, &mut self.negative] {
            let mut coarse = BTreeMap::new();
            for (number, amount) in std::mem::take(side) {
                add_to(&mut coarse, (number.wrapping_sub(1) >> by) + 1, amount);
            }
            *side = coarse;
        }
        self.schema = schema;
    }

    fn observations(&self, rounding: Rounding) -> Observations {
        let deltas = |side: &BTreeMap<i32, Amount>| {
            let mut last = 0;
            side_of(side, |amount| {
                let count = i64::try_from(as_whole(amount)?).ok()?;
                Some(count - std::mem::replace(&mut last, count))
            })
        };
        if self.whole
            && let (Some(count), Some(zero)) = (as_whole(&self.count), as_whole(&self.zero))
            && let (Some(positive), Some(negative)) =
                (deltas(&self.positive), deltas(&self.negative))
        {
            return Observations::Whole { count, zero, positive, negative };
        }
        let counts =
            |side| side_of(side, |amount| Some(as_f64(amount, rounding))).unwrap_or_default();
        let (positive, negative) = (counts(&self.positive), counts(&self.negative));
        let (count, zero) = (as_f64(&self.count, rounding), as_f64(&self.zero, rounding));
        // Prometheus adds the buckets up in this order, and refuses a scrape of which a count is
        // smaller by its last bit. Neither of the two falls, so their larger one does not.
        let told = sum_of(&negative) + sum_of(&positive) + zero;
        let count = if told > count { told } else { count };
        Observations::Parts { count, zero, positive, negative }
    }
}

fn sum_of(side: &Side<f64>) -> f64 {
    side.values.iter().fold(0.0, |sum, count| sum + count)
}

fn as_f64(amount: &Amount, rounding: Rounding) -> f64 {
    amount.number(rounding).as_f64()
}

fn as_whole(amount: &Amount) -> Option<u64> {
    match amount.number(Rounding::Nearest) {
        Number::Int(count) => Some(count),
        _ => None,
    }
}

/// Gives both the narrowest zero bucket that cuts no bucket of either in two.
fn widen(one: &mut Counts, two: &mut Counts) {
    let mut threshold = one.zero_threshold.max(two.zero_threshold);
    loop {
        let wider = two.wider(one.wider(threshold));
        if wider <= threshold {
            break;
        }
        threshold = wider;
    }
    one.widen_to(threshold);
    two.widen_to(threshold);
}

fn add_to(side: &mut BTreeMap<i32, Amount>, number: i32, amount: Amount) {
    match side.entry(number) {
        Entry::Occupied(mut sum) => sum.get_mut().join(&amount),
        Entry::Vacant(place) => {
            place.insert(amount);
        }
    }
}

fn whole_side(side: &Side<i64>) -> BTreeMap<i32, Amount> {
    let mut count = 0_i64;
    let buckets = side.numbered(|delta| {
        count = count.wrapping_add(*delta);
        Total::One(Number::Int(u64::try_from(count).unwrap_or(0)))
    });
    buckets.into_iter().collect()
}

fn parts(side: &Side<f64>) -> BTreeMap<i32, Amount> {
    side.numbered(|count| Total::One(Number::Float(*count))).into_iter().collect()
}

fn side_of<T>(
    side: &BTreeMap<i32, Amount>,
    mut value: impl FnMut(&Amount) -> Option<T>,
) -> Option<Side<T>> {
    let mut spans: Vec<Span> = Vec::new();
    let mut values = Vec::with_capacity(side.len());
    let mut next = 0;
    for (number, amount) in side {
        values.push(value(amount)?);
        match spans.last_mut() {
            Some(span) if next == *number => span.length += 1,
            _ => spans.push(Span { offset: number.wrapping_sub(next), length: 1 }),
        }
        next = number.wrapping_add(1);
    }
    Some(Side { spans, values })
}

/// The most exemplars that one histogram keeps: the newest.
const EXEMPLARS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn native(schema: i8, threshold: f64, zero: u64, buckets: &[(i32, u64)]) -> Native<'static> {
        let side: BTreeMap<i32, Amount> = buckets
            .iter()
            .map(|(number, count)| (*number, Total::One(Number::Int(*count))))
            .collect();
        let mut last = 0;
        let positive = side_of(&side, |amount| {
            let count = i64::try_from(as_whole(amount)?).ok()?;
            Some(count - std::mem::replace(&mut last, count))
        });
        let count = zero + buckets.iter().map(|(_, count)| count).sum::<u64>();
        let observations = Observations::Whole {
            count,
            zero,
            positive: positive.unwrap(),
            negative: Side::default(),
        };
        Native {
            schema,
            zero_threshold: threshold,
            sum: 1.5,
            observations,
            exemplars: Vec::new(),
            alone: true,
        }
        .checked()
        .unwrap()
    }

    fn sum(one: Native<'static>, two: &Native<'static>) -> Native<'static> {
        sum_of_all(&[one, two.clone()])
    }

    fn sum_of_all(all: &[Native<'static>]) -> Native<'static> {
        let mut sum = NativeSum::of(&all[0]);
        all[1..].iter().for_each(|other| sum.add(other));
        sum.finish(Rounding::Nearest).checked().expect("the sum adds up")
    }

    /// A histogram of parts of observations, whose count is what a reader finds in its buckets.
    fn fractions(buckets: &[f64]) -> Native<'static> {
        let spans = vec![Span { offset: 0, length: u32::try_from(buckets.len()).unwrap() }];
        let positive = Side { spans, values: buckets.to_vec() };
        let count = sum_of(&positive);
        let observations =
            Observations::Parts { count, zero: 0.0, positive, negative: Side::default() };
        Native { observations, ..native(3, 0.0, 0, &[]) }.checked().unwrap()
    }

    proptest! {
        #[test]
        fn a_sum_of_fractions_counts_no_less_than_its_buckets_in_any_order(
            (all, shuffled) in prop::collection::vec(prop::collection::vec(0.0_f64..9.0, 6), 2..6)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            let add = |all: &[Vec<f64>]| {
                sum_of_all(&all.iter().map(|one| fractions(one)).collect::<Vec<_>>())
            };
            let (sum, other) = (add(&all), add(&shuffled));
            let found = sum.positive().iter().fold(0.0, |sum, (_, count)| sum + count);
            prop_assert!(found <= sum.count(), "{found} in buckets, {} counted", sum.count());
            prop_assert!((sum.count() - found).abs() < 1e-9);
            prop_assert_eq!(&sum.observations, &other.observations);
        }
    }

    #[test]
    fn buckets_of_one_resolution_add_up_one_by_one() {
        let sum = sum(native(3, 0.0, 1, &[(-2, 1), (4, 2)]), &native(3, 0.0, 2, &[(4, 3), (5, 1)]));
        assert_eq!(sum.positive(), [(-2, 1.0), (4, 5.0), (5, 1.0)]);
        assert_eq!((sum.count(), sum.zero_count(), sum.sum()), (10.0, 3.0, 3.0));
    }

    #[test]
    fn the_coarser_resolution_holds() {
        // Of schema 0 bucket 1 is (1, 2], of schema 1 buckets 1 and 2 are.
        let sum = sum(
            native(1, 0.0, 0, &[(0, 1), (1, 2), (2, 4), (3, 8)]),
            &native(0, 0.0, 0, &[(1, 16)]),
        );
        assert_eq!(sum.schema(), 0);
        assert_eq!(sum.positive(), [(0, 1.0), (1, 22.0), (2, 8.0)]);
    }

    #[test]
    fn the_wider_zero_bucket_takes_in_what_it_covers() {
        let sum = sum(native(0, 1.0, 1, &[(1, 1)]), &native(0, 0.0, 0, &[(-3, 2), (0, 3), (1, 4)]));
        assert_eq!((sum.zero_threshold().to_bits(), sum.zero_count()), (1.0_f64.to_bits(), 6.0));
        assert_eq!(sum.positive(), [(1, 5.0)]);
    }

    #[test]
    fn a_zero_bucket_never_cuts_another_bucket() {
        let sum = sum(native(0, 3.0, 1, &[]), &native(0, 0.0, 0, &[(2, 5), (3, 7)]));
        assert_eq!((sum.zero_threshold().to_bits(), sum.zero_count()), (4.0_f64.to_bits(), 6.0));
        assert_eq!(sum.positive(), [(3, 7.0)]);
    }
}
