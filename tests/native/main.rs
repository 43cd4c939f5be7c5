//! What podmeter itself has measured, as native histograms and with traces: the numbers are those
//! of the classic histograms, and a real Prometheus finds the truth in them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what programs said is shown when a test fails")]

#[path = "../support/http.rs"]
mod http;
mod known;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "../support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
mod prometheus;
mod served;
mod shown;
#[path = "../support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "../support/skip.rs"]
mod skip;
mod traces;
