//! Reads label sets by the names that the sets before had, at the same places.

use super::specials::Specials;
use crate::exposition::labels::name_byte;

/// The orders of label names that the samples of one family have.
pub(super) struct Layouts<'a> {
    list: Vec<Layout<'a>>,
    /// The one that was met last.
    last: usize,
    /// Whether there are samples without labels, too.
    bare: bool,
}

struct Layout<'a> {
    names: Vec<&'a str>,
    /// Each name with what stands around it: `name="`, and a comma before all but the first.
    leads: Vec<&'a str>,
    /// The place of the label whose value is a number, where it has one.
    bound: Option<usize>,
}

/// A label set as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    /// Without braces, and without a comma at the end.
    pub(super) text: &'a str,
    /// Behind the closing brace.
    pub(super) end: usize,
    /// Whether a comma stands before it.
    pub(super) comma: bool,
    /// Whether a value is empty, which counts as no label.
    pub(super) empty: bool,
    /// The value of `le` or `quantile`.
    pub(super) bound: Option<Bound>,
}

/// Where the pair of a bound stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The end of the pair before.
    pub(super) before: usize,
    /// The value, without quotes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Layouts<'a> {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), last: 0, bare: false }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        (self.last, self.bare) = (0, false);
    }

    /// Remembers a sample without labels.
    #[inline]
    pub(super) fn add_bare(&mut self) {
        self.bare = true;
    }

    /// Whether all sets have the same names in the same order.
    pub(super) fn is_uniform(&self) -> bool {
        self.list.len() + usize::from(self.bare) < 2
    }

    /// Reads the set that begins at `start`, behind its brace. `None` where it would be written
    /// otherwise, or where its text alone does not tell it from others.
    ///
    /// With `bounded`, `le` and `quantile` are no part of what tells groups from one another.
    #[inline]
    pub(super) fn read(
        &mut self,
        text: &'a str,
        start: usize,
        bounded: bool,
        specials: &mut Specials<'a>,
    ) -> Option<Labels<'a>> {
        if let Some(labels) =
            self.list.get(self.last).and_then(|layout| layout.read(text, start, specials))
        {
            return Some(labels);
        }
        self.search(text, start, bounded, specials)
    }

    #[cold]
    fn search(
        &mut self,
        text: &'a str,
        start: usize,
        bounded: bool,
        specials: &mut Specials<'a>,
    ) -> Option<Labels<'a>> {
        for (at, layout) in self.list.iter().enumerate() {
            if let Some(labels) = layout.read(text, start, specials) {
                self.last = at;
                return Some(labels);
            }
        }
        let layout = Layout::of(text, start, specials)?;
        // The same names in another order can make the same set of another text.
        if self.list.len() == LAYOUTS || self.list.iter().any(|known| known.mixes(&layout, bounded))
        {
            return None;
        }
        let labels = layout.read(text, start, specials)?;
        self.last = self.list.len();
        self.list.push(layout);
        Some(labels)
    }
}

impl<'a> Layout<'a> {
    /// Reads a set that has just these names.
    #[inline]
    fn read(&self, text: &'a str, start: usize, specials: &mut Specials<'a>) -> Option<Labels<'a>> {
        let bytes = text.as_bytes();
        let (mut at, mut empty, mut bound) = (start, false, None);
        for (number, lead) in self.leads.iter().enumerate() {
            let value = at + lead.len();
            if bytes.get(at..value)? != lead.as_bytes() {
                return None;
            }
            let end = specials.closing_quote(value)?;
            empty |= end == value;
            if self.bound == Some(number) {
                bound = Some(Bound { before: at, start: value, end });
            }
            at = end + 1;
        }
        let comma = bytes.get(at) == Some(&b',');
        let brace = at + usize::from(comma);
        (bytes.get(brace) == Some(&b'}')).then(|| Labels {
            text: &text[start..at],
            end: brace + 1,
            comma,
            empty,
            bound,
        })
    }

    /// The names of a set.
    fn of(text: &'a str, start: usize, specials: &mut Specials<'a>) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut layout = Self { names: Vec::new(), leads: Vec::new(), bound: None };
        let mut at = start;
        loop {
            let from = at + usize::from(at > start);
            let mut end = from;
            while bytes.get(end).is_some_and(|b| name_byte(*b) && *b != b':') {
                end += 1;
            }
            let name = &text[from..end];
            let legal = !name.is_empty()
                && !bytes[from].is_ascii_digit()
                && !name.starts_with("__")
                && layout.names.len() < NAMES
                && !layout.names.contains(&name);
            if !legal || !bytes[end..].starts_with(b"=\"") {
                return None;
            }
            if matches!(name, "le" | "quantile") {
                if layout.bound.is_some() {
                    return None;
                }
                layout.bound = Some(layout.names.len());
            }
            layout.names.push(name);
            layout.leads.push(&text[at..end + 2]);
            at = specials.closing_quote(end + 2)? + 1;
            match &bytes[at..] {
                [b'}', ..] | [b',', b'}', ..] => return Some(layout),
                [b',', ..] => {}
                _ => return None,
            }
        }
    }

    /// Whether it has the same names in another order.
    fn mixes(&self, other: &Self, bounded: bool) -> bool {
        let [mut one, mut two] = [self, other].map(|layout| {
            let names = layout.names.iter().enumerate();
            let kept = names.filter(|(at, _)| !bounded || layout.bound != Some(*at));
            kept.map(|(_, name)| *name).collect::<Vec<_>>()
        });
        if one == two {
            return false;
        }
        one.sort_unstable();
        two.sort_unstable();
        one == two
    }
}

/// The labels of an exemplar from `start` to their brace, where all that reads them takes them.
pub(super) fn exemplar(text: &str, start: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.get(start) == Some(&b'}') {
        return Some("");
    }
    let layout = Layout::of(text, start, &mut Specials::new(bytes, start))?;
    let mut at = start;
    for lead in &layout.leads {
        let value = at + lead.len();
        at = value + memchr::memchr2(b'"', b'\\', &bytes[value..])?;
        if bytes[at] == b'\\' {
            return None;
        }
        at += 1;
    }
    Some(&text[start..at])
}

/// Families have one layout or few; with more it is not worth looking for them one after another.
const LAYOUTS: usize = 8;

/// More labels in a set are left to the careful reader.
const NAMES: usize = 32;
