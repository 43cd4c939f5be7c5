//! Changes the text of a document where its value changes, and nowhere else.
//!
//! An edit is made at the smallest node that is different: a scalar is replaced where it stands, a key
//! that is added gets lines of its own, one that goes takes its own lines alone. So comments, order,
//! quotes and layout of all the rest stay. A comment within what goes is left in a line of its own.
//! What an anchor names is edited where it is written; an alias that is not to stand for that any more
//! is filled in with what it stood for. Where no edit is possible the caller writes the document anew.

mod anchors;
mod block;
mod flow;
mod list;
mod pairs;
pub(super) mod place;
mod replace;

use self::anchors::Anchors;
use super::node::{Id, Kind, Tree};
use super::write::{Style, json, text};
use granit_parser::ScalarStyle;
use serde_json::Value;
use std::ops::Range;

/// Collects the edits of a document.
pub(super) struct Editor<'a> {
    tree: &'a Tree<'a>,
    source: &'a str,
    style: Style,
    /// Whether all of the document is in brackets.
    is_json: bool,
    anchors: Anchors<'a>,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Editor<'a> {
    /// An editor of a document with this content.
    pub(super) fn new(tree: &'a Tree<'a>, source: &'a str, root: Id) -> Self {
        let newline = newline(source);
        let is_json = matches!(tree.node(root).kind, Kind::Mapping { flow: true, .. });
        let style = Style { newline, list_offset: 0, step: 2 };
        Self { tree, source, style, is_json, anchors: Anchors::default(), edits: Vec::new() }
    }

    /// Changes a node inside; `None` where only another one in its place will do. `from` is where
    /// its anchor, its tag and itself may begin.
    pub(super) fn change(
        &mut self,
        id: Id,
        from: usize,
        was: &'a Value,
        now: &'a Value,
    ) -> Option<()> {
        let node = self.tree.node(id);
        if node.anchored {
            self.anchors.note(id, was, now);
        }
        // Aliases in what stays may be of something that does not.
        if was == now && !(node.aliased && self.anchors.any_changed()) {
            return Some(());
        }
        match (&node.kind, was, now) {
            (Kind::Alias(_), _, _) => {
                let target = self.tree.resolve(id)?;
                self.anchors.stands_for(target, was, now).then_some(())
            }
            (Kind::Mapping { entries, flow: false }, Value::Object(old), Value::Object(new)) => {
                self.block_mapping(id, entries, from, old, new)
            }
            (Kind::Sequence { items, flow: false }, Value::Array(old), Value::Array(new)) => {
                self.block_sequence(items, from, old, new)
            }
            (Kind::Mapping { entries, .. }, Value::Object(old), Value::Object(new)) => {
                self.flow_mapping(id, entries, old, new)
            }
            (Kind::Sequence { items, .. }, Value::Array(old), Value::Array(new)) => {
                self.flow_sequence(id, items, old, new)
            }
            _ => None,
        }
    }

    /// Tries an edit; where it cannot be done, nothing of it stays.
    fn attempt(&mut self, edit: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let (mark, style) = (self.edits.len(), self.style);
        let done = edit(self).is_some();
        if !done {
            self.edits.truncate(mark);
        }
        self.style = style;
        done
    }

    /// Puts a text in the place of a piece.
    fn put(&mut self, range: Range<usize>, mut new: String) {
        let newline = self.style.newline;
        if range.end == self.source.len() && !self.source.ends_with('\n') {
            // The last line had no end, and still has none.
            if range.is_empty() && !new.is_empty() && !self.source.is_empty() {
                new.insert_str(0, newline);
            }
            if new.ends_with(newline) {
                new.truncate(new.len() - newline.len());
            }
        }
        if !(range.is_empty() && new.is_empty()) {
            self.edits.push((range, new));
        }
    }

    /// Takes away a piece; the comments in it stay, each in a line of its own.
    fn take(&mut self, range: Range<usize>, column: usize, left: Left) {
        self.anchors.gone(self.tree, &range);
        let found = place::comments(self.tree, self.source, range.clone());
        let pad = " ".repeat(column);
        let newline = self.style.newline;
        let before = &self.source[..range.start];
        let mut new = String::new();
        if left == Left::Rest && !found.is_empty() && !before.ends_with([' ', '\t', '\n']) {
            new.push(' ');
        }
        for comment in found {
            let comment = &self.source[comment];
            new.extend(match left {
                Left::Lines => [&pad, comment, newline],
                Left::Rest => [comment, newline, &pad],
                Left::Below => [newline, &pad, comment],
            });
        }
        self.put(range, new);
    }

    fn end(&self, id: Id) -> usize {
        self.tree.node(id).end()
    }

    /// What has an anchor and is not any more what it was, for whoever has to know what aliases mean.
    fn changed(&self) -> impl Fn(Id) -> Option<Value> + use<'_, 'a> {
        |id| self.anchors.changed(id)
    }

    /// All that was edited.
    pub(super) fn edits(self) -> Edits {
        Edits { newline: self.style.newline, edits: self.edits }
    }
}

/// What is left of a piece that goes, if there are comments in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It was whole lines.
    Lines,
    /// What follows in its line goes one down.
    Rest,
    /// It began with the end of the line before.
    Below,
}

/// The edits of a text.
#[derive(Debug)]
pub(super) struct Edits {
    newline: &'static str,
    edits: Vec<(Range<usize>, String)>,
}

impl Edits {
    /// The least piece of the text that has a piece and all edits in it.
    pub(super) fn around(&self, piece: Range<usize>) -> Range<usize> {
        let ranges = self.edits.iter().map(|(range, _)| range);
        ranges.fold(piece, |piece, range| piece.start.min(range.start)..piece.end.max(range.end))
    }

    /// A piece of the text that all edits are in, with them; `None` where two of them meet.
    pub(super) fn applied(mut self, source: &str, piece: Range<usize>) -> Option<String> {
        // Stable, so that what is added at one place stays in its order, before what is replaced there.
        self.edits.sort_by_key(|(range, _)| (range.start, !range.is_empty()));
        let added = self.edits.iter().map(|(_, new)| new.len()).sum::<usize>();
        let mut text = String::with_capacity(piece.len() + added);
        let mut at = piece.start;
        let last = self.edits.len().checked_sub(1);
        for (index, (range, new)) in self.edits.iter().enumerate() {
            text.push_str(source.get(at..range.start)?);
            let is_last = last == Some(index) && range.end == source.len();
            if is_last && new.is_empty() && !source.ends_with('\n') && text.ends_with(self.newline)
            {
                // A last line without an end goes, and the one before it has none from now on.
                text.truncate(text.len() - self.newline.len());
            }
            text.push_str(new);
            at = range.end;
        }
        text.push_str(source.get(at..piece.end)?);
        Some(text)
    }
}

/// How the lines of a text end.
pub(super) fn newline(text: &str) -> &'static str {
    match memchr::memchr(b'\n', text.as_bytes()) {
        Some(end) if text[..end].ends_with('\r') => "\r\n",
        _ => "\n",
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
        (
            Value::String(string),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded,
        ) => text(string),
        _ => json(value),
    }
}
