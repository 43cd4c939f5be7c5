//! Carries a connection: bytes are read into a buffer and written on, unchanged and at once.
//!
//! One client connection is one app connection. A [`Pump`] owns both sockets, moves bytes both ways
//! with back-pressure, passes half-closes and resets on, and shows what passed to the connection's
//! [`Watcher`], which writes to the connection's [`Recorder`]. Whatever ends it, dropping the pump
//! closes the books: nothing that was begun stays uncounted.

mod circle;
mod connect;
mod half;
mod idle;
mod scratch;
mod side;
mod socket;
mod target;

pub(crate) use circle::{Arrival, Circle};
pub(crate) use connect::{Carriage, Connection, carry};
pub(crate) use scratch::Scratch;
pub(crate) use socket::Socket;
pub(crate) use target::Target;

use crate::clock::{Clock, Nanos};
use crate::meter::Recorder;
use crate::observe::{Direction, Ending, Passed, Watcher};
use half::{Half, Step};
use idle::Idle;
use side::Side;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The books of one connection: who reads along, and where it is written down.
#[derive(Debug)]
pub(crate) struct Books {
    clock: Clock,
    watcher: Watcher,
    recorder: Recorder,
    opened: Nanos,
    /// When the client's first bytes were there, if they had to wait for the app to accept.
    asked: Option<Nanos>,
    /// Why the connection ended, once it did.
    ending: Option<Ending>,
}

impl Books {
    pub(crate) fn open(clock: Clock, watcher: Watcher, recorder: Recorder) -> Self {
        Self { clock, watcher, recorder, opened: clock.now(), asked: None, ending: None }
    }

    /// The time, if anybody wants to know it.
    fn time(&self) -> Nanos {
        if self.watcher.wants_time() { self.clock.now() } else { Nanos::default() }
    }

    fn data(&mut self, direction: Direction, bytes: &[u8], mut passed: Passed) {
        if direction == Direction::Request
            && let Some(asked) = self.asked.take()
        {
            passed.read = asked;
        }
        self.recorder.passed(direction, bytes.len());
        self.watcher.data(direction, bytes, passed, &mut self.recorder);
    }

    fn finished(&mut self, direction: Direction) {
        self.watcher.finished(direction, self.clock.now(), &mut self.recorder);
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        let now = self.clock.now();
        let ending = self.ending.unwrap_or(Ending::GivenUp);
        self.recorder.ends(ending);
        self.watcher.closed(ending, now, &mut self.recorder);
        self.recorder.lasted(now.since(self.opened));
    }
}

/// Both directions of an established connection; a future that is ready when it is over.
pub(crate) struct Pump<'s> {
    books: &'s mut Books,
    client: Side<'s>,
    app: Side<'s>,
    to_app: Half,
    to_client: Half,
    scratch: &'s Rc<Scratch>,
    /// Ends a connection on which nothing has passed for a while (`--idle-timeout`).
    idle: Option<Idle>,
    /// A side was reset, but the other has not yet taken all that was sent before.
    reset: Option<Ending>,
}

impl<'s> Pump<'s> {
    pub(crate) fn new(
        client: &'s Socket,
        app: &'s Socket,
        books: &'s mut Books,
        scratch: &'s Rc<Scratch>,
        idle_timeout: Option<Duration>,
    ) -> Self {
        let (client, app) = (Side::new(client), Side::new(app));
        let (to_app, to_client) = Default::default();
        let idle = idle_timeout.map(Idle::new);
        Self { books, client, app, to_app, to_client, scratch, idle, reset: None }
    }

    /// Moves what can be moved. Ready when the connection is over.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let (request, response) = self.poll_halves(cx);
        if self.to_app.take_moved() | self.to_client.take_moved()
            && let Some(idle) = &mut self.idle
        {
            idle.passed();
        }
        match (request, response) {
            // There is more that the client sent before it was gone; it has the next turn.
            (Poll::Pending, Poll::Ready(Step::SinkReset)) if self.to_app.is_reading() => {
                Poll::Pending
            }
            (_, Poll::Ready(Step::SourceReset)) => Poll::Ready(Ending::AppReset),
            (Poll::Ready(Step::SourceReset), _) | (_, Poll::Ready(Step::SinkReset)) => {
                Poll::Ready(Ending::ClientReset)
            }
            // The app takes no more, and what it had sent has reached the client.
            (Poll::Ready(Step::SinkReset), Poll::Ready(Step::Finished)) => {
                Poll::Ready(Ending::AppReset)
            }
            (Poll::Ready(Step::Finished), Poll::Ready(Step::Finished)) => {
                Poll::Ready(Ending::Finished)
            }
            _ => self.poll_silence(cx),
        }
    }

    fn poll_halves(&mut self, cx: &mut Context<'_>) -> (Poll<Step>, Poll<Step>) {
        let scratch = self.scratch;
        let (client, app) = (&mut self.client, &mut self.app);
        let books = &mut *self.books;
        let to_app = &mut self.to_app;
        let mut request = to_app.poll(cx, Direction::Request, client, app, scratch, books);
        let response = self.to_client.poll(cx, Direction::Response, app, client, scratch, books);
        if response == Poll::Ready(Step::SinkReset) {
            // What the client sent before it was gone must still reach the app.
            request = to_app.poll(cx, Direction::Request, client, app, scratch, books);
        }
        (request, response)
    }

    /// Watches what no half would notice: resets of sides that are not being read, and silence.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if !self.to_app.is_reading() && self.client.poll_reset(cx).is_ready() {
            if !self.to_app.is_blocked() {
                return Poll::Ready(Ending::ClientReset);
            }
            self.reset = Some(Ending::ClientReset);
            Idle::hurry(&mut self.idle, LAST_BYTES);
        }
        if !self.to_client.is_reading() && self.app.poll_reset(cx).is_ready() {
            if !self.to_client.is_blocked() {
                return Poll::Ready(Ending::AppReset);
            }
            self.reset = Some(Ending::AppReset);
            Idle::hurry(&mut self.idle, LAST_BYTES);
        }
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        idle.poll(cx).map(|()| self.reset.unwrap_or(Ending::GivenUp))
    }
}

impl Future for Pump<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ending = ready!(self.poll_ending(cx));
        self.books.ending = Some(ending);
        if ending == Ending::Finished {
            self.client.ended_in_order();
            self.app.ended_in_order();
        }
        Poll::Ready(())
    }
}

/// When a side is reset, the other still gets what was sent before, and then learns of it. If its
/// buffers stay full for so long it learns of it at once: without us the reset would have come
/// straight away, and what it leaves in our hands would have been lost with the sender's buffer.
const LAST_BYTES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
