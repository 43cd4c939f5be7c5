//! Takes what a connection's observer says and adds it to the thread's shard.

use super::outcome::Outcome;
use super::ports::Side;
use super::series::{
    HostKey, HostSeries, HttpKey, HttpSeries, ProbeKey, RouteCells, RouteId, TcpKey, TcpSeries,
};
use super::shard::{OPENED, Shard};
use super::traces::Example;
use crate::clock::Nanos;
use crate::observe::host::HostId;
use crate::observe::path::PathId;
use crate::observe::tls::Tls;
use crate::observe::{Direction, Ending, Event, Exchange, Flags, Method, Sink, Spoken, Version};
use std::rc::Rc;
use std::sync::Arc;

/// What one connection writes to. It counts the connection as open while it lives.
#[derive(Debug)]
pub struct Recorder {
    shard: Rc<Shard>,
    route: RouteId,
    cells: Arc<RouteCells>,
    standing: Standing,
    /// Whom the connection leads to, where a request does not say.
    peer: HostId,
    /// The series of the last exchange: on a keep-alive connection most likely that of the next.
    last: Option<(HttpKey, Arc<HttpSeries>)>,
    /// The same for the last request that began.
    last_host: Option<(HostKey, Arc<HostSeries>)>,
    tcp: Option<Arc<TcpSeries>>,
    spoken: Option<Spoken>,
    /// Why the connection is over, once it is.
    ending: Option<Ending>,
    tls: Option<Tls>,
}

/// Whether the connection is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Counted(Side),
    /// The same, and the app took the connection.
    Reached(Side),
    /// It is, once it is known whether anybody answers on its port.
    Awaiting(Side, u16),
    /// What is carried without being metered.
    Never,
}

impl Standing {
    /// Which way the connection goes.
    fn side(self) -> Side {
        match self {
            Self::Counted(side) | Self::Reached(side) | Self::Awaiting(side, _) => side,
            Self::Never => Side::Inbound,
        }
    }
}

impl Recorder {
    /// For a connection that was just accepted.
    pub fn new(shard: &Rc<Shard>, route: RouteId) -> Self {
        Self::counted(shard, route, shard.layout().side(route))
    }

    fn counted(shard: &Rc<Shard>, route: RouteId, side: Side) -> Self {
        let cells = shard.route(route);
        cells.connections.add(1);
        Self::with(shard, route, cells, Standing::Counted(side))
    }

    /// For one that was intercepted on its way to `port`. The port gets series of its own once a
    /// connection to it succeeds, so that who tries all ports makes none.
    pub fn intercepted(shard: &Rc<Shard>, side: Side, port: u16, peer: HostId) -> Self {
        let mut this = if let Some(route) = shard.known_route(side, port) {
            Self::counted(shard, route, side)
        } else {
            let route = shard.other_ports(side);
            Self::with(shard, route, shard.route(route), Standing::Awaiting(side, port))
        };
        this.peer = peer;
        this
    }

    /// The same for a port that the configuration says is never parsed.
    pub fn intercepted_opaque(shard: &Rc<Shard>, side: Side, port: u16, peer: HostId) -> Self {
        let route = shard.admit_route(side, port, true, Nanos(0));
        let mut this = Self::counted(shard, route, side);
        this.peer = peer;
        this
    }

    /// For a connection that is carried without being metered.
    pub fn silent(shard: &Rc<Shard>) -> Self {
        Self::with(shard, RouteId(0), shard.unshown(), Standing::Never)
    }

    fn with(shard: &Rc<Shard>, route: RouteId, cells: Arc<RouteCells>, standing: Standing) -> Self {
        Self {
            shard: Rc::clone(shard),
            route,
            cells,
            standing,
            peer: HostId::UNKNOWN,
            last: None,
            last_host: None,
            tcp: None,
            spoken: None,
            ending: None,
            tls: None,
        }
    }

    /// Whether anything of it will be shown.
    pub fn is_shown(&self) -> bool {
        self.standing != Standing::Never
    }

    /// The app took the connection `now`, after so many nanoseconds.
    pub fn connected(&mut self, nanos: u64, now: Nanos) {
        if let Standing::Awaiting(side, port) = self.standing {
            self.route = self.shard.admit_route(side, port, false, now);
            self.cells = self.shard.route(self.route);
        }
        self.settle();
        if let Standing::Counted(side) = self.standing {
            self.standing = Standing::Reached(side);
        }
        self.cells.connect_times.record(&self.shard.layout().durations, nanos);
    }

    /// The app could not be connected to.
    pub fn refused(&mut self) {
        self.settle();
        self.cells.connections_refused.add(1);
    }

    /// Bytes were handed to the kernel for the other side.
    pub fn passed(&self, direction: Direction, bytes: usize) {
        match direction {
            Direction::Request => self.cells.received.add(bytes as u64),
            Direction::Response => self.cells.sent.add(bytes as u64),
        }
    }

    /// The connection is over; what is told of it after this is what that cut short.
    pub fn ends(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// The connection lasted so many nanoseconds.
    pub fn lasted(&self, nanos: u64) {
        self.cells.connection_lengths.record(&self.shard.layout().durations, nanos);
    }

    /// A connection was turned away because there are too many (`--max-connections`).
    pub fn overflow(shard: &Shard, route: RouteId) {
        let key = |flags| TcpKey { route, host: HostId::UNKNOWN, flags, tls: None };
        shard.route(route).connections_overflowed.add(1);
        shard.tcp(key(OPENED)).opened.add(1);
        shard.tcp(key(Flags::UpstreamOverflow)).closed.add(1);
    }

    /// The same for one that was intercepted.
    pub fn overflow_intercepted(shard: &Shard, side: Side, port: u16) {
        let route = shard.known_route(side, port).unwrap_or_else(|| shard.other_ports(side));
        Self::overflow(shard, route);
    }

    /// A connection was refused because it would have led back to podmeter.
    pub fn looped(shard: &Shard) {
        shard.cells().loops.add(1);
    }

    /// The same for one that was found out later.
    pub fn circled(&self) {
        Self::looped(&self.shard);
    }

    /// Counts the connection, if that has waited.
    fn settle(&mut self) {
        if let Standing::Awaiting(side, _) = self.standing {
            self.standing = Standing::Counted(side);
            self.cells.connections.add(1);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        if exchange.probe {
            let (route, status, flags) = (self.route, exchange.status, exchange.flags);
            return self.shard.probe(ProbeKey { route, status, flags }).add(1);
        }
        let host = if exchange.host == HostId::UNKNOWN { self.peer } else { exchange.host };
        let detail = self.shard.layout().detail(self.standing.side());
        let key = HttpKey {
            route: self.route,
            host,
            call: exchange.call,
            status: exchange.status,
            flags: exchange.flags,
            method: if detail.method { exchange.method } else { Method::Other },
            path: if detail.path { exchange.path } else { PathId::OTHER },
            version: if detail.version { exchange.version } else { Version::Unknown },
        };
        let layout = self.shard.layout();
        let series = match &self.last {
            Some((last, series)) if *last == key => series,
            _ => &self.last.insert((key, self.shard.http(key, exchange.ended))).1,
        };
        let lasted = exchange.ended.since(exchange.started);
        series.durations.record(&layout.durations, lasted);
        if let Some(trace) = exchange.trace {
            let example = Example { value: lasted, at: exchange.ended, trace };
            series.durations.keep(&layout.durations, example);
        }
        series.request_bytes.record(&layout.sizes, exchange.request_bytes);
        series.response_bytes.record(&layout.sizes, exchange.response_bytes);
        series.latest.set(exchange.ended.0);
        self.cells.requests_over.add(1);
        self.cells.held.record(&layout.held, exchange.held);
        let [request, response] = &self.cells.held_each;
        request.record(&layout.held, exchange.held_request);
        response.record(&layout.held, exchange.held.saturating_sub(exchange.held_request));
        if let Some(first) = exchange.first_byte {
            let began = exchange.first_data.unwrap_or(exchange.ended);
            series.answer_times.record(&layout.durations, began.since(exchange.started));
            let first_bytes = &self.cells.first_bytes;
            first_bytes.record(&layout.durations, first.since(exchange.started));
        }
        let given_up = self.ending == Some(Ending::GivenUp);
        self.cells.outcomes[Outcome::of(exchange, given_up) as usize].add(1);
    }

    fn host(&mut self, host: HostId) -> &HostSeries {
        let host = if host == HostId::UNKNOWN { self.peer } else { host };
        let key = HostKey { route: self.route, host };
        match &self.last_host {
            Some((last, _)) if *last == key => {}
            _ => self.last_host = Some((key, self.shard.host(key))),
        }
        &self.last_host.get_or_insert_with(|| (key, self.shard.host(key))).1
    }

    fn tcp(&mut self) -> &TcpSeries {
        let key = TcpKey { route: self.route, host: self.peer, flags: OPENED, tls: self.tls };
        self.tcp.get_or_insert_with(|| self.shard.tcp(key))
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: Event) {
        if self.standing == Standing::Never {
            return;
        }
        match event {
            Event::Began { host } => {
                self.cells.requests_begun.add(1);
                self.host(host).begun.add(1);
            }
            Event::ProbeBegan => {}
            Event::Dropped => self.cells.requests_over.add(1),
            Event::Exchange(exchange) => self.exchange(&exchange),
            Event::Messages { host, direction, count } => {
                let series = self.host(host);
                match direction {
                    Direction::Request => series.requests.add(count),
                    Direction::Response => series.responses.add(count),
                }
            }
            Event::Unparsed { protocol, reason } => {
                self.shard.cells().unparsed(protocol, reason).add(1);
            }
            Event::Speaks(spoken) => {
                self.spoken = Some(spoken);
                self.cells.spoken[spoken as usize].add(1);
            }
            Event::WebSocketOpened => self.cells.websockets.opened.add(1),
            Event::WebSocketFrame { direction, kind } => {
                let frames = &self.cells.websockets.frames;
                frames[usize::from(direction == Direction::Response)][kind as usize].add(1);
            }
            Event::WebSocketClosed { code, lasted } => {
                let websockets = &self.cells.websockets;
                websockets.closed[code.index()].add(1);
                websockets.lengths.record(&self.shard.layout().durations, lasted);
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
                let key = TcpKey { route: self.route, host: self.peer, flags, tls: self.tls };
                self.shard.tcp(key).closed.add(1);
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // One that was given up before anybody answered has been open all the same.
        self.settle();
        self.cells.connections_closed.add(1);
        if let Some(spoken) = self.spoken {
            self.cells.spoken_closed[spoken as usize].add(1);
        }
        let ending = self.ending.unwrap_or(Ending::GivenUp);
        let is_reached = matches!(self.standing, Standing::Reached(_));
        self.cells.endings[usize::from(is_reached)][ending as usize].add(1);
    }
}
