//! Open Service Mesh's families.

use super::{STANDARD, exchanges, pairs};
use crate::expected::{Bounds, Expected};
use crate::told::{Port, Told};

pub(crate) fn osm(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut labels = pairs(&[
        ("destination_namespace", "test"),
        ("destination_kind", "Deployment"),
        ("destination_name", "shop-v2"),
        ("destination_pod", "shop-v2-x"),
    ]);
    for unknown in ["source_namespace", "source_kind", "source_name", "source_pod"] {
        labels.push((unknown, "unknown".to_owned()));
    }
    let mut count = |status: u16, count, times: &[f64]| {
        let bounds = Bounds::AtMost(STANDARD);
        expected.histogram("osm_request_duration_ms", &labels, bounds, times);
        let mut labels = labels.clone();
        labels.push(("response_code", status.to_string()));
        expected.add("osm_request_total", &labels, count);
    };
    if !port.opaque {
        count(200, 0, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange.status, 1, &[took * 1e3]);
    }
}
