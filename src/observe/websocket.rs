//! Follows `WebSocket` frames (RFC 6455, 5.2): how many of which kind, and why it was closed.
//!
//! Payloads are passed over; of a close frame the code is read.

use super::{Direction, Event, Sink};
use crate::clock::Nanos;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// More of a message.
    Continuation,
    /// Text.
    Text,
    /// Anything but text.
    Binary,
    /// The connection is to be closed.
    Close,
    /// Is anybody there?
    Ping,
    /// Yes.
    Pong,
}

impl FrameKind {
    /// Every kind, in the order of the metric's series.
    pub const ALL: [Self; 6] =
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];

    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continuation => "continuation",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Close => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
        }
    }

    fn of_opcode(opcode: u8) -> Option<Self> {
        Some(match opcode {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why a `WebSocket` was closed (RFC 6455, 7.4), as a closed set of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(u8);

impl CloseCode {
    /// A close frame without a code.
    pub const NONE: Self = Self(5);
    /// The connection ended without a close frame.
    pub const ABNORMAL: Self = Self(6);
    /// How many there are.
    pub const COUNT: usize = LABELS.len();

    /// The code as it was sent.
    pub fn of(code: u16) -> Self {
        Self(match code {
            1000..=1015 => (code - 1000).to_le_bytes()[0],
            3000..=3999 => 16,
            4000..=4999 => 17,
            _ => 18,
        })
    }

    /// A position in the metric's series.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The label of the code at an [`index`](Self::index).
    pub fn label(index: usize) -> &'static str {
        LABELS.get(index).copied().unwrap_or("other")
    }
}

const LABELS: [&str; 19] = [
    "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010", "1011",
    "1012", "1013", "1014", "1015", "3xxx", "4xxx", "other",
];

/// An open `WebSocket`, both ways.
#[derive(Debug)]
pub(super) struct WebSocket {
    client: Frames,
    app: Frames,
    opened: Nanos,
    /// What the first close frame said.
    code: Option<CloseCode>,
}

impl WebSocket {
    pub(super) fn open(now: Nanos, sink: &mut impl Sink) -> Self {
        sink.event(Event::WebSocketOpened);
        let (client, app) = (Frames::of(Direction::Request), Frames::of(Direction::Response));
        Self { client, app, opened: now, code: None }
    }

    /// Bytes passed. Gives `false` once, when frames can no longer be made out among them.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> bool {
        let mut is_whole = true;
        let frames = match direction {
            Direction::Request => &mut self.client,
            Direction::Response => &mut self.app,
        };
        frames.read(bytes, |seen| match seen {
            Seen::Frame(kind) => sink.event(Event::WebSocketFrame { direction, kind }),
            Seen::Closed(code) => _ = self.code.get_or_insert(code),
            Seen::Broken => is_whole = false,
        });
        is_whole
    }

    pub(super) fn closed(&self, now: Nanos, sink: &mut impl Sink) {
        let code = self.code.unwrap_or(CloseCode::ABNORMAL);
        sink.event(Event::WebSocketClosed { code, lasted: now.since(self.opened) });
    }
}

/// The frames of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frames {
    by_client: bool,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// In a frame's head, so many bytes of which have come.
    Head { bytes: [u8; LONGEST_HEAD], have: u8 },
    /// In a payload.
    Payload { kind: FrameKind, left: u64, mask: [u8; 4], code: [u8; 2], read: u8 },
    /// These are no frames.
    Broken,
}

/// What came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Frame(FrameKind),
    Closed(CloseCode),
    Broken,
}

impl Frames {
    pub(super) fn of(direction: Direction) -> Self {
        Self { by_client: direction == Direction::Request, at: At::START }
    }

    /// Reads on, and tells each frame that came to its end.
    pub(super) fn read(&mut self, mut rest: &[u8], mut tell: impl FnMut(Seen)) {
        loop {
            match &mut self.at {
                At::Broken => return,
                At::Head { bytes, have } => {
                    let needed = head_length(&bytes[..usize::from(*have)]);
                    if usize::from(*have) < needed {
                        let Some((&byte, after)) = rest.split_first() else { return };
                        rest = after;
                        bytes[usize::from(*have)] = byte;
                        *have += 1;
                        continue;
                    }
                    let head = *bytes;
                    self.at = payload(&head[..needed], self.by_client).unwrap_or(At::Broken);
                    if let At::Broken = self.at {
                        return tell(Seen::Broken);
                    }
                }
                At::Payload { kind, left, mask, code, read } => {
                    if *kind == FrameKind::Close {
                        for (&byte, at) in rest.iter().zip(*read..2) {
                            code[usize::from(at)] = byte ^ mask[usize::from(at)];
                            *read += 1;
                        }
                    }
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    rest = &rest[here..];
                    *left -= here as u64;
                    if *left > 0 {
                        return;
                    }
                    let (kind, code, read) = (*kind, *code, *read);
                    self.at = At::START;
                    tell(Seen::Frame(kind));
                    if kind == FrameKind::Close {
                        tell(Seen::Closed(match read {
                            2 => CloseCode::of(u16::from_be_bytes(code)),
                            _ => CloseCode::NONE,
                        }));
                    }
                }
            }
        }
    }
}

impl At {
    const START: Self = Self::Head { bytes: [0; LONGEST_HEAD], have: 0 };
}

/// How long a head is that begins with `bytes`, as far as they tell.
fn head_length(bytes: &[u8]) -> usize {
    let Some(&second) = bytes.get(1) else { return 2 };
    let length_bytes = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
    2 + length_bytes + mask_bytes
}

/// The payload that a head announces; `None` where it breaks the rules (RFC 6455, 5.1 to 5.5).
fn payload(head: &[u8], by_client: bool) -> Option<At> {
    let [first, second, rest @ ..] = head else { return None };
    let kind = FrameKind::of_opcode(first & 0xf)?;
    let is_masked = second & 0x80 != 0;
    let (length, mask) = rest.split_at(rest.len() - if is_masked { 4 } else { 0 });
    let length = match length {
        [] => u64::from(second & 0x7f),
        more => more.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
    };
    let is_final = first & 0x80 != 0;
    let control_is_short = !kind.is_control() || (is_final && length <= 125);
    let may_stand = is_masked == by_client && control_is_short && length >> 63 == 0;
    let mask = mask.try_into().unwrap_or_default();
    may_stand.then_some(At::Payload { kind, left: length, mask, code: [0; 2], read: 0 })
}

/// Two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let length = payload.len();
        let flag = if mask.is_some() { 0x80 } else { 0 };
        let mut bytes = match u8::try_from(length) {
            Ok(length @ 0..=125) => vec![first, flag + length],
            _ if length < 0x10000 => {
                [&[first, flag + 126], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat()
            }
            _ => [&[first, flag + 127], &(length as u64).to_be_bytes()[..]].concat(),
        };
        let mask = mask.inspect(|mask| bytes.extend(mask)).unwrap_or_default();
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn told(direction: Direction, bytes: &[u8], size: usize) -> Vec<Seen> {
        let (mut frames, mut seen) = (Frames::of(direction), Vec::new());
        for chunk in bytes.chunks(size) {
            frames.read(chunk, |event| seen.push(event));
        }
        seen
    }

    #[test]
    fn frames_of_every_length_are_followed_however_they_are_split() {
        let mask = Some([1, 2, 3, 4]);
        let expected = [
            Seen::Frame(FrameKind::Text),
            Seen::Frame(FrameKind::Binary),
            Seen::Frame(FrameKind::Ping),
            Seen::Frame(FrameKind::Continuation),
            Seen::Frame(FrameKind::Pong),
            Seen::Frame(FrameKind::Close),
            Seen::Closed(CloseCode::of(1001)),
        ];
        for (direction, mask) in [(Direction::Request, mask), (Direction::Response, None)] {
            let bytes = [
                frame(0x81, b"hello", mask),
                frame(0x42, &[0; 300], mask),
                frame(0x89, b"", mask),
                frame(0x80, &vec![0; 70_000], mask),
                frame(0x8a, b"x", mask),
                frame(0x88, b"\x03\xe9and why", mask),
            ]
            .concat();
            for size in [1, 2, 3, 7, 1 << 20] {
                assert_eq!(told(direction, &bytes, size), expected, "{size}");
            }
        }
    }

    #[test]
    fn a_code_is_one_of_few_labels() {
        let label = |code| CloseCode::label(CloseCode::of(code).index());
        for (code, expected) in
            [(1000, "1000"), (1015, "1015"), (3333, "3xxx"), (4999, "4xxx"), (0, "other")]
        {
            assert_eq!(label(code), expected);
        }
        assert_eq!(CloseCode::label(CloseCode::NONE.index()), "1005");
        assert_eq!(CloseCode::label(CloseCode::ABNORMAL.index()), "1006");
        let bytes = frame(0x88, b"", None);
        let none = [Seen::Frame(FrameKind::Close), Seen::Closed(CloseCode::NONE)];
        assert_eq!(told(Direction::Response, &bytes, 1), none);
    }

    #[test]
    fn what_breaks_the_rules_is_no_frame() {
        let mask = Some([9; 4]);
        for (direction, bytes) in [
            (Direction::Request, frame(0x81, b"unmasked", None)),
            (Direction::Response, frame(0x81, b"masked", mask)),
            (Direction::Response, frame(0x83, b"reserved", None)),
            (Direction::Response, frame(0x09, b"in parts", None)),
            (Direction::Response, frame(0x88, &[0; 126], None)),
            (Direction::Response, [&[0x82, 127], &[0xff; 8][..]].concat()),
        ] {
            assert_eq!(told(direction, &bytes, 1), [Seen::Broken]);
        }
    }
}
