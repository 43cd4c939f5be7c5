//! What can be set, by flag and by annotation, and what comes of it.

use podmeter::inject::{Facts, Outcome, Sidecar, Workload, inject, settings};
use serde_json::{Value, json};

fn with(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}, "spec": {"containers": [
        {"name": "web", "ports": [{"name": "http", "containerPort": 8080}]}
    ]}})
}

#[track_caller]
fn pod(annotations: &Value) -> Value {
    match inject(&with(annotations), &Facts::default(), &Sidecar::default()) {
        Outcome::Injected(injected) => injected.pod,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refusal(annotations: &Value) -> String {
    match inject(&with(annotations), &Facts::default(), &Sidecar::default()) {
        Outcome::Refused(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

fn init(pod: &Value) -> &Value {
    &pod["spec"]["initContainers"][0]
}

/// The proxy where an init container applies the rules.
fn proxy(pod: &Value) -> &Value {
    &pod["spec"]["initContainers"][1]
}

fn args(container: &Value) -> Vec<&str> {
    container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect()
}

#[test]
fn an_annotation_is_a_flag_of_the_proxy_or_of_the_rules() {
    let pod = pod(&json!({
        "podmeter.io/dialect": "envoy",
        "podmeter.io/max-connections": "77",
        "podmeter.io/exclude-inbound-ports": "22,25",
        "podmeter.io/redirect-outbound": "true",
        "podmeter.io/exclude-outbound-cidrs": "10.96.0.1",
        "podmeter.io/only-listening": "true",
        "podmeter.io/backend": "nftables",
        "podmeter.io/proxy-uid": "2000",
        "podmeter.io/image": "example/podmeter:9",
        "podmeter.io/image-pull-policy": "Always",
    }));
    assert_eq!(
        args(init(&pod)),
        [
            "redirect",
            "apply",
            "--exclude-inbound-ports=22,25",
            "--exclude-outbound-cidrs=10.96.0.1",
            "--proxy-uid=2000",
            "--only-listening",
            "--redirect-outbound",
            "--backend=nftables"
        ]
    );
    assert_eq!(
        args(proxy(&pod)),
        [
            "proxy",
            "--dialect=envoy",
            "--max-connections=77",
            "--outbound-listen=15001",
            "--drain-timeout=25s"
        ]
    );
    assert_eq!(proxy(&pod)["securityContext"]["runAsUser"], 2000);
    for container in [init(&pod), proxy(&pod)] {
        assert_eq!(container["image"], "example/podmeter:9");
        assert_eq!(container["imagePullPolicy"], "Always");
    }
}

#[test]
fn listeners_that_move_take_the_rules_and_the_declared_ports_along() {
    let pod = pod(&json!({
        "podmeter.io/inbound-listen": "16006",
        "podmeter.io/stats-listen": "16090",
        "podmeter.io/health-listen": "16021",
        "podmeter.io/admin-listen": "off",
    }));
    assert_eq!(
        args(init(&pod)),
        ["redirect", "apply", "--inbound-port=16006", "--proxy-ports=16090,16021"]
    );
    let ports: Vec<_> =
        proxy(&pod)["ports"].as_array().unwrap().iter().map(|p| &p["containerPort"]).collect();
    assert_eq!(ports, [16090, 16021]);
    assert_eq!(proxy(&pod)["readinessProbe"]["httpGet"]["port"], 16021);
}

#[test]
fn a_forward_needs_no_init_container() {
    let pod = pod(&json!({"podmeter.io/forward": "8080=8081"}));
    assert_eq!(pod["spec"]["initContainers"].as_array().unwrap().len(), 1);
    assert_eq!(args(init(&pod))[..2], ["proxy", "--forward=8080=8081"]);
    let both = json!({"podmeter.io/forward": "18080=8081", "podmeter.io/redirect": "true"});
    let both = self::pod(&both);
    assert!(args(proxy(&both)).contains(&"--inbound-listen=0.0.0.0:15006"));
    assert!(
        args(init(&both))
            .iter()
            .any(|arg| arg.starts_with("--proxy-ports=") && arg.contains("18080"))
    );
}

#[test]
fn tproxy_takes_root_and_one_capability() {
    let pod = pod(&json!({"podmeter.io/inbound-mode": "tproxy"}));
    assert!(args(init(&pod)).contains(&"--mode=tproxy"));
    let security = &proxy(&pod)["securityContext"];
    assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&json!(0), &json!(1337)));
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"], "add": ["NET_ADMIN"]}));
}

#[test]
fn an_ordinary_container_comes_first_and_the_rules_come_last() {
    let mut pod = with(&json!({"podmeter.io/native-sidecar": "false"}));
    pod["spec"]["initContainers"] = json!([{"name": "migrate"}]);
    pod["spec"]["terminationGracePeriodSeconds"] = json!(60);
    let facts = Facts { workload: Some(Workload::new("Deployment", "web")), ..Facts::default() };
    let Outcome::Injected(injected) = inject(&pod, &facts, &Sidecar::default()) else { panic!() };
    let spec = &injected.pod["spec"];
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&spec["initContainers"]), ["migrate", "podmeter-init"]);
    assert_eq!(names(&spec["containers"]), ["podmeter-proxy", "web"]);
    let proxy = &spec["containers"][0];
    assert!(proxy["restartPolicy"].is_null());
    let hold = &proxy["lifecycle"]["postStart"]["exec"]["command"];
    assert_eq!(
        hold,
        &json!([
            "/podmeter",
            "wait",
            "--until-ready",
            "http://127.0.0.1:15021/healthz/ready",
            "60s"
        ])
    );
    assert_eq!(
        proxy["lifecycle"]["preStop"]["exec"]["command"],
        json!(["/podmeter", "wait", "5s"])
    );
    assert!(args(proxy).contains(&"--drain-timeout=50s"));
    let default =
        &injected.pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"];
    assert_eq!(default, "web");
}

#[test]
fn the_pod_says_who_it_is() {
    let mut pod = with(&json!({}));
    pod["metadata"]["labels"] = json!({"app": "shop", "app.kubernetes.io/version": "v2"});
    let facts = Facts { workload: Some(Workload::new("Deployment", "shop")), ..Facts::default() };
    let Outcome::Injected(injected) = inject(&pod, &facts, &Sidecar::default()) else { panic!() };
    let from = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    assert_eq!(
        proxy(&injected.pod)["env"],
        json!([
            from("PODMETER_POD", "metadata.name"),
            from("PODMETER_NAMESPACE", "metadata.namespace"),
            {"name": "PODMETER_WORKLOAD", "value": "shop"},
            from("PODMETER_POD_TEMPLATE_HASH", "metadata.labels['pod-template-hash']"),
            from("PODMETER_APP", "metadata.labels['app']"),
            from("PODMETER_VERSION_LABEL", "metadata.labels['app.kubernetes.io/version']"),
        ])
    );
    pod["metadata"]["annotations"] = json!({"podmeter.io/workload": "till"});
    let Outcome::Injected(injected) = inject(&pod, &facts, &Sidecar::default()) else { panic!() };
    assert!(!proxy(&injected.pod)["env"].to_string().contains("WORKLOAD"));
    assert!(args(proxy(&injected.pod)).contains(&"--workload=till"));
}

#[test]
fn scrape_annotations_point_at_the_proxy_which_merges_what_they_pointed_at() {
    let annotations = |pod: &Value| {
        let mut annotations = pod["metadata"]["annotations"].as_object().unwrap().clone();
        annotations.remove("podmeter.io/status");
        Value::Object(annotations)
    };
    let scraped = pod(&json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9102",
        "prometheus.io/path": "stats,x", "prometheus.io/scheme": "https"}));
    assert_eq!(
        annotations(&scraped),
        json!({"prometheus.io/scrape": "true", "prometheus.io/port": "15090",
            "prometheus.io/path": "/stats/prometheus", "prometheus.io/scheme": "http"})
    );
    let source = "--app-metrics=https://127.0.0.1:9102/stats%2Cx,insecure-skip-verify=true";
    assert!(args(proxy(&scraped)).contains(&source), "{:?}", args(proxy(&scraped)));

    let bare = pod(&json!({"prometheus.io/scrape": "true"}));
    assert!(args(proxy(&bare)).contains(&"--app-metrics=http://127.0.0.1:8080/metrics"));
    for (given, source) in [
        (json!({"prometheus.io/scrape": "false", "prometheus.io/port": "9102"}), None),
        (json!({"prometheus.io/port": "9102"}), None),
        (
            json!({"prometheus.io/scrape": "true", "podmeter.io/prometheus-annotations": "keep"}),
            None,
        ),
        (json!({"prometheus.io/scrape": "true", "prometheus.io/port": "15090"}), None),
        (json!({"prometheus.io/scrape": "true", "podmeter.io/app-metrics": ":7/m"}), Some(":7/m")),
        (json!({"podmeter.io/prometheus-annotations": "add"}), None),
    ] {
        let after = pod(&given);
        let told =
            args(proxy(&after)).into_iter().find_map(|arg| arg.strip_prefix("--app-metrics="));
        assert_eq!(told, source, "{given}");
        let added = given.to_string().contains("add");
        assert_eq!(
            annotations(&after) != given,
            added || source.is_some() || given["prometheus.io/port"] == "15090"
        );
    }
}

#[test]
fn probes_that_would_lie_are_asked_through_the_proxy() {
    let mut pod = with(&json!({"podmeter.io/exclude-inbound-ports": "9"}));
    pod["spec"]["containers"] = json!([
        {"name": "web", "ports": [{"name": "http", "containerPort": 8080}],
         "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 7, "timeoutSeconds": 4},
         "readinessProbe": {"httpGet": {"port": 8443, "path": "/r", "scheme": "HTTPS"}},
         "startupProbe": {"httpGet": {"port": "http"}}},
        {"name": "other", "livenessProbe": {"tcpSocket": {"port": 9}},
         "readinessProbe": {"tcpSocket": {"port": "http"}}, "startupProbe": {"grpc": {"port": 1}}}
    ]);
    let Outcome::Injected(injected) = inject(&pod, &Facts::default(), &Sidecar::default()) else {
        panic!()
    };
    let [web, other] = [0, 1].map(|index| &injected.pod["spec"]["containers"][index]);
    assert_eq!(
        web["livenessProbe"],
        json!({"httpGet": {"path": "/app-health/web/livez", "port": 15021}, "periodSeconds": 7, "timeoutSeconds": 4})
    );
    assert_eq!(
        web["readinessProbe"],
        json!({"httpGet": {"path": "/app-health/web/readyz", "port": 15021}})
    );
    assert_eq!(web["startupProbe"], pod["spec"]["containers"][0]["startupProbe"]);
    assert_eq!(other, &pod["spec"]["containers"][1]);
    let env = proxy(&injected.pod)["env"].as_array().unwrap();
    let told = env.iter().find(|one| one["name"] == "PODMETER_APP_PROBES").unwrap();
    let told: Value = serde_json::from_str(told["value"].as_str().unwrap()).unwrap();
    assert_eq!(
        told,
        json!({"/app-health/web/livez": {"tcpSocket": {"port": 8080}, "timeoutSeconds": 4},
            "/app-health/web/readyz": {"httpGet": {"port": 8443, "path": "/r", "scheme": "HTTPS"}}})
    );
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_whoever_set_it() {
    for (annotations, sentence) in [
        (
            json!({"podmeter.io/dialect": "promethus"}),
            "podmeter.io/dialect is \"promethus\", but it takes",
        ),
        (
            json!({"podmeter.io/dialekt": "istio"}),
            "podmeter.io/dialekt is not known; did you mean podmeter.io/dialect?",
        ),
        (
            json!({"podmeter.io/workers": 2}),
            "podmeter.io/workers is 2, but an annotation is a text",
        ),
        (
            json!({"podmeter.io/redirect": "maybe"}),
            "podmeter.io/redirect is \"maybe\", but it takes true or false",
        ),
        (
            json!({"podmeter.io/cpu-request": "lots"}),
            "podmeter.io/cpu-request is \"lots\", but it takes a quantity",
        ),
        (
            json!({"podmeter.io/cpu-request": "2", "podmeter.io/cpu-limit": "1"}),
            "is more than podmeter.io/cpu-limit",
        ),
        (
            json!({"podmeter.io/memory-limit": "64m"}),
            "podmeter.io/memory-limit is \"64m\", but it takes 8Mi or more, such as 64Mi",
        ),
        (json!({"podmeter.io/memory-request": "1"}), "podmeter.io/memory-request is \"1\""),
        (
            json!({"podmeter.io/redirect-outbound": "true", "podmeter.io/outbound-listen": "off"}),
            "podmeter.io/redirect-outbound is true, but podmeter.io/outbound-listen is off",
        ),
        (json!({"podmeter.io/proxy-uid": "0"}), "podmeter.io/proxy-uid is \"0\""),
        (json!({"podmeter.io/image": "a b"}), "podmeter.io/image is"),
        (
            json!({"podmeter.io/include-inbound-ports": "x"}),
            "podmeter.io/include-inbound-ports is \"x\"",
        ),
        (
            json!({"podmeter.io/exclude-outbound-ports": "1"}),
            "is given without podmeter.io/redirect-outbound",
        ),
        (json!({"podmeter.io/stats-listen": "15021"}), "podmeter.io/stats-listen"),
        (json!({"podmeter.io/proxy-ports": "1"}), "podmeter.io/proxy-ports cannot be set"),
        (json!({"podmeter.io/status": "x"}), "delete that annotation"),
        (json!({"podmeter.io/backend": "ebpf"}), "podmeter.io/backend is \"ebpf\""),
        (json!({"podmeter.io/app-metrics": "ftp://x"}), "podmeter.io/app-metrics is"),
    ] {
        let said = refusal(&annotations);
        assert!(said.contains(sentence), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
    let flag = Sidecar::new([("dialect", "x")]).unwrap_err().to_string();
    assert!(flag.starts_with("--dialect is \"x\""), "{flag}");
}

#[test]
fn rules_for_outbound_traffic_and_nobody_to_take_it_are_refused_whoever_sets_which() {
    let both = [("redirect-outbound", "true"), ("outbound-listen", "off")];
    let said = Sidecar::new(both).unwrap_err().to_string();
    assert!(
        said.starts_with("--redirect-outbound is true, but --outbound-listen is off"),
        "{said}"
    );
    let sidecar = Sidecar::new([both[1]]).unwrap();
    let pod = with(&json!({"podmeter.io/redirect-outbound": "true"}));
    let Outcome::Refused(refusal) = inject(&pod, &Facts::default(), &sidecar) else { panic!() };
    let said = refusal.to_string();
    assert!(
        said.contains("podmeter.io/redirect-outbound is true, but --outbound-listen"),
        "{said}"
    );
}

#[test]
fn an_annotation_beats_a_flag_and_an_empty_one_the_flag_too() {
    let sidecar = Sidecar::new([("workers", "2"), ("max-series", "5")]).unwrap();
    let pod = with(&json!({"podmeter.io/workers": "3", "podmeter.io/max-series": ""}));
    let Outcome::Injected(injected) = inject(&pod, &Facts::default(), &sidecar) else { panic!() };
    assert_eq!(args(proxy(&injected.pod)), ["proxy", "--workers=3", "--drain-timeout=25s"]);
}

#[test]
fn nothing_in_an_argument_is_taken_for_a_variable_by_kubernetes() {
    let pod = pod(&json!({"podmeter.io/app-metrics": "http://127.0.0.1:1/$(HOME)"}));
    assert!(args(proxy(&pod)).contains(&"--app-metrics=http://127.0.0.1:1/$$(HOME)"));
}

#[test]
fn amounts_give_way_to_what_is_said() {
    let resources = |annotations: Value| proxy(&pod(&annotations))["resources"].clone();
    assert_eq!(
        resources(json!({})),
        json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}})
    );
    assert_eq!(
        resources(json!({"podmeter.io/memory-limit": "16Mi", "podmeter.io/cpu-limit": "1"})),
        json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "16Mi"}})
    );
    let none = json!({"podmeter.io/memory-limit": "none", "podmeter.io/memory-request": "none", "podmeter.io/cpu-request": "none"});
    assert_eq!(resources(none), Value::Null);
}

#[test]
fn the_documentation_names_every_setting() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/inject.md")).unwrap();
    let own: Vec<_> = settings().into_iter().map(|setting| setting.name).collect();
    let proxy =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md"))
            .unwrap();
    for name in own {
        let told = text.contains(&format!("`{name}`")) || proxy.contains(&format!("| `--{name} "));
        assert!(told, "{name} is told nowhere");
    }
}
