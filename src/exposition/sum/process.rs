//! Keeps one process's gauges apart from the others' by a label.

use crate::exposition::labels::{LabelText, Pair, Pairs, hash_all, push_pair, unescape_value};
use crate::exposition::model::Sample;

/// Adds the label `process`. One that was there becomes `exported_process`, as Prometheus does
/// with the labels of a target.
pub(super) fn label(sample: &mut Sample<'_>, process: &str, numeric: Option<&str>) {
    let labels = sample.labels.as_str();
    let taken: Vec<&str> = Pairs(labels).map(|pair| pair.name).collect();
    let mut text = String::with_capacity(labels.len() + process.len() + 12);
    for pair in Pairs(labels) {
        if pair.name == LABEL {
            let mut name = format!("exported_{LABEL}");
            while taken.contains(&name.as_str()) {
                name.insert_str(0, "exported_");
            }
            push_pair(&mut text, &name, &unescape_value(pair.value));
        } else {
            copy(&mut text, pair);
        }
    }
    push_pair(&mut text, LABEL, process);
    sample.hash = hash_all(&text, numeric);
    sample.labels = LabelText::Owned(text.into());
}

/// Whether a canonical label text has a label of this name.
pub(super) fn has(text: &str, name: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some()
        && Pairs(text).any(|pair| pair.name == name)
}

/// A pair as it stands there, its name in quotes where it was.
fn copy(text: &mut String, Pair { name, value, quoted }: Pair<'_>) {
    let (comma, quote) = (if text.is_empty() { "" } else { "," }, if quoted { "\"" } else { "" });
    text.extend([comma, quote, name, quote, "=\"", value, "\""]);
}

const LABEL: &str = "process";
