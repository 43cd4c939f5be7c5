//! Whom a pod belongs to, and who asks for its sidecar.

use serde_json::Value;

/// What is known of a pod besides itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it gets a sidecar where it says nothing itself.
    pub consent: Consent,
    /// What it belongs to.
    pub workload: Option<Workload>,
}

/// Whether a pod that says nothing gets a sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Yes: its file was named on the command line, or its namespace says so.
    #[default]
    Given,
    /// No: it has to ask.
    Needed,
    /// No: its namespace says no, so it has to say yes itself.
    Withheld,
}

/// The Deployment, Job or other owner of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Facts {
    /// What a pod says of its surroundings: its owner, by reference and by the hash in the
    /// owner's name. One without an owner is its own workload.
    pub fn of_pod(pod: &Value, consent: Consent) -> Self {
        let metadata = &pod["metadata"];
        let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        let owner = owners.clone().find(|owner| owner["controller"] == true).or(owners.last());
        let workload = match owner {
            Some(owner) => {
                let text = |key: &str| owner[key].as_str().unwrap_or_default();
                let label = |key: &str| metadata["labels"][key].as_str().unwrap_or_default();
                owner_of(text("kind"), text("name"), label)
            }
            None => metadata["name"].as_str().map(|name| Workload::new("Pod", name)),
        };
        Self { consent, workload: workload.filter(|workload| !workload.name.is_empty()) }
    }
}

/// The workload behind a pod's owner: the Deployment or Rollout of a ReplicaSet, the CronJob of
/// a Job.
fn owner_of<'a>(
    kind: &str,
    name: &str,
    label: impl Fn(&'static str) -> &'a str,
) -> Option<Workload> {
    if name.is_empty() {
        return None;
    }
    if kind == "ReplicaSet" {
        for (hash, kind) in [(POD_TEMPLATE_HASH, "Deployment"), (ROLLOUT_HASH, "Rollout")] {
            let hash = label(hash);
            let owner = name.strip_suffix(hash).and_then(|owner| owner.strip_suffix('-'));
            if let Some(owner) = owner.filter(|_| !hash.is_empty()) {
                return Some(Workload::new(kind, owner));
            }
        }
    }
    // The time in minutes for which a CronJob made it.
    if kind == "Job"
        && let Some((owner, minutes)) = name.rsplit_once('-')
        && minutes.len() == 8
        && minutes.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(Workload::new("CronJob", owner));
    }
    Some(Workload::new(kind, name))
}

impl Workload {
    /// A workload of this kind and name.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    /// The label that holds the hash in the names of its pods, if they have one.
    pub(super) fn hash_label(&self) -> Option<&'static str> {
        match self.kind.as_str() {
            "Deployment" => Some(POD_TEMPLATE_HASH),
            "Rollout" => Some(ROLLOUT_HASH),
            _ => None,
        }
    }

    /// Whether its pods are to end by themselves.
    pub(super) fn ends(&self) -> bool {
        matches!(self.kind.as_str(), "Job" | "CronJob")
    }
}

const POD_TEMPLATE_HASH: &str = "pod-template-hash";
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_workload_is_told_from_owner_and_hash() {
        let of = |kind: &str, name: &str, labels: Value| {
            let owner = json!([{"kind": kind, "name": name, "controller": true}]);
            let pod = json!({"metadata": {"ownerReferences": owner, "labels": labels}});
            let workload = Facts::of_pod(&pod, Consent::Given).workload.unwrap();
            format!("{}/{}", workload.kind, workload.name)
        };
        let hashed = json!({"pod-template-hash": "5d8c9"});
        assert_eq!(of("ReplicaSet", "web-5d8c9", hashed.clone()), "Deployment/web");
        assert_eq!(of("ReplicaSet", "web-other", hashed.clone()), "ReplicaSet/web-other");
        assert_eq!(of("ReplicaSet", "5d8c9", hashed), "ReplicaSet/5d8c9");
        assert_eq!(of("ReplicaSet", "web", json!({})), "ReplicaSet/web");
        let rollout = json!({"rollouts-pod-template-hash": "abc"});
        assert_eq!(of("ReplicaSet", "web-abc", rollout), "Rollout/web");
        assert_eq!(of("Job", "tidy-29876543", json!({})), "CronJob/tidy");
        assert_eq!(of("Job", "tidy-1", json!({})), "Job/tidy-1");
        assert_eq!(of("StatefulSet", "db", json!({})), "StatefulSet/db");
    }

    #[test]
    fn a_pod_without_an_owner_is_its_own_workload() {
        let pod = json!({"metadata": {"name": "web"}});
        let facts = Facts::of_pod(&pod, Consent::Needed);
        assert_eq!(facts.workload, Some(Workload::new("Pod", "web")));
        assert_eq!(Facts::of_pod(&json!({}), Consent::Needed).workload, None);
    }
}
