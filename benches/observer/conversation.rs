//! A kept HTTP/2 connection whose heads name every header by its place in the dynamic table, as
//! clients and servers do from the second exchange on (RFC 7541, 6.1 and 6.2.1).

use podmeter::observe::{Direction, Watcher};

use super::{Count, say};

/// A connection on which one exchange is said again and again.
pub(crate) struct Conversation {
    request: Side,
    response: Side,
    stream: u32,
}

/// What a side says on a stream, in order.
pub(crate) enum Part {
    Head(&'static [(&'static str, &'static str)]),
    Body(Vec<u8>),
}

impl Conversation {
    /// Says hello, and the exchange once with its headers spelled out.
    pub(crate) fn open(
        [request, response]: [&[Part]; 2],
        watcher: &mut Watcher,
        count: &mut Count,
    ) -> Self {
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS].concat();
        say(watcher, Direction::Request, &preface, count);
        say(watcher, Direction::Response, &[SETTINGS, ACKNOWLEDGED].concat(), count);
        say(watcher, Direction::Request, ACKNOWLEDGED, count);
        let side = Side::spelled_out;
        let mut first = Self { request: side(request), response: side(response), stream: 1 };
        first.say(watcher, count);
        let side = Side::by_index;
        Self { request: side(request), response: side(response), stream: first.stream }
    }

    /// Says the exchange on the next stream, in one chunk each way.
    pub(crate) fn say(&mut self, watcher: &mut Watcher, count: &mut Count) {
        say(watcher, Direction::Request, self.request.on(self.stream), count);
        say(watcher, Direction::Response, self.response.on(self.stream), count);
        self.stream += 2;
    }
}

/// The frames of one side.
#[derive(Default)]
struct Side {
    bytes: Vec<u8>,
    /// Where in them stream identifiers are.
    identifiers: Vec<usize>,
}

impl Side {
    /// With literal headers that the other end adds to its table.
    fn spelled_out(parts: &[Part]) -> Self {
        Self::new(parts, |block, (name, value), _| {
            block.push(0x40);
            for text in [name, value] {
                block.push(small(text.len()));
                block.extend(text.bytes());
            }
        })
    }

    /// With headers that are in the table already.
    fn by_index(parts: &[Part]) -> Self {
        Self::new(parts, |block, _, index| block.push(0x80 | small(index)))
    }

    /// `header` adds one to a block, given its index once all of them are in the table: the newest
    /// is the first after the static ones.
    fn new(parts: &[Part], header: fn(&mut Vec<u8>, (&str, &str), usize)) -> Self {
        let mut this = Self::default();
        let heads =
            parts.iter().map(|part| if let Part::Head(head) = part { head.len() } else { 0 });
        let mut index = STATIC_ENTRIES + heads.sum::<usize>();
        for (place, part) in parts.iter().enumerate() {
            let end_stream = u8::from(place + 1 == parts.len());
            match part {
                Part::Head(head) => {
                    let mut block = Vec::new();
                    for field in *head {
                        header(&mut block, *field, index);
                        index -= 1;
                    }
                    this.frame(HEADERS, END_HEADERS | end_stream, &block);
                }
                Part::Body(body) => this.frame(DATA, end_stream, body),
            }
        }
        this
    }

    fn frame(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.bytes.extend(&length[1..]);
        self.bytes.extend([kind, flags]);
        self.identifiers.push(self.bytes.len());
        self.bytes.extend([0; 4]);
        self.bytes.extend(payload);
    }

    fn on(&mut self, stream: u32) -> &[u8] {
        for place in &self.identifiers {
            self.bytes[*place..place + 4].copy_from_slice(&stream.to_be_bytes());
        }
        &self.bytes
    }
}

/// An integer that fits into the seven bits before the first border of HPACK's.
fn small(value: usize) -> u8 {
    assert!(value < 127, "{value} needs more than a byte");
    u8::try_from(value).unwrap()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const ACKNOWLEDGED: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
const STATIC_ENTRIES: usize = 61;
