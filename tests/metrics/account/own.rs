//! podmeter's own families.

use super::{exchanges, pairs};
use crate::expected::{Bounds, Expected};
use crate::told::{Port, Told};

pub(crate) fn own(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let (listen, target) = (port.listen.to_string(), port.target.to_string());
    let with = |more: &[(&'static str, &str)]| {
        let port = [("direction", "inbound"), ("listen", &*listen), ("target", &*target)];
        let mut labels = pairs(&port);
        labels.extend(pairs(more));
        labels
    };
    let one = with(&[]);
    let unreached = told.iter().filter(|told| !told.reached).count() as u64;
    expected.add("podmeter_connections_active", &one, 0);
    expected.add("podmeter_connections_refused_total", &one, unreached);
    expected.add("podmeter_connections_overflow_total", &one, 0);
    for protocol in ["http1", "http2", "tls", "server_first", "tcp", "none", "opaque"] {
        if port.opaque != (protocol == "opaque") {
            continue;
        }
        let labels = with(&[("protocol", protocol)]);
        let count = told.iter().filter(|told| told.protocol == protocol).count() as u64;
        expected.add("podmeter_connections_total", &labels, count);
        expected.add("podmeter_connections_speaking", &labels, 0);
    }
    for ending in ["finished", "client_reset", "app_reset", "refused", "given_up"] {
        let count = told.iter().filter(|told| told.ending == ending).count() as u64;
        expected.add("podmeter_connections_closed_total", &with(&[("ending", ending)]), count);
    }
    for (at, from) in ["client", "app"].into_iter().enumerate() {
        let bytes = told.iter().map(|told| told.bytes[at]).sum();
        expected.add("podmeter_bytes_total", &with(&[("from", from)]), bytes);
    }
    for [protocol, reason] in told.iter().filter_map(|told| told.unparsed) {
        let labels = pairs(&[("protocol", protocol), ("reason", reason)]);
        expected.add("podmeter_unparsed_connections_total", &labels, 1);
    }
    for _ in told.iter().filter(|told| told.probe) {
        let port = target.rsplit(':').next().unwrap();
        let labels = [("port", port), ("response_code", "200"), ("response_flags", "-")];
        expected.add("podmeter_probe_requests_total", &pairs(&labels), 1);
    }
    if port.opaque {
        return;
    }
    expected.add("podmeter_requests_active", &one, 0);
    for (fault, outcome) in [
        ("none", "answered"),
        ("app", "error_status"),
        ("client", "bad_request"),
        ("proxy", "given_up"),
    ] {
        let labels = with(&[("fault", fault), ("outcome", outcome)]);
        expected.add("podmeter_exchanges_total", &labels, 0);
    }
    let (mut all, mut answered) = (Vec::new(), Vec::new());
    for (exchange, took) in exchanges(told) {
        let labels = with(&[("fault", exchange.fault), ("outcome", exchange.outcome)]);
        expected.add("podmeter_exchanges_total", &labels, 1);
        all.push(took);
        if exchange.is_answered() {
            answered.push(took);
        }
    }
    let (first, held) = (Bounds::AtMost(FIRST_BYTE), Bounds::AtMost(HELD));
    expected.histogram("podmeter_time_to_first_byte_seconds", &one, first, &answered);
    expected.histogram("podmeter_proxy_duration_seconds", &one, held, &all);
    for from in ["client", "app"] {
        expected.histogram("podmeter_held_seconds", &with(&[("from", from)]), held, &all);
    }
}

const FIRST_BYTE: &[&str] = &[
    "0.0005", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
    "10", "30", "60",
];
const HELD: &[&str] = &[
    "0.000005", "0.00001", "0.000025", "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025",
    "0.005", "0.01", "0.1", "1",
];
