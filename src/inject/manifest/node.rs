//! A document as a tree of nodes, each with its place in the text.

use super::ManifestError;
use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use std::borrow::Cow;
use std::collections::HashMap;

/// A document.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// What each anchor names, by the parser's number for it.
    anchors: HashMap<usize, Id>,
    root: Option<Id>,
}

/// A node of a tree, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// One node.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Where its content begins; of a block collection its first key or dash.
    pub(super) start: usize,
    /// Where it ends; a block collection's end is its last child's.
    pub(super) end: usize,
    /// How many characters of its line come before it.
    pub(super) column: usize,
    /// Whether an anchor names it.
    pub(super) anchored: bool,
    pub(super) kind: Kind<'a>,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    Scalar { text: Cow<'a, str>, style: ScalarStyle, tag: Tag },
    Sequence { items: Vec<Id>, flow: bool },
    Mapping { entries: Vec<(Id, Id)>, flow: bool },
    Alias(usize),
}

/// What a scalar's tag makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// There is none that says.
    None,
    /// Text, whatever it looks like.
    Text,
    /// What it looks like, even in quotes.
    Plain,
}

impl<'a> Tree<'a> {
    /// Reads one document. `text` may begin with its marker, and end with one.
    pub(super) fn read(text: &'a str) -> Result<Self, ManifestError> {
        let mut tree = Self::default();
        // Collections that are not finished, each with a key that waits for its value.
        let mut open: Vec<(Id, Option<Id>)> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = error.marker();
                ManifestError::new(at.line(), at.col() + 1, one_line(&error.to_string()))
            })?;
            let (kind, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let tag = tag.as_deref().map_or(Tag::None, |tag| match tag.core_suffix() {
                        Some("str") => Tag::Text,
                        Some("int" | "float" | "bool" | "null") => Tag::Plain,
                        _ => Tag::None,
                    });
                    (Kind::Scalar { text, style, tag }, anchor)
                }
                Event::SequenceStart(style, anchor, _) => {
                    let flow = style == StructureStyle::Flow;
                    (Kind::Sequence { items: Vec::new(), flow }, anchor)
                }
                Event::MappingStart(style, anchor, _) => {
                    let flow = style == StructureStyle::Flow;
                    (Kind::Mapping { entries: Vec::new(), flow }, anchor)
                }
                Event::Alias(anchor) => (Kind::Alias(anchor), 0),
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some((id, _)) = open.pop() {
                        tree.close(id, &span);
                    }
                    continue;
                }
                _ => continue,
            };
            let collects = matches!(kind, Kind::Sequence { .. } | Kind::Mapping { .. });
            let id = tree.add(kind, anchor, &span);
            tree.end_block_scalar(id, text);
            tree.place(id, &mut open);
            if collects {
                if open.len() >= MAX_DEPTH {
                    let at = span.start;
                    return Err(ManifestError::new(at.line(), at.col() + 1, TOO_DEEP.to_owned()));
                }
                open.push((id, None));
            }
        }
        Ok(tree)
    }

    /// The content of the document; `None` where there is none.
    pub(super) fn root(&self) -> Option<Id> {
        self.root
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0]
    }

    /// The node behind an alias, or the node itself.
    pub(super) fn resolve(&self, id: Id) -> Option<Id> {
        match self.node(id).kind {
            Kind::Alias(anchor) => self.anchors.get(&anchor).copied(),
            _ => Some(id),
        }
    }

    /// The value of a key in a mapping that is written out.
    pub(super) fn get(&self, mapping: Id, key: &str) -> Option<Id> {
        let Kind::Mapping { entries, .. } = &self.node(mapping).kind else { return None };
        let found = entries.iter().find(|(name, _)| self.text(*name) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// The text of a scalar.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match &self.node(id).kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn add(&mut self, kind: Kind<'a>, anchor: usize, span: &Span) -> Id {
        let id = Id(self.nodes.len());
        let at = |marker: granit_parser::Marker| marker.byte_offset().unwrap_or_default();
        self.nodes.push(Node {
            start: at(span.start),
            end: at(span.end),
            column: span.start.col(),
            anchored: anchor != 0,
            kind,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    /// A block scalar ends with its last line, and not with the indentation of the next.
    fn end_block_scalar(&mut self, id: Id, text: &str) {
        let node = &mut self.nodes[id.0];
        let Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } = node.kind
        else {
            return;
        };
        let content = text[..node.end].trim_end_matches(' ');
        if content.ends_with('\n') {
            node.end = content.len().max(node.start);
        }
    }

    /// Puts a node into the collection that is open.
    fn place(&mut self, id: Id, open: &mut [(Id, Option<Id>)]) {
        let Some((parent, key)) = open.last_mut() else {
            self.root.get_or_insert(id);
            return;
        };
        match (&mut self.nodes[parent.0].kind, key.take()) {
            (Kind::Sequence { items, .. }, _) => items.push(id),
            (Kind::Mapping { entries, .. }, Some(key)) => entries.push((key, id)),
            _ => *key = Some(id),
        }
    }

    fn close(&mut self, id: Id, span: &Span) {
        let last = match &self.node(id).kind {
            Kind::Sequence { items, flow: false } => items.last().copied(),
            Kind::Mapping { entries, flow: false } => entries.last().map(|(_, value)| *value),
            _ => None,
        };
        let end = match last {
            Some(last) => self.node(last).end,
            None => span.end.byte_offset().unwrap_or_default(),
        };
        self.nodes[id.0].end = end;
    }
}

/// A parser's sentence, fit for a line, without the place that is told apart.
fn one_line(text: &str) -> String {
    let text = text.rsplit_once(" at char ").map_or(text, |(text, _)| text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Far deeper than any manifest, and far from the end of the stack.
const MAX_DEPTH: usize = 128;
const TOO_DEEP: &str = "lists and mappings are nested more than 128 deep";
