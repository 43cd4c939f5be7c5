//! Linkerd's `tcp_*`: every connection, whatever it carries, once as seen from who opened it
//! (`peer="src"`) and once from where it leads (`peer="dst"`).

use super::target::{Pairs, Targets, no_tls, target_labels};
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{RouteTotals, Side, Snapshot};
use crate::observe::Ending;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Connections as one of their two peers sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Source,
    Destination,
}

pub(super) fn show(targets: &Targets, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
    let mut ports: BTreeMap<(Side, SocketAddr), RouteTotals> = BTreeMap::new();
    for (port, totals) in snapshot.ports.iter().zip(&snapshot.routes) {
        let same = ports.entry((port.side, port.target));
        same.and_modify(|all| all.merge(totals)).or_insert_with(|| totals.clone());
    }
    let labels = |side, addr, peer: Peer, errno: Option<&'static str>| {
        let pairs = peer.labels(side, addr);
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let errno = errno.map(|errno| ("errno", errno));
        Labels::from_pairs(pairs.chain(errno).chain(targets.pod_labels()))
    };
    let mut show = |name, kind, help, value: fn(Peer, &RouteTotals) -> u64| {
        let mut family = FamilyBuilder::new(name, kind, help);
        for (&(side, addr), totals) in &ports {
            for peer in [Peer::Source, Peer::Destination] {
                let labels = labels(side, addr, peer, None);
                match kind {
                    Kind::Gauge => family.gauge(&labels, value(peer, totals) as f64),
                    _ => family.counter(&labels, value(peer, totals)),
                };
            }
        }
        families.push(family.build());
    };
    show("tcp_open_total", Kind::Counter, "Connections opened.", Peer::opened);
    show("tcp_open_connections", Kind::Gauge, "Connections open now.", |peer, totals| {
        peer.opened(totals).saturating_sub(peer.closed(totals, None))
    });
    show("tcp_read_bytes_total", Kind::Counter, "Bytes read from the peer.", |peer, totals| {
        if peer == Peer::Source { totals.received } else { totals.sent }
    });
    show("tcp_write_bytes_total", Kind::Counter, "Bytes written to the peer.", |peer, totals| {
        if peer == Peer::Source { totals.sent } else { totals.received }
    });
    let mut closed = FamilyBuilder::new(
        "tcp_close_total",
        Kind::Counter,
        "Connections closed, by the error that ended them.",
    );
    for (&(side, addr), totals) in &ports {
        for peer in [Peer::Source, Peer::Destination] {
            let all = peer.closed(totals, None);
            let reset = peer.closed(totals, Some(peer.reset()));
            closed.counter(&labels(side, addr, peer, Some("")), all.saturating_sub(reset));
            if reset > 0 {
                closed.counter(&labels(side, addr, peer, Some("ECONNRESET")), reset);
            }
        }
    }
    families.push(closed.build());
}

impl Peer {
    fn labels(self, side: Side, addr: SocketAddr) -> Pairs {
        let (name, reason) = match (self, side) {
            (Self::Source, Side::Inbound) => ("src", "not_provided_by_remote"),
            (Self::Source, Side::Outbound) => ("src", "loopback"),
            (Self::Destination, Side::Inbound) => ("dst", "loopback"),
            (Self::Destination, Side::Outbound) => ("dst", "not_provided_by_service_discovery"),
        };
        let mut labels = vec![("direction", side.as_str().to_owned()), ("peer", name.to_owned())];
        labels.extend(target_labels(side, addr, None));
        labels.extend(no_tls(reason));
        labels
    }

    fn opened(self, totals: &RouteTotals) -> u64 {
        match self {
            Self::Source => totals.connections,
            Self::Destination => totals.connect_times.count(),
        }
    }

    /// How many are closed, by whatever or by one ending.
    fn closed(self, totals: &RouteTotals, by: Option<Ending>) -> u64 {
        let [unreached, reached] = &totals.endings;
        let count = |endings: &[u64]| -> u64 {
            let endings = Ending::ALL.iter().zip(endings);
            endings.filter(|(ending, _)| by.is_none_or(|by| by == **ending)).map(|(_, n)| n).sum()
        };
        match self {
            Self::Source => count(unreached) + count(reached),
            Self::Destination => count(reached),
        }
    }

    /// How a connection ends that the peer resets.
    fn reset(self) -> Ending {
        match self {
            Self::Source => Ending::ClientReset,
            Self::Destination => Ending::AppReset,
        }
    }
}
