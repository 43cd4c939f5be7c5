//! Walks through the frames of one direction (RFC 9113, 4.1), whatever chunks they come in.
//!
//! Payloads that must be known whole are put together, which costs a copy only where they come in
//! pieces; DATA is handed on as it comes, and all others are passed over.

use crate::clock::Nanos;
use crate::observe::{Passed, Reason};
use std::borrow::Cow;

/// The head of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// When its first byte was read, and when that had been passed on.
    pub(super) since: (Nanos, Nanos),
}

impl FrameHead {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of it on the wire.
    pub(super) fn wire_bytes(&self) -> u64 {
        u64::from(self.length) + HEAD as u64
    }
}

/// One direction of frames.
#[derive(Debug)]
pub(super) struct Walk {
    at: At,
    head: FrameHead,
    /// The head of a frame as far as it has come.
    partial_head: [u8; HEAD],
    /// A payload as far as it has come.
    partial: Vec<u8>,
    /// The longest payload that whoever reads the frames allows.
    pub(super) max_length: u32,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug)]
enum At {
    /// The client connection preface (RFC 9113, 3.4), so many bytes of which have come.
    Preface(usize),
    /// A frame's head, so many bytes of which have come.
    Head(usize),
    /// A payload that is put together, so many bytes of which are to come, and so many after it
    /// that nobody wants.
    Whole(u32, u32),
    /// DATA: so many bytes are still to come, and the last of them are padding.
    Data {
        left: u32,
        padding: Padding,
        is_first: bool,
    },
    Skipped(u32),
}

#[derive(Clone, Copy, Debug)]
enum Padding {
    /// The next byte says how much there is.
    Unknown,
    Bytes(u32),
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// All bytes have been read.
    Nothing,
    /// A frame begins. Its payload is wanted or not: see [`Walk::want`].
    Head,
    /// A payload that was put together.
    Payload(Cow<'a, [u8]>),
    /// A part of DATA.
    Data(Data<'a>),
    /// These are no frames.
    Broken(Reason),
}

/// A part of a DATA frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    /// Bytes of the payload.
    pub(super) bytes: u64,
    /// What is not padding among them.
    pub(super) content: &'a [u8],
    /// Nothing of the payload came before it.
    pub(super) is_first: bool,
    /// The frame ends with it.
    pub(super) is_last: bool,
}

impl Walk {
    pub(super) fn of_client() -> Self {
        Self { at: At::Preface(0), ..Self::of_app() }
    }

    pub(super) fn of_app() -> Self {
        Self {
            at: At::Head(0),
            head: FrameHead::default(),
            partial_head: [0; HEAD],
            partial: Vec::new(),
            max_length: LEAST_MAX_LENGTH,
        }
    }

    /// The frame that was begun last.
    pub(super) fn head(&self) -> FrameHead {
        self.head
    }

    /// A first byte has come.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.at, At::Head(0) | At::Preface(0)) || self.head.length > 0
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// After [`Piece::Head`]: the first `bytes` of the payload, or all if there are fewer, shall be
    /// put together, even if there are none.
    pub(super) fn want(&mut self, bytes: u32) {
        let wanted = bytes.min(self.head.length);
        self.at = At::Whole(wanted, self.head.length - wanted);
    }

    /// After [`Piece::Head`]: the payload is DATA.
    pub(super) fn want_data(&mut self) {
        let padding = if self.head.has(PADDED) { Padding::Unknown } else { Padding::Bytes(0) };
        self.at = At::Data { left: self.head.length, padding, is_first: true };
    }

    /// Reads on in `rest`. May be asked again while it gives something, even if `rest` is empty.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8], passed: Passed) -> Piece<'a> {
        loop {
            match self.at {
                At::Head(have) => return self.next_head(have, rest, passed),
                At::Whole(left, after) => return self.next_payload(left, after, rest),
                At::Data { left, padding, is_first } => {
                    return self.next_data(left, padding, is_first, rest);
                }
                At::Skipped(left) => {
                    let here = cut(rest, left);
                    let left = left - length(here);
                    if left > 0 {
                        self.at = At::Skipped(left);
                        return Piece::Nothing;
                    }
                    self.at = At::Head(0);
                }
                At::Preface(have) => {
                    let missing = &PREFACE[have..];
                    let same = rest.iter().zip(missing).take_while(|(a, b)| a == b).count();
                    *rest = &rest[same..];
                    if same < missing.len() {
                        self.at = At::Preface(have + same);
                        let is_over = rest.is_empty();
                        let broken = Piece::Broken(Reason::MalformedRequest);
                        return if is_over { Piece::Nothing } else { broken };
                    }
                    self.at = At::Head(0);
                }
            }
        }
    }

    fn next_head<'a>(&mut self, have: usize, rest: &mut &'a [u8], passed: Passed) -> Piece<'a> {
        if rest.is_empty() {
            return Piece::Nothing;
        }
        let since = if have == 0 { (passed.read, passed.written) } else { self.head.since };
        let whole = if have == 0 { rest.split_first_chunk() } else { None };
        let bytes = if let Some((bytes, after)) = whole {
            *rest = after;
            *bytes
        } else {
            self.head.since = since;
            let here = cut(rest, length(&self.partial_head[have..]));
            let now = have + here.len();
            self.partial_head[have..now].copy_from_slice(here);
            if now < HEAD {
                self.at = At::Head(now);
                return Piece::Nothing;
            }
            self.partial_head
        };
        let [l0, l1, l2, kind, flags, stream @ ..] = bytes;
        self.head = FrameHead {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            // The first bit is reserved, and ignored.
            stream: u32::from_be_bytes(stream) & !(1 << 31),
            since,
        };
        if self.head.length > self.max_length {
            return Piece::Broken(Reason::FrameTooLarge);
        }
        self.at = At::Skipped(self.head.length);
        Piece::Head
    }

    fn next_payload<'a>(&mut self, left: u32, after: u32, rest: &mut &'a [u8]) -> Piece<'a> {
        if self.partial.is_empty() && rest.len() >= left as usize {
            self.at = At::Skipped(after);
            return Piece::Payload(Cow::Borrowed(cut(rest, left)));
        }
        let here = cut(rest, left);
        self.partial.extend_from_slice(here);
        let left = left - length(here);
        if left > 0 {
            self.at = At::Whole(left, after);
            return Piece::Nothing;
        }
        self.at = At::Skipped(after);
        Piece::Payload(Cow::Owned(std::mem::take(&mut self.partial)))
    }

    fn next_data<'a>(
        &mut self,
        left: u32,
        padding: Padding,
        is_first: bool,
        rest: &mut &'a [u8],
    ) -> Piece<'a> {
        let (here, content, left, padding) = match padding {
            Padding::Bytes(padding) => {
                let here = cut(rest, left);
                let content = &here[..here.len().min(left.saturating_sub(padding) as usize)];
                (length(here), content, left, padding)
            }
            Padding::Unknown if left == 0 => return Piece::Broken(Reason::MalformedFrame),
            Padding::Unknown => {
                let said = cut(rest, 1);
                let padding = said.first().copied().map_or(0, u32::from);
                if padding >= left {
                    return Piece::Broken(Reason::MalformedFrame);
                }
                (length(said), &said[..0], left, padding)
            }
        };
        if here == 0 && left > 0 {
            return Piece::Nothing;
        }
        let left = left - here;
        self.at = if left > 0 {
            At::Data { left, padding: Padding::Bytes(padding), is_first: false }
        } else {
            At::Head(0)
        };
        Piece::Data(Data { bytes: u64::from(here), content, is_first, is_last: left == 0 })
    }
}

/// Takes up to `most` bytes from the front of `rest`.
fn cut<'a>(rest: &mut &'a [u8], most: u32) -> &'a [u8] {
    let (here, after) = rest.split_at(rest.len().min(most as usize));
    *rest = after;
    here
}

/// The length of something that is no longer than a frame.
#[expect(clippy::cast_possible_truncation, reason = "a frame's length has 24 bits")]
fn length(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}

/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;
/// What everybody must take (RFC 9113, 4.2).
pub(super) const LEAST_MAX_LENGTH: u32 = 16_384;
/// What nobody may go beyond.
pub(super) const MOST_MAX_LENGTH: u32 = (1 << 24) - 1;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types and flags (RFC 9113, 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const NO_ERROR: u32 = 0;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const WITH_PRIORITY: u8 = 0x20;

#[cfg(test)]
mod tests;
