//! Cuts the text of `--app-metrics` into sources, and each source into its URL and options.
//!
//! White space stands between sources and commas between the parts of one. A value that has
//! either goes into double quotes: `9102,header="X-Tenant: a, b"`. The value of `header=` alone may
//! have white space without them, because headers are written `Name: value` everywhere.

use super::super::error::{ConfigError, shown};
use super::{options, url};

/// One source as it was written.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// The whole of it, for sentences; to be shown by way of [`hidden`] alone.
    pub(super) text: &'a str,
    /// The part that says where it is.
    pub(super) url: &'a str,
    /// The keys of the options and, behind a `=`, their values.
    pub(super) options: Vec<(&'a str, Option<String>)>,
}

/// Cuts a text into sources, of which there may be none.
pub(super) fn split(text: &str) -> Result<Vec<Words<'_>>, ConfigError> {
    let mut sources = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (words, behind) = source(rest)?;
        sources.push(words);
        rest = behind.trim_start();
    }
    Ok(sources)
}

/// A setting as a sentence shows it, without what may be secret: it must not reach a log, however
/// odd the rest is. That is a user and password in a URL, the value of a header and of what is no
/// option, and all that follows them, since who knows where they end.
pub(super) fn hidden(text: &str) -> String {
    let mut kept = String::new();
    for (number, part) in text.split(',').enumerate() {
        let comma = if number == 0 { "" } else { "," };
        match part.split_once('=') {
            Some((key, _)) if key == "header" || (number > 0 && !options::is_harmless(key)) => {
                kept.push_str(comma);
                kept.push_str(key);
                kept.push_str("=...");
                break;
            }
            _ => {
                kept.push_str(comma);
                kept.push_str(part);
            }
        }
    }
    match kept.rsplit_once('@') {
        // A socket of the abstract namespace.
        Some(("unix:", _)) | None => shown(&kept),
        Some((_, rest)) => shown(&format!("...@{rest}")),
    }
}

/// The first source of a text that begins with one, and what is behind it.
fn source(text: &str) -> Result<(Words<'_>, &str), ConfigError> {
    let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
    let (url, mut rest) = text.split_at(end);
    let mut options = Vec::new();
    while let Some(part) = rest.strip_prefix(',') {
        let end = part.find(|c: char| c == ',' || c == '=' || c.is_whitespace());
        let (key, behind) = part.split_at(end.unwrap_or(part.len()));
        let Some(behind) = behind.strip_prefix('=') else {
            options.push((key, None));
            rest = behind;
            continue;
        };
        let (value, behind) = value(text, key, behind)?;
        options.push((key, Some(value)));
        rest = behind;
    }
    let text = &text[..text.len() - rest.len()];
    Ok((Words { text, url, options }, rest))
}

/// The value that a text begins with, and what is behind it.
fn value<'a>(whole: &str, key: &str, text: &'a str) -> Result<(String, &'a str), ConfigError> {
    let wrong = |problem: &str| {
        Err(ConfigError::SourceOptions {
            value: hidden(whole),
            problem: format!("its {}= {problem}", key.escape_debug()),
        })
    };
    if let Some(quoted) = text.strip_prefix('"') {
        let Some((value, behind)) = unquote(quoted) else {
            return wrong("begins with a double quote, but has none at its end");
        };
        if !behind.is_empty() && !behind.starts_with(|c: char| c == ',' || c.is_whitespace()) {
            return wrong("goes on behind the double quote that ends it");
        }
        return Ok((value, behind));
    }
    if key != "header" {
        let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    }
    let (value, behind) = text.split_at(text.find([',', '\n']).unwrap_or(text.len()));
    // What follows `Name:` is its value, but one more word may have been meant as a source.
    let mut words = value.split_whitespace().skip_while(|word| word.ends_with(':')).skip(1);
    if words.any(url::is_source) {
        return wrong(
            "has white space and something like a URL behind it; put double quotes around \
                      its value, or each source into a setting of its own",
        );
    }
    Ok((value.trim().to_owned(), behind))
}

/// The text up to the quote that ends it, and what is behind. A backslash stands before a quote or
/// a backslash that is part of the text.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next().map(|(_, c)| c)?),
            c => value.push(c),
        }
    }
    None
}

/// A value so that [`split`] finds it again.
pub(super) fn quoted(value: &str) -> String {
    let plain = !value.is_empty()
        && !value.starts_with('"')
        && !value.contains(|c: char| c == ',' || c.is_whitespace());
    if plain {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
