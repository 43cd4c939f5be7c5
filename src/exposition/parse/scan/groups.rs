//! Judges the samples of one family while they pass by: each group in one place, in legal order, and
//! adding up.
//!
//! A group is what one label set says: all buckets of a histogram with its sum and count, or a
//! single gauge. The rules are those of the merge; what they do not hold for is left to it.

use super::decimal::Decimal;
use crate::exposition::model::{Kind, Suffix};

/// The group at hand, and what was found out about those before.
pub(super) struct Groups<'a> {
    kind: Kind,
    /// What all lines of the group have in common: the labels around the bound.
    labels: [&'a [u8]; 2],
    time: Option<&'a [u8]>,
    /// One bit for each suffix that was met.
    met: u8,
    /// The last bucket or quantile.
    last: (f64, f64),
    sum: Option<f64>,
    count: Option<f64>,
    /// Whether strict readers of OpenMetrics take all of the group, and of all groups before.
    strict: bool,
    negative: bool,
    /// The bounds of the group before, which this one most often has, too.
    bounds: Vec<(&'a [u8], f64)>,
    place: usize,
    number: u64,
}

impl<'a> Groups<'a> {
    pub(super) fn new() -> Self {
        Self {
            kind: Kind::Unknown,
            labels: [&[]; 2],
            time: None,
            met: 0,
            last: NONE,
            sum: None,
            count: None,
            strict: true,
            negative: false,
            bounds: Vec::new(),
            place: 0,
            number: 1,
        }
    }

    pub(super) fn clear(&mut self, kind: Kind) {
        self.bounds.clear();
        self.strict = true;
        self.kind = kind;
        self.met = 0;
    }

    /// Whether a line with these labels goes on with the group.
    #[inline]
    pub(super) fn goes_on(&self, labels: [&[u8]; 2]) -> bool {
        self.met != 0 && joined_alike(self.labels, labels)
    }

    /// Another one for each group, and never 0.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of a sample that is a group of its own.
    #[inline]
    pub(super) fn judge(&mut self, value: Decimal<'_>) {
        match self.kind {
            Kind::Counter => self.strict &= value.is_amount(),
            Kind::Info => self.strict &= value.as_f64().total_cmp(&1.0).is_eq(),
            _ => {}
        }
    }

    /// Begins another group. `None` where the last one does not add up.
    #[inline]
    pub(super) fn begin(&mut self, labels: [&'a [u8]; 2], time: Option<&'a [u8]>) -> Option<()> {
        self.close()?;
        (self.labels, self.time, self.met, self.last) = (labels, time, 0, NONE);
        (self.sum, self.count, self.negative, self.place) = (None, None, false, 0);
        self.number += 1;
        Some(())
    }

    /// Adds a sample without bound.
    #[inline]
    pub(super) fn add(&mut self, suffix: Suffix, value: Decimal<'_>) -> Option<()> {
        let bit = 1 << suffix as u8;
        if self.met & bit != 0 {
            return None;
        }
        self.met |= bit;
        match (self.kind, suffix) {
            (_, Suffix::Bare) => self.judge(value),
            (_, Suffix::Sum) => self.sum = Some(value.as_f64()),
            (_, Suffix::Count) => self.count = Some(value.as_f64()),
            _ => {}
        }
        Some(())
    }

    /// Adds a bucket or a quantile.
    #[inline]
    pub(super) fn add_bounded(
        &mut self,
        suffix: Suffix,
        bound: &'a [u8],
        value: Decimal<'_>,
    ) -> Option<()> {
        let bound = self.bound(bound)?;
        let value = value.as_f64();
        if bound <= self.last.0 {
            return None;
        }
        if suffix == Suffix::Bucket {
            if value.is_nan() || value < self.last.1 {
                return None;
            }
            self.strict &= is_whole(value);
            self.negative |= bound < 0.0;
        } else {
            self.strict &= (0.0..=1.0).contains(&bound) && (value >= 0.0 || value.is_nan());
        }
        self.met |= 1 << suffix as u8;
        self.last = (bound, value);
        Some(())
    }

    #[inline]
    pub(super) fn is_at(&self, time: Option<&[u8]>) -> bool {
        self.time == time
    }

    /// Ends the last group, and tells whether strict readers of OpenMetrics take them all.
    pub(super) fn finish(&mut self) -> Option<bool> {
        self.close()?;
        Some(self.strict)
    }

    #[inline]
    fn close(&mut self) -> Option<()> {
        if self.met == 0 {
            return Some(());
        }
        let amount = |value: Option<f64>| value.is_none_or(|value| value >= 0.0);
        match self.kind {
            Kind::Histogram => {
                if self.last.0 < f64::INFINITY
                    || self.count.is_some_and(|count| count.total_cmp(&self.last.1).is_ne())
                {
                    return None;
                }
                self.strict &= amount(self.sum)
                    && !(self.negative && self.sum.is_some())
                    && self.sum.is_some() == self.count.is_some();
            }
            Kind::Summary => {
                self.strict &= amount(self.sum) && self.count.is_none_or(is_whole);
            }
            _ => {}
        }
        Some(())
    }

    /// The number that a bound means. Infinity has but one spelling here.
    #[inline]
    fn bound(&mut self, text: &'a [u8]) -> Option<f64> {
        let place = self.place;
        self.place += 1;
        if let Some((known, bound)) = self.bounds.get(place)
            && *known == text
        {
            return Some(*bound);
        }
        let bound: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        if bound.is_nan() || bound.is_infinite() && text != b"+Inf" {
            return None;
        }
        self.bounds.truncate(place);
        self.bounds.push((text, bound));
        Some(bound)
    }
}

const NONE: (f64, f64) = (f64::NEG_INFINITY, f64::NEG_INFINITY);

fn is_whole(value: f64) -> bool {
    value >= 0.0 && value.fract() == 0.0
}

/// Whether two texts are alike, each of which is given in two parts.
#[inline]
fn joined_alike(one: [&[u8]; 2], two: [&[u8]; 2]) -> bool {
    if one[0].len() == two[0].len() {
        return one == two;
    }
    one[0].len() + one[1].len() == two[0].len() + two[1].len()
        && one.into_iter().flatten().eq(two.into_iter().flatten())
}
