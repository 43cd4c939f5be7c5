//! Judges one sample's value, and the labels that its family's kind gives a meaning to.

use super::Report;
use super::line::Sample;
use super::points::Part;
use super::rule::Rule;
use crate::exposition::model::{Kind, Suffix};
use crate::exposition::value::Number;

/// What is known of a sample besides itself.
pub(super) struct Told<'f> {
    /// The name of its family.
    pub(super) family: &'f str,
    pub(super) kind: Kind,
    pub(super) line: usize,
    pub(super) openmetrics: bool,
}

/// Judges the value and the labels that the kind gives a meaning to. What it gives back is a
/// part of a histogram's or summary's point.
#[expect(clippy::float_cmp, reason = "readers compare exactly")]
pub(super) fn check(
    told: &Told<'_>,
    sample: &Sample<'_>,
    suffix: Suffix,
    report: &mut Report,
) -> Option<Part> {
    let Told { kind, line, openmetrics, .. } = *told;
    let name = || Some(sample.name.to_string());
    let value = sample.value;
    let at_value = (line, sample.value_at + 1);
    let counted = match suffix {
        Suffix::Bare => kind == Kind::Counter,
        Suffix::Bucket | Suffix::Count | Suffix::GaugeCount => true,
        Suffix::Sum | Suffix::GaugeSum => openmetrics,
        Suffix::Created => false,
    };
    let is_quantile = suffix == Suffix::Bare && kind == Kind::Summary;
    if counted && value.is_nan() {
        report.add(at_value, Rule::NotANumber, name());
    }
    if (counted && suffix != Suffix::GaugeSum || is_quantile && openmetrics) && value < 0.0 {
        report.add(at_value, Rule::NegativeValue, name());
    }
    let whole = matches!(suffix, Suffix::Bucket | Suffix::Count | Suffix::GaugeCount);
    if openmetrics && whole && (value.fract() != 0.0 || value.is_infinite()) {
        report.add(at_value, Rule::NotWhole, name());
    }
    if let Some(place) = sample.exemplar {
        let carries = suffix == Suffix::Bucket || suffix == Suffix::Bare && kind == Kind::Counter;
        if !carries {
            report.add((line, place + 1), Rule::ExemplarNotAllowed, name());
        }
    }
    match kind {
        Kind::StateSet => {
            if !sample.labels.iter().any(|label| label.name == *told.family) {
                report.add((line, sample.at + 1), Rule::MissingState, name());
            } else if value != 0.0 && value != 1.0 {
                report.add(at_value, Rule::BadState, name());
            }
            return None;
        }
        Kind::Info => {
            if value != 1.0 {
                report.add(at_value, Rule::BadInfo, name());
            }
            return None;
        }
        kind if !kind.is_compound() => return None,
        _ => {}
    }
    let place = (line, sample.at + 1);
    let mut part = Part { suffix, bound: None, value, place };
    if suffix == Suffix::Bucket || is_quantile {
        part.bound = Some(bound(told, sample, is_quantile, report)?);
    }
    Some(part)
}

/// Text: where `le` or `quantile` bounds nothing, Go's reader still wants a number there.
pub(super) fn check_strays(
    told: &Told<'_>,
    sample: &Sample<'_>,
    suffix: Option<Suffix>,
    report: &mut Report,
) {
    let (label, rule, bounding) = match told.kind {
        Kind::Histogram => ("le", Rule::BadBound, Suffix::Bucket),
        Kind::Summary => ("quantile", Rule::BadQuantile, Suffix::Bare),
        _ => return,
    };
    if told.openmetrics || suffix == Some(bounding) {
        return;
    }
    let stray = sample.labels.iter().find(|known| known.name == label);
    if let Some(stray) = stray.filter(|stray| Number::parse(stray.value).is_none()) {
        report.add((told.line, stray.value_at + 2), rule, Some(sample.name.to_string()));
    }
}

/// The number in `le` or `quantile`.
fn bound(
    told: &Told<'_>,
    sample: &Sample<'_>,
    is_quantile: bool,
    report: &mut Report,
) -> Option<f64> {
    let Told { line, openmetrics, .. } = *told;
    let (label, rule) =
        if is_quantile { ("quantile", Rule::BadQuantile) } else { ("le", Rule::BadBound) };
    let name = Some(sample.name.to_string());
    let Some(label) = sample.labels.iter().find(|known| known.name == label) else {
        let rule = if openmetrics { rule } else { Rule::ForeignSample };
        report.add((line, sample.at + 1), rule, name);
        return None;
    };
    let place = (line, label.value_at + 2);
    let bound = Number::parse(label.value).map(|number| number.as_f64());
    let Some(bound) = bound.filter(|bound| !bound.is_nan()) else {
        let rule = if bound.is_some() { Rule::NanBound } else { rule };
        report.add(place, rule, name);
        return None;
    };
    if is_quantile && !(0.0..=1.0).contains(&bound) {
        report.add(place, Rule::QuantileRange, name);
    } else if openmetrics && bound == f64::INFINITY && label.value != "+Inf" {
        report.add(place, Rule::OddInfinity, name);
    }
    Some(bound)
}
