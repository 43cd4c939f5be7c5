//! What a connection owns to be read along with: it picks the observer and meters the rest as TCP.

mod begins;
mod goes_on;
mod tcp;

pub(super) use tcp::TcpMeter;

use super::http1::Http1;
use super::http2::Http2;
use super::websocket::WebSocket;
use super::{Direction, Ending, Event, Flags, Passed, Rules, Sink, Spoken};
use crate::clock::Nanos;
use begins::{Greeting, Sniffing};
use std::sync::Arc;

/// Reads along with one connection. Show it every chunk in the order in which it passed.
#[derive(Debug)]
pub struct Watcher {
    stage: Stage,
    tcp: TcpMeter,
    /// The client finished sending.
    client_done: bool,
    /// The app finished sending.
    app_done: bool,
}

#[derive(Debug)]
enum Stage {
    /// The client's first bytes could still be more than one protocol.
    Sniffing(Sniffing),
    Http1(Http1),
    Http2(Box<Http2>),
    /// TLS, of which the client's first words are still to come.
    Greeting(Box<Greeting>),
    /// Frames are made out in what is metered as TCP.
    WebSocket(Box<WebSocket>),
    /// Nobody reads along any more.
    Opaque,
}

impl Watcher {
    /// Finds out by itself what the connection speaks.
    pub fn new(rules: &Arc<Rules>) -> Self {
        let stage = Stage::Sniffing(Sniffing::new(Arc::clone(rules)));
        Self { stage, tcp: TcpMeter::default(), client_done: false, app_done: false }
    }

    /// Reads nothing and meters TCP (`--opaque-ports`).
    pub fn opaque(sink: &mut impl Sink) -> Self {
        let mut tcp = TcpMeter::default();
        sink.event(Event::Speaks(Spoken::Opaque));
        tcp.open(sink);
        Self { stage: Stage::Opaque, tcp, client_done: false, app_done: false }
    }

    /// Whether the bytes' times matter to anyone; if not, the caller may save itself the clock.
    pub fn wants_time(&self) -> bool {
        !matches!(self.stage, Stage::Opaque)
    }

    /// Whether enough is known of a refused client's first bytes to say what was refused.
    pub fn knows_request(&self) -> bool {
        match &self.stage {
            Stage::Sniffing(_) | Stage::Greeting(_) => false,
            Stage::Http1(http1) => http1.has_request(),
            Stage::Http2(http2) => http2.has_request(),
            Stage::WebSocket(_) | Stage::Opaque => true,
        }
    }

    /// Bytes of memory that are kept on the heap: an incomplete head for each direction and what is
    /// known of unanswered requests. Whatever is sent, no more than 4 times
    /// [`Rules::max_head_bytes`] and 96 KiB, and of HTTP/2 what up to 16,384 streams that are open
    /// at once need, some 200 bytes each, and 10 KiB for each of up to 1,024 gRPC-Web calls.
    pub fn kept_bytes(&self) -> usize {
        match &self.stage {
            Stage::Sniffing(sniffing) => sniffing.kept_bytes(),
            Stage::Greeting(greeting) => greeting.kept_bytes(),
            Stage::Http1(http1) => http1.kept_bytes(),
            Stage::Http2(http2) => http2.kept_bytes(),
            Stage::WebSocket(websocket) => size_of_val(&**websocket),
            Stage::Opaque => 0,
        }
    }

    /// A chunk passed.
    pub fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        match &mut self.stage {
            Stage::Http1(http1) => {
                match direction {
                    Direction::Request => http1.request(bytes, passed, &mut self.tcp, sink),
                    Direction::Response => http1.response(bytes, passed, &mut self.tcp, sink),
                }
                if let Some(left) = http1.left() {
                    self.leaves_http1(&left, bytes, passed, sink);
                } else if http1.is_over() {
                    self.stage = Stage::Opaque;
                }
            }
            Stage::Http2(_) => self.http2(direction, bytes, passed, sink),
            Stage::WebSocket(_) => self.websocket(direction, bytes, passed.written, sink),
            Stage::Opaque => self.tcp.bytes(direction, bytes.len(), sink),
            Stage::Greeting(_) => self.greets(direction, bytes, passed, sink),
            Stage::Sniffing(_) => match direction {
                Direction::Request => self.sniff(bytes, passed, sink),
                Direction::Response => self.answered_while_sniffing(bytes, passed, sink),
            },
        }
    }

    /// One side finished sending (FIN).
    pub fn finished(&mut self, direction: Direction, now: Nanos, sink: &mut impl Sink) {
        match direction {
            Direction::Request => self.client_done = true,
            Direction::Response => self.app_done = true,
        }
        match (&mut self.stage, direction) {
            (Stage::Http1(http1), Direction::Request) => http1.client_done(),
            (Stage::Http1(http1), Direction::Response) => http1.app_finished(now, sink),
            (Stage::Http2(http2), Direction::Request) => http2.client_done(now, sink),
            (Stage::Http2(http2), Direction::Response) => http2.app_done(now, sink),
            (Stage::Greeting(greeting), _) => greeting.finished(direction, now, sink),
            (Stage::Sniffing(_) | Stage::WebSocket(_) | Stage::Opaque, _) => {}
        }
    }

    /// The connection is over; nothing may be shown after this.
    pub fn closed(&mut self, ending: Ending, now: Nanos, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.stage, Stage::Opaque) {
            Stage::Http1(mut http1) => http1.closed(ending, now, sink),
            Stage::Http2(mut http2) => http2.closed(ending, now, &mut self.tcp, sink),
            Stage::WebSocket(websocket) => websocket.closed(now, sink),
            Stage::Greeting(greeting) => greeting.closed(&mut self.tcp, sink),
            Stage::Sniffing(sniffing) => sniffing.closed(&mut self.tcp, sink),
            Stage::Opaque => {}
        }
        let flags = match ending {
            Ending::Finished => Flags::None,
            Ending::AppReset if self.client_done => Flags::DownstreamClosed,
            Ending::ClientReset | Ending::GivenUp => Flags::DownstreamClosed,
            Ending::AppReset => Flags::UpstreamClosed,
            Ending::Refused => Flags::UpstreamConnectFailure,
        };
        self.tcp.close(flags, sink);
    }
}
