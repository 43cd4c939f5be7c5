//! Clients that break off, each at a moment that is known, so that what must be counted is known
//! too.
//!
//! A client that must not leave before its request is with the app waits until the app says so.
//! Where it leaves with everything read, it leaves once with a reset and once with a FIN.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Breaks off, and remembers how often where an app's log does not tell.
pub(crate) struct Aborts {
    proxy: SocketAddr,
    /// The app says that a request is there.
    arrivals: Receiver<()>,
    /// Connections on which so little was sent that nobody can say what they speak.
    pub(crate) without_a_request: u64,
    /// Connections that ended within what nginx takes for a request's head.
    pub(crate) half_heads: u64,
    pub(crate) rounds: u64,
}

#[derive(Clone, Copy, Debug)]
enum Leave {
    Reset,
    Fin,
}

impl Aborts {
    pub(crate) fn new(proxy: SocketAddr, arrivals: Receiver<()>) -> Self {
        Self { proxy, arrivals, without_a_request: 0, half_heads: 0, rounds: 0 }
    }

    /// One round of all that there is; see the app for what the paths mean.
    pub(crate) fn in_every_way(&mut self) {
        for how in [Leave::Reset, Leave::Fin] {
            self.before_any_request(how);
            self.while_held("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", how);
            let body = "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this";
            self.while_held(body, how);
            self.between_pipelined_requests(how);
            self.in_the_body("/half/200", how);
            self.in_the_body("/half/500", how);
        }
        // With bytes unread, closing is a reset in any case (RFC 9293, 3.10.4; Linux tcp(7)).
        self.in_the_body("/huge/200", Leave::Fin);
        self.with_nothing_more_to_ask();
        self.left_by_the_app("/close");
        self.left_by_the_app("/cut/200");
        self.rounds += 1;
    }

    /// One round of what is in nginx's own log as well.
    pub(crate) fn that_nginx_knows(&mut self) {
        for how in [Leave::Reset, Leave::Fin] {
            self.before_any_request(how);
            self.while_held("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", how);
            self.in_the_body("/slow", how);
        }
        self.with_nothing_more_to_ask();
        self.rounds += 1;
    }

    /// No exchange: nothing was asked. Only the connection is counted, and only where nobody can
    /// tell that it was to be HTTP.
    fn before_any_request(&mut self, how: Leave) {
        self.client("").leave(how);
        self.client("GE").leave(how);
        self.without_a_request += 2;
        self.client("GET /200 HTTP/1.1\r\nHo").leave(how);
        // That nginx only speaks HTTP, and so takes two bytes for half a head as well.
        self.half_heads += 2;
    }

    /// 0 with DC: the app has it and does not answer.
    fn while_held(&mut self, request: &str, how: Leave) {
        let client = self.client(request);
        self.arrivals.recv_timeout(PATIENCE).unwrap();
        client.leave(how);
    }

    /// The first is answered; 0 with DC for each of the others, which the app does not answer.
    fn between_pipelined_requests(&mut self, how: Leave) {
        let one = "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n";
        let held = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = self.client(&format!("{one}{held}{one}"));
        client.read_until(b"hello");
        self.arrivals.recv_timeout(PATIENCE).unwrap();
        client.leave(how);
    }

    /// The status with DC: the client leaves when it has the head and not the end.
    fn in_the_body(&mut self, path: &str, how: Leave) {
        let mut client = self.client(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.read_until(b"\r\n\r\n");
        client.leave(how);
    }

    /// No abort at all, though the client's side is closed: it still wants its answers, and they
    /// count.
    fn with_nothing_more_to_ask(&mut self) {
        let one = "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = self.client(&format!("{one}{one}{one}"));
        client.0.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        client.0.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    }

    /// It is the app that breaks off.
    fn left_by_the_app(&mut self, path: &str) {
        let mut client = self.client(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        // With a FIN or with a reset: the client sees what the app did.
        let _ = client.0.read_to_end(&mut Vec::new());
    }

    fn client(&self, request: &str) -> Client {
        let mut socket = TcpStream::connect(self.proxy).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Client(socket)
    }
}

struct Client(TcpStream);

impl Client {
    fn read_until(&mut self, end: &[u8]) {
        let mut seen = Vec::new();
        let mut bytes = [0; 512];
        while !seen.windows(end.len()).any(|window| window == end) {
            let count = self.0.read(&mut bytes).unwrap();
            assert!(count > 0, "ended after {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&bytes[..count]);
        }
    }

    fn leave(self, how: Leave) {
        if matches!(how, Leave::Reset) {
            socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
