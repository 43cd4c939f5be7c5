//! What tells requests apart, through the built program: dialects of the configuration before a real
//! Prometheus, and a client that asks for ever new paths, methods and hosts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

mod attack;
mod exporters;

#[path = "../support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
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
#[path = "../support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "../support/skip.rs"]
mod skip;
