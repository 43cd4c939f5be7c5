//! Spells names of any script in the classic alphabet, and back (Prometheus, "UTF-8 names").

use std::borrow::Cow;
use std::fmt::Write as _;

use super::format::Escaping;
use super::labels::{LabelText, Pairs, hash_all, hash_bound, push_any, unescape_value};
use super::merge::bound_label;
use super::model::{Exposition, Family, Sample, Scanned};
use super::value::read_bound;

/// Spells a name that is not `legal`; one that is stays as it is in every escaping.
pub(super) fn escape(name: &str, escaping: Escaping, legal: fn(&str) -> bool) -> String {
    if escaping == Escaping::AllowUtf8 || legal(name) || name.is_empty() {
        return name.to_owned();
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    if escaping == Escaping::Values {
        escaped.push_str("U__");
    }
    for (at, c) in name.char_indices() {
        let mut one = [0; 4];
        let one: &str = c.encode_utf8(&mut one);
        let is_legal = legal(one) || at > 0 && c.is_ascii_digit();
        match (escaping, c) {
            (Escaping::Dots | Escaping::Values, '_') => escaped.push_str("__"),
            (Escaping::Dots, '.') => escaped.push_str("_dot_"),
            _ if is_legal => escaped.push(c),
            (Escaping::Dots, _) => escaped.push_str("__"),
            (Escaping::Values, _) => {
                let _ = write!(escaped, "_{:x}_", u32::from(c));
            }
            _ => escaped.push('_'),
        }
    }
    escaped
}

/// Undoes [`Escaping::Values`]; `None` for a name that was not spelt so.
pub(super) fn unescape(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut plain = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let (digits, after) = rest.split_once('_')?;
        if digits.len() > 6 || digits.starts_with('+') {
            return None;
        }
        plain.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

impl Exposition<'_> {
    /// The exposition with the names that were meant, of a source whose Content-Type says
    /// `escaping=values`. A name that cannot have been escaped so stays as it is.
    #[must_use]
    pub fn unescaped(mut self) -> Self {
        self.families.iter_mut().for_each(unescape_family);
        self
    }
}

impl Scanned<'_> {
    /// As [`Exposition::unescaped`].
    #[must_use]
    pub fn unescaped(mut self) -> Self {
        self.families.iter_mut().for_each(unescape_family);
        self
    }
}

fn unescape_family(family: &mut Family<'_>) {
    let meant = unescape(&family.name).filter(|name| !name.is_empty());
    if meant.is_some() || family.block.as_ref().is_some_and(|block| block.text.contains("U__")) {
        family.expand();
    }
    if let Some(name) = meant {
        family.name = Cow::Owned(name);
    }
    for sample in &mut family.samples {
        let numeric = bound_label(family.kind, sample.suffix);
        let bound = sample.bound(&family.bounds).and_then(read_bound);
        unescape_labels(sample, numeric, bound);
    }
}

fn unescape_labels(sample: &mut Sample<'_>, numeric: Option<&str>, bound: Option<f64>) {
    let text = sample.labels.as_str();
    if !text.contains("U__") {
        return;
    }
    let mut names: Vec<String> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for pair in Pairs(text) {
        let name = if pair.quoted { unescape_value(pair.name) } else { pair.name.to_owned() };
        let meant = unescape(&name).filter(|meant| !meant.is_empty() && !meant.starts_with("__"));
        let name = meant.unwrap_or(name);
        quoted |= push_any(&mut out, &name, &unescape_value(pair.value));
        names.push(name);
    }
    names.sort_unstable();
    // Two names that mean one were not escaped by the rule.
    if names.windows(2).all(|pair| pair[0] != pair[1]) {
        sample.hash =
            hash_all(&out, numeric).wrapping_add(bound.map_or(0, |bound| hash_bound("le", bound)));
        sample.quoted = quoted;
        sample.labels = LabelText::Owned(out.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::labels::{is_label_name, is_metric_name};

    #[test]
    fn names_are_spelt_as_prometheus_spells_them() {
        use Escaping::{AllowUtf8, Dots, Underscores, Values};
        for (name, spellings) in [
            ("no:escaping_required", ["no:escaping_required"; 3]),
            (
                "mysystem.prod.west.cpu.load",
                [
                    "mysystem_prod_west_cpu_load",
                    "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                    "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
                ],
            ),
            (
                "mysystem.prod.west.cpu.load_total",
                [
                    "mysystem_prod_west_cpu_load_total",
                    "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
                    "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
                ],
            ),
            (
                "http.status:sum",
                ["http_status:sum", "http_dot_status:sum", "U__http_2e_status:sum"],
            ),
            ("label with 😱", ["label_with__", "label__with____", "U__label_20_with_20__1f631_"]),
            ("花火", ["__", "____", "U___82b1__706b_"]),
            ("0a", ["_a", "__a", "U___30_a"]),
        ] {
            for (escaping, expected) in [Underscores, Dots, Values].into_iter().zip(spellings) {
                assert_eq!(escape(name, escaping, is_metric_name), expected, "{escaping:?}");
            }
            assert_eq!(escape(name, AllowUtf8, is_metric_name), name);
            let values = escape(name, Values, is_metric_name);
            assert_eq!(unescape(&values).unwrap_or(values), name);
        }
        assert_eq!(escape("a:b", Underscores, is_label_name), "a_b");
    }

    #[test]
    fn what_was_not_escaped_is_not_unescaped() {
        for name in
            ["a_b", "U__a_", "U__a_2e", "U__a_zz_b", "U__a_d800_b", "U__a_110000_", "U__a_+2e_"]
        {
            assert_eq!(unescape(name), None, "{name}");
        }
        assert_eq!(unescape("U__").as_deref(), Some(""));
    }
}
