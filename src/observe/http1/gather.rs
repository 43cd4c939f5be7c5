//! Puts a head together that came in pieces, without copying one that came whole.

use super::head;
use std::borrow::Cow;

/// What there is of a head.
#[derive(Debug)]
pub(super) enum Gathered<'a> {
    /// All of it, and what comes after it.
    Whole { head: Cow<'a, [u8]>, rest: &'a [u8] },
    /// Everything has been kept, and more must come.
    Incomplete,
    /// It is longer than allowed: as much of it as is allowed, and how many bytes come after.
    TooLarge { seen: Cow<'a, [u8]>, more: usize },
}

/// Finds the end of the head that begins in `partial` and goes on in `rest`. Keeps at most `max`
/// bytes in `partial`, and looks at each byte once, however small the pieces are.
pub(super) fn gather<'a>(partial: &mut Vec<u8>, rest: &'a [u8], max: usize) -> Gathered<'a> {
    if partial.is_empty() {
        return match head::end(rest, 0) {
            Some(end) if end <= max => {
                Gathered::Whole { head: Cow::Borrowed(&rest[..end]), rest: &rest[end..] }
            }
            None if rest.len() <= max => {
                partial.extend_from_slice(rest);
                Gathered::Incomplete
            }
            _ => {
                let (seen, more) = rest.split_at(max);
                Gathered::TooLarge { seen: Cow::Borrowed(seen), more: more.len() }
            }
        };
    }
    let before = partial.len();
    let (here, more) = rest.split_at(rest.len().min(max - before));
    partial.extend_from_slice(here);
    match head::end(partial, before.saturating_sub(3)) {
        Some(end) => {
            partial.truncate(end);
            let head = Cow::Owned(std::mem::take(partial));
            Gathered::Whole { head, rest: &rest[end - before..] }
        }
        None if more.is_empty() => Gathered::Incomplete,
        None => Gathered::TooLarge { seen: Cow::Owned(std::mem::take(partial)), more: more.len() },
    }
}

/// Leaves out empty lines before a first line (RFC 9112, 2.2); `partial` may hold half of one.
pub(super) fn skip_empty_lines<'a>(partial: &mut Vec<u8>, mut rest: &'a [u8]) -> &'a [u8] {
    if partial.as_slice() == b"\r" && rest.first() == Some(&b'\n') {
        partial.clear();
        rest = &rest[1..];
    }
    if partial.is_empty() {
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
    }
    rest
}
