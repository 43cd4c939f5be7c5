//! One thread's part of the meter.

use super::cell::Cell;
use super::journal::{Journal, Writer};
use super::series::{
    HttpKey, HttpSeries, MessagesKey, MessagesSeries, RouteCells, TcpKey, TcpSeries,
};
use super::{Layout, Meter};
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

    /// The series of `key`; the first time the thread meets it, one is made.
    pub(super) fn http(&self, key: HttpKey) -> Arc<HttpSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.http.get(&key) {
            return Arc::clone(series);
        }
        if key != HttpKey::OVERFLOW && !self.meter.admits_http(key) {
            drop(index);
            return self.http(HttpKey::OVERFLOW);
        }
        let series = Arc::new(HttpSeries::new(self.layout()));
        index.http_writer.append((key, Arc::clone(&series)));
        index.http.insert(key, Arc::clone(&series));
        series
    }

    /// The same for gRPC messages; there are no more keys than ports and services make.
    pub(super) fn messages(&self, key: MessagesKey) -> Arc<MessagesSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.messages.get(&key) {
            return Arc::clone(series);
        }
        let series = Arc::new(MessagesSeries::default());
        index.messages_writer.append((key, Arc::clone(&series)));
        index.messages.insert(key, Arc::clone(&series));
        series
    }

    /// The same for TCP; its keys are few by nature.
    pub(super) fn tcp(&self, key: TcpKey) -> Arc<TcpSeries> {
        let mut index = self.index.borrow_mut();
        if let Some(series) = index.tcp.get(&key) {
            return Arc::clone(series);
        }
        let series = Arc::new(TcpSeries::default());
        index.tcp_writer.append((key, Arc::clone(&series)));
        index.tcp.insert(key, Arc::clone(&series));
        series
    }
}

/// What other threads may read of a shard.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) http: Journal<(HttpKey, Arc<HttpSeries>)>,
    pub(super) messages: Journal<(MessagesKey, Arc<MessagesSeries>)>,
    pub(super) tcp: Journal<(TcpKey, Arc<TcpSeries>)>,
    pub(super) routes: Box<[RouteCells]>,
    unparsed: [[Cell; Reason::ALL.len()]; PROTOCOLS.len()],
}

impl Cells {
    /// The cells of a new shard, and what its writer needs besides.
    pub(super) fn new(layout: &Layout) -> (Arc<Self>, Index) {
        let (http, http_writer) = Journal::new();
        let (messages, messages_writer) = Journal::new();
        let (tcp, tcp_writer) = Journal::new();
        let routes = layout.routes.iter().map(|_| RouteCells::new(layout)).collect();
        let unparsed = Default::default();
        let cells = Arc::new(Self { http, messages, tcp, routes, unparsed });
        let index = Index {
            http: HashMap::default(),
            http_writer,
            messages: HashMap::default(),
            messages_writer,
            tcp: HashMap::default(),
            tcp_writer,
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
    messages: HashMap<MessagesKey, Arc<MessagesSeries>, BuildHasherDefault<KeyHasher>>,
    messages_writer: Writer<(MessagesKey, Arc<MessagesSeries>)>,
    tcp: HashMap<TcpKey, Arc<TcpSeries>, BuildHasherDefault<KeyHasher>>,
    tcp_writer: Writer<(TcpKey, Arc<TcpSeries>)>,
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
