//! The bytes of HTTP/2, written by hand so that every field of a frame can be chosen.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const CANCEL: u32 = 8;

/// A frame of any kind (RFC 9113, 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length has 24 bits").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let bytes = |&(id, value): &(u16, u32)| {
        [id.to_be_bytes().as_slice(), value.to_be_bytes().as_slice()].concat()
    };
    frame(SETTINGS, 0, 0, &settings.iter().flat_map(bytes).collect::<Vec<_>>())
}

pub(crate) fn settings_ack() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, b"")
}

/// How every client begins.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &settings(&[])].concat()
}

/// How every app begins, once it has heard the client.
pub(crate) fn hello_back() -> Vec<u8> {
    [settings(&[]), settings_ack()].concat()
}

/// A header block without any state: literals that are in no table (RFC 7541, 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        assert!(text.len() < 127);
        out.push(u8::try_from(text.len()).expect("it is short"));
        out.extend(text.as_bytes());
    };
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        text(&mut out, name);
        text(&mut out, value);
    }
    out
}

/// The same, and it is added to the dynamic table (RFC 7541, 6.2.1).
pub(crate) fn indexed_block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|&field| {
            let mut bytes = block(&[field]);
            bytes[0] = 0x40;
            bytes
        })
        .collect()
}

pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(fields))
}

/// A request without a body.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    headers(stream, END_STREAM, &request("GET"))
}

/// The head of a request with a body.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    headers(stream, 0, &request("POST"))
}

fn request(method: &'static str) -> [(&'static str, &'static str); 4] {
    [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "shop")]
}

/// The head of a gRPC call.
pub(crate) fn call(stream: u32) -> Vec<u8> {
    let mut fields = request("POST").to_vec();
    fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
    headers(stream, 0, &fields)
}

/// The head of an answer; `flags` say whether anything follows.
pub(crate) fn status(stream: u32, flags: u8, status: &str) -> Vec<u8> {
    headers(stream, flags, &[(":status", status)])
}

pub(crate) fn trailers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, END_STREAM, fields)
}

pub(crate) fn data(stream: u32, flags: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    frame(DATA, flags, stream, content.as_ref())
}

/// A gRPC message.
pub(crate) fn message(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("it is short").to_be_bytes();
    [&[0], length.as_slice(), content].concat()
}

pub(crate) fn reset(stream: u32, error: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &error.to_be_bytes())
}

pub(crate) fn goaway(last: u32, error: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes().as_slice(), &error.to_be_bytes(), b"and why"].concat();
    frame(GOAWAY, 0, 0, &payload)
}
