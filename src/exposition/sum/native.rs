//! Adds native histograms, at the coarser resolution and the wider zero bucket of the two.
//!
//! Both are as Prometheus adds histograms ("Native Histograms", section on resolution changes):
//! bounds of a lower schema are bounds of every higher one, so nothing is guessed.

use std::collections::BTreeMap;

use crate::exposition::model::Exemplar;
use crate::exposition::native::{Native, Observations, Side, Span};

/// Adds one to the other.
pub(super) fn add<'a>(sum: &mut Native<'a>, other: &Native<'a>) {
    let (mut one, mut two) = (Counts::of(sum), Counts::of(other));
    widen(&mut one, &mut two);
    let schema = sum.schema.min(other.schema);
    one.coarsen(schema);
    two.coarsen(schema);
    let zero_threshold = one.zero_threshold;
    sum.observations = one.with(two);
    sum.schema = schema;
    sum.zero_threshold = zero_threshold;
    sum.sum += other.sum;
    sum.alone &= other.alone;
    sum.exemplars.extend(other.exemplars.iter().cloned());
    sum.exemplars.sort_by(|a, b| at(b).total_cmp(&at(a)));
    sum.exemplars.truncate(EXEMPLARS);
}

fn at(exemplar: &Exemplar<'_>) -> f64 {
    exemplar.timestamp().and_then(|text| text.parse().ok()).unwrap_or(f64::NEG_INFINITY)
}

/// A histogram as counts by the number of the bucket.
struct Counts {
    schema: i8,
    zero_threshold: f64,
    count: Amount,
    zero: Amount,
    positive: BTreeMap<i32, Amount>,
    negative: BTreeMap<i32, Amount>,
}

/// How much is in a bucket: whole while it can be.
#[derive(Debug, Clone, Copy)]
enum Amount {
    Whole(u64),
    Part(f64),
}

impl Amount {
    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(count) => count as f64,
            Self::Part(count) => count,
        }
    }

    fn plus(self, other: Self) -> Self {
        let whole = match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.checked_add(b).map(Self::Whole),
            _ => None,
        };
        whole.unwrap_or(Self::Part(self.as_f64() + other.as_f64()))
    }

    /// The count as a difference can be taken of it.
    fn signed(self) -> Option<i64> {
        match self {
            Self::Whole(count) => i64::try_from(count).ok(),
            Self::Part(_) => None,
        }
    }
}

impl Counts {
    fn of(native: &Native<'_>) -> Self {
        let (count, zero, positive, negative) = match &native.observations {
            Observations::Whole { count, zero, positive, negative } => {
                (Amount::Whole(*count), Amount::Whole(*zero), whole(positive), whole(negative))
            }
            Observations::Parts { count, zero, positive, negative } => {
                (Amount::Part(*count), Amount::Part(*zero), parts(positive), parts(negative))
            }
        };
        let (schema, zero_threshold) = (native.schema, native.zero_threshold);
        Self { schema, zero_threshold, count, zero, positive, negative }
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
                amount.as_f64() > 0.0 && self.bound(number.wrapping_sub(1)) < threshold
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
                    *zero = zero.plus(*amount);
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

    fn with(mut self, other: Self) -> Observations {
        let (count, zero) = (self.count.plus(other.count), self.zero.plus(other.zero));
        other.positive.into_iter().for_each(|(n, amount)| add_to(&mut self.positive, n, amount));
        other.negative.into_iter().for_each(|(n, amount)| add_to(&mut self.negative, n, amount));
        let deltas = |side: &BTreeMap<i32, Amount>| {
            let mut last = 0;
            side_of(side, |amount| {
                let count = amount.signed()?;
                Some(count - std::mem::replace(&mut last, count))
            })
        };
        let deltas = (deltas(&self.positive), deltas(&self.negative));
        if let (Amount::Whole(count), Amount::Whole(zero), (Some(positive), Some(negative))) =
            (count, zero, deltas)
        {
            return Observations::Whole { count, zero, positive, negative };
        }
        let counts = |side| side_of(side, |amount| Some(amount.as_f64())).unwrap_or_default();
        let (positive, negative) = (counts(&self.positive), counts(&self.negative));
        Observations::Parts { count: count.as_f64(), zero: zero.as_f64(), positive, negative }
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
    side.entry(number).and_modify(|sum| *sum = sum.plus(amount)).or_insert(amount);
}

fn whole(side: &Side<i64>) -> BTreeMap<i32, Amount> {
    let mut count = 0_i64;
    let buckets = side.numbered(|delta| {
        count = count.wrapping_add(*delta);
        Amount::Whole(u64::try_from(count).unwrap_or(0))
    });
    buckets.into_iter().collect()
}

fn parts(side: &Side<f64>) -> BTreeMap<i32, Amount> {
    side.numbered(|count| Amount::Part(*count)).into_iter().collect()
}

fn side_of<T>(
    side: &BTreeMap<i32, Amount>,
    mut value: impl FnMut(Amount) -> Option<T>,
) -> Option<Side<T>> {
    let mut spans: Vec<Span> = Vec::new();
    let mut values = Vec::with_capacity(side.len());
    let mut next = 0;
    for (number, amount) in side {
        values.push(value(*amount)?);
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

    fn native(schema: i8, threshold: f64, zero: u64, buckets: &[(i32, u64)]) -> Native<'static> {
        let side: BTreeMap<i32, Amount> =
            buckets.iter().map(|(number, count)| (*number, Amount::Whole(*count))).collect();
        let mut last = 0;
        let positive = side_of(&side, |amount| {
            let count = amount.signed()?;
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

    fn sum(mut one: Native<'static>, two: &Native<'static>) -> Native<'static> {
        add(&mut one, two);
        one.checked().expect("the sum adds up")
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
