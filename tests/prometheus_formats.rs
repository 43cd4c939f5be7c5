//! A real Prometheus scrapes one sidecar in every format that there is, and reads the same numbers
//! in each; native histograms and exemplars of the app arrive where it can take them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what programs said is shown when a test fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use http::get;
use nginx::Nginx;
use process::{Running, eventually, program, python};
use prom::Prometheus;
use sidecar::Sidecar;
use skip::skip;

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
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;

#[test]
fn prometheus_reads_the_same_numbers_in_every_format() {
    let name = "prometheus_reads_the_same_numbers_in_every_format";
    let tools = (program("prometheus"), program("nginx"), python());
    let (Some(prometheus), Some(nginx), Some(python)) = tools else {
        return skip(name, "it needs prometheus, nginx and PODMETER_PYTHON");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (_shop, app) = shop(&python, path);
    let sidecar = Sidecar::start(
        "podmeter",
        path,
        app,
        // Histograms that are native in one format alone are not the same in all.
        &format!(
            "--workload podinfo --native-histograms off \
             --app-metrics http://{app}/metrics,name=shop"
        ),
    );
    let relay = relay(&nginx, path, sidecar.stats);
    let prometheus = Prometheus::with(&prometheus, path, &configuration(sidecar.stats, relay.addr));
    for _ in 0..7 {
        assert_eq!(get(sidecar.inbound, "/ok").status, 200);
    }
    assert_eq!(get(sidecar.inbound, "/fail").status, 503);

    every_format_says_the_same(&prometheus);
    a_native_histogram_has_its_resolution(&prometheus);
    exemplars_arrive(&prometheus);
}

fn every_format_says_the_same(prometheus: &Prometheus) {
    for (format, _) in FORMATS {
        prometheus.wait_for(&format!("up{{format=\"{format}\"}}"), 1.0);
        prometheus.wait_for(
            &format!(
                "sum(istio_requests_total{{format=\"{format}\",destination_workload=\"podinfo\"}})"
            ),
            8.0,
        );
    }
    eventually("every format says the same", || {
        let [(first, _), others @ ..] = FORMATS;
        let expected = numbers(prometheus, first);
        if expected.len() < 100 {
            return Err(format!("{first} has only {} samples", expected.len()));
        }
        for (format, _) in others {
            let found = numbers(prometheus, format);
            for series in expected.keys().chain(found.keys()) {
                let (one, other) = (expected.get(series), found.get(series));
                if one != other {
                    return Err(format!("{series}: {one:?} in {first}, {other:?} in {format}"));
                }
            }
        }
        Ok(())
    });
    let said = numbers(prometheus, FORMATS[0].0);
    for (series, value) in [
        ("shop_orders_total payment=card", "42"),
        ("shop_open_tills", "2.5"),
        ("shop_stock", "-7"),
        ("shop_size quantile=0.5", "4"),
        ("shop_wait_seconds_bucket le=1", "100"),
        ("shop_wait_seconds_count", "1000"),
    ] {
        assert_eq!(said.get(series).map(String::as_str), Some(value), "{series} in {said:#?}");
    }
}

/// What was scraped in a format, as text for text: all that counts traffic, and all that the app
/// says and every format can carry.
fn numbers(prometheus: &Prometheus, format: &str) -> BTreeMap<String, String> {
    let selector = format!(
        "{{format=\"{format}\",__name__=~\"istio_.*|envoy_(cluster|http)_.*|shop_.*\",\
         __name__!~\"shop_(latency|both)_.*|.*_created\"}}"
    );
    let series = prometheus.query(&selector).into_iter().map(|(labels, value)| {
        let Value::Object(labels) = labels else { panic!("{labels}") };
        let mut name = labels["__name__"].as_str().unwrap().to_owned();
        for (label, value) in &labels {
            let value = value.as_str().unwrap();
            match label.as_str() {
                "__name__" | "format" | "job" | "instance" => {}
                // Numbers, which the formats spell each in its way.
                "le" | "quantile" => {
                    write!(name, " {label}={}", value.parse::<f64>().unwrap()).unwrap();
                }
                _ => write!(name, " {label}={value}").unwrap(),
            }
        }
        (name, value.to_string())
    });
    series.collect()
}

fn a_native_histogram_has_its_resolution(prometheus: &Prometheus) {
    for family in ["shop_latency_seconds", "shop_both_seconds"] {
        let native = format!("{family}{{format=\"protobuf\"}}");
        prometheus.wait_for(&format!("histogram_count({native})"), 1000.0);
        prometheus.wait_for(&format!("histogram_sum({native})"), 5005.0);
        for (quantile, truth) in [(0.1, 1.0), (0.5, 5.0), (0.9, 9.0), (0.99, 9.9)] {
            let query = format!("histogram_quantile({quantile}, {native})");
            let found = prometheus.value(&query).unwrap();
            // No farther than one bucket, of which there are eight from one power of two to the next.
            let bucket = 2f64.powf(1.0 / 8.0);
            assert!((truth / bucket..=truth * bucket).contains(&found), "{query}: {found}");
        }
    }
    // Elsewhere what is left of it is right as well.
    for format in ["text", "text 1.0.0", "openmetrics"] {
        let of = format!("{{format=\"{format}\"}}");
        prometheus.wait_for(&format!("shop_latency_seconds_count{of}"), 1000.0);
        prometheus.wait_for(&format!("shop_latency_seconds_sum{of}"), 5005.0);
        prometheus
            .wait_for(&format!("sum(shop_both_seconds_bucket{of})"), 10.0 + 100.0 + 500.0 + 1000.0);
    }
}

fn exemplars_arrive(prometheus: &Prometheus) {
    for format in ["protobuf", "openmetrics"] {
        for (family, value) in [("shop_orders_total", "1"), ("shop_wait_seconds_bucket", "0.42")] {
            let selector = format!("{family}{{format=\"{format}\"}}");
            let exemplars = prometheus.exemplars(&selector);
            let [series] = &*exemplars else { panic!("{selector}: {exemplars:?}") };
            let exemplar = &series["exemplars"][0];
            assert_eq!(exemplar["labels"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(exemplar["value"], value, "{selector}");
        }
    }
}

fn shop(python: &Path, folder: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/native.py"));
    let mut shop = Running::start("app", &mut command, folder);
    let app = shop.wait_for("it listens", |shop| {
        shop.said().strip_prefix("listening on ")?.trim().parse().ok()
    });
    (shop, app)
}

/// Asks the sidecar in one format for each path, since this Prometheus cannot be told which to ask
/// for.
fn relay(nginx: &Path, folder: &Path, stats: SocketAddr) -> Nginx {
    let mut locations = String::new();
    for (number, (_, accept)) in FORMATS.iter().enumerate() {
        write!(
            locations,
            "location = /{number} {{ proxy_set_header Accept \"{accept}\"; \
             proxy_pass http://{stats}/stats/prometheus; }} "
        )
        .unwrap();
    }
    Nginx::start(nginx, folder, "access_log off;", &locations)
}

/// What protobuf is asked for as is Prometheus's own affair.
fn configuration(stats: SocketAddr, relay: SocketAddr) -> String {
    let mut text =
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n".to_owned();
    for (number, (format, accept)) in FORMATS.iter().enumerate() {
        let (addr, path) = match *accept {
            "" => (stats, "/stats/prometheus".to_owned()),
            _ => (relay, format!("/{number}")),
        };
        write!(
            text,
            "  - job_name: '{format}'\n    metrics_path: {path}\n    static_configs:\n      \
             - targets: ['{addr}']\n        labels: {{format: '{format}'}}\n"
        )
        .unwrap();
    }
    text
}

const FORMATS: [(&str, &str); 4] = [
    ("protobuf", ""),
    ("text", "text/plain;version=0.0.4"),
    ("text 1.0.0", "text/plain;version=1.0.0;escaping=underscores"),
    ("openmetrics", "application/openmetrics-text;version=1.0.0"),
];
