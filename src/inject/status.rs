//! The annotation that says what was done to a pod, by which it is undone.

use super::eligible::{containers, name};
use super::probes;
use super::{INIT, PROXY};
use serde_json::{Map, Value, json};

/// Its name.
pub(super) const STATUS: &str = "podmeter.io/status";

/// What there was before, as far as it is not there any more.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Annotations that were changed, or `null` for those that were added.
    annotations: Map<String, Value>,
    /// What they were changed to.
    set: Map<String, Value>,
    probes: Map<String, Value>,
    /// An object without `was` where nothing was said.
    share_process_namespace: Option<Value>,
    /// What was there, and empty: of places that are taken away again when nothing is left in them.
    empty: Map<String, Value>,
}

impl Before {
    /// Looks at a pod to which nothing has been done.
    pub(super) fn of(pod: &Value) -> Self {
        let mut before = Self::default();
        for (called, at) in PLACES {
            if let Some(value) = pod.pointer(at).filter(|value| is_empty(value)) {
                before.empty.insert(called.to_owned(), value.clone());
            }
        }
        before
    }

    /// Sets an annotation, and remembers what it was.
    pub(super) fn annotate(&mut self, pod: &mut Value, key: &str, value: String) {
        self.set.insert(key.to_owned(), Value::String(value.clone()));
        let was = annotations(pod).insert(key.to_owned(), Value::String(value));
        self.annotations.insert(key.to_owned(), was.unwrap_or_default());
    }

    /// Remembers what probes asked.
    pub(super) fn probes(&mut self, probes: Map<String, Value>) {
        self.probes = probes;
    }

    /// Sets whether containers see each other's processes, and remembers what it was.
    pub(super) fn share_process_namespace(&mut self, pod: &mut Value, share: bool) {
        let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return };
        let was = spec.get(SHARE).cloned();
        if was != Some(Value::Bool(share)) {
            spec.insert(SHARE.to_owned(), Value::Bool(share));
            self.share_process_namespace = Some(was.map_or(json!({}), |was| json!({"was": was})));
        }
    }

    /// Writes it all down in the pod.
    pub(super) fn write(self, pod: &mut Value, image: &str) {
        let mut before = Map::new();
        let parts =
            [("annotations", self.annotations), ("probes", self.probes), ("empty", self.empty)];
        for (name, part) in parts {
            if !part.is_empty() {
                before.insert(name.to_owned(), Value::Object(part));
            }
        }
        if let Some(was) = self.share_process_namespace {
            before.insert(SHARE.to_owned(), was);
        }
        let mut status = Map::new();
        status.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
        status.insert("image".to_owned(), json!(image));
        if !before.is_empty() {
            status.insert("before".to_owned(), Value::Object(before));
        }
        if !self.set.is_empty() {
            status.insert("set".to_owned(), Value::Object(self.set));
        }
        let text = Value::Object(status).to_string();
        annotations(pod).insert(STATUS.to_owned(), Value::String(text));
    }
}

/// Undoes what the annotation of a pod says was done; `None` where nothing was. One that
/// [is lost](is_lost) says nothing, so that only our containers and what asks them go.
pub(super) fn undo(pod: &Value) -> Option<Value> {
    let status = if is_lost(pod) { Value::Null } else { read(pod)? };
    let before = &status["before"];
    let none = Value::Null;
    let proxy = containers(pod).find(|container| name(container) == PROXY).unwrap_or(&none);
    let mut undone = pod.clone();
    probes::restore(&mut undone, &before["probes"], proxy);
    if let Some(annotations) = undone.pointer_mut(ANNOTATIONS).and_then(Value::as_object_mut) {
        annotations.shift_remove(STATUS);
        for (key, was) in before["annotations"].as_object().into_iter().flatten() {
            // Whoever has changed it since wants what is there now.
            if annotations.get(key).is_some_and(|now| is_changed(&status, key, now)) {
                continue;
            }
            if was.is_null() {
                annotations.shift_remove(key);
            } else if let Some(now) = annotations.get_mut(key) {
                *now = was.clone();
            }
        }
    }
    if let Some(spec) = undone.get_mut("spec").and_then(Value::as_object_mut) {
        for list in ["initContainers", "containers"] {
            let list = spec.get_mut(list).and_then(Value::as_array_mut);
            if let Some(containers) = list {
                containers.retain(|container| {
                    ![INIT, PROXY].map(Some).contains(&container["name"].as_str())
                });
            }
        }
        match before.get(SHARE) {
            None => {}
            Some(was) => match was.get("was") {
                Some(was) => drop(spec.insert(SHARE.to_owned(), was.clone())),
                None => drop(spec.shift_remove(SHARE)),
            },
        }
    }
    for (called, at) in PLACES {
        empty_again(&mut undone, at, before["empty"].get(called));
    }
    Some(undone)
}

/// The annotations of an injected pod that somebody has changed since, with what they are now.
pub(super) fn changed_since(pod: &Value) -> Vec<(String, String)> {
    let Some(status) = read(pod) else { return Vec::new() };
    let set = status["set"].as_object().into_iter().flatten();
    let changed = set.filter_map(|(key, _)| {
        let now = pod.pointer(ANNOTATIONS)?.get(key)?;
        let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(120).collect();
        let shown = now.as_str().map_or_else(|| now.to_string(), str::to_owned);
        is_changed(&status, key, now).then(|| (short(key), short(&shown)))
    });
    changed.collect()
}

/// Whether an annotation is not any more what it was set to.
fn is_changed(status: &Value, key: &str, now: &Value) -> bool {
    let set = &status["set"][key];
    !set.is_null() && now != set
}

/// The end of the sentence that a pod is injected already: by which version, if not by this one.
pub(super) fn version(pod: &Value) -> String {
    let status = read(pod);
    let version = status.as_ref().and_then(|status| status["version"].as_str());
    match version.filter(|version| *version != env!("CARGO_PKG_VERSION")) {
        Some(version) => {
            let version: String = version.chars().filter(|c| !c.is_control()).take(40).collect();
            format!(", by version {version}; take that out first (--uninject)")
        }
        None => String::new(),
    }
}

/// Whether containers of ours are there, and no annotation that says what was done besides.
pub(super) fn is_lost(pod: &Value) -> bool {
    let mut all = containers(pod);
    all.any(|container| [INIT, PROXY].contains(&name(container))) && read(pod).is_none()
}

/// Whether somebody has written one.
pub(super) fn is_there(pod: &Value) -> bool {
    pod.pointer(ANNOTATIONS).is_some_and(|annotations| !annotations[STATUS].is_null())
}

fn read(pod: &Value) -> Option<Value> {
    let text = pod.pointer(ANNOTATIONS)?.get(STATUS)?.as_str()?;
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// The annotations of a pod, which has them from now on.
fn annotations(pod: &mut Value) -> &mut Map<String, Value> {
    let metadata = object(&mut pod["metadata"]);
    object(metadata.entry("annotations").or_insert(Value::Null))
}

/// The fields of a value, which is an object from now on.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made one"),
    }
}

/// Takes away a place in which nothing is left, or leaves it as empty as it was.
fn empty_again(pod: &mut Value, at: &str, was: Option<&Value>) {
    let (parent, key) = at.rsplit_once('/').unwrap_or(("", at));
    let Some(parent) = pod.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    if parent.get(key).is_some_and(is_empty) {
        match was {
            Some(was) => drop(parent.insert(key.to_owned(), was.clone())),
            None => drop(parent.shift_remove(key)),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

const ANNOTATIONS: &str = "/metadata/annotations";
const SHARE: &str = "shareProcessNamespace";
/// Places that are made where they are missing, innermost first.
const PLACES: [(&str, &str); 3] = [
    ("annotations", ANNOTATIONS),
    ("metadata", "/metadata"),
    ("initContainers", "/spec/initContainers"),
];
