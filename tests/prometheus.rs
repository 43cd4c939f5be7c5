//! A real Prometheus scrapes sidecars before real apps, and the queries of a release controller
//! give the numbers that the apps were told to produce.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use podmeter::exposition::Format;
use tempfile::TempDir;

use http::get;
use nginx::Nginx;
use process::{Running, eventually, program, python, reference_data};
use prom::{Prometheus, Target};
use promtool::lint;
use queries::{Observer, Subject};
use scrape::{Scrape, python_reads};
use sidecar::Sidecar;
use skip::skip;

#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "support/http.rs"]
mod http;
#[path = "support/nginx.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod nginx;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
#[path = "prometheus/promtool.rs"]
mod promtool;
#[path = "prometheus/queries.rs"]
mod queries;
#[path = "support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;

#[test]
fn a_release_controller_reads_the_truth_about_canary_and_primary() {
    let name = "a_release_controller_reads_the_truth_about_canary_and_primary";
    let tools = (program("prometheus"), program("nginx"), python(), reference_data());
    let (Some(prometheus), Some(nginx), Some(python), Some(data)) = tools else {
        let why = "it needs prometheus, nginx, PODMETER_PYTHON and the reference data";
        return skip(name, why);
    };
    let folder = tempfile::tempdir().unwrap();
    let observers = ["istio", "appmesh"].map(|name| Observer::read(&data, name));
    let pods = Pods::start(&nginx, &python, folder);
    let prometheus = Prometheus::start(&prometheus, pods.folder.path(), &pods.targets());

    for pod in [CANARY_POD, PRIMARY_POD, BROKEN_POD] {
        prometheus.wait_for(&format!("up{{kubernetes_pod_name=\"{pod}\"}}"), 1.0);
    }
    an_idle_canary_has_a_rate_of_zero_rather_than_none(&prometheus, &observers);
    who_only_fails_has_a_success_rate_of_zero(&prometheus, &observers, &pods);
    rates_and_durations_are_what_the_apps_were_told(&prometheus, &observers, &pods);
    what_the_app_says_of_itself_arrives_once(&prometheus, &pods);
    every_sample_served_is_scraped(&prometheus, &pods, &python);
}

/// Three workloads, each a sidecar before a real app.
struct Pods {
    canary: Sidecar,
    primary: Sidecar,
    broken: Sidecar,
    /// The canary's app itself.
    app: SocketAddr,
    _apps: (Running, Nginx),
    // Removed last, when nobody writes into it any more.
    folder: TempDir,
}

impl Pods {
    fn start(nginx: &Path, python: &Path, folder: TempDir) -> Self {
        let path = folder.path();
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/app.py"));
        let mut shop = Running::start("app", &mut command, path);
        let app = shop.wait_for("it listens", |shop| {
            shop.said().strip_prefix("listening on ")?.trim().parse().ok()
        });
        let nginx = Nginx::start(
            nginx,
            path,
            "access_log off;",
            "location /ok { return 200 fine; } location /fail { return 503 broken; }",
        );
        let identity = |workload: &str| format!("--workload {workload} --namespace {NAMESPACE}");
        let metrics =
            format!("{} --app-metrics http://{app}/metrics,name=shop", identity("podinfo"));
        Self {
            canary: Sidecar::start("canary", path, app, &metrics),
            primary: Sidecar::start("primary", path, nginx.addr, &identity("podinfo-primary")),
            broken: Sidecar::start("broken", path, nginx.addr, &identity("broken")),
            app,
            _apps: (shop, nginx),
            folder,
        }
    }

    fn targets(&self) -> [Target; 3] {
        [(CANARY_POD, &self.canary), (PRIMARY_POD, &self.primary), (BROKEN_POD, &self.broken)]
            .map(|(pod, sidecar)| Target { pod, namespace: NAMESPACE, stats: sidecar.stats })
    }
}

fn an_idle_canary_has_a_rate_of_zero_rather_than_none(
    prometheus: &Prometheus,
    observers: &[Observer],
) {
    for observer in observers {
        for half in observer.halves(CANARY) {
            let rate = eventually("two scrapes make a rate", || prometheus.value(&half));
            assert_eq!(rate.to_bits(), 0f64.to_bits(), "{half}");
        }
        let nothing_of_nothing = prometheus.value(&observer.success_rate(CANARY)).unwrap();
        assert!(nothing_of_nothing.is_nan(), "{nothing_of_nothing}");
    }
}

fn who_only_fails_has_a_success_rate_of_zero(
    prometheus: &Prometheus,
    observers: &[Observer],
    pods: &Pods,
) {
    send(pods.broken.inbound, &["/fail"; 5], 503);
    let failed = "istio_requests_total{destination_workload=\"broken\",response_code=\"503\"}";
    prometheus.wait_for(failed, 5.0);
    // A rate needs a step between two scrapes, and a counter's first value is none.
    send(pods.broken.inbound, &["/fail"; 5], 503);
    prometheus.wait_for(failed, 10.0);
    for observer in observers {
        let rate = prometheus.value(&observer.success_rate(BROKEN)).unwrap();
        assert_eq!(rate.to_bits(), 0f64.to_bits(), "{}", observer.name);
    }
}

fn rates_and_durations_are_what_the_apps_were_told(
    prometheus: &Prometheus,
    observers: &[Observer],
    pods: &Pods,
) {
    // The canary is told to fail one in ten and to be slow one in twenty; the primary to fail one
    // in a hundred and never to be slow.
    let round = || {
        send(pods.canary.inbound, &["/ok"; 17], 200);
        send(pods.canary.inbound, &["/slow"], 200);
        send(pods.canary.inbound, &["/fail"; 2], 503);
        send(pods.primary.inbound, &["/ok"; 99], 200);
        send(pods.primary.inbound, &["/fail"], 503);
    };
    let both = "istio_requests_total{destination_workload=~\"podinfo.*\"}";
    // Prometheus must have seen each series before, or its rate misses the step from nothing; and
    // if all stand in proportion then, it extrapolates all alike.
    round();
    let settled = format!("sum(min_over_time({both}[2500ms]))");
    prometheus.wait_for(&settled, 120.0);
    let before = prometheus.value("vector(time())").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(round);
        }
    });
    prometheus.wait_for(&format!("sum({both})"), 11.0 * 120.0);
    // From a scrape between the first round and the others until now.
    let interval = prometheus.value("vector(time())").unwrap() - before + 2.0;
    let interval = format!("{}ms", (interval * 1000.0).round());
    let [canary, primary] = [CANARY, PRIMARY].map(|s| Subject { interval: &interval, ..s });
    for observer in observers {
        let name = observer.name;
        let success = prometheus.value(&observer.success_rate(canary)).unwrap();
        assert!((success - 90.0).abs() < 0.1, "{name}: {success} % of the canary's succeeded");
        let success = prometheus.value(&observer.success_rate(primary)).unwrap();
        assert!((success - 99.0).abs() < 0.1, "{name}: {success} % of the primary's succeeded");
        // 300 ms is in the bucket from 250 to 500; the next one is for a machine out of breath.
        let slow = prometheus.value(&observer.duration(canary)).unwrap();
        assert!((250.0..=1000.0).contains(&slow), "{name}: the canary takes {slow} ms");
        let quick = prometheus.value(&observer.duration(primary)).unwrap();
        assert!((0.0..250.0).contains(&quick), "{name}: the primary takes {quick} ms");
        println!("{name} over {interval}: canary p99 {slow} ms, primary p99 {quick} ms");
    }
}

fn what_the_app_says_of_itself_arrives_once(prometheus: &Prometheus, pods: &Pods) {
    // The name without labels, so that a copy with other labels would be found.
    prometheus.wait_for("shop_orders_total", 187.0);
    let [(labels, _)] = &*prometheus.query("shop_orders_total") else { panic!("not one") };
    assert_eq!(labels["payment"], "card");
    assert_eq!(labels["kubernetes_pod_name"], CANARY_POD);
    prometheus.wait_for("shop_basket_items_sum", 3.0 * 187.0);
    prometheus.wait_for("shop_open_tills", 2.5);
    let source = "podmeter_app_scrape_up{source=\"shop\"}";
    prometheus.wait_for(source, 1.0);
    let app = get(pods.app, "/metrics");
    assert!(app.text().contains("\nshop_orders_total{payment=\"card\"} 187.0\n"));

    let exemplars = prometheus.exemplars("shop_basket_items_bucket");
    let [series] = &*exemplars else { panic!("{exemplars:?}") };
    assert_eq!(series["seriesLabels"]["le"], "5.0");
    assert_eq!(series["exemplars"][0]["labels"]["trace_id"], "4bf92f3577b34da6");
    assert_eq!(series["exemplars"][0]["value"], "3");
}

fn every_sample_served_is_scraped(prometheus: &Prometheus, pods: &Pods, python: &Path) {
    for target in pods.targets() {
        let served = Scrape::of(target.stats, Format::OPENMETRICS);
        python_reads(python, &served.text, Format::OPENMETRICS).unwrap();
        let lines = served.text.lines().filter(|line| !line.starts_with('#')).count();
        let pod = target.pod;
        let scraped = format!("scrape_samples_scraped{{kubernetes_pod_name=\"{pod}\"}}");
        prometheus.wait_for(&scraped, lines as f64);
        println!("{pod}: {lines} samples");

        let served = Scrape::of(target.stats, Format::TEXT);
        python_reads(python, &served.text, Format::TEXT).unwrap();
        let Some(remarks) = lint(&served.text) else { return };
        // Names are the field's, and what it thinks of them is not ours to change.
        for remark in &remarks {
            let foreign = ["istio_", "envoy_"].iter().any(|prefix| remark.starts_with(prefix));
            assert!(foreign, "promtool says: {remark}");
        }
        println!("promtool remarks on {pod}: {remarks:#?}");
    }
}

/// Asks for each path in turn and sees that the answer is as told.
fn send(addr: SocketAddr, paths: &[&str], status: u16) {
    for path in paths {
        assert_eq!(get(addr, path).status, status);
    }
}

const NAMESPACE: &str = "shop";
// As a ReplicaSet names its pods: the hash and five letters.
const CANARY_POD: &str = "podinfo-6b7fd9-x2x9z";
const PRIMARY_POD: &str = "podinfo-primary-5c8f7-k7w2p";
const BROKEN_POD: &str = "broken-7d4f9-q8j5t";
const CANARY: Subject<'_> = subject("podinfo");
const PRIMARY: Subject<'_> = subject("podinfo-primary");
const BROKEN: Subject<'_> = subject("broken");

const fn subject(target: &'static str) -> Subject<'static> {
    Subject { namespace: NAMESPACE, target, interval: "1m" }
}
