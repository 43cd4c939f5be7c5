//! Reads what stands before the value of a line: its name and its labels, for the most part by what
//! the last line of the same name had there.

use super::layout::{Layout, Layouts};
use super::specials::Specials;
use crate::exposition::model::Suffix;

/// The last line of one sample name, up to its value.
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) suffix: Suffix,
    /// With the blank before the value.
    pub(super) text: &'a [u8],
    /// For each label the place behind its value, counted from the beginning of the line.
    ends: Vec<usize>,
    layout: usize,
    /// The group that the line belonged to.
    pub(super) group: u64,
    pub(super) notes: Notes,
}

/// What was met in any head.
#[derive(Default)]
pub(super) struct Notes {
    /// A comma behind the last label.
    pub(super) comma: bool,
    /// A value that is empty, which counts as no label.
    pub(super) empty: bool,
}

/// How a head differs from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Differs {
    /// In the value of this label alone.
    In(usize),
    Somehow,
}

/// Where the pair of a bound stands in a head.
pub(super) struct Bound {
    pub(super) label: usize,
    /// The end of the pair before.
    pub(super) before: usize,
    /// The value, without quotes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Head<'a> {
    pub(super) fn new() -> Self {
        Self {
            name: "",
            suffix: Suffix::Bare,
            text: &[],
            ends: Vec::new(),
            layout: usize::MAX,
            group: 0,
            notes: Notes::default(),
        }
    }

    /// Forgets everything, for lines of another name.
    pub(super) fn reset(&mut self, name: &'a str, suffix: Suffix) {
        (self.name, self.suffix, self.text) = (name, suffix, &[]);
        (self.layout, self.group, self.notes) = (usize::MAX, 0, Notes::default());
    }

    /// Whether a line begins with the name, and if so how much it begins like the last one.
    #[inline]
    pub(super) fn common(&self, line: &[u8]) -> Option<usize> {
        let common = common(self.text, line);
        if common > self.name.len() {
            return Some(common);
        }
        let begins = line.starts_with(self.name.as_bytes())
            && matches!(line.get(self.name.len()), Some(b'{' | b' '));
        begins.then_some(0)
    }

    /// Reads a head that has labels, of a line that begins at `at` and is like the last one for
    /// `common` bytes.
    #[inline]
    pub(super) fn read(
        &mut self,
        bytes: &'a [u8],
        at: usize,
        common: usize,
        layouts: &mut Layouts<'a>,
        bounded: bool,
        specials: &mut Specials<'a>,
    ) -> Option<Differs> {
        if common > 0
            && let Some(layout) = layouts.get(self.layout)
            && let Some(label) = self.ends.iter().position(|end| *end > common)
        {
            let value = self.before(label) + layout.leads[label].len();
            if value <= common {
                let end = closing_quote(bytes, at + value, at + common, specials)? + 1 - at;
                self.notes.empty |= end == value + 1;
                let old = self.ends[label];
                let rest = &self.text[old..];
                if bytes[at + end..].starts_with(rest) {
                    for place in &mut self.ends[label..] {
                        *place = *place - old + end;
                    }
                    self.text = &bytes[at..at + end + rest.len()];
                    return Some(Differs::In(label));
                }
                self.ends[label] = end;
                if self.read_from(bytes, at, label + 1, layout, specials) {
                    return Some(Differs::Somehow);
                }
            }
        }
        let start = self.name.len() + 1;
        self.layout = layouts.find(bytes, at + start, bounded, specials)?;
        let layout = layouts.get(self.layout)?;
        self.ends.clear();
        self.ends.resize(layout.leads.len(), 0);
        self.read_from(bytes, at, 0, layout, specials).then_some(Differs::Somehow)
    }

    /// Reads the labels from the given one on, and the brace behind them.
    fn read_from(
        &mut self,
        bytes: &'a [u8],
        at: usize,
        from: usize,
        layout: &Layout<'a>,
        specials: &mut Specials<'a>,
    ) -> bool {
        let mut end = self.before(from);
        for (label, lead) in layout.leads.iter().enumerate().skip(from) {
            let value = end + lead.len();
            if bytes.get(at + end..at + value) != Some(*lead) {
                return false;
            }
            let known = at + value;
            let Some(quote) = closing_quote(bytes, known, known, specials) else { return false };
            end = quote + 1 - at;
            self.notes.empty |= end == value + 1;
            self.ends[label] = end;
        }
        let comma = bytes.get(at + end) == Some(&b',');
        let behind = at + end + usize::from(comma);
        self.notes.comma |= comma;
        self.text = &bytes[at..behind];
        if !bytes[behind..].starts_with(b"} ") {
            return false;
        }
        self.text = &bytes[at..behind + 2];
        true
    }

    /// The end of what stands before a label.
    fn before(&self, label: usize) -> usize {
        label.checked_sub(1).map_or(self.name.len() + 1, |before| self.ends[before])
    }

    /// The labels, without braces and without a comma at the end.
    #[inline]
    pub(super) fn labels(&self) -> &'a [u8] {
        let end = self.ends.last().copied().unwrap_or(self.name.len() + 1);
        &self.text[self.name.len() + 1..end]
    }

    /// Where the bound of the head stands, if it has one.
    #[inline]
    pub(super) fn bound(&self, layouts: &Layouts<'a>) -> Option<Bound> {
        let layout = layouts.get(self.layout)?;
        let label = layout.bound?;
        let before = self.before(label);
        let start = before + layout.leads[label].len();
        Some(Bound { label, before, start, end: self.ends[label] - 1 })
    }

    /// The labels but for the bound, in two parts.
    pub(super) fn around(&self, bound: &Bound) -> [&'a [u8]; 2] {
        let labels = self.labels();
        let start = self.name.len() + 1;
        let behind = &labels[bound.end + 1 - start..];
        match &labels[..bound.before - start] {
            [] => [&[], behind.strip_prefix(b",").unwrap_or(behind)],
            before => [before, behind],
        }
    }
}

/// The quote that ends the value which begins at `from`, when it has none before `known`.
#[inline]
fn closing_quote(
    bytes: &[u8],
    from: usize,
    known: usize,
    specials: &mut Specials<'_>,
) -> Option<usize> {
    // Most values are short, and differ in their last few bytes.
    if bytes[known - 1] != b'\\' {
        let near = &bytes[known..bytes.len().min(known + NEAR)];
        let end = near.iter().position(|b| matches!(b, b'"' | b'\\' | b'\n'));
        if let Some(end) = end
            && near[end] == b'"'
        {
            return Some(known + end);
        }
    }
    specials.closing_quote(from)
}

/// How far it is worth looking byte by byte.
const NEAR: usize = 20;

/// How many bytes two texts begin alike with.
#[inline]
fn common(one: &[u8], two: &[u8]) -> usize {
    let length = one.len().min(two.len());
    let (ones, rest) = one[..length].as_chunks::<16>();
    let (twos, other) = two[..length].as_chunks::<16>();
    for (at, (a, b)) in ones.iter().zip(twos).enumerate() {
        let differ = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
        if differ != 0 {
            return at * 16 + differ.trailing_zeros() as usize / 8;
        }
    }
    length - rest.len() + rest.iter().zip(other).take_while(|(a, b)| a == b).count()
}
