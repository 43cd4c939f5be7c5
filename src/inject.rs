//! Adds the sidecar to a pod, and takes it out again.
//!
//! [`inject`] is a function of the pod, a few [`Facts`] and a [`Sidecar`]: it knows no clock, no
//! cluster and no file. A pod stays JSON, so that what we do not know survives. The command line
//! maps it over a stream of manifests, the webhook over reviews; what the one writes is what the other
//! [patches](patch). Its laws: injecting twice is injecting once, and [`uninject`] gives back what
//! there was.
//!
//! A pod here is an object with `metadata` and `spec`: a Pod, or the template of a workload.

mod outcome;
mod patch;
mod sidecar;
mod workload;

pub use self::outcome::{Injected, Outcome, Refusal, Skip};
pub use self::patch::{Operation, patch};
pub use self::sidecar::Sidecar;
pub use self::workload::{Consent, Facts, Workload};

use serde_json::Value;

/// Adds the sidecar to a pod, or says why not.
pub fn inject(pod: &Value, facts: &Facts, sidecar: &Sidecar) -> Outcome {
    let _ = (facts, sidecar);
    Outcome::Injected(Injected { pod: pod.clone(), warnings: Vec::new() })
}

/// Takes the sidecar out of a pod again; `None` where there is none of ours.
pub fn uninject(pod: &Value) -> Option<Value> {
    let _ = pod;
    None
}
