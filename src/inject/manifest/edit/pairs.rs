//! Tells which entries of a mapping stay, which are called something else, and which come and go.

use super::Editor;
use crate::inject::manifest::node::{Id, Kind};
use crate::inject::manifest::value::{is_merge, merged, name};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What becomes of the entries of a mapping.
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    /// What becomes of each that is there, in the order of the text.
    pub(super) fates: Vec<Fate<'a>>,
    /// What is added: behind which entry, or before the first, its key and its value.
    pub(super) added: Vec<(Option<usize>, &'a str, &'a Value)>,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    /// It is a merge key, and stays as it is.
    Merges,
    /// It stays, with these values before and after.
    Stays(&'a Value, &'a Value),
    /// Its key is another from now on, and these are the values.
    Renamed(&'a str, &'a Value, &'a Value),
    /// It goes.
    Goes,
}

impl Fate<'_> {
    pub(super) fn goes(&self) -> bool {
        matches!(self, Self::Goes)
    }
}

impl<'a> Editor<'a> {
    /// Compares a mapping with what it is to be; `None` where nothing of it would stay.
    pub(super) fn pairs(
        &self,
        entries: &[(Id, Id)],
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> Option<Pairs<'a>> {
        let mut own = HashMap::with_capacity(entries.len());
        let mut merges = false;
        for (at, (key, _)) in entries.iter().enumerate() {
            if is_merge(self.tree, *key) {
                merges = true;
            } else {
                own.insert(name(self.tree, *key)?, at);
            }
        }
        let brought = if merges { self.brought(entries, new) } else { None };
        let mut fates = vec![Fate::Goes; entries.len()];
        if brought.is_some() {
            for (at, (key, _)) in entries.iter().enumerate() {
                if is_merge(self.tree, *key) {
                    fates[at] = Fate::Merges;
                }
            }
        }
        let mut added = Vec::new();
        let mut last = None;
        for (key, value) in new {
            if let Some(at) = own.get(key) {
                fates[*at] = Fate::Stays(old.get(key)?, value);
                last = Some(*at);
            } else if brought.as_ref().and_then(|brought| brought.get(key)) != Some(value) {
                // It is new, or was merged from elsewhere; said here, it holds.
                added.push((last, key.as_str(), value));
            }
        }
        let names: HashMap<usize, &String> = own.iter().map(|(name, at)| (*at, name)).collect();
        added.retain(|(last, key, value)| {
            let at = last.map_or(0, |last| last + 1);
            let was = names.get(&at).and_then(|name| old.get(*name));
            let Some(was) = was.filter(|was| fates[at].goes() && alike(was, value)) else {
                return true;
            };
            let name = self.tree.node(entries[at].0);
            let simple = matches!(name.kind, Kind::Scalar { .. })
                && !name.anchored
                && !name.is_block_scalar()
                && name.start() < name.end();
            if simple {
                fates[at] = Fate::Renamed(key, was, value);
            }
            !simple
        });
        fates.iter().any(|fate| !fate.goes()).then_some(Pairs { fates, added })
    }

    /// What merge keys bring from now on; `None` where they would bring what is not wanted.
    fn brought(
        &self,
        entries: &[(Id, Id)],
        new: &Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        let brought = merged(self.tree, entries, self.source, &self.changed()).ok()?;
        brought.keys().all(|key| new.contains_key(key)).then_some(brought)
    }
}

/// Whether one value may be what became of another: then its comments are about both.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => !one.is_empty() && !other.is_empty(),
        _ => false,
    }
}
