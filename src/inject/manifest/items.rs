//! The items of a long list, one after the other, so that no more of them than one is held as a value.

use super::edit::{Editor, Edits, place};
use super::node::{Id, Kind, Tree};
use super::value::{is_merge, name, value};
use super::{Change, MAX_OBJECT, ManifestError, TOO_LARGE, Transformed, kinds, objects};
use crate::inject::Facts;
use serde_json::Value;
use std::collections::HashSet;
use std::ops::Range;

/// A list whose items can be changed one after the other.
#[derive(Debug)]
pub(super) struct List<'a> {
    items: &'a [Id],
    /// Where the items' anchors, tags and content may begin: behind their dashes, if they have any.
    from: Vec<usize>,
    is_block: bool,
    /// What the items are that do not say it.
    usual: &'a str,
}

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Changed,
    Same,
    /// An edit does not say what it has to, so that the document has to be written anew.
    InDoubt,
}

/// Looks whether an object is a list in which no item depends on another.
pub(super) fn list<'a>(
    tree: &'a Tree<'_>,
    root: Id,
    kind: &'a str,
    text: &'a str,
) -> Option<List<'a>> {
    let Kind::Mapping { entries, .. } = &tree.node(root).kind else { return None };
    let mut names = HashSet::new();
    let apart = entries.iter().all(|(key, _)| {
        !is_merge(tree, *key) && name(tree, *key).is_some_and(|name| names.insert(name))
    });
    if tree.node(root).aliased || !apart || !kind.ends_with("List") {
        return None;
    }
    let (key, list) = entries.iter().find(|(key, _)| tree.text(*key) == Some("items"))?;
    let Kind::Sequence { items, flow } = &tree.node(*list).kind else { return None };
    let from = if *flow {
        items.iter().map(|item| tree.node(*item).start()).collect()
    } else {
        let colon = place::colon(text, tree.node(*key).end())?;
        let editor = Editor::new(tree, text, root);
        editor.dashes(items, colon)?.into_iter().map(|dash| dash + 1).collect()
    };
    Some(List { items, from, is_block: !*flow, usual: objects::usual(kind) })
}

/// Changes the items of a list, and writes its document.
pub(super) fn change(
    tree: &Tree<'_>,
    root: Id,
    list: &List<'_>,
    text: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    done: &mut Transformed,
) -> Result<Outcome, ManifestError> {
    let Kind::Mapping { entries, .. } = &tree.node(root).kind else { return Ok(Outcome::InDoubt) };
    let mut version = Value::Null;
    for (key, id) in entries {
        if tree.text(*key) != Some("items") {
            let read = value(tree, *id, text)?;
            if tree.text(*key) == Some("apiVersion") {
                version = read;
            }
        }
    }
    let mut at = 0;
    for (item, from) in list.items.iter().zip(&list.from) {
        let kind = objects::kind(tree, *item).unwrap_or(list.usual);
        if !kinds::may_have_pods(kind) && !kind.is_empty() {
            done.reports.push(objects::unsupported(tree, *item, kind));
            continue;
        }
        let node = tree.node(*item);
        if node.end() - node.start() > MAX_OBJECT {
            return Err(ManifestError::at(text, node.start(), TOO_LARGE));
        }
        let before = value(tree, *item, text)?;
        let mut after = before.clone();
        objects::item(&mut after, list.usual, &version, change, &mut done.reports, 0);
        if after == before {
            continue;
        }
        let mut editor = Editor::new(tree, text, root);
        let changed = if list.is_block {
            editor.item(*item, from - 1, &before, &after)
        } else {
            editor.change(*item, *from, &before, &after)
        };
        let Some(edits) = changed.map(|()| editor.edits()) else { return Ok(Outcome::InDoubt) };
        let piece = if list.is_block {
            place::line_start(text, *from)..place::line_after(text, node.end().max(*from))
        } else {
            node.start()..node.end()
        };
        let Some((piece, edited)) = applied(edits, text, piece, list.is_block, &after) else {
            return Ok(Outcome::InDoubt);
        };
        let Some(between) = text.get(at..piece.start) else { return Ok(Outcome::InDoubt) };
        done.text.push_str(between);
        done.text.push_str(&edited);
        at = piece.end;
    }
    if at == 0 {
        return Ok(Outcome::Same);
    }
    done.text.push_str(&text[at..]);
    Ok(Outcome::Changed)
}

/// An item after its edits, which reads as it has to, and the piece of the text that it takes.
fn applied(
    edits: Edits,
    text: &str,
    piece: Range<usize>,
    is_block: bool,
    after: &Value,
) -> Option<(Range<usize>, String)> {
    let piece = edits.around(piece);
    let edited = edits.applied(text, piece.clone())?;
    let tree = Tree::read(&edited).ok()?;
    let root = tree.root()?;
    let item = match &tree.node(root).kind {
        // With its dash it is a list of one.
        Kind::Sequence { items, .. } if is_block => *items.first().filter(|_| items.len() == 1)?,
        _ if is_block => return None,
        _ => root,
    };
    (value(&tree, item, &edited).ok()? == *after).then_some((piece, edited))
}
