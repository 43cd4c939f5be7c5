//! Pods that are left as they are, and why.

use podmeter::inject::{Consent, Facts, Outcome, Sidecar, Workload, inject};
use serde_json::{Value, json};

fn pod(spec: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}});
    for (key, value) in spec.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    pod
}

#[track_caller]
fn reason(pod: &Value, facts: &Facts, settings: &[(&str, &str)]) -> (&'static str, String) {
    match inject(pod, facts, &Sidecar::new(settings.iter().copied()).unwrap()) {
        Outcome::Skipped(skip) => (skip.as_str(), skip.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_reason_is_said() {
    let facts = Facts::default();
    for (pod, word, said) in [
        (pod(&json!({"hostNetwork": true})), "host_network", "hostNetwork"),
        (pod(&json!({"os": {"name": "windows"}})), "windows", "Windows"),
        (pod(&json!({"nodeSelector": {"kubernetes.io/os": "windows"}})), "windows", "Windows"),
        (
            pod(&json!({"containers": [{"name": "a"}, {"name": "istio-proxy"}]})),
            "other_mesh",
            "another mesh's sidecar is present: container istio-proxy",
        ),
        (pod(&json!({"initContainers": [{"name": "linkerd-init"}]})), "other_mesh", "linkerd-init"),
        (
            pod(&json!({"initContainers": [{"name": "podmeter-proxy"}]})),
            "already_injected",
            "already",
        ),
        (
            pod(&json!({"containers": [{"name": "a", "securityContext": {"runAsUser": 1337}}]})),
            "same_user",
            "container a runs as user 1337",
        ),
        (
            pod(&json!({"securityContext": {"runAsUser": 1337}})),
            "same_user",
            "podmeter.io/proxy-uid",
        ),
        (
            pod(&json!({"securityContext": {"runAsGroup": 1337}})),
            "same_user",
            "podmeter.io/proxy-gid",
        ),
        (
            pod(&json!({"containers": [{"name": "a", "ports": [{"containerPort": 15090}]}]})),
            "port_taken",
            "podmeter.io/stats-listen",
        ),
        (pod(&json!({"containers": []})), "no_containers", "no containers"),
    ] {
        let (as_word, sentence) = reason(&pod, &facts, &[]);
        assert_eq!(as_word, word);
        assert!(sentence.contains(said), "{sentence}");
    }
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"containers": [{"name": "a"}]}});
    assert_eq!(reason(&mirror, &facts, &[]).0, "static_pod");
}

#[test]
fn what_only_looks_like_a_reason_is_none() {
    let facts = Facts::default();
    let overridden = json!({"securityContext": {"runAsUser": 1337},
        "containers": [{"name": "a", "securityContext": {"runAsUser": 7}}]});
    for (spec, settings) in [
        (json!({"hostNetwork": false}), vec![]),
        (json!({"nodeSelector": {"kubernetes.io/os": "linux"}}), vec![]),
        (overridden, vec![]),
        (json!({"securityContext": {"runAsUser": 1337}}), vec![("proxy-uid", "1338")]),
        (
            json!({"containers": [{"name": "a", "ports": [{"containerPort": 15090, "protocol": "UDP"}]}]}),
            vec![],
        ),
        (
            json!({"containers": [{"name": "a", "ports": [{"containerPort": 15090}]}]}),
            vec![("stats-listen", "25090")],
        ),
        // Contour's Envoy is an app.
        (json!({"containers": [{"name": "envoy"}]}), vec![]),
    ] {
        let outcome = inject(&pod(&spec), &facts, &Sidecar::new(settings).unwrap());
        assert!(matches!(outcome, Outcome::Injected(_)), "{outcome:?}");
    }
}

#[test]
fn the_pod_decides_and_its_label_before_its_annotation() {
    let with = |label: Option<&str>, annotation: Option<&str>| {
        let mut pod = pod(&json!({}));
        if let Some(label) = label {
            pod["metadata"]["labels"] = json!({"podmeter.io/inject": label});
        }
        if let Some(annotation) = annotation {
            pod["metadata"]["annotations"] = json!({"podmeter.io/inject": annotation});
        }
        pod
    };
    let (yes, no) = (Some("enabled"), Some("disabled"));
    for (label, annotation, consent, injected) in [
        (None, None, Consent::Given, true),
        (None, None, Consent::Needed, false),
        (None, None, Consent::Withheld, false),
        (yes, None, Consent::Withheld, true),
        (yes, no, Consent::Needed, true),
        (no, yes, Consent::Given, false),
        (None, yes, Consent::Needed, true),
        (None, no, Consent::Given, false),
    ] {
        let facts = Facts { consent, workload: None };
        let outcome = inject(&with(label, annotation), &facts, &Sidecar::default());
        let is = matches!(outcome, Outcome::Injected(_));
        assert_eq!(is, injected, "{label:?} {annotation:?} {consent:?}: {outcome:?}");
    }
    let odd = inject(&with(Some("yes"), None), &Facts::default(), &Sidecar::default());
    let Outcome::Refused(refusal) = odd else { panic!("{odd:?}") };
    assert_eq!(
        refusal.to_string(),
        "podmeter.io/inject is \"yes\", but it takes enabled or disabled"
    );
}

#[test]
fn a_job_is_never_kept_from_finishing() {
    let facts = Facts { workload: Some(Workload::new("Job", "a")), ..Facts::default() };
    let ordinary = [("native-sidecar", "false")];
    assert_eq!(reason(&pod(&json!({})), &facts, &ordinary).0, "would_not_finish");
    let never = pod(&json!({"restartPolicy": "Never"}));
    assert_eq!(reason(&never, &Facts::default(), &ordinary).0, "would_not_finish");
    let outcome = inject(&never, &facts, &Sidecar::default());
    assert!(matches!(outcome, Outcome::Injected(_)));
}

#[test]
fn another_version_is_named() {
    let mut pod = pod(&json!({"initContainers": [{"name": "podmeter-proxy"}]}));
    pod["metadata"]["annotations"] = json!({"podmeter.io/status": "{\"version\":\"0.0.1\"}"});
    let said = reason(&pod, &Facts::default(), &[]).1;
    assert_eq!(said, "already injected, by version 0.0.1; take that out first (--uninject)");
}

#[test]
fn what_is_no_pod_is_refused_and_nothing_panics() {
    for pod in [
        json!({"metadata": []}),
        json!({"metadata": {"labels": "x"}}),
        json!({"metadata": {"annotations": [1]}}),
        json!({"spec": "x"}),
        json!({"spec": {"containers": {}}}),
        json!({"spec": {"containers": ["a"]}}),
        json!({"spec": {"containers": [{"name": "a"}], "initContainers": "x"}}),
    ] {
        let outcome = inject(&pod, &Facts::default(), &Sidecar::default());
        assert!(matches!(outcome, Outcome::Refused(_)), "{pod}: {outcome:?}");
    }
    for pod in [
        json!({"spec": {"containers": [{"name": 7, "ports": "x", "livenessProbe": [],
            "securityContext": "x"}]}}),
        json!({"spec": {"containers": [{"ports": [7, {"containerPort": "x"}],
            "readinessProbe": {"tcpSocket": {"port": 99_999}}}], "securityContext": []}}),
        json!({"metadata": {"labels": {"app": 7}}, "spec": {"containers": [{}],
            "terminationGracePeriodSeconds": -1}}),
    ] {
        let outcome = inject(&pod, &Facts::default(), &Sidecar::default());
        let Outcome::Injected(injected) = outcome else { panic!("{pod}: {outcome:?}") };
        assert_eq!(podmeter::inject::uninject(&injected.pod), Some(pod));
    }
}

#[test]
fn an_empty_word_is_none() {
    let facts = |consent| Facts { consent, ..Facts::default() };
    for place in ["labels", "annotations"] {
        let mut pod = pod(&json!({}));
        pod["metadata"][place] = json!({"podmeter.io/inject": ""});
        assert_eq!(reason(&pod, &facts(Consent::Needed), &[]).0, "not_asked");
        let outcome = inject(&pod, &facts(Consent::Given), &Sidecar::default());
        assert!(matches!(outcome, Outcome::Injected(_)), "{outcome:?}");
    }
}
