//! Where the app's metrics and probes are asked that did not name a port which we leave alone.

use podmeter::inject::{Facts, Outcome, Sidecar, inject};
use serde_json::{Value, json};

#[track_caller]
fn injected(pod: &Value) -> Value {
    match inject(pod, &Facts::default(), &Sidecar::default()) {
        Outcome::Injected(injected) => injected.pod,
        other => panic!("{other:?}"),
    }
}

/// The proxy, wherever it is.
fn proxy(pod: &Value) -> &Value {
    let mut all = pod["spec"]["initContainers"].as_array().unwrap().iter();
    all.find(|container| container["name"] == "podmeter-proxy").unwrap()
}

#[test]
fn a_port_that_is_no_number_is_a_name_or_the_first_that_is_declared() {
    let ports = json!([
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "http", "containerPort": 8080}
    ]);
    let containers = json!([
        {"name": "web", "ports": ports},
        {"name": "exporter", "ports": [{"name": "metrics", "containerPort": 9102}]}
    ]);
    for (port, merged) in [
        ("metrics", Some(9102)),
        ("http", Some(8080)),
        (" 7000 ", Some(7000)),
        ("dns", Some(8080)),
        ("", Some(8080)),
        ("nope", Some(8080)),
        ("0", Some(8080)),
        ("99999", Some(8080)),
    ] {
        let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": port});
        let mut pod =
            json!({"metadata": {"annotations": annotations}, "spec": {"containers": containers}});
        let source = |pod: &Value| {
            let args = proxy(pod)["args"].as_array().unwrap().clone();
            let mut sources = args.iter().filter_map(|arg| {
                arg.as_str()?.strip_prefix("--app-metrics=").map(ToOwned::to_owned)
            });
            sources.next()
        };
        let expected = merged.map(|port| format!("http://127.0.0.1:{port}/metrics"));
        assert_eq!(source(&injected(&pod)), expected, "{port:?}");
        pod["spec"]["containers"] = json!([{"name": "web"}]);
        let number = port.trim() == "7000";
        assert_eq!(source(&injected(&pod)), expected.filter(|_| number), "{port:?}");
    }
}

#[test]
fn a_probe_of_a_forwarded_port_asks_the_app_behind_it() {
    let pod = json!({
        "metadata": {"annotations": {"podmeter.io/forward": "8080=8081"}},
        "spec": {"containers": [{
            "name": "web",
            "ports": [{"name": "http", "containerPort": 8080}],
            "livenessProbe": {"tcpSocket": {"port": "http"}},
            "readinessProbe": {"httpGet": {"port": 8080, "path": "/r", "scheme": "HTTPS"}},
            "startupProbe": {"httpGet": {"port": 8080, "path": "/s"}}
        }, {
            "name": "other",
            "livenessProbe": {"tcpSocket": {"port": 8081}}
        }]}
    });
    let after = injected(&pod);
    let [web, other] = [0, 1].map(|index| &after["spec"]["containers"][index]);
    for (probe, path) in [("livenessProbe", "livez"), ("readinessProbe", "readyz")] {
        let ours = json!({"path": format!("/app-health/web/{path}"), "port": 15021});
        assert_eq!(web[probe], json!({"httpGet": ours}));
    }
    // One that is told by its user agent goes through the forward, and nobody takes the other's port.
    assert_eq!(web["startupProbe"], pod["spec"]["containers"][0]["startupProbe"]);
    assert_eq!(other, &pod["spec"]["containers"][1]);
    let env = proxy(&after)["env"].as_array().unwrap();
    let told = env.iter().find(|one| one["name"] == "PODMETER_APP_PROBES").unwrap();
    let told: Value = serde_json::from_str(told["value"].as_str().unwrap()).unwrap();
    let https = json!({"port": 8081, "path": "/r", "scheme": "HTTPS"});
    assert_eq!(
        told,
        json!({"/app-health/web/livez": {"tcpSocket": {"port": 8081}},
            "/app-health/web/readyz": {"httpGet": https}})
    );
    assert_eq!(podmeter::inject::uninject(&after), Some(pod));
}

#[test]
fn a_port_that_is_nonsense_is_told() {
    let mut pod = json!({"spec": {"containers": [{"ports": [{"containerPort": 8080}]}]}});
    pod["metadata"]["annotations"] =
        json!({"prometheus.io/scrape": "true", "prometheus.io/port": "nope"});
    let warnings = |pod: &Value| match inject(pod, &Facts::default(), &Sidecar::default()) {
        Outcome::Injected(injected) => injected.warnings,
        other => panic!("{other:?}"),
    };
    let told = "prometheus.io/port is \"nope\", which is neither a port nor the name of one";
    let first = "the app's metrics are taken from the first that is declared, 8080";
    assert_eq!(warnings(&pod), [format!("{told}; {first}")]);
    pod["metadata"]["annotations"]["prometheus.io/port"] = json!("");
    assert!(warnings(&pod).is_empty());
}
