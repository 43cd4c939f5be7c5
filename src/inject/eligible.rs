//! Who gets no sidecar, and why.

use super::plan::Plan;
use super::settings::PREFIX;
use super::workload::{Consent, Facts};
use super::{INIT, PROXY, Refusal, Skip, status};
use serde_json::{Map, Value};

/// Why there is no injection.
pub(super) enum No {
    Skip(Skip),
    Refuse(Refusal),
}

impl From<Skip> for No {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// Turns away a pod that wants no sidecar, or cannot have one whatever its settings are.
pub(super) fn check(pod: &Value, facts: &Facts) -> Result<(), No> {
    check_shape(pod)?;
    match said(pod)? {
        Some(true) => {}
        Some(false) => return Err(Skip::Disabled("podmeter.io/inject of the pod").into()),
        None => match facts.consent {
            Consent::Given => {}
            Consent::Needed => return Err(Skip::NotAsked.into()),
            Consent::Withheld => {
                return Err(Skip::Disabled("podmeter.io/inject of its namespace").into());
            }
        },
    }
    if containers(pod).any(|container| [INIT, PROXY].contains(&name(container))) {
        return Err(Skip::AlreadyInjected(status::version(pod)).into());
    }
    if status::is_there(pod) {
        // What it says was before would be lost.
        return Err(Refusal(format!(
            "{} is there, but no container of ours; delete that annotation",
            status::STATUS
        ))
        .into());
    }
    let spec = &pod["spec"];
    if spec["hostNetwork"] == true {
        return Err(Skip::HostNetwork.into());
    }
    if !pod["metadata"]["annotations"][MIRROR].is_null() {
        return Err(Skip::StaticPod.into());
    }
    let selects_windows =
        OS_LABELS.iter().any(|label| spec["nodeSelector"][label].as_str() == Some("windows"));
    if spec["os"]["name"] == "windows" || selects_windows {
        return Err(Skip::Windows.into());
    }
    if let Some(other) = containers(pod).find(|container| OTHERS.contains(&name(container))) {
        return Err(Skip::OtherMesh(format!("container {}", name(other))).into());
    }
    if items(&spec["containers"]).next().is_none() {
        return Err(Skip::NoContainers.into());
    }
    Ok(())
}

/// Turns away a pod that the proxy as it is planned would not go with.
pub(super) fn check_plan(pod: &Value, facts: &Facts, plan: &Plan) -> Result<(), Skip> {
    let ends = facts.workload.as_ref().is_some_and(super::Workload::ends)
        || matches!(pod["spec"]["restartPolicy"].as_str(), Some("Never" | "OnFailure"));
    if ends && !plan.native {
        return Err(Skip::WouldNotFinish);
    }
    for container in containers(pod) {
        for (field, what, id, setting) in [
            ("runAsUser", "user", plan.uid, "proxy-uid"),
            ("runAsGroup", "group", plan.gid, "proxy-gid"),
        ] {
            let own = &container["securityContext"][field];
            let pods = &pod["spec"]["securityContext"][field];
            if (if own.is_null() { pods } else { own }).as_u64() == Some(u64::from(id)) {
                return Err(Skip::SameUser(format!(
                    "container {} runs as {what} {id}, which is the proxy's and is never \
                     intercepted; give the proxy another with {PREFIX}{setting}",
                    name(container)
                )));
            }
        }
        let own = plan.ports();
        for port in items(&container["ports"]).filter(|port| is_tcp(port)) {
            let number = port["containerPort"].as_u64();
            if let Some((setting, taken)) =
                own.iter().find(|(_, own)| number == Some(u64::from(*own)))
            {
                return Err(Skip::PortTaken(format!(
                    "port {taken} of container {} is the proxy's own; move that with \
                     {PREFIX}{setting}",
                    name(container)
                )));
            }
        }
    }
    Ok(())
}

/// What the pod says itself: its label, or else its annotation. An empty one says nothing.
fn said(pod: &Value) -> Result<Option<bool>, Refusal> {
    let metadata = &pod["metadata"];
    let values = [&metadata["labels"][INJECT], &metadata["annotations"][INJECT]];
    match values.into_iter().find(|value| !value.is_null() && *value != "") {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some("enabled") => Ok(Some(true)),
            Some("disabled") => Ok(Some(false)),
            _ => Err(Refusal(format!("{INJECT} is {value}, but it takes enabled or disabled"))),
        },
    }
}

/// Refuses what is no pod to Kubernetes either, as far as we look at it.
fn check_shape(pod: &Value) -> Result<(), Refusal> {
    let spec = &pod["spec"];
    let mappings = [
        ("metadata", &pod["metadata"]),
        ("metadata.labels", &pod["metadata"]["labels"]),
        ("metadata.annotations", &pod["metadata"]["annotations"]),
        ("spec", spec),
    ];
    for (called, value) in mappings {
        if !(value.is_null() || value.is_object()) {
            return Err(Refusal(format!("its {called} is no mapping")));
        }
    }
    for called in ["containers", "initContainers"] {
        if !(spec[called].is_null() || spec[called].is_array()) {
            return Err(Refusal(format!("its spec.{called} is no list")));
        }
        if items(&spec[called]).any(|container| !container.is_object()) {
            return Err(Refusal(format!("one of its spec.{called} is no mapping")));
        }
    }
    Ok(())
}

/// The containers of a pod, init containers first.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["initContainers"]).chain(items(&pod["spec"]["containers"]))
}

/// The items of a list; of anything else none.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// Whether a declared port is one of TCP, which is what holds where nothing is said.
pub(super) fn is_tcp(port: &Value) -> bool {
    matches!(port["protocol"].as_str(), None | Some("TCP"))
}

/// The annotations of a pod.
pub(super) fn annotations(pod: &Value) -> Option<&Map<String, Value>> {
    pod["metadata"]["annotations"].as_object()
}

/// The label or annotation by which a pod asks for a sidecar, or for none.
pub(super) const INJECT: &str = "podmeter.io/inject";
const MIRROR: &str = "kubernetes.io/config.mirror";
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Containers by which other meshes take a pod's traffic.
const OTHERS: [&str; 17] = [
    "istio-proxy",
    "istio-init",
    "istio-validation",
    "linkerd-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "kuma-sidecar",
    "kuma-init",
    "consul-dataplane",
    "consul-connect-inject-init",
    "consul-connect-envoy-sidecar",
    "envoy-sidecar",
    "osm-init",
    "proxyinit",
    "aws-appmesh-init",
    "nginx-mesh-sidecar",
    "nginx-mesh-init",
];
