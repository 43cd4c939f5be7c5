//! What is said to the reviews that API servers send.

use super::client::{Answer, Client, creation, operations, pod};
use super::hook::{Files, Hook};
use super::review_law::check;
use podmeter::inject::{Consent, Facts, Outcome, Sidecar, inject};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A webhook, and a connection to it.
struct Scene {
    hook: Hook,
    client: Client,
    _files: Files,
}

impl Scene {
    fn new(flags: &[&str]) -> Self {
        let files = Files::new();
        let hook = Hook::with_files(&files, flags);
        let client = Client::connect(hook.addr, &files.authority.pem).unwrap();
        Self { hook, client, _files: files }
    }

    fn ask(&mut self, review: &Value) -> Answer {
        self.client.post(review.to_string().as_bytes()).unwrap()
    }

    /// The response to a pod that is to be made, after a change of its review.
    fn create(&mut self, change: impl FnOnce(&mut Value)) -> Value {
        let mut review = creation(&pod());
        change(&mut review["request"]);
        let response = self.ask(&review).response();
        assert_eq!(response["uid"], review["request"]["uid"]);
        response
    }
}

/// Does what an API server does with a patch (RFC 6902).
pub(crate) fn patched(mut pod: Value, operations: &Value) -> Value {
    for step in operations.as_array().unwrap() {
        let (parent, key) = step["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let target = pod.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}: {step}"));
        match (step["op"].as_str().unwrap(), target) {
            ("add", Value::Object(map)) => drop(map.insert(key, step["value"].clone())),
            ("add", Value::Array(list)) => {
                let at = if key == "-" { list.len() } else { key.parse().unwrap() };
                list.insert(at, step["value"].clone());
            }
            ("replace", Value::Object(map)) => {
                *map.get_mut(&key).expect("it is there") = step["value"].clone();
            }
            ("replace", Value::Array(list)) => {
                list[key.parse::<usize>().unwrap()] = step["value"].clone();
            }
            ("remove", Value::Object(map)) => drop(map.remove(&key).expect("it is there")),
            ("remove", Value::Array(list)) => drop(list.remove(key.parse().unwrap())),
            other => panic!("{other:?}"),
        }
    }
    pod
}

fn injected(pod: &Value) -> Value {
    let facts = Facts::of_pod(pod, Consent::Given);
    match inject(pod, &facts, &Sidecar::default()) {
        Outcome::Injected(injected) => injected.pod,
        other => panic!("{other:?}"),
    }
}

/// The names of all containers, the first ones first.
fn containers(pod: &Value) -> Vec<&str> {
    let lists = [&pod["spec"]["initContainers"], &pod["spec"]["containers"]];
    let items = lists.into_iter().filter_map(Value::as_array).flatten();
    items.map(|container| container["name"].as_str().unwrap()).collect()
}

const UNTOUCHED: [&str; 2] = ["uid", "allowed"];

fn keys(response: &Value) -> Vec<&str> {
    response.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_patch_makes_of_the_pod_what_injection_makes_of_it() {
    let mut scene = Scene::new(&[]);
    let response = scene.create(|_| {});
    assert_eq!(response["allowed"], true);
    let after = patched(pod(), &operations(&response));
    assert_eq!(after, injected(&pod()));
    assert_eq!(containers(&after), ["podmeter-init", "podmeter-proxy", "web"]);
    // Only what is missing is added; the app's own container is what it was.
    let app = after["spec"]["containers"].as_array().unwrap().last().unwrap();
    assert_eq!(app["aFieldOfTheFuture"], json!({ "kept": true }));
    scene.hook.await_log("injected namespace=shop pod=web-7d4f9c8b5-*");
    assert!((scene.hook.metric(&["reviews_total", "outcome=\"injected\""]) - 1.0).abs() < 0.1);
}

#[test]
fn a_pod_that_is_asked_about_again_is_left_alone_and_counted_as_no_skip() {
    let mut scene = Scene::new(&[]);
    let first = scene.create(|_| {});
    // As an API server does after a plugin has changed what the patch made.
    let mut after = patched(pod(), &operations(&first));
    after["spec"]["containers"][0]["terminationMessagePath"] = json!("/dev/termination-log");
    let again = scene.create(|request| request["object"] = after);
    assert_eq!(keys(&again), UNTOUCHED);
    scene.hook.await_log("already injected");
    let said = scene.hook.program.said();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("pod=web-")).collect();
    let [first, again] = lines.as_slice() else { panic!("{said}") };
    assert!(first.contains(" INFO ") && first.contains(" injected"), "{first}");
    assert!(again.contains(" DEBUG "), "{again}");
    for (outcome, count) in [("injected", 1.0), ("present", 1.0), ("skipped", 0.0)] {
        let counted = scene.hook.metric(&["reviews_total", &format!("outcome=\"{outcome}\"")]);
        assert!((counted - count).abs() < 0.1, "{outcome}: {counted}");
    }
}

#[test]
fn a_sidecar_that_another_version_made_or_a_hand_is_worth_a_line() {
    let mut scene = Scene::new(&[]);
    let status = "podmeter.io/status";
    let there = injected(&pod());
    for (text, reason, said) in [
        (json!("{\"version\":\"0.0.1\"}"), "other_version", "already injected, by version 0.0.1;"),
        (json!(null), "unknown_version", "already injected namespace=shop"),
        (json!("{"), "unknown_version", "already injected namespace=shop"),
    ] {
        let mut pod = there.clone();
        pod["metadata"]["annotations"][status] = text;
        let response = scene.create(|request| request["object"] = pod);
        assert_eq!(keys(&response), UNTOUCHED);
        scene.hook.await_log(said);
        let parts = ["reviews_total", "outcome=\"present\"", &format!("reason=\"{reason}\"")];
        assert!(scene.hook.metric(&parts) > 0.9, "{reason}");
    }
    let said = scene.hook.program.said();
    let lines = said.lines().filter(|line| line.contains("already injected"));
    assert!(lines.clone().all(|line| line.contains(" INFO ")), "{said}");
    assert_eq!(lines.count(), 3);
}

#[test]
fn a_dry_run_is_answered_alike_and_counted_apart() {
    let mut scene = Scene::new(&[]);
    let wet = scene.create(|_| {});
    let dry = scene.create(|request| request["dryRun"] = json!(true));
    assert_eq!(wet["patch"], dry["patch"]);
    scene.hook.await_log("injected (dry run)");
    let counted = |scene: &Scene, dry: &str| {
        scene.hook.metric(&["reviews_total", "outcome=\"injected\"", dry])
    };
    assert!((counted(&scene, "dry_run=\"true\"") - 1.0).abs() < 0.1);
    assert!((counted(&scene, "dry_run=\"false\"") - 1.0).abs() < 0.1);
}

#[test]
fn what_is_no_pod_to_be_made_is_allowed_as_it_is() {
    let mut scene = Scene::new(&[]);
    let pods = json!({ "group": "", "version": "v1", "resource": "pods" });
    let deployments = json!({ "group": "apps", "version": "v1", "resource": "deployments" });
    let changes: [&dyn Fn(&mut Value); 5] = [
        &|request| {
            request["operation"] = json!("UPDATE");
            request["oldObject"] = pod();
        },
        &|request| {
            request["operation"] = json!("DELETE");
            request["object"] = json!(null);
            request["oldObject"] = pod();
        },
        &|request| {
            request["operation"] = json!("CONNECT");
            request["kind"] = json!({ "group": "", "version": "v1", "kind": "PodExecOptions" });
            request["resource"] = pods.clone();
            request["subResource"] = json!("exec");
            request["object"] = json!({ "kind": "PodExecOptions", "command": ["sh"] });
        },
        &|request| {
            request["subResource"] = json!("ephemeralcontainers");
            request["operation"] = json!("UPDATE");
        },
        &|request| {
            request["kind"] = json!({ "group": "apps", "version": "v1", "kind": "Deployment" });
            request["resource"] = deployments.clone();
            request["object"] = json!({ "kind": "Deployment", "spec": { "template": pod() } });
        },
    ];
    for change in changes {
        let response = scene.create(change);
        assert_eq!(keys(&response), UNTOUCHED);
        assert_eq!(response["allowed"], true);
    }
    assert!((scene.hook.metric(&["reviews_total", "outcome=\"untouched\""]) - 5.0).abs() < 0.1);
}

fn marked(request: &mut Value, place: &str, value: &str) {
    request["object"]["metadata"][place]["podmeter.io/inject"] = json!(value);
}

#[test]
fn a_pods_own_word_beats_that_of_its_surroundings() {
    let mut given = Scene::new(&[]);
    let mut needed = Scene::new(&["--unmarked", "skip"]);
    assert!(!given.create(|_| {})["patch"].is_null());
    assert_eq!(keys(&needed.create(|_| {})), UNTOUCHED);
    for place in ["labels", "annotations"] {
        let no = given.create(|request| marked(request, place, "disabled"));
        assert_eq!(keys(&no), UNTOUCHED, "{place}");
        let yes = needed.create(|request| marked(request, place, "enabled"));
        assert!(!yes["patch"].is_null(), "{place}");
    }
    given.hook.await_log("skipped: disabled");
}

#[test]
fn what_the_cluster_runs_on_gets_a_sidecar_only_if_it_asks() {
    let mut scene = Scene::new(&[]);
    let system = |request: &mut Value| request["namespace"] = json!("kube-system");
    assert_eq!(keys(&scene.create(system)), UNTOUCHED);
    let asked = scene.create(|request| {
        system(request);
        marked(request, "labels", "enabled");
    });
    assert!(!asked["patch"].is_null());
}

fn misspelt(request: &mut Value) {
    request["object"]["metadata"]["annotations"]["podmeter.io/dialekt"] = json!("istio");
}

#[test]
fn a_misspelt_annotation_costs_the_sidecar_and_not_the_pod() {
    let mut scene = Scene::new(&[]);
    let response = scene.create(misspelt);
    assert_eq!(response["allowed"], true);
    assert_eq!(keys(&response), ["uid", "allowed", "warnings"]);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("podmeter: no sidecar: "), "{warning}");
    assert!(warning.contains("podmeter.io/dialekt"), "{warning}");
    scene.hook.await_log("allowed without sidecar: podmeter.io/dialekt");
}

#[test]
fn a_misspelt_annotation_denies_the_pod_where_the_policy_says_fail() {
    let mut scene = Scene::new(&["--failure-policy", "fail"]);
    let response = scene.create(misspelt);
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
    assert!(status["message"].as_str().unwrap().contains("podmeter.io/dialekt"), "{status}");
    assert!(!scene.create(|_| {})["patch"].is_null(), "others are not denied");
}

#[test]
fn who_meant_to_have_a_sidecar_and_cannot_is_told_why() {
    let mut scene = Scene::new(&[]);
    let response = scene.create(|request| request["object"]["spec"]["hostNetwork"] = json!(true));
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.contains("hostNetwork"), "{warning}");
}

#[test]
fn settings_for_all_sidecars_are_taken_and_a_pod_may_differ() {
    let flags = ["--image", "registry.example/podmeter:9", "--set", "dialect=istio,envoy"];
    let mut scene = Scene::new(&flags);
    let response = scene.create(|_| {});
    let patch = operations(&response).to_string();
    assert!(patch.contains("registry.example/podmeter:9"), "{patch}");
    let response = scene.create(|request| {
        request["object"]["metadata"]["annotations"]["podmeter.io/image"] = json!("other:1");
    });
    let patch = operations(&response).to_string();
    assert!(patch.contains("other:1") && !patch.contains("registry.example/podmeter"), "{patch}");
}

#[test]
fn what_is_no_review_is_answered_with_a_sentence() {
    let mut scene = Scene::new(&[]);
    let old = json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview",
                      "request": creation(&pod())["request"] })
    .to_string();
    let bodies: [(&[u8], u16, &str); 5] = [
        (b"", 400, "the body is no AdmissionReview"),
        (b"{\"kind\": \"AdmissionReview\", ", 400, "the body is no AdmissionReview"),
        (b"\xff\xfe\x00", 400, "the body is no AdmissionReview"),
        (b"{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", 400, "the body is Pod of v1"),
        (old.as_bytes(), 400, "the body is AdmissionReview of admission.k8s.io/v1beta1"),
    ];
    for (body, status, said) in bodies {
        let answer = scene.client.post(body).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().starts_with(said), "{}", answer.text());
        assert_eq!(answer.text().lines().count(), 1, "{}", answer.text());
    }
    let deep = "[".repeat(100_000);
    let answer = scene.client.post(deep.as_bytes()).unwrap();
    assert_eq!(answer.status, 400);
    let got = scene.client.ask("GET /mutate", "", b"").unwrap();
    assert_eq!(got.status, 405);
    assert!(got.head.to_lowercase().contains("allow: post"), "{}", got.head);
    assert_eq!(scene.client.ask("POST /", "", b"{}").unwrap().status, 404);
    let text = scene.client.ask("POST /mutate", "Content-Type: text/plain\r\n", b"{}").unwrap();
    assert_eq!(text.status, 415);
    // None of it has harmed the webhook, nor the connection.
    assert!(!scene.create(|_| {})["patch"].is_null());
    assert!(scene.hook.metric(&["bad_requests_total"]) > 8.0);
    let failed = scene.hook.metric(&["reviews_total", "outcome=\"failed\""]);
    assert!((failed - 6.0).abs() < 0.1, "{failed}");
}

/// A review that a fuzzer might have made: one of ours, with bytes and values changed.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    let values = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!(-1)),
        Just(json!("\u{0}\n")),
        Just(json!([null, 3, {}])),
        Just(json!({ "podmeter.io/inject": "enabled", "podmeter.io/forward": "x" })),
    ];
    let places = prop::sample::select(vec![
        "/request/object/metadata",
        "/request/object/metadata/annotations",
        "/request/object/metadata/labels",
        "/request/object/metadata/ownerReferences",
        "/request/object/spec",
        "/request/object/spec/containers",
        "/request/object/spec/containers/0",
        "/request/object/spec/containers/0/ports",
        "/request/object/spec/containers/0/name",
        "/request/object/spec/containers/0/readinessProbe",
        "/request/object/spec/containers/0/readinessProbe/httpGet",
        "/request/object/spec/volumes",
        "/request/object/spec/securityContext",
        "/request/namespace",
        "/request/kind",
        "/request/resource",
    ]);
    let edits = proptest::collection::vec((places, values), 0..3);
    let bytes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    (edits, bytes).prop_map(|(edits, bytes)| {
        let mut review = creation(&pod());
        for (place, value) in edits {
            if let Some(old) = review.pointer_mut(place) {
                *old = value;
            }
        }
        let mut body = review.to_string().into_bytes();
        for (at, byte) in bytes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_in_a_line_or_answered_as_the_law_says(body in changed()) {
        prop_assert_eq!(check(&body), Ok(()), "{}", String::from_utf8_lossy(&body));
    }
}
