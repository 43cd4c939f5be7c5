//! Whom a connection leads to, in Linkerd's labels, and which pod says so.

use crate::dialect::UNKNOWN;
use crate::dialect::built_in::Subject;
use crate::meter::{RouteId, Side, Snapshot};
use crate::observe::host::{HostId, SeenHosts};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Where requests go that no label of theirs tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    side: Side,
    /// Port 0 stands for all that have no series of their own.
    addr: SocketAddr,
    host: HostId,
}

impl Endpoint {
    /// What is asked there by no known name.
    pub(super) fn of_nobody(self) -> Self {
        match self.side {
            Side::Inbound => Self { host: HostId::UNKNOWN, ..self },
            // Nobody's release is judged by what it asks of others.
            Side::Outbound => self,
        }
    }
}

/// The names that endpoints are told by.
#[derive(Debug)]
pub(super) struct Targets {
    services: Vec<String>,
    seen: Option<Arc<SeenHosts>>,
    pod: Vec<(&'static str, String)>,
}

/// Label names with their values.
pub(super) type Pairs = Vec<(&'static str, String)>;

impl Targets {
    pub(super) fn new(subject: &Subject<'_>) -> Self {
        let who = subject.identity;
        let kind = who.workload_kind.as_deref().unwrap_or("Deployment");
        // Linkerd's Prometheus adds these to what it scrapes; what we do not know is left to it.
        let pod = [
            (workload_label(kind), &who.workload),
            ("namespace", &who.namespace),
            ("pod", &who.pod),
        ];
        let pod = pod.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        Self {
            services: who.services.clone(),
            seen: subject.seen.map(Arc::clone),
            pod: pod.collect(),
        }
    }

    pub(super) fn endpoint(&self, snapshot: &Snapshot, route: RouteId, host: HostId) -> Endpoint {
        let Some(port) = snapshot.ports.get(usize::from(route.0)) else { return OVERFLOW };
        let asked = Endpoint { side: port.side, addr: port.target, host };
        // What no label tells from an unknown host is one series with it.
        let is_told = self.name(asked).is_some_and(|name| name != UNKNOWN);
        if is_told { asked } else { Endpoint { host: HostId::UNKNOWN, ..asked } }
    }

    /// The labels of HTTP families.
    pub(super) fn http_labels(&self, endpoint: Endpoint) -> Pairs {
        let name = self.name(endpoint);
        let target = target_labels(endpoint.side, endpoint.addr, name.as_deref());
        let no_tls_reason = match endpoint.side {
            Side::Inbound => "not_provided_by_remote",
            Side::Outbound => "not_provided_by_service_discovery",
        };
        let mut labels = vec![("direction", endpoint.side.as_str().to_owned())];
        labels.push(("authority", name.unwrap_or_else(|| UNKNOWN.to_owned())));
        labels.extend(target);
        labels.extend(no_tls(no_tls_reason));
        labels
    }

    /// Who this pod is.
    pub(super) fn pod_labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.pod.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn name(&self, Endpoint { side, host, .. }: Endpoint) -> Option<String> {
        match side {
            Side::Inbound => self.services.get(usize::from(host.0)).cloned(),
            Side::Outbound => self.seen.as_ref()?.name(host).map(|name| (*name).to_owned()),
        }
    }
}

/// Where a connection goes. linkerd2-proxy shows the very address; so do we where it is known: that
/// of the port, or one that was asked for by itself. Of what the pod asks of others by name, a port has
/// many addresses, and the name stands for them. What comes in leads to the pod at any of its own.
pub(super) fn target_labels(side: Side, addr: SocketAddr, asked: Option<&str>) -> Pairs {
    let asked_ip = asked.and_then(|name| name.parse::<IpAddr>().ok());
    let is_known = side == Side::Inbound || !addr.ip().is_unspecified();
    let [whole, ip, port] = match (addr.port(), asked_ip.or(is_known.then_some(addr.ip()))) {
        (0, _) => [UNKNOWN; 3].map(str::to_owned),
        (port, Some(ip)) => {
            [SocketAddr::new(ip, port).to_string(), ip.to_string(), port.to_string()]
        }
        (port, None) => {
            let whole = format!("{}:{port}", asked.unwrap_or(UNKNOWN));
            [whole, UNKNOWN.to_owned(), port.to_string()]
        }
    };
    vec![("target_addr", whole), ("target_ip", ip), ("target_port", port)]
}

/// podmeter ends no TLS, so it never vouches for anybody.
pub(super) fn no_tls(reason: &str) -> Pairs {
    vec![("tls", "no_identity".to_owned()), ("no_tls_reason", reason.to_owned())]
}

/// The label that names a workload, by its kind.
fn workload_label(kind: &str) -> &'static str {
    match kind {
        "StatefulSet" => "statefulset",
        "DaemonSet" => "daemonset",
        "ReplicaSet" => "replicaset",
        "ReplicationController" => "replicationcontroller",
        "Job" => "k8s_job",
        "CronJob" => "cronjob",
        _ => "deployment",
    }
}

/// Where what belongs to no port any more is counted.
const OVERFLOW: Endpoint = Endpoint {
    side: Side::Inbound,
    addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    host: HostId::UNKNOWN,
};
