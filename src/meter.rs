//! Counts exchanges and connections, exactly, without locks between the threads that count.
//!
//! Each worker thread has a [`Shard`] of its own and is the only one to write it: an increment is
//! a relaxed load and a relaxed store. A scrape reads all shards and adds them up
//! ([`Meter::snapshot`]). The sum of a histogram's buckets *is* the number of requests, so no two
//! families can disagree about it.
//!
//! A request finds its series by a small key of interned numbers ([`HttpKey`]); label text exists
//! once, where a dialect shows it, and is never hashed on the request path. The meter knows no
//! protocol: it is told [`Event`](crate::observe::Event)s.

mod bounds;
mod cell;
mod extras;
mod histogram;
mod journal;
mod native;
mod outcome;
mod ports;
mod recorder;
mod series;
mod shard;
mod snapshot;
mod traces;

pub use bounds::{Bounds, Natives};
pub use extras::Extras;
pub use histogram::Totals;
pub use native::{Exponential, Scale};
pub use outcome::{Fault, Outcome};
pub use ports::{Route, Side};
pub use recorder::Recorder;
pub use series::{Detail, HostKey, HttpKey, ProbeKey, RouteId, TcpKey};
pub use shard::Shard;
pub use snapshot::{
    HostTotals, HttpTotals, RouteTotals, Snapshot, TcpTotals, Unparsed, WebSocketTotals,
};
pub use traces::Example;

use crate::clock::Nanos;
use crate::observe::grpc::Call;
use crate::observe::host::HostId;
use crate::observe::{Flags, Method, Version};
use ports::Ports;
use shard::Cells;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How a meter is laid out; fixed for the life of the program.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The ports that are known before any connection came; what intercepted connections lead to
    /// joins them as it is met.
    pub routes: Vec<Route>,
    /// The host under which a port's series exist before any request came.
    pub first_host: HostId,
    /// What else tells the exchanges of clients of the pod apart.
    pub inbound: Detail,
    /// The same for what the pod asks of others.
    pub outbound: Detail,
    /// Upper bounds of latencies, in nanoseconds.
    pub durations: Bounds,
    /// Upper bounds of sizes, in bytes.
    pub sizes: Bounds,
    /// Upper bounds of the time that exchanges spend inside podmeter, in nanoseconds.
    pub held: Bounds,
    /// Number of shards, one for each worker thread.
    pub shards: usize,
    /// Label sets of one family before further ones are counted together (`--max-series`).
    pub max_series: usize,
    /// What is recorded and shown beyond numbers and classic buckets.
    pub extras: Extras,
}

impl Layout {
    /// The same recording, of which a reader is shown so much.
    #[must_use]
    pub fn showing(&self, extras: Extras) -> Self {
        Self {
            durations: self.durations.showing(extras),
            sizes: self.sizes.showing(extras),
            held: self.held.showing(extras),
            extras,
            ..self.clone()
        }
    }

    /// When it was since 1970, if that is shown.
    pub fn time(&self, at: Option<Nanos>) -> Option<Duration> {
        self.extras.time(at?)
    }
}

/// All that has been counted, in as many shards as there are worker threads.
#[derive(Debug)]
pub struct Meter {
    layout: Layout,
    ports: Ports,
    shards: Box<[OnceLock<Arc<Cells>>]>,
    /// Label sets in use anywhere. Locked when a thread meets a label set for the first time in its
    /// life; never by a scrape, and never again for that label set.
    admitted: Mutex<Admitted>,
    /// No further label sets are admitted.
    is_full: AtomicBool,
    /// None that only detail tells from others.
    is_detail_full: AtomicBool,
}

/// Label sets in use.
#[derive(Debug, Default)]
struct Admitted {
    keys: HashSet<HttpKey>,
    /// How many of them have detail that only some dialects show.
    detailed: usize,
}

impl Meter {
    /// An empty meter.
    pub fn new(layout: Layout) -> Arc<Self> {
        let shards = (0..layout.shards).map(|_| OnceLock::new()).collect();
        let (admitted, is_full, is_detail_full) = Default::default();
        let ports = Ports::new(&layout.routes);
        Arc::new(Self { layout, ports, shards, admitted, is_full, is_detail_full })
    }

    /// The layout it was made with.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shard of worker `index`, for that worker alone: `None` if there is no such worker or
    /// if its shard was taken already.
    pub fn shard(self: &Arc<Self>, index: usize) -> Option<Rc<Shard>> {
        let (cells, series) = Cells::new();
        self.shards.get(index)?.set(Arc::clone(&cells)).ok()?;
        let shard = Shard::new(Arc::clone(self), cells, series);
        if index == 0 {
            self.show_known_ports(&shard);
        }
        Some(shard)
    }

    /// Where the app listens, as far as connections have led there.
    pub fn targets(&self) -> Vec<SocketAddr> {
        let inbound = self.ports.all().into_iter().filter(|route| route.side == Side::Inbound);
        inbound.map(|route| route.target).filter(|target| target.port() != 0).collect()
    }

    /// Adds up all shards.
    pub fn snapshot(&self) -> Snapshot {
        let cells = self.shards.iter().filter_map(OnceLock::get).map(Arc::as_ref);
        // Ports after what is counted of them, so that no number lacks its port.
        Snapshot::of(cells, || self.ports.all())
    }

    /// Both halves of a release check's quotient exist, at zero, before the first request.
    fn show_known_ports(&self, shard: &Shard) {
        for (index, port) in self.layout.routes.iter().enumerate() {
            self.show_at_zero(shard, RouteId::from_index(index), port, Nanos(0));
        }
    }

    /// The same for one port. What the pod asks of others is nobody's canary.
    fn show_at_zero(&self, shard: &Shard, route: RouteId, port: &Route, now: Nanos) {
        let flags = Flags::None;
        match port.side {
            Side::Outbound => {}
            Side::Inbound if port.opaque => {
                shard.tcp(TcpKey { route, host: HostId::UNKNOWN, flags, tls: None });
            }
            Side::Inbound => {
                let (host, call) = (self.layout.first_host, Call::Http);
                shard.host(HostKey { route, host });
                // As a client that asks for nothing in particular would be counted.
                let key = HttpKey { route, host, call, status: 200, flags, ..HttpKey::OVERFLOW };
                let detail = self.layout.inbound;
                let method = if detail.method { Method::Get } else { Method::Other };
                let version = if detail.version { Version::Http11 } else { Version::Unknown };
                shard.pin_http(HttpKey { method, version, ..key }, now);
            }
        }
    }

    /// The key under which `key` is counted: its own if it may have a series; the same without its
    /// detail, if that may; else what overflows of its port. Once there are `--max-series` of them, none is
    /// admitted that this thread does not have already.
    fn counted_as(&self, key: HttpKey) -> HttpKey {
        if key.is_overflow() {
            return key;
        }
        let is_detailed = key.is_detailed() && !key.is_folded();
        let full = if is_detailed { &self.is_detail_full } else { &self.is_full };
        if !full.load(Relaxed) {
            // What a panicking thread left behind is still a set of keys.
            let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
            if admitted.keys.contains(&key) {
                return key;
            }
            // Whoever asks for ever new paths takes no place that a status might need.
            let has_room = if is_detailed {
                admitted.detailed < self.layout.detailed_series()
            } else {
                admitted.keys.len() - admitted.detailed < self.layout.plain_series()
            };
            if has_room {
                admitted.keys.insert(key);
                admitted.detailed += usize::from(is_detailed);
                return key;
            }
            full.store(true, Relaxed);
        }
        if is_detailed { key.folded() } else { key.overflow() }
    }
}

impl Layout {
    /// What else tells exchanges of one side apart.
    pub fn detail(&self, side: Side) -> Detail {
        match side {
            Side::Inbound => self.inbound,
            Side::Outbound => self.outbound,
        }
    }

    /// The side of a route that is known from the start; the others are told theirs.
    fn side(&self, route: RouteId) -> Side {
        self.routes.get(usize::from(route.0)).map_or(Side::Inbound, |route| route.side)
    }

    /// Of `--max-series`, how many may differ in detail alone.
    fn detailed_series(&self) -> usize {
        let has_detail = !self.inbound.or(self.outbound).is_none();
        if has_detail { self.max_series - self.max_series.div_ceil(PLAIN_SHARE) } else { 0 }
    }

    fn plain_series(&self) -> usize {
        self.max_series - self.detailed_series()
    }
}

/// Of this many series, one is kept for what has no detail.
const PLAIN_SHARE: usize = 4;

#[cfg(test)]
mod tests;
