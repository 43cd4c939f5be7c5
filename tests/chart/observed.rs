//! A real Prometheus with the rendered monitors: every sidecar is scraped once, and each of Flagger's
//! checks, of the chart's own templates and of the dashboard's panels finds the pods it is meant to.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dashboard::panels_answer;
use crate::helm::{Helm, Rendered, chart};
use crate::http::{ask, get, try_ask};
use crate::nginx::Nginx;
use crate::operator::{Pod, Port, scrape_configs};
use crate::process::{eventually, program, reference_data};
use crate::prom::Prometheus;
use crate::queries::{Observer, Subject};
use crate::sidecar::Sidecar;
use crate::skip::skip;

#[test]
fn the_monitors_select_canary_and_primary_and_scrape_each_pod_once() {
    let name = "the_monitors_select_canary_and_primary_and_scrape_each_pod_once";
    let Some(world) = World::start(name) else { return };
    let values = json!({ "monitors": {
        "canaries": [{ "name": "podinfo", "namespace": "test" }],
        "services": [{ "name": "legacy", "namespace": "old", "selector": { "app": "legacy" } }],
    } });
    let rendered = world.helm.template(&values);
    let configs = scrape_configs(&rendered.objects, &world.pods());
    let prometheus = world.prometheus(&json!({ "scrape_configs": configs }));

    each_sidecar_is_up_once(&prometheus);
    // The pair's jobs are the two names.
    prometheus.wait_for("up{job=\"podinfo\",namespace=\"test\",pod=\"podinfo-5d8f7c-x2x4z\"}", 1.0);
    prometheus.wait_for("up{job=\"podinfo-primary\",namespace=\"test\"}", 1.0);
    prometheus.wait_for("up{job=\"legacy\",namespace=\"old\",container=\"podmeter-proxy\"}", 1.0);
    world.serve(&prometheus);
    flaggers_checks_see_the_canary_alone(&world, &prometheus);
    templates_answer(&rendered, &prometheus);
    panels_answer(&world, &prometheus);
}

#[test]
fn one_monitor_for_all_is_enough_for_flaggers_checks() {
    let name = "one_monitor_for_all_is_enough_for_flaggers_checks";
    let Some(world) = World::start(name) else { return };
    let rendered = world.helm.template(&json!({}));
    let configs = scrape_configs(&rendered.objects, &world.pods());
    let prometheus = world.prometheus(&json!({ "scrape_configs": configs }));
    each_sidecar_is_up_once(&prometheus);
    world.serve(&prometheus);
    flaggers_checks_see_the_canary_alone(&world, &prometheus);
}

#[test]
fn every_family_that_is_asked_for_is_one_of_the_sidecars() {
    let name = "every_family_that_is_asked_for_is_one_of_the_sidecars";
    let Some(world) = World::start(name) else { return };
    let rendered = world.helm.template(&json!({ "prometheus": { "enabled": true } }));
    let mut asked = String::new();
    for group in rendered.the("PrometheusRule")["spec"]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            asked += rule["expr"].as_str().unwrap();
        }
    }
    asked += &std::fs::read_to_string(chart().join("files/dashboard.json")).unwrap();
    for template in rendered.of("MetricTemplate") {
        asked += template["spec"]["query"].as_str().unwrap();
    }
    // One whose source has a line that nobody can read, and whose app speaks no HTTP, as far as anybody knows.
    let app = world.nginx.addr;
    let flags = format!("--opaque-ports {} --app-metrics http://{app}/mixed", app.port());
    let other = Sidecar::start("other", world.folder.path(), app, &flags);
    get(other.inbound, "/ok");
    get(world.canary.inbound, "/ok");
    let said = [world.canary.stats, other.stats]
        .map(|stats| get(stats, "/stats/prometheus").text().to_owned())
        .concat();
    let families: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_whitespace().next())
        .collect();
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = BTreeSet::new();
    for word in asked.split(|c: char| !is_part(c)) {
        let is_ours = ["podmeter_", "istio_"].iter().any(|prefix| word.starts_with(prefix));
        if is_ours && !word.starts_with("podmeter_injector_") && word != "podmeter_" {
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word);
            assert!(families.contains(word) || families.contains(whole), "{word}: {families:?}");
            found.insert(whole);
        }
    }
    assert!(found.len() > 12, "{found:?}");
}

/// Sidecars of several workloads before one nginx, and pods that must not be scraped.
pub(crate) struct World {
    pub(crate) helm: Helm,
    observers: Vec<Observer>,
    canary: Sidecar,
    primary: Sidecar,
    /// Another namespace has a workload of the same name.
    namesake: Sidecar,
    legacy: Sidecar,
    /// Also what stands for an injector, at `/metrics`.
    pub(crate) nginx: Nginx,
    // Removed last, when nobody writes into it any more.
    folder: TempDir,
}

impl World {
    pub(crate) fn start(test: &str) -> Option<Self> {
        let helm = Helm::find(test)?;
        let found = (program("prometheus"), program("nginx"), reference_data());
        let (Some(_), Some(nginx), Some(data)) = found else {
            skip(test, "it needs prometheus, nginx and the reference data");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let nginx = Nginx::start(
            &nginx,
            path,
            "access_log off;",
            "location /ok { return 200 fine; } location /fail { return 503 broken; } \
             location /numbers { return 200 \"annotated_metric 7\\n\"; } \
             location = /metrics { return 200 \"podmeter_injector_ca_bundle_in_step 0\\n\
             podmeter_injector_certificate_expiry_timestamp_seconds 1\\n\
             podmeter_injector_tls_failures_total 0\\n\
             podmeter_injector_reviews_total 0\\n\"; } \
             location /mixed { return 200 \"fine 1\\nbroken{ 2\\n\"; } \
             location /gone { return 444; } \
             location /call { default_type application/grpc-web; add_header grpc-status 0; return 200; }",
        );
        let sidecar = |name: &str, workload: &str, namespace: &str| {
            let app = nginx.addr;
            let flags = format!(
                "--workload {workload} --workload-kind Deployment --namespace {namespace} \
                 --app {workload} --dialect istio,envoy,linkerd,osm,http --app-metrics http://{app}/mixed"
            );
            Sidecar::start(name, path, app, &flags)
        };
        Some(Self {
            helm,
            observers: ["istio", "appmesh", "linkerd", "osm", "http"]
                .map(|name| Observer::read(&data, name))
                .into(),
            canary: sidecar("canary", "podinfo", "test"),
            primary: sidecar("primary", "podinfo-primary", "test"),
            namesake: sidecar("namesake", "podinfo", "prod"),
            legacy: sidecar("legacy", "legacy", "old"),
            nginx,
            folder,
        })
    }

    pub(crate) fn prometheus(&self, configuration: &Value) -> Prometheus {
        let path = program("prometheus").unwrap();
        // JSON is YAML.
        Prometheus::classic(&path, self.folder.path(), &configuration.to_string())
    }

    /// The pods of the cluster, with one container for the app and one for the sidecar.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        let status = &[("podmeter.io/status", "injected"), ("prometheus.io/scrape", "true")][..];
        let pod = |namespace, name, labels, sidecar: SocketAddr| Pod {
            namespace,
            name,
            labels,
            annotations: status,
            phase: "Running",
            ports: vec![
                port("app", false, "http", 8080, self.nginx.addr),
                port("podmeter-proxy", true, "http-envoy-prom", 15090, sidecar),
            ],
        };
        let mut pods = vec![
            pod("test", "podinfo-5d8f7c-x2x4z", &[("app", "podinfo")], self.canary.stats),
            pod("test", PRIMARY_POD, &[("app", "podinfo-primary")], self.primary.stats),
            pod("prod", "podinfo-5d8f7c-jjjjj", &[("app", "podinfo")], self.namesake.stats),
            pod("old", "legacy-0", &[("app", "legacy")], self.legacy.stats),
            // Finished; its address may be another pod's by now.
            Pod { phase: "Succeeded", ..pod("test", "podinfo-job-1", &[], self.canary.stats) },
        ];
        // Istio's sidecar has a port of the same name.
        let mut istio = pod("test", "meshed-0", &[("app", "meshed")], self.nginx.addr);
        istio.annotations = &[];
        istio.ports = vec![port("istio-proxy", false, "http-envoy-prom", 15090, self.nginx.addr)];
        pods.push(istio);
        let mut annotated = pod("old", "annotated-0", &[], self.nginx.addr);
        annotated.ports.truncate(1);
        // Pods are made of what lives as long as the program; so does the one number here.
        let number: &str = self.nginx.addr.port().to_string().leak();
        annotated.annotations = Box::leak(Box::new([
            ("prometheus.io/scrape", "true"),
            ("prometheus.io/port", number),
            ("prometheus.io/path", "/numbers"),
        ]));
        pods.push(annotated);
        pods
    }

    /// The pods with the sidecar, with the annotations that lead a plain Prometheus to it.
    pub(crate) fn annotated_pods(&self) -> Vec<Pod> {
        let mut pods = self.pods();
        pods.truncate(4);
        for pod in &mut pods {
            // Each has the sidecar's number of its own here, as all have one address.
            let number: &str = pod.ports[1].addr.port().to_string().leak();
            pod.annotations = Box::leak(Box::new([
                ("prometheus.io/scrape", "true"),
                ("prometheus.io/port", number),
                ("prometheus.io/path", "/stats/prometheus"),
            ]));
        }
        pods
    }

    /// A folder of this name, for a while.
    pub(crate) fn folder(&self, name: &str) -> std::path::PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    /// Sends requests until Prometheus has seen them rise twice; one in four of the canary's fails.
    pub(crate) fn serve(&self, prometheus: &Prometheus) {
        for round in 1..=2 {
            for (sidecar, fails) in
                [(&self.canary, 1), (&self.primary, 0), (&self.namesake, 4), (&self.legacy, 2)]
            {
                for request in 0..4 {
                    let path = if request < fails { "/fail" } else { "/ok" };
                    get(sidecar.inbound, path);
                }
            }
            let all = "sum(istio_requests_total{reporter=\"destination\"})";
            prometheus.wait_for(all, f64::from(16 * round));
        }
    }

    /// A call of gRPC, a request without an answer, and bytes of no protocol, to canary and primary; as [`Self::serve`].
    pub(crate) fn serve_what_is_rare(&self, prometheus: &Prometheus) {
        for round in 1..=2 {
            for sidecar in [&self.canary, &self.primary] {
                let call = [("Content-Type", "application/grpc-web")];
                assert_eq!(ask(sidecar.inbound, "POST", "/call", &call).status, 200);
                assert!(try_ask(sidecar.inbound, "GET", "/gone", &[]).is_err());
                let mut socket = TcpStream::connect(sidecar.inbound).unwrap();
                socket.write_all(b"\x16 bytes of no protocol\r\n").unwrap();
                socket.read_to_end(&mut Vec::new()).unwrap();
            }
            for all in [
                "sum(istio_requests_total{request_protocol=\"grpc\"})",
                "sum(istio_requests_total{response_flags=\"UC\"})",
                "sum(istio_tcp_connections_closed_total{reporter=\"destination\"})",
            ] {
                prometheus.wait_for(all, f64::from(2 * round));
            }
        }
    }
}

fn port(
    container: &'static str,
    is_init: bool,
    name: &'static str,
    number: u16,
    addr: SocketAddr,
) -> Port {
    Port { container, is_init, name, number, addr }
}

pub(crate) fn each_sidecar_is_up_once(prometheus: &Prometheus) {
    let up = "count(up{container=\"podmeter-proxy\"} == 1)";
    prometheus.wait_for(up, 4.0);
    let scraped = prometheus.query("up{container=\"podmeter-proxy\"}");
    let pods: BTreeSet<String> = scraped
        .iter()
        .map(|(labels, _)| format!("{}/{}", labels["namespace"], labels["pod"]))
        .collect();
    assert_eq!(pods.len(), 4, "each under one name: {scraped:?}");
    assert_eq!(scraped.len(), 4, "each by one job: {scraped:?}");
}

pub(crate) fn flaggers_checks_see_the_canary_alone(world: &World, prometheus: &Prometheus) {
    let canary = Subject {
        namespace: "test",
        target: "podinfo",
        service: "podinfo",
        route: "",
        interval: "5m",
    };
    for observer in &world.observers {
        for query in [observer.success_rate(canary), observer.duration(canary)] {
            let pods: BTreeSet<String> = selectors(&query)
                .iter()
                .flat_map(|selector| prometheus.query(selector))
                .map(|(labels, _)| format!("{}/{}", labels["namespace"], labels["pod"]))
                .collect();
            let expected = BTreeSet::from(["\"test\"/\"podinfo-5d8f7c-x2x4z\"".to_owned()]);
            assert_eq!(pods, expected, "{}: {query}", observer.name);
        }
        let rate = |target| {
            let query = observer.success_rate(Subject { target, ..canary });
            eventually(&query, || {
                let value = prometheus.value(&query)?;
                if value.is_nan() { Err("not two scrapes yet".to_owned()) } else { Ok(value) }
            })
        };
        let canary = rate("podinfo");
        assert!(canary > 0.0 && canary < 100.0, "{}: {canary}", observer.name);
        let primary = rate("podinfo-primary");
        assert!((primary - 100.0).abs() < 1e-9, "{}: {primary}", observer.name);
    }
}

/// The chart's `MetricTemplate`s give a number, asked as Flagger asks.
fn templates_answer(rendered: &Rendered, prometheus: &Prometheus) {
    let templates = rendered.of("MetricTemplate");
    assert_eq!(templates.len(), 5);
    for template in templates {
        let query = template["spec"]["query"].as_str().unwrap();
        let query = query
            .replace("{{ namespace }}", "test")
            .replace("{{ target }}", "podinfo")
            .replace("{{ interval }}", "5m");
        assert!(!query.contains("{{"), "{query}");
        let value = prometheus.value(&query).unwrap();
        assert!(value >= 0.0, "{query}: {value}");
    }
}

/// The selectors within a query.
pub(crate) fn selectors(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, _) in query.match_indices('{') {
        let name = query[..open].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        let close = query[open..].find('}').unwrap();
        found.push(format!("{name}{}", &query[open..=open + close]));
    }
    assert!(!found.is_empty());
    found
}

pub(crate) const PRIMARY_POD: &str = "podinfo-primary-7b9d4-q8w9z";
