//! Takes a label set apart, with the column of each name and value.

use std::borrow::Cow;
use std::collections::HashSet;

use super::line::{Fault, Scan};
use super::rule::Rule;
use crate::exposition::labels::{name_byte, unescape_value};

/// One label: its name as it means, its value as it is escaped.
#[derive(Clone)]
pub(super) struct Label<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) at: usize,
    pub(super) value: &'a str,
    pub(super) value_at: usize,
}

/// A label set, and the metric's name with its place where it stands among the labels.
pub(super) struct LabelSet<'a> {
    pub(super) labels: Vec<Label<'a>>,
    pub(super) name: Option<(Cow<'a, str>, usize)>,
}

/// Reads the set that opens here; `named` where the metric's name stands before it.
pub(super) fn read<'a>(scan: &mut Scan<'a>, named: bool) -> Result<LabelSet<'a>, Fault<'a>> {
    let mut set = LabelSet { labels: Vec::new(), name: None };
    let mut seen = HashSet::new();
    scan.at += 1;
    scan.optional_blanks()?;
    while scan.peek() != Some(b'}') {
        let at = scan.at;
        if scan.peek() == Some(b',') {
            return Fault::new(at, Rule::ExtraComma);
        }
        let in_quotes = scan.peek() == Some(b'"');
        let name = if in_quotes { quoted(scan)? } else { plain(scan)? };
        scan.optional_blanks()?;
        if in_quotes && matches!(scan.peek(), Some(b',' | b'}')) {
            if named || set.name.is_some() {
                return Fault::new(at, Rule::NameTwice);
            }
            if name.is_empty() {
                return Fault::new(at, Rule::BadName);
            }
            set.name = Some((unescaped(name), at));
        } else {
            let name = if in_quotes { unescaped(name) } else { Cow::Borrowed(name) };
            if name.is_empty() {
                return Fault::new(at, Rule::BadLabelName);
            }
            if scan.peek() != Some(b'=') {
                return Fault::new(scan.at, Rule::MissingEquals);
            }
            if name.starts_with("__") {
                return Fault::about(at, Rule::ReservedLabel, name);
            }
            scan.at += 1;
            scan.optional_blanks()?;
            let value_at = scan.at;
            if scan.peek() != Some(b'"') {
                return Fault::new(value_at, Rule::BadLabelValue);
            }
            let value = quoted(scan)?;
            if !seen.insert(name.clone()) {
                return Fault::about(at, Rule::DuplicateLabel, name);
            }
            set.labels.push(Label { name, at, value, value_at });
            scan.optional_blanks()?;
        }
        match scan.peek() {
            Some(b',') => {
                let comma = scan.at;
                scan.at += 1;
                scan.optional_blanks()?;
                // Readers of text take one comma too many at the end.
                if scan.peek() == Some(b'}') && scan.openmetrics {
                    return Fault::new(comma, Rule::ExtraComma);
                }
            }
            Some(b'}') => {}
            _ => return Fault::new(scan.at, Rule::MissingComma),
        }
    }
    scan.at += 1;
    Ok(set)
}

/// Reads a metric's name as metadata has it, in quotes or not.
pub(super) fn metric_name<'a>(scan: &mut Scan<'a>) -> Result<Cow<'a, str>, Fault<'a>> {
    let from = scan.at;
    if scan.peek() == Some(b'"') {
        let name = quoted(scan)?;
        return if name.is_empty() { Fault::new(from, Rule::BadName) } else { Ok(unescaped(name)) };
    }
    while scan.peek().is_some_and(name_byte) {
        scan.at += 1;
    }
    let name = &scan.text[from..scan.at];
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return Fault::new(from, Rule::BadName);
    }
    Ok(Cow::Borrowed(name))
}

/// What stands for `raw` once escapes are resolved.
pub(super) fn unescaped(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') { Cow::Owned(unescape_value(raw)) } else { Cow::Borrowed(raw) }
}

fn plain<'a>(scan: &mut Scan<'a>) -> Result<&'a str, Fault<'a>> {
    let from = scan.at;
    while scan.peek().is_some_and(|b| name_byte(b) && b != b':') {
        scan.at += 1;
    }
    let name = &scan.text[from..scan.at];
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return Fault::new(from, Rule::BadLabelName);
    }
    Ok(name)
}

/// Reads what stands in quotes, still escaped. Readers of OpenMetrics take any escape, those of
/// text do not.
fn quoted<'a>(scan: &mut Scan<'a>) -> Result<&'a str, Fault<'a>> {
    let open = scan.at;
    let bytes = scan.text.as_bytes();
    let mut at = open + 1;
    loop {
        let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) else {
            return Fault::new(open, Rule::OpenQuote);
        };
        at += next;
        if bytes[at] == b'"' {
            break;
        }
        let escape = bytes.get(at + 1).copied();
        if !scan.openmetrics && !matches!(escape, Some(b'\\' | b'"' | b'n') | None) {
            return Fault::new(at, Rule::BadEscape);
        }
        at += 2;
    }
    scan.at = at + 1;
    Ok(&scan.text[open + 1..at])
}
