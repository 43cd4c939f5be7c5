//! Frames in chunks of any size.

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Everything that is in `bytes`, as text, given in chunks of `size`.
fn walked(bytes: &[u8], size: usize) -> Vec<String> {
    let mut walk = Walk::of_app();
    let mut told = Vec::new();
    let (mut content, mut wire) = (Vec::new(), 0);
    for mut rest in bytes.chunks(size) {
        loop {
            match walk.next(&mut rest, Passed::default()) {
                Piece::Nothing => break,
                Piece::Broken(reason) => {
                    told.push(format!("broken {}", reason.as_str()));
                    return told;
                }
                Piece::Head => {
                    let head = walk.head();
                    told.push(format!("{} {} on {}", head.kind, head.length, head.stream));
                    match head.kind {
                        DATA => walk.want_data(),
                        HEADERS => walk.want(u32::MAX),
                        GOAWAY => walk.want(8),
                        _ => {}
                    }
                }
                Piece::Payload(payload) => told.push(payload.escape_ascii().to_string()),
                Piece::Data(data) => {
                    assert_eq!(data.is_first, wire == 0);
                    wire += data.bytes;
                    content.extend_from_slice(data.content);
                    if data.is_last {
                        told.push(format!("{wire} {}", content.escape_ascii()));
                        (content, wire) = (Vec::new(), 0);
                    }
                }
            }
        }
    }
    told
}

#[test]
fn frames_are_the_same_however_they_are_split() {
    let bytes = [
        frame(SETTINGS, 0, 0, b""),
        frame(HEADERS, END_HEADERS, 1, b"block"),
        frame(DATA, 0, 1, b"content"),
        frame(PING, 0, 0, b"12345678"),
        frame(DATA, PADDED, 1, b"\x03contentpad"),
        frame(DATA, PADDED, 1, b"\0"),
        frame(DATA, END_STREAM, 1, b""),
        frame(GOAWAY, 0, 0, b"12345678 and why"),
        frame(HEADERS, END_HEADERS, 3 | 1 << 31, b""),
        frame(DATA, PADDED, 3, b"\x02pad"),
        frame(0xfa, 0xff, 7, b"unknown"),
        frame(DATA, PADDED, 3, b"\x04pad"),
    ]
    .concat();
    let expected = [
        "4 0 on 0",
        "1 5 on 1",
        "block",
        "0 7 on 1",
        "7 content",
        "6 8 on 0",
        "0 11 on 1",
        "11 content",
        "0 1 on 1",
        "1 ",
        "0 0 on 1",
        "0 ",
        "7 16 on 0",
        "12345678",
        "1 0 on 3",
        "",
        "0 4 on 3",
        "4 p",
        "250 7 on 7",
        "0 4 on 3",
        "broken malformed_frame",
    ];
    for size in [1, 2, 3, 10, 1000] {
        assert_eq!(walked(&bytes, size), expected, "in chunks of {size}");
    }
}

#[test]
fn a_frame_that_is_longer_than_allowed_breaks_the_walk() {
    let largest = frame(DATA, 0, 1, &[0; 16_384]);
    assert_eq!(walked(&largest, 16_393).len(), 2);
    let larger = frame(DATA, 0, 1, &vec![0; 16_385]);
    assert_eq!(walked(&larger, 16_393), ["broken frame_too_large"]);
}

#[test]
fn the_preface_stands_before_a_clients_frames() {
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    let mut walk = Walk::of_client();
    for byte in &bytes[..bytes.len() - 1] {
        let mut rest = std::slice::from_ref(byte);
        assert!(matches!(walk.next(&mut rest, Passed::default()), Piece::Nothing));
    }
    let mut rest = &bytes[bytes.len() - 1..];
    assert!(matches!(walk.next(&mut rest, Passed::default()), Piece::Head));
    let mut rest = b"PRI * HTTP/1".as_slice();
    let piece = Walk::of_client().next(&mut rest, Passed::default());
    assert!(matches!(piece, Piece::Broken(Reason::MalformedRequest)));
}
