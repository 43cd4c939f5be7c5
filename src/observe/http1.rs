//! Reads along with HTTP/1.0 and HTTP/1.1: which requests were sent and what became of each.
//!
//! Requests wait in a queue for their answers, in order (RFC 9112, 9.3.2). Bodies are followed by
//! their framing and never kept; what is kept is one incomplete head for each direction, bounded,
//! and a few words for each unanswered request, bounded too.
//!
//! Where a request cannot be read, the requests after it cannot be found either: the connection is
//! metered as TCP from there, and only the one answer to what was unreadable is still waited for,
//! because an answer that the app gave counts.

mod body;
mod gather;
mod head;
mod leaving;
mod pending;
mod responses;

use super::grpc::web::WebBody;
use super::watcher::TcpMeter;
use super::{Direction, Event, Method, Passed, Protocol, Reason, Rules, Sink};
use crate::clock::Nanos;
use body::{Body, Progress};
use gather::{Gathered, gather, skip_empty_lines};
use head::RequestHead;
use leaving::Offered;
pub(super) use leaving::{Asked, Left, LeftFor};
use pending::{Answer, Pending};
use std::collections::VecDeque;
use std::sync::Arc;

/// The observer of one HTTP/1 connection.
#[derive(Debug)]
pub(super) struct Http1 {
    rules: Arc<Rules>,
    requests: Requests,
    responses: Responses,
    /// An incomplete request head, or what came after an upgrade request.
    partial_request: Vec<u8>,
    /// When the first of those bytes was read.
    partial_since: Nanos,
    partial_response: Vec<u8>,
    /// Requests whose answer is not complete, oldest first.
    queue: VecDeque<Pending>,
    /// The answer to the oldest of them so far.
    answer: Answer,
    offered: Offered,
    left: Option<Box<Left>>,
    /// The bodies of gRPC-Web that are being sent and given.
    web: [Option<Box<WebBody>>; 2],
    client_finished: bool,
}

/// Where in the stream of requests the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requests {
    Head,
    Body(Body, Then),
    /// An offer to leave HTTP waits for its answer, and the bytes after it wait with it. If it is
    /// declined, this body follows, and then what the request announced.
    Offered(Option<Body>, Then),
    /// The client said that it sends no more. Whatever comes is not a request.
    Last,
    Lost(Lost),
}

/// What follows a request, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Then {
    /// It offers to leave HTTP.
    offer: bool,
    /// No other request follows.
    last: bool,
}

/// What is known of a request that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    since: Nanos,
    bytes: u64,
    method: Method,
    /// An answer to it is still to come.
    answerable: bool,
    /// Nothing has shown yet that this is HTTP at all.
    doubtful: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Responses {
    Head,
    Body(Body),
    /// This was the last answer: the app said so, or its body ended with the connection.
    Last,
    /// The app sends no more, though it had not said so. A request that comes now is broken off.
    Finished,
    Lost,
}

impl Http1 {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            requests: Requests::Head,
            responses: Responses::Head,
            partial_request: Vec::new(),
            partial_since: Nanos::default(),
            partial_response: Vec::new(),
            queue: VecDeque::new(),
            answer: Answer::default(),
            offered: Offered::default(),
            left: None,
            web: [None, None],
            client_finished: false,
        }
    }

    /// For a client that did not say anything like HTTP/1 in `bytes` bytes, in case the app answers
    /// as if it had. That alone would show that it was meant as HTTP, if this is still in doubt.
    pub(super) fn unread(rules: Arc<Rules>, since: Nanos, bytes: u64, doubtful: bool) -> Self {
        let mut this = Self::new(rules);
        this.requests = Requests::Lost(Lost {
            since,
            bytes,
            method: Method::Other,
            answerable: true,
            doubtful,
        });
        this
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// Nothing that is still to come can be of interest.
    pub(super) fn is_over(&self) -> bool {
        self.responses == Responses::Lost
    }

    /// A first request has been read, or is known to be unreadable.
    pub(super) fn has_request(&self) -> bool {
        self.requests != Requests::Head || !self.queue.is_empty()
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.partial_request.capacity()
            + self.partial_response.capacity()
            + self.queue.capacity() * size_of::<Pending>()
            + self.web.iter().flatten().map(|body| body.kept_bytes()).sum::<usize>()
    }

    /// The client sends no more. It may well still want its answer (RFC 9293, 3.6).
    pub(super) fn client_done(&mut self) {
        self.client_finished = true;
    }

    /// Bytes from the client.
    pub(super) fn request(
        &mut self,
        bytes: &[u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        if tcp.is_open() {
            tcp.bytes(Direction::Request, bytes.len(), sink);
        }
        let limit = self.rules.max_head_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.requests {
                Requests::Head => rest = self.request_head(rest, passed, tcp, sink),
                Requests::Body(body, then) => match body.advance(rest, limit, |content| {
                    let (web, of) = (&mut self.web[0], self.queue.back());
                    count_messages(web, of, Direction::Request, content, sink);
                }) {
                    Progress::More => return self.add_request_bytes(rest.len()),
                    Progress::Done(here) => {
                        let then = *then;
                        self.add_request_bytes(here);
                        rest = &rest[here..];
                        self.requests = self.after_body(then);
                    }
                    Progress::Malformed(here) => {
                        self.add_request_bytes(here);
                        if let Some(unreadable) = self.queue.back_mut() {
                            unreadable.readable = false;
                        }
                        let reason = Reason::MalformedRequestChunk;
                        return self.lose(reason, &rest[here..], 0, tcp, sink);
                    }
                },
                Requests::Offered(..) => return self.keep_offered(rest, passed, tcp, sink),
                Requests::Last => return,
                Requests::Lost(lost) => {
                    lost.bytes += rest.len() as u64;
                    return;
                }
            }
        }
    }

    /// Reads a request head, or keeps what there is of it. Gives the bytes after it.
    fn request_head<'a>(
        &mut self,
        rest: &'a [u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        let rest = skip_empty_lines(&mut self.partial_request, rest);
        if self.partial_request.is_empty() {
            self.partial_since = passed.read;
        }
        // Nearly every head comes in one piece; then there is no need to look for its end first.
        if self.partial_request.is_empty()
            && self.queue.len() < MAX_PIPELINED
            && let Ok((read, length)) = head::request(rest, &self.rules, self.has_room())
            && length <= self.rules.max_head_bytes
        {
            self.began(read, length, passed, sink);
            return &rest[length..];
        }
        let (reason, seen, more) =
            match gather(&mut self.partial_request, rest, self.rules.max_head_bytes) {
                Gathered::Incomplete => return &[],
                Gathered::TooLarge { seen, more } => (Reason::RequestHeadTooLarge, seen, more),
                Gathered::Whole { head, rest } => {
                    match head::request(&head, &self.rules, self.has_room()) {
                        Ok((read, _)) if self.queue.len() < MAX_PIPELINED => {
                            self.began(read, head.len(), passed, sink);
                            return rest;
                        }
                        Ok(_) => (Reason::PipelineTooDeep, head, rest.len()),
                        Err(reason) => (reason, head, rest.len()),
                    }
                }
            };
        self.lose(reason, &seen, more, tcp, sink);
        &[]
    }

    /// Whether so few requests wait that the path of one more may be kept.
    fn has_room(&self) -> bool {
        self.queue.len() < MAX_NEW_PATHS
    }

    fn began(&mut self, head: RequestHead, bytes: usize, passed: Passed, sink: &mut impl Sink) {
        let offered = Offered::by(&head);
        let probe = head.probe && self.rules.probes_apart;
        self.queue.push_back(Pending {
            started: self.partial_since,
            bytes: bytes as u64,
            held: passed.held(),
            host: head.host,
            method: head.method,
            path: head.path,
            version: head.version,
            content: head.content,
            last: head.last,
            readable: true,
            probe,
            trace: head.trace.filter(|_| self.rules.traces),
        });
        self.web[0] = if probe { None } else { WebBody::of_request(head.content) };
        if head.upgrade {
            self.offered = offered;
        }
        sink.event(if probe { Event::ProbeBegan } else { Event::Began { host: head.host } });
        let then = Then { offer: head.upgrade, last: head.last };
        self.requests = match (head.method, Body::of_request(head.framing)) {
            // What follows is a body only if the tunnel is refused (RFC 9110, 9.3.6).
            (Method::Connect, body) => Requests::Offered(body, Then { offer: false, ..then }),
            (_, Some(body)) => Requests::Body(body, then),
            (_, None) => self.after_body(then),
        };
    }

    fn after_body(&self, then: Then) -> Requests {
        // An offer may have been declined while its body was still being sent.
        if then.offer && self.newest_waits() {
            Requests::Offered(None, Then { offer: false, ..then })
        } else if then.last {
            Requests::Last
        } else {
            Requests::Head
        }
    }

    /// Whether the answer to the newest request is still to begin.
    fn newest_waits(&self) -> bool {
        match self.queue.len() {
            0 => false,
            1 => self.answer.status == 0,
            _ => true,
        }
    }

    /// Bytes of the request that is being sent, if it is not answered already.
    fn add_request_bytes(&mut self, bytes: usize) {
        if let Some(pending) = self.queue.back_mut() {
            pending.bytes += bytes as u64;
        }
    }

    fn keep_offered(
        &mut self,
        rest: &[u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        if self.partial_request.is_empty() {
            self.partial_since = passed.read;
        }
        if self.partial_request.len() + rest.len() > self.rules.max_head_bytes {
            let seen = std::mem::take(&mut self.partial_request);
            return self.lose(Reason::UpgradeBacklog, &seen, rest.len(), tcp, sink);
        }
        self.partial_request.extend_from_slice(rest);
    }

    /// The offer to leave HTTP was declined: what came after it is read as HTTP after all. The
    /// requests among it are taken to have begun together, when the first of those bytes was read.
    fn declined(&mut self, tcp: &mut TcpMeter, sink: &mut impl Sink) {
        let Requests::Offered(body, then) = self.requests else { return };
        self.requests = match body {
            Some(body) => Requests::Body(body, then),
            None => self.after_body(then),
        };
        let kept = std::mem::take(&mut self.partial_request);
        let passed = Passed { read: self.partial_since, written: self.partial_since };
        self.request(&kept, passed, tcp, sink);
    }

    /// Stops reading requests. `seen` and `more` bytes after it belong to none.
    fn lose(
        &mut self,
        reason: Reason,
        seen: &[u8],
        more: usize,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        let protocol = Protocol::Http1;
        sink.event(Event::Unparsed { protocol, reason });
        let bytes = seen.len() + more;
        if !tcp.is_open() {
            tcp.bytes(Direction::Request, bytes, sink);
        }
        self.requests = Requests::Lost(Lost {
            since: self.partial_since,
            bytes: bytes as u64,
            method: method_of_unread(seen),
            answerable: matches!(
                reason,
                Reason::MalformedRequest
                    | Reason::RequestHeadTooLarge
                    | Reason::AmbiguousRequestLength
                    | Reason::AnsweredEarly
            ),
            doubtful: false,
        });
    }
}

/// Counts the messages of a call in gRPC-Web.
fn count_messages(
    web: &mut Option<Box<WebBody>>,
    of: Option<&Pending>,
    direction: Direction,
    content: &[u8],
    sink: &mut impl Sink,
) {
    if let (Some(web), Some(pending)) = (web, of) {
        let count = web.count(content);
        if count > 0 {
            sink.event(Event::Messages { host: pending.host, direction, count });
        }
    }
}

/// What a request that cannot be read asks for may still be clear from its first word.
fn method_of_unread(seen: &[u8]) -> Method {
    let space = seen.iter().take(LONGEST_METHOD + 1).position(|&b| b == b' ');
    space.map_or(Method::Other, |space| match Method::read(&seen[..space]) {
        // Whether it asks for a tunnel is not known.
        Method::Connect => Method::Other,
        method => method,
    })
}

/// Bytes of the longest method that has a name here.
const LONGEST_METHOD: usize = 7;
/// Requests of one connection that may keep the text of a path that is new until they are answered.
const MAX_NEW_PATHS: usize = 16;

/// Requests that may wait for their answers on one connection before they are too many to keep
/// track of; no client in use pipelines as deep.
const MAX_PIPELINED: usize = 1024;
