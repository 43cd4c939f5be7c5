//! An API server's part: applies a JSON Patch (RFC 6902), written apart from what makes them.

use serde_json::Value;

/// `document` after the given steps, in order.
pub(crate) fn apply(document: &Value, steps: &Value) -> Value {
    let mut document = document.clone();
    for step in steps.as_array().unwrap() {
        let path = step["path"].as_str().unwrap();
        let (parent, key) = path.rsplit_once('/').expect("no step is about the whole document");
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {path}"));
        match (step["op"].as_str().unwrap(), parent) {
            ("add", Value::Object(fields)) => drop(fields.insert(key, step["value"].clone())),
            ("replace", Value::Object(fields)) => {
                *fields.get_mut(&key).expect("it replaces what is there") = step["value"].clone();
            }
            ("remove", Value::Object(fields)) => {
                fields.remove(&key).expect("it removes what is there");
            }
            ("add", Value::Array(items)) => {
                items.insert(key.parse().unwrap(), step["value"].clone());
            }
            ("replace", Value::Array(items)) => {
                items[key.parse::<usize>().unwrap()] = step["value"].clone();
            }
            ("remove", Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
            (op, _) => panic!("{op} at {path} makes no sense"),
        }
    }
    document
}
