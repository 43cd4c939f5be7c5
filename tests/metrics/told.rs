//! What the two ends of each connection know of it.

use std::net::SocketAddr;
use std::time::Duration;

/// One request and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// The name in `--service` that the request asked for.
    pub(crate) service: Option<usize>,
    /// The `grpc-status` of a gRPC call.
    pub(crate) grpc: Option<&'static str>,
    pub(crate) method: &'static str,
    /// As configured; empty for any other.
    pub(crate) path: &'static str,
    /// Of HTTP; empty where that is not known.
    pub(crate) version: &'static str,
    pub(crate) status: u16,
    pub(crate) flags: &'static str,
    /// Bytes on the wire.
    pub(crate) request: u64,
    pub(crate) response: u64,
    /// Messages of a gRPC call, from the client and to it.
    pub(crate) messages: [u64; 2],
    pub(crate) fault: &'static str,
    pub(crate) outcome: &'static str,
}

impl Exchange {
    /// Whether the client saw any of an answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.response > 0
    }
}

/// What a connection carried that is not HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp {
    pub(crate) flags: &'static str,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// `tls_version`, `sni` and `alpn`.
    pub(crate) tls: Option<[&'static str; 3]>,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The number of its `--forward`.
    pub(crate) port: usize,
    pub(crate) protocol: &'static str,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) tcp: Option<Tcp>,
    /// The kubelet asked.
    pub(crate) probe: bool,
    pub(crate) ending: &'static str,
    /// The app took it.
    pub(crate) reached: bool,
    /// All bytes from the client and from the app.
    pub(crate) bytes: [u64; 2],
    /// `protocol` and `reason` for which it stopped being understood.
    pub(crate) unparsed: Option<[&'static str; 2]>,
    /// Longer than any of it took inside.
    pub(crate) took: Duration,
}

/// A port of the pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub(crate) listen: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) opaque: bool,
}
