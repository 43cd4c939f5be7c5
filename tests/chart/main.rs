//! The Helm chart and the examples, rendered by the real Helm, 3 and 4, and held against the schemas of
//! Kubernetes, the Prometheus Operator, Flagger and Grafana; then shown to a real Prometheus.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what a program said is shown when its test fails")]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/nginx.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod nginx;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "../support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
#[path = "../prometheus/queries.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod queries;
#[path = "../support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "../support/skip.rs"]
mod skip;

mod alerts;
mod dashboard;
mod examples;
mod helm;
mod image;
mod injected;
mod injector;
mod monitors;
mod observed;
mod operator;
mod pages;
mod plain;
mod schemas;
mod together;
mod values;
