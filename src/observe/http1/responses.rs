//! The answering half of the HTTP/1 observer: finds each request's answer, and what became of
//! requests that get none.

use super::body::{Body, Progress};
use super::gather::{Gathered, gather, skip_empty_lines};
use super::head::{self, ResponseHead};
use super::pending::Pending;
use super::{Http1, Lost, Requests, Responses, count_messages};
use crate::clock::{Awaited, Nanos};
use crate::observe::grpc::web::WebBody;
use crate::observe::grpc::{Call, ContentKind, GrpcStatus};
use crate::observe::host::HostId;
use crate::observe::watcher::TcpMeter;
use crate::observe::{
    Direction, Ending, Event, Exchange, Flags, Method, Passed, Protocol, Reason, Sink,
};

impl Http1 {
    /// Bytes from the app.
    pub(in crate::observe) fn response(
        &mut self,
        bytes: &[u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        if tcp.is_open() {
            tcp.bytes(Direction::Response, bytes.len(), sink);
        }
        let limit = self.rules.max_head_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Responses::Body(_) = self.responses {
                self.answer.first_data.comes(passed.written);
            }
            match &mut self.responses {
                Responses::Head => rest = self.response_head(rest, passed, tcp, sink),
                Responses::Body(body) => match body.advance(rest, limit, |content| {
                    let (web, of) = (&mut self.web[1], self.queue.front());
                    count_messages(web, of, Direction::Response, content, sink);
                }) {
                    Progress::More => return self.answer.bytes += rest.len() as u64,
                    Progress::Done(here) => {
                        self.answer.bytes += here as u64;
                        rest = &rest[here..];
                        self.answered(passed, sink);
                    }
                    Progress::Malformed(here) => {
                        self.answer.bytes += here as u64;
                        self.record(Flags::UpstreamProtocolError, passed, sink);
                        let reason = Reason::MalformedResponseChunk;
                        return self.lose_responses(reason, rest.len() - here, tcp, sink);
                    }
                },
                Responses::Last => {
                    let empty = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                    if empty < rest.len() {
                        let reason = Reason::UnsolicitedResponse;
                        self.lose_responses(reason, rest.len() - empty, tcp, sink);
                    }
                    return;
                }
                Responses::Finished | Responses::Lost => return,
            }
        }
    }

    /// The app sends no more.
    pub(in crate::observe) fn app_finished(&mut self, now: Nanos, sink: &mut impl Sink) {
        if self.responses == Responses::Body(Body::UntilClose) {
            self.answered(Passed { read: now, written: now }, sink);
        }
        self.broken_off_by_app(now, sink);
        if self.responses != Responses::Last {
            self.responses = Responses::Finished;
        }
    }

    /// The connection is over.
    pub(in crate::observe) fn closed(&mut self, ending: Ending, now: Nanos, sink: &mut impl Sink) {
        match ending {
            _ if self.responses == Responses::Finished => {
                self.give_up(Flags::UpstreamClosed, 503, now, sink);
            }
            Ending::AppReset => self.broken_off_by_app(now, sink),
            Ending::Refused => {
                if self.queue.is_empty() && !self.partial_request.is_empty() {
                    let bytes = self.partial_request.len();
                    // Sniffed as HTTP, though its head was still on the way.
                    self.queue.push_back(Pending {
                        readable: true,
                        ..Pending::unread(self.partial_since, bytes as u64, Method::Other)
                    });
                    sink.event(Event::Began { host: HostId::UNKNOWN });
                }
                self.give_up(Flags::UpstreamConnectFailure, 503, now, sink);
            }
            Ending::Finished | Ending::ClientReset | Ending::GivenUp => {
                self.give_up(Flags::DownstreamClosed, 0, now, sink);
            }
        }
    }

    /// Reads a response head, or keeps what there is of it. Gives the bytes after it.
    fn response_head<'a>(
        &mut self,
        rest: &'a [u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        // Clients skip empty lines here as servers do.
        let rest = skip_empty_lines(&mut self.partial_response, rest);
        let is_half_line = self.partial_response.is_empty() && rest == b"\r";
        if rest.is_empty() {
            return rest;
        }
        if !self.expects_response() && !is_half_line {
            let bytes = self.partial_response.len() + rest.len();
            self.lose_responses(Reason::UnsolicitedResponse, bytes, tcp, sink);
            return &[];
        }
        // Nearly every head comes in one piece; then there is no need to look for its end first.
        if self.partial_response.is_empty()
            && let Some((read, length)) = head::response(rest)
            && length <= self.rules.max_head_bytes
        {
            return self.status(&read, length, &rest[length..], passed, tcp, sink);
        }
        if let Some(length) = head::until_bare_lf(&self.partial_response, rest)
            && self.partial_response.len() + length <= self.rules.max_head_bytes
        {
            let mut lines = std::mem::take(&mut self.partial_response);
            lines.extend_from_slice(&rest[..length]);
            let rest = &rest[length..];
            if let Some(read) = head::loose_response(&lines) {
                return self.status(&read, lines.len(), rest, passed, tcp, sink);
            }
            let bytes = lines.len() + rest.len();
            self.lose_responses(Reason::MalformedResponse, bytes, tcp, sink);
            return &[];
        }
        let gathered = gather(&mut self.partial_response, rest, self.rules.max_head_bytes);
        let (reason, bytes) = match gathered {
            Gathered::Incomplete if is_half_line => return &[],
            Gathered::Incomplete => {
                if head::could_be_status_line(&self.partial_response) {
                    self.answer.first_byte.comes(passed.written);
                    return &[];
                }
                let bytes = std::mem::take(&mut self.partial_response).len();
                (Reason::MalformedResponse, bytes)
            }
            Gathered::TooLarge { seen, more } => {
                let reason = if head::could_be_status_line(&seen) {
                    Reason::ResponseHeadTooLarge
                } else {
                    Reason::MalformedResponse
                };
                (reason, seen.len() + more)
            }
            Gathered::Whole { head, rest } => match head::any_response(&head) {
                Ok(read) => return self.status(&read, head.len(), rest, passed, tcp, sink),
                Err(reason) => (reason, head.len() + rest.len()),
            },
        };
        self.lose_responses(reason, bytes, tcp, sink);
        &[]
    }

    /// Whether there is anything that an answer could be to.
    fn expects_response(&self) -> bool {
        !self.queue.is_empty()
            || match self.requests {
                Requests::Head => !self.partial_request.is_empty(),
                Requests::Lost(lost) => lost.answerable,
                Requests::Body(..) | Requests::Offered(..) | Requests::Last => false,
            }
    }

    /// A response head of `length` bytes is complete. Gives what of `rest`, which comes after it,
    /// is still to be read.
    fn status<'a>(
        &mut self,
        head: &ResponseHead,
        length: usize,
        rest: &'a [u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        self.answer.first_byte.comes(passed.written);
        self.answer.bytes += length as u64;
        if matches!(head.status, 100 | 102..=199) {
            self.answer.first_byte = Awaited::STILL;
            return rest;
        }
        if self.queue.is_empty() {
            self.answers_unread(rest.len(), tcp, sink);
        }
        if self.goes_on_in_http2(head, rest.len()) {
            return &[];
        }
        let Some(pending) = self.queue.front() else { return rest };
        self.web[1] = if pending.probe { None } else { WebBody::of_answer(pending.content) };
        self.answer.grpc_status = head.grpc_status;
        let (method, last) = (pending.method, pending.last || head.last);
        self.answer.status = head.status;
        self.answer.last = last;
        let is_tunnel = head.status == 101 || (method == Method::Connect && head.status / 100 == 2);
        if is_tunnel {
            self.record(Flags::None, passed, sink);
            self.became_tunnel(head, rest.len(), tcp, sink);
            return &[];
        }
        if self.queue.len() == 1 {
            let was_http = !tcp.is_open();
            self.declined(tcp, sink);
            if was_http && tcp.is_open() {
                tcp.bytes(Direction::Response, rest.len(), sink);
            }
        }
        // RFC 9112, 6.3: these have no body whatever their fields say.
        if method == Method::Head || matches!(head.status, 204 | 304) {
            self.answered(passed, sink);
            return rest;
        }
        match head.framing {
            Ok(framing) => match Body::of_response(framing) {
                Some(body) => {
                    // What ends with the connection leaves no room for another answer.
                    self.answer.last |= body == Body::UntilClose;
                    self.responses = Responses::Body(body);
                }
                None => self.answered(passed, sink),
            },
            Err(reason) => {
                // The status is beyond doubt; where the answer ends is not.
                let flags = match reason {
                    Reason::MalformedResponse => Flags::UpstreamProtocolError,
                    _ => Flags::None,
                };
                self.record(flags, passed, sink);
                self.lose_responses(reason, rest.len(), tcp, sink);
                return &[];
            }
        }
        rest
    }

    /// The app answers something that could not be read as a request: the answer counts.
    fn answers_unread(&mut self, more: usize, tcp: &mut TcpMeter, sink: &mut impl Sink) {
        let doubtful = matches!(self.requests, Requests::Lost(Lost { doubtful: true, .. }));
        if doubtful {
            let (protocol, reason) = (Protocol::Http1, Reason::MalformedRequest);
            sink.event(Event::Unparsed { protocol, reason });
        } else if !matches!(self.requests, Requests::Lost(_)) {
            let seen = std::mem::take(&mut self.partial_request);
            self.lose(Reason::AnsweredEarly, &seen, 0, tcp, sink);
            let answer = usize::try_from(self.answer.bytes).unwrap_or(usize::MAX);
            tcp.bytes(Direction::Response, answer.saturating_add(more), sink);
        }
        if let Requests::Lost(lost) = &mut self.requests {
            lost.answerable = false;
            self.queue.push_back(Pending::unread(lost.since, lost.bytes, lost.method));
            sink.event(Event::Began { host: HostId::UNKNOWN });
        }
    }

    /// An answer is complete.
    fn answered(&mut self, passed: Passed, sink: &mut impl Sink) {
        let is_last = self.answer.last;
        self.record(Flags::None, passed, sink);
        self.responses = match self.requests {
            _ if is_last => Responses::Last,
            // After what could not be read, nobody can tell which answer is to what.
            Requests::Lost(lost) if self.queue.is_empty() && !lost.answerable => Responses::Lost,
            _ => Responses::Head,
        };
    }

    /// Writes down what became of the oldest request.
    fn record(&mut self, flags: Flags, passed: Passed, sink: &mut impl Sink) {
        let Some(pending) = self.queue.pop_front() else { return };
        let answer = std::mem::take(&mut self.answer);
        let flags = if pending.readable { flags } else { Flags::DownstreamProtocolError };
        sink.event(Event::Exchange(Exchange {
            host: pending.host,
            method: pending.method,
            path: self.rules.settle(pending.path, flags.answer(answer.status)),
            version: pending.version,
            call: match pending.content {
                ContentKind::GrpcWeb | ContentKind::GrpcWebText => {
                    let in_body = self.web[1].take().map_or(GrpcStatus::NONE, |web| web.status());
                    let said =
                        if in_body == GrpcStatus::NONE { answer.grpc_status } else { in_body };
                    Call::Grpc(said.or_by_http(answer.status))
                }
                ContentKind::Grpc | ContentKind::Other => Call::Http,
            },
            status: answer.status,
            flags,
            started: pending.started,
            ended: passed.written,
            first_byte: answer.first_byte.time(),
            first_data: answer.first_data.time(),
            held: pending.held + passed.held(),
            held_request: pending.held,
            request_bytes: pending.bytes,
            response_bytes: answer.bytes,
            probe: pending.probe,
            trace: pending.trace,
        }));
    }

    fn broken_off_by_app(&mut self, now: Nanos, sink: &mut impl Sink) {
        if self.client_finished {
            // An app that sees its client leave has no reason to go on.
            self.give_up(Flags::DownstreamClosed, 0, now, sink);
        } else {
            self.give_up(Flags::UpstreamClosed, 503, now, sink);
        }
    }

    /// No more answers come. Requests without a status get `status`.
    fn give_up(&mut self, flags: Flags, status: u16, now: Nanos, sink: &mut impl Sink) {
        let passed = Passed { read: now, written: now };
        self.answer.bytes += std::mem::take(&mut self.partial_response).len() as u64;
        while let Some(pending) = self.queue.front() {
            let begun = self.answer.status != 0;
            // After its last answer the app owes none, and to what it could not read neither.
            if !begun && (self.responses == Responses::Last || !pending.readable) {
                if !pending.probe {
                    sink.event(Event::Dropped);
                }
                self.queue.pop_front();
                continue;
            }
            let flags = match flags {
                Flags::UpstreamClosed if begun => Flags::UpstreamProtocolError,
                other => other,
            };
            if !begun {
                self.answer.status = status;
            }
            if self.answer.last {
                self.responses = Responses::Last;
            }
            self.record(flags, passed, sink);
        }
    }

    /// Stops reading responses. `bytes` of them belong to no answer.
    fn lose_responses(
        &mut self,
        reason: Reason,
        bytes: usize,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        let was_http = !matches!(self.requests, Requests::Lost(_));
        if was_http {
            let protocol = Protocol::Http1;
            sink.event(Event::Unparsed { protocol, reason });
        }
        if !tcp.is_open() {
            tcp.bytes(Direction::Request, self.partial_request.len(), sink);
            tcp.bytes(Direction::Response, bytes, sink);
        }
        self.drop_requests(sink);
    }

    /// Gives up on reading; requests that wait will never be known to have been answered.
    pub(super) fn drop_requests(&mut self, sink: &mut impl Sink) {
        for _ in self.queue.drain(..).filter(|pending| !pending.probe) {
            sink.event(Event::Dropped);
        }
        self.responses = Responses::Lost;
        self.queue = std::collections::VecDeque::new();
        self.partial_request = Vec::new();
        self.partial_response = Vec::new();
    }
}
