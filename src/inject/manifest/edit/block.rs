//! Edits of mappings without braces.

use super::pairs::Fate;
use super::place::{
    after_comments, before_comments, colon, line_after, only_space_before, skip, skip_properties,
};
use super::{Editor, Left};
use crate::inject::manifest::node::{Id, Kind};
use crate::inject::manifest::write::{Writer, loose};
use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

impl<'a> Editor<'a> {
    pub(super) fn block_mapping(
        &mut self,
        id: Id,
        entries: &[(Id, Id)],
        from: usize,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> Option<()> {
        let column = self.tree.node(id).column();
        let pairs = self.pairs(entries, old, new)?;
        let first = self.tree.node(id).start();
        let starts = self.starts(entries, first, from);
        self.look_at(entries, column);

        // One that follows a dash goes with all that go after it, and the next one moves up.
        let mut next = 0;
        if pairs.fates[0].goes() && only_space_before(self.source, first).is_none() {
            next = pairs.fates.iter().position(|fate| !fate.goes())?;
            self.take(first..starts[next], column, Left::Rest);
        }
        for (at, fate) in pairs.fates.iter().enumerate().skip(next) {
            let (key, value) = entries[at];
            match *fate {
                Fate::Merges => {}
                Fate::Stays(was, now) => self.entry(key, value, column, was, now)?,
                Fate::Renamed(name, was, now) => {
                    self.rename(key, name);
                    self.entry(key, value, column, was, now)?;
                }
                Fate::Goes => {
                    let line = only_space_before(self.source, starts[at])?;
                    self.take(line..self.end_of_lines(key, value), column, Left::Lines);
                }
            }
        }
        for (last, key, value) in pairs.added {
            let at = last.map_or(0, |last| last + 1);
            let replaces = pairs.fates.get(at).is_some_and(Fate::goes);
            let mut writer = Writer::new(self.style);
            writer.entry(key, value, column, None);
            if at == 0 && only_space_before(self.source, first).is_none() {
                self.put(first..first, moved_up(writer.out, column));
                continue;
            }
            let place = if replaces {
                // It takes the place of what goes, below the comments that stand above that.
                only_space_before(self.source, starts[at])?
            } else if let Some(last) = last {
                let end = self.end_of_lines(entries[last].0, entries[last].1);
                if at == entries.len() { after_comments(self.source, end, column) } else { end }
            } else {
                before_comments(self.source, only_space_before(self.source, first)?)
            };
            self.put(place..place, writer.out);
        }
        Some(())
    }

    /// Where entries begin: at their keys, or what belongs to those.
    fn starts(&self, entries: &[(Id, Id)], first: usize, from: usize) -> Vec<usize> {
        let mut starts = Vec::with_capacity(entries.len());
        let mut at = first.max(from);
        for (key, value) in entries {
            starts.push(at);
            at = skip(self.source, self.end_of_entry(*key, *value));
        }
        starts
    }

    /// Where an entry ends, be it with its colon.
    fn end_of_entry(&self, key: Id, value: Id) -> usize {
        let colon = colon(self.source, self.end(key)).unwrap_or_else(|| self.end(key));
        self.end(value).max(colon)
    }

    /// Where the line after an entry begins.
    fn end_of_lines(&self, key: Id, value: Id) -> usize {
        line_after(self.source, self.end_of_entry(key, value))
    }

    /// Calls an entry something else.
    pub(super) fn rename(&mut self, key: Id, name: &str) {
        let node = self.tree.node(key);
        if let Kind::Scalar { style, .. } = &node.kind {
            let range = node.start()..node.end();
            let name = match style {
                ScalarStyle::Plain => loose(&name.into()),
                style => super::like(&name.into(), *style),
            };
            self.put(range, name);
        }
    }

    /// Changes the value of an entry.
    fn entry(
        &mut self,
        key: Id,
        value: Id,
        column: usize,
        was: &'a Value,
        now: &'a Value,
    ) -> Option<()> {
        let Some(from) = colon(self.source, self.end(key)) else {
            return (was == now).then_some(());
        };
        if !self.attempt(|editor| editor.change(value, from, was, now)) {
            self.replace_value(value, from, column, now)?;
        }
        Some(())
    }

    /// Sees how far lists and mappings stand to the right of their keys here, so that what is added looks
    /// the same.
    fn look_at(&mut self, entries: &[(Id, Id)], column: usize) {
        let mut offset = None;
        let mut step = None;
        for (key, value) in entries {
            match &self.tree.node(*value).kind {
                Kind::Sequence { flow: false, .. } if offset.is_none() => {
                    let Some(from) = colon(self.source, self.end(*key)) else { continue };
                    let (_, dash) = skip_properties(self.source, from);
                    offset = self.column_of(dash).checked_sub(column);
                }
                Kind::Mapping { flow: false, .. } if step.is_none() => {
                    let inner = self.tree.node(*value).column();
                    step = inner.checked_sub(column).filter(|step| (1..=8).contains(step));
                }
                _ => {}
            }
        }
        self.style.list_offset = offset.unwrap_or(self.style.list_offset);
        self.style.step = step.unwrap_or(self.style.step);
    }

    /// How many characters of its line come before a place.
    pub(super) fn column_of(&self, at: usize) -> usize {
        let line = super::place::line_start(self.source, at);
        self.source[line..at].chars().count()
    }
}

/// Lines that begin in the middle of one, and leave the rest of that to what was there.
pub(super) fn moved_up(mut lines: String, column: usize) -> String {
    lines.replace_range(..column, "");
    lines.extend(std::iter::repeat_n(' ', column));
    lines
}
