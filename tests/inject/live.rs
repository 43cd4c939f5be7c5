//! Objects that come from a cluster and go back by `kubectl apply`, which keeps what nobody names.

use k8s_openapi::api::apps::v1::Deployment;
use podmeter::inject::manifest::{Done, transform};
use podmeter::inject::{Facts, Outcome, Sidecar, Workload, inject};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::commented::commented;
use crate::comments::{fill, filled, has_comments};
use crate::rendered::Picks;
use crate::{generated, injected, read, taken_out, uninjected};

proptest! {
    #[test]
    fn what_is_applied_to_a_live_object_makes_what_injecting_makes(
        pod in generated::pods(),
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        in_list in any::<bool>(),
    ) {
        // A cluster gives back no null.
        let object = live("Deployment", &without_nulls(pod.clone()));
        let given = if in_list { json!({"kind": "List", "items": [object]}) } else { object.clone() };
        let written = commented(&given, Picks(bytes.iter().cycle()), false);
        let done = injected(&written.text, &Sidecar::default());
        has_comments(&done.text, &written.comments, &written.text)?;
        let after = filled(&done.text);
        let manifest = if in_list { after["items"][0].clone() } else { after };
        let facts = Facts { workload: Some(Workload::new("Deployment", "web")), ..Facts::default() };
        let mut expected = object.clone();
        if let Outcome::Injected(done) = inject(&object["spec"]["template"], &facts, &Sidecar::default()) {
            expected["spec"]["template"] = done.pod;
        }
        let mut merged = object;
        merge(&mut merged, &manifest);
        prop_assert_eq!(fill(merged), fill(expected), "{}", done.text);

        prop_assert_eq!(&injected(&done.text, &Sidecar::default()).text, &done.text);
        prop_assert_eq!(filled(&uninjected(&done.text)), given, "{}", done.text);
    }
}

/// An API server's part: merges a manifest into an object as `kubectl apply` has it done where it is
/// not on record to have written anything.
fn merge(object: &mut Value, manifest: &Value) {
    let Some(manifest) = manifest.as_object() else {
        object.clone_from(manifest);
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let object = object.as_object_mut().unwrap();
    for (key, value) in manifest {
        match value {
            Value::Null => drop(object.remove(key)),
            Value::Array(items) if ["containers", "initContainers"].contains(&&**key) => {
                let were = object.remove(key).unwrap_or_default();
                let of_name = |name| were.as_array()?.iter().find(|item| item["name"] == name);
                let merged = items.iter().map(|item| {
                    let mut whole = of_name(item["name"].clone()).cloned().unwrap_or_default();
                    merge(&mut whole, item);
                    whole
                });
                object.insert(key.clone(), merged.collect());
            }
            // A text, which was read as what it says.
            _ if key == "podmeter.io/status" => drop(object.insert(key.clone(), value.clone())),
            _ => merge(object.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let said = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// An object as a cluster gives it.
fn live(kind: &str, template: &Value) -> Value {
    let version = if kind == "Rollout" { "argoproj.io/v1alpha1" } else { "apps/v1" };
    let metadata = json!({"name": "web", "uid": "5f0c", "resourceVersion": "12"});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}})
}

/// A pod of one container with a probe of each kind.
fn pod(liveness: &Value, readiness: &Value, startup: &Value) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
        "name": "web", "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": liveness, "readinessProbe": readiness, "startupProbe": startup
    }]}})
}

fn probed() -> Value {
    let headers = json!([{"name": "Host", "value": "shop"}]);
    pod(
        &json!({"tcpSocket": {"port": "http"}, "periodSeconds": 5}),
        &json!({"httpGet": {"port": 8080, "path": "/r", "scheme": "HTTPS", "host": "",
            "httpHeaders": headers}}),
        &json!({"exec": {"command": ["true"]}}),
    )
}

fn once(object: &Value) -> Value {
    read(&injected(&object.to_string(), &Sidecar::default()).text).remove(0)
}

fn app(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

fn asks(word: &str) -> Value {
    json!({"path": format!("/app-health/web/{word}"), "port": 15021})
}

#[test]
fn what_went_out_of_the_probe_of_a_live_object_is_named_as_null() {
    let object = live("Deployment", &probed());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [object],
        "metadata": {"resourceVersion": ""}});
    for after in [once(&object), once(&list)["items"][0].clone()] {
        let [alive, ready] = ["livenessProbe", "readinessProbe"].map(|probe| &app(&after)[probe]);
        let expected = json!({"httpGet": asks("livez"), "tcpSocket": null, "periodSeconds": 5});
        assert_eq!(*alive, expected);
        let mut get = asks("readyz");
        for gone in ["scheme", "host", "httpHeaders"] {
            get[gone] = Value::Null;
        }
        assert_eq!(*ready, json!({"httpGet": get}));
        assert_eq!(app(&after)["startupProbe"], app(&object)["startupProbe"]);
    }
}

#[test]
fn what_asks_in_the_same_way_as_before_gets_no_null() {
    for probe in [
        json!({"httpGet": {"port": "http", "path": "/"}}),
        json!({"grpc": {"port": 9000}}),
        json!({"exec": {"command": ["true"]}}),
        json!({"tcpSocket": {"port": 8080, "host": "10.0.0.1"}}),
    ] {
        let object = live("Deployment", &pod(&probe, &probe, &probe));
        let after = once(&object);
        assert_eq!(app(&after), app(&object));
    }
}

#[test]
fn a_manifest_from_a_file_and_a_rollout_get_no_null() {
    let mut from_a_file = live("Deployment", &probed());
    from_a_file["metadata"] = json!({"name": "web", "resourceVersion": "", "uid": null});
    // The schema of a Rollout has no null, and its lists are replaced as a whole.
    for object in [from_a_file, live("Rollout", &probed())] {
        let after = once(&object);
        assert_eq!(app(&after)["livenessProbe"]["httpGet"], asks("livez"));
        assert!(app(&after)["livenessProbe"].get("tcpSocket").is_none(), "{after}");
        assert_eq!(app(&after)["readinessProbe"], json!({"httpGet": asks("readyz")}));
    }
}

#[test]
fn the_types_of_kubernetes_take_a_null_for_nothing() {
    let after = once(&live("Deployment", &probed()));
    let typed: Deployment = serde_json::from_value(after).unwrap();
    let typed = serde_json::to_value(typed).unwrap();
    assert_eq!(app(&typed)["livenessProbe"]["httpGet"], asks("livez"));
    assert!(app(&typed)["livenessProbe"].get("tcpSocket").is_none(), "{typed}");
    assert_eq!(app(&typed)["readinessProbe"]["httpGet"]["scheme"], Value::Null);
}

#[test]
fn a_null_beside_a_probe_goes_and_comes_with_it_wherever_it_stands() {
    for probe in [
        json!({"httpGet": null, "tcpSocket": {"port": 8080}}),
        json!({"tcpSocket": {"port": 8080}, "httpGet": null}),
        json!({"periodSeconds": 1, "httpGet": null, "exec": null, "tcpSocket": {"port": 8080}}),
    ] {
        let mut object = live("Deployment", &pod(&probe, &probe, &probe));
        for _ in 0..2 {
            let after = once(&object);
            assert_eq!(app(&after)["livenessProbe"]["httpGet"], asks("livez"));
            assert_eq!(read(&uninjected(&after.to_string())), vec![object.clone()]);
            // The same from a file.
            object["metadata"] = json!({"name": "web"});
        }
    }
    // One that somebody has put first is taken away, too.
    let object = live("Deployment", &probed());
    let mut sorted = once(&object);
    let probe = &mut sorted["spec"]["template"]["spec"]["containers"][0]["livenessProbe"];
    *probe = json!({"tcpSocket": null, "periodSeconds": 5, "httpGet": asks("livez")});
    assert_eq!(read(&uninjected(&sorted.to_string())), vec![object]);
}

#[test]
fn it_is_told_where_apply_would_not_take_the_sidecar_out() {
    let told = |object: &Value| {
        let done = transform(&object.to_string(), &taken_out).unwrap();
        assert_eq!(done.reports[0].done, Done::Changed);
        done.reports[0].warnings.join("\n")
    };
    let mut object = once(&live("Deployment", &probed()));
    let applied = object.to_string();
    let keeps = "kubectl apply did not put the sidecar in, so it would leave it there; use kubectl \
                 replace -f -";
    assert_eq!(told(&object), keeps);
    // It has written the object, but not the sidecar.
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    object["metadata"]["annotations"] = json!({last: live("Deployment", &probed()).to_string()});
    assert_eq!(told(&object), keeps);
    object["metadata"]["annotations"][last] = json!("{");
    assert_eq!(told(&object), keeps);

    object["metadata"]["annotations"][last] = json!(applied);
    assert_eq!(told(&object), "");
    object["metadata"] = json!({"name": "web"});
    assert_eq!(told(&object), "");
}
