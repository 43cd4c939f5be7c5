//! One direction of a connection: read, write on, wait for whoever is slower.

use super::Books;
use super::side::Side;
use crate::clock::Nanos;
use crate::observe::{Direction, Passed};
use std::io;
use std::task::{Context, Poll, ready};

/// The state of one direction. It owns memory only while the kernel does not take a write.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Bytes that were read and that the kernel has not yet taken, from `written` on.
    backlog: Vec<u8>,
    written: usize,
    backlog_read: Nanos,
    over: Option<Step>,
    /// Bytes moved since [`Self::take_moved`] was last asked.
    moved: bool,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The source finished, and the sink was told.
    Finished,
    /// The source was reset, and all that came before has been passed on.
    SourceReset,
    /// The sink was reset.
    SinkReset,
}

impl Half {
    /// Moves bytes from `source` to `sink` until one of them has to be waited for or the other
    /// direction should have its turn.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        source: &mut Side<'_>,
        sink: &mut Side<'_>,
        scratch: &mut [u8],
        books: &mut Books,
    ) -> Poll<Step> {
        for _ in 0..TURN {
            if let Some(step) = self.over {
                return Poll::Ready(step);
            }
            if self.is_blocked() {
                ready!(self.poll_backlog(cx, direction, sink, books));
                continue;
            }
            match ready!(source.poll_read(cx, scratch)) {
                Ok(0) => {
                    books.finished(direction);
                    sink.finish();
                    self.over = Some(Step::Finished);
                }
                Ok(read) => {
                    self.moved = true;
                    let time = books.time();
                    self.write(cx, direction, &scratch[..read], time, sink, books);
                }
                Err(_) => self.over = Some(Step::SourceReset),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether bytes wait for the sink.
    pub(super) fn is_blocked(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether the source is being read, so that its end cannot go unnoticed.
    pub(super) fn is_reading(&self) -> bool {
        self.over.is_none() && !self.is_blocked()
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
        read: Nanos,
        sink: &mut Side<'_>,
        books: &mut Books,
    ) {
        let taken = match sink.poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => {
                self.over = Some(Step::SinkReset);
                0
            }
            Poll::Pending => 0,
        };
        if taken < bytes.len() && self.over.is_none() {
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

    /// Writes more of what the kernel did not take; ready when some went or the sink is gone.
    fn poll_backlog(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        sink: &mut Side<'_>,
        books: &mut Books,
    ) -> Poll<()> {
        let bytes = &self.backlog[self.written..];
        if let Ok(taken) = ready!(sink.poll_write(cx, bytes)) {
            self.went_on(direction, taken, books);
        } else {
            self.sink_is_gone();
        }
        Poll::Ready(())
    }

    /// Whether something has become of the bytes that wait for the sink, although the kernel has not
    /// said so.
    pub(super) fn nudge(
        &mut self,
        direction: Direction,
        sink: &mut Side<'_>,
        books: &mut Books,
    ) -> bool {
        if !self.is_blocked() {
            return false;
        }
        match sink.write_now(&self.backlog[self.written..]) {
            Ok(taken) => self.went_on(direction, taken, books),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.sink_is_gone(),
        }
        true
    }

    fn sink_is_gone(&mut self) {
        self.over = Some(Step::SinkReset);
        self.backlog = Vec::new();
    }

    /// The kernel has taken so many more bytes of the backlog.
    fn went_on(&mut self, direction: Direction, taken: usize, books: &mut Books) {
        self.moved = true;
        let bytes = &self.backlog[self.written..][..taken];
        if direction == Direction::Response {
            let passed = Passed { read: self.backlog_read, written: books.time() };
            books.data(direction, bytes, passed);
        }
        self.written += taken;
        if self.written == self.backlog.len() {
            self.backlog = Vec::new();
            self.written = 0;
        }
    }
}

/// Reads of one direction before the other has its turn, and other connections theirs: a side that
/// never pauses must not keep the other from being heard.
const TURN: usize = 16;
