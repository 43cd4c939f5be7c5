//! A stream of manifests, YAML or JSON, in which the pods are changed and nothing else is.
//!
//! [`transform`] cuts the text into documents, finds the pods of each by its kind, has a function
//! change them, and edits the text where their values are different now. A document without pods,
//! or whose pods stay as they are, goes through to the byte; comments, order and quotes of the others
//! stay, too. What an edit made is read again, and if it does not say what it has to, or no edit
//! is possible, the document is written anew.

mod apply;
mod documents;
mod edit;
mod glance;
mod items;
mod kinds;
mod node;
mod objects;
mod value;
mod write;

use self::edit::Editor;
use self::edit::place::{line_after, line_start};
use self::node::{Id, Tree};
use self::write::{Origin, Style, Writer};
use super::Facts;
use serde_json::Value;

/// A stream after its pods were changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transformed {
    /// The text of the stream.
    pub text: String,
    /// What was done, object by object.
    pub reports: Vec<Report>,
}

/// What was done with one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The object: `deployment/web`.
    pub object: String,
    /// What was done.
    pub done: Done,
    /// What the person who wrote it may want to know, each a sentence.
    pub warnings: Vec<String>,
    /// A label or annotation `podmeter.io/...` of a workload itself, where nobody looks at it: it belongs
    /// into the metadata of the pod template.
    pub misplaced: Option<String>,
}

/// What was done with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Done {
    /// Its pods are changed.
    #[default]
    Changed,
    /// It is as it was, for this reason.
    Skipped(String),
    /// It is as it was, as it asks for what cannot be.
    Refused(String),
}

/// What becomes of one pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// This, and what is to be said besides.
    To(Value, Vec<String>),
    /// Nothing, for this reason.
    Skip(String),
    /// Nothing, as it asks for what cannot be.
    Refuse(String),
}

/// Why a text is no stream of manifests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

impl ManifestError {
    fn new(line: usize, column: usize, problem: String) -> Self {
        Self { line, column, problem }
    }

    /// A problem at an offset of a text.
    fn at(text: &str, offset: usize, problem: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let lines = before.matches('\n').count();
        Self::new(lines + 1, line.chars().count() + 1, problem.to_owned())
    }

    /// The same in a text of which this one begins at a line.
    fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self
    }
}

/// Changes the pods of a stream.
pub fn transform(
    text: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
) -> Result<Transformed, ManifestError> {
    let mut done = Transformed::default();
    let mut lines = 0;
    for range in documents::split(text) {
        let document = &text[range];
        one(document, change, &mut done).map_err(|error| error.below(lines))?;
        lines += memchr::memchr_iter(b'\n', document.as_bytes()).count();
    }
    Ok(done)
}

/// Changes the pods of a document.
fn one(
    document: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    done: &mut Transformed,
) -> Result<(), ManifestError> {
    let text = document.trim_start_matches('\u{feff}');
    let bom = document.len() - text.len();
    let changed = if text.len() > LONG && !glance::may_have_pods(text, &mut done.reports)? {
        Changed::Nothing
    } else {
        done.text.push_str(&document[..bom]);
        let changed = pods(text, change, done)?;
        if changed == Changed::Nothing {
            done.text.truncate(done.text.len() - bom);
        }
        changed
    };
    if changed == Changed::Nothing {
        done.text.push_str(document);
    }
    Ok(())
}

/// Whether a document was changed and is written, or nothing has happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Written,
    Nothing,
}

fn pods(
    text: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    done: &mut Transformed,
) -> Result<Changed, ManifestError> {
    let tree = Tree::read(text)?;
    let Some(root) = tree.root() else { return Ok(Changed::Nothing) };
    if matches!(tree.node(root).kind, node::Kind::Sequence { .. }) {
        done.reports.push(bare_list());
        return Ok(Changed::Nothing);
    }
    let Some(kind) = objects::kind(&tree, root) else {
        // Between two markers there may be nothing.
        let node = tree.node(root);
        if node.is_block() || node.start() < node.end() {
            done.reports.push(no_object());
        }
        return Ok(Changed::Nothing);
    };
    if !kinds::may_have_pods(kind) {
        done.reports.push(objects::unsupported(&tree, root, kind));
        return Ok(Changed::Nothing);
    }
    if let Some(list) = items::list(&tree, root, kind, text) {
        // What was done of it is not to stay where it has to be done in another way.
        let (reports, length) = (done.reports.len(), done.text.len());
        match items::change(&tree, root, &list, text, change, done)? {
            items::Outcome::Changed => return Ok(Changed::Written),
            items::Outcome::Same => {
                done.text.truncate(length);
                return Ok(Changed::Nothing);
            }
            items::Outcome::InDoubt => {
                done.reports.truncate(reports);
                done.text.truncate(length);
            }
        }
    }
    if text.len() > MAX_OBJECT {
        return Err(ManifestError::at(text, tree.node(root).start(), TOO_LARGE));
    }
    let before = value::value(&tree, root, text)?;
    let mut after = before.clone();
    objects::object(&mut after, kind, change, &mut done.reports, 0);
    if after == before {
        return Ok(Changed::Nothing);
    }
    let mut editor = Editor::new(&tree, text, root);
    let edited = editor.change(root, 0, &before, &after).map(|()| editor.edits());
    let edited = edited.and_then(|edits| edits.applied(text, 0..text.len()));
    match edited.filter(|edited| says(edited, &after)) {
        Some(edited) => done.text.push_str(&edited),
        None => done.text.push_str(&written(&tree, root, text, &after)),
    }
    Ok(Changed::Written)
}

fn bare_list() -> Report {
    let done = Done::Skipped(BARE_LIST.to_owned());
    Report { object: "(a list)".to_owned(), done, ..Report::default() }
}

fn no_object() -> Report {
    let done = Done::Skipped(NO_KIND.to_owned());
    Report { object: "(no object)".to_owned(), done, ..Report::default() }
}

/// Whether a document reads as a value.
fn says(text: &str, value: &Value) -> bool {
    let Ok(tree) = Tree::read(text) else { return false };
    let read = tree.root().and_then(|root| value::value(&tree, root, text).ok());
    read.as_ref() == Some(value)
}

/// The document with its content written anew, and its comments above it.
fn written(tree: &Tree<'_>, root: Id, text: &str, value: &Value) -> String {
    let node = tree.node(root);
    let newline = edit::newline(text);
    let content = if node.is_block() { line_start(text, node.start()) } else { node.start() };
    let (head, tail) = (&text[..content], &text[node.end()..]);
    let mut comments = String::new();
    let content = content..if node.is_block() { line_after(text, node.end()) } else { node.end() };
    for comment in edit::place::comments(tree, text, content.clone()) {
        comments.push_str(&text[comment]);
        comments.push_str(newline);
    }
    if !node.is_block() {
        let pretty = write::pretty(value, 0, 2, newline);
        if comments.is_empty() {
            return format!("{head}{pretty}{tail}");
        }
        // They cannot be in front, where a marker may be, and something may follow.
        return format!("{head}{pretty} {}{tail}", comments.trim_end());
    }
    let mut writer = Writer::new(Style { newline, list_offset: 0, step: 2 });
    writer.document(value, Origin { tree, text, id: root });
    format!("{head}{comments}{}{}", writer.out, &text[content.end..])
}

const BARE_LIST: &str = "nothing in it was changed, as only documents are looked at, and items of a \
                         `kind: List`";
const NO_KIND: &str = "it has no kind, so it is no manifest";
/// From here on it pays to see whether a document can have pods before all of it is kept.
const LONG: usize = 1 << 20;
/// Far more than an API server takes, in bytes of text.
const MAX_OBJECT: usize = 8 << 20;
const TOO_LARGE: &str = "an object with pods, or a document with aliases (*x), is longer than 8MiB, while \
                         no cluster takes an object of more than 3MiB; part it by --- lines";
