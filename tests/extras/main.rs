//! What is shown beyond numbers and classic buckets: native histograms, traces, and what the app's
//! processes use. A real Prometheus finds the truth in them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::float_cmp, reason = "counts are compared exactly")]
#![expect(clippy::print_stdout, reason = "what programs said is shown when a test fails")]

#[path = "../support/exposition_checker.rs"]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "../support/http.rs"]
mod http;
mod known;
mod native;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
mod processes;
#[path = "../support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
mod prometheus;
#[path = "../support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
mod served;
#[path = "../support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "../support/skip.rs"]
mod skip;
mod traces;
