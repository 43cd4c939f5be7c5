//! The law of a review, for tests and for a fuzzer: whatever comes, it is refused in one line, or
//! answered by a review that repeats its uid and adds to a pod what injection adds.

use podmeter::config::Policy;
use podmeter::inject::{Consent, Facts, Outcome, Sidecar, inject};
use podmeter::injector::decision::decide;
use podmeter::injector::review::{Review, Subject, Verdict, answer};
use serde_json::Value;

/// Holds one body against the law; an error says what is broken.
pub(crate) fn check(body: &[u8]) -> Result<(), String> {
    for deny in [false, true] {
        let sidecar = Sidecar::default();
        let policy = Policy { sidecar, consent: Consent::Given, deny };
        let review = match Review::read(body) {
            Ok(review) => review,
            Err(refusal) => {
                let sentence = refusal.to_string();
                let is_line = !sentence.is_empty() && !sentence.contains(['\n', '\r']);
                return if is_line { Ok(()) } else { Err(format!("{sentence:?} is no line")) };
            }
        };
        if review.name.contains('\n') || review.namespace.contains('\n') {
            return Err("a name would break a line of the log".to_owned());
        }
        let decision = decide(&review, &policy);
        if decision.sentence.contains(['\n', '\r']) {
            return Err("a sentence would break a line of the log".to_owned());
        }
        let answer: Value = serde_json::from_slice(&answer(&review.uid, &decision.verdict))
            .map_err(|error| format!("the answer is no JSON: {error}"))?;
        let response = &answer["response"];
        if response["uid"] != review.uid {
            return Err("the answer has another uid".to_owned());
        }
        if response["allowed"] == false && !deny {
            return Err("a pod was denied that the policy lets run".to_owned());
        }
        if response["patch"].is_null() != response["patchType"].is_null() {
            return Err("a patch and its type go together".to_owned());
        }
        let warnings = response["warnings"].as_array().into_iter().flatten();
        if warnings.clone().any(|warning| warning.as_str().is_none_or(|text| text.contains('\n'))) {
            return Err("a warning would break a header".to_owned());
        }
        let (Subject::NewPod(pod), Verdict::Patch(_, _)) = (&review.subject, &decision.verdict)
        else {
            continue;
        };
        match inject(pod, &Facts::of_pod(pod, Consent::Given), &policy.sidecar) {
            Outcome::Injected(injected) => {
                let facts = Facts::of_pod(&injected.pod, Consent::Given);
                let again = inject(&injected.pod, &facts, &policy.sidecar);
                if !matches!(again, Outcome::Skipped(_)) {
                    return Err("what was injected would be injected again".to_owned());
                }
            }
            other => return Err(format!("patched, but injection says {other:?}")),
        }
    }
    Ok(())
}
