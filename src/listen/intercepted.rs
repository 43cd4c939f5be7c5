//! Where an intercepted connection was going, and whether to take it there.

use crate::meter::Side;
use crate::observe::host::{HostId, SeenHosts};
use crate::pump::{Arrival, Circle};
use crate::redirect::Mode;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::net::TcpStream;

/// What a listener of intercepted connections knows.
#[derive(Clone, Debug)]
pub(crate) struct Interception {
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    pub(crate) own: Arc<OwnPorts>,
    /// Ports that are never parsed.
    pub(crate) opaque: Vec<RangeInclusive<u16>>,
    pub(crate) circle: Arc<Circle>,
    /// The hosts that the pod asks, of outbound connections.
    pub(crate) seen: Option<Arc<SeenHosts>>,
}

/// Where this process itself listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnPorts {
    /// For intercepted connections.
    pub(crate) intercepting: Vec<SocketAddr>,
    /// For everything else: metrics, health, and ports that are metered in their own right.
    pub(crate) serving: Vec<SocketAddr>,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Meter,
    /// Carried, but not metered: it leads to a listener of ours.
    Bypass,
    /// It would lead back to where it came in.
    Refuse,
}

/// An intercepted connection that may go on.
#[derive(Debug)]
pub(super) struct Intercepted {
    pub(super) destination: SocketAddr,
    pub(super) verdict: Verdict,
    /// Whom the app shall take for its client, if not us.
    pub(super) client: Option<SocketAddr>,
    /// `None` if it came from ourselves.
    pub(super) arrival: Option<Arrival>,
    /// Whom it leads to, of outbound connections.
    pub(super) host: HostId,
}

impl Interception {
    /// Looks at a connection that was just accepted.
    pub(super) fn look(&self, client: &TcpStream) -> io::Result<Intercepted> {
        let (local, peer) = (client.local_addr()?, client.peer_addr()?);
        let destination = self.destination(client, local, peer);
        let is_here = self.side == Side::Inbound
            || destination == local
            || destination.ip().to_canonical().is_loopback();
        let seen = self.seen.as_ref();
        Ok(Intercepted {
            destination,
            verdict: self.own.judge(destination, is_here),
            client: (self.mode == Mode::Tproxy).then_some(peer),
            arrival: self.circle.arrived(peer, destination),
            host: seen.map_or(HostId::UNKNOWN, |seen| seen.find_address(destination.ip())),
        })
    }

    /// Whether connections to `port` are never parsed.
    pub(super) fn is_opaque(&self, port: u16) -> bool {
        self.opaque.iter().any(|ports| ports.contains(&port))
    }

    fn destination(&self, client: &TcpStream, local: SocketAddr, peer: SocketAddr) -> SocketAddr {
        // TPROXY rewrites nothing: what was asked for is what the socket says of itself.
        if self.mode == Mode::Tproxy && local.port() != self.listen.port() {
            return local;
        }
        let socket = SockRef::from(client);
        let original =
            if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
        // A connection that nobody has rewritten was meant for this very listener.
        let original = original.ok().and_then(|original| original.as_socket());
        with_scope(original.unwrap_or(local), peer)
    }
}

impl OwnPorts {
    /// What becomes of a connection to `destination`; `is_here` if that is an address of this pod.
    pub(crate) fn judge(&self, destination: SocketAddr, is_here: bool) -> Verdict {
        let is_ours = |listens: &[SocketAddr]| {
            is_here && listens.iter().any(|listen| covers(*listen, destination))
        };
        if is_ours(&self.intercepting) {
            Verdict::Refuse
        } else if is_ours(&self.serving) {
            Verdict::Bypass
        } else {
            Verdict::Meter
        }
    }
}

/// Whether a connection to `destination`, an address of this pod, arrives at `listen`.
fn covers(listen: SocketAddr, destination: SocketAddr) -> bool {
    listen.port() == destination.port()
        && listen.is_ipv4() == destination.is_ipv4()
        && (listen.ip().is_unspecified() || listen.ip() == destination.ip())
}

/// A link-local address is one of an interface, which the kernel does not always say (RFC 4007, 6).
fn with_scope(mut destination: SocketAddr, peer: SocketAddr) -> SocketAddr {
    if let (SocketAddr::V6(address), SocketAddr::V6(peer)) = (&mut destination, peer)
        && address.ip().is_unicast_link_local()
        && address.scope_id() == 0
    {
        address.set_scope_id(peer.scope_id());
    }
    destination
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Bypass, Meter, Refuse};
    use super::*;

    #[test]
    fn what_leads_back_is_refused_and_what_leads_to_our_metrics_is_not_metered() {
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let own = OwnPorts {
            intercepting: vec![at("0.0.0.0:15006"), at("[::]:15006"), at("127.0.0.1:15001")],
            serving: vec![at("0.0.0.0:15090"), at("127.0.0.1:15000"), at("10.0.0.9:8080")],
        };
        for (destination, here, verdict) in [
            ("10.0.0.9:80", true, Meter),
            ("10.0.0.9:15006", true, Refuse),
            ("[fd00::9]:15006", true, Refuse),
            ("10.0.0.9:15001", true, Meter),
            ("127.0.0.1:15001", true, Refuse),
            ("10.0.0.9:15090", true, Bypass),
            ("[fd00::9]:15090", true, Meter),
            ("10.0.0.9:15000", true, Meter),
            ("10.0.0.9:8080", true, Bypass),
            // Another pod's sidecar is none of ours.
            ("10.0.0.10:15006", false, Meter),
            ("10.0.0.10:15090", false, Meter),
        ] {
            assert_eq!(own.judge(at(destination), here), verdict, "{destination} {here}");
        }
    }

    #[test]
    fn a_link_local_destination_is_on_its_clients_interface() {
        let peer: SocketAddr = "[fe80::2%3]:5".parse().unwrap();
        assert_eq!(with_scope("[fe80::1]:80".parse().unwrap(), peer).to_string(), "[fe80::1%3]:80");
        assert_eq!(with_scope("[fd00::1]:80".parse().unwrap(), peer).to_string(), "[fd00::1]:80");
    }
}
