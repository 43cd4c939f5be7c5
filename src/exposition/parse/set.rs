//! Reads a label set: as it stands where it is canonical, rewritten where it is not.

use super::Refusal;
use super::line::skip_blanks;
use crate::exposition::labels::{
    LabelText, Names, closing_quote, escape_value, hash_all, hash_pair, is_label_name, name_byte,
    unescape_value,
};
use crate::exposition::problem::Reason;

/// A label set in canonical form with its hash.
pub(super) struct LabelSet<'a> {
    pub(super) text: LabelText<'a>,
    pub(super) hash: u64,
    pub(super) quoted: bool,
}

impl Default for LabelSet<'_> {
    fn default() -> Self {
        Self { text: LabelText::Borrowed(""), hash: 0, quoted: false }
    }
}

/// Reads the set that opens at `at` and tells where it ends. `numeric` as in [`hash_all`];
/// `named_inside` when the metric's name stands in quotes among the labels.
pub(super) fn read<'a>(
    text: &'a str,
    at: usize,
    numeric: Option<&str>,
    named_inside: bool,
) -> Result<(LabelSet<'a>, usize), Refusal> {
    match quick(text, at + 1, numeric) {
        Some(read) if !named_inside => Ok(read),
        _ => careful(text, at + 1, numeric, named_inside),
    }
}

/// The common case, without a copy; `None` for anything that needs a closer look.
fn quick<'a>(text: &'a str, start: usize, numeric: Option<&str>) -> Option<(LabelSet<'a>, usize)> {
    let bytes = text.as_bytes();
    let mut names = [""; 12];
    let (mut count, mut hash, mut at) = (0, 0_u64, start);
    if bytes.get(at) == Some(&b'}') {
        return Some((LabelSet::default(), at + 1));
    }
    loop {
        let from = at;
        while at < bytes.len() && name_byte(bytes[at]) && bytes[at] != b':' {
            at += 1;
        }
        let name = &text[from..at];
        let wrong = name.is_empty()
            || bytes[from].is_ascii_digit()
            || name.starts_with("__")
            || count == names.len()
            || names[..count].contains(&name);
        if wrong || bytes.get(at) != Some(&b'=') || bytes.get(at + 1) != Some(&b'"') {
            return None;
        }
        names[count] = name;
        count += 1;
        let value = at + 2;
        at = value;
        loop {
            at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
            if bytes[at] == b'"' {
                break;
            }
            if !matches!(bytes.get(at + 1), Some(b'n' | b'"' | b'\\')) {
                return None;
            }
            at += 2;
        }
        let value = &text[value..at];
        if numeric == Some(name) && is_odd_infinity(value) {
            return None;
        }
        hash = hash.wrapping_add(hash_pair(name, value, numeric));
        at += 1;
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => {
                let text = LabelText::Borrowed(&text[start..at]);
                return Some((LabelSet { text, hash, quoted: false }, at + 1));
            }
            _ => return None,
        }
    }
}

/// Everything else: blanks, a comma at the end, names in quotes, escapes that stand for themselves,
/// and all that is wrong.
fn careful(
    text: &str,
    start: usize,
    numeric: Option<&str>,
    named_inside: bool,
) -> Result<(LabelSet<'static>, usize), Refusal> {
    let bytes = text.as_bytes();
    let mut canonical = String::new();
    let mut seen = Names::default();
    let (mut quoted, mut named, mut at) = (false, !named_inside, start);
    loop {
        at = skip_blanks(bytes, at);
        let from = at;
        let mut name = "";
        let mut in_quotes = false;
        match bytes.get(at) {
            Some(b'}') => break,
            Some(b'"') => {
                let Some(end) = closing_quote(text, at + 1) else {
                    return Refusal::new(at, Reason::BadLabels);
                };
                (name, in_quotes, at) = (&text[at + 1..end], true, end + 1);
            }
            _ => {
                while at < bytes.len() && name_byte(bytes[at]) {
                    at += 1;
                }
                name = if from < at { &text[from..at] } else { name };
            }
        }
        at = skip_blanks(bytes, at);
        if in_quotes && !named && bytes.get(at) != Some(&b'=') {
            named = true;
        } else {
            if in_quotes && name.is_empty() || !in_quotes && !is_label_name(name) {
                return Refusal::new(from, Reason::BadLabels);
            }
            if name.starts_with("__") {
                return Refusal::new(from, Reason::ReservedLabel);
            }
            if !seen.insert(name) {
                return Refusal::new(from, Reason::DuplicateLabel);
            }
            if bytes.get(at) != Some(&b'=') {
                return Refusal::new(at, Reason::BadLabels);
            }
            at = skip_blanks(bytes, at + 1);
            let value = (bytes.get(at) == Some(&b'"')).then(|| closing_quote(text, at + 1));
            let Some(Some(end)) = value else { return Refusal::new(at, Reason::BadLabels) };
            quoted |= push(&mut canonical, name, in_quotes, &text[at + 1..end], numeric);
            at = skip_blanks(bytes, end + 1);
        }
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => break,
            _ => return Refusal::new(at, Reason::BadLabels),
        }
    }
    let hash = hash_all(&canonical, numeric);
    Ok((LabelSet { text: LabelText::Owned(canonical.into()), hash, quoted }, at + 1))
}

/// Appends a pair in canonical form and tells whether its name needs quotes.
fn push(
    canonical: &mut String,
    name: &str,
    in_quotes: bool,
    raw: &str,
    numeric: Option<&str>,
) -> bool {
    let needs_quotes = in_quotes && !is_label_name(name);
    if !canonical.is_empty() {
        canonical.push(',');
    }
    if needs_quotes {
        canonical.push('"');
        escape_value(&unescape_value(name), canonical);
        canonical.push('"');
    } else {
        canonical.push_str(name);
    }
    canonical.push_str("=\"");
    if numeric == Some(name) && is_odd_infinity(raw) {
        canonical.push_str(if raw.starts_with('-') { "-Inf" } else { "+Inf" });
    } else {
        escape_value(&unescape_value(raw), canonical);
    }
    canonical.push('"');
    needs_quotes
}

/// Infinity is the one bound whose spelling strict readers insist on.
fn is_odd_infinity(value: &str) -> bool {
    value != "+Inf"
        && value != "-Inf"
        && value.parse::<f64>().is_ok_and(f64::is_infinite)
        && value.bytes().all(|b| !b.is_ascii_digit())
}
