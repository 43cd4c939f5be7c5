//! The small keys by which a request finds its series, and what a series counts.

use super::cell::Cell;
use super::histogram::Histogram;
use super::outcome::Outcome;
use crate::clock::Nanos;
use crate::observe::grpc::Call;
use crate::observe::host::HostId;
use crate::observe::path::PathId;
use crate::observe::tls::Tls;
use crate::observe::websocket::{CloseCode, FrameKind};
use crate::observe::{Ending, Flags, Method, Spoken, Version};

/// A number of a [`Route`](super::Route): its position in [`Snapshot::ports`](super::Snapshot::ports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u16);

impl RouteId {
    /// The id of the route at `index`; configuration has fewer than 65,536 of them.
    pub(crate) fn from_index(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }
}

/// What tells one HTTP series from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpKey {
    /// The port.
    pub route: RouteId,
    /// The service named by the `Host` header.
    pub host: HostId,
    /// Whether it was gRPC, and how that ended.
    pub call: Call,
    /// The status code; 0 for none.
    pub status: u16,
    /// What went wrong.
    pub flags: Flags,
    /// What the client wanted done, where a dialect tells that apart ([`Detail`]).
    pub method: Method,
    /// The template of the path, where a dialect tells that apart.
    pub path: PathId,
    /// The version of HTTP, where a dialect tells that apart.
    pub version: Version,
}

impl HttpKey {
    /// The status of [`Self::OVERFLOW`], which no answer has.
    pub const OVERFLOW_STATUS: u16 = u16::MAX;

    /// What is beyond `--max-series`, of no port; each port has one like it.
    pub const OVERFLOW: Self = Self {
        route: RouteId(u16::MAX),
        host: HostId::UNKNOWN,
        call: Call::Http,
        status: Self::OVERFLOW_STATUS,
        flags: Flags::None,
        method: Method::Other,
        path: PathId::OTHER,
        version: Version::Unknown,
    };

    /// Everything of its port beyond `--max-series`, counted together.
    pub(super) fn overflow(self) -> Self {
        Self { route: self.route, ..Self::OVERFLOW }
    }

    /// Whether it is what was counted together for want of series.
    pub fn is_overflow(self) -> bool {
        self.status == Self::OVERFLOW_STATUS
    }

    /// The same without what only some dialects tell apart.
    #[must_use]
    pub fn plain(self) -> Self {
        let (method, path, version) = (Method::Other, PathId::OTHER, Version::Unknown);
        Self { method, path, version, ..self }
    }

    /// Whether it says anything that only some dialects tell apart.
    pub(super) fn is_detailed(self) -> bool {
        self != self.plain()
    }

    /// The same where detail had to be given up for want of series.
    pub(super) fn folded(self) -> Self {
        Self { path: PathId::FOLDED, ..self.plain() }
    }

    /// Whether detail was given up for want of series.
    pub fn is_folded(self) -> bool {
        self.path == PathId::FOLDED
    }
}

/// What tells series apart besides what always does; only what some dialect shows, as each part
/// multiplies the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The method.
    pub method: bool,
    /// The path's template.
    pub path: bool,
    /// The version of HTTP.
    pub version: bool,
}

impl Detail {
    /// Nothing.
    pub const NONE: Self = Self { method: false, path: false, version: false };

    /// Whether nothing is told apart.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// What either tells apart.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            method: self.method || other.method,
            path: self.path || other.path,
            version: self.version || other.version,
        }
    }
}

/// What tells requests apart before anything has come of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostKey {
    /// The port.
    pub route: RouteId,
    /// The service that the request named.
    pub host: HostId,
}

/// What tells one TCP series from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpKey {
    /// The port.
    pub route: RouteId,
    /// Whom the connection leads to, where that is known; of inbound ones it is the pod.
    pub host: HostId,
    /// What went wrong.
    pub flags: Flags,
    /// What the client said before it encrypted, if it is TLS.
    pub tls: Option<Tls>,
}

/// What tells probes of the kubelet apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeKey {
    /// The port.
    pub route: RouteId,
    /// The status code; 0 for none.
    pub status: u16,
    /// What went wrong.
    pub flags: Flags,
}

/// The exchanges of one key.
#[derive(Debug, Default)]
pub(super) struct HttpSeries {
    /// Since when there is this series.
    pub(super) created: Nanos,
    pub(super) durations: Histogram,
    /// Until the answer's body began, or the answer ended without one; of answers alone.
    pub(super) answer_times: Histogram,
    pub(super) request_bytes: Histogram,
    pub(super) response_bytes: Histogram,
    /// When the last of them ended.
    pub(super) latest: Cell,
    /// Shown from the start, and for good.
    pub(super) is_pinned: bool,
}

impl HttpSeries {
    pub(super) fn new(created: Nanos, is_pinned: bool) -> Self {
        Self { created, is_pinned, ..Self::default() }
    }
}

/// What is counted of one key before a request is over.
#[derive(Debug, Default)]
pub(super) struct HostSeries {
    /// Requests that began.
    pub(super) begun: Cell,
    /// gRPC messages from clients.
    pub(super) requests: Cell,
    /// gRPC messages to clients.
    pub(super) responses: Cell,
}

/// The connections of one key that are metered as TCP.
#[derive(Debug, Default)]
pub(super) struct TcpSeries {
    pub(super) opened: Cell,
    pub(super) closed: Cell,
    pub(super) received: Cell,
    pub(super) sent: Cell,
}

/// What is counted of each port whatever the protocol.
#[derive(Debug, Default)]
pub(super) struct RouteCells {
    pub(super) connections: Cell,
    pub(super) connections_closed: Cell,
    /// Those that never reached the app and those that did, by how they ended, in the order of
    /// [`Ending::ALL`].
    pub(super) endings: [[Cell; Ending::ALL.len()]; 2],
    pub(super) connections_refused: Cell,
    pub(super) connections_overflowed: Cell,
    pub(super) connect_times: Histogram,
    pub(super) connection_lengths: Histogram,
    pub(super) received: Cell,
    pub(super) sent: Cell,
    pub(super) requests_begun: Cell,
    pub(super) requests_over: Cell,
    /// Exchanges by what came of them, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [Cell; Outcome::ALL.len()],
    pub(super) first_bytes: Histogram,
    pub(super) held: Histogram,
    /// From clients and to them.
    pub(super) held_each: [Histogram; 2],
    /// By what they spoke, in the order of [`Spoken::ALL`].
    pub(super) spoken: [Cell; Spoken::ALL.len()],
    /// Of these, how many are closed.
    pub(super) spoken_closed: [Cell; Spoken::ALL.len()],
    pub(super) websockets: WebSocketCells,
}

/// What is counted of a port's `WebSocket` connections.
#[derive(Debug, Default)]
pub(super) struct WebSocketCells {
    pub(super) opened: Cell,
    /// By [`CloseCode::index`].
    pub(super) closed: [Cell; CloseCode::COUNT],
    /// From clients and to them, in the order of [`FrameKind::ALL`].
    pub(super) frames: [[Cell; FrameKind::ALL.len()]; 2],
    pub(super) lengths: Histogram,
}
