//! What holds for every pod.

use podmeter::inject::{Facts, Outcome, Sidecar, Skip, Workload, inject, patch, uninject};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::apply::apply;
use crate::generated;

proptest! {
    #[test]
    fn twice_is_once_and_what_was_added_comes_out_again(
        pod in generated::pods(),
        settings in generated::settings(),
        kind in prop::option::of(prop::sample::select(vec!["Deployment", "StatefulSet", "Rollout"])),
    ) {
        let workload = kind.map(|kind| Workload::new(kind, "shop"));
        let facts = Facts { workload, ..Facts::default() };
        // What is set twice contradicts itself; the last one holds.
        let Ok(sidecar) = Sidecar::new(settings) else { return Ok(()) };
        let injected = match inject(&pod, &facts, &sidecar) {
            Outcome::Injected(injected) => injected.pod,
            Outcome::Skipped(_) => return Ok(()),
            Outcome::Refused(refusal) => panic!("{refusal}"),
        };
        let again = inject(&injected, &facts, &sidecar);
        prop_assert!(matches!(again, Outcome::Skipped(Skip::AlreadyInjected(_))), "{:?}", again);

        // To the byte, so the order of keys is the same, too.
        let back = uninject(&injected).expect("it was injected");
        prop_assert_eq!(back.to_string(), pod.to_string());
        prop_assert_eq!(uninject(&pod), None);

        let steps = serde_json::to_value(patch(&pod, &injected)).unwrap();
        prop_assert_eq!(apply(&pod, &steps), injected.clone());
        let back = serde_json::to_value(patch(&injected, &pod)).unwrap();
        prop_assert_eq!(apply(&injected, &back), pod.clone());
        prop_assert_eq!(patch(&pod, &pod), Vec::new());

        only_what_is_documented_is_different(&pod, &injected);
    }
}

/// The annotations, the two lists of containers, one switch, and what some probes ask.
fn only_what_is_documented_is_different(pod: &Value, injected: &Value) {
    let rest = |value: &Value, drop: &[&str]| {
        let mut rest = value.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.retain(|key, _| !drop.contains(&&**key));
        }
        rest
    };
    assert_eq!(rest(pod, &["metadata", "spec"]), rest(injected, &["metadata", "spec"]));
    let metadata = |pod: &Value| match &pod["metadata"] {
        Value::Null => json!({}),
        metadata => rest(metadata, &["annotations"]),
    };
    assert_eq!(metadata(pod), metadata(injected));
    let changed = ["containers", "initContainers", "shareProcessNamespace"];
    assert_eq!(rest(&pod["spec"], &changed), rest(&injected["spec"], &changed));

    let ours = |key: &str| {
        key.starts_with("prometheus.io/")
            || ["podmeter.io/status", "kubectl.kubernetes.io/default-container"].contains(&key)
    };
    let others = |pod: &Value| {
        let mut annotations =
            pod["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        annotations.retain(|key, _| !ours(key));
        annotations
    };
    assert_eq!(others(pod), others(injected));

    for list in ["containers", "initContainers"] {
        let app = |pod: &Value| -> Vec<Value> {
            let containers = pod["spec"][list].as_array().cloned().unwrap_or_default();
            let own = |container: &Value| {
                container["name"].as_str().is_some_and(|name| name.starts_with("podmeter-"))
            };
            containers.into_iter().filter(|container| !own(container)).collect()
        };
        let (before, after) = (app(pod), app(injected));
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
            assert_eq!(rest(before, &probes), rest(after, &probes));
            for probe in probes {
                let handlers = ["tcpSocket", "httpGet"];
                assert_eq!(rest(&before[probe], &handlers), rest(&after[probe], &handlers));
                let asks = &after[probe]["httpGet"];
                let is_ours = asks["path"].as_str().is_some_and(|p| p.starts_with("/app-health/"));
                assert!(is_ours || before[probe] == after[probe], "{before} {after}");
            }
        }
    }
}
