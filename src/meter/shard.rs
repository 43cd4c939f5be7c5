//! One thread's part of the meter.

use super::cell::Cell;
use super::journal::{Journal, Writer};
use super::ports::{Route, Side};
use super::series::{
    HostKey, HostSeries, HttpKey, HttpSeries, ProbeKey, RouteCells, RouteId, TcpKey, TcpSeries,
};
use super::{Layout, Meter};
use crate::clock::Nanos;
use crate::observe::host::HostId;
use crate::observe::{Flags, Protocol, Reason};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

/// The writing end of one worker's shard. It cannot leave its thread, which makes that thread the
/// only writer of its cells.
#[derive(Debug)]
pub struct Shard {
    meter: Arc<Meter>,
    cells: Arc<Cells>,
    index: RefCell<Index>,
}

impl Shard {
    pub(super) fn new(meter: Arc<Meter>, cells: Arc<Cells>, index: Index) -> Rc<Self> {
        Rc::new(Self { meter, cells, index: RefCell::new(index) })
    }

    pub(super) fn layout(&self) -> &Layout {
        self.meter.layout()
    }

    pub(super) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The series of `key`; the first time the thread meets it, which is `now`, one is made.
    pub(super) fn http(&self, key: HttpKey, now: Nanos) -> Arc<HttpSeries> {
        self.http_series(key, now, false)
    }

    /// Shows the series of `key` from `now` on, whether or not there is such an exchange.
    pub(super) fn pin_http(&self, key: HttpKey, now: Nanos) {
        self.http_series(key, now, true);
    }

    fn http_series(&self, key: HttpKey, now: Nanos, is_pinned: bool) -> Arc<HttpSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.http.get(&key) {
            return Arc::clone(series);
        }
        let counted = self.meter.counted_as(key);
        if counted != key {
            drop(index);
            return self.http_series(counted, now, is_pinned);
        }
        let series = Arc::new(HttpSeries::new(now, is_pinned));
        index.http_writer.append((key, Arc::clone(&series)));
        index.http.insert(key, Arc::clone(&series));
        series
    }

    /// The same for requests that are not over; there are no more keys than ports and services make,
    /// and of those that the pod itself asks no more than `--max-series`.
    pub(super) fn host(&self, key: HostKey) -> Arc<HostSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.hosts.get(&key) {
            return Arc::clone(series);
        }
        if key.host != HostId::UNKNOWN && index.hosts.len() >= self.layout().max_series {
            drop(index);
            return self.host(HostKey { host: HostId::UNKNOWN, ..key });
        }
        let series = Arc::new(HostSeries::default());
        index.hosts_writer.append((key, Arc::clone(&series)));
        index.hosts.insert(key, Arc::clone(&series));
        series
    }

    /// The same for TCP. Its keys are few by nature but for whom the pod's own connections lead
    /// to, so that is forgotten once there are too many.
    pub(super) fn tcp(&self, key: TcpKey) -> Arc<TcpSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.tcp.get(&key) {
            return Arc::clone(series);
        }
        if key.host != HostId::UNKNOWN && index.tcp.len() >= self.layout().max_series {
            drop(index);
            return self.tcp(TcpKey { host: HostId::UNKNOWN, ..key });
        }
        let series = Arc::new(TcpSeries::default());
        index.tcp_writer.append((key, Arc::clone(&series)));
        index.tcp.insert(key, Arc::clone(&series));
        series
    }

    /// The number of the kubelet's probes of one kind; of an app with many answers to them, all
    /// that are too many count as one.
    pub(super) fn probe(&self, key: ProbeKey) -> Arc<Cell> {
        let mut index = self.index.borrow_mut();
        if let Some(cell) = index.probes.get(&key) {
            return Arc::clone(cell);
        }
        let rest = ProbeKey { route: RouteId(u16::MAX), status: 0, flags: Flags::None };
        if key != rest && index.probes.len() >= self.layout().max_series {
            drop(index);
            return self.probe(rest);
        }
        let cell = Arc::new(Cell::default());
        index.probes_writer.append((key, Arc::clone(&cell)));
        index.probes.insert(key, Arc::clone(&cell));
        cell
    }

    /// What is counted of a port whatever the protocol.
    pub(super) fn route(&self, route: RouteId) -> Arc<RouteCells> {
        let mut index = self.index.borrow_mut();
        if let Some(cells) = index.routes.get(&route) {
            return Arc::clone(cells);
        }
        let cells = Arc::<RouteCells>::default();
        index.routes_writer.append((route, Arc::clone(&cells)));
        index.routes.insert(route, Arc::clone(&cells));
        cells
    }

    /// The route of intercepted connections to `port`, if it has one by now.
    pub(super) fn known_route(&self, side: Side, port: u16) -> Option<RouteId> {
        if let Some(known) = self.index.borrow().ports.get(&(side, port)) {
            return Some(*known);
        }
        let found = self.meter.ports.find(&Route::intercepted(side, port, false))?;
        self.index.borrow_mut().ports.insert((side, port), found);
        Some(found)
    }

    /// The same, and it gets one `now` unless there are too many.
    pub(super) fn admit_route(&self, side: Side, port: u16, opaque: bool, now: Nanos) -> RouteId {
        if let Some(known) = self.index.borrow().ports.get(&(side, port)) {
            return *known;
        }
        let route = Route::intercepted(side, port, opaque);
        let Some((id, is_new)) = self.meter.ports.admit(&route) else {
            return self.other_ports(side);
        };
        self.index.borrow_mut().ports.insert((side, port), id);
        if is_new {
            self.meter.show_at_zero(self, id, &route, now);
        }
        id
    }

    /// The route of intercepted connections to ports that have none of their own.
    pub(super) fn other_ports(&self, side: Side) -> RouteId {
        self.meter.ports.find(&Route::others(side)).unwrap_or(RouteId(0))
    }

    /// Cells that nobody shows, for what is carried without being metered.
    pub(super) fn unshown(&self) -> Arc<RouteCells> {
        let mut index = self.index.borrow_mut();
        Arc::clone(index.unshown.get_or_insert_default())
    }
}

/// What other threads may read of a shard.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) http: Journal<(HttpKey, Arc<HttpSeries>)>,
    pub(super) hosts: Journal<(HostKey, Arc<HostSeries>)>,
    pub(super) tcp: Journal<(TcpKey, Arc<TcpSeries>)>,
    pub(super) routes: Journal<(RouteId, Arc<RouteCells>)>,
    pub(super) probes: Journal<(ProbeKey, Arc<Cell>)>,
    /// Connections that would have led back to podmeter.
    pub(super) loops: Cell,
    unparsed: [[Cell; Reason::ALL.len()]; PROTOCOLS.len()],
}

impl Cells {
    /// The cells of a new shard, and what its writer needs besides.
    pub(super) fn new() -> (Arc<Self>, Index) {
        let (http, http_writer) = Journal::new();
        let (hosts, hosts_writer) = Journal::new();
        let (tcp, tcp_writer) = Journal::new();
        let (routes, routes_writer) = Journal::new();
        let (probes, probes_writer) = Journal::new();
        let (loops, unparsed) = Default::default();
        let cells = Arc::new(Self { http, hosts, tcp, routes, probes, loops, unparsed });
        let index = Index {
            http: HashMap::default(),
            http_writer,
            hosts: HashMap::default(),
            hosts_writer,
            tcp: HashMap::default(),
            tcp_writer,
            routes: HashMap::default(),
            routes_writer,
            probes: HashMap::default(),
            probes_writer,
            ports: HashMap::default(),
            unshown: None,
        };
        (cells, index)
    }

    /// The cell that counts connections not understood for `reason`.
    pub(super) fn unparsed(&self, protocol: Protocol, reason: Reason) -> &Cell {
        let row = PROTOCOLS.iter().position(|&p| p == protocol).unwrap_or_default();
        &self.unparsed[row][reason as usize]
    }
}

/// What the writer knows of its series, by key.
#[derive(Debug)]
pub(super) struct Index {
    http: HashMap<HttpKey, Arc<HttpSeries>, BuildHasherDefault<KeyHasher>>,
    http_writer: Writer<(HttpKey, Arc<HttpSeries>)>,
    hosts: HashMap<HostKey, Arc<HostSeries>, BuildHasherDefault<KeyHasher>>,
    hosts_writer: Writer<(HostKey, Arc<HostSeries>)>,
    tcp: HashMap<TcpKey, Arc<TcpSeries>, BuildHasherDefault<KeyHasher>>,
    tcp_writer: Writer<(TcpKey, Arc<TcpSeries>)>,
    routes: HashMap<RouteId, Arc<RouteCells>, BuildHasherDefault<KeyHasher>>,
    routes_writer: Writer<(RouteId, Arc<RouteCells>)>,
    probes: HashMap<ProbeKey, Arc<Cell>, BuildHasherDefault<KeyHasher>>,
    probes_writer: Writer<(ProbeKey, Arc<Cell>)>,
    ports: HashMap<(Side, u16), RouteId, BuildHasherDefault<KeyHasher>>,
    unshown: Option<Arc<RouteCells>>,
}

/// A hasher for keys of a few small numbers, none of which a stranger chooses freely.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl KeyHasher {
    fn mix(&mut self, part: u64) {
        // Multiplying by 2^64 divided by the golden ratio spreads small numbers over all bits.
        self.0 = (self.0.rotate_left(16) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.mix(u64::from(byte));
        }
    }

    fn write_u8(&mut self, part: u8) {
        self.mix(u64::from(part));
    }

    fn write_u16(&mut self, part: u16) {
        self.mix(u64::from(part));
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.mix(discriminant.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The protocols that an observer may stop understanding.
pub(super) const PROTOCOLS: [Protocol; 5] =
    [Protocol::Http1, Protocol::Http2, Protocol::Tls, Protocol::WebSocket, Protocol::Other];

/// The flags that a connection metered as TCP is opened under: nothing has gone wrong yet.
pub(super) const OPENED: Flags = Flags::None;
