//! Interception in network namespaces that behave as pods do: neither the app nor its clients can
//! tell, and what passes is counted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise"
)]

mod inbound;
mod laws;
mod life;
mod old_kernels;
mod outbound;
mod probes;
mod rules;
mod scraped;
mod text_law;
mod unprivileged;

#[path = "../support/http.rs"]
mod http;
#[path = "../support/own_namespaces.rs"]
mod own_namespaces;
#[expect(dead_code, reason = "each suite uses a part of it")]
#[path = "../support/pod.rs"]
mod pod;
#[expect(dead_code, reason = "each suite uses a part of it")]
#[path = "../support/process.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;

use pod::{STATS, TestPod};

/// A pod, or where there can be none, word of that.
fn pod(test: &str) -> Option<TestPod> {
    match pod::impossible() {
        None => Some(TestPod::new()),
        Some(why) => {
            skip::skip(test, why);
            None
        }
    }
}

/// The sum of the samples in the sidecar's answer whose line has all of `parts`.
fn sum(pod: &TestPod, parts: &[&str]) -> u64 {
    let text = pod.in_node(|| http::get(STATS, "/stats/prometheus").text().to_owned());
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let lines = samples.filter(|line| parts.iter().all(|part| line.contains(part)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// The number of requests that the istio family has of these labels.
fn requests(pod: &TestPod, reporter: &str, labels: &[&str]) -> u64 {
    let reporter = format!("reporter=\"{reporter}\"");
    let parts: Vec<&str> =
        ["istio_requests_total{", &reporter].into_iter().chain(labels.iter().copied()).collect();
    sum(pod, &parts)
}
