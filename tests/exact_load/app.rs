//! An app that keeps an exact log: it does what the path says and notes what it has done.
//!
//! `/STATUS` is answered. `/hold` is not answered; the app waits until the connection is over.
//! `/half/STATUS` is answered up to the middle of its body, and `/huge/STATUS` with more than any
//! buffers take. At `/close` the app closes without a word, and at `/cut/STATUS` after half.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What became of requests, as podmeter is to label it: status and flags.
pub(crate) type Exchanges = BTreeMap<(u16, String), u64>;

/// The running app, a thread for each connection.
pub(crate) struct App {
    pub(crate) addr: SocketAddr,
    notes: Arc<Notes>,
    arrivals: Mutex<Option<Receiver<()>>>,
}

#[derive(Default)]
struct Notes {
    exchanges: Mutex<Exchanges>,
    answered: AtomicU64,
    open: AtomicU64,
}

impl App {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // The standard library's backlog of 128 is too short for 256 clients at once.
        socket2::SockRef::from(&listener).listen(1024).unwrap();
        let addr = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let (arrived, arrivals) = channel();
        let own = Arc::clone(&notes);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (notes, arrived) = (Arc::clone(&own), arrived.clone());
                notes.open.fetch_add(1, Ordering::SeqCst);
                let socket = socket.unwrap();
                let thread = std::thread::Builder::new().stack_size(128 * 1024);
                let serve = move || {
                    Conversation { socket, seen: Vec::new(), notes: &notes, arrived }.hold();
                    notes.open.fetch_sub(1, Ordering::SeqCst);
                };
                thread.spawn(serve).unwrap();
            }
        });
        Self { addr, notes, arrivals: Mutex::new(Some(arrivals)) }
    }

    /// Tells each time that a request is here which will not be answered to the end, or of which
    /// more is awaited.
    pub(crate) fn arrivals(&self) -> Receiver<()> {
        self.arrivals.lock().unwrap().take().unwrap()
    }

    /// Everything that has happened.
    pub(crate) fn log(&self) -> Exchanges {
        self.notes.exchanges.lock().unwrap().clone()
    }

    /// Answers that were written completely.
    pub(crate) fn answered(&self) -> u64 {
        self.notes.answered.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.notes.open.load(Ordering::SeqCst)
    }
}

struct Conversation<'a> {
    socket: TcpStream,
    /// Read, but not yet taken as a request.
    seen: Vec<u8>,
    notes: &'a Notes,
    arrived: Sender<()>,
}

impl Conversation<'_> {
    fn hold(&mut self) {
        self.socket.set_nodelay(true).unwrap();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.socket.set_write_timeout(Some(PATIENCE)).unwrap();
        while let Some(request) = self.request() {
            if !self.answer(&request) {
                return;
            }
        }
    }

    /// The next request's path, once its head is here; `None` at the connection's end.
    fn request(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.seen.drain(..end + 4).collect();
                let path = head.split(|byte| *byte == b' ').nth(1).unwrap();
                return Some(String::from_utf8(path.to_vec()).unwrap());
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Option<()> {
        let mut bytes = [0; 4096];
        let count = self.socket.read(&mut bytes).ok().filter(|count| *count > 0)?;
        self.seen.extend_from_slice(&bytes[..count]);
        Some(())
    }

    /// Does what the path says; false if nothing is to be said any more.
    fn answer(&mut self, path: &str) -> bool {
        let (way, status) = path[1..].rsplit_once('/').unwrap_or(("", &path[1..]));
        let status: u16 = status.parse().unwrap_or(0);
        match (way, path) {
            ("", "/hold" | "/post") => {
                // A body of which nothing more comes is like an answer that never comes.
                self.arrived.send(()).unwrap();
                self.wait_for_the_end();
                self.note(0, "DC");
                // What was sent behind it has not been answered either.
                while let Some(end) = self.seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    self.seen.drain(..end + 4);
                    self.note(0, "DC");
                }
            }
            ("", "/close") => self.note(503, "UC"),
            ("half", _) => {
                self.write_half(status);
                self.wait_for_the_end();
                self.note(status, "DC");
            }
            ("huge", _) => {
                let head = format!("HTTP/1.1 {status} Huge\r\nContent-Length: {HUGE}\r\n\r\n");
                self.socket.write_all(head.as_bytes()).unwrap();
                let body = vec![b'x'; 1 << 20];
                let sent = (0..HUGE >> 20).all(|_| self.socket.write_all(&body).is_ok());
                self.note(status, if sent { "sent all the same" } else { "DC" });
            }
            ("cut", _) => {
                self.write_half(status);
                self.note(status, "UPE");
            }
            _ => {
                let body = if matches!(status, 204 | 304) { "" } else { "Content-Length: 5\r\n" };
                let end = if body.is_empty() { "\r\n" } else { "\r\nhello" };
                let answer = format!("HTTP/1.1 {status} As Asked\r\n{body}{end}");
                if self.socket.write_all(answer.as_bytes()).is_err() {
                    // No client here leaves in a way that makes this possible.
                    self.note(status, "unwritten");
                    return false;
                }
                self.note(status, "-");
                self.notes.answered.fetch_add(1, Ordering::SeqCst);
                return true;
            }
        }
        false
    }

    fn write_half(&mut self, status: u16) {
        let half = format!("HTTP/1.1 {status} Half\r\nContent-Length: 10\r\n\r\nhello");
        self.socket.write_all(half.as_bytes()).unwrap();
    }

    fn wait_for_the_end(&mut self) {
        while self.read().is_some() {}
    }

    fn note(&self, status: u16, flags: &str) {
        let mut exchanges = self.notes.exchanges.lock().unwrap();
        *exchanges.entry((status, flags.to_owned())).or_default() += 1;
    }
}

/// More than all socket buffers on the way together take.
const HUGE: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
