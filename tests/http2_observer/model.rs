//! Another reading of HTTP/2, as plain as can be: it has all bytes of a step at once, keeps every
//! header with another's HPACK decoder, and knows nothing of chunks, memory or time.

use crate::law::{Script, Step};
use crate::wire::*;
use loona_hpack::Decoder;
use podmeter::observe::{Direction, Ending};
use std::collections::BTreeMap;

/// What became of a stream: its number, status and flags.
pub(crate) type Exchange = (u32, u16, &'static str);

/// What the model makes of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) exchanges: Vec<Exchange>,
    /// How many of them were over when each step was.
    pub(crate) after_step: Vec<usize>,
    /// It has met something that it does not understand.
    pub(crate) is_broken: bool,
    sides: [Side; 2],
    /// Statuses of the streams that are open; 0 for none yet.
    open: BTreeMap<u32, u16>,
    newest: u32,
    has_finished: [bool; 2],
}

#[derive(Default)]
struct Side {
    bytes: Vec<u8>,
    decoder: Decoder<'static>,
    /// A header block that goes on: the stream, whether it ends that, and the fragments.
    block: Option<(u32, bool, Vec<u8>)>,
    has_begun: bool,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl Model {
    pub(crate) fn of(script: &Script) -> Self {
        let mut model = Self::default();
        model.sides[1].has_begun = true;
        for side in &mut model.sides {
            side.decoder.set_max_allowed_table_size(4096);
        }
        for step in &script.steps {
            if !model.is_broken {
                model.is_broken = model.step(step).is_none();
            }
            model.after_step.push(model.exchanges.len());
        }
        if !model.is_broken {
            let flags = match script.ending {
                Ending::AppReset => APP_LEAVES,
                _ => ["DC", "DC"],
            };
            model.all_over(flags);
        }
        model
    }

    fn step(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::Finishes(Direction::Request) => self.has_finished[0] = true,
            Step::Finishes(Direction::Response) => {
                self.has_finished[1] = true;
                self.all_over(APP_LEAVES);
            }
            Step::Says(direction, bytes) => {
                let index = usize::from(*direction == Direction::Response);
                self.sides[index].bytes.extend(bytes);
                if !self.sides[index].has_begun {
                    let Some(rest) = self.sides[index].bytes.strip_prefix(PREFACE) else {
                        return Some(());
                    };
                    self.sides[index].bytes = rest.to_vec();
                    self.sides[index].has_begun = true;
                }
                while let Some((kind, flags, stream, payload)) = self.sides[index].frame() {
                    self.frame(index, kind, flags, stream, payload)?;
                }
            }
        }
        Some(())
    }

    fn frame(
        &mut self,
        by: usize,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: Vec<u8>,
    ) -> Option<()> {
        let ends = flags & END_STREAM != 0;
        match kind {
            HEADERS => {
                let payload = without_padding(flags, payload)?;
                let skipped = if flags & WITH_PRIORITY != 0 { 5 } else { 0 };
                let fragment = payload.get(skipped..)?.to_vec();
                if flags & END_HEADERS != 0 {
                    return self.block(by, stream, ends, &fragment);
                }
                self.sides[by].block = Some((stream, ends, fragment));
            }
            CONTINUATION => {
                let (stream, ends, mut block) = self.sides[by].block.take()?;
                block.extend(payload);
                if flags & END_HEADERS != 0 {
                    return self.block(by, stream, ends, &block);
                }
                self.sides[by].block = Some((stream, ends, block));
            }
            DATA => {
                without_padding(flags, payload)?;
                if ends && by == 1 {
                    self.over(stream, ["", "-"]);
                }
            }
            RST_STREAM => self.over(stream, if by == 0 { ["DC", "DC"] } else { ["UR", "UR"] }),
            // What those change is not said in these conversations.
            SETTINGS | PING | WINDOW_UPDATE | PRIORITY => {}
            _ => return None,
        }
        Some(())
    }

    fn block(&mut self, by: usize, stream: u32, ends: bool, block: &[u8]) -> Option<()> {
        let fields = self.sides[by].decoder.decode(block).ok()?;
        if by == 0 {
            if stream > self.newest {
                self.newest = stream;
                self.open.insert(stream, 0);
                if self.has_finished[1] {
                    self.over(stream, APP_LEAVES);
                }
            }
            return Some(());
        }
        if let Some(status) = self.open.get_mut(&stream) {
            if *status == 0 {
                let (_, value) = fields.iter().find(|(name, _)| name == b":status")?;
                let said: u16 = str::from_utf8(value).ok()?.parse().ok()?;
                *status = if said < 200 { 0 } else { said };
            }
            if ends {
                self.over(stream, ["", "-"]);
            }
        }
        Some(())
    }

    /// A stream is over: under these flags without and with a status.
    fn over(&mut self, stream: u32, flags: [&'static str; 2]) {
        let Some(status) = self.open.remove(&stream) else { return };
        let client_left_first = self.has_finished[0] && flags == APP_LEAVES;
        let flags = if client_left_first { ["DC", "DC"] } else { flags };
        let flags = flags[usize::from(status != 0)];
        let status = if status == 0 && flags != "DC" { 503 } else { status };
        self.exchanges.push((stream, status, flags));
    }

    fn all_over(&mut self, flags: [&'static str; 2]) {
        let open: Vec<u32> = self.open.keys().copied().collect();
        for stream in open {
            self.over(stream, flags);
        }
    }
}

impl Side {
    fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *self.bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let payload = self.bytes.get(9..9 + length)?.to_vec();
        self.bytes.drain(..9 + length);
        Some((kind, flags, u32::from_be_bytes([s0, s1, s2, s3]) & !(1 << 31), payload))
    }
}

/// Without and with a status.
const APP_LEAVES: [&str; 2] = ["UC", "UPE"];

fn without_padding(flags: u8, payload: Vec<u8>) -> Option<Vec<u8>> {
    if flags & PADDED == 0 {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    Some(rest.get(..rest.len().checked_sub(usize::from(padding))?)?.to_vec())
}
