//! Changes the pods of objects, and says what was done with each.

use super::kinds::{self, Kind};
use super::node::{Id, Tree};
use super::{Change, Done, Report, apply};
use crate::inject::{Facts, status};
use serde_json::Value;

/// Changes the pods of an object.
pub(super) fn object(
    object: &mut Value,
    kind: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    reports: &mut Vec<Report>,
    depth: usize,
) {
    let mut warnings = Vec::new();
    let done = match kinds::kind(object, kind) {
        Kind::List => {
            let usual = usual(kind).to_owned();
            let version = object["apiVersion"].clone();
            for one in object["items"].as_array_mut().into_iter().flatten() {
                item(one, &usual, &version, change, reports, depth);
            }
            return;
        }
        Kind::Pod(at) => {
            let facts = kinds::facts(object, kind);
            let called = object.pointer(at).filter(|pod| pod.is_object());
            match called.map(|pod| change(pod, &facts)) {
                None => Done::Skipped("it has no pod template".to_owned()),
                Some(Change::Skip(reason)) => Done::Skipped(reason),
                Some(Change::Refuse(reason)) => Done::Refused(reason),
                // Nothing is put into such a pod, so this would be a taking out.
                Some(Change::To(..)) if called.is_some_and(status::is_lost) => {
                    Done::Refused(LOST.to_owned())
                }
                Some(Change::To(mut pod, told)) => {
                    warnings = told;
                    if let Some(called) = called.filter(|_| apply::merges(object, kind)) {
                        apply::say_what_went(called, &mut pod);
                        // What a pod consists of nobody can change.
                        let keeps = apply::keeps(object, at, &pod).filter(|_| !at.is_empty());
                        warnings.extend(keeps);
                    }
                    if let Some(place) = object.pointer_mut(at) {
                        *place = pod;
                    }
                    Done::Changed
                }
            }
        }
        Kind::Elsewhere(reason) => Done::Skipped(reason),
        Kind::Other => {
            Done::Skipped(match (object["apiVersion"].as_str(), kinds::may_have_pods(kind)) {
                (None, true) => format!("{UNSUPPORTED}, as it has no apiVersion"),
                (Some(version), true) => {
                    let version: String =
                        version.chars().filter(|c| !c.is_control()).take(120).collect();
                    format!("{UNSUPPORTED}, as its apiVersion is {version}")
                }
                _ => UNSUPPORTED.to_owned(),
            })
        }
    };
    let misplaced = kinds::misplaced(object, kind);
    reports.push(Report { object: kinds::called(object, kind), done, warnings, misplaced });
}

/// Changes the pods of an item of a list.
pub(super) fn item(
    item: &mut Value,
    usual: &str,
    version: &Value,
    change: &dyn Fn(&Value, &Facts) -> Change,
    reports: &mut Vec<Report>,
    depth: usize,
) {
    if !item.is_object() {
        return;
    }
    if item["kind"].is_string() || usual.is_empty() {
        let kind = item["kind"].as_str().unwrap_or_default().to_owned();
        if depth < MAX_LISTS {
            object(item, &kind, change, reports, depth + 1);
        }
        return;
    }
    let mut whole = item.clone();
    whole["apiVersion"] = version.clone();
    object(&mut whole, usual, change, reports, MAX_LISTS);
    if let (Some(whole), None) = (whole.as_object_mut(), item.get("apiVersion")) {
        whole.shift_remove("apiVersion");
    }
    *item = whole;
}

/// The kind of a list's items that do not say what they are, as those of a list of one kind need not.
pub(super) fn usual(kind: &str) -> &str {
    kind.strip_suffix("List").unwrap_or_default()
}

/// The kind of an object.
pub(super) fn kind<'a>(tree: &'a Tree<'_>, object: Id) -> Option<&'a str> {
    tree.text(tree.resolve(tree.get(object, "kind")?)?)
}

/// What is told of an object that cannot have pods, without looking at all of it.
pub(super) fn unsupported(tree: &Tree<'_>, object: Id, kind: &str) -> Report {
    let name = tree.get(object, "metadata").and_then(|id| tree.resolve(id));
    let name = name.and_then(|metadata| tree.get(metadata, "name"));
    unsupported_kind(kind, name.and_then(|id| tree.text(tree.resolve(id)?)))
}

/// What is told of an object that cannot have pods.
pub(super) fn unsupported_kind(kind: &str, name: Option<&str>) -> Report {
    let object = serde_json::json!({"metadata": {"name": name}});
    let done = Done::Skipped(UNSUPPORTED.to_owned());
    Report { object: kinds::called(&object, kind), done, ..Report::default() }
}

const UNSUPPORTED: &str = "unsupported kind";
const LOST: &str = "podmeter.io/status is missing or cannot be read, and it alone says what there was \
                    before; apply the manifest as it was, or delete podmeter-init and podmeter-proxy \
                    by hand and look at probes and prometheus.io/* yourself";
/// Lists of lists of lists are nobody's.
const MAX_LISTS: usize = 8;
