//! Reads all samples of a family in one pass where nothing about them is out of the ordinary.
//!
//! What comes out is a [`Block`], or nothing: at the first line that is not just as it would be
//! written, or that does not fit those before, the family is left to the careful reader, whose rules
//! are the only ones. So a family is in a block only if the careful way would lead to the same bytes.

mod decimal;
mod groups;
mod head;
mod layout;
mod seen;
mod specials;

use memchr::memchr;

use self::decimal::Decimal;
use self::groups::Groups;
use self::head::{Differs, Head};
use self::layout::Layouts;
use self::seen::Seen;
use self::specials::Specials;
use super::families::{Place, Table};
use super::line::EXEMPLAR_CHARACTERS;
use super::{Dialect, Limits};
use crate::exposition::block::{Block, Within};
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
        let mut lines = Lines {
            bytes: text.as_bytes(),
            kind,
            grouped: kind.is_compound() || kind == Kind::Counter && bounds.dialect.openmetrics,
            bounds,
            specials: Specials::new(text.as_bytes(), start),
            with: self,
            heads: 0,
            last: 0,
            timed: None,
            exemplars: false,
        };
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

/// Whether such samples have a bound.
fn is_bounded(kind: Kind, suffix: Suffix) -> bool {
    suffix == Suffix::Bucket || suffix == Suffix::Bare && kind == Kind::Summary
}

/// The lines of one family.
struct Lines<'s, 'a> {
    bytes: &'a [u8],
    kind: Kind,
    /// Whether several samples can belong together.
    grouped: bool,
    bounds: &'s Bounds<'s>,
    specials: Specials<'a>,
    with: &'s mut Scanner<'a>,
    /// How many heads there are.
    heads: usize,
    /// The one that was met last.
    last: usize,
    /// Whether lines have a time, once there was a line.
    timed: Option<bool>,
    exemplars: bool,
}

/// What stands behind the labels of a line.
struct Numbers<'a> {
    value: Decimal<'a>,
    time: Option<&'a [u8]>,
    /// The beginning of the next line.
    next: usize,
}

impl<'a> Lines<'_, 'a> {
    /// Finds the head that the line is like, and for how many bytes.
    #[inline]
    fn find(&mut self, at: usize) -> Option<usize> {
        let line = &self.bytes[at..];
        let count = self.heads;
        (0..count).find_map(|step| {
            let number =
                if self.last + step < count { self.last + step } else { self.last + step - count };
            let common = self.with.heads[number].common(line)?;
            self.last = number;
            Some(common)
        })
    }

    /// Adds a name; `None` where another one already stands for the same.
    fn add(&mut self, name: &'a str, suffix: Suffix) -> Option<usize> {
        let heads = &mut self.with.heads;
        if heads[..self.heads].iter().any(|head| head.suffix == suffix) {
            return None;
        }
        if heads.len() == self.heads {
            heads.push(Head::new());
        }
        heads[self.heads].reset(name, suffix);
        self.last = self.heads;
        self.heads += 1;
        Some(0)
    }

    /// Reads the line that begins at `at`, and begins like the last one of its name for `common` bytes.
    /// `None` where it is out of the ordinary.
    #[expect(clippy::inline_always, reason = "what it gives would go through memory otherwise")]
    #[inline(always)]
    fn read(&mut self, at: usize, common: usize) -> Option<usize> {
        let bytes = self.bytes;
        let Scanner { layouts, groups, heads, .. } = &mut *self.with;
        let head = &mut heads[self.last];
        let (suffix, named) = (head.suffix, at + head.name.len());
        if bytes[named] == b' ' {
            layouts.add_bare();
            let numbers = self.numbers(at, named + 1, suffix)?;
            self.add_sample(&[], suffix, &numbers)?;
            return Some(numbers.next);
        }
        let bounded = self.kind.is_compound();
        let differs = head.read(bytes, at, common, layouts, bounded, &mut self.specials)?;
        let start = at + head.text.len();
        if !self.grouped {
            let labels = head.labels();
            let numbers = self.numbers(at, start, suffix)?;
            self.add_sample(labels, suffix, &numbers)?;
            return Some(numbers.next);
        }
        let bound = head.bound(layouts);
        if !is_bounded(self.kind, suffix) {
            if self.kind.is_compound() && bound.is_some() {
                return None;
            }
            let labels = head.labels();
            let numbers = self.numbers(at, start, suffix)?;
            self.add_sample(labels, suffix, &numbers)?;
            return Some(numbers.next);
        }
        let bound = bound?;
        if head.text[..bound.start].ends_with(b"quantile=\"") != (self.kind == Kind::Summary) {
            return None;
        }
        let same = differs == Differs::In(bound.label) && head.group == groups.number();
        let around = head.around(&bound);
        let value = &head.text[bound.start..bound.end];
        let numbers = self.numbers(at, start, suffix)?;
        if !same {
            self.group(around, numbers.time)?;
        } else if !self.with.groups.is_at(numbers.time) {
            return None;
        }
        let Scanner { groups, heads, .. } = &mut *self.with;
        heads[self.last].group = groups.number();
        groups.add_bounded(suffix, value, numbers.value)?;
        Some(numbers.next)
    }

    /// Adds a sample that has no bound.
    #[expect(clippy::inline_always, reason = "what it gives would go through memory otherwise")]
    #[inline(always)]
    fn add_sample(
        &mut self,
        labels: &'a [u8],
        suffix: Suffix,
        numbers: &Numbers<'a>,
    ) -> Option<()> {
        if is_bounded(self.kind, suffix) {
            return None;
        }
        if self.grouped {
            self.group([labels, &[]], numbers.time)?;
            return self.with.groups.add(suffix, numbers.value);
        }
        self.with.seen.push(labels);
        self.with.groups.judge(numbers.value);
        Some(())
    }

    /// Goes on with the group of these labels, or begins it.
    #[inline]
    fn group(&mut self, labels: [&'a [u8]; 2], time: Option<&'a [u8]>) -> Option<()> {
        let Scanner { groups, seen, joined, .. } = &mut *self.with;
        if groups.goes_on(labels) {
            return groups.is_at(time).then_some(());
        }
        groups.begin(labels, time)?;
        if labels[1].is_empty() {
            seen.push(labels[0]);
        } else {
            joined.clear();
            joined.extend_from_slice(labels[0]);
            joined.extend_from_slice(labels[1]);
            seen.push(joined);
        }
        Some(())
    }

    /// Reads the value, the time and the exemplar of the line that begins at `line`.
    #[expect(clippy::inline_always, reason = "what it gives would go through memory otherwise")]
    #[inline(always)]
    fn numbers(&mut self, line: usize, start: usize, suffix: Suffix) -> Option<Numbers<'a>> {
        let bytes = self.bytes;
        let value = decimal::read(bytes, start)?;
        let (mut end, mut time) = (value.end(start), None);
        if bytes.get(end) == Some(&b' ') && bytes.get(end + 1) != Some(&b'#') {
            let from = end + 1;
            end = if self.bounds.dialect.openmetrics {
                decimal::read_seconds(bytes, from)?
            } else {
                decimal::read_millis(bytes, from)?
            };
            time = Some(&bytes[from..end]);
        }
        if *self.timed.get_or_insert(time.is_some()) != time.is_some() {
            return None;
        }
        if bytes.get(end) == Some(&b' ') {
            end = self.exemplar(end, suffix)?;
            self.exemplars = true;
        }
        let whole = bytes.get(end) == Some(&b'\n') && end - line <= self.bounds.limits.line_bytes;
        whole.then_some(Numbers { value, time, next: end + 1 })
    }

    /// Reads an exemplar that its sample may keep, to its end.
    fn exemplar(&mut self, at: usize, suffix: Suffix) -> Option<usize> {
        let carries = self.kind == Kind::Counter && suffix == Suffix::Bare
            || self.kind == Kind::Histogram && suffix == Suffix::Bucket;
        let bytes = self.bytes;
        if !carries || !self.bounds.dialect.openmetrics || !bytes[at..].starts_with(b" # {") {
            return None;
        }
        let start = at + 4;
        let labels = layout::exemplar(bytes, start)?;
        // There are fewer characters than bytes.
        if labels.len() > EXEMPLAR_CHARACTERS {
            return None;
        }
        let value = start + labels.len() + 2;
        if bytes.get(value - 2..value) != Some(b"} ") {
            return None;
        }
        let end = decimal::read(bytes, value)?.end(value);
        match bytes.get(end) {
            Some(b' ') => decimal::read_seconds(bytes, end + 1),
            _ => Some(end),
        }
    }

    /// The block, where the family as a whole is in order, too.
    fn finish(self, text: &'a str, samples: usize) -> Option<Block<'a>> {
        let Scanner { layouts, groups, seen, heads, .. } = self.with;
        let strict = groups.finish()?;
        let mut lengths = [0; Suffix::ALL.len()];
        let (mut comma, mut empty) = (false, false);
        for head in &heads[..self.heads] {
            lengths[head.suffix as usize] = u16::try_from(head.name.len()).ok()?;
            comma |= head.notes.comma;
            empty |= head.notes.empty;
        }
        let grouped = self.kind.is_compound() || lengths[Suffix::Created as usize] > 0;
        // An empty label is none: what it makes alike, texts do not show.
        if empty && (grouped || !layouts.is_uniform()) || !seen.all_differ() {
            return None;
        }
        let within = match (comma, self.exemplars) {
            (false, false) => Within::Nothing,
            (true, false) => Within::Commas,
            (false, true) => Within::Exemplars,
            (true, true) => Within::Both,
        };
        Some(Block {
            text,
            lengths,
            kind: self.kind,
            samples,
            dialect: self.bounds.dialect,
            timed: self.timed == Some(true),
            within,
            strict,
        })
    }
}
