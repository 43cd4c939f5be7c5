//! One request and its answer, and what tells it from others.

use super::Flags;
use super::grpc::Call;
use super::host::HostId;
use super::path::PathId;
use super::trace::Trace;
use crate::clock::Nanos;

/// One request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Which of the pod's own names the request's `Host` named.
    pub host: HostId,
    /// What the client wanted done.
    pub method: Method,
    /// What it wanted that done to, as a template.
    pub path: PathId,
    /// The version of HTTP in which the client asked.
    pub version: Version,
    /// Whether it was gRPC, and how that ended.
    pub call: Call,
    /// The answer's status code; 503 when the app refused or broke off; 0 when there was none.
    pub status: u16,
    /// What went wrong, if anything.
    pub flags: Flags,
    /// When the request's first byte was read.
    pub started: Nanos,
    /// When the answer's last byte was handed to the kernel, or the exchange was given up.
    pub ended: Nanos,
    /// When the answer's first byte was handed to the kernel.
    pub first_byte: Option<Nanos>,
    /// When the first byte of the answer's body was.
    pub first_data: Option<Nanos>,
    /// Nanoseconds that the end of the request's head and the end of the answer spent inside
    /// podmeter.
    pub held: u64,
    /// How many of these the end of the request's head did.
    pub held_request: u64,
    /// Bytes of the request on the wire, head included.
    pub request_bytes: u64,
    /// Bytes of the answer on the wire, heads (interim ones too) and trailers included.
    pub response_bytes: u64,
    /// The kubelet asked ([`Rules::probes_apart`](super::Rules::probes_apart)).
    pub probe: bool,
    /// The trace that the request is part of, if that is sampled.
    pub trace: Option<Trace>,
}

/// A request's method: those that specifications name, and all others as one, so that no client
/// can invent a label value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `CONNECT`.
    Connect,
    /// `OPTIONS`.
    Options,
    /// `TRACE`.
    Trace,
    /// `PATCH` (RFC 5789).
    Patch,
    /// Any other, and one that could not be read.
    #[default]
    Other,
}

impl Method {
    /// Those that have a name.
    pub const NAMED: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
    ];

    /// The method of this name; methods are told apart by case (RFC 9110, 9.1).
    pub(super) fn read(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// As a metric label; `None` for one of no known name.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => return None,
        })
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// The request could not be read.
    #[default]
    Unknown,
}

impl Version {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Http2, Self::Unknown];

    /// As a metric label; empty where it is not known.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Unknown => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_as_it_is_named() {
        for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
        {
            assert_eq!(Method::read(name.as_bytes()).name(), Some(name));
        }
        for name in ["", "get", "GETS", "PROPFIND", "\u{fffd}"] {
            assert_eq!(Method::read(name.as_bytes()), Method::Other, "{name}");
        }
    }
}
