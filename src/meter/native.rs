//! The buckets of native histograms: whole numbers that fall into each, exactly.
//!
//! Bucket `i` of schema `s` holds what is above `2^((i-1) * 2^-s)` and at most `2^(i * 2^-s)`
//! (Prometheus, "Native Histograms"), in the unit that it is shown in. Values are counted as whole
//! nanoseconds or bytes, so a bound may be rounded down to one of these without a value changing its
//! side. That is done by integers alone, once, when the program starts.

/// The buckets that native histograms in one unit have, over bounds that theirs are among.
#[derive(Clone, Debug)]
pub struct Scale {
    unit: u64,
    schema: u8,
    /// Of each bucket that is counted, the native bucket that it is in. The first is zero, and in
    /// none.
    numbers: Box<[i32]>,
}

/// A native histogram in the shape that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exponential {
    /// The resolution; each step less is half of it.
    pub schema: i8,
    /// Values that are zero.
    pub zero: u64,
    /// The buckets that hold anything, by their numbers.
    pub buckets: Vec<(i32, u64)>,
}

impl Scale {
    /// For units of so many of what is counted, over ascending bounds that begin with zero and
    /// among which are all the [`edges`].
    pub(super) fn new(unit: u64, schema: u8, bounds: &[u64]) -> Self {
        let mut edges = edges(unit, schema).peekable();
        // Behind the last edge of 64 bits there is one bucket more.
        let mut beyond = 0;
        let mut number = |of: u64| {
            while let Some((number, _)) = edges.next_if(|(_, edge)| *edge < of) {
                beyond = number + 1;
            }
            edges.peek().map_or(beyond, |(number, _)| *number)
        };
        let mut numbers: Vec<i32> = bounds.iter().map(|bound| number(*bound)).collect();
        numbers.push(number(u64::MAX));
        Self { unit, schema, numbers: numbers.into() }
    }

    /// How many of what is counted make one unit.
    pub(super) fn unit(&self) -> u64 {
        self.unit
    }

    /// Counts of buckets, ascending, as a native histogram of at most `max_buckets` buckets. Buckets
    /// that once held something always will, so the resolution only ever falls.
    pub(super) fn show(&self, counts: &[(u32, u64)], max_buckets: usize) -> Exponential {
        let (zero, counts) = match counts {
            [(0, zero), rest @ ..] => (*zero, rest),
            counts => (0, counts),
        };
        let mut schema = i8::try_from(self.schema).unwrap_or(0);
        let mut buckets: Vec<(i32, u64)> = Vec::with_capacity(counts.len());
        add_up(&mut buckets, counts.iter().map(|(at, n)| (self.numbers[*at as usize], *n)));
        while buckets.len() > max_buckets && schema > SMALLEST_SCHEMA {
            schema -= 1;
            let finer = std::mem::take(&mut buckets);
            // Two become one, of which the second has an even number.
            add_up(&mut buckets, finer.into_iter().map(|(number, n)| ((number + 1) >> 1, n)));
        }
        Exponential { schema, zero, buckets }
    }
}

/// Adds up neighbours of one number.
fn add_up(buckets: &mut Vec<(i32, u64)>, counts: impl Iterator<Item = (i32, u64)>) {
    for (number, count) in counts {
        match buckets.last_mut() {
            Some((last, so_far)) if *last == number => *so_far += count,
            _ => buckets.push((number, count)),
        }
    }
}

/// The native buckets that whole numbers from 1 on can be in, each with the largest of these in it,
/// up to what 64 bits hold. Some of the first have none.
pub(super) fn edges(unit: u64, schema: u8) -> impl Iterator<Item = (i32, u64)> {
    let roots = roots(schema);
    // The bound below one of what is counted: `unit * 2^-octaves` is less than that.
    let octaves = i32::try_from(unit.ilog2() + 1).unwrap_or(0);
    (-octaves..64)
        .flat_map(move |octave| (0..1_i32 << schema).map(move |step| (octave, step)))
        .map_while(move |(octave, step)| {
            let root = roots[usize::try_from(step).unwrap_or(0)];
            // Of the product, as many digits as the root has behind its point are cut off.
            let product = u128::from(unit) * u128::from(root);
            let edge = product >> u32::try_from(63 - octave).unwrap_or(0);
            Some(((octave << schema) + step, u64::try_from(edge).ok()?))
        })
        .filter(|(_, edge)| *edge > 0)
}

/// The powers of two from `2^0` to below `2^1`, in steps of `2^-schema`, times `2^63`.
fn roots(schema: u8) -> Vec<u64> {
    let mut roots = vec![1_u64 << 63];
    let mut step = 1_u128 << 64;
    for _ in 0..schema {
        // The root of what was the step, and with it every place between two.
        step = (step << 63).isqrt();
        let between = |root: &u64| {
            let product = (u128::from(*root) * step) >> 63;
            [*root, u64::try_from(product).unwrap_or(u64::MAX)]
        };
        roots = roots.iter().flat_map(between).collect();
    }
    roots
}

/// The coarsest resolution that the format has.
const SMALLEST_SCHEMA: i8 = -4;

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::*;
    use proptest::prelude::*;

    /// `factor^(2^schema)`, as digits of 32 bits, the lowest first.
    fn power(factor: u64, schema: u8) -> Vec<u32> {
        let digit = |part: u64| u32::try_from(part & 0xffff_ffff).unwrap();
        let mut digits = vec![digit(factor), digit(factor >> 32)];
        for _ in 0..schema {
            let mut square = vec![0_u32; digits.len() * 2];
            for (i, a) in digits.iter().enumerate() {
                let mut carry = 0;
                for (j, b) in digits.iter().enumerate() {
                    carry += u64::from(*a) * u64::from(*b) + u64::from(square[i + j]);
                    square[i + j] = digit(carry);
                    carry >>= 32;
                }
                square[i + digits.len()] = digit(carry);
            }
            digits = square;
        }
        digits
    }

    /// Whether `value <= unit * 2^(number * 2^-schema)`, by whole numbers: both to the power of
    /// `2^schema`.
    fn is_at_most(value: u64, unit: u64, number: i32, schema: u8) -> bool {
        let twos = |digits: Vec<u32>, twos: u32| {
            let mut shifted = vec![0_u32; (twos / 32) as usize];
            let mut carry = 0;
            for digit in digits.into_iter().chain([0]) {
                carry |= u64::from(digit) << (twos % 32);
                shifted.push(u32::try_from(carry & 0xffff_ffff).unwrap());
                carry >>= 32;
            }
            while shifted.last() == Some(&0) {
                shifted.pop();
            }
            shifted
        };
        let (up, down) = (number.max(0).unsigned_abs(), number.min(0).unsigned_abs());
        let value = twos(power(value, schema), down);
        let bound = twos(power(unit, schema), up);
        value
            .len()
            .cmp(&bound.len())
            .then_with(|| value.iter().rev().cmp(bound.iter().rev()))
            .is_le()
    }

    #[test]
    fn every_edge_is_the_largest_whole_number_in_its_bucket() {
        for schema in 0..=5 {
            for unit in [1, 1_000_000, 1_000_000_000] {
                // A week in nanoseconds, and terabytes.
                for (number, edge) in edges(unit, schema).take_while(|(_, edge)| *edge < 1 << 50) {
                    assert!(is_at_most(edge, unit, number, schema), "{unit} {schema} {number}");
                    assert!(
                        !is_at_most(edge + 1, unit, number, schema),
                        "{unit} {schema} {number}"
                    );
                }
            }
        }
    }

    #[test]
    fn edges_are_ascending_without_a_gap_up_to_the_last_bit() {
        for schema in [0, 3, 8] {
            for unit in [1, 1_000_000, 1_000_000_000] {
                let edges: Vec<_> = edges(unit, schema).collect();
                assert!(edges.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
                assert!(edges.windows(2).all(|pair| pair[0].1 <= pair[1].1));
                assert_eq!(edges[0].1, 1);
                assert!(edges.last().unwrap().1 > 1 << 62);
            }
        }
    }

    /// What a slow reader of the specification makes of a value, but for values that are a bound as
    /// far as a float can tell.
    fn number_by_float(value: f64, schema: u8) -> Option<i32> {
        let number = value.log2() * f64::from(1_u32 << schema);
        #[expect(clippy::cast_possible_truncation, reason = "it is below 2^16")]
        ((number - number.round()).abs() > 1e-9).then_some(number.ceil() as i32)
    }

    proptest! {
        #[test]
        fn values_are_in_the_buckets_that_the_specification_gives_them(
            values in proptest::collection::vec((any::<u64>(), 0u32..63), 1..200),
            schema in 0u8..=8,
            max_buckets in 1usize..200,
        ) {
            let values: Vec<u64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
            let units = [1_000_000, 1_000_000_000];
            let bounds = Bounds::union([[500_000, 7].as_slice()]).with_native(schema, &units);
            let mut counts = std::collections::BTreeMap::<u32, u64>::new();
            for value in &values {
                let bucket = u32::try_from(bounds.bucket(*value)).unwrap();
                *counts.entry(bucket).or_default() += 1;
            }
            let counts: Vec<_> = counts.into_iter().collect();
            for unit in units {
                let scale = Scale::new(unit, schema, &edges_of(&bounds));
                let shown = scale.show(&counts, max_buckets);
                prop_assert!(shown.buckets.len() <= max_buckets || shown.schema == -4);
                prop_assert!(shown.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
                let zeros = values.iter().filter(|value| **value == 0).count() as u64;
                let found: u64 = shown.buckets.iter().map(|(_, count)| count).sum();
                prop_assert_eq!((shown.zero, shown.zero + found), (zeros, values.len() as u64));
                let fine = scale.show(&counts, usize::MAX);
                prop_assert_eq!(fine.schema, i8::try_from(schema).unwrap());
                for &value in values.iter().filter(|value| **value > 0) {
                    let in_unit = value as f64 / unit as f64;
                    if let Some(number) = number_by_float(in_unit, schema) {
                        prop_assert!(fine.buckets.iter().any(|(n, _)| *n == number), "{value}");
                    }
                    // In the coarser histogram it is between its bucket's bounds, too.
                    let step = 2f64.powi(-i32::from(shown.schema));
                    let holds = shown.buckets.iter().any(|(n, _)| {
                        let upper = (f64::from(*n) * step).exp2();
                        let lower = (f64::from(n - 1) * step).exp2();
                        in_unit > lower * (1.0 - 1e-12) && in_unit <= upper * (1.0 + 1e-12)
                    });
                    prop_assert!(holds, "{value}");
                }
            }
        }

        #[test]
        fn more_values_never_make_the_resolution_finer(
            values in proptest::collection::vec((any::<u64>(), 0u32..63), 1..300),
            max_buckets in 1usize..40,
        ) {
            let bounds = Bounds::union([]).with_native(3, &[1]);
            let scale = Scale::new(1, 3, &edges_of(&bounds));
            let mut counts = std::collections::BTreeMap::<u32, u64>::new();
            let mut last = i8::MAX;
            for (value, shift) in values {
                let bucket = u32::try_from(bounds.bucket(value >> shift)).unwrap();
                *counts.entry(bucket).or_default() += 1;
                let counts: Vec<_> = counts.iter().map(|(at, n)| (*at, *n)).collect();
                let schema = scale.show(&counts, max_buckets).schema;
                prop_assert!(schema <= last);
                last = schema;
            }
        }
    }

    fn edges_of(bounds: &Bounds) -> Vec<u64> {
        (0..bounds.len()).map(|at| bounds.largest_in(at)).collect()
    }
}
