//! A body that is served to whoever asks, and can be another one later.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use podmeter::exposition::Format;

/// What is served, as protobuf.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    body: Arc<Mutex<Vec<u8>>>,
}

impl Served {
    /// Serves the body until the tests end.
    pub(crate) fn start(body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let this = Self { addr, body: Arc::new(Mutex::new(body)) };
        let served = this.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                thread::spawn(move || served.answer(stream));
            }
        });
        this
    }

    /// Serves another body from now on.
    pub(crate) fn replace(&self, body: Vec<u8>) {
        *self.body.lock().unwrap() = body;
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut chunk)? {
                    0 => return Ok(()),
                    read => asked.extend_from_slice(&chunk[..read]),
                }
            }
            asked.clear();
            let body = self.body.lock().unwrap().clone();
            let (kind, length) = (Format::PROTOBUF.content_type(), body.len());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body)?;
        }
    }
}
