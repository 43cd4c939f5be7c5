//! The chart and the examples beside the program itself: it takes the command line that the chart gives
//! it, and what it makes of the examples is what the monitors look for.

use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::examples::{folders, objects};
use crate::helm::{Helm, who};
use crate::http::get;
use crate::injector::arguments;
use crate::process::{Running, reference_data};
use crate::schemas::{VERSIONS, complaints};
use crate::skip::skip;

#[test]
fn the_injector_takes_the_command_line_of_the_chart() {
    let name = "the_injector_takes_the_command_line_of_the_chart";
    let Some(helm) = Helm::find(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings =
        json!({ "dialect": "istio,envoy", "cpu-request": "20m", "native-sidecar": false });
    let common = json!({ "sidecar": { "image": "registry/podmeter:1", "settings": settings },
                         "injector": { "failurePolicy": "Fail", "logFormat": "json",
                                       "extraArgs": ["--shutdown-delay=1s"] } });
    for mode in ["self", "files"] {
        let mut values = common.clone();
        values["certificates"] =
            json!({ "mode": mode, "secretName": "mine", "caBundle": "Y2E=", "lifetime": "24h" });
        let rendered = helm.template(&values);
        let mut own = arguments(&rendered);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["injector".into()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        std::fs::write(path.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(path.join("tls.key"), key.serialize_pem()).unwrap();
        for argument in &mut own {
            *argument = argument
                .replace("0.0.0.0:8443", "127.0.0.1:0")
                .replace("0.0.0.0:15014", "127.0.0.1:0")
                .replace("/etc/podmeter/tls", path.to_str().unwrap());
        }
        // Nobody is there, which keeps it from being ready and not from starting.
        std::fs::write(path.join("kubeconfig"), KUBECONFIG).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
        command.env_clear().args(&own);
        if mode == "self" {
            command.arg("--kubeconfig").arg(path.join("kubeconfig"));
        }
        let mut injector = Running::start(mode, &mut command, path);
        let status = injector.wait_for("it serves its status", |injector| {
            let said = injector.said();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let listens: Vec<String> =
                lines.filter_map(|line| line["listen"].as_str().map(str::to_owned)).collect();
            listens.iter().filter_map(|addr| addr.parse().ok()).find(|addr| {
                crate::http::try_ask(*addr, "GET", "/healthz", &[])
                    .is_ok_and(|reply| reply.status == 200)
            })
        });
        let ready = get(status, "/readyz").status;
        assert_eq!(ready, if mode == "self" { 503 } else { 200 }, "{mode}");
        // Every family that an alert asks for is there, under that name.
        let text = get(status, "/metrics").text().to_owned();
        let rules = rendered.the("PrometheusRule").to_string();
        for part in rules.split("podmeter_injector_").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap();
            let family = format!("# TYPE podmeter_injector_{} ", &part[..end]);
            // A certificate is made only where the API server is there to keep it.
            let absent = mode == "self" && family.contains("certificate")
                || mode == "files" && family.contains("ca_bundle");
            assert!(absent || text.contains(&family), "{mode}: {family} is not in {text}");
        }
    }
}

#[test]
fn injected_examples_are_valid_and_have_what_the_monitors_look_for() {
    let name = "injected_examples_are_valid_and_have_what_the_monitors_look_for";
    let Some(helm) = Helm::find(name) else { return };
    let Some(data) = reference_data() else { return skip(name, "it needs the reference data") };
    let folder = tempfile::tempdir().unwrap();
    let mut injected = Vec::new();
    for example in folders() {
        let name = example.file_name().unwrap().to_str().unwrap();
        let into = folder.path().join(name);
        std::fs::create_dir(&into).unwrap();
        for entry in std::fs::read_dir(&example).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "yaml") {
                let output = into.join(file.file_name().unwrap());
                std::fs::write(output, inject(&file)).unwrap();
            }
        }
        injected.extend(objects(&helm, &into));
    }
    assert_eq!(complaints(&helm, &data, &injected, &VERSIONS), Vec::<String>::new());
    let namespaces = injected.iter().filter(|object| {
        object["kind"] == "Namespace"
            && object["metadata"]["labels"]["podmeter.io/inject"] == "enabled"
    });
    let opted: Vec<&Value> = namespaces.map(|namespace| &namespace["metadata"]["name"]).collect();
    let deployments = injected.iter().filter(|object| object["kind"] == "Deployment");
    let mut seen = 0;
    for deployment in deployments.filter(|one| opted.contains(&&one["metadata"]["namespace"])) {
        let template = &deployment["spec"]["template"];
        if template["metadata"]["labels"]["podmeter.io/inject"] == "disabled" {
            continue;
        }
        seen += 1;
        let containers = template["spec"]["initContainers"].as_array().unwrap();
        let proxy = containers.iter().find(|container| container["name"] == "podmeter-proxy");
        let ports = proxy.unwrap()["ports"].as_array().unwrap();
        let port = json!({ "name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP" });
        assert!(ports.contains(&port), "{}", who(deployment));
        let annotations = &template["metadata"]["annotations"];
        assert!(annotations["podmeter.io/status"].is_string(), "{}", who(deployment));
        if annotations["prometheus.io/scrape"].is_string() {
            assert_eq!(annotations["prometheus.io/port"], "15090", "{}", who(deployment));
            assert_eq!(annotations["prometheus.io/path"], "/stats/prometheus");
        }
    }
    assert_eq!(seen, 5, "podinfo, cart, web, orders, and the other web");
}

/// What `podmeter inject` makes of a file.
fn inject(file: &Path) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    let output = command.args(["inject", "-f"]).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", file.display());
    output.stdout
}

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
clusters: [{name: nobody, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: none}}]
"#;
