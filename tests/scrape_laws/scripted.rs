//! Sources and apps that answer every request in one scripted way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use socket2::{Domain, Socket, Type};

/// Answers each connection's first request with `answer` as it is, and closes.
pub(crate) fn says(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    serve(move |socket| {
        read_head(socket);
        // A reader that has had enough is not this side's concern.
        let _ = socket.write_all(&answer);
    })
}

/// A whole answer with a status, a type and a body.
pub(crate) fn reply(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n");
    format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// A text exposition.
pub(crate) fn exposition(body: &str) -> String {
    reply("200 OK", "text/plain; version=0.0.4", body)
}

/// Takes requests and never answers.
pub(crate) fn hangs() -> SocketAddr {
    serve(|socket| {
        let _ = socket.read_to_end(&mut Vec::new());
    })
}

/// Where nobody listens: the port of a socket that never accepted.
pub(crate) fn nobody() -> SocketAddr {
    // Bound and never listening, so that no other test's listener gets the port meanwhile.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// An app that says when a request is there, and answers it when it is told to.
pub(crate) struct Held {
    pub(crate) addr: SocketAddr,
    pub(crate) arrivals: Receiver<()>,
    pub(crate) answer: Sender<&'static str>,
}

impl Held {
    pub(crate) fn start() -> Self {
        let (arrived, arrivals) = channel();
        let (answer, answers) = channel::<&str>();
        let answers = std::sync::Mutex::new(answers);
        let addr = serve(move |socket| {
            while read_head(socket) {
                // A test that is over waits for nothing more.
                let told = arrived.send(()).is_ok();
                let Ok(answer) = answers.lock().unwrap().recv() else { return };
                if !told || socket.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
        Self { addr, arrivals, answer }
    }
}

fn serve(converse: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let converse = std::sync::Arc::new(converse);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, converse) = (socket.unwrap(), std::sync::Arc::clone(&converse));
            std::thread::spawn(move || converse(&mut socket));
        }
    });
    addr
}

/// Reads to the end of a head; false if the connection ended before.
fn read_head(socket: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        if !socket.read(&mut byte).is_ok_and(|count| count > 0) {
            return false;
        }
        seen.extend_from_slice(&byte);
    }
    true
}
