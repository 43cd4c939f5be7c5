//! The lines of one family, read one after another and judged together.

use super::decimal::{self, Decimal};
use super::head::{Differs, Head};
use super::specials::Specials;
use super::{Bounds, Scanner, layout};
use crate::exposition::block::{Block, Within};
use crate::exposition::model::{Kind, Suffix};
use crate::exposition::parse::line::EXEMPLAR_CHARACTERS;

/// Whether such samples have a bound.
fn is_bounded(kind: Kind, suffix: Suffix) -> bool {
    suffix == Suffix::Bucket || suffix == Suffix::Bare && kind == Kind::Summary
}

/// The lines of one family.
pub(super) struct Lines<'s, 'a> {
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

impl<'s, 'a> Lines<'s, 'a> {
    pub(super) fn new(
        text: &'a str,
        start: usize,
        kind: Kind,
        bounds: &'s Bounds<'s>,
        with: &'s mut Scanner<'a>,
    ) -> Self {
        Self {
            bytes: text.as_bytes(),
            kind,
            grouped: kind.is_compound() || kind == Kind::Counter && bounds.dialect.openmetrics,
            bounds,
            specials: Specials::new(text.as_bytes(), start),
            with,
            heads: 0,
            last: 0,
            timed: None,
            exemplars: false,
        }
    }
}

impl<'a> Lines<'_, 'a> {
    /// Finds the head that the line is like, and for how many bytes.
    #[inline]
    pub(super) fn find(&mut self, at: usize) -> Option<usize> {
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
    pub(super) fn add(&mut self, name: &'a str, suffix: Suffix) -> Option<usize> {
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
    pub(super) fn read(&mut self, at: usize, common: usize) -> Option<usize> {
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
    pub(super) fn finish(self, text: &'a str, samples: usize) -> Option<Block<'a>> {
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
