//! The way from one JSON value to another, as a JSON Patch (RFC 6902).

use serde::Serialize;
use serde_json::Value;

/// One step of a patch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Puts a value where none is, or before an item of a list.
    Add {
        /// Where (RFC 6901).
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a value away.
    Remove {
        /// Where.
        path: String,
    },
    /// Puts a value in another's place.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
}

/// The steps that make `after` of `before`; none where they are equal.
pub fn patch(before: &Value, after: &Value) -> Vec<Operation> {
    let mut steps = Vec::new();
    compare(&mut String::new(), before, after, &mut steps);
    steps
}

fn compare(path: &mut String, before: &Value, after: &Value, steps: &mut Vec<Operation>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                steps.push(Operation::Remove { path: below(path, key) });
            }
            for (key, value) in new {
                let path_of_key = below(path, key);
                match old.get(key) {
                    Some(was) => compare(&mut path_of_key.clone(), was, value, steps),
                    None => {
                        steps.push(Operation::Add { path: path_of_key, value: value.clone() });
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_lists(path, old, new, steps),
        _ if before == after => {}
        _ => steps.push(Operation::Replace { path: path.clone(), value: after.clone() }),
    }
}

/// Items are the same where they have the same name, or else the same value.
fn compare_lists(path: &str, old: &[Value], new: &[Value], steps: &mut Vec<Operation>) {
    let mut at = 0;
    let mut rest = old;
    for (index, value) in new.iter().enumerate() {
        let found = rest.iter().position(|was| same(was, value));
        match found {
            Some(found) => {
                for _ in 0..found {
                    steps.push(Operation::Remove { path: below(path, &at.to_string()) });
                }
                compare(&mut below(path, &at.to_string()), &rest[found], value, steps);
                rest = &rest[found + 1..];
            }
            None => steps.push(Operation::Add {
                path: below(path, &index.to_string()),
                value: value.clone(),
            }),
        }
        at += 1;
    }
    for _ in rest {
        steps.push(Operation::Remove { path: below(path, &at.to_string()) });
    }
}

/// Whether two items of a list are one, before and after.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one.get("name"), other.get("name")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}
