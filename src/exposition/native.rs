//! Native histograms: buckets whose bounds follow from a schema, as only protobuf carries them.

use super::model::{Exemplar, Suffix};
use super::value::Number;

/// A native histogram at one time (Prometheus, "Native Histograms"). Its spans fit its buckets:
/// nothing that `Native::checked` refuses comes into being.
#[derive(Debug, Clone)]
pub struct Native<'a> {
    pub(crate) schema: i8,
    pub(crate) zero_threshold: f64,
    pub(crate) sum: f64,
    pub(crate) observations: Observations,
    pub(crate) exemplars: Vec<Exemplar<'a>>,
    /// Whether no classic buckets stand beside it, so that text has to tell of it by itself.
    pub(crate) alone: bool,
}

/// What was counted: whole observations, or parts of them as recording rules make them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Observations {
    /// Each bucket's count is the difference to the one before it.
    Whole { count: u64, zero: u64, positive: Side<i64>, negative: Side<i64> },
    /// Each bucket's count as it is.
    Parts { count: f64, zero: f64, positive: Side<f64>, negative: Side<f64> },
}

/// The buckets on one side of zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Side<T> {
    pub(crate) spans: Vec<Span>,
    pub(crate) values: Vec<T>,
}

/// A run of buckets that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Of the first span its first bucket, of the others the gap before it.
    pub(crate) offset: i32,
    pub(crate) length: u32,
}

/// Empty buckets between two others that are told as such.
const LONGEST_FILLED_GAP: i32 = 2;

/// The schemas that have exponential bounds.
const SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;

impl<'a> Native<'a> {
    /// The histogram, if its parts fit each other: readers trust spans to claim the buckets there
    /// are, and Prometheus gives up the whole scrape for one bucket below zero or more observations
    /// in the buckets than were counted. A larger count is the app's affair, as with any number.
    /// For fractions below zero see [`Self::is_below_zero`].
    pub(crate) fn checked(self) -> Option<Self> {
        let holds = SCHEMAS.contains(&self.schema)
            && self.zero_threshold >= 0.0
            && self.zero_threshold.is_finite()
            && match &self.observations {
                Observations::Whole { count, zero, positive, negative } => {
                    positive.fits()
                        && negative.fits()
                        && negative
                            .found()
                            .and_then(|found| found.checked_add(positive.found()?))
                            .and_then(|found| found.checked_add(*zero))
                            .is_some_and(|found| found <= *count)
                }
                Observations::Parts { count, zero, positive, negative } => {
                    positive.fits()
                        && negative.fits()
                        && *zero >= 0.0
                        && negative.found() + positive.found() + zero <= *count
                }
            };
        holds.then_some(self)
    }

    /// Whether a bucket is below zero, which only one of fractions can be. Prometheus's own examples
    /// of the format have some, and its storage refuses them, of gauge histograms as well.
    pub(crate) fn is_below_zero(&self) -> bool {
        match &self.observations {
            Observations::Whole { .. } => false,
            Observations::Parts { positive, negative, .. } => {
                positive.values.iter().chain(&negative.values).any(|count| *count < 0.0)
            }
        }
    }

    /// The resolution: bounds grow by the 2^-schema-th power of two.
    pub fn schema(&self) -> i8 {
        self.schema
    }

    /// The width of the bucket around zero.
    pub fn zero_threshold(&self) -> f64 {
        self.zero_threshold
    }

    /// The sum of what was observed.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How much was observed.
    pub fn count(&self) -> f64 {
        match &self.observations {
            Observations::Whole { count, .. } => *count as f64,
            Observations::Parts { count, .. } => *count,
        }
    }

    /// How much of it is in the bucket around zero.
    pub fn zero_count(&self) -> f64 {
        match &self.observations {
            Observations::Whole { zero, .. } => *zero as f64,
            Observations::Parts { zero, .. } => *zero,
        }
    }

    /// The buckets above zero, as their number and count. Bucket `n` ends at
    /// `2^(n * 2^-schema)`.
    pub fn positive(&self) -> Vec<(i32, f64)> {
        match &self.observations {
            Observations::Whole { positive, .. } => positive.counts(),
            Observations::Parts { positive, .. } => positive.counts(),
        }
    }

    /// The buckets below zero, as [`Self::positive`] of the opposite numbers.
    pub fn negative(&self) -> Vec<(i32, f64)> {
        match &self.observations {
            Observations::Whole { negative, .. } => negative.counts(),
            Observations::Parts { negative, .. } => negative.counts(),
        }
    }

    /// What text can tell of it where there are no classic buckets: all of it is below infinity.
    pub(crate) fn parts(&self, is_gauge: bool) -> [(Suffix, Number<'static>); 3] {
        let count = self.count_number();
        let (sum, total) = if is_gauge {
            (Suffix::GaugeSum, Suffix::GaugeCount)
        } else {
            (Suffix::Sum, Suffix::Count)
        };
        [(Suffix::Bucket, count), (sum, Number::Float(self.sum)), (total, count)]
    }

    /// Whether a reader of protobuf knows it for a native one by what it says.
    pub(crate) fn is_evident(&self) -> bool {
        let has_spans = match &self.observations {
            Observations::Whole { positive, negative, .. } => {
                !positive.spans.is_empty() || !negative.spans.is_empty()
            }
            Observations::Parts { positive, negative, .. } => {
                !positive.spans.is_empty() || !negative.spans.is_empty()
            }
        };
        has_spans || self.zero_threshold > 0.0 || self.zero_count() > 0.0
    }

    pub(crate) fn count_number(&self) -> Number<'static> {
        match &self.observations {
            Observations::Whole { count, .. } => Number::Int(*count),
            Observations::Parts { count, .. } => Number::Float(*count),
        }
    }

    /// The exemplar with the latest time, for where there is place for one.
    pub(crate) fn newest_exemplar(&self) -> Option<&Exemplar<'a>> {
        let time = |exemplar: &&Exemplar<'_>| {
            exemplar.timestamp().and_then(|at| at.parse().ok()).unwrap_or(f64::NEG_INFINITY)
        };
        self.exemplars.iter().max_by(|a, b| time(a).total_cmp(&time(b)))
    }

    /// Its exemplars.
    pub fn exemplars(&self) -> &[Exemplar<'a>] {
        &self.exemplars
    }
}

/// Equal in all that is told, whatever stands beside it.
impl PartialEq for Native<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.zero_threshold.to_bits() == other.zero_threshold.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && self.observations == other.observations
            && self.exemplars == other.exemplars
    }
}

impl<T> Side<T> {
    /// Whether the spans claim as many buckets as there are, each behind the one before it.
    fn fits(&self) -> bool {
        let claimed: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        let mut end = 0_i64;
        claimed == self.values.len() as u64
            && self.spans.iter().enumerate().all(|(at, span)| {
                end += i64::from(span.offset) + i64::from(span.length);
                (at == 0 || span.offset >= 0) && i32::try_from(end).is_ok()
            })
    }

    /// Gives each bucket its number. Only of a side that [`fits`](Self::fits).
    pub(crate) fn numbered<V>(&self, mut count: impl FnMut(&T) -> V) -> Vec<(i32, V)> {
        let mut values = self.values.iter();
        let mut all = Vec::with_capacity(self.values.len());
        let mut number = 0_i32;
        for span in &self.spans {
            number = number.wrapping_add(span.offset);
            for value in values.by_ref().take(usize::try_from(span.length).unwrap_or(0)) {
                all.push((number, count(value)));
                number = number.wrapping_add(1);
            }
        }
        all
    }
}

impl Side<i64> {
    /// Buckets by their ascending numbers. A short gap is filled with empty ones, which take less
    /// than a span.
    pub(crate) fn of(counts: &[(i32, u64)]) -> Self {
        let mut side = Self::default();
        let (mut next, mut last) = (0, 0);
        for &(number, count) in counts {
            let gap = number.wrapping_sub(next);
            match side.spans.last_mut() {
                Some(span) if gap <= LONGEST_FILLED_GAP => {
                    for _ in 0..gap {
                        side.values.push(-std::mem::take(&mut last));
                    }
                    span.length += gap.unsigned_abs() + 1;
                }
                _ => side.spans.push(Span { offset: gap, length: 1 }),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            side.values.push(count - std::mem::replace(&mut last, count));
            next = number + 1;
        }
        side
    }

    /// How much is in the buckets, if each has a count and so have all together.
    fn found(&self) -> Option<u64> {
        let (mut count, mut found) = (0_i64, 0_u64);
        for delta in &self.values {
            count = count.checked_add(*delta)?;
            found = found.checked_add(u64::try_from(count).ok()?)?;
        }
        Some(found)
    }

    fn counts(&self) -> Vec<(i32, f64)> {
        let mut count = 0_i64;
        self.numbered(|delta| {
            count = count.wrapping_add(*delta);
            count as f64
        })
    }
}

impl Side<f64> {
    /// How much is in the buckets, added up as readers do; NaN if one of them is.
    fn found(&self) -> f64 {
        self.values.iter().fold(0.0, |found, count| found + count)
    }

    fn counts(&self) -> Vec<(i32, f64)> {
        self.numbered(|count| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(spans: &[(i32, u32)], deltas: &[i64]) -> Native<'static> {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length });
        Native {
            schema: 0,
            zero_threshold: 0.0,
            sum: 1.0,
            observations: Observations::Whole {
                count: 4,
                zero: 1,
                positive: Side { spans: spans.collect(), values: deltas.to_vec() },
                negative: Side::default(),
            },
            exemplars: Vec::new(),
            alone: true,
        }
    }

    #[test]
    fn buckets_have_the_numbers_that_their_spans_give_them() {
        let native = native(&[(-2, 2), (3, 1)], &[1, 1, -2]).checked().unwrap();
        assert_eq!(native.positive(), [(-2, 1.0), (-1, 2.0), (3, 0.0)]);
        assert_eq!(native.negative(), []);
    }

    #[test]
    fn buckets_by_their_numbers_become_spans_with_short_gaps_filled() {
        let side = Side::of(&[(-3, 5), (-2, 1), (1, 2), (5, 7)]);
        let spans = [Span { offset: -3, length: 5 }, Span { offset: 3, length: 1 }];
        assert_eq!((&side.spans[..], &side.values[..]), (&spans[..], &[5, -4, -1, 0, 2, 5][..]));
        let counts: Vec<_> = side.counts().into_iter().filter(|(_, n)| *n > 0.0).collect();
        assert_eq!(counts, [(-3, 5.0), (-2, 1.0), (1, 2.0), (5, 7.0)]);
        assert!(side.fits() && Side::of(&[]) == Side::default());
    }

    #[test]
    fn fractions_hold_where_all_of_them_are_counted() {
        let with = |count, zero, above: &[f64], below: &[f64]| {
            let side = |values: &[f64]| Side {
                spans: vec![Span { offset: 0, length: u32::try_from(values.len()).unwrap() }],
                values: values.to_vec(),
            };
            let (positive, negative) = (side(above), side(below));
            let observations = Observations::Parts { count, zero, positive, negative };
            Native { observations, ..native(&[], &[]) }.checked().is_some()
        };
        assert!(with(2.5, 0.5, &[1.0], &[0.5]));
        assert!(with(2.5, 0.5, &[1.0, -0.5], &[]));
        assert!(with(f64::INFINITY, 0.0, &[f64::INFINITY], &[]));
        for (count, zero, above, below) in [
            (1.5, 0.5, &[1.0][..], &[0.5][..]),
            (2.5, -0.5, &[1.0], &[0.5]),
            (2.5, f64::NAN, &[1.0], &[]),
            (2.5, 0.5, &[], &[f64::NAN]),
            (f64::NAN, 0.5, &[1.0], &[]),
        ] {
            assert!(!with(count, zero, above, below), "{count} {zero} {above:?} {below:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        for (spans, deltas) in [
            (&[(0, 1)][..], &[1, 1][..]),
            (&[(0, u32::MAX)], &[1]),
            (&[(0, 1), (-1, 1)], &[1, 0]),
            (&[(i32::MAX, 1)], &[1]),
            // A bucket below zero, an overflow, and more than was counted.
            (&[(0, 2)], &[1, -2]),
            (&[(0, 2)], &[i64::MAX, 1]),
            (&[(0, 3)], &[i64::MAX, 0, 0]),
            (&[(0, 2)], &[2, 0]),
        ] {
            assert_eq!(native(spans, deltas).checked(), None, "{spans:?}");
        }
        assert!(native(&[(0, 2)], &[1, 0]).checked().is_some(), "more may be counted than found");
        let steep = Native { schema: 9, ..native(&[], &[]) };
        assert_eq!(steep.checked(), None);
    }
}
