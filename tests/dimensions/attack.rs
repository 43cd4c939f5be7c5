//! Somebody asks for ever new paths, methods and hosts: it costs detail, and neither memory nor the
//! exactness of anything else.

use crate::http::get;
use crate::nginx::Nginx;
use crate::process::program;
use crate::sidecar::Sidecar;
use crate::skip::skip;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The flag's values that the sidecar is told.
const MAX_PATHS: usize = 20;
const MAX_SERIES: usize = 20;
/// Requests in one go, so that nobody waits for each.
const BATCH: usize = 50;
const BATCHES: usize = 200;

#[test]
#[expect(clippy::float_cmp, reason = "counts are whole")]
fn a_flood_of_urls_hosts_and_methods_costs_only_detail() {
    let name = "a_flood_of_urls_hosts_and_methods_costs_only_detail";
    let Some(nginx) = program("nginx") else { return skip(name, "it needs nginx") };
    let folder = tempfile::tempdir().unwrap();
    // Under /any everything exists, so everything there deserves a place.
    let app = Nginx::start(
        &nginx,
        folder.path(),
        "access_log off;",
        "location /any { return 200 fine; } location /orders { return 200 fine; } \
         location / { return 404 none; }",
    );
    let flags = format!(
        "--dialect istio,http,otel --max-paths {MAX_PATHS} --max-series {MAX_SERIES} \
         --service shop.prod --path-templates auto,/orders/{{id}}/lines"
    );
    let sidecar = Sidecar::start("sidecar", folder.path(), app.addr, &flags);
    let shown = || Shown::of(sidecar.stats);
    // What is there is known before the flood.
    for n in 0..10 {
        assert_eq!(get(sidecar.inbound, &format!("/orders/{n}")).status, 200);
        assert_eq!(get(sidecar.inbound, &format!("/orders/{n}/lines")).status, 200);
    }
    flood(sidecar.inbound, 0, 20);
    let before = shown();
    flood(sidecar.inbound, 20, BATCHES);
    for n in 0..10 {
        assert_eq!(get(sidecar.inbound, &format!("/orders/{n}")).status, 200);
    }
    let after = shown();

    let flooded = (BATCHES * BATCH) as f64;
    for family in ["http_requests_total", "http_server_request_duration_seconds_count"] {
        assert!(after.series(family).len() <= MAX_SERIES + 1, "{family}");
        assert_eq!(after.sum(family, ""), flooded + 30.0, "{family}");
    }
    let orders = "path=\"/orders/{id}\",status=\"200\"";
    assert_eq!(after.sum("http_requests_total", orders), 20.0);
    assert_eq!(
        after.sum("http_requests_total", "path=\"/orders/{id}/lines\",status=\"200\""),
        10.0
    );
    // Half of the flood exists, and half does not; no status has lost a request.
    let half = flooded / 2.0;
    assert_eq!(after.sum("istio_requests_total", "response_code=\"200\""), half + 30.0);
    assert_eq!(after.sum("istio_requests_total", "response_code=\"404\""), half);
    assert!(after.sum("podmeter_series_overflow_total", "") > 0.0);
    let paths = after.labels("http_requests_total", "path");
    assert!(paths.len() <= MAX_PATHS + 2, "{paths:?}");
    let methods = after.labels("http_requests_total", "method");
    assert!(
        methods.iter().all(|method| ["GET", "OTHER"].contains(&method.as_str())),
        "{methods:?}"
    );
    let hosts = after.labels("istio_requests_total", "destination_service");
    assert_eq!(hosts, ["shop.prod"]);
    // With what the series may take, it has all been taken by the time of the first scrape.
    let grown = after.resident - before.resident;
    println!("resident: {} bytes, and {grown} more after the flood", before.resident);
    assert!(grown < 4e6, "{grown} bytes");
}

/// Asks for paths that nobody asked for before, half of which exist, from hosts of all names.
fn flood(addr: SocketAddr, first: usize, last: usize) {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answers = vec![0; 64 * 1024];
    for batch in first..last {
        let mut requests = String::new();
        for n in (batch * BATCH)..((batch + 1) * BATCH) {
            let place = if n % 2 == 0 { "any" } else { "none" };
            // Letters, so that nothing is folded.
            let word: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
            let method = if n % 4 < 2 { "GET".to_owned() } else { word.to_uppercase() };
            write!(requests, "{method} /{place}/{word} HTTP/1.1\r\nHost: h{n}.evil\r\n\r\n")
                .unwrap();
        }
        socket.write_all(requests.as_bytes()).unwrap();
        let mut said = Vec::new();
        while said.windows(9).filter(|w| w == b"HTTP/1.1 ").count() < BATCH
            || !(said.ends_with(b"fine") || said.ends_with(b"none"))
        {
            let read = socket.read(&mut answers).unwrap();
            assert!(read > 0, "the app hung up: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&answers[..read]);
        }
    }
}

/// A scrape, taken apart.
struct Shown {
    text: String,
    resident: f64,
}

impl Shown {
    fn of(stats: SocketAddr) -> Self {
        let mut this = Self { text: get(stats, "/metrics").text().to_owned(), resident: 0.0 };
        this.resident = this.sum("podmeter_process_resident_memory_bytes", "");
        this
    }

    /// The series of a family, with their values.
    fn series(&self, family: &str) -> Vec<(&str, f64)> {
        let of_family = |line: &&str| {
            line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let lines = self.text.lines().filter(of_family);
        lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(s, v)| (s, v.parse().unwrap()))
            .collect()
    }

    /// The sum of those of a family whose labels have this text in them.
    fn sum(&self, family: &str, labels: &str) -> f64 {
        let series = self.series(family);
        series.iter().filter(|(series, _)| series.contains(labels)).map(|(_, value)| value).sum()
    }

    /// The values of a label.
    fn labels(&self, family: &str, label: &str) -> Vec<String> {
        let of_label = |series: &str| {
            let (_, rest) = series.split_once(&format!("{label}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let mut all: Vec<_> =
            self.series(family).iter().filter_map(|(series, _)| of_label(series)).collect();
        all.sort();
        all.dedup();
        all
    }
}
