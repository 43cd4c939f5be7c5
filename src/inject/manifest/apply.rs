//! What `kubectl apply` makes of an object that comes from a cluster.
//!
//! It sends a strategic merge patch, which keeps all that the manifest does not name, save what an
//! earlier `kubectl apply` is on record to have written. Of an object that was made in another way
//! (`kubectl create`, Helm) there is no such record: a probe would keep its `tcpSocket` beside our
//! `httpGet`, and be refused, or its `scheme: HTTPS` within it, and fail. A key that is `null` in the
//! manifest is taken away, so that is what is said of each.

use crate::inject::eligible::{containers, items, name};
use crate::inject::{INIT, PROXY, probes};
use serde_json::Value;

/// Whether `kubectl apply` would merge this object into one that is there: whether it has what only
/// a cluster gives. What Kubernetes has no Go type of, such as a Rollout, is never merged within a
/// list, and may not have a `null`.
pub(super) fn merges(object: &Value, kind: &str) -> bool {
    let given = ["uid", "resourceVersion"].map(|key| &object["metadata"][key]);
    kind != "Rollout" && given.into_iter().any(|value| !(value.is_null() || value == ""))
}

/// Says `null` of each key that went out of a probe which asks the proxy now.
pub(super) fn say_what_went(before: &Value, after: &mut Value) {
    let health = containers(after).find(|container| name(container) == PROXY);
    let health = health.and_then(probes::health_port);
    for list in ["initContainers", "containers"] {
        let were = items(&before["spec"][list]).filter(|container| is_app(container));
        let are = probes::containers_mut(after, list).filter(|container| is_app(container));
        // Injecting keeps the app's containers in their order.
        for (was, container) in were.zip(are) {
            if name(was) != name(container) {
                continue;
            }
            let kinds: Vec<_> = probes::asking(container, health.as_ref()).collect();
            for kind in kinds {
                nulls(&was[kind], &mut container[kind]);
                nulls(&was[kind]["httpGet"], &mut container[kind]["httpGet"]);
            }
        }
    }
}

fn is_app(container: &Value) -> bool {
    ![INIT, PROXY].contains(&name(container))
}

fn nulls(was: &Value, now: &mut Value) {
    let (Some(was), Some(now)) = (was.as_object(), now.as_object_mut()) else { return };
    for key in was.keys() {
        if !now.contains_key(key) {
            now.insert(key.clone(), Value::Null);
        }
    }
}

/// What is to be said where the sidecar was taken out of the pod at a place of an object, and
/// `kubectl apply` would leave it in, as it has not put it in.
pub(super) fn keeps(object: &Value, at: &str, after: &Value) -> Option<String> {
    let has_proxy = |pod: &Value| containers(pod).any(|container| name(container) == PROXY);
    if !object.pointer(at).is_some_and(has_proxy) || has_proxy(after) {
        return None;
    }
    let applied = object["metadata"]["annotations"][LAST_APPLIED].as_str();
    let applied: Value = serde_json::from_str(applied.unwrap_or_default()).unwrap_or_default();
    (!applied.pointer(at).is_some_and(has_proxy)).then(|| KEEPS.to_owned())
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const KEEPS: &str = "kubectl apply did not put the sidecar in, so it would leave it there; use \
                     kubectl replace -f -";
