//! Reads `# HELP`, `# TYPE` and `# UNIT` lines.

use std::borrow::Cow;

use super::line::{skip_blanks, unquoted};
use super::{Dialect, Refusal};
use crate::exposition::labels::{closing_quote, name_byte};
use crate::exposition::model::Kind;
use crate::exposition::problem::Reason;

/// What a line says about a family.
pub(super) enum Said<'a> {
    Help(Cow<'a, str>, Cow<'a, str>),
    /// With the reason why the format does not know the type, though we do.
    Type(Cow<'a, str>, Kind, Option<Reason>),
    Unit(Cow<'a, str>, &'a str),
}

impl<'a> Said<'a> {
    pub(super) fn name(&self) -> &Cow<'a, str> {
        match self {
            Self::Help(name, _) | Self::Type(name, ..) | Self::Unit(name, _) => name,
        }
    }
}

/// Reads a line that begins with `#`; `None` for a comment.
pub(super) fn read(text: &str, dialect: Dialect) -> Result<Option<Said<'_>>, Refusal> {
    let bytes = text.as_bytes();
    let hash = if dialect.strict { 0 } else { skip_blanks(bytes, 0) };
    let start = if dialect.strict { hash + 2 } else { skip_blanks(bytes, hash + 1) };
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
    let keyword = text.get(start..start + length).unwrap_or("");
    let keyword_is_known =
        matches!(keyword, "HELP" | "TYPE") || keyword == "UNIT" && dialect.openmetrics;
    if !keyword_is_known || dialect.strict && !text.starts_with("# ") {
        return if dialect.strict { Refusal::new(0, Reason::BadMetadata) } else { Ok(None) };
    }
    let after = start + keyword.len();
    let from = if dialect.strict { after + 1 } else { skip_blanks(bytes, after) };
    if keyword == "HELP" && from >= text.len() && !dialect.strict {
        // All readers of text take this for a comment.
        return Ok(None);
    }
    let (name, end) = family_name(text, from)?;
    let rest = match bytes.get(end) {
        Some(b' ') if dialect.strict => &text[end + 1..],
        Some(b' ' | b'\t') if !dialect.strict => text[end..].trim_start_matches([' ', '\t']),
        // Text allows a family to have no help, not to have no type.
        None if !dialect.strict && keyword == "HELP" => "",
        _ => return Refusal::new(end, Reason::BadMetadata),
    };
    let at = text.len() - rest.len();
    Ok(Some(match keyword {
        "HELP" => Said::Help(name, help(rest, dialect)),
        "UNIT" if rest.is_empty() || name.strip_suffix(rest).is_some_and(|n| n.ends_with('_')) => {
            Said::Unit(name, rest)
        }
        "UNIT" => return Refusal::new(at, Reason::BadUnit),
        _ => {
            let Some(kind) = Kind::from_name(rest) else {
                return Refusal::new(at, Reason::BadType);
            };
            if dialect.strict && rest == "untyped" {
                return Refusal::new(at, Reason::BadType);
            }
            let foreign = !dialect.openmetrics
                && !matches!(rest, "counter" | "gauge" | "histogram" | "summary" | "untyped");
            Said::Type(name, kind, foreign.then_some(Reason::BadType))
        }
    }))
}

fn family_name(text: &str, from: usize) -> Result<(Cow<'_, str>, usize), Refusal> {
    let bytes = text.as_bytes();
    if bytes.get(from) == Some(&b'"') {
        return match closing_quote(text, from + 1) {
            Some(end) if end > from + 1 => Ok((unquoted(&text[from + 1..end]), end + 1)),
            _ => Refusal::new(from, Reason::BadName),
        };
    }
    let mut at = from;
    while at < bytes.len() && name_byte(bytes[at]) {
        at += 1;
    }
    if at <= from || bytes[from].is_ascii_digit() {
        return Refusal::new(from, Reason::BadName);
    }
    Ok((Cow::Borrowed(&text[from..at]), at))
}

/// Unescapes help: `\\` and `\n` in both formats, `\"` in OpenMetrics alone. Any other backslash
/// stands for itself.
fn help(raw: &str, dialect: Dialect) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut help = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => help.push('\n'),
                Some('"') if dialect.openmetrics => help.push('"'),
                Some('\\') | None => help.push('\\'),
                Some(other) => help.extend(['\\', other]),
            },
            c => help.push(c),
        }
    }
    Cow::Owned(help)
}
