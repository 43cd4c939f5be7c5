//! The streams of a connection that are not over: what is kept of each, and how it is found.

use crate::clock::{Awaited, Nanos};
use crate::observe::Method;
use crate::observe::grpc::{ContentKind, GrpcStatus, Messages};
use crate::observe::host::HostId;
use crate::observe::path::Path;
use crate::observe::trace::Trace;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// A request whose answer is not complete.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) started: Nanos,
    pub(super) first_byte: Awaited,
    pub(super) first_data: Awaited,
    pub(super) held: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// Messages of the request and of the answer, where it is gRPC.
    pub(super) messages: [Messages; 2],
    /// 0 until the final response's head has been read.
    pub(super) status: u16,
    pub(super) host: HostId,
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) content: ContentKind,
    pub(super) grpc_status: GrpcStatus,
    /// The client has sent all of it.
    pub(super) is_asked: bool,
    /// The kubelet asks.
    pub(super) is_probe: bool,
    /// The trace that it is part of, if that is sampled.
    pub(super) trace: Option<Trace>,
    /// The tunnel is to carry `WebSocket` (RFC 8441).
    pub(super) websocket: bool,
}

/// The streams by their number.
#[derive(Debug, Default)]
pub(super) struct Streams(HashMap<u32, Stream, Spread>);

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn insert(&mut self, id: u32, stream: Stream) {
        self.0.insert(id, stream);
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.0.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let removed = self.0.remove(&id);
        // What a rush has taken is given back once it is over.
        if self.0.is_empty() && self.0.capacity() > KEPT_WHEN_EMPTY {
            self.0 = HashMap::default();
        }
        removed
    }

    /// The numbers of all streams above `last`, ascending.
    pub(super) fn above(&self, last: u32) -> Vec<u32> {
        let mut above: Vec<u32> = self.0.keys().copied().filter(|&id| id > last).collect();
        above.sort_unstable();
        above
    }

    /// Bytes of memory on the heap, about.
    pub(super) fn kept_bytes(&self) -> usize {
        // A map has an eighth of its places free, and a byte of its own for each.
        self.0.capacity() * 8 / 7 * (size_of::<(u32, Stream)>() + 1)
    }
}

/// Spreads stream numbers by an odd factor that is drawn once for each process: no client can pick
/// numbers that all fall into one place without knowing it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread;

#[derive(Debug)]
pub(super) struct Spreader(u64);

impl BuildHasher for Spread {
    type Hasher = Spreader;

    fn build_hasher(&self) -> Spreader {
        Spreader(0)
    }
}

impl Hasher for Spreader {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let product = (self.0 ^ u64::from(number)).wrapping_mul(*FACTOR);
        // The upper half is well mixed; a map looks at both ends.
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

static FACTOR: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u32) | 1);
/// Places that a connection keeps between rushes.
const KEPT_WHEN_EMPTY: usize = 448;
