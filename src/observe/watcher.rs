//! What a connection owns to be read along with: it picks the observer and meters the rest as TCP.

use super::http1::Http1;
use super::http2::Http2;
use super::sniff::{MAX_SNIFFED, could_be_h2, sniff};
use super::{Direction, Ending, Event, Flags, Passed, Protocol, Rules, Sink};
use crate::clock::Nanos;
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
    Sniffing {
        rules: Arc<Rules>,
        seen: Vec<u8>,
        /// How the first byte of `seen` that is no empty line passed.
        first: Passed,
        /// What an HTTP/2 server has said meanwhile: it may speak first (RFC 9113, 3.4).
        answered: Vec<u8>,
        /// How the first byte of that passed.
        first_answered: Passed,
    },
    Http1(Http1),
    Http2(Box<Http2>),
    /// Nobody reads along any more.
    Opaque,
}

impl Watcher {
    /// Finds out by itself what the connection speaks.
    pub fn new(rules: &Arc<Rules>) -> Self {
        let stage = Stage::Sniffing {
            rules: Arc::clone(rules),
            seen: Vec::new(),
            first: Passed::default(),
            answered: Vec::new(),
            first_answered: Passed::default(),
        };
        Self { stage, tcp: TcpMeter::default(), client_done: false, app_done: false }
    }

    /// Reads nothing and meters TCP (`--opaque-ports`).
    pub fn opaque(sink: &mut impl Sink) -> Self {
        let mut tcp = TcpMeter::default();
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
            Stage::Sniffing { .. } => false,
            Stage::Http1(http1) => http1.has_request(),
            Stage::Http2(http2) => http2.has_request(),
            Stage::Opaque => true,
        }
    }

    /// Bytes of memory that are kept on the heap: an incomplete head for each direction and what is
    /// known of unanswered requests. Whatever is sent, no more than 4 times
    /// [`Rules::max_head_bytes`] and 96 KiB, and of HTTP/2 what up to 16,384 streams that are open
    /// at once need, some 200 bytes each.
    pub fn kept_bytes(&self) -> usize {
        match &self.stage {
            Stage::Sniffing { seen, answered, .. } => seen.capacity() + answered.capacity(),
            Stage::Http1(http1) => http1.kept_bytes(),
            Stage::Http2(http2) => http2.kept_bytes(),
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
                if http1.is_over() {
                    self.stage = Stage::Opaque;
                }
            }
            Stage::Http2(_) => self.http2(direction, bytes, passed, sink),
            Stage::Opaque => self.tcp.bytes(direction, bytes.len(), sink),
            Stage::Sniffing { .. } => match direction {
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
            (Stage::Http2(http2), Direction::Request) => http2.client_done(),
            (Stage::Http2(http2), Direction::Response) => http2.app_done(now, sink),
            (Stage::Sniffing { .. } | Stage::Opaque, _) => {}
        }
    }

    /// The connection is over; nothing may be shown after this.
    pub fn closed(&mut self, ending: Ending, now: Nanos, sink: &mut impl Sink) {
        match &mut self.stage {
            Stage::Http1(http1) => http1.closed(ending, now, sink),
            Stage::Http2(http2) => http2.closed(ending, now, &mut self.tcp, sink),
            // Nothing was sent, or too little to tell: a connection all the same.
            Stage::Sniffing { seen, answered, .. } => {
                self.tcp.bytes(Direction::Request, seen.len(), sink);
                self.tcp.bytes(Direction::Response, answered.len(), sink);
            }
            Stage::Opaque => {}
        }
        self.stage = Stage::Opaque;
        let flags = match ending {
            Ending::Finished => Flags::None,
            Ending::AppReset if self.client_done => Flags::DownstreamClosed,
            Ending::ClientReset | Ending::GivenUp => Flags::DownstreamClosed,
            Ending::AppReset => Flags::UpstreamClosed,
            Ending::Refused => Flags::UpstreamConnectFailure,
        };
        self.tcp.close(flags, sink);
    }

    fn sniff(&mut self, bytes: &[u8], passed: Passed, sink: &mut impl Sink) {
        let Stage::Sniffing { rules, seen, first, answered, first_answered } = &mut self.stage
        else {
            return;
        };
        if seen.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            *first = passed;
        }
        let before = seen.len();
        let protocol = if before == 0 {
            sniff(bytes)
        } else {
            seen.extend_from_slice(&bytes[..bytes.len().min(MAX_SNIFFED)]);
            sniff(seen)
        };
        let Some(protocol) = protocol else {
            if before == 0 {
                seen.extend_from_slice(bytes);
            }
            return;
        };
        let (rules, first) = (Arc::clone(rules), *first);
        let (seen, answered) = (std::mem::take(seen), std::mem::take(answered));
        let (seen, first_answered) = (&seen[..before], *first_answered);
        if protocol == Protocol::Http2 {
            let mut http2 = Box::new(Http2::new(rules, first.read));
            if self.app_done {
                http2.app_done(first.read, sink);
            }
            self.stage = Stage::Http2(http2);
            if !answered.is_empty() {
                self.data(Direction::Response, &answered, first_answered, sink);
            }
        } else if !answered.is_empty() {
            self.tcp.bytes(Direction::Response, answered.len(), sink);
            self.stage = Stage::Opaque;
        } else {
            let mut http1 = if protocol == Protocol::Http1 {
                Http1::new(rules)
            } else {
                self.tcp.open(sink);
                // A server that speaks only HTTP/1 answers a handshake in HTTP/1.
                Http1::unread(rules, first.read, 0, true)
            };
            if self.app_done {
                http1.app_finished(first.read, sink);
            }
            self.stage = Stage::Http1(http1);
        }
        if !seen.is_empty() {
            self.data(Direction::Request, seen, first, sink);
        }
        self.data(Direction::Request, bytes, passed, sink);
    }

    fn http2(&mut self, direction: Direction, bytes: &[u8], passed: Passed, sink: &mut impl Sink) {
        let Stage::Http2(http2) = &mut self.stage else { return };
        let was_unanswered = http2.is_unanswered();
        let in_http1 = direction == Direction::Response
            && was_unanswered
            // No frame that may come first is long enough to begin like this.
            && bytes.first() == Some(&b'H');
        if in_http1 {
            http2.answered_in_http1(&mut self.tcp, sink);
        } else {
            http2.data(direction, bytes, passed, &mut self.tcp, sink);
        }
        if !http2.is_lost() {
            return;
        }
        self.stage = if was_unanswered && (in_http1 || direction == Direction::Request) {
            // A server that speaks only HTTP/1 says so in HTTP/1.
            let (since, asked) = http2.asked();
            let mut http1 = Http1::unread(http2.rules(), since, asked, false);
            if self.client_done {
                http1.client_done();
            }
            if self.app_done {
                http1.app_finished(passed.read, sink);
            }
            Stage::Http1(http1)
        } else {
            Stage::Opaque
        };
        if in_http1 {
            self.data(direction, bytes, passed, sink);
        }
    }

    /// The app spoke before the client's first bytes told the protocol.
    fn answered_while_sniffing(&mut self, bytes: &[u8], passed: Passed, sink: &mut impl Sink) {
        let Stage::Sniffing { rules, seen, first, answered, first_answered } = &mut self.stage
        else {
            return;
        };
        if could_be_h2(seen, answered, bytes) {
            if answered.is_empty() {
                *first_answered = passed;
            }
            return answered.extend_from_slice(bytes);
        }
        self.tcp.open(sink);
        if seen.is_empty() {
            // A server that speaks first (MySQL, SMTP, FTP, SSH) is none that we read along with.
            let bytes = answered.len() + bytes.len();
            self.stage = Stage::Opaque;
            return self.tcp.bytes(Direction::Response, bytes, sink);
        }
        let mut http1 = Http1::unread(Arc::clone(rules), first.read, 0, true);
        http1.request(seen, *first, &mut self.tcp, sink);
        http1.response(answered, *first_answered, &mut self.tcp, sink);
        http1.response(bytes, passed, &mut self.tcp, sink);
        self.stage = if http1.is_over() { Stage::Opaque } else { Stage::Http1(http1) };
    }
}

/// Meters a connection as TCP from the moment it is opened.
#[derive(Debug, Default)]
pub(super) struct TcpMeter {
    is_open: bool,
}

impl TcpMeter {
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn open(&mut self, sink: &mut impl Sink) {
        if !self.is_open {
            self.is_open = true;
            sink.event(Event::TcpOpened);
        }
    }

    pub(super) fn bytes(&mut self, direction: Direction, count: usize, sink: &mut impl Sink) {
        self.open(sink);
        if count > 0 {
            sink.event(Event::TcpBytes { direction, bytes: count as u64 });
        }
    }

    fn close(&mut self, flags: Flags, sink: &mut impl Sink) {
        if self.is_open {
            self.is_open = false;
            sink.event(Event::TcpClosed { flags });
        }
    }
}
