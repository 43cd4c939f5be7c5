//! A document as a tree of nodes, each with its place in the text.

use super::ManifestError;
use super::edit::place::colon;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// A document.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// What each anchor names, by the parser's number for it.
    anchors: HashMap<u32, Id>,
    /// What anchors name, in the order of the text.
    named: Vec<Id>,
    root: Option<Id>,
}

/// A node of a tree, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// One node. Places are short, as there are many nodes.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Where its content begins, behind anchor and tag: of a block mapping its first entry, of a
    /// block scalar its first line of text.
    start: u32,
    /// Where it ends; a block collection's end is its last child's.
    end: u32,
    /// How many characters of its line come before it.
    column: u32,
    /// Whether an anchor names it.
    pub(super) anchored: bool,
    /// Whether there are aliases in it.
    pub(super) aliased: bool,
    pub(super) kind: Kind<'a>,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    Scalar { text: Cow<'a, str>, style: ScalarStyle, tag: Tag },
    Sequence { items: Vec<Id>, flow: bool },
    Mapping { entries: Vec<(Id, Id)>, flow: bool },
    Alias(u32),
}

impl Node<'_> {
    /// Where its content begins, in bytes of the text.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    /// How many characters of its line come before it.
    pub(super) fn column(&self) -> usize {
        self.column as usize
    }

    /// Whether it is a list or mapping without brackets.
    pub(super) fn is_block(&self) -> bool {
        matches!(self.kind, Kind::Mapping { flow: false, .. } | Kind::Sequence { flow: false, .. })
    }

    /// Whether it is a text of many lines behind `|` or `>`.
    pub(super) fn is_block_scalar(&self) -> bool {
        use ScalarStyle::{Folded, Literal};
        matches!(self.kind, Kind::Scalar { style: Literal | Folded, .. })
    }
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
        if u32::try_from(text.len()).is_err() {
            return Err(ManifestError::new(1, 1, TOO_LONG.to_owned()));
        }
        let mut tree = Self::default();
        // Collections that are not finished, each with a key that waits for its value.
        let mut open: Vec<(Id, Option<Id>)> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| failed(&error))?;
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
                Event::Alias(anchor) => (Kind::Alias(short(anchor)), 0),
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some((id, _)) = open.pop() {
                        tree.close(id, &span);
                    }
                    continue;
                }
                _ => continue,
            };
            let collects = matches!(kind, Kind::Sequence { .. } | Kind::Mapping { .. });
            if matches!(kind, Kind::Alias(_)) {
                for (id, _) in &open {
                    tree.nodes[id.at()].aliased = true;
                }
            }
            if tree.nodes.len() >= MAX_NODES {
                let at = span.start;
                return Err(ManifestError::new(at.line(), at.col() + 1, TOO_MANY.to_owned()));
            }
            let id = tree.add(kind, anchor, &span);
            tree.end_block_scalar(id, text);
            tree.place(id, &mut open);
            tree.put_behind_colon(id, &open, text);
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
        &self.nodes[id.at()]
    }

    /// What anchors name within a piece of the text.
    pub(super) fn named_within(&self, range: &Range<usize>) -> &[Id] {
        let before = |at: usize| self.named.partition_point(|id| self.node(*id).start() < at);
        &self.named[before(range.start)..before(range.end).max(before(range.start))]
    }

    /// The scalars and aliases within a piece of the text, in its order.
    pub(super) fn leaves_within(&self, range: &Range<usize>) -> impl Iterator<Item = &Node<'a>> {
        let first = self.nodes.partition_point(|node| node.start() < range.start);
        let end = range.end;
        let within = self.nodes[first..].iter().take_while(move |node| node.start() < end);
        within.filter(|node| matches!(node.kind, Kind::Scalar { .. } | Kind::Alias(_)))
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
        let id = Id(short(self.nodes.len()));
        let at = |marker: granit_parser::Marker| short(marker.byte_offset().unwrap_or_default());
        let aliased = matches!(kind, Kind::Alias(_));
        self.nodes.push(Node {
            start: at(span.start),
            end: at(span.end),
            column: short(span.start.col()),
            anchored: anchor != 0,
            aliased,
            kind,
        });
        if anchor != 0 {
            self.anchors.insert(short(anchor), id);
            self.named.push(id);
        }
        id
    }

    /// A block scalar ends with its last line, and not with the indentation of the next.
    fn end_block_scalar(&mut self, id: Id, text: &str) {
        let node = &mut self.nodes[id.at()];
        if !node.is_block_scalar() {
            return;
        }
        let content = text[..node.end()].trim_end_matches(' ');
        if content.ends_with('\n') {
            node.end = short(content.len()).max(node.start);
        }
    }

    /// Puts a node into the collection that is open.
    fn place(&mut self, id: Id, open: &mut [(Id, Option<Id>)]) {
        let Some((parent, key)) = open.last_mut() else {
            self.root.get_or_insert(id);
            return;
        };
        match (&mut self.nodes[parent.at()].kind, key.take()) {
            (Kind::Sequence { items, .. }, _) => items.push(id),
            (Kind::Mapping { entries, .. }, Some(key)) => entries.push((key, id)),
            _ => *key = Some(id),
        }
    }

    /// Nothing behind a colon is there, and not, as the parser has it, before that.
    fn put_behind_colon(&mut self, id: Id, open: &[(Id, Option<Id>)], text: &str) {
        let node = self.node(id);
        let Some((parent, None)) = open.last() else { return };
        let Kind::Mapping { entries, .. } = &self.node(*parent).kind else { return };
        if let Some((key, value)) = entries.last()
            && *value == id
            && node.start == node.end
            && matches!(node.kind, Kind::Scalar { .. })
            && let Some(colon) = colon(text, self.node(*key).end())
            && node.end() < colon
        {
            let node = &mut self.nodes[id.at()];
            (node.start, node.end) = (short(colon), short(colon));
        }
    }

    fn close(&mut self, id: Id, span: &Span) {
        let last = match &mut self.nodes[id.at()].kind {
            Kind::Sequence { items, flow } => {
                items.shrink_to_fit();
                items.last().copied().filter(|_| !*flow)
            }
            Kind::Mapping { entries, flow } => {
                entries.shrink_to_fit();
                entries.last().map(|(_, value)| *value).filter(|_| !*flow)
            }
            _ => None,
        };
        self.nodes[id.at()].end = match last {
            Some(last) => self.node(last).end,
            None => short(span.end.byte_offset().unwrap_or_default()),
        };
    }
}

impl Id {
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// A place or number in a text that is short enough for it.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Why the parser stopped, and where.
pub(super) fn failed(error: &ScanError) -> ManifestError {
    let at = error.marker();
    let problem = one_line(&error.to_string());
    let is_deep = problem == "recursion limit exceeded";
    ManifestError::new(at.line(), at.col() + 1, if is_deep { TOO_DEEP.to_owned() } else { problem })
}

/// A parser's sentence, fit for a line, without the place that is told apart.
fn one_line(text: &str) -> String {
    let text = text.rsplit_once(" at char ").map_or(text, |(text, _)| text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Far deeper than any manifest, and far from the end of the stack.
const MAX_DEPTH: usize = 128;
/// More values than a few thousand objects have: it bounds what one document costs.
const MAX_NODES: usize = 8 << 20;
const TOO_MANY: &str = "a document has more than 8 million keys and values; part it by --- lines";
const TOO_LONG: &str = "a document is longer than 4GiB";
const TOO_DEEP: &str = "lists and mappings are nested more than 128 deep";
