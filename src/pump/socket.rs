//! The socket of one side, which resets its connection unless that has ended in order.

use socket2::SockRef;
use std::cell::Cell;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// A socket whose peer never takes a cut for an orderly end: dropping it sends a reset (RFC 9293,
/// 3.10.4), whatever the reason, unless [`Self::ended_in_order`] was said before.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    in_order: Cell<bool>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, in_order: Cell::new(false) }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Both sides have finished sending, and what was sent may still be on its way.
    pub(super) fn ended_in_order(&self) {
        self.in_order.set(true);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.in_order.get() {
            let socket = SockRef::from(&self.stream);
            // Only a socket that is no longer connected refuses, and that one needs no reset.
            let _: io::Result<()> = socket.set_linger(Some(Duration::ZERO));
        }
    }
}
