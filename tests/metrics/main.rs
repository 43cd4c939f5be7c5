//! One known mix of traffic through the real proxy: every sample of every dialect is compared with
//! what a simple account of the same traffic comes to, and every family with its documentation.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod account;
mod documented;
mod every_sample;
mod expected;
mod given_up;
mod told;
mod traffic;

#[path = "../support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "../support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod http;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
#[expect(clippy::print_stdout, reason = "what a program said, when its test has failed")]
mod process;
#[path = "../support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
#[path = "../support/mod.rs"]
mod support;
#[path = "../http2_observer/wire.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod wire;
