//! Whatever the values, what is rendered is valid for every Kubernetes from 1.29 on.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::helm::{Helm, Rendered, case, templates_of, who};
use crate::process::reference_data;
use crate::skip::skip;

/// The versions of Kubernetes whose schemas there are.
pub(crate) const VERSIONS: [&str; 9] =
    ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

#[test]
fn what_is_rendered_is_valid_whatever_the_values() {
    let name = "what_is_rendered_is_valid_whatever_the_values";
    let Some(both) = Helm::both(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let mut cases: Vec<Value> = matrix().iter().map(case).collect();
    // Names that YAML would take for numbers.
    for (release, namespace) in [("1e3", "123"), ("0x10", "1e2")] {
        let values = everything();
        cases.push(json!({ "name": release, "namespace": namespace, "values": values }));
    }
    let (mut all, mut most) = (Vec::new(), Vec::new());
    for (answer, case) in templates_of(&both, &cases).into_iter().zip(&cases) {
        let rendered = answer.unwrap_or_else(|errors| panic!("{}: {errors:?}", case["values"]));
        names_are_unique(&rendered);
        let is_whole = case["values"] == json!({}) || case["values"] == everything();
        let place = if is_whole { &mut all } else { &mut most };
        place.extend(rendered.objects);
    }
    let [_, helm] = &both;
    assert_eq!(complaints(helm, &data, &all, &VERSIONS), Vec::<String>::new());
    // Many cases share most of their objects.
    let mut seen: HashSet<String> = all.iter().map(Value::to_string).collect();
    most.retain(|object| seen.insert(object.to_string()));
    let ends = [VERSIONS[0], VERSIONS[VERSIONS.len() - 1]];
    assert_eq!(complaints(helm, &data, &most, &ends), Vec::<String>::new());
}

#[test]
fn helm_lint_finds_nothing_to_complain_of() {
    let Some(both) = Helm::both("helm_lint_finds_nothing_to_complain_of") else { return };
    let mut matrix = matrix();
    matrix.push(json!({ "injecter": {} }));
    for helm in both {
        let mut found = helm.lint(&matrix);
        assert!(found.pop().unwrap().concat().contains("injecter"), "a wrong value is found");
        for (complaints, values) in found.iter().zip(&matrix) {
            assert!(complaints.is_empty(), "{values}: {complaints:?}");
        }
    }
}

#[test]
fn a_wrong_object_is_complained_of() {
    let name = "a_wrong_object_is_complained_of";
    let Some(helm) = Helm::find(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let metadata = json!({ "name": "wrong" });
    let wrong = [
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "porst": [] } }),
        json!({ "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": metadata }),
        json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata,
                "spec": { "selector": {}, "podMetricsEndpoints": [{ "prot": "x" }] } }),
        json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata,
                "spec": { "selector": {}, "podMetricsEndpoints": [{ "interval": "soon" }] } }),
    ];
    for object in wrong {
        let found = complaints(&helm, &data, std::slice::from_ref(&object), &["1.37"]);
        assert_eq!(found.len(), 1, "{object}: {found:?}");
    }
}

/// What the schemas say against `objects`.
pub(crate) fn complaints(
    helm: &Helm,
    data: &Path,
    objects: &[Value],
    versions: &[&str],
) -> Vec<String> {
    // cert-manager's own definitions are not among the reference data.
    let known = |object: &&Value| {
        !object["apiVersion"].as_str().unwrap_or_default().starts_with("cert-manager.io/")
    };
    let objects: Vec<&Value> = objects.iter().filter(known).collect();
    let task = json!({ "objects": objects, "versions": versions, "crds": data.join("crds") });
    serde_json::from_value(helm.run("validate.py", &task)).unwrap()
}

/// Two objects of one kind, namespace and name would overwrite each other.
fn names_are_unique(rendered: &Rendered) {
    let mut seen = HashSet::new();
    for object in &rendered.objects {
        let place = format!("{} in {}", who(object), object["metadata"]["namespace"]);
        assert!(seen.insert(place.clone()), "twice: {place}");
    }
}

/// Values that bring out each part of the chart, alone and together.
pub(crate) fn matrix() -> Vec<Value> {
    let mut matrix = vec![
        json!({}),
        everything(),
        json!({ "injector": { "enabled": false } }),
        json!({ "injector": { "replicas": 1, "failurePolicy": "Fail", "timeoutSeconds": 1 } }),
        json!({ "injector": { "listenAddress": "[::]", "servicePort": 8443, "port": 9443, "metricsPort": 9000 } }),
        json!({ "injector": { "serviceAccount": { "create": false, "name": "mine" },
                "podDisruptionBudget": { "maxUnavailable": "50%" } } }),
        json!({ "certificates": { "mode": "cert-manager" } }),
        json!({ "certificates": { "mode": "cert-manager", "issuerRef": { "name": "ca", "kind": "ClusterIssuer" } } }),
        json!({ "certificates": { "mode": "files", "secretName": "mine", "caBundle": "Y2VydGlmaWNhdGU=" } }),
        json!({ "prometheusOperator": { "enabled": true, "namespace": "monitoring", "labels": { "team": "sre" } } }),
        json!({ "prometheusOperator": { "enabled": false }, "flagger": { "enabled": false } }),
        json!({ "monitors": { "sidecars": { "namespaces": ["a", "b"], "selector": { "matchLabels": { "tier": "web" } },
                "relabelings": [{ "action": "labeldrop", "regex": "x" }],
                "metricRelabelings": [{ "action": "drop", "sourceLabels": ["__name__"], "regex": "istio_build" }] },
                "sampleLimit": 50000, "jobLabel": "" } }),
        json!({ "monitors": { "sidecars": { "enabled": false }, "injector": { "enabled": false } } }),
        json!({ "monitors": { "sidecars": { "enabled": false }, "injector": { "enabled": false } },
                "rules": { "enabled": false } }),
        json!({ "rules": { "enabled": false }, "dashboard": { "enabled": false }, "tests": { "enabled": false } }),
        json!({ "rules": { "labels": { "team": "sre", "severity": "page" }, "errorRatio": 0, "minimumRate": 2,
                "additionalGroups": [{ "name": "mine", "rules": [{ "alert": "Up", "expr": "up == 0" }] }] } }),
        json!({ "dashboard": { "namespace": "grafana", "annotations": { "grafana_folder": "Apps" } } }),
        json!({ "prometheus": { "enabled": true }, "prometheusOperator": { "enabled": false } }),
        json!({ "prometheus": { "enabled": true, "containerMetrics": false, "alertmanagers": ["alertmanager:9093"] },
                "rules": { "enabled": false } }),
        json!({ "nameOverride": "sight", "commonLabels": { "team": "sre", "app.kubernetes.io/name": "not-this" } }),
        json!({ "fullnameOverride": "a-name-that-is-as-long-as-it-may-be-1234" }),
        json!({ "networkPolicy": { "injector": { "enabled": false } } }),
        json!({ "global": { "anything": true } }),
    ];
    for label in ["app", "name", "app.kubernetes.io/name"] {
        matrix.push(json!({ "monitors": { "jobLabel": label,
            "canaries": [{ "name": "podinfo", "namespace": "test", "label": label, "interval": "5s" }],
            "services": [{ "name": "shop", "namespace": "shop", "selector": { label: "shop" } }] } }));
    }
    matrix
}

/// Every part at once, with every list filled.
pub(crate) fn everything() -> Value {
    json!({
        "image": { "repository": "registry:5000/x/podmeter", "digest": format!("sha256:{}", "0".repeat(64)) },
        "imagePullSecrets": [{ "name": "registry" }],
        "sidecar": { "image": "x/podmeter:2", "settings": { "dialect": "istio,http", "workers": 2, "native-sidecar": false } },
        "injector": {
            "extraArgs": ["--shutdown-delay=10s"], "extraEnv": [{ "name": "TZ", "value": "UTC" }],
            "podAnnotations": { "a": "b" }, "podLabels": { "c": "d" }, "priorityClassName": "high",
            "tolerations": [{ "operator": "Exists" }], "affinity": { "nodeAffinity": {} },
            "topologySpreadConstraints": [{ "topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule" }],
            "serviceAccount": { "annotations": { "e": "f" } },
        },
        "monitors": {
            "canaries": [{ "name": "podinfo", "namespace": "test" }, { "name": "cart", "namespace": "shop", "label": "name" }],
            "services": [{ "name": "legacy", "namespace": "old", "selector": { "app": "legacy", "tier": "web" } }],
        },
        "prometheus": { "enabled": true, "alertmanagers": ["alertmanager.monitoring:9093"], "tolerations": [{ "operator": "Exists" }] },
        "prometheusOperator": { "enabled": true, "namespace": "monitoring" },
        "flagger": { "enabled": true, "namespace": "flagger-system" },
        "networkPolicy": {
            "monitoringPodSelector": { "matchLabels": { "app.kubernetes.io/name": "prometheus" } },
            "apps": [{ "namespace": "shop", "isolated": false },
                     { "namespace": "shop", "isolated": true, "podSelector": { "matchLabels": { "tier": "db" } } },
                     { "namespace": "bank", "isolated": true }],
        },
    })
}
