//! What a document means, as JSON, by the rules that `kubectl` reads YAML by.

use super::ManifestError;
use super::node::{Id, Kind, Tag, Tree};
use granit_parser::ScalarStyle;
use serde_json::{Map, Number, Value};

/// The value of a node. An alias is what it stands for, and merge keys (`<<`) are filled in.
pub(super) fn value(tree: &Tree<'_>, id: Id, text: &str) -> Result<Value, ManifestError> {
    Reader { tree, text, changed: &|_| None, budget: EXPANDED, depth: 0 }.read(id, false)
}

/// What merge keys bring to a mapping, where some of what has an anchor is `changed`.
pub(super) fn merged(
    tree: &Tree<'_>,
    entries: &[(Id, Id)],
    text: &str,
    changed: &dyn Fn(Id) -> Option<Value>,
) -> Result<Map<String, Value>, ManifestError> {
    let mut reader = Reader { tree, text, changed, budget: EXPANDED, depth: 0 };
    let mut merged = Map::new();
    for (key, value) in entries.iter().filter(|(key, _)| is_merge(tree, *key)) {
        let read = reader.read(*value, false)?;
        reader.merge(*key, read, &mut merged)?;
    }
    Ok(merged)
}

/// What a key is called in JSON, which knows texts alone; `None` for a list or a mapping.
pub(super) fn name(tree: &Tree<'_>, key: Id) -> Option<String> {
    match &tree.node(tree.resolve(key)?).kind {
        Kind::Scalar { text, style, tag } => Some(name_of(scalar(text, *style, *tag))),
        _ => None,
    }
}

fn name_of(key: Value) -> String {
    match key {
        Value::String(name) => name,
        // As JSON has no other keys.
        other => other.to_string(),
    }
}

struct Reader<'a> {
    tree: &'a Tree<'a>,
    text: &'a str,
    /// What an anchor stands for where that is no more what is written behind it.
    changed: &'a dyn Fn(Id) -> Option<Value>,
    /// What aliases may still bring, in nodes and bytes.
    budget: usize,
    depth: usize,
}

impl Reader<'_> {
    fn read(&mut self, id: Id, expanded: bool) -> Result<Value, ManifestError> {
        let node = self.tree.node(id);
        if expanded {
            let size = self.tree.text(id).map_or(1, |text| text.len() + 1);
            self.budget = self.budget.checked_sub(size).ok_or_else(|| self.error(id, TOO_MUCH))?;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(id, "its aliases lead back to themselves, or too deep"));
        }
        let value = match &node.kind {
            Kind::Scalar { text, style, tag } => scalar(text, *style, *tag),
            Kind::Sequence { items, .. } => Value::Array(
                items.iter().map(|item| self.read(*item, expanded)).collect::<Result<_, _>>()?,
            ),
            Kind::Mapping { entries, .. } => Value::Object(self.mapping(entries, expanded)?),
            Kind::Alias(_) => {
                let target = self.tree.resolve(id);
                let target = target.ok_or_else(|| self.error(id, "nothing has this anchor"))?;
                match (self.changed)(target) {
                    Some(now) => now,
                    None => self.read(target, true)?,
                }
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn mapping(
        &mut self,
        entries: &[(Id, Id)],
        expanded: bool,
    ) -> Result<Map<String, Value>, ManifestError> {
        let mut map = Map::new();
        let mut merged = Map::new();
        for (key, value) in entries {
            let read = self.read(*value, expanded)?;
            if is_merge(self.tree, *key) {
                self.merge(*key, read, &mut merged)?;
                continue;
            }
            let name = match self.read(*key, expanded)? {
                Value::Array(_) | Value::Object(_) => {
                    return Err(self.error(*key, "a key is a list or a mapping"));
                }
                key => name_of(key),
            };
            if map.contains_key(&name) {
                let name: String = name.chars().take(120).collect();
                return Err(self.error(*key, &format!("the key {name:?} is there twice")));
            }
            map.insert(name, read);
        }
        // What is said beats what is merged (YAML 1.1, the merge key).
        for (key, value) in merged {
            map.entry(key).or_insert(value);
        }
        Ok(map)
    }

    /// Adds what a merge key brings; what is there already stays.
    fn merge(
        &self,
        key: Id,
        read: Value,
        merged: &mut Map<String, Value>,
    ) -> Result<(), ManifestError> {
        let parts = match read {
            Value::Array(parts) => parts,
            one => vec![one],
        };
        for part in parts {
            let Value::Object(part) = part else {
                return Err(self.error(key, "what << merges is no mapping"));
            };
            for (key, value) in part {
                merged.entry(key).or_insert(value);
            }
        }
        Ok(())
    }

    fn error(&self, id: Id, problem: &str) -> ManifestError {
        ManifestError::at(self.text, self.tree.node(id).start(), problem)
    }
}

/// Whether a key merges what is behind it.
pub(super) fn is_merge(tree: &Tree<'_>, key: Id) -> bool {
    matches!(&tree.node(key).kind, Kind::Scalar { text, style: ScalarStyle::Plain, .. } if text == "<<")
}

fn scalar(text: &str, style: ScalarStyle, tag: Tag) -> Value {
    match (style, tag) {
        (_, Tag::Plain) | (ScalarStyle::Plain, Tag::None) => plain(text),
        _ => Value::String(text.to_owned()),
    }
}

/// What a scalar without quotes means: YAML 1.1 as Go's parser reads it, where `yes` is true and
/// `012` is ten.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let first = text.as_bytes().first()?;
    if !(first.is_ascii_digit() || b"+-.".contains(first)) || text.len() > MAX_DIGITS {
        return None;
    }
    let digits = text.replace('_', "");
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let radix = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)];
    let prefixed = radix
        .iter()
        .find_map(|(prefix, radix)| magnitude.strip_prefix(prefix).map(|digits| (digits, *radix)));
    let octal = magnitude.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (rest, 8));
    let (integer, radix) = prefixed.or(octal).unwrap_or((magnitude, 10));
    if integer.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && let Ok(integer) = u64::from_str_radix(integer, radix)
    {
        if !negative {
            return Some(integer.into());
        }
        if let Some(negated) = 0_i64.checked_sub_unsigned(integer) {
            return Some(negated.into());
        }
    }
    let float = magnitude.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && magnitude.bytes().any(|byte| byte.is_ascii_digit());
    let float: f64 = digits.parse().ok().filter(|_| float)?;
    Number::from_f64(float)
}

/// What all aliases of a document may bring, in nodes and bytes.
const EXPANDED: usize = 4 << 20;
const TOO_MUCH: &str = "its aliases stand for more than 4MiB, which no manifest takes";
const MAX_DEPTH: usize = 256;
/// No number is longer that means something.
const MAX_DIGITS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_without_quotes_mean_what_they_mean_to_kubectl() {
        for (text, means) in [
            ("8080", json!(8080)),
            ("-5", json!(-5)),
            ("012", json!(10)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("08", json!(8.0)),
            ("y", json!(true)),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("12:30:45", json!("12:30:45")),
            ("2001-01-01", json!("2001-01-01")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("+", json!("+")),
            (".", json!(".")),
            (".inf", json!(".inf")),
            ("0x", json!("0x")),
            ("1-2", json!("1-2")),
            ("100m", json!("100m")),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(plain(text), means, "{text}");
        }
    }
}
