//! Changes the text of a document where its value changes, and nowhere else.
//!
//! What is added takes the place and the indentation that a person would give it; comments, order
//! and quotes of all the rest stay. Where that cannot be done (anchors in the way, a key on a line
//! with something else) there is no edit, and the caller writes the document anew.

mod flow;
mod place;

use self::place::{after_comments, before_comments, line_after, only_space_before};
use super::node::{Id, Kind, Tree};
use super::value::is_merge;
use super::write::{Origin, Style, Writer, json, text};
use crate::inject::patch::aligned;
use granit_parser::ScalarStyle;
use serde_json::{Map, Value};
use std::ops::Range;

/// The text after the change; `None` where it cannot be done by edits.
pub(super) fn edited(
    tree: &Tree<'_>,
    source: &str,
    before: &Value,
    after: &Value,
) -> Option<String> {
    let newline = if source.contains("\r\n") { "\r\n" } else { "\n" };
    let style = Style { newline, list_offset: 0 };
    let root = tree.root()?;
    let is_json = matches!(tree.node(root).kind, Kind::Mapping { flow: true, .. });
    let mut editor = Editor { tree, source, style, is_json, edits: Vec::new() };
    editor.change(root, before, after)?;
    editor.applied()
}

struct Editor<'a> {
    tree: &'a Tree<'a>,
    source: &'a str,
    style: Style,
    /// Whether all of the document is in brackets.
    is_json: bool,
    edits: Vec<(Range<usize>, String)>,
}

impl Editor<'_> {
    /// Changes a list or mapping inside.
    fn change(&mut self, id: Id, before: &Value, after: &Value) -> Option<()> {
        if before == after {
            return Some(());
        }
        let node = self.tree.node(id);
        // What an anchor names is somewhere else, too.
        if node.anchored {
            return None;
        }
        match (&node.kind, before, after) {
            (Kind::Mapping { entries, flow: false }, Value::Object(old), Value::Object(new)) => {
                self.block_mapping(entries, node.column, old, new)
            }
            (Kind::Sequence { items, flow: false }, Value::Array(old), Value::Array(new)) => {
                self.block_sequence(items, old, new)
            }
            (Kind::Mapping { .. } | Kind::Sequence { .. }, _, _) => {
                self.flow(id, before, after);
                Some(())
            }
            _ => None,
        }
    }

    fn block_mapping(
        &mut self,
        entries: &[(Id, Id)],
        column: usize,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Option<()> {
        self.style.list_offset = self.list_offset(entries, column);
        let own = |key: &str| {
            entries.iter().position(|(name, _)| {
                self.tree.text(*name) == Some(key) && !is_merge(self.tree, *name)
            })
        };
        // Keys stand where the last one before them does that was there.
        let mut last = None;
        let mut kept = vec![false; entries.len()];
        let mut added: Vec<(Option<usize>, &str, &Value)> = Vec::new();
        let mut changed = Vec::new();
        for (key, value) in new {
            match (own(key), old.get(key)) {
                (Some(at), Some(was)) => {
                    kept[at] = true;
                    last = Some(at);
                    if was != value {
                        changed.push((at, was, value));
                    }
                }
                (None, Some(was)) if was == value => {}
                // It was merged from elsewhere, or is new; said here, it holds.
                _ => added.push((last, key, value)),
            }
        }
        // What was merged cannot be taken away here.
        if old.keys().any(|key| !new.contains_key(key) && own(key).is_none()) {
            return None;
        }
        for (at, was, value) in changed {
            self.entry(entries[at], column, was, value)?;
        }
        for at in (0..entries.len()).filter(|at| !kept[*at]) {
            if !is_merge(self.tree, entries[at].0) {
                let range = self.lines_of_entry(entries, at)?;
                self.edits.push((range, String::new()));
            }
        }
        if kept.iter().all(|kept| !kept) && added.is_empty() {
            return None;
        }
        let count = entries.len();
        for (last, key, value) in added {
            let next = last.map_or(0, |last| last + 1);
            let goes = |at: &usize| !kept[*at] && !is_merge(self.tree, entries[*at].0);
            let at = if let Some(gone) = (next..count.min(next + 1)).find(goes) {
                // It takes the place of what goes, below the comments that stand above that.
                let start = self.tree.node(entries[gone].0).start;
                only_space_before(self.source, start).unwrap_or(start)
            } else if let Some(last) = last {
                let end = line_after(self.source, self.end(entries[last].1));
                if last + 1 == count { after_comments(self.source, end, column) } else { end }
            } else {
                let first = self.tree.node(entries.first()?.0).start;
                before_comments(self.source, only_space_before(self.source, first)?)
            };
            let mut writer = Writer::new(self.style);
            writer.entry(key, value, column, None);
            self.insert(at, writer.out);
        }
        Some(())
    }

    /// Changes the value of an entry.
    fn entry(
        &mut self,
        (key, value): (Id, Id),
        column: usize,
        was: &Value,
        now: &Value,
    ) -> Option<()> {
        let node = self.tree.node(value);
        let inside = match (was, now) {
            (Value::Object(was), Value::Object(now)) => !was.is_empty() && !now.is_empty(),
            (Value::Array(was), Value::Array(now)) => !was.is_empty() && !now.is_empty(),
            _ => false,
        };
        let mark = self.edits.len();
        if inside && self.change(value, was, now).is_some() {
            return Some(());
        }
        self.edits.truncate(mark);
        if node.anchored {
            return None;
        }
        let origin = Some(Origin { tree: self.tree, text: self.source, id: value });
        let colon = self.colon(key)?;
        let is_block = match node.kind {
            Kind::Mapping { flow, .. } | Kind::Sequence { flow, .. } => !flow,
            _ => false,
        };
        match &node.kind {
            Kind::Scalar { style, .. }
                if !now.is_object() && !now.is_array() && node.start < node.end =>
            {
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    return None;
                }
                self.edits.push((node.start..node.end, like(now, *style)));
            }
            Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => return None,
            _ if is_block || !is_nested(now) => {
                // All of it goes, and what takes its place begins behind the colon.
                let end = if is_block {
                    line_after(self.source, self.end(value))
                } else {
                    node.end.max(colon)
                };
                let mut writer = Writer::new(self.style);
                if is_block {
                    writer.behind_key(now, column, origin);
                } else {
                    writer.out = format!(" {}", json(now));
                }
                self.edits.push((colon..end, writer.out));
            }
            _ => {
                // The line keeps its comment, and what it has from now on stands below.
                self.edits.push((colon..node.end.max(colon), String::new()));
                let mut writer = Writer::new(self.style);
                writer.behind_key(now, column, origin);
                let below = writer.out.strip_prefix(self.style.newline)?.to_owned();
                let at = line_after(self.source, node.end.max(colon));
                self.insert(at, below);
            }
        }
        Some(())
    }

    fn block_sequence(&mut self, items: &[Id], old: &[Value], new: &[Value]) -> Option<()> {
        let (_, column) = self.first_dash(items)?;
        let mut rest = 0;
        let mut writer = Writer::new(self.style);
        for (value, was) in new.iter().zip(aligned(old, new)) {
            let Some(found) = was else {
                writer.item(value, column, None);
                continue;
            };
            for at in rest..found {
                self.remove_item(items, at)?;
            }
            let at = self.before_item(items, found)?;
            let added = std::mem::replace(&mut writer, Writer::new(self.style));
            self.insert(at, added.out);
            self.change(items[found], &old[found], value)?;
            rest = found + 1;
        }
        for at in rest..old.len() {
            self.remove_item(items, at)?;
        }
        let end = line_after(self.source, self.end(*items.last()?));
        let end = after_comments(self.source, end, column);
        self.insert(end, writer.out);
        Some(())
    }

    /// The line of a list's first dash and its column, where nothing else is before it there.
    fn first_dash(&self, items: &[Id]) -> Option<(usize, usize)> {
        let start = self.tree.node(*items.first()?).start;
        let line = place::line_start(self.source, start);
        let (indent, content) = self.source.get(line..start)?.split_once('-')?;
        let spaces = |text: &str| text.bytes().all(|byte| byte == b' ');
        (spaces(indent) && spaces(content)).then_some((line, indent.len()))
    }

    /// The line on which an item begins, with the comments above it.
    fn before_item(&self, items: &[Id], at: usize) -> Option<usize> {
        if at == 0 {
            return Some(before_comments(self.source, self.first_dash(items)?.0));
        }
        Some(line_after(self.source, self.end(items[at - 1])))
    }

    fn remove_item(&mut self, items: &[Id], at: usize) -> Option<()> {
        let start = if at == 0 {
            self.first_dash(items)?.0
        } else {
            let after_last = line_after(self.source, self.end(items[at - 1]));
            place::dash_line(self.source, after_last)?
        };
        let end = line_after(self.source, self.end(items[at]));
        self.edits.push((start..end, String::new()));
        Some(())
    }

    /// The lines of an entry, or as much of them as is its own.
    fn lines_of_entry(&self, entries: &[(Id, Id)], at: usize) -> Option<Range<usize>> {
        let start = self.tree.node(entries[at].0).start;
        match only_space_before(self.source, start) {
            Some(line) => Some(line..line_after(self.source, self.end(entries[at].1))),
            // It follows a dash, behind which the next one moves up.
            None => Some(start..self.tree.node(entries.get(at + 1)?.0).start),
        }
    }

    /// How far lists stand to the right of their keys here.
    fn list_offset(&self, entries: &[(Id, Id)], column: usize) -> usize {
        let lists = entries.iter().find_map(|(_, value)| match &self.tree.node(*value).kind {
            Kind::Sequence { items, flow: false } => self.first_dash(items),
            _ => None,
        });
        lists.map_or(self.style.list_offset, |(_, dash)| dash.saturating_sub(column))
    }

    /// Just behind the colon of a key that shares its line with it.
    fn colon(&self, key: Id) -> Option<usize> {
        let end = self.tree.node(key).end;
        let rest = self.source.get(end..)?;
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[spaces..].starts_with(':').then_some(end + spaces + 1)
    }

    fn end(&self, id: Id) -> usize {
        self.tree.node(id).end
    }

    /// Adds lines before the one that begins at `at`.
    fn insert(&mut self, at: usize, mut lines: String) {
        if lines.is_empty() {
            return;
        }
        if at == self.source.len() && !self.source.ends_with('\n') && !self.source.is_empty() {
            // The last line had no end, and still has none.
            lines.insert_str(0, self.style.newline);
            lines.truncate(lines.len() - self.style.newline.len());
        }
        self.edits.push((at..at, lines));
    }

    /// The text with all edits; `None` where two of them meet.
    fn applied(mut self) -> Option<String> {
        // Stable, so that what is added at one place stays in its order, before what is replaced there.
        self.edits.sort_by_key(|(range, _)| (range.start, !range.is_empty()));
        // What goes in one piece is one edit.
        self.edits.dedup_by(|(next, new), (range, old)| {
            let one = old.is_empty() && new.is_empty() && range.end == next.start;
            if one {
                range.end = next.end;
            }
            one
        });
        if let Some((range, new)) = self.edits.last_mut()
            && new.is_empty()
            && range.end == self.source.len()
            && !self.source.ends_with('\n')
            && self.source[..range.start].ends_with(self.style.newline)
        {
            // A last line without an end goes, and the one before it has none from now on.
            range.start -= self.style.newline.len();
        }
        let mut text = String::with_capacity(self.source.len() + 4096);
        let mut at = 0;
        for (range, new) in &self.edits {
            text.push_str(self.source.get(at..range.start)?);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(self.source.get(at..)?);
        Some(text)
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A scalar in the quotes that another had.
fn like(value: &Value, style: ScalarStyle) -> String {
    match (value, style) {
        (Value::String(string), ScalarStyle::SingleQuoted)
            if !string.contains(|c: char| c == '\'' || c.is_control()) =>
        {
            format!("'{string}'")
        }
        (Value::String(string), ScalarStyle::Plain) => text(string),
        _ => json(value),
    }
}
