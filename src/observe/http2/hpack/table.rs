//! The tables that HPACK's indices point into (RFC 7541, 2.3 and appendix A).
//!
//! Of a field no text is kept, but what it says to us and how long it is: eviction goes by size. Only
//! of a path whose template is new that template is kept, for as long as the entry.

use super::super::field::{ContentType, Field};
use super::texts::{self, Texts};
use crate::observe::Method;
use crate::observe::host::HostId;
use crate::observe::path::PathId;

/// A field as a table holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) field: Field,
    pub(super) name_length: u16,
    pub(super) value_length: u16,
}

impl Entry {
    /// What the field takes of the table's size (RFC 7541, 4.1).
    fn size(self) -> u32 {
        u32::from(self.name_length) + u32::from(self.value_length) + ENTRY_OVERHEAD
    }
}

/// The dynamic table of one direction: a ring that grows to what is in use.
#[derive(Debug)]
pub(super) struct Table {
    /// A power of two of places, or none.
    ring: Vec<Entry>,
    /// Where the newest entry is.
    newest: usize,
    entries: usize,
    size: u32,
    max: u32,
    /// Templates that entries name by a number.
    texts: Texts,
}

impl Table {
    pub(super) fn new() -> Self {
        let texts = Texts::default();
        Self { ring: Vec::new(), newest: 0, entries: 0, size: 0, max: INITIAL_SIZE, texts }
    }

    /// The template that an entry names.
    pub(super) fn text(&self, number: u16) -> &str {
        self.texts.get(number)
    }

    /// The template that an entry of the dynamic table names is known by now.
    pub(super) fn path_known(&mut self, index: u32, number: u16, path: PathId) {
        let back = (index as usize).checked_sub(STATIC.len()).filter(|back| *back > 0);
        if let Some(back) = back.filter(|back| *back <= self.entries) {
            let place = self.newest.wrapping_sub(back - 1) & (self.ring.len() - 1);
            self.ring[place].field = Field::Path(path);
            self.texts.forget(number);
        }
    }

    /// Adds a path whose template is new.
    pub(super) fn add_path(&mut self, template: Box<str>, name_length: usize, value_length: usize) {
        let number = self.texts.keep(template);
        self.add(Field::NewPath(number), name_length, value_length);
    }

    /// The size that entries may take together.
    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// The size that entries take together.
    #[cfg(test)]
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn resize(&mut self, max: u32) {
        self.max = max;
        self.evict(max);
    }

    /// The entry that an index points to, in the static table or in this one.
    pub(super) fn get(&self, index: u32) -> Option<Entry> {
        let index = index as usize;
        match index.checked_sub(STATIC.len()) {
            None | Some(0) => STATIC.get(index.checked_sub(1)?).copied(),
            Some(back) if back <= self.entries => {
                let place = self.newest.wrapping_sub(back - 1) & (self.ring.len() - 1);
                Some(self.ring[place])
            }
            Some(_) => None,
        }
    }

    /// Adds an entry, or empties the table if it is too large for it (RFC 7541, 4.4).
    pub(super) fn add(&mut self, field: Field, name_length: usize, value_length: usize) {
        let room = self.max.checked_sub(ENTRY_OVERHEAD);
        let fits = room.is_some_and(|room| name_length + value_length <= room as usize);
        let lengths = (u16::try_from(name_length), u16::try_from(value_length));
        let (true, (Ok(name_length), Ok(value_length))) = (fits, lengths) else {
            self.forget(field);
            return self.evict(0);
        };
        let entry = Entry { field, name_length, value_length };
        self.evict(self.max - entry.size());
        if self.entries == self.ring.len() {
            self.grow();
        }
        self.newest = (self.newest + 1) & (self.ring.len() - 1);
        self.ring[self.newest] = entry;
        self.entries += 1;
        self.size += entry.size();
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Entry>() + self.texts.kept_bytes()
    }

    fn forget(&mut self, field: Field) {
        if let Field::NewPath(number) = field {
            self.texts.forget(number);
        }
    }

    /// Gives up the oldest entries until the rest takes at most `size`.
    fn evict(&mut self, size: u32) {
        while self.size > size {
            let oldest = self.newest.wrapping_sub(self.entries - 1) & (self.ring.len() - 1);
            let entry = self.ring[oldest];
            self.size -= entry.size();
            self.forget(entry.field);
            self.entries -= 1;
        }
    }

    fn grow(&mut self) {
        let mut ring = Vec::with_capacity((self.ring.len() * 2).max(SMALLEST_RING));
        ring.extend((0..self.entries).map(|i| {
            let back = self.entries - 1 - i;
            self.ring[self.newest.wrapping_sub(back) & (self.ring.len() - 1)]
        }));
        let unused = Entry { field: Field::Other, name_length: 0, value_length: 0 };
        ring.resize(ring.capacity().next_power_of_two(), unused);
        self.newest = self.entries.wrapping_sub(1) & (ring.len() - 1);
        self.ring = ring;
    }
}

/// The size of a table that nobody has said anything about (RFC 9113, 6.5.2).
pub(super) const INITIAL_SIZE: u32 = 4096;
const ENTRY_OVERHEAD: u32 = 32;
const SMALLEST_RING: usize = 16;

const fn entry(field: Field, name: &str, value_length: u16) -> Entry {
    #[expect(clippy::cast_possible_truncation, reason = "none of these names is as long")]
    let name_length = name.len() as u16;
    Entry { field, name_length, value_length }
}

const fn other(name: &str) -> Entry {
    entry(Field::Other, name, 0)
}

/// Entry 1 stands first.
static STATIC: [Entry; 61] = [
    entry(Field::Authority(HostId::UNKNOWN), ":authority", 0),
    entry(Field::Method(Method::Get), ":method", 3),
    entry(Field::Method(Method::Post), ":method", 4),
    entry(Field::NewPath(texts::ROOT), ":path", 1),
    entry(Field::NewPath(texts::INDEX), ":path", 11),
    entry(Field::Other, ":scheme", 4),
    entry(Field::Other, ":scheme", 5),
    entry(Field::Status(200), ":status", 3),
    entry(Field::Status(204), ":status", 3),
    entry(Field::Status(206), ":status", 3),
    entry(Field::Status(304), ":status", 3),
    entry(Field::Status(400), ":status", 3),
    entry(Field::Status(404), ":status", 3),
    entry(Field::Status(500), ":status", 3),
    other("accept-charset"),
    entry(Field::Other, "accept-encoding", 13),
    other("accept-language"),
    other("accept-ranges"),
    other("accept"),
    other("access-control-allow-origin"),
    other("age"),
    other("allow"),
    other("authorization"),
    other("cache-control"),
    other("content-disposition"),
    other("content-encoding"),
    other("content-language"),
    other("content-length"),
    other("content-location"),
    other("content-range"),
    entry(Field::ContentType(ContentType::Other), "content-type", 0),
    other("cookie"),
    other("date"),
    other("etag"),
    other("expect"),
    other("expires"),
    other("from"),
    entry(Field::Host(HostId::UNKNOWN), "host", 0),
    other("if-match"),
    other("if-modified-since"),
    other("if-none-match"),
    other("if-range"),
    other("if-unmodified-since"),
    other("last-modified"),
    other("link"),
    other("location"),
    other("max-forwards"),
    other("proxy-authenticate"),
    other("proxy-authorization"),
    other("range"),
    other("referer"),
    other("refresh"),
    other("retry-after"),
    other("server"),
    other("set-cookie"),
    other("strict-transport-security"),
    other("transfer-encoding"),
    entry(Field::UserAgent { is_kubelet: false }, "user-agent", 0),
    other("vary"),
    other("via"),
    other("www-authenticate"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(table: &Table) -> Vec<u16> {
        let dynamic = (62..).map_while(|index| table.get(index));
        dynamic
            .map(|entry| match entry.field {
                Field::Status(status) => status,
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn the_newest_entry_comes_first_and_the_oldest_are_evicted() {
        let mut table = Table::new();
        for status in 1..=200 {
            table.add(Field::Status(status), 7, 3);
        }
        // 4096 / 42 is 97 and some.
        assert_eq!(statuses(&table), (104..=200).rev().collect::<Vec<_>>());
        table.resize(42 * 3 + 41);
        assert_eq!(statuses(&table), [200, 199, 198]);
        table.resize(4096);
        table.add(Field::Status(201), 7, 3);
        assert_eq!(statuses(&table), [201, 200, 199, 198]);
        table.add(Field::Status(1), 4096, 0);
        assert_eq!(statuses(&table), Vec::<u16>::new());
        assert_eq!(table.get(62), None);
        table.add(Field::Status(202), 4064, 0);
        assert_eq!(statuses(&table), [202]);
        table.resize(0);
        table.add(Field::Status(203), 0, 0);
        assert_eq!(statuses(&table), Vec::<u16>::new());
    }

    #[test]
    fn indices_begin_at_one_with_the_static_table() {
        let table = Table::new();
        assert_eq!(table.get(0), None);
        assert_eq!(table.get(8).map(|entry| entry.field), Some(Field::Status(200)));
        assert_eq!(table.get(61).map(|entry| entry.name_length), Some(16));
        assert_eq!(table.get(62), None);
        assert_eq!(table.get(u32::MAX), None);
    }
}
