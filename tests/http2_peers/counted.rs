//! What the stats say once everything has passed.

use std::collections::BTreeMap;

use podmeter::exposition::Format;

use crate::process::eventually;
use crate::scrape::Scrape;
use crate::sidecar::Sidecar;

/// A scrape, and the numbers that most tests ask for.
pub(crate) struct Counted {
    /// `PROTOCOL[/GRPC STATUS] STATUS FLAGS`, and how many; those that happened, in order.
    pub(crate) exchanges: Vec<(String, u64)>,
    pub(crate) tcp_connections: u64,
    /// By what they speak.
    pub(crate) connections: BTreeMap<String, u64>,
    /// gRPC messages from clients and to them.
    pub(crate) messages: [u64; 2],
    /// `PROTOCOL REASON`.
    pub(crate) unparsed: Vec<String>,
    scrape: Scrape,
}

impl Counted {
    /// Waits until no connection is carried any more.
    pub(crate) fn when_drained(sidecar: &Sidecar) -> Self {
        let scrape = eventually("everything has drained", || {
            let scrape = Scrape::of(sidecar.stats, Format::TEXT);
            for gauge in ["podmeter_connections_active", "envoy_cluster_upstream_rq_active"] {
                if scrape.value(gauge, &[]) != 0.0 {
                    return Err(format!("{gauge} is {}", scrape.value(gauge, &[])));
                }
            }
            Ok(scrape)
        });
        let mut exchanges = BTreeMap::new();
        for line in scrape.samples("istio_requests_total", &[]) {
            let label = |name: &str| line.labels[name].as_str();
            let protocol = match (label("request_protocol"), label("grpc_response_status")) {
                (protocol, "") => protocol.to_owned(),
                (protocol, status) => format!("{protocol}/{status}"),
            };
            let key = format!("{protocol} {} {}", label("response_code"), label("response_flags"));
            *exchanges.entry(key).or_default() += whole(line.value);
        }
        let by_label = |family: &str, label: &str| {
            let lines = scrape.samples(family, &[]);
            lines.map(|line| (line.labels[label].clone(), whole(line.value))).collect()
        };
        let messages = ["request", "response"]
            .map(|way| whole(scrape.sum(&format!("istio_{way}_messages_total"), &[])));
        let unparsed = scrape.samples("podmeter_unparsed_connections_total", &[]);
        let unparsed =
            unparsed.map(|line| format!("{} {}", line.labels["protocol"], line.labels["reason"]));
        Self {
            exchanges: exchanges.into_iter().filter(|(_, count)| *count > 0).collect(),
            tcp_connections: whole(scrape.sum("istio_tcp_connections_opened_total", &[])),
            connections: by_label("podmeter_connections_total", "protocol"),
            messages,
            unparsed: unparsed.collect(),
            scrape,
        }
    }

    /// That these are the exchanges, and all of them.
    #[track_caller]
    pub(crate) fn has(&self, expected: &[(&str, u64)]) {
        let counted = self.exchanges.iter().map(|(what, count)| (what.as_str(), *count));
        assert_eq!(counted.collect::<Vec<_>>(), expected);
    }

    /// The only sample of this name with these labels.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        whole(self.scrape.value(name, labels))
    }
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
