//! What a port is called in Envoy's statistics.

use super::{CLUSTER, MANAGER};
use crate::config::{EnvoyNames, Identity, Placeholder};
use crate::dialect::built_in::Subject;
use crate::dialect::pod;
use crate::exposition::Labels;
use crate::meter::{Route, Side};

/// Calls ports as the configuration says.
#[derive(Debug)]
pub(super) struct Names {
    /// `None` is as Istio does.
    names: Option<EnvoyNames>,
    identity: Identity,
}

/// A port as Envoy's families tell it from others.
#[derive(Debug)]
pub(super) struct Port {
    cluster: String,
    manager: String,
    /// Labels besides (`--envoy-label`).
    besides: Vec<(String, String)>,
    pub(super) cluster_labels: Labels,
    pub(super) manager_labels: Labels,
    pub(super) is_http: bool,
}

impl Names {
    pub(super) fn new(subject: &Subject<'_>) -> Self {
        Self { names: subject.envoy.cloned(), identity: subject.identity.clone() }
    }

    pub(super) fn port(&self, route: &Route) -> Port {
        let side = route.side.as_str();
        let cluster = match (route.side, route.target.port(), &self.names) {
            // As Istio names what it knows no cluster for.
            (Side::Inbound, 0, _) => "InboundPassthroughCluster".to_owned(),
            (Side::Outbound, 0, _) => "PassthroughCluster".to_owned(),
            (Side::Inbound, port, Some(names)) => names.cluster.fill(|place| self.say(place, port)),
            // Who is asked is not this pod, which is all that a name could tell.
            (_, port, _) => format!("{side}|{port}||"),
        };
        let besides = self.names.iter().flat_map(|names| &names.labels);
        let besides = besides
            .map(|(name, value)| (name.clone(), value.fill(|p| self.say(p, route.target.port()))));
        let manager = format!("{side}_{}_{}", route.listen.ip(), route.listen.port());
        let mut port = Port {
            besides: besides.collect(),
            cluster,
            manager,
            cluster_labels: Labels::from_pairs::<&str, &str>([]),
            manager_labels: Labels::from_pairs::<&str, &str>([]),
            is_http: !route.opaque,
        };
        port.cluster_labels = port.cluster_labels_and(&[]);
        port.manager_labels = port.manager_labels_and(&[]);
        port
    }

    fn say(&self, place: Placeholder, port: u16) -> String {
        match place {
            Placeholder::Port => port.to_string(),
            Placeholder::Pod(name) => pod::say(&self.identity, name),
        }
    }
}

impl Port {
    /// The labels of the port's cluster, and one more.
    pub(super) fn cluster_labels_and(&self, more: &[(&'static str, &str)]) -> Labels {
        self.labels((CLUSTER, &self.cluster), more)
    }

    /// The same of its connection manager.
    pub(super) fn manager_labels_and(&self, more: &[(&'static str, &str)]) -> Labels {
        self.labels((MANAGER, &self.manager), more)
    }

    fn labels(&self, scope: (&'static str, &str), more: &[(&'static str, &str)]) -> Labels {
        let besides = self.besides.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Labels::from_pairs([scope].into_iter().chain(more.iter().copied()).chain(besides))
    }
}
