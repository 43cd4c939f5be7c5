//! Finds places in a text: where a line begins, what comes next, and which parts are comments.

use crate::inject::manifest::node::Tree;
use std::ops::Range;

/// The start of the line after the one in which `at` is; `at` itself where a line begins there.
pub(in crate::inject::manifest) fn line_after(text: &str, at: usize) -> usize {
    if at > 0 && text.as_bytes().get(at - 1) == Some(&b'\n') {
        return at;
    }
    line_end(text, at).map_or(text.len(), |end| end + 1)
}

/// The start of the line in which `at` is, where nothing but space comes before it there.
pub(super) fn only_space_before(text: &str, at: usize) -> Option<usize> {
    let start = line_start(text, at);
    text[start..at].bytes().all(|byte| byte == b' ').then_some(start)
}

pub(in crate::inject::manifest) fn line_start(text: &str, at: usize) -> usize {
    memchr::memrchr(b'\n', &text.as_bytes()[..at]).map_or(0, |end| end + 1)
}

/// Where the line in which `at` is ends; `None` for the last one, if it has no end.
fn line_end(text: &str, at: usize) -> Option<usize> {
    memchr::memchr(b'\n', &text.as_bytes()[at..]).map(|end| at + end)
}

/// The first character from `at` on that is neither space nor in a comment. `at` is behind a whole
/// key, value or indicator.
pub(super) fn skip(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'#') if is_comment(text, at) => at = comment_end(text, at),
            _ => return at,
        }
    }
}

/// Past the space from `at` on, within its line.
pub(super) fn skip_space(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// Past anchor and tag, and what is between them, from `at` on; where they end, and what comes next.
pub(super) fn skip_properties(text: &str, at: usize) -> (usize, usize) {
    let mut end = at;
    loop {
        let next = skip(text, end);
        match text.as_bytes().get(next) {
            Some(b'&' | b'!') => {
                let is_end = |c: char| c.is_ascii_whitespace() || ",[]{}".contains(c);
                let whole = text[next..].starts_with("!<").then(|| text[next..].find('>'));
                let from = next + whole.flatten().unwrap_or_default();
                end = text[from..].find(is_end).map_or(text.len(), |length| from + length);
            }
            _ => return (end, next),
        }
    }
}

/// Just behind the colon after a key that ends here, if there is one.
pub(in crate::inject::manifest) fn colon(text: &str, key_end: usize) -> Option<usize> {
    let at = skip(text, key_end);
    (text.as_bytes().get(at) == Some(&b':')).then_some(at + 1)
}

/// What follows in a line.
pub(super) fn rest_of_line(text: &str, at: usize) -> Rest {
    let next = skip_space(text, at);
    match text.as_bytes().get(next) {
        None | Some(b'\n' | b'\r') => Rest::Nothing,
        Some(b'#') if is_comment(text, next) => Rest::Comment(comment_end(text, next)),
        Some(_) => Rest::Content(next),
    }
}

/// What may follow in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    /// A comment, which ends here.
    Comment(usize),
    /// Something else, which begins here.
    Content(usize),
}

/// The comments in a piece of a text that begins and ends between keys, values and indicators.
pub(in crate::inject::manifest) fn comments(
    tree: &Tree<'_>,
    text: &str,
    range: Range<usize>,
) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut at = range.start;
    for leaf in tree.leaves_within(&range) {
        between(text, at..leaf.start().max(at), &mut comments);
        at = leaf.end().max(at);
    }
    between(text, at..range.end.max(at), &mut comments);
    comments
}

/// The comments where no text of a scalar is.
fn between(text: &str, gap: Range<usize>, comments: &mut Vec<Range<usize>>) {
    let mut at = gap.start;
    while let Some(found) = memchr::memchr(b'#', &text.as_bytes()[at..gap.end]) {
        let start = at + found;
        at = start + 1;
        if is_comment(text, start) {
            at = comment_end(text, start).min(gap.end);
            comments.push(start..at);
        }
    }
}

/// Whether a number sign begins a comment, as far as what is before it tells (YAML 1.2.2, 6.6).
fn is_comment(text: &str, at: usize) -> bool {
    at == 0 || b" \t\r\n".contains(&text.as_bytes()[at - 1])
}

fn comment_end(text: &str, at: usize) -> usize {
    memchr::memchr2(b'\n', b'\r', &text.as_bytes()[at..]).map_or(text.len(), |end| at + end)
}

/// Past the comments that begin at `at` and stand at `column` or further right.
pub(super) fn after_comments(text: &str, mut at: usize, column: usize) -> usize {
    while let Some(line) = text[at..].split_inclusive('\n').next() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if indent < column || column == 0 || !line[indent..].starts_with('#') {
            break;
        }
        at += line.len();
    }
    at
}

/// Above the comments that end at the start of a line.
pub(super) fn before_comments(text: &str, mut at: usize) -> usize {
    while at > 0 {
        let start = line_start(text, at - 1);
        if !text[start..at].trim_start_matches(' ').starts_with('#') {
            break;
        }
        at = start;
    }
    at
}
