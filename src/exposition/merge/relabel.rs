//! Rewrites the few label sets that cannot stay as they are: names outside the classic alphabet,
//! and a `source` label where the source itself becomes one.

use crate::exposition::labels::{
    LabelText, Pairs, escape_name, hash_all, hash_pair, is_label_name, push_pair, unescape_value,
};
use crate::exposition::model::{Kind, Sample, Suffix};
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
    label: Option<&str>,
    kind: Kind,
    dropped: &mut Counts,
) {
    let own = label.map(|label| hash_all(label, false));
    samples.retain_mut(|sample| {
        if !has_legal_exemplar(sample)
            && let Some(extra) = &mut sample.extra
        {
            extra.exemplar = None;
        }
        let clash = own.is_some() && has_label(sample.labels.as_str(), "source");
        if sample.quoted || clash {
            let Some(text) = rewritten(sample.labels.as_str(), own.is_some()) else {
                dropped.add(Reason::Utf8Name, 1);
                return false;
            };
            sample.hash = hash_all(&text, has_bounds(kind, sample.suffix));
            sample.labels = LabelText::Owned(text.into());
            sample.quoted = false;
        }
        sample.hash = sample.hash.wrapping_add(own.unwrap_or(0));
        true
    });
}

/// Whether `le` and `quantile` are hashed as numbers.
pub(super) fn has_bounds(kind: Kind, suffix: Suffix) -> bool {
    suffix == Suffix::Bucket || suffix == Suffix::Bare && kind == Kind::Summary
}

/// Takes the hash anew, of a sample whose place in its family has changed.
pub(super) fn rehash(sample: &mut Sample<'_>, bounds: &[&str], label: Option<&str>, numeric: bool) {
    sample.hash = hash_all(sample.labels.as_str(), numeric)
        .wrapping_add(label.map_or(0, |label| hash_all(label, false)))
        .wrapping_add(sample.bound(bounds).map_or(0, |le| hash_pair("le", le, numeric)));
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
        push_pair(&mut out, pair.name, &unescape_value(pair.value));
    }
    sample.labels = LabelText::Owned(out.into());
}

pub(super) fn has_label(text: &str, name: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some()
        && Pairs(text).any(|pair| pair.name == name)
}

fn rewritten(text: &str, sourced: bool) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    let mut out = String::with_capacity(text.len() + 9);
    let taken: Vec<&str> = Pairs(text).map(|pair| pair.name).collect();
    for pair in Pairs(text) {
        let mut name = if pair.quoted {
            escape_name(&unescape_value(pair.name), is_label_name)
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
        push_pair(&mut out, &name, &unescape_value(pair.value));
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

/// The strict Python reader does not see that a quote inside an exemplar's label is escaped, and
/// refuses names in quotes.
fn has_legal_exemplar(sample: &Sample<'_>) -> bool {
    sample.exemplar().is_none_or(|exemplar| {
        let text = exemplar.labels.as_str();
        !text.contains("\\\"") && Pairs(text).all(|pair| !pair.quoted)
    })
}

/// From here on names are compared by sorting.
const MANY: usize = 32;
