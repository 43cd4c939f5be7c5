//! How a connection begins: what it speaks is told by the first bytes of both sides.

use super::{Stage, TcpMeter, Watcher};
use crate::clock::Nanos;
use crate::observe::http1::Http1;
use crate::observe::http2::Http2;
use crate::observe::sniff::{MAX_SNIFFED, could_be_h2, sniff};
use crate::observe::tls::{Hello, Tls};
use crate::observe::{Direction, Event, Passed, Protocol, Rules, Sink, Spoken};
use std::sync::Arc;

/// The first bytes, as long as they could be of more than one protocol.
#[derive(Debug)]
pub(super) struct Sniffing {
    rules: Arc<Rules>,
    seen: Vec<u8>,
    /// How the first byte of `seen` that is no empty line passed.
    first: Passed,
    /// What an HTTP/2 server has said meanwhile: it may speak first (RFC 9113, 3.4).
    answered: Vec<u8>,
    /// How the first byte of that passed.
    first_answered: Passed,
}

/// A client hello that is not yet whole.
#[derive(Debug)]
pub(super) struct Greeting {
    rules: Arc<Rules>,
    hello: Hello,
    bytes: usize,
    /// A server that speaks only HTTP/1 answers a handshake in HTTP/1.
    http1: Http1,
}

impl Sniffing {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            seen: Vec::new(),
            first: Passed::default(),
            answered: Vec::new(),
            first_answered: Passed::default(),
        }
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.seen.capacity() + self.answered.capacity()
    }

    /// Nothing was sent, or too little to tell: a connection all the same.
    pub(super) fn closed(&self, tcp: &mut TcpMeter, sink: &mut impl Sink) {
        sink.event(Event::Speaks(match (self.seen.as_slice(), self.answered.as_slice()) {
            ([], []) => Spoken::Nothing,
            ([], _) => Spoken::ServerFirst,
            _ => Spoken::Other,
        }));
        tcp.bytes(Direction::Request, self.seen.len(), sink);
        tcp.bytes(Direction::Response, self.answered.len(), sink);
    }
}

impl Greeting {
    pub(super) fn kept_bytes(&self) -> usize {
        size_of::<Self>() + self.hello.kept_bytes() + self.http1.kept_bytes()
    }

    pub(super) fn finished(&mut self, by: Direction, now: Nanos, sink: &mut impl Sink) {
        match by {
            Direction::Request => self.http1.client_done(),
            Direction::Response => self.http1.app_finished(now, sink),
        }
    }

    /// No more of the hello comes.
    pub(super) fn closed(&self, tcp: &mut TcpMeter, sink: &mut impl Sink) {
        tcp.open_as(Some(Tls::default()), sink);
        tcp.bytes(Direction::Request, self.bytes, sink);
    }
}

impl Watcher {
    pub(super) fn sniff(&mut self, bytes: &[u8], passed: Passed, sink: &mut impl Sink) {
        let Stage::Sniffing(sniffing) = &mut self.stage else { return };
        let seen = &mut sniffing.seen;
        if seen.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            sniffing.first = passed;
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
        let (seen, answered) = (std::mem::take(seen), std::mem::take(&mut sniffing.answered));
        let (first, first_answered) = (sniffing.first, sniffing.first_answered);
        let rules = Arc::clone(&sniffing.rules);
        self.begin(protocol, rules, first, answered.is_empty(), sink);
        if !answered.is_empty() {
            self.data(Direction::Response, &answered, first_answered, sink);
        }
        if before > 0 {
            self.data(Direction::Request, &seen[..before], first, sink);
        }
        self.data(Direction::Request, bytes, passed, sink);
    }

    /// The client's first bytes have told the protocol, and neither side has been read yet.
    fn begin(
        &mut self,
        protocol: Protocol,
        rules: Arc<Rules>,
        first: Passed,
        is_unanswered: bool,
        sink: &mut impl Sink,
    ) {
        let spoken = match protocol {
            Protocol::Http2 => Spoken::Http2,
            // It spoke like a server of HTTP/2, and the client does not.
            _ if !is_unanswered => Spoken::ServerFirst,
            Protocol::Http1 => Spoken::Http1,
            Protocol::Tls => Spoken::Tls,
            Protocol::WebSocket | Protocol::Other => Spoken::Other,
        };
        sink.event(Event::Speaks(spoken));
        self.stage = match spoken {
            Spoken::Http2 => {
                let mut http2 = Http2::new(rules, first.read);
                if self.app_done {
                    http2.app_done(first.read, sink);
                }
                Stage::Http2(Box::new(http2))
            }
            Spoken::Http1 => Stage::Http1(self.http1(Http1::new(rules), first, sink)),
            Spoken::Tls => {
                let unread = Http1::unread(Arc::clone(&rules), first.read, 0, true);
                let http1 = self.http1(unread, first, sink);
                let hello = Hello::default();
                Stage::Greeting(Box::new(Greeting { rules, hello, bytes: 0, http1 }))
            }
            Spoken::Other => {
                self.tcp.open(sink);
                let unread = Http1::unread(rules, first.read, 0, true);
                Stage::Http1(self.http1(unread, first, sink))
            }
            Spoken::ServerFirst | Spoken::Nothing | Spoken::Opaque => Stage::Opaque,
        };
    }

    fn http1(&self, mut http1: Http1, first: Passed, sink: &mut impl Sink) -> Http1 {
        if self.app_done {
            http1.app_finished(first.read, sink);
        }
        http1
    }

    /// The app spoke before the client's first bytes told the protocol.
    pub(super) fn answered_while_sniffing(
        &mut self,
        bytes: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let Stage::Sniffing(sniffing) = &mut self.stage else { return };
        let Sniffing { rules, seen, first, answered, first_answered } = sniffing;
        if could_be_h2(seen, answered, bytes) {
            if answered.is_empty() {
                *first_answered = passed;
            }
            return answered.extend_from_slice(bytes);
        }
        if seen.is_empty() {
            // A server that speaks first (MySQL, SMTP, FTP, SSH) is none that we read along with.
            sink.event(Event::Speaks(Spoken::ServerFirst));
            self.tcp.bytes(Direction::Response, answered.len() + bytes.len(), sink);
            self.stage = Stage::Opaque;
            return;
        }
        sink.event(Event::Speaks(Spoken::Other));
        self.tcp.open(sink);
        let mut http1 = Http1::unread(Arc::clone(rules), first.read, 0, true);
        http1.request(seen, *first, &mut self.tcp, sink);
        http1.response(answered, *first_answered, &mut self.tcp, sink);
        http1.response(bytes, passed, &mut self.tcp, sink);
        self.stage = if http1.is_over() { Stage::Opaque } else { Stage::Http1(http1) };
    }

    /// Bytes of what began like TLS, until the client hello is whole.
    pub(super) fn greets(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let Stage::Greeting(greeting) = &mut self.stage else { return };
        let tls = match direction {
            Direction::Request => {
                greeting.bytes += bytes.len();
                greeting.http1.request(bytes, passed, &mut self.tcp, sink);
                let Rules { hosts, max_head_bytes, .. } = &*greeting.rules;
                let hello = greeting.hello.take(bytes, hosts, *max_head_bytes);
                let Some(tls) = hello else { return };
                tls
            }
            // It does not wait for the rest.
            Direction::Response => Tls::default(),
        };
        let Stage::Greeting(greeting) = std::mem::replace(&mut self.stage, Stage::Opaque) else {
            return;
        };
        let Greeting { bytes: asked, http1, .. } = *greeting;
        self.tcp.open_as(Some(tls), sink);
        self.tcp.bytes(Direction::Request, asked, sink);
        self.stage = Stage::Http1(http1);
        if direction == Direction::Response {
            self.data(direction, bytes, passed, sink);
        }
    }
}
