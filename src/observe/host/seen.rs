//! The hosts that the pod itself asks, as it names them: only so many, so that labels stay few.

use super::{HostId, MAX_KNOWN};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

/// Names that were seen in requests of the pod, and addresses that it has connected to.
#[derive(Debug)]
pub struct SeenHosts {
    seen: RwLock<Seen>,
    most: usize,
}

#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<Box<[u8]>, HostId>,
    names: Vec<String>,
}

impl SeenHosts {
    /// Takes the first `most` names.
    pub fn new(most: u16) -> Self {
        let most = usize::from(most.min(u16::MAX - MAX_KNOWN - 1));
        Self { seen: RwLock::default(), most }
    }

    /// The number of a host's name or address without a port; unknown for what is neither, and for
    /// every new one once there are too many.
    pub fn find(&self, host: &[u8]) -> HostId {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let host = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host);
        let mut buffer = [0; LONGEST];
        let Some(name) = buffer.get_mut(..host.len()) else { return HostId::UNKNOWN };
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = seen.ids.get(&*name) {
            return *id;
        }
        if seen.names.len() >= self.most || !is_host(name) {
            return HostId::UNKNOWN;
        }
        drop(seen);
        self.learn(name)
    }

    /// The number of an address.
    pub fn find_address(&self, address: IpAddr) -> HostId {
        self.find(address.to_canonical().to_string().as_bytes())
    }

    /// The name with this number.
    pub fn name(&self, id: HostId) -> Option<String> {
        let index = usize::from(id.0.checked_sub(MAX_KNOWN + 1)?);
        self.seen.read().unwrap_or_else(PoisonError::into_inner).names.get(index).cloned()
    }

    fn learn(&self, name: &[u8]) -> HostId {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here in between.
        if let Some(id) = seen.ids.get(name) {
            return *id;
        }
        let next = u16::try_from(seen.names.len()).ok().filter(|n| usize::from(*n) < self.most);
        let Some(next) = next else { return HostId::UNKNOWN };
        let id = HostId(MAX_KNOWN + 1 + next);
        seen.ids.insert(name.into(), id);
        seen.names.push(String::from_utf8_lossy(name).into_owned());
        id
    }
}

/// Letters, digits and what else stands in names (RFC 1123, 2.1) and addresses. A host whose name is
/// what labels say of none is none, as nobody could tell the two apart.
fn is_host(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"unknown"
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
}

/// The longest name (RFC 1035, 2.3.4).
const LONGEST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::host::KnownHosts;
    use std::sync::Arc;

    #[test]
    fn a_host_has_one_number_however_it_is_written() {
        let seen = Arc::new(SeenHosts::new(10));
        let known = KnownHosts::whatever_is_seen(&seen);
        let id = known.find(b"Reviews.example.com:9080");
        for same in ["reviews.example.com", "reviews.example.com.", "REVIEWS.EXAMPLE.COM:1"] {
            assert_eq!(known.find(same.as_bytes()), id, "{same}");
        }
        assert_eq!(seen.name(id).as_deref(), Some("reviews.example.com"));
        let six = known.find(b"[fd00::1]:80");
        assert_eq!(seen.find_address("fd00::1".parse().unwrap()), six);
        assert_eq!(seen.name(six).as_deref(), Some("fd00::1"));
        let long = [b'a'; 300];
        for none in [&b""[..], b"Unknown", b"a b", b"a\"b", b"\xff", &long] {
            assert_eq!(known.find(none), HostId::UNKNOWN);
        }
    }

    #[test]
    fn one_host_too_many_is_unknown_and_the_others_stay() {
        let seen = SeenHosts::new(2);
        let (one, two) = (seen.find(b"one"), seen.find(b"two"));
        assert!(one != two && one != HostId::UNKNOWN && two != HostId::UNKNOWN);
        assert_eq!(seen.find(b"three"), HostId::UNKNOWN);
        assert_eq!((seen.find(b"one"), seen.find(b"two")), (one, two));
        assert_eq!(seen.name(HostId::UNKNOWN), None);
        assert_eq!(seen.name(HostId(0)), None);
    }
}
