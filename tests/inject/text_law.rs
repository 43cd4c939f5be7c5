//! What holds for any text that is taken for manifests, and for anything that is set. The fuzz targets
//! hold the same.

use podmeter::inject::manifest::{Change, Done, transform};
use podmeter::inject::{Facts, Outcome, Sidecar, inject, settings, uninject};
use serde_json::{Value, json};
use std::cell::RefCell;

/// A text is refused in one line, or comes out with sidecars that come out again, to the pods
/// that there were; without pods it comes out as it was.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    let sidecar = Sidecar::default();
    let seen = RefCell::new(Vec::new());
    let put_in = |pod: &Value, facts: &Facts| {
        seen.borrow_mut().push(pod.clone());
        match inject(pod, facts, &sidecar) {
            Outcome::Injected(injected) => Change::To(injected.pod, injected.warnings),
            Outcome::Skipped(skip) => Change::Skip(skip.to_string()),
            Outcome::Refused(refusal) => Change::Refuse(refusal.to_string()),
        }
    };
    let take_out = |pod: &Value, _: &Facts| match uninject(pod) {
        Some(pod) => Change::To(pod, Vec::new()),
        None => Change::Skip(String::new()),
    };
    let once = match transform(text, &put_in) {
        Ok(once) => once,
        Err(error) if error.to_string().lines().count() == 1 => return Ok(()),
        Err(error) => return Err(format!("not one line: {error}")),
    };
    let before = seen.take();
    for report in &once.reports {
        let told = format!("{report:?}");
        if let Done::Skipped(reason) | Done::Refused(reason) = &report.done
            && reason.lines().count() != 1
        {
            return Err(format!("not one line: {told}"));
        }
    }
    let changed = once.reports.iter().any(|report| report.done == Done::Changed);
    if changed == (once.text == text) {
        return Err(format!("changed is {changed}, but the text is {:?}", once.text));
    }
    if !changed {
        return Ok(());
    }
    let again =
        transform(&once.text, &put_in).map_err(|error| format!("{error}: {}", once.text))?;
    if again.text != once.text {
        return Err(format!("twice is not once: {}", again.text));
    }
    // One that was injected before can be taken out, too, and then differs.
    if text.contains("podmeter") {
        return Ok(());
    }
    let back =
        transform(&once.text, &take_out).map_err(|error| format!("{error}: {}", once.text))?;
    seen.take();
    transform(&back.text, &put_in).map_err(|error| format!("{error}: {}", back.text))?;
    let after = seen.take();
    if before == after { Ok(()) } else { Err(format!("{before:?} became {after:?}")) }
}

/// Whatever is set, it is refused in one line, or comes out again without a trace.
pub(crate) fn check_settings(set: &[(u8, String)], as_flags: bool) -> Result<(), String> {
    let known = settings();
    let named = || {
        set.iter()
            .map(|(index, value)| (known[usize::from(*index) % known.len()].name, value.as_str()))
    };
    let mut pod = json!({"metadata": {"name": "a", "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 8080}],
            "livenessProbe": {"tcpSocket": {"port": 8080}}}]}});
    let one_line = |sentence: String| {
        if sentence.lines().count() == 1 {
            Ok(())
        } else {
            Err(format!("not one line: {sentence}"))
        }
    };
    let sidecar = if as_flags {
        match Sidecar::new(named()) {
            Ok(sidecar) => sidecar,
            Err(refusal) => return one_line(refusal.to_string()),
        }
    } else {
        for (name, value) in named() {
            pod["metadata"]["annotations"][format!("podmeter.io/{name}")] = value.into();
        }
        Sidecar::default()
    };
    match inject(&pod, &Facts::default(), &sidecar) {
        Outcome::Refused(refusal) => one_line(refusal.to_string()),
        Outcome::Skipped(skip) => one_line(skip.to_string()),
        Outcome::Injected(injected) => match uninject(&injected.pod) {
            // As texts, so that the order of keys counts.
            Some(back) if serde_json::to_string(&back).ok() == serde_json::to_string(&pod).ok() => {
                Ok(())
            }
            back => Err(format!("{pod} became {back:?}")),
        },
    }
}
