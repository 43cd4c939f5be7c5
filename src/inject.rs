//! Adds the sidecar to a pod, and takes it out again.
//!
//! [`inject`] is a function of the pod, a few [`Facts`] and a [`Sidecar`]: it knows no clock, no
//! cluster and no file. A pod stays JSON, so that what we do not know survives. The command line
//! maps it over a stream of manifests, the webhook over reviews; what the one writes is what the other
//! [patches](patch()). Its laws: injecting twice is injecting once, and [`uninject`] gives back what
//! there was.
//!
//! A pod here is an object with `metadata` and `spec`: a Pod, or the template of a workload.

mod eligible;
mod left;
pub mod manifest;
mod outcome;
mod patch;
mod plan;
mod probes;
mod prometheus;
mod quantity;
mod settings;
mod sidecar;
mod status;
mod workload;

pub use self::left::left;
pub use self::outcome::{Injected, Outcome, Refusal, Skip};
pub use self::patch::{Operation, patch};
pub use self::settings::{Setting, settings};
pub use self::sidecar::Sidecar;
pub use self::workload::{Consent, Facts, Workload};

use self::eligible::No;
use self::plan::Plan;
use self::sidecar::Extra;
use self::status::Before;
use serde_json::Value;

/// Adds the sidecar to a pod, or says why not.
pub fn inject(pod: &Value, facts: &Facts, sidecar: &Sidecar) -> Outcome {
    match added(pod, facts, sidecar) {
        Ok(injected) => Outcome::Injected(injected),
        Err(No::Skip(skip)) => Outcome::Skipped(skip),
        Err(No::Refuse(refusal)) => Outcome::Refused(refusal),
    }
}

/// Takes the sidecar out of a pod again; `None` where there is none of ours.
pub fn uninject(pod: &Value) -> Option<Value> {
    status::undo(pod)
}

fn added(pod: &Value, facts: &Facts, sidecar: &Sidecar) -> Result<Injected, No> {
    eligible::check(pod, facts)?;
    let mut values = sidecar.values.clone();
    if let Some(annotations) = eligible::annotations(pod) {
        values.set_all(annotations)?;
    }
    let plan = Plan::read(&values)?;
    eligible::check_plan(pod, facts, &plan)?;

    let mut before = Before::of(pod);
    let mut injected = pod.clone();
    let probes = probes::rewrite(&mut injected, &plan);
    let metrics = prometheus::rewrite(pod, &plan);
    let extra = Extra {
        app_metrics: metrics.source,
        app_probes: (!probes.asked.is_empty()).then(|| Value::Object(probes.asked).to_string()),
    };
    before.probes(probes.before);
    let warnings = metrics.warning.into_iter().collect();
    for (key, value) in metrics.annotations {
        before.annotate(&mut injected, key, value);
    }
    if !plan.native
        && pod["metadata"]["annotations"][DEFAULT_CONTAINER].is_null()
        && let Some(first) = pod["spec"]["containers"][0]["name"].as_str()
    {
        // The proxy is first from now on, and not what `kubectl logs` is asked for.
        before.annotate(&mut injected, DEFAULT_CONTAINER, first.to_owned());
    }
    if let Some(share) = plan.share_process_namespace {
        before.share_process_namespace(&mut injected, share);
    }
    place(&mut injected, &plan, sidecar::proxy(&plan, pod, facts, &extra));
    before.write(&mut injected, &plan.image);
    Ok(Injected { pod: injected, warnings })
}

/// Puts the containers where they have to be.
///
/// A native sidecar comes first of all, so that the app's init containers can use what is
/// intercepted. Before an ordinary one there is no proxy while init containers run, so the rules
/// come last, after all that these ask of others.
fn place(pod: &mut Value, plan: &Plan, proxy: Value) {
    let init = sidecar::init(plan);
    if plan.native {
        list(pod, "initContainers").splice(..0, init.into_iter().chain([proxy]));
        return;
    }
    if let Some(init) = init {
        list(pod, "initContainers").push(init);
    }
    list(pod, "containers").insert(0, proxy);
}

/// A list of containers, which is there from now on.
fn list<'a>(pod: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    let list = &mut pod["spec"][name];
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    match list {
        Value::Array(containers) => containers,
        _ => unreachable!("it was made one"),
    }
}

/// The container that applies the rules.
const INIT: &str = "podmeter-init";
/// The container that carries the traffic.
const PROXY: &str = "podmeter-proxy";
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
