//! How many instructions an exchange costs in the built program, outside of the kernel: counted by
//! valgrind, so that it is the same on a busy machine as on a quiet one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use process::{Running, free_port, program};
use rustix::process::Signal;
use skip::skip;

#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/skip.rs"]
mod skip;

/// What is said on one connection.
struct Talk {
    /// Said once, by the client and by the app.
    greeting: [Vec<u8>; 2],
    /// Said over and over; the bytes at the place are the stream's number, if there is one.
    exchange: [Vec<u8>; 2],
    stream_at: Option<[usize; 2]>,
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn an_exchange_of_http1_costs_few_instructions() {
    let request = b"GET / HTTP/1.1\r\nHost: shop.prod\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\n\
                Content-Length: 1024\r\nConnection: keep-alive\r\n\r\n";
    let talk = Talk {
        greeting: [Vec::new(), Vec::new()],
        exchange: [request.to_vec(), [head.as_bytes(), &[b'x'; 1024]].concat()],
        stream_at: None,
    };
    costs_at_most("an_exchange_of_http1_costs_few_instructions", &talk, HTTP1);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn an_exchange_of_http2_costs_few_instructions() {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let [.., l0, l1] = payload.len().to_be_bytes();
        [&[0, l0, l1, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    // GET, http, /, and a name that the first exchange has put into the table.
    let first = b"\x82\x86\x84\x41\x09shop.prod\x7a\x04test";
    let settings = frame(4, 0, 0, b"");
    let answer = |block: &[u8]| [frame(1, 4, 1, block), frame(0, 1, 1, &[b'x'; 1024])].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let talk = Talk {
        greeting: [
            [&preface[..], &settings, &frame(1, 5, 1, first)].concat(),
            [settings.clone(), answer(b"\x88\x76\x04test\x5f\x0atext/plain")].concat(),
        ],
        exchange: [frame(1, 5, 1, b"\x82\x86\x84\xbf\xbe"), answer(b"\x88\xbf\xbe")],
        // Of HEADERS in both, and then of DATA, which is patched along.
        stream_at: Some([5, 5]),
    };
    costs_at_most("an_exchange_of_http2_costs_few_instructions", &talk, HTTP2);
}

/// The difference between two runs, so that starting and stopping do not count.
fn costs_at_most(test: &str, talk: &Talk, most: u64) {
    let Some(valgrind) = program("valgrind") else { return skip(test, "valgrind is missing") };
    let folder = tempfile::tempdir().unwrap();
    let [few, many] =
        [FEW, MANY].map(|exchanges| instructions(&valgrind, folder.path(), talk, exchanges));
    let each = (many - few) / u64::from(MANY - FEW);
    println!("{test}: {each} instructions");
    assert!(each <= most, "{each} instructions for an exchange, not {most}");
}

/// The program's instructions over a connection with so many exchanges.
fn instructions(valgrind: &Path, folder: &Path, talk: &Talk, exchanges: u32) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let app = listener.local_addr().unwrap();
    let inbound = free_port();
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(env!("CARGO_BIN_EXE_podmeter")).args(["proxy", "--forward"]);
    command.arg(format!("{inbound}={app}"));
    for listener in ["stats", "admin", "health"] {
        command.args([format!("--{listener}-listen"), "off".to_owned()]);
    }
    let mut proxy = Running::start("valgrind", &mut command, folder);
    proxy.wait_for("it listens", |proxy| proxy.said().contains("carrying").then_some(()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (socket, _) = listener.accept().unwrap();
            talk.hold(&socket, exchanges, App);
        });
        talk.hold(&TcpStream::connect::<SocketAddr>(inbound).unwrap(), exchanges, Client);
    });
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().success());
    let said = proxy.said();
    let line = said.lines().find(|line| line.contains("Collected : ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Client,
    App,
}

use Who::{App, Client};

impl Talk {
    /// One side's part of it: one exchange after the other.
    fn hold(&self, mut socket: &TcpStream, exchanges: u32, who: Who) {
        socket.set_nodelay(true).unwrap();
        let (own, other) = if who == Client { (0, 1) } else { (1, 0) };
        let mut buffer = vec![0; 64 * 1024];
        for n in 0..=exchanges {
            let of = if n == 0 { &self.greeting } else { &self.exchange };
            let mut says = of[own].clone();
            if n > 0
                && let Some(at) = self.stream_at
            {
                let stream = (2 * n + 1).to_be_bytes();
                says[at[own]..at[own] + 4].copy_from_slice(&stream);
                if who == App {
                    // The DATA frame stands after HEADERS of three bytes.
                    says[9 + 3 + 5..9 + 3 + 9].copy_from_slice(&stream);
                }
            }
            let hears = &mut buffer[..of[other].len()];
            if who == Client {
                socket.write_all(&says).unwrap();
                socket.read_exact(hears).unwrap();
            } else {
                socket.read_exact(hears).unwrap();
                socket.write_all(&says).unwrap();
            }
        }
    }
}

const FEW: u32 = 1000;
const MANY: u32 = 3000;
/// A tenth more than was measured: 9,271 for HTTP/1 and 7,526 for HTTP/2, of which the bare pump
/// needs about 4,200. One exchange at a time wakes the program twice, which a busy connection spares.
/// Where every dialect is asked for, paths are read, too: 9,530 and 7,813.
const HTTP1: u64 = 10_198;
const HTTP2: u64 = 8_279;
