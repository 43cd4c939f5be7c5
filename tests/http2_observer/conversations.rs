//! Conversations in good HTTP/2, made up at random.

use crate::law::{Script, Step};
use crate::wire::*;
use loona_hpack::Encoder;
use podmeter::observe::{Direction, Ending};
use proptest::prelude::*;
use std::ops::Range;

/// What happens next on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The client opens a stream.
    Asks {
        with_body: bool,
        padded: bool,
        parts: usize,
    },
    /// The client sends a part of a body, or its end.
    Sends {
        stream: prop::sample::Index,
        length: usize,
        last: bool,
    },
    /// The app gives a head: an interim one, or the final one with or without more to come.
    Answers {
        stream: prop::sample::Index,
        status: u16,
        last: bool,
        parts: usize,
    },
    /// The app sends a part of a body.
    Gives {
        stream: prop::sample::Index,
        length: usize,
        padded: bool,
        last: bool,
    },
    /// The app ends its answer with trailers.
    Trails {
        stream: prop::sample::Index,
    },
    Resets {
        stream: prop::sample::Index,
        by_app: bool,
    },
    /// A frame that is about nothing.
    Pings {
        by_app: bool,
    },
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let stream = || any::<prop::sample::Index>();
    let status = prop::sample::select(&[100_u16, 103, 200, 200, 204, 302, 404, 500, 503, 418][..]);
    let act = prop_oneof![
        4 => (any::<bool>(), any::<bool>(), 1..4_usize)
            .prop_map(|(with_body, padded, parts)| Act::Asks { with_body, padded, parts }),
        3 => (stream(), 0..60_usize, any::<bool>())
            .prop_map(|(stream, length, last)| Act::Sends { stream, length, last }),
        4 => (stream(), status, any::<bool>(), 1..4_usize)
            .prop_map(|(stream, status, last, parts)| Act::Answers { stream, status, last, parts }),
        4 => (stream(), 0..60_usize, any::<bool>(), any::<bool>()).prop_map(
            |(stream, length, padded, last)| Act::Gives { stream, length, padded, last }
        ),
        1 => stream().prop_map(|stream| Act::Trails { stream }),
        1 => (stream(), any::<bool>()).prop_map(|(stream, by_app)| Act::Resets { stream, by_app }),
        1 => any::<bool>().prop_map(|by_app| Act::Pings { by_app }),
    ];
    proptest::collection::vec(act, 1..40)
}

/// A script, and which of its bytes are content: in which step, and where there.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) script: Script,
    pub(crate) content: Vec<(usize, Range<usize>)>,
}

/// What both sides know of a stream.
#[derive(Clone, Copy, Debug)]
struct Stream {
    id: u32,
    is_asked: bool,
    has_status: bool,
}

/// Puts acts into bytes; those that could not happen do not.
pub(crate) fn conversation(acts: &[Act], ending: Ending) -> Conversation {
    let mut talk = Talk {
        steps: vec![
            Step::Says(Direction::Request, hello()),
            Step::Says(Direction::Response, hello_back()),
        ],
        content: Vec::new(),
        encoders: [Encoder::new(), Encoder::new()],
        streams: Vec::new(),
        next: 1,
    };
    for act in acts {
        talk.act(act);
    }
    if ending == Ending::Finished {
        talk.steps.push(Step::Finishes(Direction::Response));
        talk.steps.push(Step::Finishes(Direction::Request));
    }
    let script = Script { max_head_bytes: 64 * 1024, steps: talk.steps, ending };
    Conversation { script, content: talk.content }
}

struct Talk {
    steps: Vec<Step>,
    content: Vec<(usize, Range<usize>)>,
    encoders: [Encoder<'static>; 2],
    streams: Vec<Stream>,
    next: u32,
}

impl Talk {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Asks { with_body, padded, parts } => {
                let id = self.next;
                self.next += 2;
                let path = format!("/{}", id % 7);
                let fields = [(":method", "POST"), (":path", &path), (":authority", "shop")];
                let flags = if *with_body { 0 } else { END_STREAM };
                self.heads(0, id, flags, *padded, *parts, &fields);
                self.streams.push(Stream { id, is_asked: !with_body, has_status: false });
            }
            Act::Sends { stream, length, last } => {
                let Some(stream) = self.pick(*stream, |stream| !stream.is_asked) else { return };
                stream.is_asked = *last;
                let id = stream.id;
                self.data(0, id, *length, false, *last);
            }
            Act::Answers { stream, status, last, parts } => {
                let Some(stream) = self.pick(*stream, |stream| !stream.has_status) else { return };
                let is_final = *status >= 200;
                stream.has_status = is_final;
                let (id, last) = (stream.id, *last && is_final);
                let value = status.to_string();
                let flags = if last { END_STREAM } else { 0 };
                self.heads(1, id, flags, false, *parts, &[(":status", &value), ("server", "x")]);
                self.over_if(last, id);
            }
            Act::Gives { stream, length, padded, last } => {
                let Some(stream) = self.pick(*stream, |stream| stream.has_status) else { return };
                let id = stream.id;
                self.data(1, id, *length, *padded, *last);
                self.over_if(*last, id);
            }
            Act::Trails { stream } => {
                let Some(stream) = self.pick(*stream, |stream| stream.has_status) else { return };
                let id = stream.id;
                self.heads(1, id, END_STREAM, false, 1, &[("grpc-status", "0")]);
                self.over_if(true, id);
            }
            Act::Resets { stream, by_app } => {
                let Some(stream) = self.pick(*stream, |_| true) else { return };
                let id = stream.id;
                self.says(usize::from(*by_app), reset(id, CANCEL));
                self.over_if(true, id);
            }
            Act::Pings { by_app } => {
                self.says(usize::from(*by_app), frame(PING, 0, 0, b"12345678"));
            }
        }
    }

    fn pick(
        &mut self,
        index: prop::sample::Index,
        may: impl Fn(&Stream) -> bool,
    ) -> Option<&mut Stream> {
        let mut able: Vec<_> = self.streams.iter_mut().filter(|stream| may(stream)).collect();
        if able.is_empty() {
            return None;
        }
        Some(able.swap_remove(index.index(able.len())))
    }

    fn over_if(&mut self, over: bool, id: u32) {
        if over {
            self.streams.retain(|stream| stream.id != id);
        }
    }

    fn says(&mut self, side: usize, bytes: Vec<u8>) {
        let direction = [Direction::Request, Direction::Response][side];
        self.steps.push(Step::Says(direction, bytes));
    }

    fn heads(
        &mut self,
        side: usize,
        id: u32,
        flags: u8,
        padded: bool,
        parts: usize,
        fields: &[(&str, &str)],
    ) {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let block = self.encoders[side].encode(fields);
        let (first, rest) = block.split_at(block.len() / parts);
        let is_whole = rest.is_empty();
        let end = |is_last: bool| if is_last { END_HEADERS } else { 0 };
        let payload = if padded { [&[4], first, &[0; 4]].concat() } else { first.to_vec() };
        let flags = flags | end(is_whole) | if padded { PADDED } else { 0 };
        let mut bytes = frame(HEADERS, flags, id, &payload);
        if !is_whole {
            bytes.extend(frame(CONTINUATION, END_HEADERS, id, rest));
        }
        self.says(side, bytes);
    }

    fn data(&mut self, side: usize, id: u32, length: usize, padded: bool, last: bool) {
        let content = vec![b'c'; length];
        let payload = if padded { [&[9], content.as_slice(), &[0; 9]].concat() } else { content };
        let flags = if padded { PADDED } else { 0 } | if last { END_STREAM } else { 0 };
        let start = 9 + usize::from(padded);
        self.content.push((self.steps.len(), start..start + length));
        self.says(side, data(id, flags, payload));
    }
}
