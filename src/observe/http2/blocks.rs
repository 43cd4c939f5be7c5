//! Header blocks: requests begin with one, answers too, and either may end with one.

use super::bodies::Extra;
use super::field::Head;
use super::frame::{self, END_HEADERS, END_STREAM, FrameHead, PADDED, WITH_PRIORITY};
use super::streams::Stream;
use super::{Http2, MAX_NEW_PATHS, MAX_STREAMS, MAX_WEB_CALLS};
use crate::clock::{Awaited, Nanos};
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::path::Path;
use crate::observe::{Direction, Method, Passed, Reason, Sink};

/// A header block, perhaps not yet all of it.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) stream: u32,
    ends_stream: bool,
    /// It is the request of a push, and not of the stream itself.
    is_promise: bool,
    /// When its first byte was read, and when that had been passed on.
    since: (Nanos, Nanos),
    wire_bytes: u64,
    pub(super) fragments: Vec<u8>,
}

impl Block {
    pub(super) fn kept_bytes(&self) -> usize {
        size_of::<Self>() + self.fragments.capacity()
    }
}

impl Http2 {
    /// The payload of a frame that holds a header block or a part of one.
    pub(super) fn fragment(
        &mut self,
        direction: Direction,
        head: FrameHead,
        payload: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        if let Some(mut block) = self.lane(direction).block.take() {
            block.fragments.extend_from_slice(payload);
            block.wire_bytes += head.wire_bytes();
            if head.has(END_HEADERS) {
                let fragments = std::mem::take(&mut block.fragments);
                return self.block(direction, &block, &fragments, passed, sink);
            }
            self.lane(direction).block = Some(block);
            return Ok(());
        }
        let is_promise = head.kind == frame::PUSH_PROMISE;
        let fragment = unpadded(head, payload).ok_or(Reason::MalformedFrame)?;
        let fragment = if is_promise {
            self.promise(direction, fragment)?
        } else if head.has(WITH_PRIORITY) {
            fragment.get(PRIORITY_BYTES..).ok_or(Reason::MalformedFrame)?
        } else {
            fragment
        };
        let mut block = Block {
            stream: head.stream,
            ends_stream: head.has(END_STREAM) && !is_promise,
            is_promise,
            since: head.since,
            wire_bytes: head.wire_bytes(),
            fragments: Vec::new(),
        };
        if head.has(END_HEADERS) {
            return self.block(direction, &block, fragment, passed, sink);
        }
        block.fragments.extend_from_slice(fragment);
        self.lane(direction).block = Some(Box::new(block));
        Ok(())
    }

    /// The app promises to push (RFC 9113, 6.6). What is pushed answers nothing that the client
    /// has asked, so it is followed and not counted.
    fn promise<'a>(&mut self, from: Direction, payload: &'a [u8]) -> Result<&'a [u8], Reason> {
        let (promised, fragment) = payload.split_first_chunk().ok_or(Reason::MalformedFrame)?;
        let promised = u32::from_be_bytes(*promised) & !(1 << 31);
        let may_stand =
            from == Direction::Response && promised.is_multiple_of(2) && promised > self.promised;
        if !may_stand {
            return Err(Reason::UnexpectedFrame);
        }
        self.promised = promised;
        Ok(fragment)
    }

    /// A whole header block.
    fn block(
        &mut self,
        direction: Direction,
        block: &Block,
        fragments: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        let mut head = Head::default();
        let has_room = self.streams.len() < MAX_NEW_PATHS;
        let lane = match direction {
            Direction::Request => &mut self.client,
            Direction::Response => &mut self.app,
        };
        let path = lane.decoder.read(fragments, &self.rules, has_room, |field| head.take(field))?;
        head.trace = lane.decoder.trace().filter(|_| self.rules.traces);
        if block.is_promise {
            return Ok(());
        }
        match direction {
            Direction::Request => self.asks(block, &head, path, passed, sink),
            Direction::Response => self.answers(block, &head, passed, sink),
        }
    }

    /// The client opens a stream, or ends one with trailers.
    fn asks(
        &mut self,
        block: &Block,
        head: &Head,
        path: Path,
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        if block.stream.is_multiple_of(2) {
            return Err(Reason::UnexpectedFrame);
        }
        if block.stream > self.newest {
            return self.opens(block, head, path, passed, sink);
        }
        let Some(stream) = self.streams.get_mut(block.stream) else {
            // It is over; the client may not have known when it sent this.
            return Ok(());
        };
        if stream.is_asked || !block.ends_stream {
            return Err(Reason::UnexpectedFrame);
        }
        stream.request_bytes += block.wire_bytes;
        self.ends(Direction::Request, block.stream, passed, sink);
        Ok(())
    }

    fn opens(
        &mut self,
        block: &Block,
        head: &Head,
        path: Path,
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        // A tunnel is no open exchange any more, but it is still a stream.
        let extra = Extra::of(head.content);
        let too_many = self.streams.len() + self.extras.len() >= MAX_STREAMS
            || (extra.is_some() && self.extras.len() >= MAX_WEB_CALLS);
        if too_many {
            return Err(Reason::TooManyStreams);
        }
        self.newest = block.stream;
        let is_probe = head.is_kubelet && self.rules.probes_apart;
        let stream = Stream {
            started: block.since.0,
            first_byte: Awaited::STILL,
            first_data: Awaited::STILL,
            held: passed.held(),
            request_bytes: block.wire_bytes,
            response_bytes: 0,
            messages: Default::default(),
            status: 0,
            host: head.service(),
            method: head.method,
            path: if is_probe { Path::OTHER } else { path },
            content: head.content,
            grpc_status: GrpcStatus::NONE,
            is_asked: block.ends_stream,
            is_probe,
            trace: head.trace,
            websocket: head.websocket,
        };
        if let Some(last) = self.last_taken
            && block.stream > last.stream
        {
            // The app has said that it does not look at this any more.
            if !last.in_order {
                sink.event(stream.began());
                self.refused(stream, passed, sink);
            }
            return Ok(());
        }
        sink.event(stream.began());
        if self.app_finished {
            self.broken_off(stream, passed, sink);
        } else {
            if let Some(extra) = extra {
                self.extras.insert(block.stream, extra);
            }
            self.streams.insert(block.stream, stream);
        }
        Ok(())
    }

    /// The app answers, or ends its answer with trailers.
    fn answers(
        &mut self,
        block: &Block,
        head: &Head,
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        let id = block.stream;
        let is_idle = if id.is_multiple_of(2) { id > self.promised } else { id > self.newest };
        if is_idle {
            return Err(Reason::UnexpectedFrame);
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        stream.response_bytes += block.wire_bytes;
        if stream.status != 0 {
            // Trailers: nothing may follow them (RFC 9113, 8.1).
            if !block.ends_stream {
                return Err(Reason::UnexpectedFrame);
            }
        } else if matches!(head.status, 100..=199) {
            if block.ends_stream {
                return Err(Reason::MalformedResponse);
            }
            return Ok(());
        } else if head.status == 0 {
            return Err(Reason::MalformedResponse);
        } else {
            stream.status = head.status;
            stream.first_byte.comes(block.since.1);
        }
        if stream.content != ContentKind::Other && head.grpc_status != GrpcStatus::NONE {
            stream.grpc_status = head.grpc_status;
        }
        if stream.method == Method::Connect && matches!(stream.status, 200..=299) {
            self.became_tunnel(id, block.ends_stream, passed, sink);
        } else if block.ends_stream {
            self.ends(Direction::Response, id, passed, sink);
        }
        Ok(())
    }
}

/// What of a payload is not padding (RFC 9113, 6.2).
fn unpadded(head: FrameHead, payload: &[u8]) -> Option<&[u8]> {
    if !head.has(PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

/// A stream dependency and a weight (RFC 9113, 6.2).
const PRIORITY_BYTES: usize = 5;
