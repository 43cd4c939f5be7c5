//! Writes values as YAML: blocks at a column, or on one line as JSON.

use super::node::{Id, Kind, Tag, Tree};
use super::value::plain;
use granit_parser::ScalarStyle;
use serde_json::Value;
use std::fmt::Write;

/// How a document is written, so that what is added looks like the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) newline: &'static str,
    /// How far a list stands to the right of its key.
    pub(super) list_offset: usize,
    /// How far a mapping stands to the right of its key.
    pub(super) step: usize,
}

/// Where values may be from, so that a scalar which is still the same is written as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) text: &'a str,
    pub(super) id: Id,
}

/// Writes blocks.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) out: String,
    style: Style,
}

impl Writer {
    pub(super) fn new(style: Style) -> Self {
        Self { out: String::new(), style }
    }

    /// One entry of a mapping, on lines of its own.
    pub(super) fn entry(
        &mut self,
        key: &str,
        value: &Value,
        column: usize,
        origin: Option<Origin<'_>>,
    ) {
        self.pad(column);
        self.out.push_str(&text(key));
        self.out.push(':');
        self.behind_key(value, column, origin);
    }

    /// What follows the colon of a key at `column`, to the end of the last line.
    pub(super) fn behind_key(&mut self, value: &Value, column: usize, origin: Option<Origin<'_>>) {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                self.newline();
                self.entries(value, column + self.style.step, origin);
            }
            Value::Array(items) if !items.is_empty() => {
                self.newline();
                self.items(value, column + self.style.list_offset, origin);
            }
            _ => {
                self.out.push(' ');
                self.scalar(value, origin);
                self.newline();
            }
        }
    }

    /// One item of a list, on lines of its own.
    pub(super) fn item(&mut self, value: &Value, column: usize, origin: Option<Origin<'_>>) {
        self.pad(column);
        self.out.push_str("- ");
        // The first line of a mapping or list follows its dash.
        let start = self.out.len();
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                self.entries(value, column + 2, origin);
            }
            Value::Array(items) if !items.is_empty() => self.items(value, column + 2, origin),
            _ => {
                self.scalar(value, origin);
                self.newline();
                return;
            }
        }
        self.out.replace_range(start..start + column + 2, "");
    }

    /// All of a document.
    pub(super) fn document(&mut self, value: &Value, origin: Origin<'_>) {
        match value {
            Value::Object(entries) if !entries.is_empty() => self.entries(value, 0, Some(origin)),
            Value::Array(items) if !items.is_empty() => self.items(value, 0, Some(origin)),
            _ => {
                self.scalar(value, Some(origin));
                self.newline();
            }
        }
    }

    pub(super) fn entries(&mut self, value: &Value, column: usize, origin: Option<Origin<'_>>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let origin = origin.and_then(|origin| origin.get(key));
            self.entry(key, value, column, origin);
        }
    }

    fn items(&mut self, value: &Value, column: usize, origin: Option<Origin<'_>>) {
        let items = value.as_array().into_iter().flatten();
        for (index, item) in items.enumerate() {
            let origin = origin.and_then(|origin| origin.item(index, item));
            self.item(item, column, origin);
        }
    }

    /// What fits on a line.
    fn scalar(&mut self, value: &Value, origin: Option<Origin<'_>>) {
        let raw = origin.and_then(|origin| origin.raw(value));
        match (raw, value) {
            (Some(raw), _) => self.out.push_str(raw),
            (None, Value::String(string)) => self.out.push_str(&text(string)),
            (None, other) => self.out.push_str(&json(other)),
        }
    }

    fn pad(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    fn newline(&mut self) {
        self.out.push_str(self.style.newline);
    }
}

impl<'a> Origin<'a> {
    fn get(self, key: &str) -> Option<Self> {
        let id = self.tree.get(self.tree.resolve(self.id)?, key)?;
        Some(Self { id, ..self })
    }

    /// The item that this one was: that of its name, or that of its place.
    fn item(self, index: usize, item: &Value) -> Option<Self> {
        let list = self.tree.resolve(self.id)?;
        let Kind::Sequence { items, .. } = &self.tree.node(list).kind else { return None };
        let of = |id: Id| Self { id, ..self };
        match item["name"].as_str() {
            Some(name) => items.iter().map(|id| of(*id)).find(|origin| {
                let found = origin.get("name").and_then(|name| self.tree.resolve(name.id));
                found.and_then(|id| self.tree.text(id)) == Some(name)
            }),
            None => items.get(index).map(|id| of(*id)),
        }
    }

    /// How a scalar was written, where it still means the same.
    fn raw(self, value: &Value) -> Option<&'a str> {
        let node = self.tree.node(self.tree.resolve(self.id)?);
        let Kind::Scalar { text, style, tag: Tag::None } = &node.kind else { return None };
        let means = match style {
            ScalarStyle::Plain => plain(text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                Value::String(text.to_string())
            }
            _ => return None,
        };
        let raw = self.text.get(node.start()..node.end())?;
        (means == *value && !raw.is_empty() && !raw.contains('\n')).then_some(raw)
    }
}

/// A text as a scalar of one line in a block: without quotes where nobody could take it for
/// something else.
pub(super) fn text(string: &str) -> String {
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_.-".contains(byte);
    let safe = string.as_bytes().first().is_some_and(first)
        && string.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.-=@,+:%[]' ".contains(&b))
        && !string.starts_with("- ")
        && !["-", "---", "..."].contains(&string)
        && !string.contains(": ")
        && !string.ends_with([':', ' '])
        && plain(string).is_string()
        && !looks_odd(string);
    if safe {
        string.to_owned()
    } else if string.contains('"') && !string.contains(|c: char| c == '\'' || needs_escape(c)) {
        format!("'{string}'")
    } else {
        quoted(string)
    }
}

/// What some reader takes for a number, a time or a date.
fn looks_odd(string: &str) -> bool {
    let digits = string.bytes().filter(u8::is_ascii_digit).count();
    digits > 0 && string.bytes().all(|b| b.is_ascii_digit() || b"+-.:_eETtZz ".contains(&b))
        || string.starts_with("0x")
        || [".inf", ".nan", "-.inf", "+.inf"].contains(&&*string.to_ascii_lowercase())
}

/// A value on one line between brackets, without quotes where nobody needs them.
pub(super) fn loose(value: &Value) -> String {
    let simple = |string: &str| {
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b);
        if string.bytes().all(safe) { text(string) } else { quoted(string) }
    };
    match value {
        Value::String(string) => simple(string),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(loose).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", simple(key), loose(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A value as JSON on one line, which is YAML, too.
pub(super) fn json(value: &Value) -> String {
    match value {
        Value::String(string) => quoted(string),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(json).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), json(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A value as JSON on many lines, the first of which begins somewhere else.
pub(super) fn pretty(value: &Value, column: usize, step: usize, newline: &str) -> String {
    let inner = column + step;
    let lines = |parts: Vec<String>, open: char, close: char| {
        let (pad, end) = (" ".repeat(inner), " ".repeat(column));
        let parts: Vec<_> = parts.into_iter().map(|part| format!("{pad}{part}")).collect();
        let between = format!(",{newline}");
        format!("{open}{newline}{}{newline}{end}{close}", parts.join(&between))
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            lines(items.iter().map(|item| pretty(item, inner, step, newline)).collect(), '[', ']')
        }
        Value::Object(entries) if !entries.is_empty() => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", quoted(key), pretty(value, inner, step, newline))
            };
            lines(entries.iter().map(entry).collect(), '{', '}')
        }
        other => json(other),
    }
}

/// A text in double quotes, as JSON and YAML both read it.
pub(super) fn quoted(string: &str) -> String {
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if needs_escape(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // A string takes whatever is written to it.
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What YAML does not take as it is, or takes for the end of a line (YAML 1.2.2, 5.1 and 5.4).
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
