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
    compare("", before, after, &mut steps);
    steps
}

fn compare(path: &str, before: &Value, after: &Value, steps: &mut Vec<Operation>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                steps.push(Operation::Remove { path: below(path, key) });
            }
            for (key, value) in new {
                let path_of_key = below(path, key);
                match old.get(key) {
                    Some(was) => compare(&path_of_key, was, value, steps),
                    None => {
                        steps.push(Operation::Add { path: path_of_key, value: value.clone() });
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_lists(path, old, new, steps),
        _ if before == after => {}
        _ => steps.push(Operation::Replace { path: path.to_owned(), value: after.clone() }),
    }
}

fn compare_lists(path: &str, old: &[Value], new: &[Value], steps: &mut Vec<Operation>) {
    let mut next = 0;
    // What is before the place that is looked at is as it is to be.
    for (index, (value, was)) in new.iter().zip(aligned(old, new)).enumerate() {
        let place = below(path, &index.to_string());
        let Some(found) = was else {
            steps.push(Operation::Add { path: place, value: value.clone() });
            continue;
        };
        for _ in next..found {
            steps.push(Operation::Remove { path: place.clone() });
        }
        compare(&place, &old[found], value, steps);
        next = found + 1;
    }
    for _ in next..old.len() {
        steps.push(Operation::Remove { path: below(path, &new.len().to_string()) });
    }
}

/// Which of the old items each of the new ones was, in rising order: that of the same place where
/// none came or went, else the next one of the same name or value.
pub(super) fn aligned(old: &[Value], new: &[Value]) -> Vec<Option<usize>> {
    if old.len() == new.len() {
        return (0..old.len()).map(Some).collect();
    }
    let mut next = 0;
    let mut place = |value: &Value| {
        let found = (next..old.len()).find(|at| same(&old[*at], value));
        next = found.map_or(next, |found| found + 1);
        found
    };
    new.iter().map(&mut place).collect()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.get("name"), other.get("name")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}
