//! Pods as people might write them, and as nobody would.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// A pod that may get a sidecar.
pub(crate) fn pods() -> impl Strategy<Value = Value> {
    let annotations = prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(json!({}))),
        annotations().prop_map(Some),
        annotations().prop_map(Some),
    ];
    let init = prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(json!([]))),
        prop::collection::vec(container("init", true), 1..3).prop_map(|list| Some(list.into())),
    ];
    let metadata = (annotations, option::of(labels()), unknown(), any::<bool>());
    let spec = (
        init,
        prop::collection::vec(container("app", false), 1..4),
        unknown(),
        option::of(prop_oneof![Just(json!(null)), Just(json!(false)), Just(json!(true))]),
        option::of(0..100_u64),
    );
    (metadata, spec, unknown()).prop_map(|(metadata, spec, unknown)| {
        let mut pod = Map::new();
        let (annotations, labels, more, there) = metadata;
        let mut of_metadata = Map::new();
        put(&mut of_metadata, "labels", labels);
        put(&mut of_metadata, "annotations", annotations);
        of_metadata.extend(more);
        if there {
            pod.insert("metadata".to_owned(), of_metadata.into());
        }
        let (init, containers, more, share, grace) = spec;
        let mut of_spec = Map::new();
        put(&mut of_spec, "initContainers", init.map(renamed));
        put(&mut of_spec, "containers", Some(renamed(containers.into())));
        put(&mut of_spec, "shareProcessNamespace", share);
        put(&mut of_spec, "terminationGracePeriodSeconds", grace.map(Value::from));
        of_spec.extend(more);
        pod.insert("spec".to_owned(), of_spec.into());
        pod.extend(unknown);
        Value::Object(pod)
    })
}

/// Settings that any pod may have.
pub(crate) fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let known = [
        ("native-sidecar", "false"),
        ("redirect-outbound", "true"),
        ("share-process-namespace", "true"),
        ("share-process-namespace", "false"),
        ("prometheus-annotations", "add"),
        ("prometheus-annotations", "keep"),
        ("rewrite-probes", "false"),
        ("dialect", "envoy"),
        ("workload", "shop"),
        ("inbound-mode", "tproxy"),
        ("exclude-inbound-ports", "8080"),
        ("forward", "18080=8080"),
        ("stats-listen", "25090"),
        ("health-listen", "off"),
        ("memory-limit", "none"),
        ("image-pull-policy", "Always"),
    ];
    let one = select(known.to_vec());
    let one = one.prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    prop::collection::vec(one, 0..4)
}

fn annotations() -> impl Strategy<Value = Value> {
    let key = select(vec![
        "prometheus.io/scrape",
        "prometheus.io/port",
        "prometheus.io/path",
        "prometheus.io/scheme",
        "example.com/note",
        "on",
        "a.b/c",
    ]);
    let value =
        select(vec!["true", "false", "8080", "9102", "/m x,y", "https", "http", "", "a: b"]);
    prop::collection::vec((key, value), 0..5).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), json!(v))).collect())
    })
}

fn labels() -> impl Strategy<Value = Value> {
    let key = select(vec!["app", "version", "app.kubernetes.io/name", "tier"]);
    prop::collection::vec((key, "[a-z]{1,5}"), 0..4).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), json!(v))).collect())
    })
}

fn container(name: &'static str, init: bool) -> impl Strategy<Value = Value> {
    let ports = json!([
        {"name": "http", "containerPort": 8080},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"containerPort": 9102, "protocol": "TCP"}
    ]);
    let fields = (
        option::of(Just(ports)),
        option::of(probe()),
        option::of(probe()),
        option::of(probe()),
        option::of(Just(json!({"runAsUser": 1000, "runAsNonRoot": true}))),
        unknown(),
        any::<bool>(),
    );
    fields.prop_map(move |(ports, live, ready, start, security, more, sidecar)| {
        let mut container = Map::new();
        container.insert("name".to_owned(), json!(name));
        container.insert("image".to_owned(), json!("example/app:1"));
        put(&mut container, "ports", ports);
        put(&mut container, "livenessProbe", live);
        put(&mut container, "readinessProbe", ready);
        put(&mut container, "startupProbe", start);
        put(&mut container, "securityContext", security);
        if init && sidecar {
            container.insert("restartPolicy".to_owned(), json!("Always"));
        }
        container.extend(more);
        Value::Object(container)
    })
}

fn probe() -> impl Strategy<Value = Value> {
    let handler = select(vec![
        json!({"tcpSocket": {"port": 8080}}),
        json!({"tcpSocket": {"port": "http"}}),
        json!({"tcpSocket": {"port": "dns"}}),
        json!({"tcpSocket": {"host": "10.0.0.1", "port": 8080}}),
        json!({"httpGet": {"port": "http", "path": "/ready"}}),
        json!({"httpGet": {"port": 8443, "path": "/ready", "scheme": "HTTPS"}}),
        json!({"httpGet": {"port": 8443, "scheme": "HTTPS",
            "httpHeaders": [{"name": "Host", "value": "shop"}]}}),
        json!({"grpc": {"port": 9000}}),
        json!({"exec": {"command": ["true"]}}),
        json!({}),
    ]);
    (handler, option::of(1..30_u32), any::<bool>()).prop_map(|(handler, timeout, first)| {
        let mut probe = Map::new();
        let timeout = timeout.map(Value::from);
        if first {
            put(&mut probe, "timeoutSeconds", timeout.clone());
        }
        probe.extend(handler.as_object().unwrap().clone());
        if !first {
            put(&mut probe, "timeoutSeconds", timeout);
        }
        Value::Object(probe)
    })
}

/// Fields that no version of Kubernetes has, with what may be hard to write.
fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(vec![
            "",
            "y",
            "on",
            "012",
            "1:30",
            "0x1f",
            "~",
            "a\nb\n",
            "- x",
            "# c",
            "a: b",
            "{x",
            "*x",
            "&x",
            "'",
            "\"",
            "it's \"so\"",
            "\u{2028}",
            "\u{85}",
            "tab\tx",
            "ü",
            "<<",
            "trailing ",
            "1e3",
            "null",
            "No",
            ".5",
            "%x",
            "@x",
            "`x",
            "!x",
            "|",
            ">",
            "2001-01-01",
            "=",
            "?",
            "\u{7f}",
            "\u{feff}",
            "😀",
            "-",
            "--- x",
            "... x",
            "[a",
            "a]",
            "a #b",
            ":",
            "a:",
        ])
        .prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("x[a-c]", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    prop_oneof![
        3 => Just(Map::new()),
        1 => prop::collection::vec(("x-[a-z]{1,3}", value), 1..3)
            .prop_map(|pairs| pairs.into_iter().collect()),
    ]
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}

/// Gives each container a name of its own.
fn renamed(mut list: Value) -> Value {
    for (index, container) in list.as_array_mut().into_iter().flatten().enumerate() {
        let name = format!("{}-{index}", container["name"].as_str().unwrap());
        container["name"] = json!(name);
    }
    list
}
