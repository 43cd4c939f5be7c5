//! Reads all samples of a family in one pass where nothing about them is out of the ordinary.
//!
//! What comes out is a [`Block`], or nothing: at the first line that is not just as it would be
//! written, or that does not fit those before, the family is left to the careful reader, whose rules
//! are the only ones. So a family is in a block only if the careful way would lead to the same bytes.

mod decimal;
mod groups;
mod layout;
mod seen;
mod specials;

use memchr::memchr;

use self::decimal::Decimal;
use self::groups::Groups;
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
    seen: Seen,
    joined: Vec<u8>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new() -> Self {
        Self {
            layouts: Layouts::new(),
            groups: Groups::new(),
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
            text,
            kind,
            bounds,
            specials: Specials::new(text.as_bytes(), start),
            with: self,
            bucket: None,
            timed: None,
            exemplars: false,
            commas: false,
            empty: false,
        };
        let mut names = Names::default();
        names.add(name, suffix)?;
        let (mut at, mut samples) = (start, 0);
        while samples < bounds.samples {
            at = match lines.same_but_bound(at) {
                Some(next) => next,
                None => match names.find(text, at) {
                    Some((end, suffix)) => lines.read(at, end, suffix)?,
                    None => {
                        let Some((name, suffix)) = another(text, at, family, table) else { break };
                        names.add(name, suffix)?;
                        lines.read(at, at + name.len(), suffix)?
                    }
                },
            };
            samples += 1;
        }
        lines.finish(&text[start..at], names.by_suffix, samples)
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

/// The names that the samples of a family have.
#[derive(Default)]
struct Names<'a> {
    by_suffix: [Option<&'a str>; Suffix::ALL.len()],
    /// In the order in which they came first, which is that of the next ones, too.
    list: Vec<(&'a str, Suffix)>,
    last: usize,
}

impl<'a> Names<'a> {
    /// Adds a name; `None` where another one already stands for the same.
    fn add(&mut self, name: &'a str, suffix: Suffix) -> Option<()> {
        if self.by_suffix[suffix as usize].replace(name).is_some() {
            return None;
        }
        self.last = self.list.len();
        self.list.push((name, suffix));
        Some(())
    }

    /// The end of the line's name, and what it stands for.
    #[inline]
    fn find(&mut self, text: &str, at: usize) -> Option<(usize, Suffix)> {
        let rest = &text.as_bytes()[at..];
        for step in 0..self.list.len() {
            let number = (self.last + step) % self.list.len();
            let (name, suffix) = self.list[number];
            if rest.starts_with(name.as_bytes())
                && matches!(rest.get(name.len()), Some(b'{' | b' '))
            {
                self.last = number;
                return Some((at + name.len(), suffix));
            }
        }
        None
    }
}

/// The lines of one family.
struct Lines<'s, 'a> {
    text: &'a str,
    kind: Kind,
    bounds: &'s Bounds<'s>,
    specials: Specials<'a>,
    with: &'s mut Scanner<'a>,
    /// The last line that has a bound.
    bucket: Option<Bucket<'a>>,
    /// Whether lines have a time, once there was a line.
    timed: Option<bool>,
    exemplars: bool,
    commas: bool,
    empty: bool,
}

/// What a line with a bound has around it.
#[derive(Clone, Copy)]
struct Bucket<'a> {
    suffix: Suffix,
    /// From the beginning of the line to the bound.
    lead: &'a str,
    /// From behind its quote to the value.
    tail: &'a str,
}

/// What stands behind the labels of a line.
struct Numbers<'a> {
    value: Decimal<'a>,
    time: Option<&'a str>,
    /// The beginning of the next line.
    next: usize,
}

impl<'a> Lines<'_, 'a> {
    /// Reads a line that begins at `at`, and whose name ends at `named`. `None` where it is out of
    /// the ordinary.
    #[inline]
    fn read(&mut self, at: usize, named: usize, suffix: Suffix) -> Option<usize> {
        let text = self.text;
        if text.as_bytes()[named] == b' ' {
            self.with.layouts.add_bare();
            if self.is_bounded(suffix) {
                return None;
            }
            let numbers = self.numbers(at, named + 1, suffix)?;
            self.group(["", ""], numbers.time)?;
            self.with.groups.add(suffix, numbers.value)?;
            return Some(numbers.next);
        }
        let start = named + 1;
        let mixed = self.kind.is_compound();
        let labels = self.with.layouts.read(text, start, mixed, &mut self.specials)?;
        self.commas |= labels.comma;
        self.empty |= labels.empty;
        if text.as_bytes().get(labels.end) != Some(&b' ') {
            return None;
        }
        let numbers = self.numbers(at, labels.end + 1, suffix)?;
        if !self.is_bounded(suffix) {
            if self.kind.is_compound() && labels.bound.is_some() {
                return None;
            }
            self.group([labels.text, ""], numbers.time)?;
            self.with.groups.add(suffix, numbers.value)?;
            return Some(numbers.next);
        }
        let bound = labels.bound?;
        if text[..bound.start].ends_with("quantile=\"") != (self.kind == Kind::Summary) {
            return None;
        }
        let behind = &text[bound.end + 1..start + labels.text.len()];
        let around = match &text[start..bound.before] {
            "" => ["", behind.trim_start_matches(',')],
            before => [before, behind],
        };
        self.group(around, numbers.time)?;
        self.with.groups.add_bounded(suffix, &text[bound.start..bound.end], numbers.value)?;
        let (lead, tail) = (&text[at..bound.start], &text[bound.end + 1..=labels.end]);
        self.bucket = Some(Bucket { suffix, lead, tail });
        Some(numbers.next)
    }

    /// Reads a line that is like the last one with a bound but for the bound and what stands behind
    /// the labels. `None` where there is no such line.
    #[inline]
    fn same_but_bound(&mut self, at: usize) -> Option<usize> {
        let Bucket { suffix, lead, tail } = self.bucket?;
        let bytes = self.text.as_bytes();
        if !bytes[at..].starts_with(lead.as_bytes()) {
            return None;
        }
        let start = at + lead.len();
        let end = self.specials.closing_quote(start)?;
        if !bytes[end + 1..].starts_with(tail.as_bytes()) {
            return None;
        }
        let numbers = self.numbers(at, end + 1 + tail.len(), suffix)?;
        let groups = &mut self.with.groups;
        if !groups.is_at(numbers.time) {
            return None;
        }
        groups.add_bounded(suffix, &self.text[start..end], numbers.value)?;
        Some(numbers.next)
    }

    fn is_bounded(&self, suffix: Suffix) -> bool {
        suffix == Suffix::Bucket || suffix == Suffix::Bare && self.kind == Kind::Summary
    }

    /// Goes on with the group of these labels, or begins it.
    #[inline]
    fn group(&mut self, labels: [&'a str; 2], time: Option<&'a str>) -> Option<()> {
        let Scanner { groups, seen, joined, .. } = &mut *self.with;
        if groups.goes_on(labels) {
            return groups.is_at(time).then_some(());
        }
        groups.begin(labels, time)?;
        if labels[1].is_empty() {
            seen.push(labels[0].as_bytes());
        } else {
            joined.clear();
            labels.iter().for_each(|part| joined.extend_from_slice(part.as_bytes()));
            seen.push(joined);
        }
        Some(())
    }

    /// Reads the value, the time and the exemplar of the line that begins at `line`.
    #[inline]
    fn numbers(&mut self, line: usize, start: usize, suffix: Suffix) -> Option<Numbers<'a>> {
        let bytes = self.text.as_bytes();
        let value = decimal::read(self.text, start)?;
        let (mut end, mut time) = (value.end(start), None);
        if bytes.get(end) == Some(&b' ') && bytes.get(end + 1) != Some(&b'#') {
            let from = end + 1;
            end = if self.bounds.dialect.openmetrics {
                decimal::read_seconds(self.text, from)?
            } else {
                decimal::read_millis(self.text, from)?
            };
            time = Some(&self.text[from..end]);
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
        let rest = &self.text[at..];
        if !carries || !self.bounds.dialect.openmetrics || !rest.starts_with(" # {") {
            return None;
        }
        let start = at + 4;
        let labels = layout::exemplar(self.text, start)?;
        // There are fewer characters than bytes.
        if labels.len() > EXEMPLAR_CHARACTERS {
            return None;
        }
        let value = start + labels.len() + 2;
        if self.text.get(value - 2..value) != Some("} ") {
            return None;
        }
        let end = decimal::read(self.text, value)?.end(value);
        match self.text.as_bytes().get(end) {
            Some(b' ') => decimal::read_seconds(self.text, end + 1),
            _ => Some(end),
        }
    }

    /// The block, where the family as a whole is in order, too.
    fn finish(
        self,
        text: &'a str,
        names: [Option<&'a str>; Suffix::ALL.len()],
        samples: usize,
    ) -> Option<Block<'a>> {
        let Scanner { layouts, groups, seen, .. } = self.with;
        let strict = groups.finish()?;
        let grouped = self.kind.is_compound() || names[Suffix::Created as usize].is_some();
        // An empty label is none: what it makes alike, texts do not show.
        if self.empty && (grouped || !layouts.is_uniform()) || !seen.all_differ() {
            return None;
        }
        let within = match (self.commas, self.exemplars) {
            (false, false) => Within::Nothing,
            (true, false) => Within::Commas,
            (false, true) => Within::Exemplars,
            (true, true) => Within::Both,
        };
        Some(Block {
            text,
            names,
            kind: self.kind,
            samples,
            dialect: self.bounds.dialect,
            timed: self.timed == Some(true),
            within,
            strict,
        })
    }
}
