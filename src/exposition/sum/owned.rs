//! Makes an exposition that outlives the body it was read from.

use std::borrow::Cow;
use std::sync::Arc;

use super::total::whole;
use crate::exposition::labels::{LabelText, push_pair};
use crate::exposition::model::{Exposition, Extra, Family, Sample};
use crate::exposition::native::Native;
use crate::exposition::problem::Problems;
use crate::exposition::value::Number;

/// The same families, with all their text their own. Label sets can be copied at no cost.
pub(super) fn owned(exposition: Exposition<'_>) -> Exposition<'static> {
    let families = exposition.families.into_iter().map(family).collect();
    Exposition { families, problems: Problems::default() }
}

fn family(family: Family<'_>) -> Family<'static> {
    let Family { name, kind, help, unit, samples, bounds, .. } = family;
    let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let mut copy = Family::new(own(name), kind);
    copy.help = help.map(own);
    copy.unit = unit.map(own);
    copy.samples = samples
        .into_iter()
        .map(|mut sample| {
            write_bound(&mut sample, &bounds);
            self::sample(sample)
        })
        .collect();
    copy
}

/// Exemplars and times are of the moment, and not kept.
fn sample(sample: Sample<'_>) -> Sample<'static> {
    let Sample { labels, value, extra, hash, bound, suffix, quoted, implied, begins } = sample;
    let native = extra.and_then(|extra| extra.native).map(|native| {
        let Native { schema, zero_threshold, sum, observations, alone, .. } = *native;
        let exemplars = Vec::new();
        let sum = if sum.is_finite() { sum } else { 0.0 };
        Box::new(Native { schema, zero_threshold, sum, observations, exemplars, alone })
    });
    let extra = native.map(|native| Box::new(Extra { native: Some(native), ..Extra::default() }));
    let (labels, value) = (text(labels), number(&value));
    Sample { labels, value, extra, hash, bound, suffix, quoted, implied, begins }
}

/// Writes a bound that the sample has by number into its labels.
pub(super) fn write_bound(sample: &mut Sample<'_>, bounds: &[Cow<'_, str>]) {
    if let Some(bound) = sample.bound(bounds) {
        let mut text = sample.labels.as_str().to_owned();
        push_pair(&mut text, "le", bound);
        sample.labels = LabelText::Owned(text.into());
        sample.bound = 0;
    }
}

fn text(labels: LabelText<'_>) -> LabelText<'static> {
    LabelText::Shared(match labels {
        LabelText::Shared(text) => text,
        text => Arc::from(text.as_str()),
    })
}

/// The same value, if not the same spelling.
fn number(number: &Number<'_>) -> Number<'static> {
    if let Number::Time(seconds, nanos) = number {
        return Number::Time(*seconds, *nanos);
    }
    match whole(number).and_then(|whole| u64::try_from(whole).ok()) {
        Some(whole) => Number::Int(whole),
        None => Number::Float(number.as_f64()),
    }
}
