//! Who the pod is, as templates of the configuration say it.

use super::UNKNOWN;
use super::service::Service;
use crate::config::{Identity, PodName};

/// One of the pod's names; what was not told is unknown.
pub(super) fn say(who: &Identity, name: PodName) -> String {
    let said = match name {
        PodName::Service => {
            let namespace = who.namespace.as_deref().unwrap_or(UNKNOWN);
            who.services.first().map(|host| Service::new(host, namespace).name)
        }
        PodName::Workload => who.workload.clone(),
        PodName::WorkloadKind => who.workload_kind.clone(),
        PodName::Namespace => who.namespace.clone(),
        PodName::Pod => who.pod.clone(),
        PodName::App => who.app.clone(),
        PodName::Version => who.version.clone(),
        PodName::Revision => who.revision.clone(),
        PodName::Cluster => who.cluster.clone(),
    };
    said.unwrap_or_else(|| UNKNOWN.to_owned())
}
