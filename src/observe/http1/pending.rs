//! What is kept of a request until its answer is complete, and of the answer.

use crate::clock::{Awaited, Nanos};
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::host::HostId;
use crate::observe::path::Path;
use crate::observe::trace::Trace;
use crate::observe::{Method, Version};

/// A request whose answer is not complete.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) started: Nanos,
    pub(super) bytes: u64,
    pub(super) held: u64,
    pub(super) host: HostId,
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) version: Version,
    /// Whether it is gRPC-Web.
    pub(super) content: ContentKind,
    /// The client announced that it is its last.
    pub(super) last: bool,
    /// Its framing could be read to the end.
    pub(super) readable: bool,
    /// The kubelet asks.
    pub(super) probe: bool,
    /// The trace that it is part of, if that is sampled.
    pub(super) trace: Option<Trace>,
}

impl Pending {
    /// A request of which nothing but this could be read.
    pub(super) fn unread(since: Nanos, bytes: u64, method: Method) -> Self {
        Self {
            started: since,
            bytes,
            held: 0,
            host: HostId::UNKNOWN,
            method,
            path: Path::OTHER,
            version: Version::Unknown,
            content: ContentKind::Other,
            last: true,
            readable: false,
            probe: false,
            trace: None,
        }
    }
}

/// The answer to the oldest pending request so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    /// 0 until the final response's head has been read.
    pub(super) status: u16,
    /// What it said of gRPC in its head or its body.
    pub(super) grpc_status: GrpcStatus,
    pub(super) bytes: u64,
    pub(super) first_byte: Awaited,
    /// The same for its body.
    pub(super) first_data: Awaited,
    /// The app announced that it is its last.
    pub(super) last: bool,
}
