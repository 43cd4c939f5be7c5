//! Adds numbers up exactly: whole numbers as such, others without losing a bit on the way.
//!
//! The result is the true sum, rounded once. So it does not depend on the order of its terms, and
//! it cannot fall while none of them does: a counter that is smaller by its last bit would be a
//! reset to Prometheus, which would then count the whole sum anew.

use crate::exposition::value::Number;

/// A sum that terms are still added to.
#[derive(Debug, Clone)]
pub(super) enum Total<'a> {
    /// One term, which stays as it was written.
    One(Number<'a>),
    /// Whole numbers.
    Whole(i128),
    /// Any numbers.
    Parts(Parts),
}

/// How the true sum becomes a number that a reader can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the nearest.
    Nearest,
    /// To the next that is not smaller: for what is added to again, and may never fall.
    Up,
}

impl<'a> Total<'a> {
    /// Adds one term.
    pub(super) fn add(&mut self, term: &Number<'_>) {
        self.add_term(whole(term), term);
    }

    /// Adds another sum, and loses nothing of it.
    pub(super) fn join(&mut self, other: &Total<'_>) {
        match other {
            Total::One(term) => self.add(term),
            Total::Whole(sum) => self.add_term(Some(*sum), &Number::Int(0)),
            Total::Parts(parts) => {
                let beyond = (parts.beyond != 0.0).then_some(&parts.beyond);
                for part in parts.parts.iter().chain(beyond) {
                    self.add(&Number::Float(*part));
                }
            }
        }
    }

    fn add_term(&mut self, other: Option<i128>, term: &Number<'_>) {
        let sum = match (&mut *self, other) {
            (Self::One(first), Some(other)) => {
                whole(first).and_then(|first| first.checked_add(other))
            }
            (Self::Whole(sum), Some(other)) => sum.checked_add(other),
            _ => None,
        };
        if let Some(sum) = sum {
            *self = Self::Whole(sum);
            return;
        }
        let mut parts = match std::mem::replace(self, Self::Whole(0)) {
            Self::One(first) => Parts::from_term(whole(&first), &first),
            Self::Whole(sum) => Parts::from_term(Some(sum), &Number::Int(0)),
            Self::Parts(parts) => parts,
        };
        parts.add_term(other, term);
        *self = Self::Parts(parts);
    }

    /// The sum as a number.
    pub(super) fn number(&self, rounding: Rounding) -> Number<'a> {
        match self {
            Self::One(number) => *number,
            Self::Whole(sum) => match u64::try_from(*sum) {
                Ok(sum) => Number::Int(sum),
                Err(_) => {
                    Number::Float(Parts::from_term(Some(*sum), &Number::Int(0)).sum(rounding))
                }
            },
            Self::Parts(parts) => Number::Float(parts.sum(rounding)),
        }
    }
}

/// The number as an integer, if it is one and was not rounded to one.
pub(super) fn whole(number: &Number<'_>) -> Option<i128> {
    match number {
        Number::Int(value) => return Some(i128::from(*value)),
        Number::Text(text) => {
            if let Ok(value) = text.parse() {
                return Some(value);
            }
        }
        Number::Float(_) | Number::Time(..) => {}
    }
    let value = number.as_f64();
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is small")]
    let whole = value as i128;
    (value.abs() <= EXACT && value.fract() == 0.0).then_some(whole)
}

/// A sum as floating-point numbers that do not overlap, the smallest first (Shewchuk, "Adaptive
/// Precision Floating-Point Arithmetic", 1997): together they are the sum to the last bit.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    parts: Vec<f64>,
    /// Infinities, and what is no number.
    beyond: f64,
}

impl Parts {
    fn from_term(whole: Option<i128>, term: &Number<'_>) -> Self {
        let mut parts = Self::default();
        parts.add_term(whole, term);
        parts
    }

    fn add_term(&mut self, whole: Option<i128>, term: &Number<'_>) {
        let Some(whole) = whole else {
            self.add(term.as_f64());
            return;
        };
        // An integer may have more digits than one float holds; 32 bits at a time fit.
        let sign = if whole < 0 { -1.0 } else { 1.0 };
        let (mut left, mut unit) = (whole.unsigned_abs(), sign);
        while left > 0 {
            self.add(unit * (left % (1 << 32)) as f64);
            left >>= 32;
            unit *= 4_294_967_296.0;
        }
    }

    fn add(&mut self, term: f64) {
        if !term.is_finite() {
            self.beyond += term;
            return;
        }
        let mut x = term;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (big, small) = ordered(x, self.parts[at]);
            let (sum, rest) = two_sum(big, small);
            if rest != 0.0 {
                self.parts[kept] = rest;
                kept += 1;
            }
            x = sum;
        }
        self.parts.truncate(kept);
        if x.is_finite() {
            self.parts.push(x);
        } else {
            self.beyond += x;
            self.parts.clear();
        }
    }

    fn sum(&self, rounding: Rounding) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let mut parts = self.parts.iter().rev().copied();
        let Some(mut sum) = parts.next() else { return 0.0 };
        let mut rest = 0.0;
        for part in parts.by_ref() {
            (sum, rest) = two_sum(sum, part);
            if rest != 0.0 {
                break;
            }
        }
        match rounding {
            Rounding::Up if rest > 0.0 => sum.next_up(),
            Rounding::Up => sum,
            // Half-way cases were rounded to even; what is left says on which side the sum is.
            Rounding::Nearest => {
                let beyond = parts.next().unwrap_or(0.0);
                let (twice, up) = (rest * 2.0, sum + rest * 2.0);
                let halfway = rest != 0.0 && rest * beyond > 0.0 && is(up - sum, twice);
                if halfway { up } else { sum }
            }
        }
    }
}

/// The sum, and what rounding took from it; `big` is not the smaller one.
fn two_sum(big: f64, small: f64) -> (f64, f64) {
    let sum = big + small;
    (sum, small - (sum - big))
}

fn ordered(a: f64, b: f64) -> (f64, f64) {
    if a.abs() < b.abs() { (b, a) } else { (a, b) }
}

fn is(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}

/// Up to here every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(terms: &[&str]) -> String {
        let mut terms = terms.iter().map(|term| Number::parse(term).unwrap());
        let mut total = Total::One(terms.next().unwrap());
        terms.for_each(|term| total.add(&term));
        total.number(Rounding::Nearest).to_text()
    }

    #[test]
    fn one_term_stays_as_it_was_written() {
        assert_eq!(sum(&["1.50"]), "1.50");
        assert_eq!(sum(&["+7"]), "+7");
    }

    #[test]
    fn whole_numbers_are_exact_beyond_what_a_float_holds() {
        assert_eq!(sum(&["9007199254740993", "1"]), "9007199254740994");
        assert_eq!(sum(&["9007199254740993", "2.0", "1e0"]), "9007199254740996");
        assert_eq!(sum(&["18446744073709551614", "1"]), "18446744073709551615");
        assert_eq!(sum(&["-5", "3.0"]), "-2");
        assert_eq!(sum(&["18446744073709551615", "1"]), "1.8446744073709552e19");
    }

    #[test]
    fn fractions_are_rounded_once() {
        assert_eq!(sum(&["0.1"; 10]), "1");
        assert_eq!(sum(&["1e16", "1.5", "-1e16"]), "1.5");
        assert_eq!(sum(&["1e308", "1", "-1e308", "0.5"]), "1.5");
        assert_eq!(sum(&["9007199254740993", "0.5"]), "9007199254740994");
        // Half-way between two floats, but for a crumb.
        assert_eq!(sum(&["1e16", "1.0000000000000002", "0"]), "10000000000000002");
    }

    #[test]
    fn infinity_and_nan_are_contagious() {
        assert_eq!(sum(&["+Inf", "1"]), "+Inf");
        assert_eq!(sum(&["1.5", "-Inf"]), "-Inf");
        assert_eq!(sum(&["+Inf", "-Inf"]), "NaN");
        assert_eq!(sum(&["NaN", "1", "2"]), "NaN");
        assert_eq!(sum(&["1.7e308", "1.7e308"]), "+Inf");
    }

    fn terms() -> impl Strategy<Value = Vec<f64>> {
        let one = prop_oneof![-1e6..1e6, 0.0..1e-3, 1e15..1e17, Just(0.1), Just(1e300)];
        prop::collection::vec(one, 1..12)
    }

    fn total(terms: &[f64], rounding: Rounding) -> f64 {
        let mut total = Total::One(Number::Float(terms[0]));
        terms[1..].iter().for_each(|term| total.add(&Number::Float(*term)));
        total.number(rounding).as_f64()
    }

    proptest! {
        #[test]
        fn the_order_of_the_terms_does_not_matter(
            (terms, shuffled) in terms().prop_flat_map(|t| (Just(t.clone()), Just(t).prop_shuffle()))
        ) {
            let (one, other) =
                (total(&terms, Rounding::Nearest), total(&shuffled, Rounding::Nearest));
            prop_assert_eq!(one.to_bits(), other.to_bits());
        }

        #[test]
        fn sums_of_sums_are_the_sum(terms in terms(), cut in 1_usize..12) {
            let (one, other) = terms.split_at(cut.min(terms.len() - 1).max(1).min(terms.len()));
            let of = |terms: &[f64]| {
                let mut total = Total::Whole(0);
                for term in terms {
                    total.add(&Number::Float(*term));
                }
                total
            };
            let mut joined = of(one);
            joined.join(&of(other));
            let whole = total(&terms, Rounding::Nearest);
            prop_assert_eq!(joined.number(Rounding::Nearest).as_f64().to_bits(), whole.to_bits());
        }

        #[test]
        fn the_sum_does_not_fall_while_no_term_does(mut terms in terms(), grown in 0_usize..12) {
            let before = total(&terms, Rounding::Nearest);
            let grown = grown % terms.len();
            terms[grown] = terms[grown].next_up();
            prop_assert!(total(&terms, Rounding::Nearest) >= before);
        }

        #[test]
        fn what_is_rounded_up_and_added_to_is_not_smaller(terms in terms(), cut in 1_usize..12) {
            let cut = cut.min(terms.len());
            let mut folded = vec![total(&terms[..cut], Rounding::Up)];
            folded.extend(&terms[cut..]);
            let whole = total(&terms, Rounding::Nearest);
            prop_assert!(total(&folded, Rounding::Nearest) >= whole);
        }
    }
}
