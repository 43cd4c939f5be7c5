//! Writes values as YAML in the many ways in which people do: with comments, in any indentation,
//! quotes and line ends.

use serde_json::Value;

/// Picks among ways to write, from bytes that a test has drawn.
pub(crate) struct Picks<'a>(pub(crate) std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Picks<'_> {
    pub(crate) fn of(&mut self, ways: u8) -> u8 {
        self.0.next().copied().unwrap_or_default() % ways
    }
}

/// A document; `newline` ends its lines.
pub(crate) fn document(value: &Value, picks: &mut Picks<'_>, newline: &str) -> String {
    let mut lines = Vec::new();
    match picks.of(4) {
        0 => lines.push("--- # begins".to_owned()),
        1 => lines.push("# what this is".to_owned()),
        _ => {}
    }
    let indent_lists = picks.of(2) == 0;
    entries(value, 0, indent_lists, picks, &mut lines);
    let mut text = lines.join(newline);
    if picks.of(4) > 0 {
        text.push_str(newline);
    }
    text
}

fn entries(
    value: &Value,
    column: usize,
    lists: bool,
    picks: &mut Picks<'_>,
    lines: &mut Vec<String>,
) {
    for (key, value) in value.as_object().unwrap() {
        comment(column, picks, lines);
        let key = format!("{}{}:", " ".repeat(column), scalar(&Value::from(&**key), picks));
        below(&key, value, column, lists, picks, lines);
    }
}

fn below(
    head: &str,
    value: &Value,
    column: usize,
    lists: bool,
    picks: &mut Picks<'_>,
    lines: &mut Vec<String>,
) {
    let trailing = if picks.of(8) == 0 { "   # so" } else { "" };
    match value {
        Value::Object(fields) if !fields.is_empty() && picks.of(12) > 0 => {
            lines.push(format!("{head}{trailing}"));
            entries(value, column + 2, lists, picks, lines);
        }
        Value::Array(items) if !items.is_empty() && picks.of(12) > 0 => {
            lines.push(format!("{head}{trailing}"));
            let column = if lists { column + 2 } else { column };
            for item in items {
                comment(column, picks, lines);
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        item_entries(item, column, lists, picks, lines);
                    }
                    _ => lines.push(format!("{}- {}", " ".repeat(column), flow(item))),
                }
            }
        }
        Value::Object(_) | Value::Array(_) => {
            lines.push(format!("{head} {}{trailing}", flow(value)));
        }
        Value::Null if picks.of(3) == 0 => lines.push(format!("{head}{trailing}")),
        _ => lines.push(format!("{head} {}{trailing}", scalar(value, picks))),
    }
}

/// The entries of an item, the first of which follows its dash.
fn item_entries(
    value: &Value,
    column: usize,
    lists: bool,
    picks: &mut Picks<'_>,
    lines: &mut Vec<String>,
) {
    for (index, (key, value)) in value.as_object().unwrap().iter().enumerate() {
        let lead = if index == 0 {
            format!("{}- ", " ".repeat(column))
        } else {
            comment(column + 2, picks, lines);
            " ".repeat(column + 2)
        };
        let head = format!("{lead}{}:", scalar(&Value::from(&**key), picks));
        below(&head, value, column + 2, lists, picks, lines);
    }
}

fn comment(column: usize, picks: &mut Picks<'_>, lines: &mut Vec<String>) {
    match picks.of(10) {
        0 => lines.push(format!("{}# - why: {{this}}", " ".repeat(column))),
        1 => lines.push(String::new()),
        _ => {}
    }
}

/// On one line, as JSON: any reader of YAML takes it.
pub(crate) fn flow(value: &Value) -> String {
    let mut text = value.to_string();
    for (raw, escaped) in ESCAPED {
        text = text.replace(raw, escaped);
    }
    text
}

fn scalar(value: &Value, picks: &mut Picks<'_>) -> String {
    let Value::String(string) = value else { return value.to_string() };
    let simple = |byte: u8| byte.is_ascii_lowercase() || b"./-".contains(&byte);
    let plain = string.len() > 3
        && string.as_bytes()[0].is_ascii_lowercase()
        && string.bytes().all(simple)
        && !["null", "true", "false"].contains(&&**string);
    match picks.of(3) {
        0 | 1 if plain => string.clone(),
        1 | 2 if string.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => {
            format!("'{}'", string.replace('\'', "''"))
        }
        _ => flow(value),
    }
}

/// What JSON leaves as it is and YAML does not take, or takes for the end of a line.
const ESCAPED: [(&str, &str); 4] = [
    ("\u{85}", "\\u0085"),
    ("\u{2028}", "\\u2028"),
    ("\u{7f}", "\\u007f"),
    ("\u{feff}", "\\ufeff"),
];
