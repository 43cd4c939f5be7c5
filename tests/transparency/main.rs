//! The proxy changes nothing: what either end of a connection reads, and how it sees it end, is
//! what it would be without the proxy.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod endings;
mod http;
mod limits;
mod ports;
mod pressure;
mod random;
mod stopping;

#[path = "../support/mod.rs"]
mod support;
