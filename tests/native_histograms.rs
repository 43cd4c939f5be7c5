//! A native histogram of an app goes through a sidecar into a real Prometheus, which asks for
//! protobuf, and says in PromQL what the app observed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use messages::{Message, delimited, family};
use process::{eventually, program};
use prom::Prometheus;
use sidecar::Sidecar;
use skip::skip;

#[path = "support/http.rs"]
mod http;
#[path = "support/exposition_messages.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod messages;
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
fn a_real_prometheus_reads_native_histograms_and_exemplars_through_the_sidecar() {
    let name = "a_real_prometheus_reads_native_histograms_and_exemplars_through_the_sidecar";
    let Some(prometheus) = program("prometheus") else {
        return skip(name, "it needs prometheus");
    };
    let folder = tempfile::tempdir().unwrap();
    let app = serve(exposition());
    let flags = format!("--app-metrics http://{app}/metrics,name=app");
    let sidecar = Sidecar::start("sidecar", folder.path(), app, &flags);
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  \
         - {{job_name: pods, metrics_path: /stats/prometheus, static_configs: [{{targets: ['{}']}}]}}\n",
        sidecar.stats
    );
    let prometheus = Prometheus::with(&prometheus, folder.path(), &configuration);

    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("histogram_count(app_latency_seconds)", 100.0);
    prometheus.wait_for("histogram_sum(app_latency_seconds)", 70.0);
    // Eighty of a hundred are in the bucket from 0.5 to 1, all others in the next one.
    let median = prometheus.value("histogram_quantile(0.5, app_latency_seconds)").unwrap();
    assert!((0.5..=1.0).contains(&median), "{median}");
    let slowest = prometheus.value("histogram_quantile(0.95, app_latency_seconds)").unwrap();
    assert!((1.0..=2.0).contains(&slowest), "{slowest}");
    // Classic histograms, counters and the proxy's own families come in the same answer.
    prometheus.wait_for("app_size_bytes_bucket{le=\"10.0\"}", 3.0);
    prometheus.wait_for("app_rq_total{path=\"/a\\\"b\"}", 7.0);
    prometheus.wait_for("podmeter_app_scrape_up{source=\"app\"}", 1.0);
    let exemplar = eventually("the app's exemplar is stored", || {
        let all = prometheus.exemplars("app_rq_total");
        all.first().cloned().ok_or_else(|| "there is none".to_owned())
    });
    assert_eq!(exemplar["exemplars"][0]["labels"]["trace_id"], "abc");
}

fn exposition() -> Vec<u8> {
    let m = Message::default;
    let exemplar = m().label("trace_id", "abc").double(2, 1.0);
    let exemplar = exemplar.message(3, m().uint(1, 1_700_000_000));
    let counter = m().double(1, 7.0).message(2, exemplar);
    // Schema 0: bucket 0 ends at 1, bucket 1 at 2.
    let native = m().uint(1, 100).double(2, 70.0).sint(5, 0).double(6, 0.001).uint(7, 0);
    let native = native.message(12, m().sint(1, 0).uint(2, 2)).sint(13, 80).sint(13, -60);
    let bucket = m().uint(1, 3).double(2, 10.0);
    let classic = m().uint(1, 4).double(2, 50.0).message(3, bucket);
    delimited([
        family("app_latency_seconds", 4, [m().message(7, native)]).text(2, "Latency."),
        family("app_size_bytes", 4, [m().message(7, classic)]),
        family("app_rq_total", 0, [m().label("path", "/a\"b").message(3, counter)]),
    ])
}

/// An app that answers every request with this body, until the test ends.
fn serve(body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            thread::spawn(move || answer(stream, &body));
        }
    });
    addr
}

fn answer(mut stream: TcpStream, body: &[u8]) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while !asked.ends_with(b"\r\n\r\n") {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                read => asked.extend_from_slice(&chunk[..read]),
            }
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.google.protobuf; \
             proto=io.prometheus.client.MetricFamily; encoding=delimited\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        asked.clear();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
    }
}
