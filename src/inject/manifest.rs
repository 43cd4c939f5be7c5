//! A stream of manifests, YAML or JSON, in which the pods are changed and nothing else is.
//!
//! [`transform`] cuts the text into documents, finds the pods of each by its kind, has a function
//! change them, and edits the text where their values are different now. A document without pods,
//! or whose pods stay as they are, goes through to the byte; comments, order and quotes of the others
//! stay, too. What an edit made is read again, and if it does not say what it has to, or no edit
//! is possible, the document is written anew.

mod documents;
mod edit;
mod kinds;
mod node;
mod value;
mod write;

use self::kinds::Kind;
use self::node::{Id, Tree};
use self::write::{Origin, Style, Writer};
use super::{Facts, status};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The object: `deployment/web`.
    pub object: String,
    /// What was done.
    pub done: Done,
    /// What the person who wrote it may want to know, each a sentence.
    pub warnings: Vec<String>,
}

/// What was done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Its pods are changed.
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
        let changed = one(document, change, &mut done.reports);
        match changed.map_err(|error| error.below(lines))? {
            Some(changed) => done.text.push_str(&changed),
            None => done.text.push_str(document),
        }
        lines += document.matches('\n').count();
    }
    Ok(done)
}

/// Changes the pods of a document; `None` where all of it stays.
fn one(
    document: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    reports: &mut Vec<Report>,
) -> Result<Option<String>, ManifestError> {
    let bom = document.len() - document.trim_start_matches('\u{feff}').len();
    let (bom, text) = document.split_at(bom);
    let tree = Tree::read(text)?;
    let Some(root) = tree.root() else { return Ok(None) };
    if matches!(tree.node(root).kind, node::Kind::Sequence { .. }) {
        let done = Done::Skipped(BARE_LIST.to_owned());
        reports.push(Report { object: "(a list)".to_owned(), done, warnings: Vec::new() });
        return Ok(None);
    }
    let kind = tree.get(root, "kind").and_then(|kind| tree.resolve(kind));
    let Some(kind) = kind.and_then(|kind| tree.text(kind)) else { return Ok(None) };
    if !kinds::may_have_pods(kind) {
        reports.push(unsupported(&tree, root, kind));
        return Ok(None);
    }
    let before = value::value(&tree, root, text)?;
    let mut after = before.clone();
    object(&mut after, kind, change, reports, 0);
    if after == before {
        return Ok(None);
    }
    let edited = edit::edited(&tree, text, &before, &after).filter(|edited| says(edited, &after));
    let anew = edited.unwrap_or_else(|| written(&tree, root, text, &after));
    Ok(Some(format!("{bom}{anew}")))
}

/// Changes the pods of an object.
fn object(
    object: &mut Value,
    kind: &str,
    change: &dyn Fn(&Value, &Facts) -> Change,
    reports: &mut Vec<Report>,
    depth: usize,
) {
    let mut warnings = Vec::new();
    let done = match kinds::kind(object, kind) {
        Kind::List => {
            // The items of a list of one kind need not say what they are.
            let usual = kind.strip_suffix("List").unwrap_or_default().to_owned();
            let version = object["apiVersion"].clone();
            let items = object["items"].as_array_mut().into_iter().flatten();
            for item in items.filter(|item| item.is_object()) {
                if item["kind"].is_string() || usual.is_empty() {
                    let kind = item["kind"].as_str().unwrap_or_default().to_owned();
                    if depth < MAX_LISTS {
                        self::object(item, &kind, change, reports, depth + 1);
                    }
                } else {
                    let mut whole = item.clone();
                    whole["apiVersion"] = version.clone();
                    self::object(&mut whole, &usual, change, reports, MAX_LISTS);
                    if let (Some(whole), None) = (whole.as_object_mut(), item.get("apiVersion")) {
                        whole.shift_remove("apiVersion");
                    }
                    *item = whole;
                }
            }
            return;
        }
        Kind::Pod(at) => {
            let facts = kinds::facts(object, kind);
            let called = object.pointer(at).filter(|pod| pod.is_object());
            match called.map(|pod| change(pod, &facts)) {
                None => Done::Skipped("it has no pod template".to_owned()),
                Some(Change::Skip(reason)) => Done::Skipped(reason),
                Some(Change::Refuse(reason)) => Done::Refused(reason),
                // Nothing is put into such a pod, so this would be a taking out.
                Some(Change::To(..)) if called.is_some_and(status::is_lost) => {
                    Done::Refused(LOST.to_owned())
                }
                Some(Change::To(pod, told)) => {
                    warnings = told;
                    if let Some(place) = object.pointer_mut(at) {
                        *place = pod;
                    }
                    Done::Changed
                }
            }
        }
        Kind::Elsewhere(reason) => Done::Skipped(reason),
        Kind::Other => Done::Skipped(UNSUPPORTED.to_owned()),
    };
    warnings.extend(kinds::misplaced(object, kind));
    reports.push(Report { object: kinds::called(object, kind), done, warnings });
}

/// What is told of an object that cannot have pods, without looking at all of it.
fn unsupported(tree: &Tree<'_>, root: Id, kind: &str) -> Report {
    let name = tree.get(root, "metadata").and_then(|id| tree.resolve(id));
    let name = name.and_then(|metadata| tree.get(metadata, "name"));
    let name = name.and_then(|id| tree.text(tree.resolve(id)?));
    let object = serde_json::json!({"metadata": {"name": name}});
    let done = Done::Skipped(UNSUPPORTED.to_owned());
    Report { object: kinds::called(&object, kind), done, warnings: Vec::new() }
}

/// Whether a document reads as a value.
fn says(text: &str, value: &Value) -> bool {
    let Ok(tree) = Tree::read(text) else { return false };
    let read = tree.root().and_then(|root| value::value(&tree, root, text).ok());
    read.as_ref() == Some(value)
}

/// The document with its content written anew.
fn written(tree: &Tree<'_>, root: Id, text: &str, value: &Value) -> String {
    let node = tree.node(root);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line = text[..node.start].rfind('\n').map_or(0, |end| end + 1);
    let block = !matches!(
        node.kind,
        node::Kind::Mapping { flow: true, .. } | node::Kind::Sequence { flow: true, .. }
    );
    if !block {
        let head = &text[..node.start];
        return format!("{head}{}{}", write::pretty(value, 0, 2, newline), &text[node.end..]);
    }
    let mut writer = Writer::new(Style { newline, list_offset: 0 });
    writer.document(value, Origin { tree, text, id: root });
    // An anchor may stand on the line of the marker.
    let head = &text[..line];
    let rest = &text[node.end..];
    let tail = rest.find('\n').map_or("", |end| &rest[end + 1..]);
    let tail = if text[..node.end].ends_with('\n') { rest } else { tail };
    format!("{head}{}{tail}", writer.out)
}

const UNSUPPORTED: &str = "unsupported kind";
const BARE_LIST: &str = "nothing in it was changed, as only documents are looked at, and items of a \
                         `kind: List`";
const LOST: &str = "podmeter.io/status is missing or cannot be read, and it alone says what there was \
                    before; apply the manifest as it was, or delete podmeter-init and podmeter-proxy \
                    by hand and look at probes and prometheus.io/* yourself";
/// Lists of lists of lists are nobody's.
const MAX_LISTS: usize = 8;
