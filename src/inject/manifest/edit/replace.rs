//! Puts another value in the place of one, and keeps the comments that were beside and in it.

use super::place::{Rest, comments, line_after, rest_of_line, skip_properties};
use super::{Editor, Left, is_nested, like};
use crate::inject::manifest::node::{Id, Kind, Tag};
use crate::inject::manifest::value::plain;
use crate::inject::manifest::write::{Origin, Writer, json, loose};
use granit_parser::ScalarStyle;
use serde_json::Value;
use std::ops::Range;

impl<'a> Editor<'a> {
    /// Puts a value behind the colon of a key at `column`, which ends at `from`.
    pub(super) fn replace_value(
        &mut self,
        id: Id,
        from: usize,
        column: usize,
        now: &'a Value,
    ) -> Option<()> {
        if self.replace_scalar(id, from, now, false) {
            return Some(());
        }
        let node = self.tree.node(id);
        let end = node.end().max(from);
        let lines = from..line_after(self.source, end);
        self.anchors.gone(self.tree, &lines);
        let found = comments(self.tree, self.source, lines.clone());
        let mut writer = Writer::new(self.style);
        writer.behind_key(now, column, Some(Origin { tree: self.tree, text: self.source, id }));
        let newline = self.style.newline;
        let inner = column + self.style.step;
        if is_nested(now) {
            let below = writer.out.strip_prefix(newline)?.to_owned();
            let beside = found.iter().all(|comment| comment.start >= end);
            if beside && !node.is_block() && !node.is_block_scalar() {
                // The line keeps its comment, and what it has from now on stands below.
                self.put(from..end, String::new());
                self.put(lines.end..lines.end, below);
            } else {
                let head = self.headed(from, &found, inner);
                self.put(lines, format!("{head}{below}"));
            }
            return Some(());
        }
        let value = if node.is_block() && now.is_null() { String::new() } else { json(now) };
        let value = if value.is_empty() { value } else { format!(" {value}") };
        let (properties, next) = skip_properties(self.source, from);
        let first_line = line_after(self.source, from);
        if node.is_block() && properties < first_line && next >= first_line {
            // The line keeps its comment, and what was below goes.
            self.put(from..properties, value);
            self.take(first_line..lines.end, inner, Left::Lines);
        } else if !node.is_block()
            && !node.is_block_scalar()
            && found.iter().all(|c| c.start >= end)
        {
            self.put(from..end, value);
        } else {
            let head = self.headed(from, &found, inner);
            self.put(lines, format!("{value}{head}"));
        }
        Some(())
    }

    /// Puts a value behind a dash at `column`, which ends at `from`.
    pub(super) fn replace_item(
        &mut self,
        id: Id,
        from: usize,
        column: usize,
        now: &'a Value,
    ) -> Option<()> {
        if self.replace_scalar(id, from, now, false) {
            return Some(());
        }
        let end = line_after(self.source, self.end(id).max(from));
        self.anchors.gone(self.tree, &(from..end));
        let found = comments(self.tree, self.source, from..end);
        let mut writer = Writer::new(self.style);
        writer.item(now, column, Some(Origin { tree: self.tree, text: self.source, id }));
        let item = writer.out.get(column + 1..)?.to_owned();
        let new = if found.is_empty() {
            item
        } else if is_nested(now) {
            let head = self.headed(from, &found, column + 2);
            // What follows the dash is in the line of the comment now, so it goes one down.
            format!(" {}{}{}", head.trim_start(), " ".repeat(column + 2), item.trim_start())
        } else {
            let value = item.trim_end_matches(self.style.newline);
            format!("{value}{}", self.headed(from, &found, column + 2))
        };
        self.put(from..end, new);
        Some(())
    }

    /// Puts a scalar in the place of one, where its anchor and its tag may stay.
    pub(super) fn replace_scalar(
        &mut self,
        id: Id,
        from: usize,
        now: &'a Value,
        flow: bool,
    ) -> bool {
        let node = self.tree.node(id);
        let Kind::Scalar { text, style, tag } = &node.kind else { return false };
        let fits = match tag {
            Tag::None => true,
            Tag::Text => now.is_string(),
            Tag::Plain => !now.is_string(),
        };
        if !fits || now.is_array() || now.is_object() {
            return false;
        }
        if node.is_block_scalar() {
            // It begins with its indicator, in the line before.
            let (_, start) = skip_properties(self.source, from);
            let range = start..node.end().max(start);
            let found = comments(self.tree, self.source, range.clone());
            let mut new = like(now, *style);
            for comment in found {
                new.push(' ');
                new.push_str(&self.source[comment]);
            }
            if self.source[range.clone()].ends_with('\n') {
                new.push_str(self.style.newline);
            }
            self.put(range, new);
            return true;
        }
        if node.start() == node.end() {
            let at = node.end().max(from);
            self.put(at..at, format!(" {}", json(now)));
            return true;
        }
        let new = match style {
            // What had no quotes needs none, but not even JSON has texts without.
            ScalarStyle::Plain if flow && plain(text).is_string() => loose(now),
            ScalarStyle::Plain if flow => self.short(now),
            style => like(now, *style),
        };
        self.put(node.start()..node.end(), new);
        true
    }

    /// Comments as the rest of the line in which `from` is, and lines below it.
    fn headed(&self, from: usize, found: &[Range<usize>], column: usize) -> String {
        let first_line = line_after(self.source, from);
        let mut head = String::new();
        for (index, comment) in found.iter().enumerate() {
            if index == 0 && comment.start < first_line {
                head.push(' ');
            } else {
                head.push_str(self.style.newline);
                head.extend(std::iter::repeat_n(' ', column));
            }
            head.push_str(&self.source[comment.clone()]);
        }
        head.push_str(self.style.newline);
        head
    }

    /// A piece between brackets, in the place of one in which comments may be.
    pub(super) fn replace_flow(&mut self, range: Range<usize>, mut new: String, column: usize) {
        self.anchors.gone(self.tree, &range);
        let found = comments(self.tree, self.source, range.clone());
        let pad = format!("{}{}", self.style.newline, " ".repeat(column));
        for (index, comment) in found.iter().enumerate() {
            new.push_str(if index == 0 { " " } else { &pad });
            new.push_str(&self.source[comment.clone()]);
        }
        if !found.is_empty() && rest_of_line(self.source, range.end) != Rest::Nothing {
            new.push_str(&pad);
        }
        self.put(range, new);
    }
}
