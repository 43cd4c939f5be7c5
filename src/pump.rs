//! Carries a connection: bytes are read into a buffer and written on, unchanged and at once.
//!
//! One client connection is one app connection. A [`Pump`] owns both sockets, moves bytes both ways
//! with back-pressure, passes half-closes and resets on, and shows what passed to the connection's
//! [`Watcher`], which writes to the connection's [`Recorder`]. Whatever ends it, dropping the pump
//! closes the books: nothing that was begun stays uncounted.

mod connect;
mod half;

pub(crate) use connect::{Carriage, carry};

use crate::clock::{Clock, Nanos};
use crate::meter::Recorder;
use crate::observe::{Direction, Ending, Passed, Watcher};
use half::{Half, Step};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// The buffer that all connections of a thread read into, one after the other: within one poll it
/// is read into and written from, and what the kernel did not take is copied out.
pub(crate) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// A scratch buffer. Larger reads cost fewer system calls for large bodies.
pub(crate) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; SCRATCH].into_boxed_slice()))
}

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
        self.watcher.closed(ending, now, &mut self.recorder);
        self.recorder.lasted(now.since(self.opened));
    }
}

/// Both directions of an established connection; a future that is ready when it is over.
#[derive(Debug)]
pub(crate) struct Pump {
    // Books are closed before the sockets are.
    books: Books,
    client: TcpStream,
    app: TcpStream,
    to_app: Half,
    to_client: Half,
    scratch: Scratch,
    idle: Option<Idle>,
}

/// Ends a connection on which nothing has passed for a while (`--idle-timeout`).
#[derive(Debug)]
struct Idle {
    timeout: Duration,
    last_passed: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Pump {
    pub(crate) fn new(
        client: TcpStream,
        app: TcpStream,
        books: Books,
        scratch: Scratch,
        idle_timeout: Option<Duration>,
    ) -> Self {
        let idle = idle_timeout.map(|timeout| Idle {
            timeout,
            last_passed: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(timeout)),
        });
        let (to_app, to_client) = Default::default();
        Self { books, client, app, to_app, to_client, scratch, idle }
    }

    /// Moves what can be moved. Ready when the connection is over.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let (books, client, app) = (&mut self.books, &mut self.client, &mut self.app);
        let request = self.to_app.poll(cx, Direction::Request, client, app, &mut scratch, books);
        let response =
            self.to_client.poll(cx, Direction::Response, app, client, &mut scratch, books);
        if self.to_app.take_moved() | self.to_client.take_moved()
            && let Some(idle) = &mut self.idle
        {
            idle.last_passed = Instant::now();
        }
        match (request, response) {
            (_, Poll::Ready(Step::SourceFailed)) => Poll::Ready(Ending::AppReset),
            (Poll::Ready(Step::SourceFailed), _) | (_, Poll::Ready(Step::SinkFailed)) => {
                Poll::Ready(Ending::ClientReset)
            }
            // The app takes no more, but what it has sent must still reach the client.
            (Poll::Ready(Step::SinkFailed), Poll::Ready(Step::Finished)) => {
                Poll::Ready(Ending::AppReset)
            }
            (Poll::Ready(Step::Finished), Poll::Ready(Step::Finished)) => {
                Poll::Ready(Ending::Finished)
            }
            _ => self.poll_idle(cx).map(|()| Ending::GivenUp),
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = &mut self.idle else { return Poll::Pending };
        loop {
            ready!(idle.alarm.as_mut().poll(cx));
            let due = idle.last_passed + idle.timeout;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            idle.alarm.as_mut().reset(due);
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ending = ready!(self.poll_ending(cx));
        self.books.ending = Some(ending);
        if ending != Ending::Finished {
            // Neither side must take a cut for an orderly end.
            reset_on_close(&self.client);
            reset_on_close(&self.app);
        }
        Poll::Ready(())
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if self.books.ending.is_none() {
            reset_on_close(&self.client);
            reset_on_close(&self.app);
        }
    }
}

/// Makes closing the socket send a reset (RFC 9293, 3.10.4) instead of an orderly end.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    // Only a socket that is no longer connected refuses, and that one needs no reset.
    let _: io::Result<()> = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

const SCRATCH: usize = 256 * 1024;
