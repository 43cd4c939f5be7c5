//! Taking out of pods that somebody has changed since.

use podmeter::inject::{Facts, Outcome, Sidecar, inject, uninject};
use serde_json::{Value, json};

fn pod() -> Value {
    json!({
        "metadata": {"annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}},
        "spec": {"containers": [
            {"name": "web", "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 7}}
        ]}
    })
}

fn injected() -> Value {
    match inject(&pod(), &Facts::default(), &Sidecar::default()) {
        Outcome::Injected(injected) => injected.pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_under_another_name_gets_its_probe_back() {
    let mut changed = injected();
    changed["spec"]["containers"][0]["name"] = json!("renamed");
    let mut expected = pod();
    expected["spec"]["containers"][0]["name"] = json!("renamed");
    assert_eq!(uninject(&changed), Some(expected));
}

#[test]
fn a_probe_that_asks_somebody_else_at_such_a_path_stays() {
    let mut changed = injected();
    let other = json!({"name": "other", "livenessProbe":
        {"httpGet": {"path": "/app-health/web/livez", "port": 8080}}});
    changed["spec"]["containers"].as_array_mut().unwrap().push(other.clone());
    let undone = uninject(&changed).unwrap();
    assert_eq!(undone["spec"]["containers"], json!([pod()["spec"]["containers"][0], other]));
}

#[test]
fn an_annotation_that_was_changed_since_stays() {
    let mut changed = injected();
    assert_eq!(changed["metadata"]["annotations"]["prometheus.io/port"], "15090");
    changed["metadata"]["annotations"]["prometheus.io/port"] = json!("7777");
    let mut expected = pod();
    expected["metadata"]["annotations"]["prometheus.io/port"] = json!("7777");
    assert_eq!(uninject(&changed), Some(expected));

    // Added by us, and changed since; or taken away since.
    let mut changed = injected();
    changed["metadata"]["annotations"]["prometheus.io/path"] = json!("/mine");
    changed["metadata"]["annotations"].as_object_mut().unwrap().shift_remove("prometheus.io/port");
    let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/path": "/mine"});
    assert_eq!(uninject(&changed).unwrap()["metadata"]["annotations"], annotations);
}

#[test]
fn a_status_of_before_that_says_less_gives_everything_back() {
    let mut older = injected();
    let status = older["metadata"]["annotations"]["podmeter.io/status"].as_str().unwrap();
    let mut status: Value = serde_json::from_str(status).unwrap();
    status.as_object_mut().unwrap().shift_remove("set").unwrap();
    older["metadata"]["annotations"]["podmeter.io/status"] = json!(status.to_string());
    assert_eq!(uninject(&older), Some(pod()));
}

#[test]
fn without_a_status_our_containers_and_what_asks_them_go() {
    let mut lost = injected();
    lost["metadata"]["annotations"].as_object_mut().unwrap().shift_remove("podmeter.io/status");
    let undone = uninject(&lost).unwrap();
    assert_eq!(undone["spec"], pod()["spec"]);
    assert_eq!(undone["metadata"]["annotations"]["prometheus.io/port"], "15090");
}
