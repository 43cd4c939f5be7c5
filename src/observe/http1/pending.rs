//! What is kept of a request until its answer is complete, and of the answer.

use super::head::Method;
use crate::clock::Nanos;
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::host::HostId;

/// A request whose answer is not complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) started: Nanos,
    pub(super) bytes: u64,
    pub(super) held: u64,
    pub(super) host: HostId,
    pub(super) method: Method,
    /// Whether it is gRPC-Web.
    pub(super) content: ContentKind,
    /// The client announced that it is its last.
    pub(super) last: bool,
    /// Its framing could be read to the end.
    pub(super) readable: bool,
    /// The kubelet asks.
    pub(super) probe: bool,
}

/// The answer to the oldest pending request so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    /// 0 until the final response's head has been read.
    pub(super) status: u16,
    /// What it said of gRPC in its head or its body.
    pub(super) grpc_status: GrpcStatus,
    pub(super) bytes: u64,
    pub(super) first_byte: Option<Nanos>,
    /// The same for its body.
    pub(super) first_data: Option<Nanos>,
    /// The app announced that it is its last.
    pub(super) last: bool,
}
