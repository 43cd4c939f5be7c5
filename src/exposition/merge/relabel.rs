//! Rewrites the few label sets that cannot stay as they are: names outside the classic alphabet,
//! and a `source` label where the source itself becomes one.

use std::borrow::Cow;

use crate::exposition::format::Escaping;
use crate::exposition::labels::{
    LabelText, Pairs, hash_all, hash_pair, is_label_name, push_any, push_pair, unescape_value,
};
use crate::exposition::model::{Extra, Kind, Sample, Suffix};
use crate::exposition::names::escape;
use crate::exposition::problem::{Counts, Reason};

/// The label that tells the source, as text.
pub(super) fn source_label(name: &str) -> String {
    let mut text = String::new();
    push_pair(&mut text, "source", name);
    text
}

/// Rewrites what needs it, and adds `label` to the hashes; the text is added when it is rendered.
pub(super) fn relabel(
    samples: &mut Vec<Sample<'_>>,
    bounds: &[Cow<'_, str>],
    label: Option<&str>,
    kind: Kind,
    escaping: Escaping,
    dropped: &mut Counts,
) {
    let own = label.map(|label| hash_all(label, None));
    samples.retain_mut(|sample| {
        let clash = own.is_some() && has_label(sample.labels.as_str(), "source");
        let respelt = sample.quoted && escaping != Escaping::AllowUtf8;
        if respelt || clash {
            let Some(text) = rewritten(sample.labels.as_str(), own.is_some(), escaping) else {
                dropped.add(Reason::Utf8Name, 1);
                return false;
            };
            sample.labels = LabelText::Owned(text.into());
            rehash(sample, bounds, None, bound_label(kind, sample.suffix));
            sample.quoted &= !respelt;
        }
        sample.hash = sample.hash.wrapping_add(own.unwrap_or(0));
        true
    });
}

/// The label that is hashed as a number: `le` of a bucket, `quantile` of a summary's quantile. In
/// any other place both are labels like others.
pub(in crate::exposition) fn bound_label(kind: Kind, suffix: Suffix) -> Option<&'static str> {
    match (suffix, kind) {
        (Suffix::Bucket, _) => Some("le"),
        (Suffix::Bare, Kind::Summary) => Some("quantile"),
        _ => None,
    }
}

/// Takes the hash anew, of a sample whose place in its family has changed.
pub(super) fn rehash(
    sample: &mut Sample<'_>,
    bounds: &[Cow<'_, str>],
    label: Option<&str>,
    numeric: Option<&str>,
) {
    sample.hash = hash_all(sample.labels.as_str(), numeric)
        .wrapping_add(label.map_or(0, |label| hash_all(label, None)))
        .wrapping_add(sample.bound(bounds).map_or(0, |le| hash_pair("le", le, numeric)));
}

/// Gives samples that name their `le` by its number in `from` the number that it has in `to`.
pub(super) fn rebind<'a>(
    samples: &mut [Sample<'a>],
    from: &[Cow<'a, str>],
    to: &mut Vec<Cow<'a, str>>,
) {
    let mut places: Vec<Option<u16>> = vec![None; from.len()];
    for sample in samples.iter_mut().filter(|sample| sample.bound > 0) {
        let at = usize::from(sample.bound) - 1;
        let place = *places[at].get_or_insert_with(|| {
            let place = to.iter().position(|known| *known == from[at]).unwrap_or_else(|| {
                to.push(from[at].clone());
                to.len() - 1
            });
            u16::try_from(place + 1).unwrap_or(0)
        });
        if place == 0 {
            let mut text = sample.labels.as_str().to_owned();
            push_pair(&mut text, "le", &from[at]);
            sample.labels = LabelText::Owned(text.into());
        }
        sample.bound = place;
    }
}

/// Samples of which no one is a native histogram: where classic buckets stand beside one it is
/// left out, elsewhere its sum and count take its place.
pub(super) fn without_native<'a>(samples: Vec<Sample<'a>>, is_gauge: bool) -> Vec<Sample<'a>> {
    if samples.iter().all(|sample| sample.native().is_none()) {
        return samples;
    }
    let mut all = Vec::with_capacity(samples.len());
    for mut sample in samples {
        let native = sample.extra.as_mut().and_then(|extra| extra.native.take());
        let Some(native) = native else {
            all.push(sample);
            continue;
        };
        for (suffix, value) in native.parts(is_gauge).into_iter().filter(|_| native.alone) {
            let mut part = Sample { value, suffix, ..sample.clone() };
            if suffix == Suffix::Bucket {
                let mut text = part.labels.as_str().to_owned();
                push_pair(&mut text, "le", "+Inf");
                part.labels = LabelText::Owned(text.into());
            }
            if sample.timestamp().is_none() {
                part.extra = None::<Box<Extra<'a>>>;
            }
            all.push(part);
        }
    }
    all
}

/// An empty label and none are one; where samples must agree, none is what they agree on.
pub(super) fn drop_empty_labels(sample: &mut Sample<'_>) {
    // A label set of our own is one text in all the samples of its group: they agree already.
    if matches!(sample.labels, LabelText::Shared(_)) {
        return;
    }
    let text = sample.labels.as_str();
    if memchr::memmem::find(text.as_bytes(), b"=\"\"").is_none() {
        return;
    }
    let mut out = String::with_capacity(text.len());
    for pair in Pairs(text).filter(|pair| !pair.value.is_empty()) {
        let name = if pair.quoted { unescape_value(pair.name) } else { pair.name.to_owned() };
        push_any(&mut out, &name, &unescape_value(pair.value));
    }
    sample.labels = LabelText::Owned(out.into());
}

pub(super) fn has_label(text: &str, name: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some()
        && Pairs(text).any(|pair| pair.name == name)
}

fn rewritten(text: &str, sourced: bool, escaping: Escaping) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    let mut out = String::with_capacity(text.len() + 9);
    let taken: Vec<&str> = Pairs(text).map(|pair| pair.name).collect();
    for pair in Pairs(text) {
        let mut name = if pair.quoted {
            escape(&unescape_value(pair.name), escaping, is_label_name)
        } else {
            pair.name.to_owned()
        };
        if sourced && name == "source" {
            while name == "source" || taken.contains(&name.as_str()) {
                name.insert_str(0, "exported_");
            }
        }
        if name.starts_with("__") || names.len() < MANY && names.contains(&name) {
            return None;
        }
        push_any(&mut out, &name, &unescape_value(pair.value));
        names.push(name);
    }
    if names.len() >= MANY {
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
    }
    Some(out)
}

/// From here on names are compared by sorting.
const MANY: usize = 32;
