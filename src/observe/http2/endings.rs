//! How streams come to their end: answered, reset, refused, or with the connection.

use super::frame::NO_ERROR;
use super::streams::Stream;
use super::{Http2, LastTaken};
use crate::clock::Nanos;
use crate::observe::grpc::{Call, ContentKind};
use crate::observe::watcher::TcpMeter;
use crate::observe::{
    Direction, Ending, Event, Exchange, Flags, Passed, Protocol, Reason, Sink, Version,
};

impl Http2 {
    /// The client sends no more. Streams that it still waits for may be answered, but not calls: a
    /// client of gRPC ends its connection only where it ends itself, and the server that sees that
    /// still says a status (14) to nobody.
    pub(in crate::observe) fn client_done(&mut self, now: Nanos, sink: &mut impl Sink) {
        self.client_finished = true;
        let passed = Passed { read: now, written: now };
        for id in self.streams.above(0) {
            let stream = self.streams.get_mut(id);
            if stream.is_some_and(|stream| stream.content != ContentKind::Other)
                && let Some(stream) = self.take(id)
            {
                self.give_up(stream, Flags::DownstreamClosed, 0, passed, sink);
            }
        }
    }

    /// The app sends no more.
    pub(in crate::observe) fn app_done(&mut self, now: Nanos, sink: &mut impl Sink) {
        self.app_finished = true;
        let passed = Passed { read: now, written: now };
        for stream in self.take_above(0) {
            self.broken_off(stream, passed, sink);
        }
    }

    /// The connection is over.
    pub(in crate::observe) fn closed(
        &mut self,
        ending: Ending,
        now: Nanos,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        if ending == Ending::Refused && self.newest == 0 {
            // A connection was refused, and no request with it.
            let bytes = usize::try_from(self.client_bytes).unwrap_or(usize::MAX);
            tcp.bytes(Direction::Request, bytes, sink);
        }
        self.tunnels_end(now, sink);
        let passed = Passed { read: now, written: now };
        for stream in self.take_above(0) {
            match ending {
                Ending::AppReset => self.broken_off(stream, passed, sink),
                Ending::Refused => {
                    self.give_up(stream, Flags::UpstreamConnectFailure, 503, passed, sink);
                }
                Ending::Finished | Ending::ClientReset | Ending::GivenUp => {
                    self.give_up(stream, Flags::DownstreamClosed, 0, passed, sink);
                }
            }
        }
    }

    /// One side has sent all of a stream.
    pub(super) fn ends(
        &mut self,
        direction: Direction,
        id: u32,
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        match direction {
            Direction::Request => {
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.is_asked = true;
                }
            }
            Direction::Response => {
                if let Some(stream) = self.take(id) {
                    self.record(stream, Flags::None, passed, sink);
                }
            }
        }
        if !self.extras.is_empty() {
            let by_app = direction == Direction::Response;
            self.tunnel_ends(id, [!by_app, by_app], passed.written, sink);
        }
    }

    /// One side gives a stream up (RFC 9113, 6.4).
    pub(super) fn reset(&mut self, by: Direction, id: u32, passed: Passed, sink: &mut impl Sink) {
        let Some(stream) = self.take(id) else {
            return self.tunnel_ends(id, [true, true], passed.written, sink);
        };
        match by {
            Direction::Request => self.give_up(stream, Flags::DownstreamClosed, 0, passed, sink),
            Direction::Response => self.give_up(stream, Flags::UpstreamReset, 503, passed, sink),
        }
    }

    /// One side takes no further streams (RFC 9113, 6.8).
    pub(super) fn goes_away(
        &mut self,
        from: Direction,
        payload: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        // The client's is about what the app pushes.
        let (Direction::Response, [s0, s1, s2, s3, error @ ..]) = (from, payload) else { return };
        let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]) & !(1 << 31);
        let in_order = *error == NO_ERROR.to_be_bytes();
        let last = LastTaken { stream, in_order };
        self.last_taken = Some(last);
        for stream in self.take_above(last.stream) {
            if last.in_order {
                // The app has not looked at it, so the client asks again on another connection,
                // and nobody has got an error.
                stream.dropped(sink);
            } else {
                self.refused(stream, passed, sink);
            }
        }
    }

    /// Takes all streams above `last`, in the order in which they were opened.
    fn take_above(&mut self, last: u32) -> Vec<Stream> {
        let ids = self.streams.above(last);
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// The app gives the connection up because of an error, and has not looked at this stream.
    pub(super) fn refused(&self, stream: Stream, passed: Passed, sink: &mut impl Sink) {
        self.broken_off(stream, passed, sink);
    }

    /// The connection to the app ends with this stream unanswered.
    pub(super) fn broken_off(&self, stream: Stream, passed: Passed, sink: &mut impl Sink) {
        let (flags, status) = match stream.status {
            // An app that sees its client leave has no reason to go on.
            _ if self.client_finished => (Flags::DownstreamClosed, 0),
            0 => (Flags::UpstreamClosed, 503),
            _ => (Flags::UpstreamProtocolError, 503),
        };
        self.give_up(stream, flags, status, passed, sink);
    }

    /// The app answers in HTTP/1: it has not understood a word.
    pub(in crate::observe) fn answered_in_http1(
        &mut self,
        now: Nanos,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        let why = Err(Reason::AnsweredInHttp1);
        let bytes = usize::try_from(self.client_bytes).unwrap_or(usize::MAX);
        self.lose(why, Direction::Request, bytes, now, tcp, sink);
    }

    /// Without an answer's end. What has no status gets `status`.
    fn give_up(
        &self,
        mut stream: Stream,
        flags: Flags,
        status: u16,
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        if stream.status == 0 {
            stream.status = status;
        }
        self.record(stream, flags, passed, sink);
    }

    /// Writes down what became of a stream.
    pub(super) fn record(
        &self,
        stream: Stream,
        flags: Flags,
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let call = match stream.content {
            ContentKind::Other => Call::Http,
            _ => Call::Grpc(stream.grpc_status.or_by_http(stream.status)),
        };
        sink.event(Event::Exchange(Exchange {
            host: stream.host,
            method: stream.method,
            path: self.rules.settle(stream.path, flags.answer(stream.status)),
            version: Version::Http2,
            call,
            status: stream.status,
            flags,
            started: stream.started,
            ended: passed.written,
            first_byte: stream.first_byte.time(),
            first_data: stream.first_data.time(),
            held: stream.held + passed.held(),
            held_request: stream.held,
            request_bytes: stream.request_bytes,
            response_bytes: stream.response_bytes,
            probe: stream.is_probe,
            trace: stream.trace,
        }));
    }

    /// Stops reading. `bytes` from one side have come that are not understood.
    pub(super) fn lose(
        &mut self,
        why: Result<(), Reason>,
        direction: Direction,
        bytes: usize,
        now: Nanos,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        let Err(reason) = why else { return };
        let protocol = Protocol::Http2;
        sink.event(Event::Unparsed { protocol, reason });
        tcp.bytes(direction, bytes, sink);
        for stream in self.take_above(0) {
            stream.dropped(sink);
        }
        self.tunnels_end(now, sink);
        self.is_lost = true;
    }
}

impl Stream {
    /// What to say when it begins.
    pub(super) fn began(&self) -> Event {
        if self.is_probe { Event::ProbeBegan } else { Event::Began { host: self.host } }
    }

    /// What to say when nothing will be known of it.
    fn dropped(&self, sink: &mut impl Sink) {
        if !self.is_probe {
            sink.event(Event::Dropped);
        }
    }
}
