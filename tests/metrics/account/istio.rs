//! Istio's families.

use super::{STANDARD, exchanges, pairs};
use crate::expected::{Bounds, Expected, Labels};
use crate::told::{Exchange, Port, Tcp, Told};
use crate::traffic::SERVICES;

pub(crate) fn istio(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let ends = |service: usize, more: &[(&'static str, &str)]| -> Labels {
        let host = SERVICES[service];
        let name = ["shop", host][service];
        let mut labels = pairs(&[
            ("reporter", "destination"),
            ("destination_workload", "shop-v2"),
            ("destination_workload_namespace", "test"),
            ("destination_principal", "unknown"),
            ("destination_app", "shop"),
            ("destination_version", "v2"),
            ("destination_service", host),
            ("destination_canonical_service", "shop"),
            ("destination_canonical_revision", "v2"),
            ("destination_service_name", name),
            ("destination_service_namespace", "test"),
            ("destination_cluster", "here"),
        ]);
        for unknown in [
            "source_workload",
            "source_canonical_service",
            "source_canonical_revision",
            "source_workload_namespace",
            "source_principal",
            "source_app",
            "source_version",
            "source_cluster",
        ] {
            labels.push((unknown, "unknown".to_owned()));
        }
        labels.extend(pairs(more));
        labels
    };
    let http = |status: u16, grpc: Option<&str>, flags, service| {
        let more = [
            ("request_protocol", if grpc.is_some() { "grpc" } else { "http" }),
            ("response_code", &*status.to_string()),
            ("grpc_response_status", grpc.unwrap_or("")),
            ("response_flags", flags),
            ("connection_security_policy", "none"),
        ];
        ends(service, &more)
    };
    let mut requests = |labels: &Labels, exchanges: &[(&Exchange, f64)]| {
        expected.add("istio_requests_total", labels, exchanges.len() as u64);
        let values = |of: fn(&Exchange) -> u64| -> Vec<f64> {
            exchanges.iter().map(|(exchange, _)| of(exchange) as f64).collect()
        };
        let took: Vec<f64> = exchanges.iter().map(|(_, took)| took * 1e3).collect();
        let (times, sizes) = (Bounds::AtMost(STANDARD), Bounds::Exact(STANDARD));
        expected.histogram("istio_request_duration_milliseconds", labels, times, &took);
        expected.histogram("istio_request_bytes", labels, sizes, &values(|e| e.request));
        expected.histogram("istio_response_bytes", labels, sizes, &values(|e| e.response));
    };
    if !port.opaque {
        requests(&http(200, None, "-", 0), &[]);
    }
    for (exchange, took) in exchanges(told) {
        // Whoever names no service of ours asks the first.
        let service = exchange.service.unwrap_or(0);
        let labels = http(exchange.status, exchange.grpc, exchange.flags, service);
        requests(&labels, &[(exchange, took)]);
    }
    for (exchange, _) in exchanges(told).filter(|(exchange, _)| exchange.grpc.is_some()) {
        let more = [("request_protocol", "grpc"), ("connection_security_policy", "none")];
        let labels = ends(exchange.service.unwrap_or(0), &more);
        expected.add("istio_request_messages_total", &labels, exchange.messages[0]);
        expected.add("istio_response_messages_total", &labels, exchange.messages[1]);
    }
    let none = Tcp { flags: "-", received: 0, sent: 0, tls: None };
    let unasked = port.opaque.then_some((&none, 0));
    for (tcp, count) in
        unasked.into_iter().chain(told.iter().filter_map(|t| Some((t.tcp.as_ref()?, 1))))
    {
        let mut more = vec![("request_protocol", "tcp"), ("response_flags", tcp.flags)];
        match tcp.tls {
            None => more.push(("connection_security_policy", "none")),
            Some([version, sni, alpn]) => more.extend([
                ("connection_security_policy", "unknown"),
                ("tls_version", version),
                ("sni", sni),
                ("alpn", alpn),
            ]),
        }
        let labels = ends(usize::from(tcp.tls.is_some()), &more);
        expected.add("istio_tcp_connections_opened_total", &labels, count);
        expected.add("istio_tcp_connections_closed_total", &labels, count);
        expected.add("istio_tcp_sent_bytes_total", &labels, tcp.sent);
        expected.add("istio_tcp_received_bytes_total", &labels, tcp.received);
    }
}
