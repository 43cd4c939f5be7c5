//! What the webhook says to a review: the pure injection, asked, and its outcome as a verdict.

use std::io;

use serde_json::{Value, json};

use super::review::{Review, Subject, Verdict, one_line};
use crate::config::Policy;
use crate::inject::{Consent, Facts, Operation, Outcome, Skip, inject, patch};

/// A verdict, and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What is said.
    pub verdict: Verdict,
    /// What it is counted as.
    pub outcome: &'static str,
    /// Why, in one word; empty where there is nothing to say.
    pub reason: &'static str,
    /// The same for the log.
    pub sentence: String,
}

/// What is said to a review.
pub fn decide(review: &Review, policy: &Policy) -> Decision {
    let mut decision = judge(review, policy);
    // It may quote what a pod says.
    decision.sentence = one_line(&decision.sentence);
    decision
}

fn judge(review: &Review, policy: &Policy) -> Decision {
    let pod = match &review.subject {
        Subject::NewPod(pod) => pod,
        Subject::Other(reason) => {
            let sentence = format!("not a pod that is to be made ({reason})");
            let verdict = Verdict::Untouched(Vec::new());
            return Decision { verdict, outcome: "untouched", reason, sentence };
        }
    };
    // A webhook that was sent too much must not meddle with what the cluster itself runs on.
    let is_clusters_own = CLUSTERS_OWN.contains(&review.namespace.as_str());
    let consent = if is_clusters_own { Consent::Needed } else { policy.consent };
    match inject(pod, &Facts::of_pod(pod, consent), &policy.sidecar) {
        Outcome::Injected(injected) => {
            let steps = patch(pod, &injected.pod);
            if length(&steps) > MOST_PATCH {
                let why = format!("its patch would be longer than {} MiB", MOST_PATCH >> 20);
                return Decision {
                    verdict: Verdict::Untouched(vec![format!("podmeter: no sidecar: {why}")]),
                    outcome: "skipped",
                    reason: "large_patch",
                    sentence: format!("skipped: {why}"),
                };
            }
            Decision {
                verdict: Verdict::Patch(json!(steps), injected.warnings),
                outcome: "injected",
                reason: "",
                sentence: "injected".to_owned(),
            }
        }
        // It does not go without, so it is no skip; and nothing that its author need be told.
        Outcome::Skipped(skip @ Skip::AlreadyInjected(_)) => Decision {
            verdict: Verdict::Untouched(Vec::new()),
            outcome: "present",
            reason: made_by(pod),
            sentence: skip.to_string(),
        },
        Outcome::Skipped(skip) => {
            let sentence = format!("skipped: {skip}");
            // Whoever said no need not be told, nor who has said nothing.
            let is_expected = ["disabled", "not_asked"].contains(&skip.as_str());
            let warning = (!is_expected).then(|| format!("podmeter: no sidecar: {skip}"));
            Decision {
                verdict: Verdict::Untouched(warning.into_iter().collect()),
                outcome: "skipped",
                reason: skip.as_str(),
                sentence,
            }
        }
        Outcome::Refused(refusal) if policy.deny => Decision {
            sentence: format!("denied: {refusal}"),
            verdict: Verdict::Denied(format!("podmeter: {refusal}")),
            outcome: "refused",
            reason: "denied",
        },
        Outcome::Refused(refusal) => Decision {
            sentence: format!("allowed without sidecar: {refusal}"),
            verdict: Verdict::Untouched(vec![format!("podmeter: no sidecar: {refusal}")]),
            outcome: "refused",
            reason: "allowed",
        },
    }
}

/// Which version has put the sidecar into a pod, as far as the pod says.
fn made_by(pod: &Value) -> &'static str {
    let status = pod["metadata"]["annotations"]["podmeter.io/status"].as_str();
    let status = status.and_then(|text| serde_json::from_str::<Value>(text).ok());
    match status.as_ref().and_then(|status| status["version"].as_str()) {
        Some(env!("CARGO_PKG_VERSION")) => SAME_VERSION,
        Some(_) => "other_version",
        None => "unknown_version",
    }
}

/// How many bytes a patch has, without a copy of it.
fn length(steps: &[Operation]) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is too long for us.
    serde_json::to_writer(&mut count, steps).map_or(usize::MAX, |()| count.0)
}

/// The reason where the sidecar is there as this version makes it: nearly always our own answer of a
/// moment ago, as API servers ask again once another webhook or plugin has changed the pod.
pub(super) const SAME_VERSION: &str = "same_version";
/// The most of a patch. An API server keeps no object of more than 1.5 MiB, and a patch of a pod
/// with a thousand probes has a quarter of this.
pub const MOST_PATCH: usize = 1 << 20;
/// Where pods get a sidecar only if they ask for it themselves.
const CLUSTERS_OWN: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
