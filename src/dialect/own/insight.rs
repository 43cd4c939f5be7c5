//! What only a proxy beside the app can tell: whose fault a failure was, when an answer began, and
//! what passing through podmeter cost.

use super::{port_labels, port_labels_and};
use crate::dialect::buckets::Buckets;
use crate::exposition::{Family, FamilyBuilder, Kind};
use crate::meter::{Fault, Layout, Outcome, Route, RouteTotals, Snapshot};
use crate::observe::{Ending, Spoken};

/// Shows it for every port.
pub(super) fn show(layout: &Layout, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
    let ports: Ports<'_> = snapshot.ports.iter().zip(&snapshot.routes).collect();
    // What is never parsed has no exchanges.
    let http: Ports<'_> = ports.iter().copied().filter(|(route, _)| !route.opaque).collect();
    show_connections(&ports, families);
    show_bytes(&ports, families);
    if !http.is_empty() {
        show_exchanges(&http, families);
        show_times(layout, &http, families);
    }
}

fn show_exchanges(ports: &[(&Route, &RouteTotals)], families: &mut Vec<Family<'static>>) {
    let mut exchanges = FamilyBuilder::new(
        "podmeter_exchanges_total",
        Kind::Counter,
        "Requests that are over, by whose fault it is that they did not go well: nobody's, the \
         app's, the client's or podmeter's own; and by what came of them.",
    );
    let mut active =
        FamilyBuilder::new("podmeter_requests_active", Kind::Gauge, "Requests in flight.");
    for (route, port) in ports {
        for fault in [Fault::None, Fault::App, Fault::Client, Fault::Proxy] {
            let outcomes = Outcome::ALL.iter().zip(&port.outcomes);
            for (outcome, &count) in outcomes.filter(|(outcome, _)| outcome.fault() == fault) {
                // One of each fault is there from the start, so that every ratio has both halves.
                let is_first = Outcome::ALL.iter().find(|first| first.fault() == fault);
                if count > 0 || is_first == Some(outcome) {
                    let labels = [("fault", fault.as_str()), ("outcome", outcome.as_str())];
                    exchanges.counter(&port_labels_and(route, &labels), count);
                }
            }
        }
        active.gauge(&port_labels(route), port.requests_active as f64);
    }
    families.extend([exchanges, active].map(FamilyBuilder::build));
}

fn show_times(
    layout: &Layout,
    ports: &[(&Route, &RouteTotals)],
    families: &mut Vec<Family<'static>>,
) {
    let mut first = FamilyBuilder::new(
        "podmeter_time_to_first_byte_seconds",
        Kind::Histogram,
        "Time from a request's first byte to the first byte of its answer.",
    );
    let mut both = FamilyBuilder::new(
        "podmeter_proxy_duration_seconds",
        Kind::Histogram,
        "Time that an exchange spent inside podmeter: between reading and having passed on the \
         end of its request's head and the end of its answer.",
    );
    let mut held = FamilyBuilder::new(
        "podmeter_held_seconds",
        Kind::Histogram,
        "Time that bytes spent inside podmeter, between reading and having passed them on: the end \
         of a request's head, from the client, and the end of its answer, from the app.",
    );
    for (route, port) in ports {
        let labels = port_labels(route);
        Buckets::FIRST_BYTE_SECONDS.show(&mut first, &labels, &layout.durations, &port.first_bytes);
        Buckets::HELD_SECONDS.show(&mut both, &labels, &layout.held, &port.held);
        for (from, totals) in FROM.into_iter().zip(&port.held_each) {
            let labels = port_labels_and(route, &[("from", from)]);
            Buckets::HELD_SECONDS.show(&mut held, &labels, &layout.held, totals);
        }
    }
    families.extend([first, both, held].map(FamilyBuilder::build));
}

fn show_connections(ports: &[(&Route, &RouteTotals)], families: &mut Vec<Family<'static>>) {
    let mut speaking = FamilyBuilder::new(
        "podmeter_connections_speaking",
        Kind::Gauge,
        "Connections open now of which it is known what they speak.",
    );
    let mut closed = FamilyBuilder::new(
        "podmeter_connections_closed_total",
        Kind::Counter,
        "Connections that are over, by how they ended.",
    );
    for (route, port) in ports {
        for (at, spoken) in Spoken::ALL.into_iter().enumerate() {
            if port.spoken[at] > 0 || route.opaque == (spoken == Spoken::Opaque) {
                let labels = port_labels_and(route, &[("protocol", spoken.as_str())]);
                speaking.gauge(&labels, port.spoken_active[at] as f64);
            }
        }
        for (at, ending) in Ending::ALL.into_iter().enumerate() {
            let labels = port_labels_and(route, &[("ending", ending.as_str())]);
            closed.counter(&labels, port.endings.iter().map(|endings| endings[at]).sum());
        }
    }
    families.extend([speaking, closed].map(FamilyBuilder::build));
}

fn show_bytes(ports: &[(&Route, &RouteTotals)], families: &mut Vec<Family<'static>>) {
    let mut bytes = FamilyBuilder::new(
        "podmeter_bytes_total",
        Kind::Counter,
        "Bytes passed on, by who sent them.",
    );
    for (route, port) in ports {
        for (from, count) in FROM.into_iter().zip([port.received, port.sent]) {
            bytes.counter(&port_labels_and(route, &[("from", from)]), count);
        }
    }
    families.push(bytes.build());
}

type Ports<'a> = Vec<(&'a Route, &'a RouteTotals)>;

const FROM: [&str; 2] = ["client", "app"];
