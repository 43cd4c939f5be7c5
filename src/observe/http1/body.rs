//! Follows a message body to its last byte without keeping any of it.

use super::head::Framing;
use crate::observe::sniff::is_token;

/// Where in a body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are still to come; more than none.
    Length(u64),
    Chunked(Chunked),
    /// Ends with the connection.
    UntilClose,
}

/// How far some bytes took a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of them belong to it, and it goes on.
    More,
    /// So many of them belong to it, and it is complete.
    Done(usize),
    /// Chunked framing that is not valid; so many of them were read up to there.
    Malformed(usize),
}

impl Body {
    /// The body that `framing` announces; `None` if it is empty.
    pub(super) fn of_request(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Unsaid | Framing::Length(0) => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunked(Chunked::START)),
        }
    }

    /// The same for a response whose status and method allow a body.
    pub(super) fn of_response(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Unsaid => Some(Self::UntilClose),
            _ => Self::of_request(framing),
        }
    }

    /// Reads on, and hands `content` to whom it may concern. `line_limit` bounds chunk extensions
    /// and trailers, in bytes each.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        line_limit: usize,
        mut content: impl FnMut(&[u8]),
    ) -> Progress {
        match self {
            Self::UntilClose => {
                content(bytes);
                Progress::More
            }
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                content(&bytes[..here]);
                *left -= here as u64;
                if *left == 0 { Progress::Done(here) } else { Progress::More }
            }
            Self::Chunked(chunked) => chunked.advance(bytes, line_limit, content),
        }
    }
}

/// The state of the chunked transfer coding (RFC 9112, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    at: At,
    /// Bytes of the extension or the trailer section so far.
    line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the size; the number so far and how many digits it has.
    Size(u64, u8),
    /// White space after the size: only an extension may follow (the grammar's BWS).
    SizeSpace(u64),
    /// After the semicolon: a name must follow, perhaps after white space.
    ExtensionStart(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
}

impl Chunked {
    const START: Self = Self { at: At::Size(0, 0), line: 0 };

    fn advance(
        &mut self,
        bytes: &[u8],
        line_limit: usize,
        mut content: impl FnMut(&[u8]),
    ) -> Progress {
        let mut i = 0;
        while i < bytes.len() {
            if let At::Data(left) = self.at {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - i);
                content(&bytes[i..i + here]);
                i += here;
                let left = left - here as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data(left) };
                continue;
            }
            let Some(next) = self.at.step(bytes[i]) else { return Progress::Malformed(i) };
            if next.is_in_line() {
                self.line = self.line.saturating_add(1);
                if self.line as usize > line_limit {
                    return Progress::Malformed(i);
                }
            } else if matches!(next, At::DataCr | At::Data(_)) {
                self.line = 0;
            }
            if self.at == At::EndLf {
                return Progress::Done(i + 1);
            }
            self.at = next;
            i += 1;
        }
        Progress::More
    }
}

impl At {
    /// In a line that could go on for ever.
    fn is_in_line(self) -> bool {
        let in_extension =
            matches!(self, Self::SizeSpace(_) | Self::ExtensionStart(_) | Self::Extension(_));
        in_extension || matches!(self, Self::TrailerStart | Self::Trailer)
    }

    /// The state after `byte`, outside of chunk data; `None` where it must not stand.
    fn step(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size(size, digits), _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                Self::Size(size << 4 | u64::from(digit), digits.saturating_add(1))
            }
            (Self::Size(size, 1..) | Self::Extension(size), b'\r') => Self::SizeLf(size),
            (Self::Size(size, 1..) | Self::SizeSpace(size), b' ' | b'\t') => Self::SizeSpace(size),
            (Self::Size(size, 1..) | Self::SizeSpace(size), b';')
            | (Self::ExtensionStart(size), b' ' | b'\t') => Self::ExtensionStart(size),
            (Self::ExtensionStart(size), _) if is_token(byte) => Self::Extension(size),
            (Self::Extension(size), _) if is_text(byte) => Self::Extension(size),
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::TrailerStart,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size(0, 0),
            (Self::TrailerStart, b'\r') | (Self::EndLf, b'\n') => Self::EndLf,
            (Self::TrailerStart, _) if is_text(byte) && !matches!(byte, b' ' | b'\t') => {
                Self::Trailer
            }
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::Trailer, _) if is_text(byte) => Self::Trailer,
            _ => return None,
        })
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The progress of a chunked body given whole, checked to be the same given byte by byte.
    fn chunked(bytes: &[u8]) -> Progress {
        let mut whole = Body::Chunked(Chunked::START);
        let progress = whole.advance(bytes, 64, |_| {});
        let mut split = Body::Chunked(Chunked::START);
        let mut by_byte = Progress::More;
        for (i, byte) in bytes.iter().enumerate() {
            by_byte = match split.advance(&[*byte], 64, |_| {}) {
                Progress::More => continue,
                Progress::Done(n) => Progress::Done(i + n),
                Progress::Malformed(n) => Progress::Malformed(i + n),
            };
            break;
        }
        assert_eq!(progress, by_byte, "{:?}", String::from_utf8_lossy(bytes));
        progress
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailers() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n",
            "5; some; parameters=stuff\r\nhello\r\n0\r\n\r\n",
            "5;a=\"q;x\"\r\nhello\r\n0\r\nVary: *\r\nA: b\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "5 ;a\r\nhello\r\n0\r\n\r\n",
        ] {
            assert_eq!(chunked(body.as_bytes()), Progress::Done(body.len()), "{body:?}");
            let followed = format!("{body}GET");
            assert_eq!(chunked(followed.as_bytes()), Progress::Done(body.len()), "{body:?}");
            assert_eq!(chunked(&body.as_bytes()[..body.len() - 1]), Progress::More, "{body:?}");
        }
    }

    #[test]
    fn framing_that_servers_read_differently_is_malformed() {
        for body in [
            "\r\nhello",
            "6_0\r\n",
            "-5\r\n",
            "5\n",
            "5 \r\n",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "5\r\r;A",
            "2 efg\r\n",
            "11112222333344445\r\n",
            "0\r\nA: b\n",
            "0\r\n folded\r\n",
            "5;ext\n",
            "5;\r\nhello",
            "5; ;a\r\nhello",
        ] {
            assert!(matches!(chunked(body.as_bytes()), Progress::Malformed(_)), "{body:?}");
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_given_up() {
        for endless in ["5;a", "5 ", "5; "] {
            let extension = format!("{endless}{}", &endless[endless.len() - 1..].repeat(100));
            assert!(matches!(chunked(extension.as_bytes()), Progress::Malformed(_)));
        }
        let trailers = format!("0\r\n{}", "A: b\r\n".repeat(100));
        assert!(matches!(chunked(trailers.as_bytes()), Progress::Malformed(_)));
    }

    #[test]
    fn a_length_counts_down_over_any_number_of_reads() {
        let mut body = Body::of_request(Framing::Length(5)).unwrap();
        assert_eq!(body.advance(b"abc", 64, |_| {}), Progress::More);
        assert_eq!(body.advance(b"", 64, |_| {}), Progress::More);
        assert_eq!(body.advance(b"defg", 64, |_| {}), Progress::Done(2));
        assert_eq!(Body::of_request(Framing::Length(0)), None);
    }
}
