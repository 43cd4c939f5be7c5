//! Injection: the laws of the pure function, streams of manifests, and what Kubernetes says to the
//! outcome.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise"
)]

mod app_probes;
mod apply;
mod command;
mod commented;
mod comments;
mod generated;
mod in_pod;
mod laws;
mod live;
mod pointed;
mod rendered;
mod settings;
mod skipped;
mod stream;
mod text_law;
mod undone;

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

use podmeter::inject::manifest::{Change, Transformed, transform};
use podmeter::inject::{Facts, Outcome, Sidecar, inject, uninject};
use serde_json::Value;

/// The stream with the sidecar in it.
fn injected(text: &str, sidecar: &Sidecar) -> Transformed {
    let change = |pod: &Value, facts: &Facts| match inject(pod, facts, sidecar) {
        Outcome::Injected(injected) => Change::To(injected.pod, injected.warnings),
        Outcome::Skipped(skip) => Change::Skip(skip.to_string()),
        Outcome::Refused(refusal) => Change::Refuse(refusal.to_string()),
    };
    transform(text, &change).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The stream without it.
fn uninjected(text: &str) -> String {
    transform(text, &taken_out).unwrap_or_else(|error| panic!("{error}\n{text}")).text
}

fn taken_out(pod: &Value, _: &Facts) -> Change {
    match uninject(pod) {
        Some(pod) => Change::To(pod, Vec::new()),
        None => Change::Skip("not injected".to_owned()),
    }
}

/// The documents of a stream, as another reader of YAML sees them.
fn read(text: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
