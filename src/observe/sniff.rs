//! Tells HTTP/1, HTTP/2, TLS and everything else apart by a connection's first bytes.

use super::Protocol;

/// Longest first line that is waited for before a connection is taken for something else.
pub(crate) const MAX_FIRST_LINE: usize = 8 * 1024;

/// From so many bytes on [`sniff`] always knows.
pub(crate) const MAX_SNIFFED: usize = MAX_EMPTY_LINES + MAX_FIRST_LINE;

/// What the client's first bytes say the connection speaks; `None` while they could still become
/// more than one thing. Nothing waits for the answer: the bytes have passed already.
pub fn sniff(seen: &[u8]) -> Option<Protocol> {
    // A server should ignore empty lines before the request line (RFC 9112, 2.2).
    let start = seen.iter().position(|b| !matches!(b, b'\r' | b'\n'));
    if start.unwrap_or(seen.len()) > MAX_EMPTY_LINES {
        return Some(Protocol::Other);
    }
    let seen = &seen[start?..];
    if seen[0] == TLS_HANDSHAKE {
        return sniff_tls(seen);
    }
    if H2_PREFACE.starts_with(seen) {
        return None;
    }
    if seen.starts_with(H2_PREFACE) {
        return Some(Protocol::Http2);
    }
    let method_len = seen.iter().take(MAX_METHOD + 1).take_while(|&&b| is_token(b)).count();
    match seen.get(method_len) {
        None if method_len <= MAX_METHOD => None,
        Some(b' ') if COMMON_METHODS.contains(&&seen[..method_len]) => Some(Protocol::Http1),
        Some(b' ') if (1..=MAX_METHOD).contains(&method_len) => sniff_request_line(seen),
        _ => Some(Protocol::Other),
    }
}

/// Whether a server that has said `answered` and `more`, after no more than `asked`, may be one of
/// HTTP/2: those may say their SETTINGS before the client has said anything (RFC 9113, 3.4).
pub(crate) fn could_be_h2(asked: &[u8], answered: &[u8], more: &[u8]) -> bool {
    let first = answered.iter().chain(more).take(H2_SETTINGS.len());
    let is_like = |(byte, expected): (&u8, &Option<u8>)| expected.is_none_or(|e| e == *byte);
    H2_PREFACE.starts_with(asked)
        && answered.len() + more.len() <= MAX_H2_GREETING
        && first.zip(&H2_SETTINGS).all(is_like)
}

/// A word and a space could begin many a text protocol; the end of the line tells.
fn sniff_request_line(seen: &[u8]) -> Option<Protocol> {
    match memchr::memchr(b'\n', &seen[..seen.len().min(MAX_FIRST_LINE)]) {
        Some(end) => {
            let line = &seen[..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_http = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
            Some(if is_http { Protocol::Http1 } else { Protocol::Other })
        }
        None if seen.len() >= MAX_FIRST_LINE => Some(Protocol::Other),
        None => None,
    }
}

/// A TLS record of type handshake, version 3.x, holding a client hello (RFC 8446, 5.1 and 4.1.2).
fn sniff_tls(seen: &[u8]) -> Option<Protocol> {
    let is_so_far =
        seen.get(1).is_none_or(|&major| major == 3) && seen.get(5).is_none_or(|&kind| kind == 1);
    match (is_so_far, seen.len() > 5) {
        (false, _) => Some(Protocol::Other),
        (true, true) => Some(Protocol::Tls),
        (true, false) => None,
    }
}

/// The characters of a `token` (RFC 9110, 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "i is below 256")]
        let byte = i as u8;
        table[i] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        i += 1;
    }
    table
}

static TOKEN: [bool; 256] = token_table();

/// The client connection preface's first line (RFC 9113, 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// How a frame of SETTINGS begins that acknowledges none (RFC 9113, 6.5); its length is free but
/// for the first byte.
const H2_SETTINGS: [Option<u8>; 9] =
    [Some(0), None, None, Some(4), Some(0), Some(0), Some(0), Some(0), Some(0)];
/// No server has more to say before it knows that it is understood.
const MAX_H2_GREETING: usize = 4 * 1024;
const TLS_HANDSHAKE: u8 = 0x16;
const MAX_METHOD: usize = 32;
const MAX_EMPTY_LINES: usize = 64;
/// Methods that no other protocol's first word is mistaken for.
const COMMON_METHODS: [&[u8]; 9] =
    [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        let hello = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
        let cases: [(&[u8], Option<Protocol>); 20] = [
            (b"", None),
            (b"\r\n", None),
            (b"G", None),
            (b"GET", None),
            (b"GET ", Some(Protocol::Http1)),
            (b"\r\n\r\nPOST / HTTP/1.1\r\n", Some(Protocol::Http1)),
            (b"BREW /pot", None),
            (b"BREW /pot HTTP/1.1\r\n", Some(Protocol::Http1)),
            (b"-bl /foo HTTP/1.0\n", Some(Protocol::Http1)),
            (b"SET key value\r\n", Some(Protocol::Other)),
            (b"PING\r\n", Some(Protocol::Other)),
            (b"*1\r\n$4\r\nPING\r\n", Some(Protocol::Other)),
            (b"PRI", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2)),
            (b"PRI * HTTP/1.1\r\n", Some(Protocol::Http1)),
            (&hello, Some(Protocol::Tls)),
            (&hello[..5], None),
            (b"\x16\x01", Some(Protocol::Other)),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Some(Protocol::Other)),
            (b" / HTTP/1.1\r\n", Some(Protocol::Other)),
        ];
        for (seen, protocol) in cases {
            assert_eq!(sniff(seen), protocol, "{:?}", String::from_utf8_lossy(seen));
        }
        assert_eq!(sniff(&b"x y".repeat(9000)), Some(Protocol::Other));
        assert_eq!(sniff(&[b'A'; 40]), Some(Protocol::Other));
        for (length, protocol) in [(32, Protocol::Http1), (33, Protocol::Other)] {
            let line = format!("{} / HTTP/1.1\r\n", "A".repeat(length));
            assert_eq!(sniff(line.as_bytes()), Some(protocol));
        }
        assert_eq!(sniff(&[b'\n'; 100]), Some(Protocol::Other));
    }

    #[test]
    fn a_server_that_speaks_first_may_be_one_of_http2() {
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";
        for at in 0..settings.len() {
            let (before, after) = settings.split_at(at);
            assert!(could_be_h2(b"", before, after));
            assert!(could_be_h2(b"PRI * ", before, after));
            assert!(!could_be_h2(b"GET", before, after));
        }
        assert!(!could_be_h2(b"", b"\x4a\0\0\0\x0a8.0.35\0", b""));
        assert!(!could_be_h2(b"", b"220 mail", b""));
        assert!(!could_be_h2(b"", b"\0\0\0\x04\x01", b""));
        assert!(!could_be_h2(b"", settings, &[0; 4096]));
    }

    fn words() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0..70usize).prop_map(|length| vec![b'A'; length]),
            prop::sample::select(&[" / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "\r\n", "GET "][..])
                .prop_map(|word| word.as_bytes().to_vec()),
            prop::sample::select(&b" \r\n\x16\x03\x01G"[..]).prop_map(|byte| vec![byte; 3]),
            proptest::collection::vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(9112),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn once_told_more_bytes_do_not_change_it(
            words in proptest::collection::vec(words(), 0..6),
        ) {
            let seen = words.concat();
            let told = (0..=seen.len()).map(|end| sniff(&seen[..end])).skip_while(Option::is_none);
            let told: Vec<_> = told.collect();
            prop_assert!(told.iter().all(|protocol| *protocol == told[0]), "{:?}", told);
        }
    }
}
