//! An app that says what it is told to say, to everybody who asks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// What is said from now on; `None` closes each connection without an answer.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) addr: SocketAddr,
    words: Arc<Mutex<Option<String>>>,
}

impl App {
    pub(crate) fn saying(words: &str) -> Self {
        Self::saying_as("text/plain", words)
    }

    pub(crate) fn saying_as(content_type: &'static str, words: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Self { addr, words: Arc::new(Mutex::new(Some(words.to_owned()))) };
        let words = Arc::clone(&app.words);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (mut socket, words) = (socket.unwrap(), Arc::clone(&words));
                std::thread::spawn(move || {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) > 0 {
                        head.push(byte[0]);
                    }
                    let Some(words) = words.lock().unwrap().clone() else { return };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{words}",
                        words.len()
                    );
                    // Who has gone needs no answer.
                    let _ = socket.write_all(answer.as_bytes());
                });
            }
        });
        app
    }

    pub(crate) fn says(&self, words: &str) {
        *self.words.lock().unwrap() = Some(words.to_owned());
    }

    pub(crate) fn falls_silent(&self) {
        *self.words.lock().unwrap() = None;
    }
}
