//! Leaves HTTP/1 for another protocol: a tunnel, `WebSocket`, or HTTP/2.

use super::Http1;
use super::head::{RequestHead, ResponseHead, Upgrade};
use crate::clock::Nanos;
use crate::observe::host::HostId;
use crate::observe::http2::H2cSettings;
use crate::observe::path::Path;
use crate::observe::trace::Trace;
use crate::observe::watcher::TcpMeter;
use crate::observe::{Direction, Method, Sink};

/// What the request whose answer is awaited offers to go on with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offered {
    websocket: bool,
    h2c: Option<H2cSettings>,
}

impl Offered {
    pub(super) fn by(head: &RequestHead) -> Self {
        Self { websocket: head.websocket, h2c: head.h2c }
    }

    fn accepted_by(self, head: &ResponseHead) -> Option<To> {
        match head.upgrade {
            _ if head.status != 101 => None,
            Upgrade::WebSocket if self.websocket => Some(To::WebSocket),
            Upgrade::H2c => self.h2c.map(To::Http2),
            _ => None,
        }
    }
}

/// A protocol that is read on.
#[derive(Clone, Copy, Debug)]
enum To {
    WebSocket,
    Http2(H2cSettings),
}

/// That HTTP/1 was left, and what the next protocol must be shown.
#[derive(Debug)]
pub(in crate::observe) struct Left {
    pub(in crate::observe) to: LeftFor,
    /// What the client has sent ahead, and when the first of it came.
    pub(in crate::observe) ahead: Vec<u8>,
    pub(in crate::observe) since: Nanos,
    /// How many of the bytes that were just shown come after the answer.
    pub(in crate::observe) rest: usize,
}

/// The protocol that goes on.
#[derive(Debug)]
pub(in crate::observe) enum LeftFor {
    WebSocket,
    /// The request that offered it is answered there, as stream 1 (RFC 7540, 3.2).
    Http2 {
        settings: H2cSettings,
        request: Asked,
    },
}

/// A request that is answered in HTTP/2.
#[derive(Clone, Debug)]
pub(in crate::observe) struct Asked {
    pub(in crate::observe) host: HostId,
    pub(in crate::observe) method: Method,
    pub(in crate::observe) path: Path,
    pub(in crate::observe) started: Nanos,
    pub(in crate::observe) held: u64,
    pub(in crate::observe) request_bytes: u64,
    pub(in crate::observe) response_bytes: u64,
    pub(in crate::observe) probe: bool,
    pub(in crate::observe) trace: Option<Trace>,
}

impl Http1 {
    /// Whether HTTP/1 was left for a protocol that is read on; asked after each chunk.
    pub(in crate::observe) fn left(&mut self) -> Option<Box<Left>> {
        self.left.take()
    }

    /// Goes on in HTTP/2 if the app agrees; then the exchange is not over.
    pub(super) fn goes_on_in_http2(&mut self, head: &ResponseHead, rest: usize) -> bool {
        let Some(To::Http2(settings)) = self.offered.accepted_by(head) else { return false };
        if self.queue.len() != 1 {
            return false;
        }
        let Some(pending) = self.queue.pop_front() else { return false };
        let request = Asked {
            host: pending.host,
            method: pending.method,
            path: pending.path,
            started: pending.started,
            held: pending.held,
            request_bytes: pending.bytes,
            response_bytes: self.answer.bytes,
            probe: pending.probe,
            trace: pending.trace,
        };
        let ahead = std::mem::take(&mut self.partial_request);
        let to = LeftFor::Http2 { settings, request };
        self.left = Some(Box::new(Left { to, ahead, since: self.partial_since, rest }));
        true
    }

    /// HTTP is over, and the rest is TCP; perhaps there are `WebSocket` frames to be made out.
    pub(super) fn became_tunnel(
        &mut self,
        head: &ResponseHead,
        rest: usize,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        let ahead = std::mem::take(&mut self.partial_request);
        if !tcp.is_open() {
            tcp.open(sink);
            tcp.bytes(Direction::Request, ahead.len(), sink);
            tcp.bytes(Direction::Response, rest, sink);
        }
        // Of what was asked after the offer nobody knows what it is.
        if self.queue.is_empty()
            && let Some(To::WebSocket) = self.offered.accepted_by(head)
        {
            let (to, since) = (LeftFor::WebSocket, self.partial_since);
            self.left = Some(Box::new(Left { to, ahead, since, rest }));
        }
        self.drop_requests(sink);
    }
}
