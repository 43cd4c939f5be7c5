//! Reads along with HTTP/2: which streams were opened and what became of each.
//!
//! The frames of both directions are walked through (`frame`), header blocks are followed in full
//! because each can depend on all before it (`hpack`), and DATA is followed and never kept. What
//! is kept is bounded: a frame's payload that came in pieces, a header block for each direction,
//! the two tables of HPACK, and a few words for each stream that is not over.
//!
//! Where either side breaks the protocol, the other gives the connection up, and so does the
//! observer: what is in flight then is not counted as anything.

mod blocks;
mod bodies;
mod endings;
mod field;
mod frame;
mod hpack;
mod streams;
mod upgrade;

pub(super) use upgrade::H2cSettings;

use super::grpc::ContentKind;
use super::watcher::TcpMeter;
use super::{Direction, Passed, Reason, Rules, Sink};
use crate::clock::Nanos;
use blocks::Block;
use bodies::Extra;
use frame::{ACK, Data, END_STREAM, Piece, Walk};
use hpack::Decoder;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use streams::{Spread, Streams};

/// The observer of one HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Http2 {
    rules: Arc<Rules>,
    client: Lane,
    app: Lane,
    streams: Streams,
    extras: HashMap<u32, Extra, Spread>,
    /// The last stream that the client has opened.
    newest: u32,
    /// The last stream that the app has promised to push.
    promised: u32,
    /// The app takes no streams above this one any more (GOAWAY).
    last_taken: Option<LastTaken>,
    since: Nanos,
    client_bytes: u64,
    client_finished: bool,
    app_finished: bool,
    is_lost: bool,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    walk: Walk,
    decoder: Decoder,
    /// A header block that goes on in the next frame.
    block: Option<Box<Block>>,
    /// What the other side's SETTINGS say of the header table, for those that this side has not
    /// yet acknowledged, oldest first.
    to_acknowledge: VecDeque<Option<u32>>,
    /// The first frame has come.
    has_begun: bool,
}

/// What a GOAWAY said.
#[derive(Clone, Copy, Debug)]
struct LastTaken {
    stream: u32,
    /// The app asks for nothing but another connection.
    in_order: bool,
}

impl Http2 {
    /// For a connection whose first byte came at `since`.
    pub(super) fn new(rules: Arc<Rules>, since: Nanos) -> Self {
        Self {
            rules,
            client: Lane::new(Walk::of_client()),
            app: Lane::new(Walk::of_app()),
            streams: Streams::default(),
            extras: HashMap::default(),
            newest: 0,
            promised: 0,
            last_taken: None,
            since,
            client_bytes: 0,
            client_finished: false,
            app_finished: false,
            is_lost: false,
        }
    }

    /// Nothing is understood any more.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The app has not said anything.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.app.has_begun && !self.app.walk.has_begun()
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// When the client's first byte came, and how many came since.
    pub(super) fn asked(&self) -> (Nanos, u64) {
        (self.since, self.client_bytes)
    }

    /// A first request has been read.
    pub(super) fn has_request(&self) -> bool {
        self.newest > 0
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        size_of::<Self>()
            + self.client.kept_bytes()
            + self.app.kept_bytes()
            + self.streams.kept_bytes()
            + self.extras.capacity() * size_of::<(u32, Extra)>()
            + self.extras.values().map(Extra::kept_bytes).sum::<usize>()
    }

    /// Bytes from one side.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        passed: Passed,
        tcp: &mut TcpMeter,
        sink: &mut impl Sink,
    ) {
        if direction == Direction::Request {
            self.client_bytes += bytes.len() as u64;
        }
        let mut rest = bytes;
        while !self.is_lost {
            let before = rest.len();
            let read = match self.lane(direction).walk.next(&mut rest, passed) {
                Piece::Nothing => return,
                Piece::Head => self.begins(direction),
                Piece::Data(data) => {
                    let read = self.content(direction, data, passed, sink);
                    if read.is_err() {
                        return self.lose(read, direction, before, passed.written, tcp, sink);
                    }
                    read
                }
                Piece::Payload(payload) => self.payload(direction, &payload, passed, sink),
                Piece::Broken(reason) => Err(reason),
            };
            if read.is_err() {
                self.lose(read, direction, rest.len(), passed.written, tcp, sink);
            }
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Request => &mut self.client,
            Direction::Response => &mut self.app,
        }
    }

    /// A frame begins: may it stand here, and what of it is wanted?
    fn begins(&mut self, direction: Direction) -> Result<(), Reason> {
        let (newest, promised) = (self.newest, self.promised);
        let max_head_bytes = self.rules.max_head_bytes;
        let lane = self.lane(direction);
        let head = lane.walk.head();
        if !lane.has_begun {
            if head.kind != frame::SETTINGS || head.has(ACK) {
                return Err(match direction {
                    Direction::Request => Reason::MalformedRequest,
                    Direction::Response => Reason::MalformedResponse,
                });
            }
            lane.has_begun = true;
        }
        // Nothing may come between the frames of a header block (RFC 9113, 4.3).
        let continues = lane.block.as_ref().map(|block| block.stream);
        let is_continuation = head.kind == frame::CONTINUATION;
        if continues.is_some() != is_continuation || continues.is_some_and(|id| id != head.stream) {
            return Err(Reason::UnexpectedFrame);
        }
        let is_idle = if head.stream.is_multiple_of(2) {
            head.stream > promised
        } else {
            head.stream > newest
        };
        let must = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
        let length = |holds| must(holds, Reason::MalformedFrame);
        let on_connection = must(head.stream == 0, Reason::UnexpectedFrame);
        let on_stream = must(head.stream != 0, Reason::UnexpectedFrame);
        match head.kind {
            frame::DATA => {
                on_stream.and(must(!is_idle, Reason::UnexpectedFrame))?;
                lane.walk.want_data();
            }
            frame::HEADERS | frame::PUSH_PROMISE | frame::CONTINUATION => {
                on_stream?;
                let before = lane.block.as_ref().map_or(0, |block| block.fragments.len());
                if before + head.length as usize > max_head_bytes {
                    return Err(match direction {
                        Direction::Request => Reason::RequestHeadTooLarge,
                        Direction::Response => Reason::ResponseHeadTooLarge,
                    });
                }
                lane.walk.want(u32::MAX);
            }
            frame::RST_STREAM => {
                on_stream.and(must(!is_idle, Reason::UnexpectedFrame))?;
                length(head.length == 4)?;
                lane.walk.want(4);
            }
            frame::SETTINGS => {
                on_connection?;
                let whole = head.length.is_multiple_of(SETTING);
                length(if head.has(ACK) { head.length == 0 } else { whole })?;
                must(head.length <= frame::LEAST_MAX_LENGTH, Reason::FrameTooLarge)?;
                lane.walk.want(u32::MAX);
            }
            frame::GOAWAY => {
                on_connection.and(length(head.length >= 8))?;
                lane.walk.want(8);
            }
            frame::PING => on_connection.and(length(head.length == 8))?,
            frame::WINDOW_UPDATE => length(head.length == 4)?,
            frame::PRIORITY => on_stream.and(length(head.length == 5))?,
            // What is not known is passed over (RFC 9113, 4.1).
            _ => {}
        }
        Ok(())
    }

    /// A part of a DATA frame.
    fn content(
        &mut self,
        direction: Direction,
        data: Data<'_>,
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        let head = self.lane(direction).walk.head();
        if let Some(stream) = self.streams.get_mut(head.stream) {
            let may_stand = match direction {
                Direction::Request => !stream.is_asked,
                Direction::Response => stream.status != 0,
            };
            if data.is_first && !may_stand {
                return Err(Reason::UnexpectedFrame);
            }
            let bytes = data.bytes + if data.is_first { frame::HEAD as u64 } else { 0 };
            match direction {
                Direction::Request => stream.request_bytes += bytes,
                Direction::Response => {
                    stream.response_bytes += bytes;
                    if !data.content.is_empty() {
                        stream.first_data.comes(passed.written);
                    }
                }
            }
            if stream.content != ContentKind::Other {
                self.content_of(head.stream, direction, data.content, passed, sink);
            }
        } else if !self.extras.is_empty() {
            self.content_of(head.stream, direction, data.content, passed, sink);
        }
        // Of a stream that is over, the other side may not have known when it sent this.
        if data.is_last && head.has(END_STREAM) {
            self.ends(direction, head.stream, passed, sink);
        }
        Ok(())
    }

    /// A payload that was put together.
    fn payload(
        &mut self,
        direction: Direction,
        payload: &[u8],
        passed: Passed,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        let head = self.lane(direction).walk.head();
        match head.kind {
            frame::SETTINGS if head.has(ACK) => self.acknowledged(direction),
            frame::SETTINGS => self.settings(direction, payload),
            frame::RST_STREAM => {
                self.reset(direction, head.stream, passed, sink);
                Ok(())
            }
            frame::GOAWAY => {
                self.goes_away(direction, payload, passed, sink);
                Ok(())
            }
            _ => self.fragment(direction, head, payload, passed, sink),
        }
    }

    /// One side says what it takes (RFC 9113, 6.5).
    fn settings(&mut self, from: Direction, payload: &[u8]) -> Result<(), Reason> {
        // They are about what the other side sends.
        let lane = self.lane(match from {
            Direction::Request => Direction::Response,
            Direction::Response => Direction::Request,
        });
        let mut table_size = None;
        for setting in payload.chunks_exact(SETTING as usize) {
            let [i0, i1, value @ ..] = setting else { continue };
            let value = value.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
            match u16::from_be_bytes([*i0, *i1]) {
                HEADER_TABLE_SIZE => {
                    lane.decoder.offer(value);
                    table_size = Some(value);
                }
                MAX_FRAME_SIZE => {
                    let allowed = frame::LEAST_MAX_LENGTH..=frame::MOST_MAX_LENGTH;
                    if !allowed.contains(&value) {
                        return Err(Reason::MalformedFrame);
                    }
                    lane.walk.max_length = lane.walk.max_length.max(value);
                }
                _ => {}
            }
        }
        if lane.to_acknowledge.len() >= MAX_UNACKNOWLEDGED {
            return Err(Reason::UnexpectedFrame);
        }
        lane.to_acknowledge.push_back(table_size);
        Ok(())
    }

    /// From here on one side keeps to what the other has said longest ago.
    fn acknowledged(&mut self, by: Direction) -> Result<(), Reason> {
        let lane = self.lane(by);
        match lane.to_acknowledge.pop_front() {
            Some(Some(size)) => lane.decoder.limit(size),
            Some(None) => {}
            None => return Err(Reason::UnexpectedFrame),
        }
        Ok(())
    }
}

impl Lane {
    fn new(walk: Walk) -> Self {
        Self {
            walk,
            decoder: Decoder::new(),
            block: None,
            to_acknowledge: VecDeque::new(),
            has_begun: false,
        }
    }

    fn kept_bytes(&self) -> usize {
        let block = self.block.as_ref().map_or(0, |block| block.kept_bytes());
        let settings = self.to_acknowledge.capacity() * size_of::<Option<u32>>();
        self.walk.kept_bytes() + self.decoder.kept_bytes() + block + settings
    }
}

/// Bytes of one setting.
const SETTING: u32 = 6;
// Settings (RFC 9113, 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const MAX_FRAME_SIZE: u16 = 5;
/// SETTINGS that one side may leave without an answer.
const MAX_UNACKNOWLEDGED: usize = 100;
/// Streams open at once that are kept track of; servers allow a few hundred.
const MAX_STREAMS: usize = 16_384;
/// Of these, how many may keep the text of a path that is new until they are answered.
const MAX_NEW_PATHS: usize = 256;
/// Of these, calls in gRPC-Web, which need more.
const MAX_WEB_CALLS: usize = 1024;
