//! What stays in a pod out of which the sidecar was taken, and is of no use there.

use super::eligible::{INJECT, annotations, containers, name};
use super::{PROXY, probes, status};
use serde_json::Value;

/// What is to be said of a pod that was `injected`, and that [`uninject`](super::uninject) made
/// `undone`: what somebody has changed since and so stays, and what still counts on the sidecar. Each is a
/// sentence.
pub fn left(injected: &Value, undone: &Value) -> Vec<String> {
    let mut left = Vec::new();
    for (key, now) in status::changed_since(injected) {
        left.push(format!("{key} was changed to {now:?} since, and stays"));
    }
    let proxy = containers(injected).find(|container| name(container) == PROXY);
    let health = proxy.and_then(probes::health_port);
    for container in containers(undone) {
        for kind in probes::asking(container, health.as_ref()) {
            let name: String = name(container).chars().filter(|c| !c.is_control()).collect();
            left.push(format!(
                "the {kind} of container {name} still asks the proxy, as nothing says what it asked before; \
                 set it"
            ));
        }
    }
    let labels = undone["metadata"]["labels"].as_object();
    let mut asks = [labels, annotations(undone)].into_iter().flatten();
    if asks.any(|map| map.get(INJECT).is_some_and(|word| word == "enabled")) {
        left.push(format!(
            "{INJECT} is still enabled, so the injector of a cluster adds the sidecar again"
        ));
    }
    left
}
