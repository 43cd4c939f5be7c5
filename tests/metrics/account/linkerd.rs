//! Linkerd's families.

use super::{exchanges, pairs};
use crate::expected::{Bounds, Expected};
use crate::told::{Exchange, Port, Told};
use crate::traffic::{HTTP, SERVICES};

pub(crate) fn linkerd(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let target = |reason, more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[
            ("direction", "inbound"),
            ("target_addr", &port.target.to_string()),
            ("target_ip", &port.target.ip().to_string()),
            ("target_port", &port.target.port().to_string()),
            ("tls", "no_identity"),
            ("no_tls_reason", reason),
            ("deployment", "shop-v2"),
            ("namespace", "test"),
            ("pod", "shop-v2-x"),
        ]);
        labels.extend(pairs(more));
        labels
    };
    let bytes = |at: usize| told.iter().map(|told| told.bytes[at]).sum::<u64>();
    for (peer, reason, read, written) in [
        ("src", "not_provided_by_remote", bytes(0), bytes(1)),
        ("dst", "loopback", bytes(1), bytes(0)),
    ] {
        let labels = target(reason, &[("peer", peer)]);
        expected.add("tcp_open_connections", &labels, 0);
        expected.add("tcp_read_bytes_total", &labels, read);
        expected.add("tcp_write_bytes_total", &labels, written);
        let closed = |errno| target(reason, &[("peer", peer), ("errno", errno)]);
        expected.add("tcp_open_total", &labels, 0);
        expected.add("tcp_close_total", &closed(""), 0);
        for told in told.iter().filter(|told| peer == "src" || told.reached) {
            expected.add("tcp_open_total", &labels, 1);
            let reset = if peer == "src" { "client_reset" } else { "app_reset" };
            let errno = if told.ending == reset { "ECONNRESET" } else { "" };
            expected.add("tcp_close_total", &closed(errno), 1);
        }
    }
    if port.opaque {
        return;
    }
    let http = |service: Option<usize>, more: &[(&'static str, &str)]| {
        let authority = service.map_or("unknown", |at| SERVICES[at]);
        let mut labels = target("not_provided_by_remote", more);
        labels.push(("authority", authority.to_owned()));
        labels
    };
    let mut answer = |exchange: &Exchange, count: u64, times: &[f64]| {
        let code = exchange.status.to_string();
        let grpc = exchange.grpc.unwrap_or("");
        let error = match exchange.flags {
            "UF" => "refused",
            "UC" => "unanswered",
            "UPE" => "broken_off",
            _ => "",
        };
        let has_failed =
            !error.is_empty() || exchange.status >= 500 || ["13", "14"].contains(&grpc);
        let class = [
            ("status_code", &*code),
            ("classification", if has_failed { "failure" } else { "success" }),
            ("grpc_status", grpc),
            ("error", error),
        ];
        let latency = [("status_code", &*code)];
        // Of each kind, there is also what was asked by no known name, at zero.
        for (service, count, times) in [(exchange.service, count, times), (None, 0, &[])] {
            expected.add("request_total", &http(service, &[]), 0);
            expected.add("response_total", &http(service, &class), count);
            if exchange.is_answered() || count + exchange.response == 0 && exchange.flags == "-" {
                let labels = http(service, &latency);
                let bounds = Bounds::AtMost(LINKERD);
                expected.histogram("response_latency_ms", &labels, bounds, times);
            }
        }
    };
    let unasked = Exchange { service: Some(0), response: 0, ..HTTP };
    answer(&unasked, 0, &[]);
    for (exchange, took) in exchanges(told) {
        let times: &[f64] = if exchange.is_answered() { &[took * 1e3] } else { &[] };
        if exchange.status != 0 {
            answer(exchange, 1, times);
        }
    }
    for (exchange, _) in exchanges(told) {
        expected.add("request_total", &http(exchange.service, &[]), 1);
    }
}

const LINKERD: &[&str] = &[
    "1", "2", "3", "4", "5", "10", "20", "30", "40", "50", "100", "200", "300", "400", "500",
    "1000", "2000", "3000", "4000", "5000", "10000", "20000", "30000", "40000", "50000",
];
