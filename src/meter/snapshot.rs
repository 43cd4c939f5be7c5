//! All that has been counted, added up over the threads at one moment.

use super::cell::Cell;
use super::histogram::Totals;
use super::outcome::Outcome;
use super::ports::Route;
use super::series::{HostKey, HttpKey, ProbeKey, RouteId, TcpKey, WebSocketCells};
use super::shard::{Cells, PROTOCOLS};
use crate::clock::Nanos;
use crate::observe::websocket::{CloseCode, FrameKind};
use crate::observe::{Ending, Protocol, Reason, Spoken};
use std::collections::BTreeMap;

/// The meter's numbers at one moment. Keys are in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Exchanges.
    pub http: BTreeMap<HttpKey, HttpTotals>,
    /// Requests before anything has come of them, and messages of gRPC calls.
    pub hosts: BTreeMap<HostKey, HostTotals>,
    /// Connections metered as TCP.
    pub tcp: BTreeMap<TcpKey, TcpTotals>,
    /// Every port that is metered; its position is its [`RouteId`].
    pub ports: Vec<Route>,
    /// What is counted of each, in the same order.
    pub routes: Vec<RouteTotals>,
    /// Requests of the kubelet, which are in nothing else here but bytes and connections.
    pub probes: BTreeMap<ProbeKey, u64>,
    /// Connections that would have led back to podmeter.
    pub loops: u64,
    /// Connections that an observer stopped understanding; those that happened.
    pub unparsed: Vec<Unparsed>,
}

/// The exchanges of one key.
#[derive(Clone, Debug, Default)]
pub struct HttpTotals {
    /// Latencies in nanoseconds; their number is the number of requests.
    pub durations: Totals,
    /// Nanoseconds until the answer's body began, or the answer ended without one; of answers
    /// alone.
    pub answer_times: Totals,
    /// Sizes of the requests in bytes.
    pub request_bytes: Totals,
    /// Sizes of the answers in bytes.
    pub response_bytes: Totals,
    /// When the last of them ended; `None` where that is no reason to stop showing them.
    pub latest: Option<Nanos>,
}

/// What is counted of one key before a request is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTotals {
    /// Requests that began.
    pub begun: u64,
    /// gRPC messages from clients.
    pub requests: u64,
    /// gRPC messages to clients.
    pub responses: u64,
}

/// The TCP connections of one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpTotals {
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
}

/// What is counted of a port whatever the protocol.
#[derive(Clone, Debug, Default)]
pub struct RouteTotals {
    /// Connections accepted.
    pub connections: u64,
    /// Of these, how many are open.
    pub connections_active: u64,
    /// Connections that are closed and never reached the app, and those that did, by how they ended,
    /// in the order of [`Ending::ALL`].
    pub endings: [[u64; Ending::ALL.len()]; 2],
    /// Connections that the app refused.
    pub connections_refused: u64,
    /// Connections turned away by `--max-connections`.
    pub connections_overflowed: u64,
    /// Nanoseconds that connecting to the app took.
    pub connect_times: Totals,
    /// Nanoseconds that connections lasted.
    pub connection_lengths: Totals,
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// Requests read.
    pub requests: u64,
    /// Of these, how many are unanswered.
    pub requests_active: u64,
    /// Exchanges by what came of them, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Nanoseconds until the first byte of an answer.
    pub first_bytes: Totals,
    /// Nanoseconds that exchanges spent inside podmeter.
    pub held: Totals,
    /// The same of requests and of answers, apart.
    pub held_each: [Totals; 2],
    /// Connections by what they spoke, in the order of [`Spoken::ALL`].
    pub spoken: [u64; Spoken::ALL.len()],
    /// Of these, how many are open.
    pub spoken_active: [u64; Spoken::ALL.len()],
    /// `WebSocket` connections.
    pub websockets: WebSocketTotals,
}

/// The `WebSocket` connections of a port.
#[derive(Clone, Debug, Default)]
pub struct WebSocketTotals {
    /// Opened.
    pub opened: u64,
    /// Closed, by [`CloseCode::index`].
    pub closed: [u64; CloseCode::COUNT],
    /// Frames from clients and to them, in the order of [`FrameKind::ALL`].
    pub frames: [[u64; FrameKind::ALL.len()]; 2],
    /// Nanoseconds that they were open.
    pub lengths: Totals,
}

/// Connections that an observer stopped understanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// What the connection had been taken for.
    pub protocol: Protocol,
    /// Why it was not understood.
    pub reason: Reason,
    /// How many.
    pub connections: u64,
}

impl Snapshot {
    pub(super) fn of<'a>(
        shards: impl Iterator<Item = &'a Cells>,
        ports: impl FnOnce() -> Vec<Route>,
    ) -> Self {
        let mut all = Self::default();
        let mut routes: BTreeMap<_, RouteTotals> = BTreeMap::new();
        let mut unparsed = [[0; Reason::ALL.len()]; PROTOCOLS.len()];
        for shard in shards {
            for (key, series) in shard.http.iter() {
                let totals = all.http.entry(*key).or_insert_with(HttpTotals::new);
                totals.began(series.created);
                totals.durations.add(&series.durations);
                totals.answer_times.add(&series.answer_times);
                totals.request_bytes.add(&series.request_bytes);
                totals.response_bytes.add(&series.response_bytes);
                totals.ended(if series.is_pinned {
                    None
                } else {
                    Some(Nanos(series.latest.get()))
                });
            }
            for (key, series) in shard.hosts.iter() {
                let totals = all.hosts.entry(*key).or_default();
                totals.begun += series.begun.get();
                totals.requests += series.requests.get();
                totals.responses += series.responses.get();
            }
            for (key, series) in shard.tcp.iter() {
                let totals = all.tcp.entry(*key).or_default();
                totals.opened += series.opened.get();
                totals.closed += series.closed.get();
                totals.received += series.received.get();
                totals.sent += series.sent.get();
            }
            for (key, probes) in shard.probes.iter() {
                *all.probes.entry(*key).or_default() += probes.get();
            }
            all.loops += shard.loops.get();
            for (route, cells) in shard.routes.iter() {
                let totals = routes.entry(*route).or_default();
                // Ends before beginnings, so that nothing seems to end that has not begun.
                for (totals, cells) in totals.endings.iter_mut().zip(&cells.endings) {
                    add(totals, cells);
                }
                let (closed, over) = (cells.connections_closed.get(), cells.requests_over.get());
                let (connections, requests) = (cells.connections.get(), cells.requests_begun.get());
                totals.connections += connections;
                totals.connections_active += connections.saturating_sub(closed);
                totals.requests += requests;
                totals.requests_active += requests.saturating_sub(over);
                totals.connections_refused += cells.connections_refused.get();
                totals.connections_overflowed += cells.connections_overflowed.get();
                totals.received += cells.received.get();
                totals.sent += cells.sent.get();
                totals.connect_times.add(&cells.connect_times);
                totals.connection_lengths.add(&cells.connection_lengths);
                add(&mut totals.outcomes, &cells.outcomes);
                totals.first_bytes.add(&cells.first_bytes);
                totals.held.add(&cells.held);
                for (totals, cells) in totals.held_each.iter_mut().zip(&cells.held_each) {
                    totals.add(cells);
                }
                let closed = cells.spoken_closed.each_ref().map(Cell::get);
                let spoken = cells.spoken.each_ref().map(Cell::get);
                for (at, (spoken, closed)) in spoken.into_iter().zip(closed).enumerate() {
                    totals.spoken[at] += spoken;
                    totals.spoken_active[at] += spoken.saturating_sub(closed);
                }
                totals.websockets.add(&cells.websockets);
            }
            for (protocol, row) in PROTOCOLS.iter().zip(&mut unparsed) {
                for (reason, total) in Reason::ALL.iter().zip(row) {
                    *total += shard.unparsed(*protocol, *reason).get();
                }
            }
        }
        all.ports = ports();
        all.routes = (0..all.ports.len())
            .map(|index| routes.remove(&RouteId::from_index(index)))
            .map(Option::unwrap_or_default)
            .collect();
        all.unparsed = PROTOCOLS
            .iter()
            .zip(unparsed)
            .flat_map(|(&protocol, row)| {
                Reason::ALL.into_iter().zip(row).map(move |(reason, connections)| Unparsed {
                    protocol,
                    reason,
                    connections,
                })
            })
            .filter(|unparsed| unparsed.connections > 0)
            .collect();
        all
    }

    /// Exchanges that were counted with less detail, or as [overflow](HttpKey::is_overflow) with none at
    /// all, for want of a series.
    pub fn overflowed(&self) -> u64 {
        let over = |key: &HttpKey| key.is_overflow() || key.is_folded();
        self.http.iter().filter(|(key, _)| over(key)).map(|(_, totals)| totals.requests()).sum()
    }

    /// Connections open now, over all ports.
    pub fn connections_active(&self) -> u64 {
        self.routes.iter().map(|route| route.connections_active).sum()
    }
}

impl HttpTotals {
    fn new() -> Self {
        Self { latest: Some(Nanos(0)), ..Self::default() }
    }

    fn began(&mut self, created: Nanos) {
        let all = [&mut self.durations, &mut self.answer_times];
        let all = all.into_iter().chain([&mut self.request_bytes, &mut self.response_bytes]);
        all.for_each(|totals| totals.began(created));
    }

    /// Since when there is such a series, if that is known.
    pub fn created(&self) -> Option<Nanos> {
        self.durations.created()
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.durations.count()
    }

    /// Adds the exchanges of another key.
    pub fn merge(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        self.answer_times.merge(&other.answer_times);
        self.request_bytes.merge(&other.request_bytes);
        self.response_bytes.merge(&other.response_bytes);
        self.ended(other.latest);
    }

    fn ended(&mut self, latest: Option<Nanos>) {
        self.latest = self.latest.zip(latest).map(|(one, other)| one.max(other));
    }
}

impl HostTotals {
    /// Whether there have been calls of gRPC.
    pub fn has_messages(&self) -> bool {
        self.requests + self.responses > 0
    }

    /// Adds what is counted of another key.
    pub fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.requests += other.requests;
        self.responses += other.responses;
    }
}

impl TcpTotals {
    /// Adds the connections of another key.
    pub fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.received += other.received;
        self.sent += other.sent;
    }
}

impl RouteTotals {
    /// Adds what is counted of another port.
    pub fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.connections_active += other.connections_active;
        for (totals, other) in self.endings.iter_mut().zip(&other.endings) {
            merge(totals, other);
        }
        self.connections_refused += other.connections_refused;
        self.connections_overflowed += other.connections_overflowed;
        self.connect_times.merge(&other.connect_times);
        self.connection_lengths.merge(&other.connection_lengths);
        self.received += other.received;
        self.sent += other.sent;
        self.requests += other.requests;
        self.requests_active += other.requests_active;
        merge(&mut self.outcomes, &other.outcomes);
        self.first_bytes.merge(&other.first_bytes);
        self.held.merge(&other.held);
        for (totals, other) in self.held_each.iter_mut().zip(&other.held_each) {
            totals.merge(other);
        }
        merge(&mut self.spoken, &other.spoken);
        merge(&mut self.spoken_active, &other.spoken_active);
        self.websockets.merge(&other.websockets);
    }
}

impl WebSocketTotals {
    fn add(&mut self, cells: &WebSocketCells) {
        // Ends before beginnings, so that nothing seems to end that has not begun.
        add(&mut self.closed, &cells.closed);
        self.opened += cells.opened.get();
        for (totals, cells) in self.frames.iter_mut().zip(&cells.frames) {
            add(totals, cells);
        }
        self.lengths.add(&cells.lengths);
    }

    fn merge(&mut self, other: &Self) {
        merge(&mut self.closed, &other.closed);
        self.opened += other.opened;
        for (totals, other) in self.frames.iter_mut().zip(&other.frames) {
            merge(totals, other);
        }
        self.lengths.merge(&other.lengths);
    }
}

fn add(totals: &mut [u64], cells: &[Cell]) {
    for (total, cell) in totals.iter_mut().zip(cells) {
        *total += cell.get();
    }
}

fn merge(totals: &mut [u64], others: &[u64]) {
    for (total, other) in totals.iter_mut().zip(others) {
        *total += other;
    }
}
