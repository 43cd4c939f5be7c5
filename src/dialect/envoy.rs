//! The recording as Envoy's own statistics, in the shape of its `/stats/prometheus`.
//!
//! Names and meanings are those of Envoy's documentation (cluster, HTTP connection manager and
//! server statistics). A port's cluster is named as Istio names it, `inbound|PORT||`, and
//! `outbound|PORT||`, unless the configuration says otherwise.

mod dotted;
mod port;
mod server;

pub(super) use dotted::dotted;

use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show};
use super::dated::Dated;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Detail, HttpKey, HttpTotals, Layout, RouteTotals, Snapshot, Totals};
use crate::observe::Flags;
use port::{Names, Port};
use std::collections::BTreeMap;

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "envoy",
    families: &["envoy_"],
    durations: &[&Buckets::MILLISECONDS],
    sizes: &[],
    inbound: Detail::NONE,
    outbound: Detail::NONE,
    make: |subject| Box::new(Envoy { names: Names::new(subject) }),
};

/// Shows `envoy_*`.
#[derive(Debug)]
struct Envoy {
    names: Names,
}

/// What is added up of one port's exchanges.
#[derive(Clone, Debug, Default)]
struct PortSums {
    /// By status code.
    codes: BTreeMap<u16, Dated>,
    /// By class of status code.
    classes: BTreeMap<u16, Dated>,
    broken_off: u64,
    durations: Totals,
}

impl Show for Envoy {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let Recording { layout, snapshot, vitals, .. } = *recording;
        let known: Vec<_> = snapshot.ports.iter().map(|port| self.names.port(port)).collect();
        let sums = sums(snapshot);
        let ports: Vec<_> = known
            .iter()
            .zip(sums.iter().zip(&snapshot.routes))
            .map(|(port, (sums, totals))| Shown { port, sums, totals })
            .collect();
        let clusters = clusters(&ports);
        let clusters: Vec<_> =
            clusters.iter().map(|(port, sums, totals)| Shown { port, sums, totals }).collect();
        show_requests(layout, &clusters, families);
        show_connections(layout, &clusters, families);
        show_downstream(layout, &ports, families);
        server::show(snapshot, vitals, families);
    }
}

fn sums(snapshot: &Snapshot) -> Vec<PortSums> {
    let mut sums: Vec<PortSums> = snapshot.ports.iter().map(|_| PortSums::default()).collect();
    for (key, totals) in &snapshot.http {
        if let Some(sums) = sums.get_mut(usize::from(key.route.0)) {
            sums.add(*key, totals);
        }
    }
    sums
}

impl PortSums {
    fn add(&mut self, key: HttpKey, totals: &HttpTotals) {
        let requests = totals.requests();
        self.durations.merge(&totals.durations);
        if key.status != 0 {
            let dated = Dated::new(requests, totals.created());
            self.codes.entry(key.status).or_default().add(dated);
            // Of what overflowed, nobody can tell how it went.
            if !key.is_overflow() {
                self.classes.entry(key.status / 100).or_default().add(dated);
            }
        }
        if matches!(
            key.flags,
            Flags::UpstreamClosed | Flags::UpstreamProtocolError | Flags::UpstreamReset
        ) {
            self.broken_off += requests;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (code, requests) in &other.codes {
            self.codes.entry(*code).or_default().add(*requests);
        }
        for (class, requests) in &other.classes {
            self.classes.entry(*class).or_default().add(*requests);
        }
        self.broken_off += other.broken_off;
        self.durations.merge(&other.durations);
    }

    fn completed(&self) -> u64 {
        self.codes.values().map(|requests| requests.count).sum()
    }
}

/// A port and its numbers.
#[derive(Clone, Copy)]
struct Shown<'a> {
    port: &'a Port,
    sums: &'a PortSums,
    totals: &'a RouteTotals,
}

/// Ports whose app ports have one number are one cluster by name, so their numbers add up.
fn clusters<'a>(ports: &[Shown<'a>]) -> Vec<(&'a Port, PortSums, RouteTotals)> {
    let mut clusters: Vec<(&Port, PortSums, RouteTotals)> = Vec::new();
    for shown in ports {
        match clusters
            .iter_mut()
            .find(|(port, ..)| port.cluster_labels == shown.port.cluster_labels)
        {
            Some((_, sums, totals)) => {
                sums.merge(shown.sums);
                totals.merge(shown.totals);
            }
            None => clusters.push((shown.port, shown.sums.clone(), shown.totals.clone())),
        }
    }
    clusters
}

type Families<'a> = &'a mut Vec<Family<'static>>;

fn show_requests(layout: &Layout, ports: &[Shown<'_>], families: Families<'_>) {
    let http: Vec<_> = ports.iter().copied().filter(|shown| shown.port.is_http).collect();
    if http.is_empty() {
        return;
    }
    let mut by_code = FamilyBuilder::new(
        "envoy_cluster_upstream_rq",
        Kind::Counter,
        "Requests answered, by status code.",
    );
    for Shown { port, sums, .. } in &http {
        for (code, requests) in &sums.codes {
            let code = match *code {
                HttpKey::OVERFLOW_STATUS => "overflow".to_owned(),
                code => code.to_string(),
            };
            by_code.since(layout.time(requests.created));
            by_code.counter(&port.cluster_labels_and(&[(CODE, &code)]), requests.count);
        }
    }
    families.push(by_code.build());
    families.push(classes(
        "envoy_cluster_upstream_rq_xx",
        "Requests answered, by class of status code.",
        layout,
        &http,
        |port, class| port.cluster_labels_and(&[(CLASS, class)]),
    ));
    let cluster = |shown: &Shown<'_>| shown.port.cluster_labels.clone();
    let mut counter = |name, help, value: fn(&Shown<'_>) -> u64| {
        families.push(counters(name, help, &http, cluster, value));
    };
    // Not what was recorded and what is in flight: that falls when a request is given up unread.
    counter("envoy_cluster_upstream_rq_total", "Requests sent to the app.", |shown| {
        shown.totals.requests
    });
    counter("envoy_cluster_upstream_rq_completed", "Requests that got a status.", |shown| {
        shown.sums.completed()
    });
    counter(
        "envoy_cluster_upstream_rq_timeout",
        "Requests timed out; podmeter has no such limit.",
        |_| 0,
    );
    counter("envoy_cluster_upstream_rq_rx_reset", "Requests that the app broke off.", |shown| {
        shown.sums.broken_off
    });
    families.push(gauges(
        "envoy_cluster_upstream_rq_active",
        "Requests in flight.",
        &http,
        cluster,
        |shown| shown.totals.requests_active,
    ));
    families.push(times("envoy_cluster_upstream_rq_time", layout, &http, cluster));
}

fn show_connections(layout: &Layout, ports: &[Shown<'_>], families: Families<'_>) {
    let cluster = |shown: &Shown<'_>| shown.port.cluster_labels.clone();
    let mut counter = |name, help, value: fn(&Shown<'_>) -> u64| {
        families.push(counters(name, help, ports, cluster, value));
    };
    counter("envoy_cluster_upstream_cx_total", "Connections to the app.", |shown| {
        shown.totals.connections
    });
    counter("envoy_cluster_upstream_cx_connect_fail", "Connections that failed.", |shown| {
        shown.totals.connections_refused
    });
    counter("envoy_cluster_upstream_cx_rx_bytes_total", "Bytes from the app.", |shown| {
        shown.totals.sent
    });
    counter("envoy_cluster_upstream_cx_tx_bytes_total", "Bytes to the app.", |shown| {
        shown.totals.received
    });
    families.push(gauges(
        "envoy_cluster_upstream_cx_active",
        "Connections to the app that are open.",
        ports,
        cluster,
        |shown| shown.totals.connections_active,
    ));
    let mut histogram = |name, help, of: fn(&RouteTotals) -> &Totals| {
        let mut family = FamilyBuilder::new(name, Kind::Histogram, help);
        for Shown { port, totals, .. } in ports {
            let labels = &port.cluster_labels;
            Buckets::MILLISECONDS.show(&mut family, labels, &layout.durations, of(totals));
        }
        families.push(family.build());
    };
    histogram(
        "envoy_cluster_upstream_cx_connect_ms",
        "Milliseconds that connecting to the app took.",
        |totals| &totals.connect_times,
    );
    histogram(
        "envoy_cluster_upstream_cx_length_ms",
        "Milliseconds that connections lasted.",
        |totals| &totals.connection_lengths,
    );
}

fn show_downstream(layout: &Layout, ports: &[Shown<'_>], families: Families<'_>) {
    let http: Vec<_> = ports.iter().copied().filter(|shown| shown.port.is_http).collect();
    if http.is_empty() {
        return;
    }
    let manager = |shown: &Shown<'_>| shown.port.manager_labels.clone();
    let mut counter = |name, help, value: fn(&Shown<'_>) -> u64| {
        families.push(counters(name, help, &http, manager, value));
    };
    counter("envoy_http_downstream_rq_total", "Requests from clients.", |shown| {
        shown.totals.requests
    });
    counter("envoy_http_downstream_rq_completed", "Requests answered.", |shown| {
        shown.sums.completed()
    });
    counter("envoy_http_downstream_cx_total", "Connections from clients.", |shown| {
        shown.totals.connections
    });
    let mut gauge = |name, help, value: fn(&Shown<'_>) -> u64| {
        families.push(gauges(name, help, &http, manager, value));
    };
    gauge("envoy_http_downstream_rq_active", "Requests from clients in flight.", |shown| {
        shown.totals.requests_active
    });
    gauge("envoy_http_downstream_cx_active", "Connections from clients that are open.", |shown| {
        shown.totals.connections_active
    });
    families.push(classes(
        "envoy_http_downstream_rq_xx",
        "Requests from clients answered, by class of status code.",
        layout,
        &http,
        |port, class| port.manager_labels_and(&[(CLASS, class)]),
    ));
    families.push(times("envoy_http_downstream_rq_time", layout, &http, manager));
}

/// Answers by class of status code, of each port under the label that names it.
fn classes(
    name: &'static str,
    help: &'static str,
    layout: &Layout,
    ports: &[Shown<'_>],
    labels: fn(&Port, &str) -> Labels,
) -> Family<'static> {
    let mut family = FamilyBuilder::new(name, Kind::Counter, help);
    for shown in ports {
        for (class, requests) in &shown.sums.classes {
            family.since(layout.time(requests.created));
            family.counter(&labels(shown.port, &class.to_string()), requests.count);
        }
    }
    family.build()
}

fn times(
    name: &'static str,
    layout: &Layout,
    ports: &[Shown<'_>],
    labels: fn(&Shown<'_>) -> Labels,
) -> Family<'static> {
    let help = "Milliseconds from a request's first byte to the last byte of its answer.";
    let mut family = FamilyBuilder::new(name, Kind::Histogram, help);
    for shown in ports {
        let durations = &shown.sums.durations;
        Buckets::MILLISECONDS.show(&mut family, &labels(shown), &layout.durations, durations);
    }
    family.build()
}

fn counters(
    name: &'static str,
    help: &'static str,
    ports: &[Shown<'_>],
    labels: fn(&Shown<'_>) -> Labels,
    value: fn(&Shown<'_>) -> u64,
) -> Family<'static> {
    let mut family = FamilyBuilder::new(name, Kind::Counter, help);
    for shown in ports {
        family.counter(&labels(shown), value(shown));
    }
    family.build()
}

fn gauges(
    name: &'static str,
    help: &'static str,
    ports: &[Shown<'_>],
    labels: fn(&Shown<'_>) -> Labels,
    value: fn(&Shown<'_>) -> u64,
) -> Family<'static> {
    let mut family = FamilyBuilder::new(name, Kind::Gauge, help);
    for shown in ports {
        family.gauge(&labels(shown), value(shown) as f64);
    }
    family.build()
}

const CLUSTER: &str = "envoy_cluster_name";
const MANAGER: &str = "envoy_http_conn_manager_prefix";
const CODE: &str = "envoy_response_code";
const CLASS: &str = "envoy_response_code_class";
