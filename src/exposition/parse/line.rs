//! Reads one sample: name, labels, value, timestamp, exemplar.

use std::borrow::Cow;

use super::set::{self, LabelSet};
use super::{Dialect, Refusal};
use crate::exposition::labels::{closing_quote, is_metric_name, name_byte, unescape_value};
use crate::exposition::model::{Exemplar, Extra, Sample, Suffix, Timestamp, pairs_of};
use crate::exposition::problem::Reason;
use crate::exposition::value::Number;

/// The name of a sample, read before the rest because its family decides how labels count.
pub(super) struct Head<'a> {
    pub(super) name: Cow<'a, str>,
    /// Where the labels or the value begin.
    after: usize,
}

/// A sample, and what was left out of it.
pub(super) struct Read<'a> {
    pub(super) sample: Sample<'a>,
    pub(super) remark: Option<Refusal>,
}

/// The longest exemplar label set, in characters of names and values (OpenMetrics, "Exemplars").
pub(crate) const EXEMPLAR_CHARACTERS: usize = 128;

pub(super) fn head(text: &str, dialect: Dialect) -> Result<Head<'_>, Refusal> {
    let bytes = text.as_bytes();
    let start = if dialect.strict { 0 } else { skip_blanks(bytes, 0) };
    let mut at = start;
    while at < bytes.len() && name_byte(bytes[at]) {
        at += 1;
    }
    if at == start {
        return quoted_head(text, start);
    }
    if bytes[start].is_ascii_digit() {
        return Refusal::new(start, Reason::BadName);
    }
    let name = Cow::Borrowed(&text[start..at]);
    let after = if dialect.strict { at } else { skip_blanks(bytes, at) };
    match bytes.get(after) {
        Some(b'{') => {}
        Some(b' ') if dialect.strict => {}
        Some(_) if after > at => {}
        _ if dialect.strict || after == at && after < bytes.len() => {
            return Refusal::new(after, Reason::BadName);
        }
        _ => return Refusal::new(after, Reason::BadValue),
    }
    Ok(Head { name, after })
}

/// `{"a name in quotes","label"="value"}`, where the name may stand at any place.
fn quoted_head(text: &str, start: usize) -> Result<Head<'_>, Refusal> {
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'{') {
        return Refusal::new(start, Reason::BadName);
    }
    let mut at = start + 1;
    loop {
        at = skip_blanks(bytes, at);
        if bytes.get(at) == Some(&b'"') {
            let Some(end) = closing_quote(text, at + 1) else {
                return Refusal::new(at, Reason::BadLabels);
            };
            let name = &text[at + 1..end];
            at = skip_blanks(bytes, end + 1);
            if bytes.get(at) != Some(&b'=') {
                return if name.is_empty() {
                    Refusal::new(end, Reason::BadName)
                } else {
                    Ok(Head { name: unquoted(name), after: start })
                };
            }
        } else {
            while at < bytes.len() && name_byte(bytes[at]) {
                at += 1;
            }
            at = skip_blanks(bytes, at);
        }
        // A pair that comes before the name.
        if bytes.get(at) != Some(&b'=') {
            return Refusal::new(at, Reason::BadName);
        }
        at = skip_blanks(bytes, at + 1);
        let value = (bytes.get(at) == Some(&b'"')).then(|| closing_quote(text, at + 1));
        let Some(Some(end)) = value else { return Refusal::new(at, Reason::BadLabels) };
        at = skip_blanks(bytes, end + 1);
        if bytes.get(at) != Some(&b',') {
            return Refusal::new(at, Reason::BadName);
        }
        at += 1;
    }
}

/// A name as it means; most need no copy.
pub(super) fn unquoted(name: &str) -> Cow<'_, str> {
    if name.contains('\\') { Cow::Owned(unescape_value(name)) } else { Cow::Borrowed(name) }
}

pub(super) fn sample<'a>(
    text: &'a str,
    head: &Head<'a>,
    dialect: Dialect,
    numeric: Option<&str>,
    suffix: Suffix,
) -> Result<Read<'a>, Refusal> {
    let bytes = text.as_bytes();
    let mut at = head.after;
    let mut labels = LabelSet::default();
    if bytes.get(at) == Some(&b'{') {
        let named_inside = !is_metric_name(&head.name) || text[..at].trim_ascii().is_empty();
        (labels, at) = set::read(text, at, numeric, named_inside)?;
        if dialect.strict && bytes.get(at) != Some(&b' ') {
            return Refusal::new(at, Reason::BadValue);
        }
    }
    let (word, mut at) = word(text, at, dialect);
    let Some(value) = Number::parse(word) else {
        return Refusal::new(at - word.len(), Reason::BadValue);
    };
    let mut extra = Extra::default();
    let mut remark = None;
    if at < bytes.len() {
        let (next, end) = self::word(text, at, dialect);
        if !next.starts_with('#') {
            let Some(timestamp) = timestamp(next, dialect) else {
                return Refusal::new(end - next.len(), Reason::BadTimestamp);
            };
            extra.timestamp = Some(timestamp);
            at = end;
        }
    }
    if at < bytes.len() {
        let (found, refusal) = exemplar(text, at, dialect)?;
        (extra.exemplar, remark) = (found, refusal);
    }
    let rare = extra.timestamp.is_some() || extra.exemplar.is_some();
    Ok(Read {
        sample: Sample {
            labels: labels.text,
            value,
            extra: rare.then(|| Box::new(extra)),
            hash: labels.hash,
            bound: 0,
            suffix,
            quoted: labels.quoted,
            implied: false,
            begins: false,
        },
        remark,
    })
}

/// The next word and its end. Strictly, one space stands before it and any other blank is in it.
fn word(text: &str, at: usize, dialect: Dialect) -> (&str, usize) {
    let bytes = text.as_bytes();
    let start = if dialect.strict {
        at + usize::from(bytes.get(at) == Some(&b' '))
    } else {
        skip_blanks(bytes, at)
    };
    let mut end = start;
    while end < bytes.len() && bytes[end] != b' ' && (dialect.strict || bytes[end] != b'\t') {
        end += 1;
    }
    (&text[start..end], end)
}

fn timestamp(word: &str, dialect: Dialect) -> Option<Timestamp<'_>> {
    let whole = word.parse::<i64>().ok();
    if !dialect.openmetrics {
        return whole.map(Timestamp::Millis);
    }
    // As seconds this is the year 5138: a text body that was called OpenMetrics.
    if !dialect.strict && whole.is_some_and(|n| n >= 100_000_000_000) {
        return whole.map(Timestamp::Millis);
    }
    seconds(word).map(Timestamp::Seconds)
}

/// Seconds as decimals; exponents are resolved because not every reader compares them.
fn seconds(word: &str) -> Option<Cow<'_, str>> {
    let number = Number::parse(word)?.as_f64();
    let plain =
        word.trim_start_matches(['-', '+']).bytes().next().is_some_and(|b| b.is_ascii_digit())
            && !word.contains(['e', 'E']);
    match number.is_finite() {
        true if plain => Some(Cow::Borrowed(word)),
        true => Some(Cow::Owned(number.to_string())),
        false => None,
    }
}

type Found<'a> = (Option<Exemplar<'a>>, Option<Refusal>);

/// Reads ` # {labels} value [timestamp]` to the end of the line.
fn exemplar(text: &str, at: usize, dialect: Dialect) -> Result<Found<'_>, Refusal> {
    let bytes = text.as_bytes();
    let (hash, end) = word(text, at, dialect);
    if hash != "#" {
        let trailing = !hash.starts_with('#') && !dialect.strict;
        let reason = if trailing { Reason::TrailingText } else { Reason::BadExemplar };
        return Refusal::new(at, reason);
    }
    let brace = if dialect.strict { end + 1 } else { skip_blanks(bytes, end) };
    if bytes.get(brace) != Some(&b'{') || bytes.get(end) != Some(&b' ') && dialect.strict {
        return Refusal::new(brace, Reason::BadExemplar);
    }
    let (labels, end) = set::read(text, brace, None, false)?;
    if dialect.strict && bytes.get(end) != Some(&b' ') {
        return Refusal::new(end, Reason::BadExemplar);
    }
    let (value, end) = word(text, end, dialect);
    let Some(value) = Number::parse(value) else {
        return Refusal::new(end - value.len(), Reason::BadExemplar);
    };
    let mut timestamp = None;
    if end < bytes.len() {
        let (when, last) = word(text, end, dialect);
        timestamp = seconds(when);
        if timestamp.is_none() || last < bytes.len() {
            return Refusal::new(end, Reason::BadExemplar);
        }
    }
    if !dialect.openmetrics {
        return Ok((None, Some(Refusal { at, reason: Reason::ExemplarNotAllowed })));
    }
    if characters(labels.text.as_str()) > EXEMPLAR_CHARACTERS {
        return Ok((None, Some(Refusal { at, reason: Reason::ExemplarTooLong })));
    }
    Ok((Some(Exemplar { labels: labels.text, value, timestamp }), None))
}

pub(super) fn characters(labels: &str) -> usize {
    pairs_of(labels).iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum()
}

pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && matches!(bytes[at], b' ' | b'\t') {
        at += 1;
    }
    at
}
