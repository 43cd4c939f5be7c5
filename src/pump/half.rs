//! One direction of a connection: read, write on, wait for whoever is slower.

use super::Books;
use super::scratch::{Kept, Scratch};
use super::side::Side;
use crate::clock::Nanos;
use crate::observe::{Direction, Passed};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The state of one direction. It owns memory only while the kernel does not take a write.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Bytes that were read, and that the kernel has not yet taken.
    backlog: Option<Box<Backlog>>,
    over: Option<Step>,
    /// Bytes moved since [`Self::take_moved`] was last asked.
    moved: bool,
}

/// What waits for the sink.
#[derive(Debug)]
struct Backlog {
    kept: Kept,
    read: Nanos,
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
        scratch: &Rc<Scratch>,
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
            let mut buffer = scratch.buffer();
            match ready!(source.poll_read(cx, &mut buffer)) {
                Ok(0) => {
                    books.finished(direction);
                    sink.finish();
                    self.over = Some(Step::Finished);
                }
                Ok(read) => {
                    self.moved = true;
                    let time = books.time();
                    let bytes = &buffer[..read];
                    if let Some(rest) = self.write(cx, direction, bytes, time, sink, books) {
                        let kept = Kept::new(rest, scratch);
                        self.backlog = Some(Box::new(Backlog { kept, read: time }));
                    }
                }
                Err(_) => self.over = Some(Step::SourceReset),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether bytes wait for the sink.
    pub(super) fn is_blocked(&self) -> bool {
        self.backlog.is_some()
    }

    /// Whether the source is being read, so that its end cannot go unnoticed.
    pub(super) fn is_reading(&self) -> bool {
        self.over.is_none() && !self.is_blocked()
    }

    /// Whether bytes have moved since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Writes what was just read, and gives what the kernel did not take. The bytes go out before
    /// anyone looks at them.
    fn write<'b>(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        bytes: &'b [u8],
        read: Nanos,
        sink: &mut Side<'_>,
        books: &mut Books,
    ) -> Option<&'b [u8]> {
        let taken = match sink.poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => {
                self.over = Some(Step::SinkReset);
                0
            }
            Poll::Pending => 0,
        };
        let passed = Passed { read, written: books.time() };
        match direction {
            // What a client has asked counts as asked, whether or not the app still takes it.
            Direction::Request => books.data(direction, bytes, passed),
            // What the app has answered counts as answered once it is on its way to the client.
            Direction::Response if taken > 0 => books.data(direction, &bytes[..taken], passed),
            Direction::Response => {}
        }
        (taken < bytes.len() && self.over.is_none()).then(|| &bytes[taken..])
    }

    /// Writes more of what the kernel did not take; ready when some went or the sink is gone.
    fn poll_backlog(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        sink: &mut Side<'_>,
        books: &mut Books,
    ) -> Poll<()> {
        let Some(backlog) = &mut self.backlog else { return Poll::Ready(()) };
        let bytes = backlog.kept.rest();
        let Ok(taken) = ready!(sink.poll_write(cx, bytes)) else {
            self.over = Some(Step::SinkReset);
            self.backlog = None;
            return Poll::Ready(());
        };
        self.moved = true;
        if direction == Direction::Response {
            let passed = Passed { read: backlog.read, written: books.time() };
            books.data(direction, &bytes[..taken], passed);
        }
        if taken < bytes.len() {
            backlog.kept.advance(taken);
        } else {
            self.backlog = None;
        }
        Poll::Ready(())
    }
}

/// Reads of one direction before the other has its turn, and other connections theirs: a side that
/// never pauses must not keep the other from being heard.
const TURN: usize = 4;
