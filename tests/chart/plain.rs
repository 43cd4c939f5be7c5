//! The chart's own Prometheus: a real one with its configuration scrapes each sidecar, each annotated pod and each
//! pod of the injector once, and is let in where it scrapes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::dashboard::panels_answer;
use crate::helm::{Helm, Rendered, who};
use crate::observed::{World, each_sidecar_is_up_once, flaggers_checks_see_the_canary_alone};
use crate::operator::{Pod, Port, discovered};
use crate::process::eventually;
use crate::prom::Prometheus;

#[test]
fn the_plain_prometheus_scrapes_sidecars_and_annotated_pods_once() {
    let name = "the_plain_prometheus_scrapes_sidecars_and_annotated_pods_once";
    let Some(world) = World::start(name) else { return };
    let prometheus = with_pods(&world, &world.helm.template(&values()), &world.pods());
    each_sidecar_is_up_once(&prometheus);
    // A pod without a sidecar whose annotations ask for it, at the port and path that they name.
    prometheus.wait_for("up{namespace=\"old\",pod=\"annotated-0\",job=\"pods\"}", 1.0);
    prometheus.wait_for("annotated_metric", 7.0);
    world.serve(&prometheus);
    flaggers_checks_see_the_canary_alone(&world, &prometheus);
    panels_answer(&world, &prometheus);
}

#[test]
fn the_plain_prometheus_scrapes_the_injectors_pods_once_and_its_alerts_see_them() {
    let name = "the_plain_prometheus_scrapes_the_injectors_pods_once_and_its_alerts_see_them";
    let Some(world) = World::start(name) else { return };
    let rendered = world.helm.template(&values());
    let mut pods = world.pods();
    pods.extend(injectors(&world, &rendered));
    let prometheus = with_pods(&world, &rendered, &pods);
    each_sidecar_is_up_once(&prometheus);
    prometheus.wait_for("count(up{job=\"injector\"} == 1)", 2.0);
    prometheus.wait_for("annotated_metric", 7.0);
    let both = BTreeSet::from(["injector-0".to_owned(), "injector-annotated".to_owned()]);
    let up = prometheus.query("up{job=\"injector\"}");
    assert_eq!(names(&up), both);
    // Four sidecars, one pod that is annotated, and these; no job has any of them besides.
    assert_eq!(prometheus.query("up").len(), 4 + 1 + 2, "{:?}", prometheus.query("up"));
    let groups = rendered.the("PrometheusRule")["spec"]["groups"].as_array().unwrap();
    let group = groups.iter().find(|group| group["name"] == "podmeter.injector").unwrap();
    let alerts = group["rules"].as_array().unwrap();
    assert_eq!(alerts.len(), 4);
    for alert in alerts {
        let words =
            alert["expr"].as_str().unwrap().split(|c: char| !c.is_alphanumeric() && c != '_');
        let families: Vec<&str> =
            words.filter(|word| word.starts_with("podmeter_injector_")).collect();
        assert_eq!(families.len(), 1, "{}", alert["alert"]);
        assert_eq!(names(&prometheus.query(families[0])), both, "{}", families[0]);
    }
    // Those that these numbers are bad enough for.
    for alert in ["PodmeterCertificateExpires", "PodmeterCaBundleOutOfStep"] {
        let pending = format!("ALERTS{{alertname=\"{alert}\",namespace=\"podmeter-system\"}}");
        eventually(&pending, || match prometheus.query(&pending).len() {
            0 => Err("it does not see it".to_owned()),
            _ => Ok(()),
        });
    }
}

#[test]
fn without_an_injector_nobody_looks_for_it() {
    let Some(helm) = Helm::find("without_an_injector_nobody_looks_for_it") else { return };
    let mut values = values();
    values["injector"] = json!({ "enabled": false });
    let configuration = configuration(&helm, &helm.template(&values));
    let jobs = configuration["scrape_configs"].as_array().unwrap();
    let jobs: Vec<&str> = jobs.iter().map(|job| job["job_name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["podmeter", "pods"]);
}

#[test]
fn the_plain_prometheus_may_find_the_injector_and_is_let_in() {
    let name = "the_plain_prometheus_may_find_the_injector_and_is_let_in";
    let Some(helm) = Helm::find(name) else { return };
    // Helm lets a release's name have dots, which an expression must not take for any character.
    let mut values = values();
    values["fullnameOverride"] = json!("sight");
    values["commonLabels"] = json!({ "app.kubernetes.io/instance": "mine" });
    let case = json!({ "name": "sight.x", "namespace": "ops", "values": values });
    let rendered = helm.templates(&[case]).remove(0).unwrap();
    let configuration = configuration(&helm, &rendered);
    let jobs = configuration["scrape_configs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["job_name"] == "injector").unwrap();
    assert_eq!(
        job["kubernetes_sd_configs"],
        json!([{ "role": "pod", "namespaces": { "names": ["ops"] } }])
    );
    assert_eq!(job["relabel_configs"][0]["regex"], r"ops;injector;sight\.x;podmeter");
    let role = rendered.named("ClusterRole", "sight-prometheus-ops");
    assert_eq!(role["rules"][0]["resources"], json!(["pods"]));
    assert_eq!(role["rules"][0]["verbs"], json!(["get", "list", "watch"]));

    let server = rendered.named("Deployment", "sight-prometheus");
    let labels = &server["spec"]["template"]["metadata"]["labels"];
    let policy = rendered.named("NetworkPolicy", "sight-injector");
    let admits = |rule: &&Value| {
        let comes = rule["from"].as_array().into_iter().flatten().any(|peer| {
            let namespace = &peer["namespaceSelector"]["matchLabels"];
            let pods = peer["podSelector"]["matchLabels"].as_object();
            namespace["kubernetes.io/metadata.name"] == server["metadata"]["namespace"]
                && pods.is_some_and(|pods| pods.iter().all(|(name, is)| labels[name] == *is))
        });
        let ports = rule["ports"].as_array().unwrap();
        comes && ports.iter().any(|port| port["port"] == "http-metrics")
    };
    assert_eq!(policy["spec"]["ingress"].as_array().unwrap().iter().filter(admits).count(), 1);
}

fn values() -> Value {
    json!({ "prometheus": { "enabled": true, "containerMetrics": false } })
}

/// Pods with the labels and ports of the rendered injector, one of them with annotations that ask for a scrape; and some
/// that are not to be scraped: one that has ended, and those of a release elsewhere and of another beside it.
fn injectors(world: &World, rendered: &Rendered) -> Vec<Pod> {
    let deployments = rendered.of("Deployment");
    let deployment = deployments.iter().find(|one| who(one).ends_with("-injector")).unwrap();
    let template = deployment["spec"]["template"].clone();
    let labels = |instance: Option<&'static str>| {
        let labels = template["metadata"]["labels"].as_object().unwrap();
        let pair = |(name, value): (&String, &Value)| {
            let value = value.as_str().unwrap();
            let value = instance.filter(|_| name.ends_with("/instance")).unwrap_or(value);
            (&*name.clone().leak(), &*value.to_owned().leak())
        };
        &*Vec::leak(labels.iter().map(pair).collect())
    };
    let ports = || {
        let container = &template["spec"]["containers"][0];
        let port = |port: &Value| {
            let text = |value: &Value| &*value.as_str().unwrap().to_owned().leak();
            let is_metrics = port["name"] == "http-metrics";
            Port {
                container: text(&container["name"]),
                is_init: false,
                name: text(&port["name"]),
                number: port["containerPort"].as_u64().unwrap().try_into().unwrap(),
                // Where the webhook would be, there is nobody.
                addr: if is_metrics { world.nginx.addr } else { ([127, 0, 0, 1], 1).into() },
            }
        };
        container["ports"].as_array().unwrap().iter().map(port).collect()
    };
    let pod = |namespace, name, instance| Pod {
        namespace,
        name,
        labels: labels(instance),
        annotations: &[],
        phase: "Running",
        ports: ports(),
    };
    vec![
        pod("podmeter-system", "injector-0", None),
        Pod {
            annotations: &[("prometheus.io/scrape", "true")],
            ..pod("podmeter-system", "injector-annotated", None)
        },
        Pod { phase: "Succeeded", ..pod("podmeter-system", "injector-ended", None) },
        pod("elsewhere", "injector-elsewhere", None),
        pod("podmeter-system", "injector-of-another", Some("another")),
    ]
}

/// A Prometheus with the rendered configuration and rules, which discovers these pods.
fn with_pods(world: &World, rendered: &Rendered, pods: &[Pod]) -> Prometheus {
    let mut configuration = configuration(&world.helm, rendered);
    assert_eq!(configuration["rule_files"], json!(["/etc/prometheus/rules.yml"]));
    let rules = world.folder("rules").join("rules.yml");
    std::fs::write(&rules, map(rendered)["data"]["rules.yml"].as_str().unwrap()).unwrap();
    configuration["rule_files"] = json!([rules]);
    for job in configuration["scrape_configs"].as_array_mut().unwrap() {
        let found = job.as_object_mut().unwrap().remove("kubernetes_sd_configs").unwrap();
        let [one] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
        assert_eq!(one["role"], "pod");
        let names = one["namespaces"]["names"].as_array();
        let mut targets = discovered(pods);
        targets.retain(|target| {
            let namespace = &target["labels"]["__meta_kubernetes_namespace"];
            names.is_none_or(|names| names.contains(namespace))
        });
        job["static_configs"] = json!(targets);
    }
    configuration["global"] =
        json!({ "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" });
    world.prometheus(&configuration)
}

/// What is in the rendered `prometheus.yml`.
fn configuration(helm: &Helm, rendered: &Rendered) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prometheus.yml");
    std::fs::write(&path, map(rendered)["data"]["prometheus.yml"].as_str().unwrap()).unwrap();
    helm.run("yaml_of.py", &json!([path]))[0][0].clone()
}

/// The map that the server mounts.
fn map(rendered: &Rendered) -> &Value {
    let maps = rendered.of("ConfigMap");
    maps.into_iter().find(|map| map["data"]["prometheus.yml"].is_string()).unwrap()
}

/// The pods that an answer is about.
fn names(answer: &[(Value, f64)]) -> BTreeSet<String> {
    answer.iter().map(|(labels, _)| labels["pod"].as_str().unwrap().to_owned()).collect()
}
