//! Adding up the processes of one app, through the real program: what all of them counted is what
//! a scrape shows, whatever becomes of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]
#![expect(clippy::float_cmp, reason = "counts are compared exactly")]

#[path = "support/exposition_checker.rs"]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "app_sums/groups.rs"]
mod groups;
#[path = "app_sums/gunicorn.rs"]
mod gunicorn;
#[path = "support/http.rs"]
mod http;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
#[path = "app_sums/prometheus.rs"]
mod prometheus;
#[path = "app_sums/said.rs"]
mod said;
#[path = "support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;
