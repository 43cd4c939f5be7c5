//! What one end of a connection does, step by step, and the recording of what came to it.

use super::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// One thing that an end of a connection does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends this many more bytes of the [`pattern`], or as many as the other end takes.
    Stream(usize),
    /// Sends more bytes of the [`pattern`] until nobody has taken any for a while.
    StreamUntilFull,
    /// Waits until so many bytes have come in all.
    Expect(usize),
    /// Waits, without reading, until something has come.
    AwaitMore,
    /// Reads until the other end finishes or is gone.
    ReadToEnd,
    /// Sends no more (FIN).
    Finish,
    /// Waits, without reading, until the connection is known to be reset.
    AwaitReset,
    /// Tears the connection down (RST).
    Reset,
    /// Closes the connection as a program does that is done with it.
    Close,
    /// Tells the other end's script something, beside the connection.
    Signal(&'static str),
    /// Waits to be told.
    Await(&'static str),
}

/// How a connection ended, seen from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The script did not wait for it.
    Unknown,
    /// The other end finished (FIN).
    Finished,
    /// The other end tore it down (RST).
    Reset,
    /// The other end finished first and then tore it down.
    FinishedThenReset,
}

/// What came to one end of a connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) received: Vec<u8>,
    pub(crate) end: End,
    /// How much was handed to the kernel.
    pub(crate) sent: usize,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.received[..self.received.len().min(300)];
        write!(
            f,
            "{} bytes, {:?}, {} sent: {}",
            self.received.len(),
            self.end,
            self.sent,
            shown.escape_ascii()
        )
    }
}

/// What the scripts of two ends tell each other.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    raised: Mutex<HashSet<&'static str>>,
    news: Condvar,
}

impl Signals {
    pub(crate) fn raise(&self, name: &'static str) {
        self.raised.lock().unwrap().insert(name);
        self.news.notify_all();
    }

    pub(crate) fn wait_for(&self, name: &'static str) {
        let raised = self.raised.lock().unwrap();
        let waited = self.news.wait_timeout_while(raised, PATIENCE, |all| !all.contains(name));
        assert!(!waited.unwrap().1.timed_out(), "nobody signalled {name:?}");
    }
}

/// Plays `steps` on `stream`.
pub(crate) fn play(stream: TcpStream, steps: &[Step], signals: &Signals) -> Recording {
    let mut player = Player::new(stream);
    for step in steps {
        if player.play(step, signals) {
            break;
        }
    }
    player.recording
}

struct Player {
    stream: TcpStream,
    recording: Recording,
    /// How much of the pattern has been sent.
    streamed: usize,
    /// A write found the connection reset.
    write_reset: bool,
}

impl Player {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let recording = Recording { received: Vec::new(), end: End::Unknown, sent: 0 };
        Self { stream, recording, streamed: 0, write_reset: false }
    }

    /// Whether that was the last step.
    fn play(&mut self, step: &Step, signals: &Signals) -> bool {
        match step {
            Step::Send(bytes) => self.send(bytes),
            Step::Stream(count) => self.stream(*count),
            Step::StreamUntilFull => self.stream_until_full(),
            Step::Expect(count) => self.expect(*count),
            Step::AwaitMore => {
                assert!(
                    !wait_for(&self.stream, PollFlags::IN, PATIENCE).is_empty(),
                    "nothing came"
                );
            }
            Step::ReadToEnd => self.read_to_end(),
            // A connection that is gone already cannot be finished.
            Step::Finish => drop(self.stream.shutdown(Shutdown::Write)),
            Step::AwaitReset => self.await_reset(),
            Step::Reset => {
                let socket = socket2::SockRef::from(&self.stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                return true;
            }
            Step::Close => return true,
            Step::Signal(name) => signals.raise(name),
            Step::Await(name) => signals.wait_for(name),
        }
        false
    }

    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(sent) = self.write(bytes) else { return };
            bytes = &bytes[sent..];
        }
    }

    fn stream(&mut self, count: usize) {
        let end = self.streamed + count;
        while self.streamed < end {
            let chunk = pattern(self.streamed);
            let chunk = &chunk[..chunk.len().min(end - self.streamed)];
            let Some(sent) = self.write(chunk) else { return };
            self.streamed += sent;
        }
    }

    fn stream_until_full(&mut self) {
        self.stream.set_nonblocking(true).unwrap();
        loop {
            match (&self.stream).write(pattern(self.streamed)) {
                Ok(sent) => {
                    self.streamed += sent;
                    self.recording.sent += sent;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if wait_for(&self.stream, PollFlags::OUT, FULL).is_empty() {
                        break;
                    }
                }
                Err(error) => panic!("{error}; so far: {:?}", self.recording),
            }
        }
        self.stream.set_nonblocking(false).unwrap();
    }

    /// Writes some of `bytes`; `None` when nobody takes any more.
    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.stream.write(bytes) {
            Ok(sent) => {
                self.recording.sent += sent;
                Some(sent)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.write_reset = true;
                None
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => None,
            Err(error) => panic!("{error} while sending; so far: {:?}", self.recording),
        }
    }

    fn expect(&mut self, count: usize) {
        while self.recording.received.len() < count {
            if !self.read(count) {
                return;
            }
        }
    }

    fn read_to_end(&mut self) {
        while self.read(usize::MAX) {}
    }

    /// Reads some more, up to `count` bytes in all; whether there may be more.
    fn read(&mut self, count: usize) -> bool {
        if self.recording.end != End::Unknown {
            return false;
        }
        let received = &mut self.recording.received;
        let mut chunk = vec![0; 64 * 1024];
        let wanted = (count - received.len()).min(chunk.len());
        match self.stream.read(&mut chunk[..wanted]) {
            // The write that found the reset has taken it from the reader (socket(7), SO_ERROR).
            Ok(0) if self.write_reset => self.recording.end = End::Reset,
            Ok(0) => self.recording.end = End::Finished,
            Ok(read) => {
                received.extend_from_slice(&chunk[..read]);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.recording.end = End::Reset;
            }
            Err(error) => panic!("{error} while reading; so far: {:?}", self.recording),
        }
        false
    }

    fn await_reset(&mut self) {
        let seen = wait_for(&self.stream, PollFlags::empty(), PATIENCE);
        assert!(!seen.is_empty(), "no reset came; so far: {:?}", self.recording);
        let is_reset = seen.contains(PollFlags::ERR);
        self.recording.end = match self.recording.end {
            End::Finished if is_reset => End::FinishedThenReset,
            _ if is_reset => End::Reset,
            end => end,
        };
    }
}

/// Bytes that no shift, loss or repetition leaves as they were: those from `offset` on.
pub(crate) fn pattern(offset: usize) -> &'static [u8] {
    static BYTES: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        [period.as_slice(), period.as_slice()].concat()
    });
    let start = offset % PERIOD;
    &BYTES[start..start + PERIOD]
}

/// Whether `bytes` are the [`pattern`] from its beginning.
pub(crate) fn is_pattern(bytes: &[u8]) -> bool {
    bytes.chunks(PERIOD).all(|chunk| *chunk == pattern(0)[..chunk.len()])
}

/// Waits for one of `flags`, an error or a hang-up; empty when none came in time.
pub(crate) fn wait_for(stream: &TcpStream, flags: PollFlags, patience: Duration) -> PollFlags {
    let timeout = Timespec::try_from(patience).unwrap();
    let mut polled = [PollFd::new(stream, flags)];
    loop {
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => return polled[0].revents(),
            Err(error) if io::Error::from(error).kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// A prime, so that no buffer's size divides it.
const PERIOD: usize = 131_071;
/// Nobody takes anything for so long: every buffer on the way is full.
const FULL: Duration = Duration::from_millis(400);
