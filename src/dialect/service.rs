//! A service's host, taken apart as labels have it.

use super::UNKNOWN;

/// One of the names in `--service`, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) host: String,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl Service {
    /// `shop.prod.svc.cluster.local` is `shop` in `prod`; a bare `shop` is in the pod's namespace.
    pub(super) fn new(host: &str, own_namespace: &str) -> Self {
        let mut parts = host.split('.');
        let name = parts.next().unwrap_or(host);
        let second = parts.next();
        let is_cluster_name = second.is_some() && matches!(parts.next(), None | Some("svc"));
        let (name, namespace) = match second {
            Some(namespace) if is_cluster_name => (name, namespace),
            // A public name has no namespace in it.
            Some(_) => (host, own_namespace),
            None => (name, own_namespace),
        };
        Self { host: host.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() }
    }

    /// The same of somebody else's host: only a cluster's own names and bare ones tell a namespace,
    /// as `shop.prod` could be anywhere.
    pub(super) fn of_other(host: &str, own_namespace: &str) -> Self {
        let labels: Vec<&str> = host.split('.').collect();
        let (name, namespace) = match *labels {
            [name] if !name.contains(':') => (name, own_namespace),
            [name, namespace, "svc", ..] => (name, namespace),
            _ => (host, UNKNOWN),
        };
        Self { host: host.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() }
    }
}
