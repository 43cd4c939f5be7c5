//! Notices when a connection of our own is intercepted and comes back to us.
//!
//! Rules leave the proxy's user alone, but a proxy may run as another than they were told. Its
//! connection to the app would then come in as a client's, and so on without end. A connection has
//! its two addresses to itself in a pod, so one that comes in with the addresses of one that went
//! out is the same. Whichever end of it we see last, we know then.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Who connects, and to what.
type Pair = (SocketAddr, SocketAddr);

/// The intercepted connections that are being carried, and ours to their destinations.
#[derive(Debug, Default)]
pub(crate) struct Circle {
    pairs: Mutex<Pairs>,
    /// Where to look next for a port that is not in use.
    next: AtomicU16,
    /// For how many connections more ports are chosen here, and not by the kernel.
    short: AtomicU32,
}

#[derive(Debug, Default)]
struct Pairs {
    came: HashSet<Pair>,
    went: HashSet<Pair>,
}

/// A connection that came in; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Arrival {
    circle: Arc<Circle>,
    pair: Pair,
}

/// A connection of ours that goes out; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Departure {
    circle: Arc<Circle>,
    pair: Pair,
}

impl Circle {
    /// Notes a connection that came in, unless it is one of ours.
    pub(crate) fn arrived(self: &Arc<Self>, peer: SocketAddr, to: SocketAddr) -> Option<Arrival> {
        let pair = (peer, to);
        self.with(|pairs| !pairs.went.contains(&pair) && pairs.came.insert(pair))
            .then(|| Arrival { circle: Arc::clone(self), pair })
    }

    /// The ports of `range` from which a connection to `to` may be made, each once, beginning
    /// where the last search left off. Those that `from` has a connection from are not among them,
    /// as the kernel could not tell the two apart.
    fn spare_ports(
        &self,
        from: IpAddr,
        to: SocketAddr,
        range: Range<u16>,
    ) -> impl Iterator<Item = u16> {
        let count = range.end.saturating_sub(range.start).max(1);
        let skipped = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let ports = (range.start + skipped..range.end).chain(range.start..range.start + skipped);
        ports.filter(move |port| {
            let pair = (SocketAddr::new(from, *port), to);
            self.with(|pairs| !pairs.came.contains(&pair) && !pairs.went.contains(&pair))
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Pairs) -> T) -> T {
        // What a panicking thread left behind are still pairs.
        look(&mut self.pairs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Arrival {
    /// Notes our connection for this one, from `local`; `None` if it has come back to us already.
    pub(crate) fn departed(&self, local: SocketAddr) -> Option<Departure> {
        let pair = (local, self.pair.1);
        let noted =
            self.circle.with(|pairs| !pairs.came.contains(&pair) && pairs.went.insert(pair));
        noted.then(|| Departure { circle: Arc::clone(&self.circle), pair })
    }

    /// The ports of `range` from which `from` may connect to where this connection goes.
    pub(crate) fn spare_ports(&self, from: IpAddr, range: Range<u16>) -> impl Iterator<Item = u16> {
        self.circle.spare_ports(from, self.pair.1, range)
    }

    /// Whether the kernel had no port to choose a short while ago: looking for one takes it long.
    pub(crate) fn ports_are_short(&self) -> bool {
        let less = |short: u32| short.checked_sub(1);
        self.circle.short.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Notes that it had none.
    pub(crate) fn note_short_ports(&self) {
        self.circle.short.store(CONNECTIONS_BY_HAND, Ordering::Relaxed);
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.circle.with(|pairs| pairs.came.remove(&self.pair));
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.circle.with(|pairs| pairs.went.remove(&self.pair));
    }
}

/// Connections for which the kernel is not asked again once it had no port.
const CONNECTIONS_BY_HAND: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_connection_of_ours_that_comes_in_is_known_whichever_end_is_seen_first() {
        let circle = Arc::new(Circle::default());
        let (app, us, there) = (at("10.0.0.9:1"), at("10.0.0.9:2"), at("1.2.3.4:80"));
        let first = circle.arrived(app, there).unwrap();
        let departure = first.departed(us).unwrap();
        assert!(circle.arrived(us, there).is_none());
        // The same port, but to elsewhere, is another connection.
        let other = circle.arrived(us, at("1.2.3.5:80")).unwrap();
        drop(departure);
        let back = circle.arrived(us, there).unwrap();
        assert!(first.departed(us).is_none());
        drop((first, back, other));
        let pairs = circle.pairs.lock().unwrap();
        assert!(pairs.came.is_empty() && pairs.went.is_empty());
    }

    #[test]
    fn a_client_never_seems_to_connect_from_a_port_that_it_connects_from() {
        let circle = Arc::new(Circle::default());
        let to = at("10.0.0.9:80");
        let client = |port| SocketAddr::new([10, 0, 0, 5].into(), port);
        let arrivals: Vec<_> = (1024..32768)
            .filter(|port| *port != 7777)
            .map(|p| circle.arrived(client(p), to))
            .collect();
        let arrival = arrivals[0].as_ref().unwrap();
        assert_eq!(arrival.spare_ports(client(1).ip(), 7000..8000).collect::<Vec<_>>(), [7777]);
        let departure = arrival.departed(client(7777)).unwrap();
        assert_eq!(arrival.spare_ports(client(1).ip(), 7000..8000).count(), 0);
        drop(departure);
        let other: IpAddr = [10, 0, 0, 6].into();
        assert_eq!(arrival.spare_ports(other, 7000..8000).count(), 1000);
    }
}
