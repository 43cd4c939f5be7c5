//! From one protocol to the next: HTTP/1 that is left, and HTTP/2 that is none.

use super::{Stage, Watcher};
use crate::clock::Nanos;
use crate::observe::http1::{Http1, Left, LeftFor};
use crate::observe::http2::Http2;
use crate::observe::websocket::WebSocket;
use crate::observe::{Direction, Event, Passed, Protocol, Reason, Sink};

impl Watcher {
    /// The app has agreed to leave HTTP/1, somewhere in `bytes`.
    pub(super) fn leaves_http1(
        &mut self,
        left: &Left,
        bytes: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let Stage::Http1(http1) = &self.stage else { return };
        let ahead = Passed { read: left.since, written: left.since };
        let rest = &bytes[bytes.len() - left.rest..];
        match &left.to {
            LeftFor::Http2 { settings, request } => {
                let http2 = Http2::upgraded(http1.rules(), *settings, request.clone());
                self.stage = Stage::Http2(Box::new(http2));
                if !left.ahead.is_empty() {
                    self.data(Direction::Request, &left.ahead, ahead, sink);
                }
                if self.client_done
                    && let Stage::Http2(http2) = &mut self.stage
                {
                    http2.client_done(passed.read, sink);
                }
                if !rest.is_empty() {
                    self.data(Direction::Response, rest, passed, sink);
                }
            }
            LeftFor::WebSocket => {
                self.stage = Stage::WebSocket(Box::new(WebSocket::open(passed.written, sink)));
                // All of it has been metered as TCP already.
                self.frames(Direction::Request, &left.ahead, passed.written, sink);
                self.frames(Direction::Response, rest, passed.written, sink);
            }
        }
    }

    pub(super) fn websocket(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        now: Nanos,
        sink: &mut impl Sink,
    ) {
        self.tcp.bytes(direction, bytes.len(), sink);
        self.frames(direction, bytes, now, sink);
    }

    fn frames(&mut self, direction: Direction, bytes: &[u8], now: Nanos, sink: &mut impl Sink) {
        let Stage::WebSocket(websocket) = &mut self.stage else { return };
        if !websocket.data(direction, bytes, sink) {
            let (protocol, reason) = (Protocol::WebSocket, Reason::MalformedFrame);
            sink.event(Event::Unparsed { protocol, reason });
            websocket.closed(now, sink);
            self.stage = Stage::Opaque;
        }
    }

    pub(super) fn http2(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let Stage::Http2(http2) = &mut self.stage else { return };
        let was_unanswered = http2.is_unanswered();
        let in_http1 = direction == Direction::Response
            && was_unanswered
            // No frame that may come first is long enough to begin like this.
            && bytes.first() == Some(&b'H');
        if in_http1 {
            http2.answered_in_http1(passed.written, &mut self.tcp, sink);
        } else {
            http2.data(direction, bytes, passed, &mut self.tcp, sink);
        }
        if !http2.is_lost() {
            return;
        }
        if !(in_http1 || was_unanswered && direction == Direction::Request) {
            self.stage = Stage::Opaque;
            return;
        }
        // A server that speaks only HTTP/1 says so in HTTP/1.
        let (since, asked) = http2.asked();
        let mut http1 = Http1::unread(http2.rules(), since, asked, false);
        if self.client_done {
            http1.client_done();
        }
        if self.app_done {
            http1.app_finished(passed.read, sink);
        }
        self.stage = Stage::Http1(http1);
        if in_http1 {
            self.data(direction, bytes, passed, sink);
        }
    }
}
