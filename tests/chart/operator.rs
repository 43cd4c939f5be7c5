//! What the Prometheus Operator makes of monitors: a scrape configuration, in the order in which it
//! writes the rules, with discovery replaced by a list of the pods there are.

use serde_json::{Map, Value, json};

/// A pod as discovery finds it.
pub(crate) struct Pod {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) annotations: &'static [(&'static str, &'static str)],
    pub(crate) phase: &'static str,
    pub(crate) ports: Vec<Port>,
}

/// A port of one of its containers, and what stands for it here.
pub(crate) struct Port {
    pub(crate) container: &'static str,
    pub(crate) is_init: bool,
    pub(crate) name: &'static str,
    pub(crate) number: u16,
    pub(crate) addr: std::net::SocketAddr,
}

/// The scrape configurations of every monitor among `objects`.
pub(crate) fn scrape_configs(objects: &[Value], pods: &[Pod]) -> Vec<Value> {
    let mut configs = Vec::new();
    for object in objects {
        match object["kind"].as_str().unwrap() {
            "PodMonitor" => {
                for (index, endpoint) in list(&object["spec"]["podMetricsEndpoints"]).enumerate() {
                    configs.push(of_pod_monitor(object, endpoint, index, pods));
                }
            }
            "ServiceMonitor" => {
                for (index, endpoint) in list(&object["spec"]["endpoints"]).enumerate() {
                    configs.push(of_service_monitor(object, endpoint, index, objects, pods));
                }
            }
            _ => {}
        }
    }
    configs
}

/// What `kubernetes_sd_configs` with the role `pod` finds: one target for each port of a container.
pub(crate) fn discovered(pods: &[Pod]) -> Vec<Value> {
    let mut targets = Vec::new();
    for pod in pods {
        for port in &pod.ports {
            let mut labels = of_pod(pod);
            set(&mut labels, "pod_container_name", port.container);
            set(&mut labels, "pod_container_init", &port.is_init.to_string());
            set(&mut labels, "pod_container_port_name", port.name);
            set(&mut labels, "pod_container_port_number", &port.number.to_string());
            set(&mut labels, "pod_container_port_protocol", "TCP");
            targets.push(json!({ "targets": [port.addr.to_string()], "labels": labels }));
        }
    }
    targets
}

fn of_pod_monitor(monitor: &Value, endpoint: &Value, index: usize, pods: &[Pod]) -> Value {
    let mut rules = vec![
        json!({ "action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)" }),
    ];
    rules.extend(of_namespaces(monitor));
    rules.extend(of_selector(&monitor["spec"]["selector"], "pod"));
    rules.push(keep("pod_container_port_name", endpoint["port"].as_str().unwrap()));
    for (source, target) in
        [("namespace", "namespace"), ("pod_container_name", "container"), ("pod_name", "pod")]
    {
        rules.push(copy(source, target));
    }
    rules.extend(of_job(monitor, "pod"));
    rules.push(json!({ "target_label": "endpoint", "replacement": endpoint["port"] }));
    config(monitor, endpoint, index, rules, &discovered(pods))
}

fn of_service_monitor(
    monitor: &Value,
    endpoint: &Value,
    index: usize,
    objects: &[Value],
    pods: &[Pod],
) -> Value {
    let mut rules: Vec<Value> = of_namespaces(monitor).into_iter().collect();
    rules.extend(of_selector(&monitor["spec"]["selector"], "service"));
    rules.push(keep("endpoint_port_name", endpoint["port"].as_str().unwrap()));
    for (source, target) in
        [("namespace", "namespace"), ("service_name", "service"), ("pod_name", "pod")]
    {
        rules.push(copy(source, target));
    }
    // Empty where discovery does not find out the container, as with native sidecars.
    rules.push(copy("pod_container_name", "container"));
    rules.extend(of_job(monitor, "service"));
    rules.push(json!({ "target_label": "endpoint", "replacement": endpoint["port"] }));
    config(monitor, endpoint, index, rules, &endpoints(objects, pods))
}

/// What the role `endpoints` finds: the pods that each Service selects, at each of its ports.
fn endpoints(objects: &[Value], pods: &[Pod]) -> Vec<Value> {
    let mut targets = Vec::new();
    for service in objects.iter().filter(|object| object["kind"] == "Service") {
        for pod in pods.iter().filter(|pod| service["metadata"]["namespace"] == pod.namespace) {
            let selector = service["spec"]["selector"].as_object().unwrap();
            let has = |(name, value): (&String, &Value)| {
                pod.labels.iter().any(|(own, is)| own == name && value == is)
            };
            if !selector.iter().all(has) {
                continue;
            }
            for port in list(&service["spec"]["ports"]) {
                let reached = pod.ports.iter().find(|own| port["targetPort"] == own.number);
                let Some(reached) = reached else { continue };
                let mut labels = of_pod(pod);
                set(&mut labels, "service_name", service["metadata"]["name"].as_str().unwrap());
                set(&mut labels, "endpoint_port_name", port["name"].as_str().unwrap());
                for (name, value) in service["metadata"]["labels"].as_object().unwrap() {
                    let name = sanitized(name);
                    set(&mut labels, &format!("service_label_{name}"), value.as_str().unwrap());
                    set(&mut labels, &format!("service_labelpresent_{name}"), "true");
                }
                targets.push(json!({ "targets": [reached.addr.to_string()], "labels": labels }));
            }
        }
    }
    targets
}

/// What discovery says of the pod itself.
fn of_pod(pod: &Pod) -> Map<String, Value> {
    let mut labels = Map::new();
    set(&mut labels, "namespace", pod.namespace);
    set(&mut labels, "pod_name", pod.name);
    set(&mut labels, "pod_phase", pod.phase);
    set(&mut labels, "pod_ip", "127.0.0.1");
    for (kind, pairs) in [("label", pod.labels), ("annotation", pod.annotations)] {
        for (name, value) in pairs {
            let name = sanitized(name);
            set(&mut labels, &format!("pod_{kind}_{name}"), value);
            set(&mut labels, &format!("pod_{kind}present_{name}"), "true");
        }
    }
    labels
}

/// The operator lets discovery look into these namespaces alone; here a rule does.
fn of_namespaces(monitor: &Value) -> Option<Value> {
    let selector = &monitor["spec"]["namespaceSelector"];
    if selector["any"] == true {
        return None;
    }
    let own = monitor["metadata"]["namespace"].as_str().unwrap();
    let names: Vec<&str> = match selector["matchNames"].as_array() {
        Some(names) if !names.is_empty() => {
            names.iter().map(|name| name.as_str().unwrap()).collect()
        }
        _ => vec![own],
    };
    Some(keep("namespace", &names.join("|")))
}

fn of_selector(selector: &Value, kind: &str) -> Vec<Value> {
    let sources = |name: &str| {
        let name = sanitized(name);
        [
            format!("__meta_kubernetes_{kind}_label_{name}"),
            format!("__meta_kubernetes_{kind}_labelpresent_{name}"),
        ]
    };
    let mut rules = Vec::new();
    for (name, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        let regex = format!("({});true", value.as_str().unwrap());
        rules.push(json!({ "action": "keep", "source_labels": sources(name), "regex": regex }));
    }
    for expression in list(&selector["matchExpressions"]) {
        let name = expression["key"].as_str().unwrap();
        let values: Vec<&str> =
            list(&expression["values"]).map(|value| value.as_str().unwrap()).collect();
        let regex = format!("({});true", values.join("|"));
        let [_, is_present] = sources(name);
        rules.push(match expression["operator"].as_str().unwrap() {
            "In" => json!({ "action": "keep", "source_labels": sources(name), "regex": regex }),
            "NotIn" => json!({ "action": "drop", "source_labels": sources(name), "regex": regex }),
            "Exists" => json!({ "action": "keep", "source_labels": [is_present], "regex": "true" }),
            _ => json!({ "action": "drop", "source_labels": [is_present], "regex": "true" }),
        });
    }
    rules
}

/// The job is the monitor's name, or what `jobLabel` says if that is there.
fn of_job(monitor: &Value, kind: &str) -> Vec<Value> {
    let metadata = &monitor["metadata"];
    let name = |key: &str| metadata[key].as_str().unwrap().to_owned();
    let job = match kind {
        "service" => copy("service_name", "job"),
        _ => {
            json!({ "target_label": "job", "replacement": format!("{}/{}", name("namespace"), name("name")) })
        }
    };
    let label = monitor["spec"]["jobLabel"].as_str().map(|label| {
        let source = format!("__meta_kubernetes_{kind}_label_{}", sanitized(label));
        json!({ "source_labels": [source], "regex": "(.+)", "target_label": "job", "replacement": "${1}" })
    });
    std::iter::once(job).chain(label).collect()
}

fn config(
    monitor: &Value,
    endpoint: &Value,
    index: usize,
    mut rules: Vec<Value>,
    targets: &[Value],
) -> Value {
    rules.extend(list(&endpoint["relabelings"]).map(renamed));
    let metadata = &monitor["metadata"];
    let name = |key: &str| metadata[key].as_str().unwrap().to_owned();
    let kind = monitor["kind"].as_str().unwrap();
    json!({
        "job_name": format!("{kind}/{}/{}/{index}", name("namespace"), name("name")),
        "metrics_path": endpoint["path"],
        // The chart's are longer, and a test does not want to wait.
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "relabel_configs": rules,
        "metric_relabel_configs": list(&endpoint["metricRelabelings"]).map(renamed).collect::<Vec<_>>(),
        "static_configs": targets,
    })
}

/// The same rule in the words of Prometheus's own configuration.
fn renamed(rule: &Value) -> Value {
    let words = [("sourceLabels", "source_labels"), ("targetLabel", "target_label")];
    let rule = rule.as_object().unwrap().iter().map(|(key, value)| {
        let found = words.iter().find(|(word, _)| word == key);
        (found.map_or(key.as_str(), |(_, word)| word).to_owned(), value.clone())
    });
    rule.collect::<Map<_, _>>().into()
}

fn keep(source: &str, regex: &str) -> Value {
    json!({ "action": "keep", "source_labels": [format!("__meta_kubernetes_{source}")], "regex": regex })
}

fn copy(source: &str, target: &str) -> Value {
    json!({ "source_labels": [format!("__meta_kubernetes_{source}")], "target_label": target })
}

fn set(labels: &mut Map<String, Value>, name: &str, value: &str) {
    labels.insert(format!("__meta_kubernetes_{name}"), json!(value));
}

/// A name of Kubernetes as discovery writes it.
fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
