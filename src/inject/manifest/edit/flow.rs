//! Edits between brackets and braces, as in JSON.

use super::pairs::Fate;
use super::place::{
    Rest, before_comments, colon, line_after, line_start, only_space_before, rest_of_line, skip,
};
use super::{Editor, Left, is_nested};
use crate::inject::manifest::node::Id;
use crate::inject::manifest::write::{json, loose, pretty, quoted};
use crate::inject::patch::aligned;
use serde_json::{Map, Value};
use std::ops::Range;

impl<'a> Editor<'a> {
    pub(super) fn flow_mapping(
        &mut self,
        id: Id,
        entries: &[(Id, Id)],
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> Option<()> {
        let pairs = self.pairs(entries, old, new)?;
        let end = |(key, value): &(Id, Id)| {
            let colon = colon(self.source, self.end(*key)).unwrap_or_default();
            self.end(*value).max(self.end(*key)).max(colon)
        };
        let brackets = self.brackets(id, entries.iter().map(end).collect())?;
        for (fate, (key, value)) in pairs.fates.iter().zip(entries) {
            match *fate {
                Fate::Merges | Fate::Goes => {}
                Fate::Stays(was, now) => self.flow_entry(*key, *value, was, now, &brackets),
                Fate::Renamed(name, was, now) => {
                    self.rename(*key, name);
                    self.flow_entry(*key, *value, was, now, &brackets);
                }
            }
        }
        let stays: Vec<bool> = pairs.fates.iter().map(|fate| !fate.goes()).collect();
        let written = |(last, key, value): (Option<usize>, &str, &Value)| {
            let value = self.written(value, &brackets);
            let key = if brackets.layout.is_some() { quoted(key) } else { self.short(&key.into()) };
            (last, format!("{key}: {value}"))
        };
        let added: Vec<_> = pairs.added.into_iter().map(written).collect();
        self.parts(&brackets, &stays, added)
    }

    pub(super) fn flow_sequence(
        &mut self,
        id: Id,
        items: &[Id],
        old: &'a [Value],
        new: &'a [Value],
    ) -> Option<()> {
        let brackets = self.brackets(id, items.iter().map(|item| self.end(*item)).collect())?;
        let mut stays = vec![false; items.len()];
        let mut added = Vec::new();
        let mut last = None;
        for (value, was) in new.iter().zip(aligned(old, new)) {
            let Some(at) = was else {
                added.push((last, self.written(value, &brackets)));
                continue;
            };
            stays[at] = true;
            last = Some(at);
            let from = brackets.parts[at].start;
            if !self.attempt(|editor| editor.change(items[at], from, &old[at], value)) {
                self.flow_value(items[at], brackets.parts[at].clone(), value, &brackets);
            }
        }
        self.parts(&brackets, &stays, added)
    }

    fn flow_entry(
        &mut self,
        key: Id,
        value: Id,
        was: &'a Value,
        now: &'a Value,
        brackets: &Brackets,
    ) {
        let Some(from) = colon(self.source, self.end(key)) else {
            // A key alone stands for one with nothing behind it.
            if was != now {
                let end = self.end(key);
                self.put(end..end, format!(": {}", self.written(now, brackets)));
            }
            return;
        };
        if !self.attempt(|editor| editor.change(value, from, was, now)) {
            let end = self.end(value).max(from);
            self.flow_value(value, skip(self.source, from).min(end)..end, now, brackets);
        }
    }

    fn flow_value(&mut self, id: Id, range: Range<usize>, now: &'a Value, brackets: &Brackets) {
        if !self.replace_scalar(id, range.start, now, true) {
            let mut new = self.written(now, brackets);
            if self.source[..range.start].ends_with(':') {
                new.insert(0, ' ');
            }
            self.replace_flow(range, new, brackets.column(self));
        }
    }

    /// Takes away parts and adds others.
    fn parts(
        &mut self,
        brackets: &Brackets,
        stays: &[bool],
        mut added: Vec<(Option<usize>, String)>,
    ) -> Option<()> {
        let last = stays.iter().rposition(|stays| *stays)?;
        let Brackets { parts, commas, .. } = brackets;
        // What is last from now on has no comma behind it, as in JSON, unless there was one.
        let is_cut = last + 1 < parts.len() && commas.last()?.is_none();
        let grows = added.iter().any(|(at, _)| *at == Some(last));
        let mut at = 0;
        for run in stays.chunk_by(|one, next| one == next) {
            if !run[0] {
                self.take_parts(brackets, at..at + run.len());
            }
            at += run.len();
        }
        if is_cut && !grows {
            let comma = commas[last]?;
            self.put(comma..comma + 1, String::new());
        }
        added.dedup_by(|(next, new), (at, text)| {
            // What is added at one place is added at once.
            let one = next == at;
            if one {
                text.push_str(&brackets.between(self));
                text.push_str(new);
            }
            one
        });
        let between = brackets.between(self);
        let pad = " ".repeat(brackets.column(self));
        let newline = self.style.newline;
        for (at, new) in added {
            let Some(at) = at else {
                let start = parts[0].start;
                match only_space_before(self.source, start) {
                    Some(line) if brackets.layout.is_some() => {
                        let inside = line_after(self.source, brackets.inside);
                        let place = before_comments(self.source, line).max(inside.min(line));
                        self.put(place..place, format!("{pad}{new},{newline}"));
                    }
                    _ => self.put(start..start, format!("{new}{between}")),
                }
                continue;
            };
            let Some(comma) = commas[at] else {
                let end = parts[at].end;
                if let Rest::Comment(place) = rest_of_line(self.source, end) {
                    // The comment stays with what it is about.
                    self.put(end..end, ",".to_owned());
                    self.put(place..place, format!("{newline}{pad}{new}"));
                } else {
                    self.put(end..end, format!("{between}{new}"));
                }
                continue;
            };
            let next = if is_cut && at == last { "" } else { "," };
            let place = match rest_of_line(self.source, comma + 1) {
                Rest::Comment(place) => place,
                Rest::Nothing if brackets.layout.is_some() => comma + 1,
                _ => {
                    self.put(comma + 1..comma + 1, format!(" {new}{next}"));
                    continue;
                }
            };
            self.put(place..place, format!("{newline}{pad}{new}{next}"));
        }
        Some(())
    }

    /// Takes away parts that follow each other, and the last one's comma or the space before the first.
    fn take_parts(&mut self, brackets: &Brackets, run: Range<usize>) {
        let part = brackets.parts[run.start].start..brackets.parts[run.end - 1].end;
        let comma = brackets.commas[run.end - 1];
        let end = comma.map_or(part.end, |comma| comma + 1);
        let column = brackets.column(self);
        let rest = rest_of_line(self.source, end);
        let line = only_space_before(self.source, part.start);
        match (rest, line.filter(|line| *line > brackets.inside)) {
            (Rest::Content(next), _) if comma.is_some() => {
                self.take(part.start..next, column, Left::Rest);
            }
            (Rest::Comment(_), _) => self.take(part.start..end, column, Left::Rest),
            // What follows in its line cannot go behind a comment.
            (Rest::Content(_), Some(line)) if brackets.is_commented(self, line) => {
                self.take(part.start..end, column, Left::Rest);
            }
            (_, Some(line)) => {
                let before = &self.source[..line];
                let before = before.strip_suffix(self.style.newline).unwrap_or(before).len();
                self.take(before.max(brackets.inside)..end, column, Left::Below);
            }
            (_, None) => {
                let before = self.source[..part.start].trim_end_matches([' ', '\t']).len();
                self.take(before.max(brackets.inside)..end, column, Left::Rest);
            }
        }
    }

    /// A value on one line: as JSON is written, or as people write YAML.
    pub(super) fn short(&self, value: &Value) -> String {
        if self.is_json { json(value) } else { loose(value) }
    }

    fn written(&self, value: &Value, brackets: &Brackets) -> String {
        match brackets.layout {
            Some((column, step)) if is_nested(value) => {
                pretty(value, column, step, self.style.newline)
            }
            Some(_) => json(value),
            None => self.short(value),
        }
    }

    /// Looks at a list or mapping in brackets whose parts have these ends.
    fn brackets(&self, id: Id, ends: Vec<usize>) -> Option<Brackets> {
        let node = self.tree.node(id);
        // One pair within a list needs no braces.
        if !self.source[node.start()..].starts_with(['{', '[']) {
            return None;
        }
        let inside = node.start() + 1;
        let mut at = inside;
        let mut parts = Vec::with_capacity(ends.len());
        let mut commas = Vec::with_capacity(ends.len());
        for end in ends {
            let start = skip(self.source, at);
            let end = end.max(start);
            let next = skip(self.source, end);
            let comma = (self.source.as_bytes().get(next) == Some(&b',')).then_some(next);
            parts.push(start..end);
            commas.push(comma);
            at = comma.map_or(end, |comma| comma + 1);
        }
        let closing = self.source.as_bytes().get(skip(self.source, at));
        let between = commas.iter().rev().skip(1).all(Option::is_some);
        if !between || !closing.is_some_and(|byte| b"}]".contains(byte)) {
            return None;
        }
        let layout = parts.first().and_then(|first| {
            only_space_before(self.source, first.start)?;
            let line = &self.source[line_start(self.source, node.start())..];
            // Behind the dash or colon that a line may begin with.
            let outer = line.len() - line.trim_start_matches([' ', '-', '?', ':']).len();
            let column = self.column_of(first.start);
            Some((column, column.checked_sub(outer).filter(|step| *step > 0)?))
        });
        Some(Brackets { inside, parts, commas, layout })
    }
}

/// The parts of a list or mapping in brackets.
struct Brackets {
    /// Behind the bracket that opens it.
    inside: usize,
    /// Its parts, with their anchors and tags.
    parts: Vec<Range<usize>>,
    /// The commas behind them.
    commas: Vec<Option<usize>>,
    /// The column of the parts where there is a line for each, and how far that is to the right of
    /// the bracket's line.
    layout: Option<(usize, usize)>,
}

impl Brackets {
    fn between(&self, editor: &Editor<'_>) -> String {
        match self.layout {
            Some((column, _)) => format!(",{}{}", editor.style.newline, " ".repeat(column)),
            None => ", ".to_owned(),
        }
    }

    /// Where a line in it may begin.
    fn column(&self, editor: &Editor<'_>) -> usize {
        self.layout.map_or_else(
            || {
                let line = line_start(editor.source, self.inside);
                let text = &editor.source[line..];
                text.len() - text.trim_start_matches(' ').len() + editor.style.step
            },
            |(column, _)| column,
        )
    }

    /// Whether the line before the one that begins at `line` ends with a comment.
    fn is_commented(&self, editor: &Editor<'_>, line: usize) -> bool {
        let found = super::place::comments(editor.tree, editor.source, self.inside..line);
        found.last().is_some_and(|last| line_after(editor.source, last.end) >= line)
    }
}
