//! Observers read along with a connection and say what they saw, without touching a byte.
//!
//! An observer is a pure state machine: it is shown chunks of bytes with a [`Direction`] and the
//! time they [`Passed`], and tells a [`Sink`] its [`Event`]s. It knows no sockets and no metrics.
//! Its law: however the bytes of a direction are split into chunks, the events add up to the same.
//!
//! [`Watcher`] is what a connection owns. It tells protocols apart by the first bytes ([`sniff`]),
//! shows the bytes to the protocol's observer ([`http1`], [`http2`], [`websocket`] after an upgrade,
//! [`tls`] for what a client says before it encrypts), and meters as TCP whatever nobody understands.

mod exchange;
pub mod grpc;
pub mod host;
pub mod http1;
pub mod http2;
pub mod path;
pub mod sniff;
pub mod tls;
pub mod trace;
mod watcher;
pub mod websocket;
mod wrong;

pub use exchange::{Exchange, Method, Version};
pub use watcher::Watcher;
pub use wrong::{Flags, Reason};

use crate::clock::Nanos;
use host::HostId;
use path::{Path, PathId, Paths};
use std::sync::Arc;
use tls::Tls;
use websocket::{CloseCode, FrameKind};

/// Which way a chunk of bytes travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the app.
    Request,
    /// From the app to the client.
    Response,
}

/// When a chunk of bytes came in and when the kernel had taken it for the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Read from the side that sent it.
    pub read: Nanos,
    /// Handed to the kernel for the other side.
    pub written: Nanos,
}

impl Passed {
    /// Nanoseconds the chunk spent inside podmeter.
    pub fn held(self) -> u64 {
        self.written.since(self.read)
    }
}

/// Receives what an observer has to say, in order.
pub trait Sink {
    /// Takes one event.
    fn event(&mut self, event: Event);
}

impl Sink for Vec<Event> {
    fn event(&mut self, event: Event) {
        self.push(event);
    }
}

/// Something an observer saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is known what the connection speaks, or it has ended without saying; once for each.
    Speaks(Spoken),
    /// A request's head is complete, or its unreadable request is being answered: one more
    /// exchange is in flight.
    Began {
        /// Which of the pod's own names the request named.
        host: HostId,
    },
    /// A probe's head is complete. Of what came of it, only its [`Exchange`] is told.
    ProbeBegan,
    /// An exchange is over: one fewer in flight, and this is its one recording.
    Exchange(Exchange),
    /// Messages of a gRPC call came to their end. A call may go on for hours, so they are told as
    /// they pass.
    Messages {
        /// Which of the pod's own names the request named.
        host: HostId,
        /// Which way they went.
        direction: Direction,
        /// How many.
        count: u64,
    },
    /// A request that began will never be recorded, because nobody can say what became of it, or
    /// because the app has said that it never looked at it.
    Dropped,
    /// The observer stopped understanding the connection.
    Unparsed {
        /// What it had taken the connection for.
        protocol: Protocol,
        /// Why it stopped.
        reason: Reason,
    },
    /// A `WebSocket` is open.
    WebSocketOpened,
    /// A frame of a `WebSocket` has passed.
    WebSocketFrame {
        /// Which way it went.
        direction: Direction,
        /// What it was for.
        kind: FrameKind,
    },
    /// A `WebSocket` that was open is no more.
    WebSocketClosed {
        /// Why.
        code: CloseCode,
        /// Nanoseconds that it was open.
        lasted: u64,
    },
    /// From here on the connection is metered as TCP.
    TcpOpened {
        /// What the client said of itself before it encrypted, if it did.
        tls: Option<Tls>,
    },
    /// Bytes of a connection that is metered as TCP.
    TcpBytes {
        /// Which way they went.
        direction: Direction,
        /// How many.
        bytes: u64,
    },
    /// A connection that was metered as TCP is over.
    TcpClosed {
        /// How it ended.
        flags: Flags,
    },
}

/// What a connection speaks, as far as an observer can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// A TLS handshake; what is inside stays encrypted.
    Tls,
    /// `WebSocket`, after HTTP has been left for it.
    WebSocket,
    /// Anything else.
    Other,
}

impl Protocol {
    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::Other => "tcp",
        }
    }
}

/// What a connection turned out to speak, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// TLS.
    Tls,
    /// Something in which the server speaks first.
    ServerFirst,
    /// Anything else.
    Other,
    /// Nothing: it ended before a byte came.
    Nothing,
    /// Nobody looked (`--opaque-ports`).
    Opaque,
}

impl Spoken {
    /// Everything, in the order of the metric's series.
    pub const ALL: [Self; 7] = [
        Self::Http1,
        Self::Http2,
        Self::Tls,
        Self::ServerFirst,
        Self::Other,
        Self::Nothing,
        Self::Opaque,
    ];

    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Tls => "tls",
            Self::ServerFirst => "server_first",
            Self::Other => "tcp",
            Self::Nothing => "none",
            Self::Opaque => "opaque",
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides finished sending.
    Finished,
    /// The client reset the connection or takes no more bytes.
    ClientReset,
    /// The app reset the connection.
    AppReset,
    /// The app could not be connected to.
    Refused,
    /// podmeter gave the connection up: it was idle for too long, or the drain is over.
    GivenUp,
}

impl Ending {
    /// Every one, in the order of the metric's series.
    pub const ALL: [Self; 5] =
        [Self::Finished, Self::ClientReset, Self::AppReset, Self::Refused, Self::GivenUp];

    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientReset => "client_reset",
            Self::AppReset => "app_reset",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// What observers are told about the pod and its limits; shared by all connections of a listener.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The names this pod is known by.
    pub hosts: host::KnownHosts,
    /// Longest head, in bytes, that is kept while it is incomplete.
    pub max_head_bytes: usize,
    /// Whether requests of the kubelet (user agent `kube-probe/...`) are told apart.
    pub probes_apart: bool,
    /// Whether requests are asked for their traces.
    pub traces: bool,
    /// The templates of paths, where anybody wants to know them.
    pub paths: Option<Arc<Paths>>,
}

impl Rules {
    /// What is known of a request's path by its target. One that is new is only kept where there
    /// is room to wait for its answer.
    fn path(&self, target: &[u8], has_room: bool) -> Path {
        self.paths.as_ref().map_or(Path::OTHER, |paths| paths.find(target, has_room))
    }

    /// What it comes to, now that the request was answered with `status`.
    fn settle(&self, path: Path, status: u16) -> PathId {
        match path {
            Path::Known(known) => known,
            path @ Path::New(_) => {
                self.paths.as_ref().map_or(PathId::OTHER, |paths| paths.settle(path, status))
            }
        }
    }
}

/// Whether a user agent is that of the kubelet's probes, HTTP or gRPC.
fn is_kubelet(user_agent: &[u8]) -> bool {
    user_agent.starts_with(b"kube-probe/")
}
