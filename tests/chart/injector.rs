//! The injector in the cluster: whom it looks at, what it may do, and what an upgrade leaves alone.

use serde_json::{Value, json};

use crate::helm::{Helm, Rendered, case, templates_of, who};

#[test]
fn a_pod_is_looked_at_once_if_it_or_its_namespace_opted_in() {
    let Some(helm) = Helm::find("a_pod_is_looked_at_once_if_it_or_its_namespace_opted_in") else {
        return;
    };
    let rendered = helm.template(&json!({}));
    let labels = [None, Some("enabled"), Some("disabled"), Some("something")];
    for namespace in ["shop", "podmeter-system", "kube-system", "kube-public", "kube-node-lease"] {
        for of_namespace in labels {
            for of_pod in labels {
                let asked = doors(&rendered, namespace, of_namespace, of_pod);
                let opted = of_pod == Some("enabled")
                    || of_namespace == Some("enabled") && of_pod != Some("disabled");
                let expected = usize::from(opted && namespace == "shop");
                let case = format!("{namespace}: {of_namespace:?}, pod: {of_pod:?}");
                assert_eq!(asked, expected, "{case}");
            }
        }
    }
}

#[test]
fn a_release_elsewhere_leaves_out_its_own_namespace() {
    let Some(helm) = Helm::find("a_release_elsewhere_leaves_out_its_own_namespace") else { return };
    let case = json!({ "name": "sight", "namespace": "ops", "values": {} });
    let rendered = helm.templates(&[case]).remove(0).unwrap();
    assert_eq!(doors(&rendered, "ops", Some("enabled"), Some("enabled")), 0);
    assert_eq!(doors(&rendered, "podmeter-system", Some("enabled"), None), 1);
    let webhook = rendered.the("MutatingWebhookConfiguration");
    for door in webhook["webhooks"].as_array().unwrap() {
        let service = &door["clientConfig"]["service"];
        assert_eq!(service["namespace"], "ops");
        assert_eq!(
            service["name"],
            rendered.named("Service", "sight-podmeter-injector")["metadata"]["name"]
        );
    }
}

#[test]
fn the_webhook_never_stops_a_pod() {
    let Some(helm) = Helm::find("the_webhook_never_stops_a_pod") else { return };
    let rendered = helm.template(&json!({}));
    for door in rendered.the("MutatingWebhookConfiguration")["webhooks"].as_array().unwrap() {
        assert_eq!(door["failurePolicy"], "Ignore");
        assert!(door["timeoutSeconds"].as_u64().unwrap() <= 5);
        assert_eq!(door["sideEffects"], "None");
        assert_eq!(door["admissionReviewVersions"], json!(["v1"]));
        let rule = json!([{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                            "resources": ["pods"], "scope": "Namespaced" }]);
        assert_eq!(door["rules"], rule);
    }
    assert!(arguments(&rendered).contains(&"--failure-policy=ignore".to_owned()));
    let strict = helm.template(&json!({ "injector": { "failurePolicy": "Fail" } }));
    assert!(arguments(&strict).contains(&"--failure-policy=fail".to_owned()));
}

#[test]
fn an_upgrade_leaves_alone_what_the_injector_wrote() {
    let Some(both) = Helm::both("an_upgrade_leaves_alone_what_the_injector_wrote") else { return };
    let install = case(&json!({}));
    let mut upgrade = install.clone();
    upgrade["is_upgrade"] = json!(true);
    let rendered: Vec<Rendered> =
        templates_of(&both, &[install, upgrade]).into_iter().map(Result::unwrap).collect();
    let [first, then] = &*rendered else { panic!("{} renderings", rendered.len()) };
    assert_eq!(first.objects, then.objects, "an upgrade changes nothing of itself");
    for rendered in rendered {
        // Helm 3 patches what differs between two renderings, Helm 4 applies the fields it names:
        // to both, a field that is in no rendering is somebody else's.
        let secret = rendered.the("Secret");
        assert!(secret.get("data").is_none() && secret.get("stringData").is_none());
        for door in rendered.the("MutatingWebhookConfiguration")["webhooks"].as_array().unwrap() {
            assert!(door["clientConfig"].get("caBundle").is_none());
        }
    }
}

#[test]
fn only_helm_test_makes_the_pod_that_asks_the_injector() {
    let name = "only_helm_test_makes_the_pod_that_asks_the_injector";
    let Some([three, _]) = Helm::both(name) else { return };
    let all = three.template(&json!({}));
    let annotations = &all.the("Pod")["metadata"]["annotations"];
    assert_eq!(annotations["helm.sh/hook"], "test");
    // Kept for `helm test --logs`, which reads the log of one that is done, and out of the way of the next.
    assert_eq!(annotations["helm.sh/hook-delete-policy"], "before-hook-creation");
    let mut without = case(&json!({}));
    without["skip_tests"] = json!(true);
    let rest = three.templates(&[without]).remove(0).unwrap();
    assert_eq!(rest.of("Pod").len(), 0, "Helm knows it for a test");
    assert_eq!(rest.objects.len(), all.objects.len() - 1);
}

#[test]
fn each_way_to_a_certificate_has_what_it_needs_and_no_more() {
    let Some(helm) = Helm::find("each_way_to_a_certificate_has_what_it_needs_and_no_more") else {
        return;
    };
    let own = helm.template(&json!({}));
    let manager = helm.template(&json!({ "certificates": { "mode": "cert-manager" } }));
    let files = helm.template(
        &json!({ "certificates": { "mode": "files", "secretName": "mine", "caBundle": "Y2E=" } }),
    );
    let secret = own.the("Secret")["metadata"]["name"].as_str().unwrap();
    assert!(arguments(&own).contains(&format!("--cert-secret={secret}")));
    let webhook = own.the("MutatingWebhookConfiguration")["metadata"]["name"].as_str().unwrap();
    assert!(arguments(&own).contains(&format!("--webhook-config={webhook}")));
    for (rendered, secret) in [(&manager, "podmeter-injector-cert"), (&files, "mine")] {
        assert_eq!(rendered.of("Secret").len(), 0);
        assert_eq!(rendered.of("Role").len() + rendered.of("ClusterRole").len(), 0);
        let spec = &rendered.the("Deployment")["spec"]["template"]["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["volumes"][0]["secret"]["secretName"], secret);
        let arguments = arguments(rendered);
        assert!(arguments.contains(&"--tls-cert=/etc/podmeter/tls/tls.crt".to_owned()));
        assert!(!arguments.iter().any(|argument| argument.starts_with("--cert-secret")));
    }
    let certificate = manager.the("Certificate");
    assert_eq!(certificate["spec"]["secretName"], "podmeter-injector-cert");
    assert_eq!(certificate["spec"]["issuerRef"]["name"], manager.the("Issuer")["metadata"]["name"]);
    let from = &manager.the("MutatingWebhookConfiguration")["metadata"]["annotations"];
    assert_eq!(from["cert-manager.io/inject-ca-from"], "podmeter-system/podmeter-injector");
    for door in files.the("MutatingWebhookConfiguration")["webhooks"].as_array().unwrap() {
        assert_eq!(door["clientConfig"]["caBundle"], "Y2E=");
    }
}

#[test]
fn the_injector_may_change_two_objects_by_name() {
    let Some(helm) = Helm::find("the_injector_may_change_two_objects_by_name") else { return };
    let rendered = helm.template(&json!({}));
    let secret = &rendered.the("Secret")["metadata"]["name"];
    let webhook = &rendered.the("MutatingWebhookConfiguration")["metadata"]["name"];
    let expected = |group: &str, resource: &str, name: &Value| {
        json!([{ "apiGroups": [group], "resources": [resource], "resourceNames": [name],
                 "verbs": ["get", "update"] }])
    };
    assert_eq!(rendered.the("Role")["rules"], expected("", "secrets", secret));
    let group = "admissionregistration.k8s.io";
    let of_cluster = expected(group, "mutatingwebhookconfigurations", webhook);
    assert_eq!(rendered.the("ClusterRole")["rules"], of_cluster);
    let account = &rendered.the("ServiceAccount")["metadata"];
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        let subject = &rendered.the(kind)["subjects"][0];
        assert_eq!(subject["name"], account["name"]);
        assert_eq!(subject["namespace"], account["namespace"]);
    }
}

#[test]
fn every_pod_of_the_chart_passes_the_restricted_level() {
    let Some(helm) = Helm::find("every_pod_of_the_chart_passes_the_restricted_level") else {
        return;
    };
    let rendered = helm.template(&json!({ "prometheus": { "enabled": true } }));
    let pods = rendered.pods();
    assert_eq!(pods.len(), 3, "injector, Prometheus, test");
    for (who, spec) in pods {
        let of_pod = &spec["securityContext"];
        assert_eq!(of_pod["runAsNonRoot"], true, "{who}");
        assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault", "{who}");
        for container in spec["containers"].as_array().unwrap() {
            let expected = json!({ "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
            assert_eq!(container["securityContext"], expected, "{who}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{who}");
        }
    }
}

#[test]
fn what_selects_the_injector_selects_its_pods_and_their_ports() {
    let Some(helm) = Helm::find("what_selects_the_injector_selects_its_pods_and_their_ports")
    else {
        return;
    };
    let values = json!({ "nameOverride": "sight", "injector": { "podLabels": { "app.kubernetes.io/name": "mine" } },
                         "commonLabels": { "app.kubernetes.io/instance": "mine", "team": "sre" } });
    let rendered = helm.template(&values);
    let template = &rendered.the("Deployment")["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    assert_eq!(labels["team"], "sre");
    let ports: Vec<&Value> = template["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| &port["name"])
        .collect();
    let service = &rendered.named("Service", "podmeter-sight-injector")["spec"];
    for port in service["ports"].as_array().unwrap() {
        assert!(ports.contains(&&port["targetPort"]), "{port}");
    }
    let monitor = &rendered.named("PodMonitor", "podmeter-sight-injector")["spec"];
    assert!(ports.contains(&&monitor["podMetricsEndpoints"][0]["port"]));
    let selectors = [
        &service["selector"],
        &rendered.the("Deployment")["spec"]["selector"]["matchLabels"],
        &rendered.the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &rendered.the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        &monitor["selector"]["matchLabels"],
    ];
    for selector in selectors {
        for (name, value) in selector.as_object().unwrap() {
            assert_eq!(&labels[name], value, "{name}");
        }
    }
}

#[test]
fn one_replica_has_no_disruption_budget() {
    let Some(helm) = Helm::find("one_replica_has_no_disruption_budget") else { return };
    let one = helm.template(&json!({ "injector": { "replicas": 1 } }));
    assert_eq!(one.of("PodDisruptionBudget").len(), 0);
    assert_eq!(helm.template(&json!({})).of("PodDisruptionBudget").len(), 1);
}

#[test]
fn settings_of_the_sidecar_become_the_injectors() {
    let Some(helm) = Helm::find("settings_of_the_sidecar_become_the_injectors") else { return };
    let settings = json!({ "dialect": "istio,http", "workers": 2, "native-sidecar": false });
    let values = json!({ "image": { "repository": "registry/podmeter", "tag": "1.2" }, "sidecar": { "settings": settings } });
    let arguments = arguments(&helm.template(&values));
    for expected in [
        "--image=registry/podmeter:1.2",
        "--set=dialect=istio,http",
        "--set=workers=2",
        "--set=native-sidecar=false",
    ] {
        assert!(arguments.contains(&expected.to_owned()), "{expected}: {arguments:?}");
    }
}

/// How many of the webhooks the API server asks about a pod.
fn doors(
    rendered: &Rendered,
    namespace: &str,
    of_namespace: Option<&str>,
    of_pod: Option<&str>,
) -> usize {
    let opt = |label: Option<&str>| match label {
        Some(value) => json!({ "podmeter.io/inject": value }),
        None => json!({}),
    };
    let mut namespace_labels = opt(of_namespace);
    namespace_labels["kubernetes.io/metadata.name"] = json!(namespace);
    let webhook = rendered.the("MutatingWebhookConfiguration");
    let asked = |door: &&Value| {
        selects(&door["namespaceSelector"], &namespace_labels)
            && selects(&door["objectSelector"], &opt(of_pod))
    };
    webhook["webhooks"].as_array().unwrap().iter().filter(asked).count()
}

/// A label selector, as the API server understands it.
fn selects(selector: &Value, labels: &Value) -> bool {
    assert!(selector.get("matchLabels").is_none(), "{selector}");
    selector["matchExpressions"].as_array().unwrap().iter().all(|expression| {
        let label = labels.get(expression["key"].as_str().unwrap());
        let values = expression["values"].as_array().unwrap();
        let is_among = label.is_some_and(|label| values.contains(label));
        match expression["operator"].as_str().unwrap() {
            "In" => is_among,
            // Also where there is no such label.
            "NotIn" => !is_among,
            other => panic!("{other}"),
        }
    })
}

/// The command line of the injector.
pub(crate) fn arguments(rendered: &Rendered) -> Vec<String> {
    let deployments = rendered.of("Deployment");
    let is_injector = |deployment: &&&Value| who(deployment).ends_with("-injector");
    let injector = deployments.iter().find(is_injector).unwrap();
    let container = &injector["spec"]["template"]["spec"]["containers"][0];
    serde_json::from_value(container["args"].clone()).unwrap()
}
