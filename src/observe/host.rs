//! Finds which of the pod's own names a `Host` header names, so that no client can invent a label.

mod seen;

pub use seen::SeenHosts;

use std::sync::Arc;

/// A position in [`KnownHosts`], a number of [`SeenHosts`], or [`HostId::UNKNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub u16);

impl HostId {
    /// The `Host` header was absent or names none of the known services.
    pub const UNKNOWN: Self = Self(u16::MAX);
}

/// The services a pod answers for (`--service`), at most 255 of them.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    /// Lower case, without a trailing dot.
    names: Vec<String>,
    /// Where the pod itself asks others, whatever it names is known.
    seen: Option<Arc<SeenHosts>>,
}

impl KnownHosts {
    /// Keeps the first 255 of `services`.
    pub fn new<S: AsRef<str>>(services: &[S]) -> Self {
        let names = services
            .iter()
            .take(usize::from(MAX_KNOWN))
            .map(|name| name.as_ref().trim_end_matches('.').to_ascii_lowercase())
            .collect();
        Self { names, seen: None }
    }

    /// Knows every name, for as long as `seen` takes more.
    pub fn whatever_is_seen(seen: &Arc<SeenHosts>) -> Self {
        Self { names: Vec::new(), seen: Some(Arc::clone(seen)) }
    }

    /// Which service a `Host` header's value names: its name itself or, of a cluster name such as
    /// `shop.prod.svc.cluster.local`, any shorter form that Kubernetes' DNS search resolves
    /// (`shop`, `shop.prod`, `shop.prod.svc`). The port and upper case do not matter.
    pub fn find(&self, host: &[u8]) -> HostId {
        if let Some(seen) = &self.seen {
            return seen.find(without_port(host));
        }
        if self.names.is_empty() {
            return HostId::UNKNOWN;
        }
        let host = without_port(host);
        let host = host.strip_suffix(b".").unwrap_or(host);
        let position = |hit: fn(&str, &[u8]) -> bool| self.names.iter().position(|n| hit(n, host));
        position(is_exactly)
            .or_else(|| position(is_short_form))
            .and_then(|i| u16::try_from(i).ok())
            .map_or(HostId::UNKNOWN, HostId)
    }
}

fn is_exactly(name: &str, host: &[u8]) -> bool {
    name.as_bytes().eq_ignore_ascii_case(host)
}

/// `shop`, `shop.prod` and `shop.prod.svc` are short forms of `shop.prod.svc.cluster.local`.
fn is_short_form(name: &str, host: &[u8]) -> bool {
    let mut labels = name.split('.');
    if labels.nth(2) != Some("svc") || host.is_empty() || host.len() >= name.len() {
        return false;
    }
    name.as_bytes()[host.len()] == b'.'
        && name.as_bytes()[..host.len()].eq_ignore_ascii_case(host)
        && host.split(|&b| b == b'.').count() <= 3
}

fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|&b| b == b':') {
        // In an IPv6 literal the port stands after the bracket (RFC 3986, 3.2.2).
        Some(colon) if host.first() != Some(&b'[') || host[colon - 1] == b']' => &host[..colon],
        _ => host,
    }
}

/// Ids from here on are of [`SeenHosts`].
const MAX_KNOWN: u16 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_service_by_its_full_or_short_name_with_or_without_port() {
        let known = KnownHosts::new(&["shop.prod.svc.cluster.local", "api.example.com", "[::1]"]);
        for host in [
            "shop.prod.svc.cluster.local",
            "shop.prod.svc.cluster.local.",
            "SHOP.prod.svc:8080",
            "shop.prod",
            "shop",
            "shop:80",
        ] {
            assert_eq!(known.find(host.as_bytes()), HostId(0), "{host}");
        }
        assert_eq!(known.find(b"api.example.com:443"), HostId(1));
        assert_eq!(known.find(b"[::1]:8080"), HostId(2));
        for host in ["", ":", "api", "shop.test", "sho", "shop.prod.svc.cluster", "evil", "[::2]"] {
            assert_eq!(known.find(host.as_bytes()), HostId::UNKNOWN, "{host}");
        }
    }

    #[test]
    fn without_services_every_host_is_unknown() {
        assert_eq!(KnownHosts::new::<&str>(&[]).find(b"shop"), HostId::UNKNOWN);
    }
}
