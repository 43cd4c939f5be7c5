//! Finds the family that a sample belongs to, by its name and the types told so far.

use std::borrow::Cow;

use super::metadata::Said;
use super::{Dialect, Limits, Refusal};
use crate::exposition::block::Block;
use crate::exposition::keyed::{ByName, Keyed};
use crate::exposition::merge::bound_label;
use crate::exposition::model::{Family, Kind, Sample, Suffix};
use crate::exposition::problem::Reason;

/// A family's number and the sample's place in it.
pub(super) type Place = (usize, Suffix);

/// The families of one source.
pub(super) struct Table<'a> {
    dialect: Dialect,
    families: Vec<Entry<'a>>,
    by_name: ByName<Cow<'a, str>, usize>,
    /// The sample name seen last, which the next line most often has, too.
    last: Option<(Cow<'a, str>, Place)>,
    /// The family described last, which the next line most often is about, too.
    described: Option<usize>,
}

struct Entry<'a> {
    family: Family<'a>,
    typed: bool,
    /// Whether it was tried to read its samples in one go.
    tried: bool,
    /// The name is OpenMetrics' so far: `_total` or `_info` will be added.
    shortened: bool,
}

impl<'a> Table<'a> {
    /// A table for about so many families.
    pub(super) fn new(dialect: Dialect, families: usize) -> Self {
        let by_name = ByName::with_capacity_and_hasher(families, Keyed);
        Self { dialect, families: Vec::new(), by_name, last: None, described: None }
    }

    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.families.len() >= limit
    }

    pub(super) fn is_new(&self, name: &str) -> bool {
        !self.by_name.contains_key(name) && self.find_compound(name).is_none()
    }

    /// The label of such samples that is a number rather than text.
    pub(super) fn bound_label(&self, (family, suffix): Place) -> Option<&'static str> {
        bound_label(self.families[family].family.kind, suffix)
    }

    pub(super) fn add(&mut self, (family, _): Place, sample: Sample<'a>) {
        let family = &mut self.families[family].family;
        family.expand();
        family.samples.push(sample);
    }

    /// The place for a sample of this name; a new family where there is none.
    pub(super) fn place(&mut self, name: Cow<'a, str>) -> Place {
        if let Some((last, place)) = &self.last
            && *last == name
        {
            return *place;
        }
        let place = self.find(name.clone());
        self.last = Some((name, place));
        place
    }

    pub(super) fn kind(&self, family: usize) -> Kind {
        self.families[family].family.kind
    }

    /// Whether it is the name that was placed last.
    pub(super) fn is_last(&self, name: &str) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| last == name)
    }

    /// Whether a sample of this name may have a place.
    pub(super) fn has_room(&self, name: &str, limits: &Limits) -> bool {
        !self.is_full(limits.families) || !self.is_new(name)
    }

    /// Whether the family has no samples, and nobody tried to read them in one go.
    pub(super) fn is_fresh(&self, family: usize) -> bool {
        let entry = &self.families[family];
        !entry.tried && entry.family.is_empty()
    }

    /// Keeps what came of trying to read a family in one go.
    pub(super) fn settle(&mut self, family: usize, block: Option<Block<'a>>) {
        let entry = &mut self.families[family];
        entry.tried = true;
        entry.family.block = block.map(Box::new);
    }

    /// The place that a name has without making a new family or a new name for one.
    pub(super) fn find_known(&self, name: &str) -> Option<Place> {
        let exact = self.exact(name).filter(|exact| {
            let entry = &self.families[*exact];
            entry.typed || !entry.family.is_empty()
        });
        exact.map(|exact| (exact, Suffix::Bare)).or_else(|| self.find_compound(name))
    }

    fn find(&mut self, name: Cow<'a, str>) -> Place {
        // Most often the next sample of the same histogram.
        if let Some((_, (current, _))) = self.last
            && let Some(suffix) = name.strip_prefix(&*self.families[current].family.name)
            && let Some(suffix) = suffix_of(&self.families[current].family, suffix)
            && !self.by_name.contains_key(&name)
        {
            return (current, suffix);
        }
        let exact = self.exact(&name);
        if let Some(exact) = exact {
            let entry = &mut self.families[exact];
            if entry.typed || !entry.family.is_empty() {
                // A counter `foo` with a sample `foo` is named as text names it.
                entry.shortened = false;
                return (exact, Suffix::Bare);
            }
        }
        if let Some((family, suffix)) = self.find_compound(&name) {
            let entry = &mut self.families[family];
            if suffix == Suffix::Bare {
                entry.family.name.clone_from(&name);
                entry.shortened = false;
                self.by_name.insert(name, family);
                self.described = None;
            }
            return (family, suffix);
        }
        (exact.unwrap_or_else(|| self.create(name)), Suffix::Bare)
    }

    /// The family of this very name. A counter `foo` that has a sample `foo_total` is called so,
    /// and a sample `foo` is none of its own.
    fn exact(&self, name: &str) -> Option<usize> {
        let is_called_so = |at: &usize| self.families[*at].family.name == name;
        let described = self.described.filter(is_called_so);
        described.or_else(|| self.by_name.get(name).copied().filter(is_called_so))
    }

    fn find_compound(&self, name: &str) -> Option<Place> {
        for ending in ["_total", "_info"] {
            if let Some(base) = name.strip_suffix(ending)
                && let Some(&family) = self.by_name.get(base)
                && self.families[family].shortened
                && ending == ending_of(self.families[family].family.kind)
            {
                return Some((family, Suffix::Bare));
            }
        }
        for suffix in Suffix::ALL {
            if suffix == Suffix::Bare || suffix == Suffix::Created && !self.dialect.openmetrics {
                continue;
            }
            if let Some(base) = name.strip_suffix(suffix.as_str())
                && let Some(&family) = self.by_name.get(base)
                && self.families[family].family.kind.suffixes().contains(&suffix)
            {
                return Some((family, suffix));
            }
        }
        None
    }

    fn create(&mut self, name: Cow<'a, str>) -> usize {
        let number = self.families.len();
        self.by_name.insert(name.clone(), number);
        let family = Family::new(name, Kind::Unknown);
        self.families.push(Entry { family, typed: false, tried: false, shortened: false });
        number
    }

    pub(super) fn describe(&mut self, said: Said<'a>) -> Result<(), Refusal> {
        let name = said.name().clone();
        let known = self.exact(&name);
        let number = known.unwrap_or_else(|| self.create(name));
        self.described = Some(number);
        self.last = None;
        let Entry { family, typed, shortened, .. } = &mut self.families[number];
        let late = !family.is_empty();
        let again = match said {
            Said::Help(_, help) => {
                let again = family.help.is_some();
                family.help.get_or_insert(help);
                again
            }
            Said::Unit(_, unit) => {
                let again = family.unit.is_some();
                if !unit.is_empty() {
                    family.unit.get_or_insert(Cow::Borrowed(unit));
                }
                again
            }
            Said::Type(_, kind, foreign) => {
                let again = *typed;
                if again && family.kind != kind {
                    return Refusal::new(0, Reason::RepeatedMetadata);
                }
                if !again {
                    // After samples a type can still be told of what has one sample a point.
                    if late && kind.is_compound() {
                        return Refusal::new(0, Reason::RepeatedMetadata);
                    }
                    family.expand();
                    family.kind = kind;
                    *typed = true;
                    *shortened = !ending_of(kind).is_empty() && !late;
                }
                if let Some(reason) = foreign {
                    return Refusal::new(0, reason);
                }
                if late && !again {
                    return Refusal::new(0, Reason::RepeatedMetadata);
                }
                again
            }
        };
        // Repeating oneself is harmless in text, where concatenated expositions do it.
        if (again || late) && self.dialect.strict {
            return Refusal::new(0, Reason::RepeatedMetadata);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<Family<'a>> {
        let openmetrics = self.dialect.openmetrics;
        let names = self.by_name;
        self.families
            .into_iter()
            .map(|Entry { mut family, shortened, .. }| {
                if shortened && openmetrics {
                    let full = format!("{}{}", family.name, ending_of(family.kind));
                    if !names.contains_key(&*full) {
                        family.name = Cow::Owned(full);
                    }
                }
                if !family.names_its_block() {
                    family.expand();
                }
                family
            })
            .collect()
    }
}

fn suffix_of(family: &Family<'_>, text: &str) -> Option<Suffix> {
    let suffixes = family.kind.suffixes();
    let found = suffixes.iter().copied().find(|suffix| suffix.as_str() == text);
    // What `_created` is of depends on the format, which the slow way looks at.
    found.filter(|suffix| *suffix != Suffix::Created)
}

/// What OpenMetrics leaves out of a family's name.
fn ending_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        _ => "",
    }
}
