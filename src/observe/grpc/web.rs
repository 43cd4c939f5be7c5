//! Bodies of gRPC-Web: messages as in gRPC, and the trailers as a last one of another kind
//! ("gRPC-Web", Protocol differences vs gRPC over HTTP2). All of it may be in base64.

use super::{ContentKind, GrpcStatus};

/// One body, read on as it comes.
#[derive(Debug, Default)]
pub(in crate::observe) struct WebBody {
    base64: Option<Base64>,
    prefix: [u8; 5],
    /// Bytes of the prefix that are read.
    have: u8,
    /// Bytes of the message that are to come.
    left: u32,
    /// As far as they have come; a request has none that matter, and its client could make them up.
    trailers: Vec<u8>,
    keeps_trailers: bool,
    status: GrpcStatus,
}

/// Bits that make no octet yet.
#[derive(Clone, Copy, Debug, Default)]
struct Base64 {
    bits: u32,
    count: u8,
}

impl WebBody {
    /// Bytes of memory that it needs.
    pub(in crate::observe) fn kept_bytes(&self) -> usize {
        size_of::<Self>() + self.trailers.capacity()
    }

    /// The body of a request in gRPC-Web, if its content type says that it is one.
    pub(in crate::observe) fn of_request(content: ContentKind) -> Option<Box<Self>> {
        Self::of(content, false)
    }

    /// The same of the answer to such a request.
    pub(in crate::observe) fn of_answer(content: ContentKind) -> Option<Box<Self>> {
        Self::of(content, true)
    }

    fn of(content: ContentKind, keeps_trailers: bool) -> Option<Box<Self>> {
        let base64 = match content {
            ContentKind::GrpcWeb => None,
            ContentKind::GrpcWebText => Some(Base64::default()),
            ContentKind::Grpc | ContentKind::Other => return None,
        };
        Some(Box::new(Self { base64, keeps_trailers, ..Self::default() }))
    }

    /// How the call ended, once the trailers have come.
    pub(in crate::observe) fn status(&self) -> GrpcStatus {
        self.status
    }

    /// Reads on; gives how many messages came to their end.
    pub(in crate::observe) fn count(&mut self, bytes: &[u8]) -> u64 {
        let Some(mut base64) = self.base64 else {
            return self.octets(bytes);
        };
        let mut complete = 0;
        for &byte in bytes {
            if let Some(octet) = base64.octet(byte) {
                complete += self.octets(&[octet]);
            }
        }
        self.base64 = Some(base64);
        complete
    }

    fn octets(&mut self, mut rest: &[u8]) -> u64 {
        let mut complete = 0;
        loop {
            while usize::from(self.have) < self.prefix.len() {
                let Some((&byte, after)) = rest.split_first() else { return complete };
                self.prefix[usize::from(self.have)] = byte;
                self.have += 1;
                rest = after;
                let [_, l0, l1, l2, l3] = self.prefix;
                self.left = u32::from_be_bytes([l0, l1, l2, l3]);
            }
            let (here, after) = rest.split_at(rest.len().min(self.left as usize));
            rest = after;
            #[expect(clippy::cast_possible_truncation, reason = "no more than is left")]
            let length = here.len() as u32;
            self.left -= length;
            let is_trailers = self.prefix[0] & TRAILERS != 0;
            if is_trailers && self.keeps_trailers {
                let room = MAX_TRAILERS - self.trailers.len();
                self.trailers.extend_from_slice(&here[..here.len().min(room)]);
            }
            if self.left > 0 {
                return complete;
            }
            self.have = 0;
            if is_trailers {
                self.status = status(&std::mem::take(&mut self.trailers));
            } else {
                complete += 1;
            }
        }
    }
}

impl Base64 {
    /// Padding may stand anywhere: each part of a body may be encoded on its own.
    fn octet(&mut self, byte: u8) -> Option<u8> {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => {
                *self = Self::default();
                return None;
            }
        };
        self.bits = (self.bits << 6 | u32::from(value)) & 0x3fff;
        self.count += 6;
        if self.count < 8 {
            return None;
        }
        self.count -= 8;
        Some((self.bits >> self.count).to_le_bytes()[0])
    }
}

/// The `grpc-status` among trailers that are written as a head of HTTP/1 is.
fn status(trailers: &[u8]) -> GrpcStatus {
    let mut status = GrpcStatus::NONE;
    for line in trailers.split(|&byte| byte == b'\n') {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && name.trim_ascii().eq_ignore_ascii_case(b"grpc-status")
        {
            status = GrpcStatus::read(value.trim_ascii());
        }
    }
    status
}

/// In the first byte of a prefix.
const TRAILERS: u8 = 0x80;
/// As much as is kept of them.
const MAX_TRAILERS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"\0\0\0\0\x03abc\0\0\0\0\0\x80\0\0\0\x1eGrpc-Status: 5\r\ngrpc-message:x";
    /// The same, the first message and the rest each encoded on its own.
    const TEXT: &[u8] = b"AAAAAANhYmM=AAAAAACAAAAAHkdycGMtU3RhdHVzOiA1DQpncnBjLW1lc3NhZ2U6eA==";

    #[test]
    fn messages_are_counted_and_trailers_tell_the_end_however_they_are_split() {
        for (content, bytes) in [(ContentKind::GrpcWeb, BODY), (ContentKind::GrpcWebText, TEXT)] {
            for at in 0..=bytes.len() {
                let mut body = WebBody::of_answer(content).unwrap();
                assert_eq!(body.count(&bytes[..at]) + body.count(&bytes[at..]), 2);
                assert_eq!(body.status().as_str(), "5");
            }
        }
    }

    #[test]
    fn trailers_that_never_end_are_not_kept() {
        let mut body = WebBody::of_answer(ContentKind::GrpcWeb).unwrap();
        body.count(b"\x80\xff\xff\xff\xff");
        for _ in 0..100 {
            body.count(&[b'x'; 1000]);
        }
        assert!(body.trailers.capacity() <= 2 * MAX_TRAILERS);
        assert_eq!(body.status(), GrpcStatus::NONE);
        let mut request = WebBody::of_request(ContentKind::GrpcWeb).unwrap();
        request.count(b"\x80\0\0\xff\xff all that a client makes up");
        assert_eq!(request.trailers.capacity(), 0);
    }
}
