//! A real Prometheus scrapes sidecars before real apps, and the queries of a release controller
//! give the numbers that the apps were told to produce.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

use std::net::SocketAddr;
use std::path::Path;

use http::get;
use podmeter::exposition::Format;
use pods::{BROKEN, CANARY, CANARY_POD, PRIMARY, Pods, THIRD_POD};
use process::{eventually, program, python, reference_data};
use prom::Prometheus;
use promtool::lint;
use queries::{Observer, Subject};
use scrape::{Scrape, python_reads};
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
#[path = "prometheus/pods.rs"]
mod pods;
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
    let observers = OBSERVERS.map(|name| Observer::read(&data, name));
    let pods = Pods::start(&nginx, &python, folder);
    let prometheus = Prometheus::start(&prometheus, pods.folder.path(), &pods.targets());

    // All but the one that is still to come.
    prometheus.wait_for("sum(up)", pods.targets().len() as f64 - 1.0);
    an_idle_canary_has_a_rate_of_zero_rather_than_none(&prometheus, &observers);
    who_only_fails_has_a_success_rate_of_zero(&prometheus, &observers, &pods);
    let since = rates_and_durations_are_what_the_apps_were_told(&prometheus, &observers, &pods);
    let pods = a_pod_that_is_replaced_costs_nothing(&prometheus, &observers, pods, since);
    what_the_app_says_of_itself_arrives_once(&prometheus, &pods);
    every_documented_example_is_a_query(&prometheus);
    every_sample_served_is_scraped(&prometheus, &pods, &python);
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
    // A rate needs a step between two scrapes, and a counter's first value is none.
    for round in [1.0, 2.0] {
        for broken in &pods.broken {
            send(broken.inbound, &["/fail"; 5], 503);
        }
        let failed = "sum(podmeter_exchanges_total{kubernetes_pod_name=~\"broken.*\"})";
        prometheus.wait_for(failed, 15.0 * round);
    }
    for observer in observers {
        let rate = prometheus.value(&observer.success_rate(BROKEN)).unwrap();
        assert_eq!(rate.to_bits(), 0f64.to_bits(), "{}", observer.name);
    }
}

/// Gives the time from which on the canary's numbers are in proportion.
fn rates_and_durations_are_what_the_apps_were_told(
    prometheus: &Prometheus,
    observers: &[Observer],
    pods: &Pods,
) -> f64 {
    let canaries = pods.canary.iter().chain(&pods.others).map(|sidecar| sidecar.inbound);
    let canaries: Vec<_> = canaries.collect();
    let primary = || {
        send(pods.primary.inbound, &["/ok"; 99], 200);
        send(pods.primary.inbound, &["/fail"], 503);
    };
    let all = "podmeter_exchanges_total{kubernetes_pod_name!~\"broken.*\"}";
    // Prometheus must have seen each series before, or its rate misses the step from nothing; and
    // if all stand in proportion then, it extrapolates all alike.
    canaries.iter().copied().for_each(ask_canary);
    primary();
    prometheus.wait_for(&format!("sum(min_over_time({all}[2500ms]))"), 180.0);
    let before = prometheus.value("vector(time())").unwrap();
    std::thread::scope(|scope| {
        for round in 0..10 {
            let canaries = &canaries;
            scope.spawn(move || {
                // One replica after the other takes a turn.
                ask_canary(canaries[round % 2]);
                ask_canary(canaries[2]);
                ask_canary(canaries[3]);
                primary();
            });
        }
    });
    prometheus.wait_for(&format!("sum({all})"), 180.0 + 10.0 * 160.0);
    let interval = interval_since(prometheus, before);
    let [canary, primary] = [CANARY, PRIMARY].map(|s| Subject { interval: &interval, ..s });
    for observer in observers {
        canary_is(prometheus, observer, canary, 0.1);
        if !OF_ANY_WORKLOAD.contains(&observer.name) {
            continue;
        }
        let name = observer.name;
        let success = prometheus.value(&observer.success_rate(primary)).unwrap();
        assert!((success - 99.0).abs() < 0.1, "{name}: {success} % of the primary's succeeded");
        let quick = observer.unit * prometheus.value(&observer.duration(primary)).unwrap();
        assert!((0.0..250.0).contains(&quick), "{name}: the primary takes {quick} ms");
    }
    before
}

fn a_pod_that_is_replaced_costs_nothing(
    prometheus: &Prometheus,
    observers: &[Observer],
    pods: Pods,
    since: f64,
) -> Pods {
    let pods = pods.replace_a_canary();
    let [first, third] = pods.canary.each_ref().map(|sidecar| sidecar.inbound);
    // It is asked before Prometheus has ever seen it.
    ask_canary(third);
    let asked = format!("podmeter_exchanges_total{{kubernetes_pod_name=\"{THIRD_POD}\"}}");
    prometheus.wait_for(&format!("sum(min_over_time({asked}[2500ms]))"), 20.0);
    for canary in [first, third, first, third, first, third] {
        ask_canary(canary);
    }
    prometheus.wait_for(&format!("sum({asked})"), 80.0);
    let asked = format!("podmeter_exchanges_total{{kubernetes_pod_name=\"{CANARY_POD}\"}}");
    prometheus.wait_for(&format!("sum({asked})"), 180.0);
    let interval = interval_since(prometheus, since);
    for observer in observers {
        // What the new pod was asked before it was first seen may count in part.
        canary_is(prometheus, observer, Subject { interval: &interval, ..CANARY }, 1.0);
    }
    pods
}

/// The canary is told to fail one in ten and to be slow one in twenty.
fn ask_canary(addr: SocketAddr) {
    send(addr, &["/ok"; 17], 200);
    send(addr, &["/slow"], 200);
    send(addr, &["/fail"; 2], 503);
}

/// And that is what an observer sees.
fn canary_is(prometheus: &Prometheus, observer: &Observer, canary: Subject<'_>, within: f64) {
    let name = observer.name;
    let success = prometheus.value(&observer.success_rate(canary)).unwrap();
    assert!((success - 90.0).abs() < within, "{name}: {success} % of the canary's succeeded");
    // 300 ms is in the bucket from 250 to 500; the next one is for a machine out of breath.
    let slow = observer.unit * prometheus.value(&observer.duration(canary)).unwrap();
    assert!((250.0..=1000.0).contains(&slow), "{name}: the canary takes {slow} ms");
    println!("{name} over {}: canary {success} %, p99 {slow} ms", canary.interval);
}

/// From a scrape before `time` until now.
fn interval_since(prometheus: &Prometheus, time: f64) -> String {
    let now = prometheus.value("vector(time())").unwrap();
    format!("{}ms", ((now - time + 2.0) * 1000.0).round())
}

fn what_the_app_says_of_itself_arrives_once(prometheus: &Prometheus, pods: &Pods) {
    // The name without labels, so that a copy with other labels would be found.
    prometheus.wait_for("shop_orders_total", 697.0);
    let [(labels, _)] = &*prometheus.query("shop_orders_total") else { panic!("not one") };
    assert_eq!(labels["payment"], "card");
    assert_eq!(labels["kubernetes_pod_name"], CANARY_POD);
    prometheus.wait_for("shop_basket_items_sum", 3.0 * 697.0);
    prometheus.wait_for("shop_open_tills", 2.5);
    let source = "podmeter_app_scrape_up{source=\"shop\"}";
    prometheus.wait_for(source, 1.0);
    let app = get(pods.app, "/metrics");
    assert!(app.text().contains("\nshop_orders_total{payment=\"card\"} 697.0\n"));

    let exemplars = prometheus.exemplars("shop_basket_items_bucket");
    let [series] = &*exemplars else { panic!("{exemplars:?}") };
    assert_eq!(series["seriesLabels"]["le"], "5.0");
    assert_eq!(series["exemplars"][0]["labels"]["trace_id"], "4bf92f3577b34da6");
    assert_eq!(series["exemplars"][0]["value"], "3");
}

/// Prometheus refuses a query that it cannot read, and what passes here has an answer.
fn every_documented_example_is_a_query(prometheus: &Prometheus) {
    let document = include_str!("../docs/metrics.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let examples = rows.filter_map(|row| row.strip_suffix("` |")?.rsplit_once("| `"));
    let (mut all, mut answered) = (0, 0);
    for (_, example) in examples {
        all += 1;
        answered += usize::from(!prometheus.query(example).is_empty());
    }
    println!("{answered} of {all} documented examples have an answer");
    assert!(all > 80 && answered * 2 > all, "{answered} of {all}");
}

fn every_sample_served_is_scraped(prometheus: &Prometheus, pods: &Pods, python: &Path) {
    let one_of_each = [CANARY_POD, THIRD_POD, "gloo-1"];
    for target in pods.targets().into_iter().filter(|target| one_of_each.contains(&target.pod)) {
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
            let foreign = ["istio_", "envoy_", "osm_", "response_", "tcp_"]
                .iter()
                .any(|prefix| remark.starts_with(prefix));
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

/// What one pod can answer, and those of them that have a word for the primary.
const OBSERVERS: [&str; 9] =
    ["istio", "appmesh", "linkerd", "osm", "http", "contour", "gloo", "kuma", "knative"];
const OF_ANY_WORKLOAD: [&str; 5] = ["istio", "appmesh", "linkerd", "osm", "http"];
