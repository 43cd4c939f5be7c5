//! Writes values as YAML with comments at every place where one may be, and in every style: blocks,
//! brackets, anchors, aliases, merge keys, tags, explicit keys, texts of many lines.

use serde_json::{Map, Value};
use std::mem::take;

use crate::rendered::{self, Picks};

/// A document, and its comments in order.
pub(crate) struct Commented {
    pub(crate) text: String,
    pub(crate) comments: Vec<String>,
}

/// Writes a document. Where `tidy`, it has no aliases and no notation that is lost once a value
/// was another for a while.
pub(crate) fn commented(value: &Value, picks: Picks<'_>, tidy: bool) -> Commented {
    let mut writer = Writer {
        picks,
        tidy,
        out: String::new(),
        comments: Vec::new(),
        anchors: Vec::new(),
        below_text: false,
    };
    writer.lines(0);
    match writer.picks.of(6) {
        0 => {
            writer.out.push_str("---");
            writer.beside();
        }
        1 => {
            writer.out.push_str("%YAML 1.2");
            writer.beside();
            writer.out.push_str("---\n");
        }
        _ => {}
    }
    if writer.picks.of(5) == 0 {
        writer.flow(value, 0);
        writer.beside();
    } else {
        writer.entries(value, 0, false);
    }
    writer.lines(0);
    match writer.picks.of(6) {
        0 => {
            writer.out.push_str("...");
            writer.beside();
        }
        1 | 2 if !writer.below_text => drop(writer.out.pop()),
        _ => {}
    }
    let newline = if writer.picks.of(3) == 0 { "\r\n" } else { "\n" };
    let bom = if writer.picks.of(6) == 0 { "\u{feff}" } else { "" };
    let text = format!("{bom}{}", writer.out.replace('\n', newline));
    Commented { text, comments: writer.comments }
}

struct Writer<'a> {
    picks: Picks<'a>,
    tidy: bool,
    out: String,
    comments: Vec<String>,
    anchors: Vec<(Value, String)>,
    /// Whether a text of many lines has just ended: a comment that is not further left would be of it.
    below_text: bool,
}

impl Writer<'_> {
    fn chance(&mut self, of: u8) -> bool {
        self.picks.of(of) == 0
    }

    fn comment(&mut self) -> String {
        let tails = ["", " - why: {this}", " 'it's \"so", " # twice", " [&x *y |", " {{ tpl }}"];
        let tail = tails[usize::from(self.picks.of(6))];
        let comment = format!("#c{}:{tail}", self.comments.len());
        self.comments.push(comment.clone());
        comment
    }

    /// Perhaps a comment, and the end of the line.
    fn beside(&mut self) {
        if self.chance(4) {
            let space = [" ", "  ", "\t", " \t"][usize::from(self.picks.of(4))];
            let comment = self.comment();
            self.out.push_str(space);
            self.out.push_str(&comment);
        } else if self.chance(20) {
            self.out.push_str("  ");
        }
        self.out.push('\n');
        self.below_text = false;
    }

    /// Perhaps lines without content, around `column`.
    fn lines(&mut self, column: usize) {
        for _ in 0..3 {
            if !self.chance(6) {
                break;
            }
            if self.chance(3) {
                self.out.push('\n');
                continue;
            }
            let indents = [column, column, column + 2, column + 1, 0, column / 2];
            let indent = indents[usize::from(self.picks.of(6))];
            let comment = self.comment();
            self.pad(if self.below_text { 0 } else { indent });
            self.out.push_str(&comment);
            self.out.push('\n');
        }
    }

    fn pad(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    fn column(&self) -> usize {
        self.out.chars().rev().take_while(|c| *c != '\n').count()
    }

    fn entries(&mut self, value: &Value, column: usize, inline: bool) {
        let (plain, merged) = self.parted(value);
        let mut inline = inline;
        let merge_first = merged.as_ref().is_some_and(|_| self.chance(2));
        let mut merged = merged;
        if merge_first {
            self.merge(merged.take(), column, &mut inline);
        }
        for (key, value) in &plain {
            self.lead(column, &mut inline);
            if self.chance(14) {
                self.out.push_str("? ");
                self.key(key, false);
                self.beside();
                self.lines(column + 1);
                self.pad(column);
                self.out.push(':');
                self.node(value, column, true);
            } else {
                self.key(key, true);
                let colon = if self.chance(12) { " :" } else { ":" };
                self.out.push_str(colon);
                self.node(value, column, false);
            }
        }
        self.merge(merged, column, &mut inline);
    }

    /// The start of an entry.
    fn lead(&mut self, column: usize, inline: &mut bool) {
        if !take(inline) {
            self.lines(column);
            self.pad(column);
        }
    }

    fn merge(&mut self, merged: Option<Value>, column: usize, inline: &mut bool) {
        let Some(merged) = merged else { return };
        self.lead(column, inline);
        self.out.push_str("<<:");
        self.node(&merged, column, false);
    }

    /// What of a mapping is said itself, and what is merged.
    fn parted(&mut self, value: &Value) -> (Map<String, Value>, Option<Value>) {
        let mut plain = value.as_object().unwrap().clone();
        if self.tidy || plain.len() < 2 || !self.chance(8) {
            return (plain, None);
        }
        let known = self.anchors.iter().map(|(value, _)| value).find(|known| {
            let known = known.as_object();
            known.is_some_and(|known| {
                !known.is_empty()
                    && known.len() < plain.len()
                    && known.iter().all(|(key, value)| plain.get(key) == Some(value))
            })
        });
        let merged = known.cloned().unwrap_or_else(|| {
            let (key, value) = plain.iter().next_back().unwrap();
            Value::Object(Map::from_iter([(key.clone(), value.clone())]))
        });
        plain.retain(|key, _| merged.get(key).is_none());
        (plain, Some(merged))
    }

    fn key(&mut self, key: &str, implicit: bool) {
        if !self.tidy && implicit && self.chance(30) {
            let name = format!("k{}", self.anchors.len());
            self.out.extend(["&", &name, " "]);
            self.anchors.push((Value::from(key), name));
        }
        let text = self.scalar(&Value::from(key));
        self.out.push_str(&text);
    }

    /// What follows a colon or dash at `column`, to the end of its last line.
    fn node(&mut self, value: &Value, column: usize, compact: bool) {
        if let Some(name) = self.alias(value) {
            self.out.extend([" *", &name]);
            return self.beside();
        }
        let mut anchor = None;
        if !self.tidy && self.chance(8) {
            anchor = Some(format!("a{}", self.anchors.len()));
            self.out.extend([" &", anchor.as_deref().unwrap()]);
            // So that no other gets its name before it is known.
            self.anchors.push((Value::from("\u{1}nobody"), String::new()));
        }
        // Of what is empty until something is in it, only that comes back.
        let kept = !self.tidy || !["{}", "[]", "null"].contains(&&*value.to_string());
        if kept && self.chance(20) {
            self.out.push_str(match value {
                Value::Object(_) => " !!map",
                Value::Array(_) => " !!seq",
                Value::String(_) => " !!str",
                _ => "",
            });
        }
        let bare = !self.out.ends_with(|c: char| c.is_ascii_alphanumeric());
        match value {
            Value::Object(fields) if !fields.is_empty() && !self.chance(6) => {
                if compact && bare && !self.chance(3) {
                    let space = if self.chance(6) { "   " } else { " " };
                    self.out.push_str(space);
                    self.entries(value, self.column(), true);
                } else {
                    self.beside();
                    let step = [2, 2, 4, 1][usize::from(self.picks.of(4))];
                    self.entries(value, column + step, false);
                }
            }
            Value::Array(items) if !items.is_empty() && !self.chance(6) => {
                if compact && bare && !self.chance(3) {
                    self.out.push(' ');
                    self.items(items, self.column(), true);
                } else {
                    self.beside();
                    let offset =
                        if compact { 2 } else { [0, 2, 0, 4][usize::from(self.picks.of(4))] };
                    self.items(items, column + offset, false);
                }
            }
            Value::String(text) if self.is_text(text) => {
                self.out.push_str(if text.ends_with('\n') { " |" } else { " |-" });
                self.beside();
                for line in text.lines() {
                    self.pad(column + 2);
                    self.out.push_str(line);
                    self.out.push('\n');
                }
                self.below_text = true;
            }
            Value::Null if self.chance(3) => self.beside(),
            _ => {
                let space = if kept && self.chance(12) { "\t" } else { " " };
                self.out.push_str(space);
                if kept && self.chance(14) {
                    // It may stand below.
                    self.beside();
                    self.lines(column + 1);
                    self.pad(column + 3);
                }
                self.flow(value, column + 1);
                self.beside();
            }
        }
        if let Some(name) = anchor {
            self.anchors.push((value.clone(), name));
        }
    }

    fn alias(&mut self, value: &Value) -> Option<String> {
        let found = self.anchors.iter().find(|(known, _)| known == value);
        let name = found.map(|(_, name)| name.clone())?;
        (!self.chance(4)).then_some(name)
    }

    fn is_text(&mut self, text: &str) -> bool {
        let simple = |c: char| c.is_ascii_graphic() || c == ' ' || c == '\n';
        let fits = text.chars().all(simple)
            && !text.starts_with([' ', '\n'])
            && !text.is_empty()
            && !text.ends_with("\n\n");
        fits && (text.contains('\n') || !self.tidy) && self.chance(4)
    }

    fn items(&mut self, items: &[Value], column: usize, mut inline: bool) {
        for item in items {
            self.lead(column, &mut inline);
            self.out.push('-');
            self.node(item, column, true);
        }
    }

    /// A value between brackets, or a scalar; lines in it stand at `column` or further right.
    fn flow(&mut self, value: &Value, column: usize) {
        let many = self.chance(2);
        match value {
            Value::Object(_) => {
                let (plain, merged) = self.parted(value);
                self.out.push('{');
                let last = plain.len() + usize::from(merged.is_some());
                let merged = merged.iter().map(|merged| ("<<", merged));
                let plain = plain.iter().map(|(key, value)| (key.as_str(), value));
                for (index, (key, value)) in merged.chain(plain).enumerate() {
                    self.within(many, column);
                    if key == "<<" {
                        self.out.push_str("<<");
                    } else {
                        self.key(key, false);
                    }
                    self.out.push(':');
                    self.part(value, many, column);
                    self.comma(index + 1 == last, many, column);
                }
                self.close('}', last > 0 && many, column);
            }
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.within(many, column);
                    self.part(item, many, column);
                    self.comma(index + 1 == items.len(), many, column);
                }
                self.close(']', !items.is_empty() && many, column);
            }
            _ => {
                let text = self.scalar(value);
                self.out.push_str(&text);
            }
        }
    }

    /// What comes before a part.
    fn within(&mut self, many: bool, column: usize) {
        if many {
            if self.out.ends_with(['{', '[']) {
                self.beside();
            }
            if self.out.ends_with(',') {
                return self.out.push(' ');
            }
            self.lines(column + 2);
            self.pad(column + 2);
        } else if self.out.ends_with(',') {
            self.out.push(' ');
        }
    }

    fn part(&mut self, value: &Value, many: bool, column: usize) {
        if self.out.ends_with(':') {
            self.out.push(' ');
            if many && self.chance(16) {
                self.beside();
                self.pad(column + 3);
            }
        }
        if let Some(name) = self.alias(value) {
            self.out.extend(["*", &name, " "]);
            return;
        }
        let mut anchor = None;
        if !self.tidy && self.chance(10) {
            anchor = Some(format!("f{}", self.anchors.len()));
            self.out.extend(["&", anchor.as_deref().unwrap(), " "]);
            self.anchors.push((Value::from("\u{1}nobody"), String::new()));
        }
        self.flow(value, column + 2);
        if let Some(name) = anchor {
            self.anchors.push((value.clone(), name));
        }
    }

    fn comma(&mut self, last: bool, many: bool, column: usize) {
        if many && self.chance(12) {
            self.beside();
            self.pad(column + 1);
        }
        if !last || (many && self.chance(4)) {
            self.out.push(',');
        }
        if many && (last || !self.chance(6)) {
            self.beside();
        }
    }

    fn close(&mut self, bracket: char, many: bool, column: usize) {
        if many {
            self.lines(column + 2);
            self.pad(column);
        }
        self.out.push(bracket);
    }

    fn scalar(&mut self, value: &Value) -> String {
        let Value::String(string) = value else { return value.to_string() };
        let simple = |byte: u8| byte.is_ascii_lowercase() || byte == b'/' || byte == b'.';
        let plain = string.len() > 3
            && string.as_bytes()[0].is_ascii_lowercase()
            && string.bytes().all(|byte| simple(byte) || byte.is_ascii_uppercase())
            && !["null", "true", "false"].contains(&&**string);
        let single = string.chars().all(|c| c == ' ' || c.is_ascii_graphic())
            && !(self.tidy && string.contains('\''));
        match self.picks.of(3) {
            0 | 1 if plain => string.clone(),
            1 | 2 if single => format!("'{}'", string.replace('\'', "''")),
            _ => rendered::flow(value),
        }
    }
}
