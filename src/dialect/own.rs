//! What podmeter says of itself: connections, what it did not understand, and the time it costs.

mod insight;
mod websocket;

use super::buckets::Buckets;
use super::built_in::Recording;
use crate::clock::Nanos;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Route, RouteTotals, Snapshot};
use crate::observe::Spoken;
use crate::process::Process;
use std::collections::BTreeMap;
use std::time::Duration;

/// The state of the proxy's process at the moment of a scrape.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// It was told to stop.
    pub draining: bool,
    /// Time since it started.
    pub uptime: Duration,
    /// The time by the clock of the recording.
    pub now: Nanos,
    /// Threads that carry traffic.
    pub workers: usize,
    /// What the kernel says of the process.
    pub process: Process,
}

/// The bounds of latencies in podmeter's own families.
pub(super) const DURATIONS: &[&Buckets] = &[&Buckets::SECONDS, &Buckets::FIRST_BYTE_SECONDS];

pub(super) fn show(recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
    let Recording { layout, snapshot, vitals, .. } = *recording;
    let mut build =
        FamilyBuilder::new("podmeter_build_info", Kind::Gauge, "1, with the version as a label.");
    build.gauge(&Labels::from_pairs([("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    families.push(build.build());
    show_process(vitals, families);
    show_ports(snapshot, families);
    insight::show(layout, snapshot, families);
    websocket::show(layout, snapshot, families);
    show_interception(snapshot, families);
    let none = Labels::from_pairs::<&str, &str>([]);
    let mut overflow = FamilyBuilder::new(
        "podmeter_series_overflow_total",
        Kind::Counter,
        "Exchanges counted together under one overflow series (--max-series).",
    );
    overflow.counter(&none, snapshot.overflowed());
    families.push(overflow.build());
    if !snapshot.unparsed.is_empty() {
        let mut unparsed = FamilyBuilder::new(
            "podmeter_unparsed_connections_total",
            Kind::Counter,
            "Connections that stopped being understood and were metered as TCP from there.",
        );
        for seen in &snapshot.unparsed {
            let labels = [("protocol", seen.protocol.as_str()), ("reason", seen.reason.as_str())];
            unparsed.counter(&Labels::from_pairs(labels), seen.connections);
        }
        families.push(unparsed.build());
    }
}

fn show_process(vitals: &Vitals, families: &mut Vec<Family<'static>>) {
    let none = Labels::from_pairs::<&str, &str>([]);
    let process = &vitals.process;
    let mut cpu = FamilyBuilder::new(
        "podmeter_process_cpu_seconds_total",
        Kind::Counter,
        "CPU time that the proxy has used, in seconds.",
    );
    cpu.amount(&none, process.cpu.as_secs_f64());
    families.push(cpu.build());
    let mut gauge = |name, help, value: f64| {
        let mut family = FamilyBuilder::new(name, Kind::Gauge, help);
        family.gauge(&none, value);
        families.push(family.build());
    };
    gauge(
        "podmeter_process_resident_memory_bytes",
        "Memory of the proxy that is resident, in bytes.",
        process.resident_bytes as f64,
    );
    gauge(
        "podmeter_process_open_fds",
        "File descriptors that the proxy has open.",
        process.open_fds as f64,
    );
    gauge(
        "podmeter_process_max_fds",
        "File descriptors that the proxy may have open.",
        process.max_fds as f64,
    );
    gauge(
        "podmeter_process_start_time_seconds",
        "When the proxy started, in seconds since 1970.",
        process.started.as_secs_f64(),
    );
}

fn show_ports(snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
    let ports: Vec<(Labels, &RouteTotals)> =
        snapshot.ports.iter().map(port_labels).zip(&snapshot.routes).collect();
    let mut connections = FamilyBuilder::new(
        "podmeter_connections_total",
        Kind::Counter,
        "Connections by what they speak, counted once that is known.",
    );
    for (route, port) in snapshot.ports.iter().zip(&snapshot.routes) {
        for (spoken, &count) in Spoken::ALL.iter().zip(&port.spoken) {
            if count > 0 || route.opaque == (*spoken == Spoken::Opaque) {
                connections
                    .counter(&port_labels_and(route, &[("protocol", spoken.as_str())]), count);
            }
        }
    }
    families.push(connections.build());
    let counters: [Counter; 2] = [
        ("podmeter_connections_refused_total", "Connections that the app did not take.", |port| {
            port.connections_refused
        }),
        (
            "podmeter_connections_overflow_total",
            "Connections turned away because too many were open (--max-connections).",
            |port| port.connections_overflowed,
        ),
    ];
    for (name, help, value) in counters {
        let mut family = FamilyBuilder::new(name, Kind::Counter, help);
        for (labels, port) in &ports {
            family.counter(labels, value(port));
        }
        families.push(family.build());
    }
    let mut active =
        FamilyBuilder::new("podmeter_connections_active", Kind::Gauge, "Connections open now.");
    for (labels, port) in &ports {
        active.gauge(labels, port.connections_active as f64);
    }
    families.push(active.build());
}

/// What happens where connections are intercepted, and nowhere else.
fn show_interception(snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
    let mut loops = FamilyBuilder::new(
        "podmeter_loops_refused_total",
        Kind::Counter,
        "Connections refused because they would have led back to podmeter.",
    );
    loops.counter(&Labels::from_pairs::<&str, &str>([]), snapshot.loops);
    families.push(loops.build());
    if snapshot.probes.is_empty() {
        return;
    }
    let mut probes = FamilyBuilder::new(
        "podmeter_probe_requests_total",
        Kind::Counter,
        "Requests of the kubelet's probes, which are in no other family of requests (--probes).",
    );
    // Two ways may lead to one port.
    let mut shown: BTreeMap<[String; 3], u64> = BTreeMap::new();
    for (key, count) in &snapshot.probes {
        let port = snapshot.ports.get(usize::from(key.route.0));
        let port = port.map_or_else(|| "other".to_owned(), |port| port.target.port().to_string());
        let labels = [port, key.status.to_string(), key.flags.as_str().to_owned()];
        *shown.entry(labels).or_default() += count;
    }
    for (labels, count) in &shown {
        let names = ["port", "response_code", "response_flags"];
        probes.counter(&Labels::from_pairs(names.into_iter().zip(labels)), *count);
    }
    families.push(probes.build());
}

fn port_labels(route: &Route) -> Labels {
    port_labels_and(route, &[])
}

fn port_labels_and(route: &Route, more: &[(&str, &str)]) -> Labels {
    let (listen, target) = (route.listen.to_string(), route.target.to_string());
    let port = [
        ("direction", route.side.as_str()),
        ("listen", listen.as_str()),
        ("target", target.as_str()),
    ];
    Labels::from_pairs(port.into_iter().chain(more.iter().copied()))
}

/// A counter family of a port: name, help, and what it shows.
type Counter = (&'static str, &'static str, fn(&RouteTotals) -> u64);
