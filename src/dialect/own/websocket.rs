//! `WebSocket` connections: apart from requests, so that a chat of hours is no latency of hours.

use super::{port_labels, port_labels_and};
use crate::dialect::buckets::Buckets;
use crate::exposition::{Family, FamilyBuilder, Kind};
use crate::meter::{Layout, Route, Snapshot, WebSocketTotals};
use crate::observe::websocket::{CloseCode, FrameKind};

/// Shows the ports that have had any.
pub(super) fn show(layout: &Layout, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
    let ports = snapshot.ports.iter().zip(snapshot.routes.iter().map(|totals| &totals.websockets));
    let ports: Vec<(&Route, &WebSocketTotals)> =
        ports.filter(|(_, totals)| totals.opened > 0).collect();
    if ports.is_empty() {
        return;
    }
    let mut opened = FamilyBuilder::new(
        "podmeter_websocket_connections_total",
        Kind::Counter,
        "WebSocket connections opened.",
    );
    let mut active = FamilyBuilder::new(
        "podmeter_websocket_connections_active",
        Kind::Gauge,
        "WebSocket connections open now.",
    );
    let mut closed = FamilyBuilder::new(
        "podmeter_websocket_closed_total",
        Kind::Counter,
        "WebSocket connections that ended, by close code; 1006 without a close frame.",
    );
    let mut frames = FamilyBuilder::new(
        "podmeter_websocket_frames_total",
        Kind::Counter,
        "WebSocket frames that have passed, by who sent them.",
    );
    let mut lengths = FamilyBuilder::new(
        "podmeter_websocket_duration_seconds",
        Kind::Histogram,
        "Time that WebSocket connections were open.",
    );
    for (route, totals) in ports {
        let labels = port_labels(route);
        opened.counter(&labels, totals.opened);
        let over: u64 = totals.closed.iter().sum();
        active.gauge(&labels, totals.opened.saturating_sub(over) as f64);
        for (index, &count) in totals.closed.iter().enumerate().filter(|(_, count)| **count > 0) {
            let code = CloseCode::label(index);
            closed.counter(&port_labels_and(route, &[("code", code)]), count);
        }
        for (sender, counts) in ["client", "app"].into_iter().zip(&totals.frames) {
            for (kind, &count) in FrameKind::ALL.iter().zip(counts) {
                let labels = [("from", sender), ("type", kind.as_str())];
                frames.counter(&port_labels_and(route, &labels), count);
            }
        }
        Buckets::SECONDS.show(&mut lengths, &labels, &layout.durations, &totals.lengths);
    }
    families.extend([opened, active, closed, frames, lengths].map(FamilyBuilder::build));
}
