//! Where an object has the pods that it makes.

use crate::inject::settings::PREFIX;
use crate::inject::{Consent, Facts, Workload};
use serde_json::Value;

/// What an object is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has a pod, or makes pods by a template, at this place.
    Pod(&'static str),
    /// It has objects.
    List,
    /// It makes pods by a template that is somewhere else.
    Elsewhere(String),
    /// It is none of our business.
    Other,
}

/// What an object is to us, by its kind and group.
pub(super) fn kind(object: &Value, kind: &str) -> Kind {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match (kind, group) {
        ("Pod", "") => Kind::Pod(""),
        ("ReplicationController", "")
        | ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet", "apps" | "extensions")
        | ("Job", "batch") => Kind::Pod("/spec/template"),
        ("CronJob", "batch") => Kind::Pod("/spec/jobTemplate/spec/template"),
        ("Rollout", "argoproj.io") => match object["spec"]["workloadRef"]["name"].as_str() {
            Some(name) if object["spec"]["template"].is_null() => Kind::Elsewhere(format!(
                "its template is that of {}/{name} (workloadRef), which is where to inject",
                object["spec"]["workloadRef"]["kind"]
                    .as_str()
                    .unwrap_or("deployment")
                    .to_lowercase()
            )),
            _ => Kind::Pod("/spec/template"),
        },
        (list, _) if list.ends_with("List") && object["items"].is_array() => Kind::List,
        _ => Kind::Other,
    }
}

/// Whether an object of this kind may have pods in it, as far as its kind tells.
pub(super) fn may_have_pods(kind: &str) -> bool {
    matches!(
        kind,
        "Pod"
            | "ReplicationController"
            | "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "Job"
            | "CronJob"
            | "Rollout"
    ) || kind.ends_with("List")
}

/// What is known of the pods of an object.
pub(super) fn facts(object: &Value, kind: &str) -> Facts {
    if kind == "Pod" {
        return Facts::of_pod(object, Consent::Given);
    }
    let name = object["metadata"]["name"].as_str();
    let workload = match (kind, name) {
        // One that belongs to a Deployment or CronJob is only the way to its pods.
        ("ReplicaSet" | "Job", Some(_)) if object["metadata"]["ownerReferences"].is_array() => {
            Facts::of_pod(object, Consent::Given).workload
        }
        (kind, Some(name)) => Some(Workload::new(kind, name)),
        _ => None,
    };
    Facts { consent: Consent::Given, workload }
}

/// A setting on a workload itself, which the cluster never looks at: one with no control character, and
/// not long, so that it can be told.
pub(super) fn misplaced(object: &Value, kind: &str) -> Option<String> {
    if kind == "Pod" {
        return None;
    }
    let metadata = &object["metadata"];
    let mut keys = ["labels", "annotations"]
        .into_iter()
        .filter_map(|field| metadata[field].as_object())
        .flat_map(|map| map.keys())
        .filter(|key| key.starts_with(PREFIX));
    Some(keys.next()?.chars().filter(|c| !c.is_control()).take(120).collect())
}

/// How an object is called in what is told: `deployment/web`.
pub(super) fn called(object: &Value, kind: &str) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str());
    let name: String = name.unwrap_or("(no name)").chars().take(253).collect();
    let kind: String = kind.to_lowercase().chars().take(63).collect();
    let one_line = |text: String| text.replace(char::is_control, "?");
    format!("{}/{}", one_line(kind), one_line(name))
}
