//! Takes what a connection's observer says and adds it to the thread's shard.

use super::series::{
    HttpKey, HttpSeries, MessagesKey, MessagesSeries, RouteCells, RouteId, TcpKey, TcpSeries,
};
use super::shard::{OPENED, Shard};
use crate::observe::host::HostId;
use crate::observe::tls::Tls;
use crate::observe::{Direction, Event, Exchange, Flags, Sink};
use std::rc::Rc;
use std::sync::Arc;

/// What one connection writes to. It counts the connection as open while it lives.
#[derive(Debug)]
pub struct Recorder {
    shard: Rc<Shard>,
    route: RouteId,
    /// The series of the last exchange: on a keep-alive connection most likely that of the next.
    last: Option<(HttpKey, Arc<HttpSeries>)>,
    /// The same for gRPC messages.
    last_messages: Option<(MessagesKey, Arc<MessagesSeries>)>,
    tcp: Option<Arc<TcpSeries>>,
    tls: Option<Tls>,
}

impl Recorder {
    /// For a connection that was just accepted.
    pub fn new(shard: &Rc<Shard>, route: RouteId) -> Self {
        let shard = Rc::clone(shard);
        let this = Self { shard, route, last: None, last_messages: None, tcp: None, tls: None };
        this.count(|cells| cells.connections.add(1));
        this
    }

    /// The app took the connection after so many nanoseconds.
    pub fn connected(&self, nanos: u64) {
        let layout = self.shard.layout();
        self.count(|cells| cells.connect_times.record(&layout.durations, nanos));
    }

    /// The app could not be connected to.
    pub fn refused(&self) {
        self.count(|cells| cells.connections_refused.add(1));
    }

    /// Bytes were handed to the kernel for the other side.
    pub fn passed(&self, direction: Direction, bytes: usize) {
        self.count(|cells| match direction {
            Direction::Request => cells.received.add(bytes as u64),
            Direction::Response => cells.sent.add(bytes as u64),
        });
    }

    /// The connection lasted so many nanoseconds.
    pub fn lasted(&self, nanos: u64) {
        let layout = self.shard.layout();
        self.count(|cells| cells.connection_lengths.record(&layout.durations, nanos));
    }

    /// A connection was turned away because there are too many (`--max-connections`).
    pub fn overflow(shard: &Shard, route: RouteId) {
        if let Some(cells) = shard.cells().routes.get(usize::from(route.0)) {
            cells.connections_overflowed.add(1);
        }
        let key = |flags| TcpKey { route, flags, tls: None };
        shard.tcp(key(OPENED)).opened.add(1);
        shard.tcp(key(Flags::UpstreamOverflow)).closed.add(1);
    }

    fn count(&self, add: impl FnOnce(&RouteCells)) {
        if let Some(cells) = self.shard.cells().routes.get(usize::from(self.route.0)) {
            add(cells);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let key = HttpKey {
            route: self.route,
            host: exchange.host,
            call: exchange.call,
            status: exchange.status,
            flags: exchange.flags,
        };
        let layout = self.shard.layout();
        let series = match &self.last {
            Some((last, series)) if *last == key => series,
            _ => &self.last.insert((key, self.shard.http(key))).1,
        };
        series.durations.record(&layout.durations, exchange.ended.since(exchange.started));
        series.request_bytes.record(&layout.sizes, exchange.request_bytes);
        series.response_bytes.record(&layout.sizes, exchange.response_bytes);
        self.count(|cells| {
            cells.requests_over.add(1);
            cells.held.record(&layout.held, exchange.held);
        });
    }

    fn messages(&mut self, host: HostId) -> &MessagesSeries {
        let key = MessagesKey { route: self.route, host };
        match &self.last_messages {
            Some((last, _)) if *last == key => {}
            _ => self.last_messages = Some((key, self.shard.messages(key))),
        }
        &self.last_messages.get_or_insert_with(|| (key, self.shard.messages(key))).1
    }

    fn tcp(&mut self) -> &TcpSeries {
        let key = TcpKey { route: self.route, flags: OPENED, tls: self.tls };
        self.tcp.get_or_insert_with(|| self.shard.tcp(key))
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: Event) {
        match event {
            Event::Began => self.count(|cells| cells.requests_begun.add(1)),
            Event::Dropped => self.count(|cells| cells.requests_over.add(1)),
            Event::Exchange(exchange) => self.exchange(&exchange),
            Event::Messages { host, direction, count } => {
                let series = self.messages(host);
                match direction {
                    Direction::Request => series.requests.add(count),
                    Direction::Response => series.responses.add(count),
                }
            }
            Event::Unparsed { protocol, reason } => {
                self.shard.cells().unparsed(protocol, reason).add(1);
            }
            Event::Speaks(spoken) => {
                self.count(|cells| cells.spoken[spoken as usize].add(1));
            }
            Event::WebSocketOpened => self.count(|cells| cells.websockets.opened.add(1)),
            Event::WebSocketFrame { direction, kind } => self.count(|cells| {
                let frames = &cells.websockets.frames;
                frames[usize::from(direction == Direction::Response)][kind as usize].add(1);
            }),
            Event::WebSocketClosed { code, lasted } => {
                let layout = self.shard.layout();
                self.count(|cells| {
                    cells.websockets.closed[code.index()].add(1);
                    cells.websockets.lengths.record(&layout.durations, lasted);
                });
            }
            Event::TcpOpened { tls } => {
                self.tls = tls;
                self.tcp().opened.add(1);
            }
            Event::TcpBytes { direction: Direction::Request, bytes } => {
                self.tcp().received.add(bytes);
            }
            Event::TcpBytes { direction: Direction::Response, bytes } => self.tcp().sent.add(bytes),
            Event::TcpClosed { flags } => {
                let key = TcpKey { route: self.route, flags, tls: self.tls };
                self.shard.tcp(key).closed.add(1);
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.count(|cells| cells.connections_closed.add(1));
    }
}
