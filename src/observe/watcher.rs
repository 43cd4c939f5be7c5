//! What a connection owns to be read along with: it picks the observer and meters the rest as TCP.

use super::http1::Http1;
use super::sniff::{MAX_SNIFFED, sniff};
use super::{Direction, Ending, Event, Flags, Passed, Protocol, Reason, Rules, Sink};
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
    },
    Http1(Http1),
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
            Stage::Opaque => true,
        }
    }

    /// Bytes of memory that are kept on the heap: an incomplete head for each direction and what is
    /// known of unanswered requests. Whatever is sent, no more than 4 times
    /// [`Rules::max_head_bytes`] and 48 KiB.
    pub fn kept_bytes(&self) -> usize {
        match &self.stage {
            Stage::Sniffing { seen, .. } => seen.capacity(),
            Stage::Http1(http1) => http1.kept_bytes(),
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
        if let Stage::Http1(http1) = &mut self.stage {
            match direction {
                Direction::Request => http1.client_done(),
                Direction::Response => http1.app_finished(now, sink),
            }
        }
    }

    /// The connection is over; nothing may be shown after this.
    pub fn closed(&mut self, ending: Ending, now: Nanos, sink: &mut impl Sink) {
        if let Stage::Http1(http1) = &mut self.stage {
            http1.closed(ending, now, sink);
        } else if let Stage::Sniffing { seen, .. } = &self.stage {
            // Nothing was sent, or too little to tell: a connection all the same.
            self.tcp.bytes(Direction::Request, seen.len(), sink);
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
        let Stage::Sniffing { rules, seen, first } = &mut self.stage else { return };
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
        let seen = std::mem::take(seen);
        let seen = &seen[..before];
        let mut http1 = match protocol {
            Protocol::Http1 => Http1::new(rules),
            // A server that speaks only HTTP/1 answers a preface or a handshake in HTTP/1.
            Protocol::Http2 => {
                sink.event(Event::Unparsed { protocol, reason: Reason::Unsupported });
                self.tcp.open(sink);
                Http1::unread(rules, first.read, false)
            }
            Protocol::Tls | Protocol::Other => {
                self.tcp.open(sink);
                Http1::unread(rules, first.read, true)
            }
        };
        if self.app_done {
            http1.app_finished(first.read, sink);
        }
        http1.request(seen, first, &mut self.tcp, sink);
        http1.request(bytes, passed, &mut self.tcp, sink);
        self.stage = Stage::Http1(http1);
    }

    /// The app spoke before the client's first bytes told the protocol.
    fn answered_while_sniffing(&mut self, bytes: &[u8], passed: Passed, sink: &mut impl Sink) {
        let Stage::Sniffing { rules, seen, first } = &mut self.stage else { return };
        self.tcp.open(sink);
        if seen.is_empty() {
            // A server that speaks first (MySQL, SMTP, FTP, SSH) is none that we read along with.
            self.stage = Stage::Opaque;
            return self.tcp.bytes(Direction::Response, bytes.len(), sink);
        }
        let mut http1 = Http1::unread(Arc::clone(rules), first.read, true);
        http1.request(seen, *first, &mut self.tcp, sink);
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
