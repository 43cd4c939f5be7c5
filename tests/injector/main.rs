//! The admission webhook as the built program: what it says to reviews over real TLS, what it bears,
//! and how it keeps its certificates, alone and in several replicas.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise"
)]

mod api_server;
mod client;
mod command;
mod files;
mod hook;
mod limits;
mod own_authority;
mod replicas;
mod review_law;
mod reviews;
mod same;
mod tools;

#[path = "../support/http.rs"]
mod http;
#[expect(dead_code, reason = "each suite uses a part of it")]
#[path = "../support/process.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;
