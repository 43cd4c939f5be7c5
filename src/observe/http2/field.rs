//! What a header field says, as far as anybody here wants to know.

use super::hpack::Kept;
use crate::observe::grpc::{self, ContentKind, GrpcStatus};
use crate::observe::host::HostId;
use crate::observe::path::PathId;
use crate::observe::trace::{Trace, TraceName};
use crate::observe::{Method, Rules, is_kubelet};

/// A field that matters, or one that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Method(Method),
    /// `:path` of a template that is known, or of none.
    Path(PathId),
    /// `:path` of a template that is new, by the number under which a table keeps that.
    NewPath(u16),
    Status(u16),
    Authority(HostId),
    Host(HostId),
    /// `:protocol` (RFC 8441, 4).
    Protocol {
        websocket: bool,
    },
    ContentType(ContentType),
    GrpcStatus(GrpcStatus),
    UserAgent {
        is_kubelet: bool,
    },
    Trace(Kept),
    Other,
}

pub(super) type ContentType = ContentKind;

/// The name of a [`Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Method,
    Path,
    Status,
    Authority,
    Host,
    Protocol,
    ContentType,
    GrpcStatus,
    UserAgent,
    Trace(TraceName),
    Other,
}

impl Field {
    pub(super) fn name(self) -> Name {
        match self {
            Self::Method(_) => Name::Method,
            Self::Path(_) | Self::NewPath(_) => Name::Path,
            Self::Status(_) => Name::Status,
            Self::Authority(_) => Name::Authority,
            Self::Host(_) => Name::Host,
            Self::Protocol { .. } => Name::Protocol,
            Self::ContentType(_) => Name::ContentType,
            Self::GrpcStatus(_) => Name::GrpcStatus,
            Self::UserAgent { .. } => Name::UserAgent,
            Self::Trace(kept) => Name::Trace(kept.name()),
            Self::Other => Name::Other,
        }
    }
}

impl Name {
    /// Names are lower case in HTTP/2 (RFC 9113, 8.2.1).
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":status" => Self::Status,
            b":authority" => Self::Authority,
            b"host" => Self::Host,
            b":protocol" => Self::Protocol,
            b"content-type" => Self::ContentType,
            b"grpc-status" => Self::GrpcStatus,
            b"user-agent" => Self::UserAgent,
            name => Self::Trace(TraceName::of(name)?),
        })
    }

    /// The field of this name that has `value`. A path is not a matter of its own bytes alone.
    pub(super) fn with(self, value: &[u8], rules: &Rules) -> Field {
        let hosts = &rules.hosts;
        match self {
            Self::Method => Field::Method(Method::read(value)),
            Self::Path => Field::Path(PathId::OTHER),
            Self::Status => Field::Status(status(value)),
            Self::Authority => Field::Authority(hosts.find(value)),
            Self::Host => Field::Host(hosts.find(value)),
            Self::Protocol => {
                Field::Protocol { websocket: value.eq_ignore_ascii_case(b"websocket") }
            }
            Self::ContentType => Field::ContentType(grpc::content_kind(value)),
            Self::GrpcStatus => Field::GrpcStatus(GrpcStatus::read(value)),
            Self::UserAgent => Field::UserAgent { is_kubelet: is_kubelet(value) },
            // Of these the decoder itself keeps what they say.
            Self::Trace(_) | Self::Other => Field::Other,
        }
    }
}

/// A status code is three digits (RFC 9110, 15); 0 for anything else.
fn status(value: &[u8]) -> u16 {
    match value {
        [b'1'..=b'9', rest @ ..] if rest.len() == 2 && rest.iter().all(u8::is_ascii_digit) => {
            value.iter().fold(0, |status, &digit| status * 10 + u16::from(digit & 0xf))
        }
        _ => 0,
    }
}

/// The fields of one header block that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// The only `:status`; 0 where there is none, or none that can be read.
    pub(super) status: u16,
    status_seen: bool,
    pub(super) method: Method,
    pub(super) websocket: bool,
    authority: Option<HostId>,
    host: Option<HostId>,
    pub(super) content: ContentKind,
    pub(super) grpc_status: GrpcStatus,
    pub(super) is_kubelet: bool,
    /// The trace that a request is part of, if that is sampled.
    pub(super) trace: Option<Trace>,
}

impl Head {
    pub(super) fn take(&mut self, field: Field) {
        match field {
            Field::Method(method) => self.method = method,
            Field::Status(status) => {
                // Two of them: readers differ on which one counts, so neither does.
                self.status = if self.status_seen { 0 } else { status };
                self.status_seen = true;
            }
            Field::Authority(host) => Self::only(&mut self.authority, host),
            Field::Host(host) => Self::only(&mut self.host, host),
            Field::ContentType(content) => self.content = content,
            Field::GrpcStatus(status) => self.grpc_status = status,
            Field::Protocol { websocket } => self.websocket = websocket,
            Field::UserAgent { is_kubelet } => self.is_kubelet = is_kubelet,
            Field::Path(_) | Field::NewPath(_) | Field::Trace(_) | Field::Other => {}
        }
    }

    /// Which service is meant: `:authority` says, else `Host` (RFC 9113, 8.3.1).
    pub(super) fn service(&self) -> HostId {
        self.authority.or(self.host).unwrap_or(HostId::UNKNOWN)
    }

    fn only(seen: &mut Option<HostId>, host: HostId) {
        *seen = Some(if seen.is_none() { host } else { HostId::UNKNOWN });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::host::KnownHosts;

    #[test]
    fn a_status_is_three_digits() {
        for (value, read) in [("200", 200), ("999", 999), ("099", 0), ("20", 0), ("2000", 0)] {
            assert_eq!(status(value.as_bytes()), read, "{value}");
        }
        assert_eq!(status(b"2x0"), 0);
    }

    #[test]
    fn a_field_keeps_its_name_for_those_that_borrow_it() {
        let hosts = KnownHosts::new(&["shop"]);
        let rules =
            Rules { hosts, max_head_bytes: 100, probes_apart: true, traces: true, paths: None };
        for (name, value) in [
            (":method", "GET"),
            (":path", "/"),
            (":status", "200"),
            (":authority", "shop"),
            ("host", "shop"),
            (":protocol", "websocket"),
            ("content-type", "text/plain"),
            ("grpc-status", "0"),
        ] {
            let known = Name::of(name.as_bytes()).unwrap();
            assert_eq!(known.with(value.as_bytes(), &rules).name(), known, "{name}");
        }
        assert_eq!(Name::of(b"Host"), None);
    }

    #[test]
    fn the_authority_comes_before_the_host_and_two_of_one_kind_say_nothing() {
        let head = |fields: &[Field]| {
            let mut head = Head::default();
            for &field in fields {
                head.take(field);
            }
            head
        };
        let (first, second) = (HostId(0), HostId(1));
        let both = head(&[Field::Host(second), Field::Authority(first)]);
        assert_eq!(both.service(), first);
        assert_eq!(head(&[Field::Host(second)]).service(), second);
        let two = head(&[Field::Authority(first), Field::Authority(first)]);
        assert_eq!(two.service(), HostId::UNKNOWN);
        assert_eq!(head(&[Field::Status(200), Field::Status(200)]).status, 0);
    }
}
