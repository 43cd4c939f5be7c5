//! Follows HPACK (RFC 7541) exactly, to know the few fields that matter.
//!
//! A header block can only be read by who has read all before it, so every instruction is carried
//! out. But nothing is built: a field is looked at where it stands, and the dynamic table keeps
//! what a field says to us and its length.

mod huffman;
mod table;
mod traces;

use super::field::{Field, Name};
use crate::observe::Reason;
use crate::observe::host::KnownHosts;
use crate::observe::trace::Trace;
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

    /// Reads a whole header block and hands on each field that matters.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        hosts: &KnownHosts,
        mut take: impl FnMut(Field),
    ) -> Result<(), Reason> {
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
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7).ok_or(BROKEN)?;
                let field = self.table.get(index).ok_or(BROKEN)?.field;
                if let Field::Trace(kept) = field {
                    self.traces.told(kept);
                }
                take(field);
            } else if first & 0xe0 == 0x20 {
                // A change of size stands before all fields.
                return Err(BROKEN);
            } else {
                take(self.literal(first, &mut rest, hosts).ok_or(BROKEN)?);
            }
        }
        Ok(())
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

    fn literal(&mut self, first: u8, rest: &mut &[u8], hosts: &KnownHosts) -> Option<Field> {
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
            name => value.decode(|value| name.with(value, hosts))?,
        };
        if is_indexed {
            self.table.add(field, name_length, value_length);
        }
        Some(field)
    }
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
