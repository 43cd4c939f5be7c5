//! What the stats say: of exchanges, of themselves, and never less than before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use podmeter::exposition::Format;

use crate::app::Exchanges;
use crate::process::eventually;
use crate::scrape::{Scrape, python_reads};

/// The exchanges and TCP connections of a scrape.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) exchanges: Exchanges,
    pub(crate) tcp_connections: u64,
}

impl Books {
    pub(crate) fn now(stats: SocketAddr) -> Self {
        Self::read(&Scrape::of(stats, Format::TEXT))
    }

    /// Waits until nothing is carried any more; then all families must tell the same story.
    pub(crate) fn when_drained(stats: SocketAddr) -> Self {
        let scrape = eventually("everything has drained", || {
            let scrape = Scrape::of(stats, Format::TEXT);
            for gauge in [
                "podmeter_connections_active",
                "envoy_cluster_upstream_cx_active",
                "envoy_cluster_upstream_rq_active",
                "envoy_http_downstream_cx_active",
                "envoy_http_downstream_rq_active",
            ] {
                if scrape.value(gauge, &[]) != 0.0 {
                    return Err(format!("{gauge} is {}", scrape.value(gauge, &[])));
                }
            }
            Ok(scrape)
        });
        agree(&scrape);
        Self::read(&scrape)
    }

    /// Exchanges that got an answer to its end.
    pub(crate) fn answered(&self) -> u64 {
        self.exchanges.iter().filter(|((_, flags), _)| flags == "-").map(|(_, count)| count).sum()
    }

    fn read(scrape: &Scrape) -> Self {
        let mut exchanges = Exchanges::new();
        for line in scrape.samples("istio_requests_total", &[]) {
            let status = line.labels["response_code"].parse().unwrap();
            let flags = line.labels["response_flags"].clone();
            *exchanges.entry((status, flags)).or_default() += whole(line.value);
        }
        let tcp_connections = whole(scrape.sum("istio_tcp_connections_opened_total", &[]));
        let closed = whole(scrape.sum("istio_tcp_connections_closed_total", &[]));
        assert!(closed <= tcp_connections);
        Self { exchanges, tcp_connections }
    }
}

/// Every family counts the same exchanges.
fn agree(scrape: &Scrape) {
    let all = scrape.sum("istio_requests_total", &[]);
    for same in [
        "istio_request_duration_milliseconds_count",
        "istio_request_bytes_count",
        "istio_response_bytes_count",
        // What began is what was recorded.
        "envoy_cluster_upstream_rq_total",
        "envoy_cluster_upstream_rq_time_count",
        "envoy_http_downstream_rq_total",
        "envoy_http_downstream_rq_time_count",
        "podmeter_proxy_duration_seconds_count",
    ] {
        assert_eq!(whole(scrape.sum(same, &[])), whole(all), "{same}");
    }
    let without_a_status = scrape.sum("istio_requests_total", &[("response_code", "0")]);
    for answered in [
        "envoy_cluster_upstream_rq_completed",
        "envoy_cluster_upstream_rq",
        "envoy_cluster_upstream_rq_xx",
        "envoy_http_downstream_rq_completed",
        "envoy_http_downstream_rq_xx",
    ] {
        assert_eq!(whole(scrape.sum(answered, &[]) + without_a_status), whole(all), "{answered}");
    }
    let opened = scrape.sum("istio_tcp_connections_opened_total", &[]);
    assert_eq!(whole(scrape.sum("istio_tcp_connections_closed_total", &[])), whole(opened));
    assert_eq!(whole(scrape.sum("podmeter_series_overflow_total", &[])), 0);
}

/// Looks at the stats while they change.
pub(crate) struct Watch {
    stats: SocketAddr,
    python: PathBuf,
    before: BTreeMap<String, f64>,
    looks: u32,
}

impl Watch {
    pub(crate) fn new(stats: SocketAddr, python: &Path) -> Self {
        Self { stats, python: python.to_owned(), before: BTreeMap::new(), looks: 0 }
    }

    /// Scrapes twice in a row; each answer must be valid, and none may take back what an earlier
    /// one has counted.
    pub(crate) fn look(&mut self) {
        for format in [Format::TEXT, Format::OPENMETRICS] {
            let scrape = Scrape::of(self.stats, format);
            // A process each time would take the CPU away from those who work.
            if self.looks < 3 {
                python_reads(&self.python, &scrape.text, format).unwrap();
            }
            for line in scrape.lines().iter().filter(|line| is_counted(&line.name)) {
                let series = format!("{} {:?}", line.name, line.labels);
                let before = self.before.insert(series, line.value).unwrap_or(0.0);
                let (name, labels) = (&line.name, &line.labels);
                assert!(before <= line.value, "{name} {labels:?}: {before}, then {}", line.value);
            }
        }
        self.looks += 1;
    }
}

/// Whether samples of this name only ever go up.
fn is_counted(name: &str) -> bool {
    let counted = ["_total", "_count", "_sum", "_bucket", "_rq", "_xx", "_completed", "_reset"];
    // This one is a gauge, called so by Envoy.
    counted.iter().any(|end| name.ends_with(end)) && !name.starts_with("envoy_server_")
}

/// A count as the integer that it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only what is whole and positive gets so far"
)]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0 && value < 1e15, "{value} is no count");
    value as u64
}
