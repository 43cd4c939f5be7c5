//! Follows HPACK (RFC 7541) exactly, to know the few fields that matter.
//!
//! A header block can only be read by who has read all before it, so every instruction is carried
//! out. But nothing is built: a field is looked at where it stands, and the dynamic table keeps
//! what a field says to us and its length.

mod huffman;
mod table;
mod texts;
mod traces;

use super::field::{Field, Name};
use crate::observe::path::{Path, PathId};
use crate::observe::trace::Trace;
use crate::observe::{Reason, Rules};
use table::{INITIAL_SIZE, Table};
pub(super) use traces::Kept;
use traces::Traces;

/// The decoder of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// The largest table that whoever reads the blocks allows.
    limit: u32,
    /// The reader has asked for less than the table had; the next block must say so (RFC 7541,
    /// 4.2).
    must_shrink_to: Option<u32>,
    traces: Traces,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(),
            limit: INITIAL_SIZE,
            must_shrink_to: None,
            traces: Traces::default(),
        }
    }

    /// The reader's `SETTINGS_HEADER_TABLE_SIZE` is on its way; the writer may use it from now on.
    pub(super) fn offer(&mut self, limit: u32) {
        self.limit = self.limit.max(limit);
    }

    /// The writer has acknowledged the reader's `SETTINGS_HEADER_TABLE_SIZE`.
    pub(super) fn limit(&mut self, limit: u32) {
        self.limit = limit;
        if limit < self.table.max() {
            let least = self.must_shrink_to.unwrap_or(limit);
            self.must_shrink_to = Some(least.min(limit));
        }
    }

    /// Reads a whole header block and hands on each field that matters. Gives the path; a new one is
    /// only kept where there is room for it.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        rules: &Rules,
        has_room: bool,
        mut take: impl FnMut(Field),
    ) -> Result<Path, Reason> {
        self.traces.begin();
        let mut rest = block;
        while let Some((&first, _)) = rest.split_first()
            && first & 0xe0 == 0x20
        {
            let size = integer(&mut rest, 5).ok_or(BROKEN)?;
            self.resize(size)?;
        }
        if self.must_shrink_to.is_some() && !rest.is_empty() {
            return Err(BROKEN);
        }
        let mut path = None;
        // Two of them: readers differ on which one counts, so neither does.
        let mut take_path = |read| path = Some(if path.is_none() { read } else { Path::OTHER });
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7).ok_or(BROKEN)?;
                let field = self.table.get(index).ok_or(BROKEN)?.field;
                match field {
                    Field::Path(known) => take_path(Path::Known(known)),
                    Field::NewPath(number) => {
                        take_path(self.path_again(index, number, rules, has_room));
                    }
                    Field::Trace(kept) => self.traces.told(kept),
                    field => take(field),
                }
            } else if first & 0xe0 == 0x20 {
                // A change of size stands before all fields.
                return Err(BROKEN);
            } else {
                match self.literal(first, &mut rest, rules, has_room).ok_or(BROKEN)? {
                    Literal::Path(read) => take_path(read),
                    Literal::Field(field) => take(field),
                }
            }
        }
        Ok(path.unwrap_or(Path::OTHER))
    }

    /// The trace that the block just read tells of, if that is sampled.
    pub(super) fn trace(&self) -> Option<Trace> {
        self.traces.trace()
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.table.kept_bytes() + self.traces.kept_bytes()
    }

    fn resize(&mut self, size: u32) -> Result<(), Reason> {
        let most = self.must_shrink_to.take().unwrap_or(self.limit);
        if size > most {
            return Err(BROKEN);
        }
        if size > LARGEST_TABLE {
            return Err(Reason::HeaderTableTooLarge);
        }
        self.table.resize(size);
        Ok(())
    }

    fn literal(
        &mut self,
        first: u8,
        rest: &mut &[u8],
        rules: &Rules,
        has_room: bool,
    ) -> Option<Literal> {
        let is_indexed = first & 0x40 != 0;
        let (name, name_length) = match integer(rest, if is_indexed { 6 } else { 4 })? {
            0 => {
                let name = Text::read(rest)?;
                name.decode(|name| Name::of(name).unwrap_or(Name::Other))?
            }
            index => {
                let entry = self.table.get(index)?;
                (entry.field.name(), usize::from(entry.name_length))
            }
        };
        let value = Text::read(rest)?;
        let (field, value_length) = match name {
            Name::Other => (Field::Other, value.length()?),
            Name::Trace(name) => {
                let (said, length) = value.decode(|value| name.with(value))?;
                (Field::Trace(self.traces.keep(name, said)), length)
            }
            Name::Path => {
                let (path, value_length) = match &rules.paths {
                    Some(_) => value.path(rules, has_room)?,
                    None => (Path::OTHER, value.length()?),
                };
                if is_indexed {
                    match &path {
                        Path::Known(id) => {
                            self.table.add(Field::Path(*id), name_length, value_length);
                        }
                        Path::New(template) => {
                            self.table.add_path(template.clone(), name_length, value_length);
                        }
                    }
                }
                return Some(Literal::Path(path));
            }
            name => value.decode(|value| name.with(value, rules))?,
        };
        if is_indexed {
            self.table.add(field, name_length, value_length);
        }
        Some(Literal::Field(field))
    }

    /// A path that an entry names whose template was new when the entry was added.
    fn path_again(&mut self, index: u32, number: u16, rules: &Rules, has_room: bool) -> Path {
        let Some(paths) = &rules.paths else { return Path::OTHER };
        let path = match number {
            // What the static table has may be of a template of the configuration.
            texts::ROOT | texts::INDEX => paths.find(self.table.text(number).as_bytes(), has_room),
            number => paths.find_again(self.table.text(number), has_room),
        };
        if let Path::Known(known) = path
            && known != PathId::OTHER
        {
            self.table.path_known(index, number, known);
        }
        path
    }
}

/// What a field says that is spelled out.
enum Literal {
    Path(Path),
    Field(Field),
}

/// A string as it stands in a block.
#[derive(Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    huffman: bool,
}

impl<'a> Text<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let huffman = rest.first()? & 0x80 != 0;
        let length = integer(rest, 7)?;
        let (bytes, after) = rest.split_at_checked(length as usize)?;
        *rest = after;
        Some(Self { bytes, huffman })
    }

    /// Its length once decoded; `None` where it cannot be.
    fn length(self) -> Option<usize> {
        if self.huffman { huffman::decode(self.bytes, |_| {}) } else { Some(self.bytes.len()) }
    }

    /// The path that it is, and its length. Of a very long one only the query may be long.
    fn path(self, rules: &Rules, has_room: bool) -> Option<(Path, usize)> {
        let mut is_whole = true;
        let (path, length) = self.decode(|target| {
            is_whole = target.len() < LONGEST_OF_INTEREST || target.contains(&b'?');
            rules.path(target, has_room)
        })?;
        Some((if is_whole { path } else { Path::OTHER }, length))
    }

    /// What `read` makes of it, and its length. Of a very long one it is shown the beginning.
    fn decode<T>(self, read: impl FnOnce(&[u8]) -> T) -> Option<(T, usize)> {
        if !self.huffman {
            return Some((read(self.bytes), self.bytes.len()));
        }
        let mut octets = [0; LONGEST_OF_INTEREST];
        let mut at = 0;
        let length = huffman::decode(self.bytes, |octet| {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
                at += 1;
            }
        })?;
        Some((read(&octets[..at]), length))
    }
}

/// An integer whose first byte has `bits` bits of it (RFC 7541, 5.1); `None` where it ends early or
/// is larger than anything here may be.
fn integer(rest: &mut &[u8], bits: u32) -> Option<u32> {
    let (&first, mut after) = rest.split_first()?;
    let most = (1_u32 << bits) - 1;
    let mut value = u32::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&next, later) = after.split_first()?;
            after = later;
            if shift > 21 {
                return None;
            }
            value += u32::from(next & 0x7f) << shift;
            shift += 7;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = after;
    Some(value)
}

const BROKEN: Reason = Reason::MalformedHeaderBlock;
/// A writer may be allowed a table of gigabytes; none in use asks for more than this.
const LARGEST_TABLE: u32 = 64 * 1024;
/// No value that says anything to us is longer.
const LONGEST_OF_INTEREST: usize = 512;

#[cfg(test)]
mod tests;
