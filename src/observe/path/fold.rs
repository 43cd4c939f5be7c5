//! Makes a template of a path by folding what varies from request to request.

/// Makes a template of `path` in `buffer`: what looks like a number, a UUID, a hash, a date or a
/// random token is replaced by its kind in braces. `None` where the path is too long or too deep
/// for a template, or has bytes that belong in no path (RFC 3986, 3.3).
pub fn fold<'a>(path: &[u8], buffer: &'a mut [u8; LONGEST]) -> Option<&'a str> {
    let mut out = Out { buffer, length: 0 };
    for (index, segment) in path.split(|&b| b == b'/').enumerate() {
        if index > DEEPEST || !segment.iter().all(|&b| is_of_a_path(b)) {
            return None;
        }
        if index > 0 {
            out.push(b"/")?;
        }
        match kind(segment) {
            Some(kind) => out.push(kind)?,
            None => parts(segment, &mut out)?,
        }
    }
    let Out { buffer, length } = out;
    str::from_utf8(buffer.get(..length)?).ok()
}

/// What is written so far.
struct Out<'a> {
    buffer: &'a mut [u8; LONGEST],
    length: usize,
}

impl Out<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.buffer.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }
}

/// What a whole segment, or a part of one, is an example of.
fn kind(text: &[u8]) -> Option<&'static [u8]> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return Some(b"{id}");
    }
    // What has no digit is a word, and no example of anything.
    if !text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    if is_uuid(text) {
        Some(b"{uuid}")
    } else if is_date(text) {
        Some(b"{date}")
    } else if is_hash(text) {
        Some(b"{hash}")
    } else if is_token(text) {
        Some(b"{token}")
    } else {
        None
    }
}

/// Folds the parts of a segment of several, as in `order-1234` and `main.8f3a2b1c.js`. A number of
/// one or two digits stays, as it may be a version.
fn parts(segment: &[u8], out: &mut Out<'_>) -> Option<()> {
    let mut rest = segment;
    loop {
        let end = rest.iter().position(|b| SEPARATORS.contains(b)).unwrap_or(rest.len());
        let part = &rest[..end];
        match kind(part) {
            Some(kind) if part.len() > 2 => out.push(kind)?,
            _ => out.push(part)?,
        }
        let Some(separator) = rest.get(end..=end) else { return Some(()) };
        out.push(separator)?;
        rest = &rest[end + 1..];
    }
}

/// 8, 4, 4, 4 and 12 hexadecimal digits (RFC 9562, 4).
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, &b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// `2024-05-17`, `2024-05`, with `_` or `.` too, and a date with a time behind it.
fn is_date(text: &[u8]) -> bool {
    let (date, time) = match text.get(10) {
        Some(b'T' | b't') => text.split_at(10),
        _ => (text, &[][..]),
    };
    let is_separator = |b: u8| b"-_.".contains(&b);
    let fits = |shape: &[u8]| {
        date.len() == shape.len()
            && date.iter().zip(shape).all(|(&b, &shape)| match shape {
                b'0' => b.is_ascii_digit(),
                _ => is_separator(b),
            })
    };
    let is_of_a_time = |b: &u8| b.is_ascii_digit() || b"Tt:.+-Zz%AaC3_".contains(b);
    matches!(date, [b'1' | b'2', ..])
        && (fits(b"0000-00-00") || (time.is_empty() && fits(b"0000-00")))
        && time.iter().all(is_of_a_time)
}

/// Eight hexadecimal digits or more, with both letters and figures.
fn is_hash(text: &[u8]) -> bool {
    text.len() >= 8
        && text.iter().all(u8::is_ascii_hexdigit)
        && text.iter().any(u8::is_ascii_alphabetic)
}

/// Letters and figures in no order that a word has.
fn is_token(text: &[u8]) -> bool {
    if text.len() < SHORTEST_TOKEN {
        return false;
    }
    let class = |b: u8| match b {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        b'-' | b'_' | b'~' | b'=' => 0,
        _ => 4,
    };
    if text.iter().any(|&b| class(b) == 4) {
        return false;
    }
    let changes = text
        .windows(2)
        .filter(|pair| {
            let (one, other) = (class(pair[0]), class(pair[1]));
            one != other && one != 0 && other != 0
        })
        .count();
    changes * 5 >= text.len()
}

/// Whether a byte may stand in a segment, where `{` and `}` could be taken for a kind.
fn is_of_a_path(b: u8) -> bool {
    b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)
}

const SEPARATORS: &[u8] = b"-_.~:;,=@";
/// Bytes of a template.
pub const LONGEST: usize = 200;
/// Segments of a template.
const DEEPEST: usize = 12;
/// Characters of a token.
const SHORTEST_TOKEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(path: &str) -> Option<String> {
        fold(path.as_bytes(), &mut [0; LONGEST]).map(str::to_owned)
    }

    #[test]
    fn what_varies_is_folded_into_its_kind() {
        for (path, expected) in [
            ("/", "/"),
            ("*", "*"),
            ("/users/123", "/users/{id}"),
            ("/users/7/orders/-1/", "/users/{id}/orders/{id}/"),
            ("/u/6f1f3a52-9f3a-4c42-8f0e-3f9f6b1c2d3e", "/u/{uuid}"),
            ("/u/6F1F3A52-9F3A-4C42-8F0E-3F9F6B1C2D3E/x", "/u/{uuid}/x"),
            ("/commit/9bfc8c8e", "/commit/{hash}"),
            ("/object/507f1f77bcf86cd799439011", "/object/{hash}"),
            ("/day/2024-05-17", "/day/{date}"),
            ("/month/2024-05", "/month/{date}"),
            ("/at/2024-05-17T10:00:00Z", "/at/{date}"),
            ("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{token}"),
            ("/t/dQw4w9WgXcQx7Yz2Kp", "/t/{token}"),
            ("/order-12345/label_678.pdf", "/order-{id}/label_{id}.pdf"),
            ("/static/main.8f3a2b1c.js", "/static/main.{hash}.js"),
        ] {
            assert_eq!(folded(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_a_word_stays() {
        for path in [
            "/api/v1/users",
            "/healthz",
            "/deadbeef",
            "/facade",
            "/getting-started-with-http-2",
            "/oauth2/callback",
            "/grpc.health.v1.Health/Check",
            "/a%20b",
            "//",
            "/users/",
            "/h264",
            "/b64",
            "/decade/e2e",
        ] {
            assert_eq!(folded(path).as_deref(), Some(path));
        }
    }

    #[test]
    fn what_can_be_no_template_is_none() {
        let (long, deep) = ("/a".repeat(5) + &"b".repeat(200), "/a".repeat(13));
        for path in [long.as_str(), &deep, "/a b", "/{id}", "/\"", "/\u{fc}", "/\u{1}"] {
            assert_eq!(folded(path), None, "{path}");
        }
        assert!(folded(&"/a".repeat(12)).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_short_clean_template_or_none(path in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = [0; LONGEST];
            if let Some(template) = fold(&path, &mut buffer) {
                prop_assert!(template.len() <= LONGEST);
                prop_assert!(template.bytes().all(|b| b.is_ascii_graphic()));
                let (had, has) = (path.split(|&b| b == b'/').count(), template.split('/').count());
                prop_assert_eq!(had, has);
            }
        }

        #[test]
        fn whatever_the_number_the_template_is_one(number in any::<u64>(), id in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}") {
            let path = format!("/a/{number}/b/{id}");
            prop_assert_eq!(folded(&path).unwrap(), "/a/{id}/b/{uuid}");
        }
    }
}
