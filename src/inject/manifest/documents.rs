//! Cuts a stream into documents, each a piece of the text, so that one which is left alone stays as
//! it is to the byte.

use serde::de::IgnoredAny;
use std::ops::Range;

/// The documents of a stream: together they are all of it.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        // No content of a document may look like a marker (YAML 1.2.2, 9.1.2), not even in quotes.
        if is_marker(line, "---") && !only_directives(&text[start..at]) {
            documents.extend(pieces(text, start..at));
            start = at;
        }
        at += line.len();
        if is_marker(line, "...") {
            documents.extend(pieces(text, start..at));
            start = at;
        }
    }
    documents.extend(pieces(text, start..at));
    documents
}

/// JSON documents may follow each other without anything between them.
fn pieces(text: &str, document: Range<usize>) -> Vec<Range<usize>> {
    let piece = &text[document.clone()];
    let content = piece.trim_start_matches(BOM).trim_start();
    if !content.starts_with('{') {
        return if piece.is_empty() { Vec::new() } else { vec![document] };
    }
    let before = piece.len() - content.len();
    let mut values = serde_json::Deserializer::from_str(content).into_iter::<IgnoredAny>();
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(value) = values.next() {
        if value.is_err() {
            // It is YAML that only begins like JSON, or wrong, which its reader says better.
            return vec![document];
        }
        let end = before + values.byte_offset();
        pieces.push(document.start + start..document.start + end);
        start = end;
    }
    // What follows the last one is its line's end.
    if let Some(last) = pieces.last_mut() {
        last.end = document.end;
    }
    pieces
}

fn is_marker(line: &str, marker: &str) -> bool {
    let rest = line.trim_start_matches(BOM).strip_prefix(marker);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a text is the head of the document that a marker begins: directives, and nothing but
/// comments besides.
fn only_directives(text: &str) -> bool {
    let mut lines = text.trim_start_matches(BOM).lines().map(str::trim_end).peekable();
    text.lines().any(|line| line.trim_start_matches(BOM).starts_with('%'))
        && lines.all(|line| {
            line.is_empty() || line.starts_with('%') || line.trim_start().starts_with('#')
        })
}

const BOM: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn markers_part_documents() {
        assert_eq!(documents("a\n---\nb\n--- c\n"), ["a\n", "---\nb\n", "--- c\n"]);
        assert_eq!(documents("a: ---\n---x\n"), ["a: ---\n---x\n"]);
        assert_eq!(documents("a\r\n---\r\nb"), ["a\r\n", "---\r\nb"]);
        assert_eq!(documents("a\n...\nb\n"), ["a\n...\n", "b\n"]);
        assert_eq!(documents("\u{feff}---\na\n---\nb"), ["\u{feff}---\na\n", "---\nb"]);
        assert_eq!(documents(""), [""; 0]);
    }

    #[test]
    fn directives_go_with_their_document() {
        let text = "a\n...\n%YAML 1.1\n# c\n---\nb\n";
        assert_eq!(documents(text), ["a\n...\n", "%YAML 1.1\n# c\n---\nb\n"]);
    }

    #[test]
    fn json_needs_no_marker() {
        assert_eq!(documents("{}\n{\"a\": 1}{}\n"), ["{}", "\n{\"a\": 1}", "{}\n"]);
        assert_eq!(documents("{a: 1}\n"), ["{a: 1}\n"]);
    }
}
