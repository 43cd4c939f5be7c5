//! The names that label sets have, and in which order.

use super::specials::Specials;
use crate::exposition::labels::name_byte;

/// The orders of label names that the samples of one family have.
pub(super) struct Layouts<'a> {
    list: Vec<Layout<'a>>,
    /// How many of the list count; the rest is kept for its memory.
    used: usize,
    /// Whether there are samples without labels, too.
    bare: bool,
}

/// The label names of a set, in order.
#[derive(Default)]
pub(super) struct Layout<'a> {
    names: Vec<&'a [u8]>,
    /// Each name with what stands around it: `name="`, and a comma before all but the first.
    pub(super) leads: Vec<&'a [u8]>,
    /// The label whose value is a number, `le` or `quantile`, where there is one.
    pub(super) bound: Option<usize>,
}

impl<'a> Layouts<'a> {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), used: 0, bare: false }
    }

    pub(super) fn clear(&mut self) {
        (self.used, self.bare) = (0, false);
    }

    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&Layout<'a>> {
        self.list[..self.used].get(number)
    }

    /// Remembers a sample without labels.
    pub(super) fn add_bare(&mut self) {
        self.bare = true;
    }

    /// Whether all sets have the same names in the same order.
    pub(super) fn is_uniform(&self) -> bool {
        self.used + usize::from(self.bare) < 2
    }

    /// Finds the layout of the set that begins at `start`, behind its brace. `None` where the set would
    /// be written otherwise, or where its text alone does not tell it from others.
    ///
    /// With `bounded`, `le` and `quantile` are no part of what tells groups from one another.
    #[cold]
    pub(super) fn find(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        bounded: bool,
        specials: &mut Specials<'a>,
    ) -> Option<usize> {
        if self.list.len() == self.used {
            self.list.push(Layout::default());
        }
        let (known, rest) = self.list.split_at_mut(self.used);
        let layout = rest.first_mut()?;
        layout.read(bytes, start, specials)?;
        if let Some(known) = known.iter().position(|known| known.names == layout.names) {
            return Some(known);
        }
        // The same names in another order can make the same set of another text.
        if self.used == LAYOUTS || known.iter().any(|known| known.mixes(layout, bounded)) {
            return None;
        }
        self.used += 1;
        Some(self.used - 1)
    }
}

impl<'a> Layout<'a> {
    /// Reads the names of a set.
    fn read(&mut self, bytes: &'a [u8], start: usize, specials: &mut Specials<'a>) -> Option<()> {
        let Self { names, leads, bound } = self;
        names.clear();
        leads.clear();
        *bound = None;
        let mut at = start;
        loop {
            let from = at + usize::from(at > start);
            let mut end = from;
            while bytes.get(end).is_some_and(|b| name_byte(*b) && *b != b':') {
                end += 1;
            }
            let name = &bytes[from..end];
            let legal = !name.is_empty()
                && !bytes[from].is_ascii_digit()
                && !name.starts_with(b"__")
                && names.len() < NAMES
                && !names.contains(&name);
            if !legal || !bytes[end..].starts_with(b"=\"") {
                return None;
            }
            if matches!(name, b"le" | b"quantile") {
                if bound.is_some() {
                    return None;
                }
                *bound = Some(names.len());
            }
            names.push(name);
            leads.push(&bytes[at..end + 2]);
            at = specials.closing_quote(end + 2)? + 1;
            match &bytes[at..] {
                [b'}', ..] | [b',', b'}', ..] => return Some(()),
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
pub(super) fn exemplar(bytes: &[u8], start: usize) -> Option<&[u8]> {
    if bytes.get(start) == Some(&b'}') {
        return Some(&[]);
    }
    let mut layout = Layout::default();
    layout.read(bytes, start, &mut Specials::new(bytes, start))?;
    let mut at = start;
    for lead in &layout.leads {
        let value = at + lead.len();
        at = value + memchr::memchr2(b'"', b'\\', &bytes[value..])?;
        if bytes[at] == b'\\' {
            return None;
        }
        at += 1;
    }
    Some(&bytes[start..at])
}

/// Families have one layout or few; with more it is not worth looking for them one after another.
const LAYOUTS: usize = 8;

/// More labels in a set are left to the careful reader.
const NAMES: usize = 32;
