//! Reads all samples of a family in one pass where nothing about them is out of the ordinary.
//!
//! What comes out is a [`Block`], or nothing: at the first line that is not just as it would be
//! written, or that does not fit those before, the family is left to the careful reader, whose rules
//! are the only ones. So a family is in a block only if the careful way would lead to the same bytes.

mod decimal;
mod groups;
mod head;
mod layout;
mod lines;
mod seen;
mod specials;

use memchr::memchr;

use self::groups::Groups;
use self::head::Head;
use self::layout::Layouts;
use self::lines::Lines;
use self::seen::Seen;
use super::families::{Place, Table};
use super::{Dialect, Limits};
use crate::exposition::block::Block;
use crate::exposition::labels::name_byte;
use crate::exposition::model::{Kind, Suffix};

/// Reads one family after another, with what it needs for that.
pub(super) struct Scanner<'a> {
    layouts: Layouts<'a>,
    groups: Groups<'a>,
    /// One for each name, in the order in which they came first, which is that of the next ones, too.
    heads: Vec<Head<'a>>,
    seen: Seen,
    joined: Vec<u8>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new() -> Self {
        Self {
            layouts: Layouts::new(),
            groups: Groups::new(),
            heads: Vec::new(),
            seen: Seen::new(),
            joined: Vec::new(),
        }
    }

    /// Reads all lines of the family of the line at `at`, as many as there are one after the other,
    /// into a block of the table. Gives the end and the number of the lines.
    pub(super) fn scan(
        &mut self,
        text: &'a str,
        at: usize,
        table: &mut Table<'a>,
        bounds: &Bounds<'_>,
    ) -> Option<(usize, usize)> {
        let name = readable_name(text, at)?;
        if bounds.samples == 0
            || table.is_last(name)
            || !bounds.allow_line(text, at)
            || !table.has_room(name, bounds.limits)
        {
            return None;
        }
        let (family, suffix) = table.place(name.into());
        if !table.is_fresh(family) {
            return None;
        }
        let block = self.lines(text, at, (name, (family, suffix)), table, bounds);
        let end = block.as_ref().map(|block| (at + block.text.len(), block.samples));
        table.settle(family, block);
        end
    }

    fn lines(
        &mut self,
        text: &'a str,
        start: usize,
        (name, (family, suffix)): (&'a str, Place),
        table: &mut Table<'a>,
        bounds: &Bounds<'_>,
    ) -> Option<Block<'a>> {
        let kind = table.kind(family);
        if matches!(kind, Kind::StateSet | Kind::GaugeHistogram) {
            return None;
        }
        self.layouts.clear();
        self.groups.clear(kind);
        self.seen.clear();
        let mut lines = Lines::new(text, start, kind, bounds, self);
        lines.add(name, suffix)?;
        let (mut at, mut samples) = (start, 0);
        while samples < bounds.samples {
            let common = match lines.find(at) {
                Some(common) => common,
                None => match another(text, at, family, table) {
                    Some((name, suffix)) => lines.add(name, suffix)?,
                    None => break,
                },
            };
            at = lines.read(at, common)?;
            samples += 1;
        }
        lines.finish(&text[start..at], samples)
    }
}

/// What lines are held to.
pub(super) struct Bounds<'l> {
    pub(super) dialect: Dialect,
    pub(super) limits: &'l Limits,
    /// How many samples there may still be.
    pub(super) samples: usize,
}

impl Bounds<'_> {
    /// Whether the line that begins at `at` ends, and is short enough.
    fn allow_line(&self, text: &str, at: usize) -> bool {
        memchr(b'\n', &text.as_bytes()[at..]).is_some_and(|end| end <= self.limits.line_bytes)
    }
}

/// The name that a line begins with, where the careful reader sees one there, too.
fn readable_name(text: &str, at: usize) -> Option<&str> {
    let bytes = &text.as_bytes()[at..];
    let end = bytes.iter().position(|b| !name_byte(*b))?;
    let readable = match bytes[end] {
        b'{' => true,
        b' ' => !matches!(bytes.get(end + 1), None | Some(b' ' | b'\t' | b'\r' | b'\n')),
        _ => false,
    };
    (readable && end > 0 && !bytes[0].is_ascii_digit()).then(|| &text[at..at + end])
}

/// The name of a line, where it is another name of the same family.
fn another<'a>(
    text: &'a str,
    at: usize,
    family: usize,
    table: &mut Table<'a>,
) -> Option<(&'a str, Suffix)> {
    if table.kind(family).suffixes().is_empty() {
        return None;
    }
    let name = readable_name(text, at)?;
    if table.find_known(name)?.0 != family {
        return None;
    }
    let (found, suffix) = table.place(name.into());
    (found == family).then_some((name, suffix))
}
