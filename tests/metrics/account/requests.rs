//! The families of apps and of OpenTelemetry.

use super::{exchanges, pairs};
use crate::expected::{Bounds, Expected};
use crate::told::{Exchange, Port, Told};
use crate::traffic::{HTTP, SERVICES};

pub(crate) fn http(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut count = |exchange: &Exchange, count, times: &[f64]| {
        let labels = pairs(&[
            ("method", exchange.method),
            ("path", if exchange.path.is_empty() { "other" } else { exchange.path }),
            ("status", &exchange.status.to_string()),
            ("kubernetes_namespace", "test"),
            ("kubernetes_pod_name", "shop-v2-x"),
        ]);
        expected.add("http_requests_total", &labels, count);
        let bounds = Bounds::AtMost(CLIENT);
        expected.histogram("http_request_duration_seconds", &labels, bounds, times);
    };
    if !port.opaque {
        count(&Exchange { path: "", ..HTTP }, 0, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange, 1, &[took]);
    }
}

pub(crate) fn otel(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut count = |exchange: &Exchange, times: &[f64]| {
        let status = exchange.status.to_string();
        let error = match exchange.flags {
            "UF" => "connection_refused",
            "UC" => "connection_closed",
            "UPE" => "response_broken_off",
            "DC" => "client_disconnected",
            _ if exchange.status >= 500 => &status,
            _ => "",
        };
        let labels = pairs(&[
            ("http_request_method", exchange.method),
            ("http_response_status_code", if exchange.status == 0 { "" } else { &status }),
            ("http_route", exchange.path),
            ("error_type", error),
            ("network_protocol_name", "http"),
            ("network_protocol_version", exchange.version),
            ("server_address", exchange.service.map_or("", |at| SERVICES[at])),
            ("server_port", &port.target.port().to_string()),
            ("url_scheme", "http"),
        ]);
        let known = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let bounds = Bounds::AtMost(OTEL);
        expected.histogram("http_server_request_duration_seconds", &known, bounds, times);
    };
    if !port.opaque {
        count(&Exchange { path: "", service: Some(0), ..HTTP }, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange, &[took]);
    }
}

const CLIENT: &[&str] =
    &["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];
const OTEL: &[&str] = &[
    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
    "7.5", "10",
];
