//! The Helm chart and the examples, rendered by the real Helm and held against the schemas of
//! Kubernetes, the Prometheus Operator and Flagger; then shown to a real Prometheus.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod http;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "../support/skip.rs"]
mod skip;

mod helm;
mod injector;
mod schemas;
mod values;
