//! Finds lines in a text: where one begins, and which of them are comments.

/// The start of the line after the one in which `at` is; `at` itself where a line begins there.
pub(super) fn line_after(text: &str, at: usize) -> usize {
    if at > 0 && text.as_bytes().get(at - 1) == Some(&b'\n') {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// The start of the line in which `at` is, where nothing but space comes before it there.
pub(super) fn only_space_before(text: &str, at: usize) -> Option<usize> {
    let start = line_start(text, at);
    text[start..at].bytes().all(|byte| byte == b' ').then_some(start)
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

/// The start of the first line from `at` on that begins with a dash.
pub(super) fn dash_line(text: &str, mut at: usize) -> Option<usize> {
    for line in text[at..].split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        if content.starts_with('-') {
            return Some(at);
        }
        if !(content.starts_with('#') || content.trim().is_empty()) {
            return None;
        }
        at += line.len();
    }
    None
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}
