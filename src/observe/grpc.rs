//! What makes a call a gRPC call, how it ended, and how many messages it carried.
//!
//! The same for HTTP/2 and for gRPC-Web: a message is five bytes, a flag and a length, and as many
//! bytes as that says ("gRPC over HTTP2", Length-Prefixed-Message).

pub(super) mod web;

/// What kind of call an exchange was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Plain HTTP.
    #[default]
    Http,
    /// gRPC, and how it ended.
    Grpc(GrpcStatus),
}

impl Call {
    /// As the label `request_protocol` says it.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc(_) => "grpc",
        }
    }
}

/// The `grpc-status` of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrpcStatus(u8);

impl GrpcStatus {
    /// Nobody said how it ended.
    pub const NONE: Self = Self(u8::MAX);
    /// The call succeeded.
    pub const OK: Self = Self(0);
    /// Every code that gRPC has, as labels say it.
    pub const CODES: [&str; 17] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ];

    /// The value of a `grpc-status` field. A code that gRPC does not have means `UNKNOWN` to every
    /// client ("Status codes and their use in gRPC"), so that is what it is here.
    pub fn read(value: &[u8]) -> Self {
        match value {
            [digit @ b'0'..=b'9'] => Self(digit & 0xf),
            [b'1', digit @ b'0'..=b'6'] => Self(10 + (digit & 0xf)),
            _ => Self(UNKNOWN),
        }
    }

    /// What a call that ended without a `grpc-status` comes to, by the HTTP status of its answer
    /// ("HTTP to gRPC Status Code Mapping"); [`Self::NONE`] where there was no answer.
    #[must_use]
    pub fn or_by_http(self, status: u16) -> Self {
        if self != Self::NONE {
            return self;
        }
        match status {
            0 => Self::NONE,
            400 => Self(INTERNAL),
            401 => Self(UNAUTHENTICATED),
            403 => Self(PERMISSION_DENIED),
            404 => Self(UNIMPLEMENTED),
            429 | 502..=504 => Self(UNAVAILABLE),
            _ => Self(UNKNOWN),
        }
    }

    /// How bad it is. Which codes are failures of the server is what linkerd2-proxy holds, too.
    pub fn severity(self) -> Severity {
        match self.0 {
            0 | u8::MAX => Severity::Fine,
            UNKNOWN | DEADLINE_EXCEEDED | INTERNAL | UNAVAILABLE | DATA_LOSS => Severity::Failure,
            _ => Severity::Refusal,
        }
    }

    /// As the label `grpc_response_status` says it; empty for none.
    pub fn as_str(self) -> &'static str {
        Self::CODES.get(usize::from(self.0)).copied().unwrap_or("")
    }
}

impl Default for GrpcStatus {
    fn default() -> Self {
        Self::NONE
    }
}

/// What a `grpc-status` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The call succeeded, or nobody said that it did not.
    Fine,
    /// The server refused what it was asked, as it should.
    Refusal,
    /// The server failed.
    Failure,
}

/// What a `Content-Type` says about the messages in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// No messages that are counted here.
    #[default]
    Other,
    /// `application/grpc`, with or without an encoding.
    Grpc,
    /// `application/grpc-web`.
    GrpcWeb,
    /// `application/grpc-web-text`: the same in base64.
    GrpcWebText,
}

/// Reads a `Content-Type` (RFC 9110, 8.3): upper case and parameters do not matter.
pub(super) fn content_kind(value: &[u8]) -> ContentKind {
    const GRPC: &[u8] = b"application/grpc";
    if !value.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC)) {
        return ContentKind::Other;
    }
    let is = |kind: &[u8]| {
        value.split_at_checked(kind.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(kind)
                && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        })
    };
    if is(GRPC) {
        ContentKind::Grpc
    } else if is(b"application/grpc-web") {
        ContentKind::GrpcWeb
    } else if is(b"application/grpc-web-text") {
        ContentKind::GrpcWebText
    } else {
        ContentKind::Other
    }
}

/// Counts the messages of one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    /// The length as far as it is read, then what is missing of the message.
    left: u32,
    /// Bytes of the prefix that are read.
    prefix: u8,
}

impl Messages {
    /// Reads on in a body; gives how many messages came to their end.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut complete = 0;
        loop {
            while self.prefix < PREFIX {
                let Some((&byte, rest)) = bytes.split_first() else { return complete };
                // The first is the flag; four bytes of length follow and push it out.
                self.left = self.left << 8 | u32::from(byte);
                self.prefix += 1;
                if self.prefix == 1 {
                    self.left = 0;
                }
                bytes = rest;
            }
            let here = bytes.len().min(self.left as usize);
            bytes = &bytes[here..];
            #[expect(clippy::cast_possible_truncation, reason = "no more than is left")]
            let here = here as u32;
            self.left -= here;
            if self.left > 0 {
                return complete;
            }
            complete += 1;
            self.prefix = 0;
        }
    }
}

const PREFIX: u8 = 5;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const DATA_LOSS: u8 = 15;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_split() {
        let body = [
            b"\0\0\0\0\x03abc".as_slice(),
            b"\0\0\0\0\0",
            b"\x01\0\0\x01\0",
            &[b'x'; 256],
            b"\0\0\0\0\x05part",
        ]
        .concat();
        assert_eq!(Messages::default().count(&body), 3);
        for at in 0..body.len() {
            let mut messages = Messages::default();
            assert_eq!(messages.count(&body[..at]) + messages.count(&body[at..]), 3, "{at}");
        }
        let mut messages = Messages::default();
        assert_eq!(body.chunks(1).map(|byte| messages.count(byte)).sum::<u64>(), 3);
        assert_eq!(messages.count(b"s"), 1);
    }

    #[test]
    fn a_code_that_grpc_does_not_have_is_unknown() {
        for code in 0..=16 {
            assert_eq!(GrpcStatus::read(code.to_string().as_bytes()).as_str(), code.to_string());
        }
        for value in ["17", "", "x", "00", "-1", "4294967296"] {
            assert_eq!(GrpcStatus::read(value.as_bytes()).as_str(), "2", "{value:?}");
        }
        assert_eq!(GrpcStatus::NONE.as_str(), "");
    }

    #[test]
    fn without_a_code_the_http_status_says() {
        for (status, code) in [(0, ""), (200, "2"), (404, "12"), (503, "14"), (401, "16")] {
            assert_eq!(GrpcStatus::NONE.or_by_http(status).as_str(), code, "{status}");
        }
        assert_eq!(GrpcStatus::OK.or_by_http(503).as_str(), "0");
    }

    #[test]
    fn a_content_type_tells_grpc_by_its_beginning() {
        let cases = [
            ("application/grpc", ContentKind::Grpc),
            ("Application/gRPC+proto", ContentKind::Grpc),
            ("application/grpc;charset=x", ContentKind::Grpc),
            ("application/grpc-web+proto", ContentKind::GrpcWeb),
            ("application/grpc-web-text", ContentKind::GrpcWebText),
            ("application/grpcish", ContentKind::Other),
            ("application/json", ContentKind::Other),
            ("", ContentKind::Other),
        ];
        for (value, kind) in cases {
            assert_eq!(content_kind(value.as_bytes()), kind, "{value}");
        }
    }
}
