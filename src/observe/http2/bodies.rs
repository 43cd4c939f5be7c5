//! What is read in bodies: messages of gRPC and gRPC-Web, and `WebSocket` in tunnels.

use super::Http2;
use super::streams::Stream;
use crate::clock::Nanos;
use crate::observe::grpc::web::WebBody;
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::websocket::WebSocket;
use crate::observe::{Direction, Event, Flags, Passed, Sink};

/// What few streams need besides.
#[derive(Debug)]
pub(super) enum Extra {
    /// Of a gRPC-Web call, the request and the answer.
    Web([Option<Box<WebBody>>; 2]),
    /// A tunnel, whose exchange is over (RFC 8441, 5), and which side has ended it.
    Tunnel(Option<Box<WebSocket>>, [bool; 2]),
}

impl Extra {
    /// What a stream needs when it is opened.
    pub(super) fn of(content: ContentKind) -> Option<Self> {
        let request = WebBody::of_request(content)?;
        Some(Self::Web([Some(request), WebBody::of_answer(content)]))
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Self::Web(bodies) => bodies.iter().flatten().map(|body| body.kept_bytes()).sum(),
            Self::Tunnel(websocket, _) => websocket.as_deref().map_or(0, size_of_val),
        }
    }
}

impl Http2 {
    /// Content of a stream.
    pub(super) fn content_of(
        &mut self,
        id: u32,
        direction: Direction,
        content: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let side = usize::from(direction == Direction::Response);
        if let Some(stream) = self.streams.get_mut(id) {
            let count = match stream.content {
                ContentKind::Other => 0,
                ContentKind::Grpc => stream.messages[side].count(content),
                ContentKind::GrpcWeb | ContentKind::GrpcWebText => {
                    let Some(Extra::Web(bodies)) = self.extras.get_mut(&id) else { return };
                    bodies[side].as_mut().map_or(0, |body| body.count(content))
                }
            };
            if count > 0 && !stream.is_probe {
                sink.event(Event::Messages { host: stream.host, direction, count });
            }
        } else if let Some(Extra::Tunnel(websocket, _)) = self.extras.get_mut(&id)
            && let Some(open) = websocket
            && !open.data(direction, content, sink)
        {
            open.closed(passed.written, sink);
            *websocket = None;
        }
    }

    /// A stream is no more; gives what it was.
    pub(super) fn take(&mut self, id: u32) -> Option<Stream> {
        let mut stream = self.streams.remove(id)?;
        if let Some(Extra::Web([_, answer])) = self.take_extra(id) {
            let said = answer.map_or(GrpcStatus::NONE, |answer| answer.status());
            if said != GrpcStatus::NONE {
                stream.grpc_status = said;
            }
        }
        Some(stream)
    }

    /// A tunnel is there: the exchange is over, and what follows is none.
    pub(super) fn became_tunnel(
        &mut self,
        id: u32,
        is_over: bool,
        passed: Passed,
        sink: &mut impl Sink,
    ) {
        let Some(stream) = self.take(id) else { return };
        let (websocket, is_asked) = (stream.websocket, stream.is_asked);
        self.record(stream, Flags::None, passed, sink);
        if !is_over {
            let open = websocket.then(|| Box::new(WebSocket::open(passed.written, sink)));
            self.extras.insert(id, Extra::Tunnel(open, [is_asked, false]));
        }
    }

    /// One side has ended its half of what may be a tunnel, or both with a reset.
    pub(super) fn tunnel_ends(
        &mut self,
        id: u32,
        ended: [bool; 2],
        now: Nanos,
        sink: &mut impl Sink,
    ) {
        let Some(Extra::Tunnel(_, halves)) = self.extras.get_mut(&id) else { return };
        for (half, ended) in halves.iter_mut().zip(ended) {
            *half |= ended;
        }
        if *halves == [true, true]
            && let Some(Extra::Tunnel(Some(websocket), _)) = self.take_extra(id)
        {
            websocket.closed(now, sink);
        }
    }

    /// All tunnels end with the connection.
    pub(super) fn tunnels_end(&mut self, now: Nanos, sink: &mut impl Sink) {
        let mut extras: Vec<_> = std::mem::take(&mut self.extras).into_iter().collect();
        extras.sort_unstable_by_key(|(id, _)| *id);
        for (_, extra) in extras {
            if let Extra::Tunnel(Some(websocket), _) = extra {
                websocket.closed(now, sink);
            }
        }
    }

    fn take_extra(&mut self, id: u32) -> Option<Extra> {
        if self.extras.is_empty() {
            return None;
        }
        let extra = self.extras.remove(&id);
        if self.extras.is_empty() {
            self.extras.shrink_to_fit();
        }
        extra
    }
}
