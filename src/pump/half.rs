//! One direction of a connection: read, write on, wait for whoever is slower.

use super::Books;
use crate::observe::{Direction, Passed};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The state of one direction. It owns memory only while the kernel does not take a write.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Bytes that were read and that the kernel has not yet taken, from `written` on.
    backlog: Vec<u8>,
    written: usize,
    backlog_read: crate::clock::Nanos,
    /// The source sends no more.
    source_finished: bool,
    /// That was passed on.
    passed_on: bool,
    /// The sink takes no more.
    sink_failed: bool,
    /// Bytes moved since [`Self::take_moved`] was last asked.
    moved: bool,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The source finished, and the sink was told.
    Finished,
    /// The source was reset.
    SourceFailed,
    /// The sink takes no more bytes.
    SinkFailed,
}

impl Half {
    /// Moves bytes from `source` to `sink` until one of them has to be waited for.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        scratch: &mut [u8],
        books: &mut Books,
    ) -> Poll<Step> {
        if self.passed_on {
            return Poll::Ready(Step::Finished);
        }
        loop {
            if self.sink_failed {
                return Poll::Ready(Step::SinkFailed);
            }
            if !self.backlog.is_empty() {
                ready!(self.poll_backlog(cx, direction, sink, books));
                continue;
            }
            if self.source_finished {
                self.passed_on = true;
                // Fails only if the sink is gone, and then its own direction says so.
                let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                return Poll::Ready(Step::Finished);
            }
            let mut buffer = ReadBuf::new(scratch);
            if ready!(Pin::new(&mut *source).poll_read(cx, &mut buffer)).is_err() {
                return Poll::Ready(Step::SourceFailed);
            }
            let read = books.time();
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.source_finished = true;
                books.finished(direction);
                continue;
            }
            self.moved = true;
            self.write(cx, direction, bytes, read, sink, books);
        }
    }

    /// Whether bytes have moved since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Writes what was just read. The bytes go out before anyone looks at them.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        bytes: &[u8],
        read: crate::clock::Nanos,
        sink: &mut TcpStream,
        books: &mut Books,
    ) {
        let taken = match Pin::new(sink).poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => {
                self.sink_failed = true;
                0
            }
            Poll::Pending => 0,
        };
        if taken < bytes.len() && !self.sink_failed {
            self.backlog.extend_from_slice(&bytes[taken..]);
            self.backlog_read = read;
        }
        let passed = Passed { read, written: books.time() };
        match direction {
            // What a client has asked counts as asked, whether or not the app still takes it.
            Direction::Request => books.data(direction, bytes, passed),
            // What the app has answered counts as answered once it is on its way to the client.
            Direction::Response if taken > 0 => books.data(direction, &bytes[..taken], passed),
            Direction::Response => {}
        }
    }

    /// Writes more of what the kernel did not take; ready when some went or the sink failed.
    fn poll_backlog(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        sink: &mut TcpStream,
        books: &mut Books,
    ) -> Poll<()> {
        let bytes = &self.backlog[self.written..];
        let Ok(taken) = ready!(Pin::new(sink).poll_write(cx, bytes)) else {
            self.sink_failed = true;
            return Poll::Ready(());
        };
        self.moved = true;
        if direction == Direction::Response {
            let passed = Passed { read: self.backlog_read, written: books.time() };
            books.data(direction, &bytes[..taken], passed);
        }
        self.written += taken;
        if self.written == self.backlog.len() {
            self.backlog = Vec::new();
            self.written = 0;
        }
        Poll::Ready(())
    }
}
