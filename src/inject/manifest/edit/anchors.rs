//! What anchors name after the edits, so that each alias still means what it has to.

use crate::inject::manifest::node::{Id, Tree};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What is known of anchors. They are noted in the order of the text, and so before their aliases.
#[derive(Debug, Default)]
pub(super) struct Anchors<'a> {
    /// What is another value now.
    now: HashMap<Id, &'a Value>,
    /// What is not in the text any more.
    gone: HashSet<Id>,
}

impl<'a> Anchors<'a> {
    /// Notes what an anchor names from now on.
    pub(super) fn note(&mut self, id: Id, was: &Value, now: &'a Value) {
        if was != now {
            self.now.insert(id, now);
        }
    }

    /// Notes that a piece of the text goes.
    pub(super) fn gone(&mut self, tree: &Tree<'_>, range: &Range<usize>) {
        self.gone.extend(tree.named_within(range));
    }

    /// Whether any alias may mean something else than it did.
    pub(super) fn any_changed(&self) -> bool {
        !self.now.is_empty() || !self.gone.is_empty()
    }

    /// Whether an alias that meant one value means another by itself.
    pub(super) fn stands_for(&self, target: Id, was: &Value, now: &Value) -> bool {
        !self.gone.contains(&target) && **self.now.get(&target).unwrap_or(&was) == *now
    }

    /// What an anchor stands for, where that has changed; `null` where it is gone.
    pub(super) fn changed(&self, id: Id) -> Option<Value> {
        if self.gone.contains(&id) {
            return Some(Value::Null);
        }
        self.now.get(&id).map(|now| (*now).clone())
    }
}
