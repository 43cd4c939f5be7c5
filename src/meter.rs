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

mod cell;
mod histogram;
mod journal;
mod outcome;
mod ports;
mod recorder;
mod series;
mod shard;
mod snapshot;

pub use histogram::{Bounds, Totals};
pub use outcome::{Fault, Outcome};
pub use ports::{Route, Side};
pub use recorder::Recorder;
pub use series::{HostKey, HttpKey, ProbeKey, RouteId, TcpKey};
pub use shard::Shard;
pub use snapshot::{
    HostTotals, HttpTotals, RouteTotals, Snapshot, TcpTotals, Unparsed, WebSocketTotals,
};

use crate::observe::Flags;
use crate::observe::grpc::Call;
use crate::observe::host::HostId;
use ports::Ports;
use shard::Cells;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How a meter is laid out; fixed for the life of the program.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The ports that are known before any connection came; what intercepted connections lead to
    /// joins them as it is met.
    pub routes: Vec<Route>,
    /// The host under which a port's series exist before any request came.
    pub first_host: HostId,
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
}

/// All that has been counted, in as many shards as there are worker threads.
#[derive(Debug)]
pub struct Meter {
    layout: Layout,
    ports: Ports,
    shards: Box<[OnceLock<Arc<Cells>>]>,
    /// Label sets in use anywhere. Locked when a thread meets a label set for the first time in its
    /// life; never by a scrape, and never again for that label set.
    admitted: Mutex<HashSet<HttpKey>>,
    /// No further label sets are admitted.
    is_full: AtomicBool,
}

impl Meter {
    /// An empty meter.
    pub fn new(layout: Layout) -> Arc<Self> {
        let shards = (0..layout.shards).map(|_| OnceLock::new()).collect();
        let (admitted, is_full) = Default::default();
        let ports = Ports::new(&layout.routes);
        Arc::new(Self { layout, ports, shards, admitted, is_full })
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

    /// Adds up all shards.
    pub fn snapshot(&self) -> Snapshot {
        let cells = self.shards.iter().filter_map(OnceLock::get).map(Arc::as_ref);
        // Ports after what is counted of them, so that no number lacks its port.
        Snapshot::of(&self.layout, cells, || self.ports.all())
    }

    /// Both halves of a release check's quotient exist, at zero, before the first request.
    fn show_known_ports(&self, shard: &Shard) {
        for (index, port) in self.layout.routes.iter().enumerate() {
            self.show_at_zero(shard, RouteId::from_index(index), port);
        }
    }

    /// The same for one port. What the pod asks of others is nobody's canary.
    fn show_at_zero(&self, shard: &Shard, route: RouteId, port: &Route) {
        let flags = Flags::None;
        match port.side {
            Side::Outbound => {}
            Side::Inbound if port.opaque => {
                shard.tcp(TcpKey { route, host: HostId::UNKNOWN, flags, tls: None });
            }
            Side::Inbound => {
                let (host, call) = (self.layout.first_host, Call::Http);
                shard.host(HostKey { route, host });
                shard.http(HttpKey { route, host, call, status: 200, flags });
            }
        }
    }

    /// Whether `key` may have a series of its own. Once there are `--max-series` of them, none
    /// that this thread does not have already.
    fn admits_http(&self, key: HttpKey) -> bool {
        if self.is_full.load(Relaxed) {
            return false;
        }
        // What a panicking thread left behind is still a set of keys.
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted.contains(&key) {
            return true;
        }
        if admitted.len() >= self.layout.max_series {
            self.is_full.store(true, Relaxed);
            return false;
        }
        admitted.insert(key)
    }
}

#[cfg(test)]
mod tests;
