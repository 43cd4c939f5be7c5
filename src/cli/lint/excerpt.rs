//! Cuts the part of a line that a caret can point into, whatever the line is made of.

/// What to show of a line for a column (bytes, from 1), and how many places before the caret.
/// Each character takes one place; what has no width of its own is shown as a stand-in.
pub(super) fn excerpt(line: &[u8], column: usize) -> (String, usize) {
    let at = column.saturating_sub(1).min(line.len());
    // Bytes are enough to find the window, and lines can be hundreds of megabytes long.
    let from = at.saturating_sub(BEFORE * 4);
    let to = at.saturating_add(AFTER * 4).min(line.len());
    let before: Vec<char> = String::from_utf8_lossy(&line[from..at]).chars().map(shown).collect();
    let after = String::from_utf8_lossy(&line[at..to]);
    let mut text = String::new();
    let mut caret = before.len();
    let mut kept = &before[..];
    if caret > BEFORE {
        kept = &before[caret - BEFORE..];
        caret = BEFORE;
    }
    if kept.len() < before.len() || from > 0 {
        text.push('…');
        caret += 1;
    }
    text.extend(kept);
    let mut rest = after.chars();
    text.extend(rest.by_ref().take(AFTER).map(shown));
    if to < line.len() || rest.next().is_some() {
        text.push('…');
    }
    (text, caret)
}

fn shown(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

const BEFORE: usize = 50;
const AFTER: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_is_shown_whole() {
        assert_eq!(excerpt(b"a{b=1} 2", 5), ("a{b=1} 2".to_owned(), 4));
        assert_eq!(excerpt(b"a", 2), ("a".to_owned(), 1));
        assert_eq!(excerpt(b"", 1), (String::new(), 0));
    }

    #[test]
    fn of_a_long_line_the_part_around_the_column_is_shown() {
        let (text, caret) = excerpt(&[b'x'; 1000], 500);
        assert!(text.starts_with('…') && text.ends_with('…'), "{text}");
        assert_eq!((text.chars().count(), caret), (BEFORE + AFTER + 2, BEFORE + 1));
    }

    #[test]
    fn what_would_move_the_caret_is_replaced() {
        let (text, caret) = excerpt("é\t\u{1b}[31mx".as_bytes(), 5);
        assert_eq!((text.as_str(), caret), ("é \u{fffd}[31mx", 3));
        assert_eq!(excerpt(b"a\xff\xfeb", 4).1, 3);
    }
}
