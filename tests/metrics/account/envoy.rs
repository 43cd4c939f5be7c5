//! Envoy's families.

use super::{STANDARD, exchanges, pairs, seconds};
use crate::expected::{Bounds, Expected};
use crate::support::PATIENCE;
use crate::told::{Port, Told};

pub(crate) fn envoy(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let name = format!("inbound|{}||", port.target.port());
    let cluster = |more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[("envoy_cluster_name", &name)]);
        labels.extend(pairs(more));
        labels
    };
    let prefix = format!("inbound_{}_{}", port.listen.ip(), port.listen.port());
    let manager = |more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[("envoy_http_conn_manager_prefix", &prefix)]);
        labels.extend(pairs(more));
        labels
    };
    let (one, other) = (cluster(&[]), manager(&[]));
    let connections = told.len() as u64;
    let reached: Vec<f64> = told.iter().filter(|t| t.reached).map(|t| seconds(t) * 1e3).collect();
    // A connection may be noticed to be over later than its client knows.
    let lengths = vec![PATIENCE.as_secs_f64() * 1e3; told.len()];
    let times = Bounds::AtMost(STANDARD);
    expected.add("envoy_cluster_upstream_cx_total", &one, connections);
    expected.add(
        "envoy_cluster_upstream_cx_connect_fail",
        &one,
        connections - reached.len() as u64,
    );
    expected.add("envoy_cluster_upstream_cx_active", &one, 0);
    expected.histogram("envoy_cluster_upstream_cx_connect_ms", &one, times, &reached);
    expected.histogram("envoy_cluster_upstream_cx_length_ms", &one, times, &lengths);
    let bytes = |at: usize| told.iter().map(|told| told.bytes[at]).sum();
    expected.add("envoy_cluster_upstream_cx_tx_bytes_total", &one, bytes(0));
    expected.add("envoy_cluster_upstream_cx_rx_bytes_total", &one, bytes(1));
    if port.opaque {
        return;
    }
    expected.add("envoy_http_downstream_cx_total", &other, connections);
    expected.add("envoy_http_downstream_cx_active", &other, 0);
    expected.add("envoy_http_downstream_rq_active", &other, 0);
    expected.add("envoy_cluster_upstream_rq_active", &one, 0);
    expected.add("envoy_cluster_upstream_rq_timeout", &one, 0);
    let mut all = Vec::new();
    let mut count = |status: u16, count: u64| {
        let (code, class) = (status.to_string(), (status / 100).to_string());
        let class = [("envoy_response_code_class", &*class)];
        expected.add(
            "envoy_cluster_upstream_rq",
            &cluster(&[("envoy_response_code", &code)]),
            count,
        );
        expected.add("envoy_cluster_upstream_rq_xx", &cluster(&class), count);
        expected.add("envoy_http_downstream_rq_xx", &manager(&class), count);
        expected.add("envoy_cluster_upstream_rq_completed", &one, count);
        expected.add("envoy_http_downstream_rq_completed", &other, count);
    };
    count(200, 0);
    let mut resets = 0;
    for (exchange, took) in exchanges(told) {
        all.push(took * 1e3);
        resets += u64::from(["UC", "UPE", "UR"].contains(&exchange.flags));
        if exchange.status != 0 {
            count(exchange.status, 1);
        }
    }
    expected.add("envoy_cluster_upstream_rq_rx_reset", &one, resets);
    expected.add("envoy_cluster_upstream_rq_total", &one, all.len() as u64);
    expected.add("envoy_http_downstream_rq_total", &other, all.len() as u64);
    expected.histogram("envoy_cluster_upstream_rq_time", &one, times, &all);
    expected.histogram("envoy_http_downstream_rq_time", &other, times, &all);
}
