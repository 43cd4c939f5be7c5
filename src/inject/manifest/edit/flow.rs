//! Edits between brackets and braces, as in JSON.

use super::Editor;
use super::place::{line_start, only_space_before};
use crate::inject::manifest::node::{Id, Kind};
use crate::inject::manifest::write::{json, loose, pretty, quoted};
use crate::inject::patch::aligned;
use serde_json::Value;

impl Editor<'_> {
    /// Changes a list or mapping in brackets inside, or writes it anew.
    pub(super) fn flow(&mut self, id: Id, before: &Value, after: &Value) {
        let node = self.tree.node(id);
        let layout = self.layout(id);
        let mark = self.edits.len();
        let inside = match (&node.kind, before, after) {
            (Kind::Mapping { entries, .. }, Value::Object(old), Value::Object(new)) => {
                let parts: Vec<Part<'_>> = new
                    .iter()
                    .map(|(key, value)| Part {
                        key: Some(key),
                        was: entries
                            .iter()
                            .position(|(name, _)| self.tree.text(*name) == Some(key)),
                        value,
                    })
                    .collect();
                let places: Vec<_> = entries.iter().map(|(key, value)| (*key, *value)).collect();
                let old: Option<Vec<&Value>> =
                    entries.iter().map(|(key, _)| old.get(self.tree.text(*key)?)).collect();
                old.and_then(|old| self.parts(&places, &old, &parts, layout))
            }
            (Kind::Sequence { items, .. }, Value::Array(old), Value::Array(new)) => {
                let parts: Vec<Part<'_>> = new
                    .iter()
                    .zip(aligned(old, new))
                    .map(|(value, was)| Part { key: None, was, value })
                    .collect();
                let places: Vec<_> = items.iter().map(|item| (*item, *item)).collect();
                let old: Vec<&Value> = old.iter().collect();
                self.parts(&places, &old, &parts, layout)
            }
            _ => None,
        };
        if inside.is_none() {
            self.edits.truncate(mark);
            let column = layout.map_or(0, |(column, step)| column.saturating_sub(step));
            self.edits.push((node.start..node.end, self.written(after, layout, column)));
        }
    }

    /// Changes, takes away and adds between the parts that stay.
    fn parts(
        &mut self,
        places: &[(Id, Id)],
        old: &[&Value],
        new: &[Part<'_>],
        layout: Option<(usize, usize)>,
    ) -> Option<()> {
        let mut kept = vec![false; places.len()];
        for at in new.iter().filter_map(|part| part.was) {
            kept[at] = true;
        }
        let first = kept.iter().position(|kept| *kept)?;
        // Nothing is between such an end and its comma or colon that could be told apart.
        if places.iter().any(|(_, value)| self.tree.node(*value).start == self.end(*value)) {
            return None;
        }
        if first > 0 {
            let start = self.tree.node(places[0].0).start;
            self.edits.push((start..self.tree.node(places[first].0).start, String::new()));
        }
        for at in first + 1..places.len() {
            if !kept[at] {
                let range = self.end(places[at - 1].1)..self.end(places[at].1);
                self.edits.push((range, String::new()));
            }
        }
        let (between, column) = match layout {
            Some((column, _)) => (format!(",{}{}", self.style.newline, " ".repeat(column)), column),
            None => (", ".to_owned(), 0),
        };
        let mut last = None;
        for part in new {
            if let Some(at) = part.was {
                last = Some(at);
                if old[at] != part.value {
                    self.flow_value(places[at].1, old[at], part.value, layout, column)?;
                }
                continue;
            }
            let value = self.written(part.value, layout, column);
            let written = match part.key {
                Some(key) if layout.is_none() => format!("{}: {value}", self.short(&key.into())),
                Some(key) => format!("{}: {value}", quoted(key)),
                None => value,
            };
            if let Some(last) = last {
                let end = self.end(places[last].1);
                self.edits.push((end..end, format!("{between}{written}")));
            } else {
                let start = self.tree.node(places[first].0).start;
                self.edits.push((start..start, format!("{written}{between}")));
            }
        }
        Some(())
    }

    fn flow_value(
        &mut self,
        id: Id,
        was: &Value,
        now: &Value,
        layout: Option<(usize, usize)>,
        column: usize,
    ) -> Option<()> {
        let node = self.tree.node(id);
        if node.anchored {
            return None;
        }
        match node.kind {
            Kind::Mapping { .. } | Kind::Sequence { .. } if was.is_object() == now.is_object() => {
                self.flow(id, was, now);
            }
            _ => self.edits.push((node.start..node.end, self.written(now, layout, column))),
        }
        Some(())
    }

    /// A value on one line: as JSON is written, or as people write YAML.
    fn short(&self, value: &Value) -> String {
        if self.is_json { json(value) } else { loose(value) }
    }

    fn written(&self, value: &Value, layout: Option<(usize, usize)>, column: usize) -> String {
        match layout {
            Some((_, step)) => pretty(value, column, step, self.style.newline),
            None => self.short(value),
        }
    }

    /// The column of the parts of a collection that has a line for each, and how far that is to
    /// the right of its own line.
    fn layout(&self, id: Id) -> Option<(usize, usize)> {
        let node = self.tree.node(id);
        let first = match &node.kind {
            Kind::Mapping { entries, .. } => entries.first().map(|(key, _)| *key),
            Kind::Sequence { items, .. } => items.first().copied(),
            _ => None,
        };
        let first = self.tree.node(first?);
        only_space_before(self.source, first.start)?;
        let line = &self.source[line_start(self.source, node.start)..];
        let outer = line.len() - line.trim_start_matches(' ').len();
        Some((first.column, first.column.checked_sub(outer).filter(|step| *step > 0)?))
    }
}

/// A part of what is to be, and which of those that were it was.
struct Part<'a> {
    key: Option<&'a str>,
    was: Option<usize>,
    value: &'a Value,
}
