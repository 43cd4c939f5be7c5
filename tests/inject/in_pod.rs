//! What injection adds, run for real: a pod of network namespaces starts each container with
//! exactly the command, environment, user and capabilities that the manifest says.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::http::{ask, get, try_ask};
use crate::pod::{self, POD, STATS, TestPod};
use crate::process::{Running, eventually};
use crate::skip::skip;

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: sales}
spec:
  template:
    metadata:
      labels: {app: shop, version: v7}
      annotations:
        podmeter.io/service: shop.sales
    spec:
      containers:
      - name: web
        image: nginx
        ports:
        - {name: http, containerPort: 8080}
        readinessProbe: {httpGet: {port: http}}
        livenessProbe: {tcpSocket: {port: http}}
";

/// What the cluster knows of the pod, for the downward API.
const POD_FIELDS: [(&str, &str); 5] = [
    ("metadata.name", "shop-primary-5d8c9bdf4-x7k2p"),
    ("metadata.namespace", "sales"),
    ("metadata.labels['app']", "shop"),
    ("metadata.labels['version']", "v7"),
    ("metadata.labels['pod-template-hash']", "5d8c9bdf4"),
];

#[test]
fn what_is_added_starts_as_it_is_written_and_counts_the_traffic() {
    let test = "what_is_added_starts_as_it_is_written_and_counts_the_traffic";
    if let Some(why) = pod::impossible() {
        return skip(test, why);
    }
    let pod = TestPod::new();
    let injected = injected(&[]);
    let spec = &injected["spec"]["template"]["spec"];
    let [init, proxy] = [0, 1].map(|index| &spec["initContainers"][index]);

    let output = command(&pod, init).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut sidecar = started(&pod, proxy);
    // It starts once the kubelet is content, and the app after that.
    let health = |path: &str| {
        let asked = pod.in_node(|| try_ask(SocketAddr::new(POD, 15021), "GET", path, &[]));
        asked.map(|reply| reply.status)
    };
    let startup = proxy["startupProbe"]["httpGet"]["path"].as_str().unwrap();
    assert_eq!(proxy["startupProbe"]["httpGet"]["port"], 15021);
    sidecar.wait_for("it is ready", |_| (health(startup) == Ok(200)).then_some(()));

    let asked = &spec["containers"][0]["livenessProbe"]["httpGet"];
    assert_eq!(asked["port"], 15021);
    let live = || health(asked["path"].as_str().unwrap());
    let app = SocketAddr::new(POD, 8080);
    // A connection alone would be taken by the proxy.
    assert!(pod.in_node(|| TcpStream::connect(app)).is_ok());
    assert_eq!(live(), Ok(503));

    let nginx = pod.nginx(&["8080"]);
    assert_eq!(live(), Ok(200));
    for _ in 0..5 {
        assert_eq!(pod.in_node(|| get(app, "/").status), 200);
    }
    let probe = [("User-Agent", "kube-probe/1.31")];
    assert_eq!(pod.in_node(|| ask(app, "GET", "/", &probe).status), 200);
    assert_eq!(nginx.log().len(), 6);

    let stats = pod.in_node(|| get(STATS, "/stats/prometheus").text().to_owned());
    let series = stats.lines().find(|line| {
        line.starts_with("istio_requests_total{")
            && line.contains("response_code=\"200\"")
            && line.ends_with(" 5")
    });
    let series = series.unwrap_or_else(|| panic!("nothing counted 5:\n{stats}"));
    // The copy of the template that Flagger makes is called by its pods, and not by the template.
    for label in [
        "destination_workload=\"shop-primary\"",
        "destination_workload_namespace=\"sales\"",
        "destination_canonical_service=\"shop\"",
        "destination_version=\"v7\"",
        "destination_service=\"shop.sales\"",
    ] {
        assert!(series.contains(label), "{label} is not in {series}");
    }
    // Neither the kubelet's probes nor our question to the app count as requests or connections.
    let probes = stats.lines().filter(|line| line.starts_with("podmeter_probe_requests_total{"));
    assert!(probes.clone().any(|line| line.ends_with(" 1")), "{:?}", probes.collect::<Vec<_>>());
    drop(nginx);
    eventually("the probe says that the app is gone", || match live() {
        Ok(503) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn an_ordinary_container_holds_the_app_back_until_it_is_ready() {
    let test = "an_ordinary_container_holds_the_app_back_until_it_is_ready";
    if let Some(why) = pod::impossible() {
        return skip(test, why);
    }
    let pod = TestPod::new();
    let injected = injected(&["--native-sidecar=false", "--inbound-mode=tproxy"]);
    let spec = &injected["spec"]["template"]["spec"];
    let output = command(&pod, &spec["initContainers"][0]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let proxy = &spec["containers"][0];
    let hook = |name: &str| {
        let line = proxy["lifecycle"][name]["exec"]["command"].as_array().unwrap();
        let args: Vec<&str> = line.iter().skip(1).map(|arg| arg.as_str().unwrap()).collect();
        assert_eq!(line[0], "/podmeter");
        let mut command = contained(&pod, proxy);
        command.arg(&pod.podmeter).args(args);
        command
    };
    // The hook begins before there is anything to reach.
    let mut waiting = hook("postStart").spawn().unwrap();
    let _sidecar = started(&pod, proxy);
    assert!(waiting.wait().unwrap().success());
    let nginx = pod.nginx(&["8080"]);
    let app = SocketAddr::new(POD, 8080);
    assert_eq!(pod.in_node(|| try_ask(app, "GET", "/", &[]).map(|reply| reply.status)), Ok(200));
    // Under TPROXY the app sees who asks.
    assert_eq!(nginx.log(), ["200 10.77.0.1 8080 -"]);
    let stats = pod.in_node(|| get(STATS, "/stats/prometheus").text().to_owned());
    assert!(stats.contains("destination_workload=\"shop-primary\""), "{stats}");
}

fn started(pod: &TestPod, container: &Value) -> Running {
    Running::start("podmeter-proxy", &mut command(pod, container), pod.folder.path())
}

/// The container's own command in the pod.
fn command(pod: &TestPod, container: &Value) -> Command {
    let mut command = contained(pod, container);
    // The image's entry point is the program.
    assert!(container["command"].is_null());
    command.arg(&pod.podmeter);
    let args = container["args"].as_array().unwrap();
    command.args(args.iter().map(|arg| arg.as_str().unwrap().replace("$$", "$")));
    command
}

/// The pod as a container of it sees it: its user, group, capabilities and environment.
fn contained(pod: &TestPod, container: &Value) -> Command {
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
    let id = |name: &str| u32::try_from(security[name].as_u64().unwrap()).unwrap();
    let added: Vec<String> = security["capabilities"]["add"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| format!("+{}", name.as_str().unwrap().to_lowercase()))
        .collect();
    let mut command = pod.container(id("runAsUser"), id("runAsGroup"), &added);
    let fields = BTreeMap::from(POD_FIELDS);
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        let value = if let Some(value) = variable["value"].as_str() {
            value.replace("$$", "$")
        } else {
            let path = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap();
            (*fields.get(path).unwrap_or_else(|| panic!("{path} is no field"))).to_owned()
        };
        command.env(name, value);
    }
    command
}

/// The manifest after the built program has injected it.
fn injected(settings: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    command.arg("inject").args(settings).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(MANIFEST.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    crate::read(std::str::from_utf8(&output.stdout).unwrap()).remove(0)
}
