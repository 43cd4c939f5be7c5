//! The limits that protect the pod, and apps that are not there.

use crate::support::PATIENCE;
use crate::support::app::{TestApp, nobody};
use crate::support::proxy::TestProxy;
use crate::support::script::Step::{
    AwaitReset, Expect, Finish, ReadToEnd, Send, Signal, StreamUntilFull,
};
use crate::support::script::{End, Recording, Signals, Step, play};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PING: &[u8] = b"ping";
const ECHO: [Step; 1] = [ReadToEnd];

/// A connection to `addr` on which `steps` are played.
fn client(addr: SocketAddr, steps: &[Step]) -> Recording {
    play(TcpStream::connect(addr).unwrap(), steps, &Signals::default())
}

/// An app that answers each `ping` with `pong` until the client finishes.
fn ping_app() -> TestApp {
    let mut steps = Vec::new();
    for n in 1..=3 {
        steps.extend([Expect(n * PING.len()), Send(b"pong".to_vec())]);
    }
    steps.extend(ECHO);
    TestApp::start(&steps, &Arc::new(Signals::default()))
}

/// An open connection that has carried something.
fn connected(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    ping(&stream).unwrap();
    stream
}

fn ping(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(PING)?;
    stream.read_exact(&mut [0; 4])
}

#[test]
fn a_client_of_an_app_that_is_down_is_reset() {
    let proxy = TestProxy::before(nobody(), "");
    for first_bytes in [GET, b"GE", b"\0\0\0\0", b""] {
        let steps = [Send(first_bytes.to_vec()), ReadToEnd];
        let seen = client(proxy.addr(), &steps);
        assert_eq!((seen.received.len(), seen.end), (0, End::Reset));
        // Nor does it matter whether the client finishes.
        let steps = [Send(first_bytes.to_vec()), Finish, ReadToEnd];
        assert_eq!(client(proxy.addr(), &steps).end, End::Reset);
    }
}

#[test]
fn an_app_that_comes_up_is_found() {
    let addr = nobody();
    let proxy = TestProxy::before(addr, "");
    assert_eq!(client(proxy.addr(), &[ReadToEnd]).end, End::Reset);
    let _app = std::net::TcpListener::bind(addr).unwrap();
    drop(TcpStream::connect(proxy.addr()).unwrap());
}

#[test]
fn an_app_that_does_not_accept_is_given_up_after_the_connect_timeout() {
    let (_full, addr) = full_app();
    let proxy = TestProxy::before(addr, "--connect-timeout 200ms");
    let seen = client(proxy.addr(), &[Send(GET.to_vec()), ReadToEnd]);
    assert_eq!((seen.received.len(), seen.end), (0, End::Reset));
}

#[test]
fn a_client_that_waits_for_the_app_when_the_proxy_ends_is_reset() {
    let (_full, addr) = full_app();
    for _ in 0..10 {
        let proxy = TestProxy::before(addr, "--connect-timeout 1h --max-connections 1");
        let waiting = TcpStream::connect(proxy.addr()).unwrap();
        // That there is no place for another one shows that it has been accepted.
        assert_eq!(client(proxy.addr(), &[ReadToEnd]).end, End::Reset);
        proxy.stop();
        assert_eq!(play(waiting, &[ReadToEnd], &Signals::default()).end, End::Reset);
    }
}

/// An app whose queue of connections is full, and which accepts none: the kernel leaves further
/// ones without an answer.
fn full_app() -> ((socket2::Socket, TcpStream), SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let queued = TcpStream::connect(addr).unwrap();
    ((socket, queued), addr)
}

#[test]
fn one_connection_more_than_allowed_is_reset_and_the_others_live() {
    for workers in ["1", "2"] {
        let app = ping_app();
        let flags = format!("--max-connections 3 --workers {workers}");
        let proxy = TestProxy::before(app.addr, &flags);
        let open: Vec<_> = (0..3).map(|_| connected(proxy.addr())).collect();
        for _ in 0..5 {
            assert_eq!(client(proxy.addr(), &[Send(GET.to_vec()), ReadToEnd]).end, End::Reset);
        }
        for stream in &open {
            ping(stream).unwrap();
        }
        // A place that is given back can be taken again.
        for stream in open {
            play(stream, &[Finish, ReadToEnd], &Signals::default());
            app.recording();
        }
        let again: Vec<_> = (0..3).map(|_| connected_in_time(proxy.addr())).collect();
        for stream in &again {
            ping(stream).unwrap();
        }
    }
}

/// The end of a connection can be seen a moment before its place is free.
fn connected_in_time(addr: SocketAddr) -> TcpStream {
    for _ in 0..1000 {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if ping(&stream).is_ok() {
            return stream;
        }
    }
    panic!("no place became free");
}

#[test]
fn a_refused_client_gives_its_place_back() {
    let proxy = TestProxy::before(nobody(), "--max-connections 1");
    for _ in 0..20 {
        assert_eq!(client(proxy.addr(), &[Send(GET.to_vec()), ReadToEnd]).end, End::Reset);
    }
}

#[test]
fn a_connection_that_carries_nothing_is_closed_after_the_idle_timeout() {
    let app = TestApp::start(&[Expect(GET.len()), ReadToEnd], &Arc::new(Signals::default()));
    let proxy = TestProxy::before(app.addr, "--idle-timeout 100ms");
    assert_eq!(client(proxy.addr(), &[Send(GET.to_vec()), ReadToEnd]).end, End::Reset);
    assert_eq!(app.recording().end, End::Reset);
}

#[test]
fn a_connection_whose_client_takes_nothing_is_closed_after_the_idle_timeout() {
    let signals = Arc::new(Signals::default());
    let app = TestApp::start(&[StreamUntilFull, Signal("full"), AwaitReset], &signals);
    let proxy = TestProxy::before(app.addr, "--idle-timeout 1s");
    let seen = play(TcpStream::connect(proxy.addr()).unwrap(), &[AwaitReset], &signals);
    assert_eq!((seen.end, app.recording().end), (End::Reset, End::Reset));
}

#[test]
fn a_connection_that_carries_something_now_and_then_outlives_the_idle_timeout() {
    // Three times as long as the time-out, never silent for as long as it.
    let timeout = Duration::from_millis(400);
    let app = TestApp::start(&[ReadToEnd], &Arc::new(Signals::default()));
    let proxy = TestProxy::before(app.addr, "--idle-timeout 400ms");
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(timeout / 8)).unwrap();
    for _ in 0..24 {
        stream.write_all(b".").unwrap();
        // Nothing comes: this is the wait.
        let silence = stream.read(&mut [0]).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    }
    play(stream, &[Finish, ReadToEnd], &Signals::default());
    let seen = app.recording();
    assert_eq!((seen.received.len(), seen.end), (24, End::Finished));
}
