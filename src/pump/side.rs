//! One side of a connection as the pump uses it: bytes in, bytes out, and whether it is still there.

use super::socket::Socket;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The client's or the app's side.
///
/// Bytes are read and written through a shared reference, so that the same socket can be watched
/// for a reset meanwhile.
pub(super) struct Side<'s> {
    socket: &'s Socket,
    life: Life,
    watch: Watch<'s>,
}

/// What a failed write has told about a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Here,
    /// It was reset. What it had sent before can still be read.
    Reset,
    /// The same, after it had finished sending.
    FinishedThenReset,
}

/// Looks out for a reset while nothing is read; allocated only then.
enum Watch<'s> {
    NotYet,
    On(Pin<Box<dyn Future<Output = ()> + 's>>),
    Seen,
}

impl<'s> Side<'s> {
    pub(super) fn new(socket: &'s Socket) -> Self {
        Self { socket, life: Life::Here, watch: Watch::NotYet }
    }

    /// Reads what there is; 0 bytes when the side has finished.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.life != Life::Here {
            return Poll::Ready(self.read_what_is_left(buffer));
        }
        let socket = self.socket.stream();
        loop {
            ready!(socket.poll_read_ready(cx))?;
            let done =
                attempt(socket, Interest::READABLE, buffer.len(), || receive(socket, buffer));
            if let Some(result) = done {
                return Poll::Ready(result);
            }
        }
    }

    /// Hands bytes to the kernel; an error means that the side takes no more.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.socket.stream();
        loop {
            ready!(socket.poll_write_ready(cx))?;
            let done = attempt(socket, Interest::WRITABLE, bytes.len(), || send(socket, bytes));
            if let Some(result) = done {
                if let Err(error) = &result {
                    self.life = life_after(error);
                }
                return Poll::Ready(result);
            }
        }
    }

    /// Tells the side that it gets no more bytes (FIN).
    pub(super) fn finish(&self) {
        // Fails only if the side is gone, and then reading from it says so.
        let _: io::Result<()> = SockRef::from(self.socket.stream()).shutdown(Shutdown::Write);
    }

    /// The connection has come to its orderly end, both ways.
    pub(super) fn ended_in_order(&self) {
        self.socket.ended_in_order();
    }

    /// Ready once the side is known to be reset. For while nothing is read from it: a reset would
    /// go unnoticed then.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = self.socket.stream();
        if let Watch::NotYet = self.watch {
            self.watch = Watch::On(Box::pin(async move {
                // Fails only when the runtime stops, and this task with it.
                let _ = socket.ready(Interest::ERROR).await;
            }));
        }
        if let Watch::On(watch) = &mut self.watch {
            ready!(watch.as_mut().poll(cx));
            self.watch = Watch::Seen;
        }
        Poll::Ready(())
    }

    /// After a reset, everything that came before it is there. The runtime may not know of the
    /// reset yet, so it is not asked.
    fn read_what_is_left(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match receive(self.socket.stream(), buffer) {
            // The write that failed has taken the error with it (socket(7), SO_ERROR), and what
            // follows looks like an orderly end.
            Ok(0) if self.life == Life::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
            other => other,
        }
    }
}

/// Tries a read or write of up to `wanted` bytes; `None` when it has to be waited for.
///
/// Less than what was wanted means that the kernel has no more for now (epoll(7), question 9), so
/// the call that would only say so is saved.
fn attempt(
    socket: &TcpStream,
    interest: Interest,
    wanted: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> Option<io::Result<usize>> {
    let mut short = None;
    let result = socket.try_io(interest, || {
        let moved = call()?;
        if 0 < moved && moved < wanted {
            short = Some(moved);
            // This is how the runtime is told to wait for the next event.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(moved)
    });
    match (short, result) {
        (Some(moved), _) => Some(Ok(moved)),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        // A signal came first; readiness is as it was.
        (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => None,
        (None, result) => Some(result),
    }
}

fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(socket, buffer, rustix::net::RecvFlags::empty())?;
    Ok(read)
}

fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)?)
}

/// Linux reports a reset that follows the other side's FIN as a broken pipe (`tcp_reset`), and any
/// other as a reset, a time-out or the like. It reports it once.
fn life_after(error: &io::Error) -> Life {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Life::FinishedThenReset,
        _ => Life::Reset,
    }
}
