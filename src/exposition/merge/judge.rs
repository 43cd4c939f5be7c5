//! Judges what is left of a family by the rules of the strictest reader.

use super::groups::Key;
use super::relabel::has_label;
use crate::exposition::model::{Kind, Sample, Suffix};

/// What a family's samples allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It does not add up.
    Neither,
    /// Readers of text take it, strict ones of OpenMetrics do not.
    TextOnly,
    Strict,
}

/// Whether a sample that stands alone may carry the kind in OpenMetrics.
pub(super) fn is_legal(kind: Kind, name: &str, sample: &Sample<'_>) -> bool {
    match kind {
        Kind::Counter => is_amount(sample),
        Kind::Info => is(sample.value.as_f64(), 1.0),
        Kind::StateSet => {
            (is(sample.value.as_f64(), 0.0) || is(sample.value.as_f64(), 1.0))
                && has_label(sample.labels.as_str(), name)
        }
        _ => true,
    }
}

/// Exactly this number: what readers compare, they compare so.
pub(in crate::exposition) fn is(value: f64, number: f64) -> bool {
    value.total_cmp(&number).is_eq() || value.abs() + number.abs() <= 0.0
}

fn is_amount(sample: &Sample<'_>) -> bool {
    sample.value.as_f64() >= 0.0
}

/// Judges one point of one label set by the strictest reader's rules.
pub(super) fn judge(kind: Kind, point: &[Key], samples: &[Sample<'_>]) -> Verdict {
    let values = || {
        let kept = point.iter().filter(|key| !key.dropped);
        kept.map(|key| (key.suffix, key.bound, samples[key.index].value.as_f64()))
    };
    let find = |wanted: Suffix| values().find(|(suffix, ..)| *suffix == wanted).map(|(.., v)| v);
    let strict = |holds: bool| if holds { Verdict::Strict } else { Verdict::TextOnly };
    let amount = |value: Option<f64>| value.is_none_or(|value| value >= 0.0);
    let whole = |value: f64| value >= 0.0 && value.fract() == 0.0;
    match kind {
        Kind::Counter => strict(amount(find(Suffix::Bare))),
        Kind::Summary => {
            if values().any(|(_, bound, _)| bound.is_nan()) {
                return Verdict::Neither;
            }
            let quantiles = values().filter(|(suffix, ..)| *suffix == Suffix::Bare);
            strict(
                amount(find(Suffix::Sum))
                    && find(Suffix::Count).is_none_or(whole)
                    && quantiles.into_iter().all(|(_, q, value)| {
                        (0.0..=1.0).contains(&q) && (value >= 0.0 || value.is_nan())
                    }),
            )
        }
        _ => {
            let gauge = kind == Kind::GaugeHistogram;
            let (sum, count) = if gauge {
                (find(Suffix::GaugeSum), find(Suffix::GaugeCount))
            } else {
                (find(Suffix::Sum), find(Suffix::Count))
            };
            let mut kept = point.iter().filter(|key| !key.dropped);
            if let Some(native) = kept.find_map(|key| samples[key.index].native())
                && native.alone
            {
                let told = sum.is_some() || count.is_some();
                return match native.sum() >= 0.0 && whole(native.count()) {
                    _ if told => Verdict::Neither,
                    true => Verdict::Strict,
                    false => Verdict::TextOnly,
                };
            }
            let mut last = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            let (mut wholes, mut negative) = (count.is_none_or(whole), false);
            for (_, bound, value) in values().filter(|(suffix, ..)| *suffix == Suffix::Bucket) {
                if bound.is_nan() || value.is_nan() || value < last.1 {
                    return Verdict::Neither;
                }
                wholes &= whole(value);
                negative |= bound < 0.0;
                last = (bound, value);
            }
            if last.0 != f64::INFINITY || count.is_some_and(|count| !is(count, last.1)) {
                return Verdict::Neither;
            }
            let sum_is_legal = if gauge {
                sum.is_none_or(|sum| sum >= 0.0 || negative && !sum.is_nan())
            } else {
                amount(sum) && !(negative && sum.is_some())
            };
            strict(wholes && sum_is_legal && sum.is_some() == count.is_some())
        }
    }
}
