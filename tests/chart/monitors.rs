//! Where monitors and rules go, when there are any, and what network policies admit.

use serde_json::{Value, json};

use crate::helm::{Helm, Rendered, case, templates_of, who};

#[test]
fn objects_of_an_operator_are_made_unless_the_cluster_lacks_their_kind() {
    let name = "objects_of_an_operator_are_made_unless_the_cluster_lacks_their_kind";
    let Some(both) = Helm::both(name) else { return };
    let real = "apiregistration.k8s.io/v1";
    let cases = [
        // Nobody to ask.
        (json!([]), "auto", true, true),
        (json!([real]), "auto", false, false),
        (json!([real, "monitoring.coreos.com/v1"]), "auto", true, false),
        (json!([real, "flagger.app/v1beta1"]), "auto", false, true),
        (json!([real]), "true", true, true),
        (json!([]), "false", false, false),
    ];
    for (apis, enabled, operator, flagger) in cases {
        let enabled = serde_json::from_str(enabled).unwrap_or_else(|_| json!(enabled));
        let values = json!({
            "prometheusOperator": { "enabled": enabled }, "flagger": { "enabled": enabled },
            "monitors": { "canaries": [{ "name": "a", "namespace": "b" }],
                          "services": [{ "name": "c", "namespace": "d", "selector": { "app": "c" } }] },
        });
        let mut case = case(&values);
        case["api_versions"] = apis.clone();
        let rendered = templates_of(&both, &[case]).remove(0).unwrap();
        let made = |api: &str| {
            rendered.objects.iter().any(|object| {
                object["apiVersion"].as_str().is_some_and(|version| version.starts_with(api))
            })
        };
        assert_eq!(made("monitoring.coreos.com"), operator, "{apis} {enabled}");
        assert_eq!(made("flagger.app"), flagger, "{apis} {enabled}");
        let says = rendered.notes.contains("Monitors and rules are in namespace podmeter-system");
        assert_eq!(says, operator, "{}", rendered.notes);
    }
}

#[test]
fn monitors_and_rules_go_where_prometheus_looks() {
    let Some(helm) = Helm::find("monitors_and_rules_go_where_prometheus_looks") else { return };
    let values = json!({
        "prometheusOperator": { "namespace": "monitoring", "labels": { "release": "prom" } },
        "monitors": { "canaries": [{ "name": "a", "namespace": "b" }],
                      "services": [{ "name": "c", "namespace": "d", "selector": { "app": "c" } }] },
    });
    let rendered = helm.template(&values);
    let mut found = 0;
    for kind in ["PodMonitor", "ServiceMonitor", "PrometheusRule"] {
        for object in rendered.of(kind) {
            found += 1;
            assert_eq!(object["metadata"]["namespace"], "monitoring", "{}", who(object));
            assert_eq!(object["metadata"]["labels"]["release"], "prom", "{}", who(object));
            let selector = &object["spec"]["namespaceSelector"];
            // Without one, an operator would look for pods beside the monitor alone.
            assert!(kind == "PrometheusRule" || selector.is_object(), "{}", who(object));
        }
    }
    assert_eq!(found, 6);
    assert_eq!(rendered.named("Service", "c-podmeter")["metadata"]["namespace"], "d");
    let default = helm.template(&json!({}));
    let monitor = default.named("PodMonitor", "podmeter-sidecars");
    assert_eq!(monitor["metadata"]["labels"]["release"], "kube-prometheus-stack");
    assert_eq!(monitor["spec"]["namespaceSelector"], json!({ "any": true }));
}

#[test]
fn a_scrape_may_not_outlast_its_interval() {
    let Some(helm) = Helm::find("a_scrape_may_not_outlast_its_interval") else { return };
    let cases =
        [("5s", "10s", "5s"), ("1m", "10s", "10s"), ("500ms", "1s", "500ms"), ("2h", "90m", "90m")];
    for (interval, timeout, expected) in cases {
        let values = json!({ "monitors": { "interval": interval, "scrapeTimeout": timeout } });
        let rendered = helm.template(&values);
        let endpoint =
            &rendered.named("PodMonitor", "podmeter-sidecars")["spec"]["podMetricsEndpoints"][0];
        assert_eq!(endpoint["scrapeTimeout"], expected, "{interval} {timeout}");
    }
}

#[test]
fn a_policy_for_apps_opens_one_port_and_closes_none_but_that() {
    let name = "a_policy_for_apps_opens_one_port_and_closes_none_but_that";
    let Some(helm) = Helm::find(name) else { return };
    let apps = json!([{ "namespace": "shop", "isolated": false }, { "namespace": "bank", "isolated": true }]);
    let rendered = helm.template(&json!({ "networkPolicy": { "apps": apps } }));
    for (namespace, others) in [("shop", true), ("bank", false)] {
        let policy = policy_in(&rendered, namespace);
        assert_eq!(policy["policyTypes"], json!(["Ingress"]));
        assert!(admits(policy, "monitoring", "TCP", 15090));
        assert!(!admits(policy, "elsewhere", "TCP", 15090));
        for (protocol, port) in
            [("TCP", 1), ("TCP", 15089), ("TCP", 15091), ("TCP", 65535), ("UDP", 15090)]
        {
            assert_eq!(
                admits(policy, "elsewhere", protocol, port),
                others,
                "{namespace} {protocol} {port}"
            );
        }
    }
}

/// The rules of the policy in a namespace.
fn policy_in<'a>(rendered: &'a Rendered, namespace: &str) -> &'a Value {
    let policies = rendered.of("NetworkPolicy");
    let found = policies.iter().find(|policy| policy["metadata"]["namespace"] == namespace);
    &found.unwrap()["spec"]
}

/// Whether a policy lets a namespace's pods in at a port.
fn admits(policy: &Value, from: &str, protocol: &str, port: u64) -> bool {
    let comes = |rule: &Value| match rule["from"].as_array() {
        None => true,
        Some(peers) => peers.iter().any(|peer| {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == from
        }),
    };
    let goes = |rule: &Value| {
        rule["ports"].as_array().unwrap().iter().any(|allowed| {
            let first = allowed["port"].as_u64();
            let last = allowed["endPort"].as_u64().or(first);
            allowed["protocol"] == protocol
                && first.is_none_or(|first| first <= port)
                && last.is_none_or(|last| port <= last)
        })
    };
    policy["ingress"].as_array().unwrap().iter().any(|rule| comes(rule) && goes(rule))
}
