//! Label sets as text: written once in the form that every format takes, then only copied.
//!
//! The one form ("canonical") is `a="1",b="x\n"`: no spaces, no comma at the end, and of escapes
//! only `\\`, `\"` and `\n`. A name outside the classic alphabet stands in quotes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use super::format::Escaping;
use super::names::escape;
use super::value::read_bound;

/// A label set of our own, escaped once and shared by all samples that carry it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labels {
    text: Arc<str>,
    hash: u64,
}

impl Labels {
    /// Renders label pairs. Values may be any text. A name outside the classic alphabet is escaped
    /// with `_`; a name that is empty, reserved or already there is left out with its value.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut text = String::new();
        let mut names = Vec::<String>::new();
        for (name, value) in pairs {
            let name = escape(name.as_ref(), Escaping::Underscores, is_label_name);
            if name.is_empty() || name.starts_with("__") || names.contains(&name) {
                continue;
            }
            push_pair(&mut text, &name, value.as_ref());
            names.push(name);
        }
        let hash = hash_all(&text, None);
        Self { text: text.into(), hash }
    }

    /// The canonical text, without braces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

/// The canonical label text of a sample, wherever it lives.
#[derive(Debug, Clone)]
pub(crate) enum LabelText<'a> {
    Borrowed(&'a str),
    Owned(Box<str>),
    Shared(Arc<str>),
}

impl PartialEq for LabelText<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl LabelText<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// The pairs of a canonical label text: name as it means, value as it is escaped.
pub(crate) struct Pairs<'t>(pub(crate) &'t str);

/// One pair; `quoted` tells that the name stood in quotes and is still escaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'t> {
    pub(crate) name: &'t str,
    pub(crate) value: &'t str,
    pub(crate) quoted: bool,
}

impl<'t> Iterator for Pairs<'t> {
    type Item = Pair<'t>;

    fn next(&mut self) -> Option<Pair<'t>> {
        let text = self.0;
        let quoted = text.starts_with('"');
        let (name, equals) = if quoted {
            let end = closing_quote(text, 1)?;
            (&text[1..end], end + 1)
        } else {
            let end = memchr::memchr(b'=', text.as_bytes())?;
            (&text[..end], end)
        };
        let start = equals + 2;
        let end = closing_quote(text, start)?;
        self.0 = text.get(end + 2..).unwrap_or("");
        Some(Pair { name, value: &text[start..end], quoted })
    }
}

/// The place of the quote that ends a string begun before `from`.
pub(crate) fn closing_quote(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Appends one pair, with a comma before it where needed.
pub(crate) fn push_pair(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    escape_value(value, text);
    text.push('"');
}

/// As [`push_pair`], for a name of any script: in quotes where it needs them. Tells whether.
pub(crate) fn push_any(text: &mut String, name: &str, value: &str) -> bool {
    if is_label_name(name) {
        push_pair(text, name, value);
        return false;
    }
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    escape_value(name, &mut quoted);
    quoted.push('"');
    push_pair(text, &quoted, value);
    true
}

/// Escapes a label value as both formats want it.
pub(crate) fn escape_value(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

/// Undoes [`escape_value`]; a backslash before any other character stands for itself, as
/// Prometheus reads it.
pub(crate) fn unescape_value(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => value.push('\n'),
            Some(c @ ('\\' | '"')) => value.push(c),
            Some(c) => value.extend(['\\', c]),
            None => value.push('\\'),
        }
    }
    value
}

/// The classic alphabet of label names: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(crate) fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

/// The classic alphabet of metric names: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(crate) fn is_metric_name(name: &str) -> bool {
    name.as_bytes().first().is_some_and(|b| name_byte(*b) && !b.is_ascii_digit())
        && name.bytes().all(name_byte)
}

#[inline]
pub(crate) fn name_byte(b: u8) -> bool {
    NAME_BYTES[usize::from(b)]
}

/// Looked up for every byte of every name.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128_u8 {
        table[b as usize] = b.is_ascii_alphanumeric() || b == b'_' || b == b':';
        b += 1;
    }
    table
};

/// Label names of one sample, each allowed once; linear for the few that samples have and for
/// the many that an attacker sends.
#[derive(Default)]
pub(crate) struct Names<'t> {
    few: Vec<&'t str>,
    many: HashSet<&'t str>,
}

impl<'t> Names<'t> {
    pub(crate) fn insert(&mut self, name: &'t str) -> bool {
        if self.few.len() < 16 {
            let new = !self.few.contains(&name);
            self.few.push(name);
            return new;
        }
        !self.few.contains(&name) && self.many.insert(name)
    }
}

/// The hash of a label set in any order; an empty value counts as no label, as in Prometheus.
/// The label called `numeric`, `le` or `quantile`, counts as the number it means, so that `1` is
/// `1.0`.
pub(crate) fn hash_all(text: &str, numeric: Option<&str>) -> u64 {
    Pairs(text).fold(0, |sum, pair| sum.wrapping_add(hash_pair(pair.name, pair.value, numeric)))
}

/// The part of [`hash_all`] that one pair adds.
pub(crate) fn hash_pair(name: &str, value: &str, numeric: Option<&str>) -> u64 {
    if value.is_empty() {
        return 0;
    }
    if numeric == Some(name)
        && let Some(bound) = read_bound(value)
    {
        return hash_bound(name, bound);
    }
    hash_bytes(name.as_bytes(), value.as_bytes())
}

pub(crate) fn hash_bound(name: &str, bound: f64) -> u64 {
    // Adding zero makes -0 and 0 one bound.
    hash_bytes(name.as_bytes(), &(bound + 0.0).to_bits().to_le_bytes())
}

/// A keyed multiply-and-fold over both strings. The key is drawn once per process, so that nobody
/// outside can prepare label sets that meet.
pub(crate) fn hash_bytes(a: &[u8], b: &[u8]) -> u64 {
    static KEY: OnceLock<[u64; 4]> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let state = RandomState::new();
        [1_u8, 2, 3, 4].map(|n| state.hash_one(n) | 1)
    });
    let first = absorb(key[0] ^ (a.len() as u64), a, key[1]);
    let both = absorb(first ^ key[2], b, key[1]);
    fold(both ^ (b.len() as u64), key[3])
}

fn absorb(mut state: u64, bytes: &[u8], key: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), key);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(state ^ u64::from_le_bytes(last), key)
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are folded")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_text_is_escaped_once() {
        let labels = Labels::from_pairs([("a", "x\"y\\z\n"), ("b-c", ""), ("a", "again")]);
        assert_eq!(labels.as_str(), r#"a="x\"y\\z\n",b_c="""#);
        let pairs: Vec<_> =
            Pairs(labels.as_str()).map(|p| (p.name, unescape_value(p.value))).collect();
        assert_eq!(pairs, [("a", "x\"y\\z\n".to_owned()), ("b_c", String::new())]);
    }

    #[test]
    fn the_order_of_labels_and_empty_ones_do_not_matter() {
        let one = hash_all(r#"a="1",b="2""#, None);
        assert_eq!(one, hash_all(r#"b="2",c="",a="1""#, None));
        assert_ne!(one, hash_all(r#"a="2",b="1""#, None));
        let (whole, decimal) = (r#"le="1""#, r#"le="1.0""#);
        assert_eq!(hash_all(whole, Some("le")), hash_all(decimal, Some("le")));
        for other in [None, Some("quantile")] {
            assert_ne!(hash_all(whole, other), hash_all(decimal, other));
        }
    }
}
