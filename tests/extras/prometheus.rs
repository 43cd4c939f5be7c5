//! A real Prometheus reads native histograms and traces, and finds the truth in them.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use podmeter::exposition::Format;
use podmeter::meter::Natives;

use crate::http::{ask, get};
use crate::known::{Asked, Known};
use crate::process::{eventually, program};
use crate::prom::Prometheus;
use crate::served::Served;
use crate::sidecar::Sidecar;
use crate::skip::skip;

const BESIDE: Option<Natives> = Some(Natives { max_buckets: 160, beside: true });
const LATENCY: &str = "istio_request_duration_milliseconds";

fn configuration(jobs: &[(&str, &str, SocketAddr)]) -> String {
    let mut text =
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned();
    for (job, path, addr) in jobs {
        writeln!(
            text,
            "  - {{job_name: {job}, metrics_path: {path}, static_configs: [{{targets: ['{addr}']}}]}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_quantile_is_no_farther_from_the_truth_than_one_bucket_and_a_restart_is_seen() {
    let name = "a_quantile_is_no_farther_from_the_truth_than_one_bucket_and_a_restart_is_seen";
    let Some(program) = program("prometheus") else {
        return skip(name, "it needs prometheus");
    };
    let folder = tempfile::tempdir().unwrap();
    // Ten thousand latencies from a microsecond to ten seconds, as many in each tenth of that on a
    // scale of powers; sizes of one byte, two, and so on.
    let truth = |share: f64| 1e3 * 1e7_f64.powf(share);
    let mut known = Known::new(3, BESIDE);
    for n in 0..10_000_u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ten seconds")]
        let nanos = truth((f64::from(n) + 0.5) / 10_000.0) as u64;
        known.record(Asked { nanos, bytes: u64::from(n) + 1, ..Asked::default() });
    }
    let served = Served::start(known.shown(Format::PROTOBUF));
    let jobs = [("pod", "/stats/prometheus", served.addr)];
    let prometheus = Prometheus::with(&program, folder.path(), &configuration(&jobs));

    prometheus.wait_for("up", 1.0);
    prometheus.wait_for(&format!("histogram_count({LATENCY})"), 10_000.0);
    prometheus.wait_for("histogram_sum(istio_request_bytes)", 50_005_000.0);
    let bucket = 2f64.powf(1.0 / 8.0);
    for share in [0.01, 0.1, 0.5, 0.9, 0.99] {
        for (family, truth) in [
            (LATENCY, truth(share) / 1e6),
            ("envoy_cluster_upstream_rq_time", truth(share) / 1e6),
            ("istio_request_bytes", share * 10_000.0),
        ] {
            let query = format!("histogram_quantile({share}, {family})");
            let found = prometheus.value(&query).unwrap();
            assert!((truth / bucket..=truth * bucket).contains(&found), "{query}: {found} {truth}");
        }
    }

    // The pod comes back and counts anew.
    let mut anew = Known::new(3, BESIDE);
    (0..7).for_each(|_| anew.record(Asked { nanos: 3_000_000, bytes: 5, ..Asked::default() }));
    served.replace(anew.shown(Format::PROTOBUF));
    prometheus.wait_for(&format!("histogram_count({LATENCY})"), 7.0);
    eventually("the restart is no fall", || {
        let rate = prometheus.value(&format!("histogram_count(rate({LATENCY}[1m]))"))?;
        if rate > 0.0 { Ok(()) } else { Err(format!("the rate is {rate}")) }
    });
}

#[test]
fn a_sidecar_shows_prometheus_in_native_histograms_what_it_counted_and_which_trace_it_was() {
    let name =
        "a_sidecar_shows_prometheus_in_native_histograms_what_it_counted_and_which_trace_it_was";
    let Some(program) = program("prometheus") else {
        return skip(name, "it needs prometheus");
    };
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("sidecar", folder.path(), app(), "--workload shop");
    let jobs =
        [("one", "/stats/prometheus", sidecar.stats), ("two", "/stats/prometheus", sidecar.stats)];
    let prometheus = Prometheus::with(&program, folder.path(), &configuration(&jobs));
    prometheus.wait_for("sum(up)", 2.0);
    for n in 1..=20 {
        let trace = format!("00-{ID}-00000000000000{n:02x}-01");
        let reply = ask(sidecar.inbound, "GET", "/", &[("traceparent", &trace)]);
        assert_eq!(reply.status, 200);
    }

    for job in ["one", "two"] {
        let of = format!("{{job=\"{job}\",response_code=\"200\"}}");
        prometheus.wait_for(&format!("histogram_count({LATENCY}{of})"), 20.0);
        // What the text says in classic buckets is the same to the last bit.
        let text = get(sidecar.stats, "/stats/prometheus");
        let line = format!("{LATENCY}_sum{{");
        let line = text.text().lines().find(|said| said.starts_with(&line)).unwrap();
        let sum: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        prometheus.wait_for(&format!("histogram_sum({LATENCY}{of})"), sum);
        let slowest = prometheus.value(&format!("histogram_quantile(1, {LATENCY}{of})")).unwrap();
        assert!(slowest > 0.0 && slowest <= sum * 2f64.powf(1.0 / 8.0), "{slowest} {sum}");
        let exemplar = eventually("a trace of ours is stored", || {
            let all = prometheus.exemplars(&format!("{LATENCY}{of}"));
            let all = all.iter().flat_map(|series| series["exemplars"].as_array().unwrap());
            all.last().cloned().ok_or_else(|| "there is none".to_owned())
        });
        assert_eq!(exemplar["labels"]["trace_id"], ID, "{exemplar}");
        assert_eq!(exemplar["labels"]["span_id"].as_str().unwrap().len(), 16, "{exemplar}");
    }
}

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An app that answers every request with the same few bytes.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(read @ 1..) => asked.extend_from_slice(&chunk[..read]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    addr
}
