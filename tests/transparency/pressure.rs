//! Bodies larger than every buffer on the way, slow readers, and sides that never pause.

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::proxy::TestProxy;
use crate::support::scenario::Scenario;
use crate::support::script::Step::{
    Await, Close, Expect, Finish, ReadToEnd, Reset, Send, Signal, Stream, StreamUntilFull,
};
use crate::support::script::{End, Signals, is_pattern, pattern};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const MORE: usize = 20_000_000;
const FLAGS: [&str; 3] = ["", "--opaque-ports 1-65535", "--workers 2"];

#[test]
fn a_slow_app_gets_all_of_a_long_body() {
    for flags in FLAGS {
        let outcome = Scenario::new(
            [StreamUntilFull, Signal("full"), Stream(MORE), Finish, ReadToEnd],
            [Await("full"), ReadToEnd, Send(b"done".to_vec()), Close],
        )
        .through(flags);
        assert!(outcome.client.sent > MORE && outcome.app.received.len() == outcome.client.sent);
        assert!(is_pattern(&outcome.app.received));
        assert_eq!(outcome.app.end, End::Finished);
        assert_eq!((&*outcome.client.received, outcome.client.end), (&b"done"[..], End::Finished));
    }
}

#[test]
fn a_slow_client_gets_all_of_a_long_answer() {
    for flags in FLAGS {
        let outcome = Scenario::new(
            [Send(b"GET / HTTP/1.0\r\n\r\n".to_vec()), Await("full"), ReadToEnd],
            [Expect(18), StreamUntilFull, Signal("full"), Stream(MORE), Close],
        )
        .through(flags);
        assert!(outcome.app.sent > MORE && outcome.client.received.len() == outcome.app.sent);
        assert!(is_pattern(&outcome.client.received));
        assert_eq!(outcome.client.end, End::Finished);
    }
}

#[test]
fn a_client_that_reads_now_and_then_gets_all_of_a_long_answer() {
    let mut client = vec![Send(b"GET / HTTP/1.0\r\n\r\n".to_vec())];
    let mut app = vec![Expect(18)];
    for (index, full) in ["1", "2", "3", "4"].into_iter().enumerate() {
        app.extend([StreamUntilFull, Signal(full)]);
        client.extend([Await(full), Expect((index + 1) * 1_000_003)]);
    }
    client.push(ReadToEnd);
    let outcome = Scenario::new(client, app).through("");
    assert_eq!(outcome.client.received.len(), outcome.app.sent);
    assert!(is_pattern(&outcome.client.received));
}

#[test]
fn what_an_app_sent_before_it_reset_waits_for_a_slow_client() {
    // More than the client's kernel takes at once, so that some of it is still with the proxy.
    let outcome = Scenario::new(
        [
            Send(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
            Await("full"),
            Expect(2_000_003),
            Signal("reading"),
            ReadToEnd,
        ],
        [Expect(18), StreamUntilFull, Signal("full"), Await("reading"), Reset],
    )
    .through("");
    assert_eq!(outcome.client.end, End::Reset);
    assert!(outcome.client.received.len() >= 2_000_003 && is_pattern(&outcome.client.received));
}

#[test]
fn both_directions_flow_at_once() {
    for flags in FLAGS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = TestProxy::before(listener.local_addr().unwrap(), flags);
        let echo = std::thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            std::io::copy(&mut &stream, &mut &stream).unwrap()
        });
        let client = TcpStream::connect(proxy.addr()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut back = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut sent = 0;
                while sent < MORE {
                    sent += (&client).write(pattern(sent)).unwrap();
                }
                client.shutdown(Shutdown::Write).unwrap();
            });
            (&client).read_to_end(&mut back).unwrap();
        });
        assert_eq!(back.len() as u64, echo.join().unwrap());
        assert!(back.len() >= MORE && is_pattern(&back));
    }
}

#[test]
fn a_client_that_never_pauses_does_not_keep_the_app_from_being_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = TestProxy::before(listener.local_addr().unwrap(), "");
    let app = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut chunk = vec![0; 1 << 20];
        let mut read = 0;
        while read < MORE {
            read += stream.read(&mut chunk).unwrap();
        }
        stream.write_all(b"half of it").unwrap();
        // Reads on until the client has heard it.
        while stream.read(&mut chunk).unwrap() > 0 {}
    });
    let client = TcpStream::connect(proxy.addr()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sent = 0;
            while !heard.load(Relaxed) {
                sent += (&client).write(pattern(sent)).unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
        });
        let result = (&client).read_exact(&mut [0; 10]);
        heard.store(true, Relaxed);
        result.unwrap();
    });
    app.join().unwrap();
}

#[test]
fn a_connection_that_never_pauses_does_not_keep_the_others_from_being_carried() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let signals = Arc::new(Signals::default());
    let quiet = TestApp::start(&[Expect(4), Send(b"pong".to_vec()), ReadToEnd], &signals);
    let flags = format!("--forward 127.0.0.1:0={}", busy.local_addr().unwrap());
    let proxy = TestProxy::before(quiet.addr, &flags);
    let sink = std::thread::spawn(move || {
        let mut stream = busy.accept().unwrap().0;
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let client = TcpStream::connect(proxy.forwards[1]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Relaxed) {
                sent += (&client).write(pattern(sent)).unwrap();
            }
        });
        let exchanges = || -> std::io::Result<()> {
            for _ in 0..100 {
                let mut other = TcpStream::connect(proxy.addr())?;
                other.set_read_timeout(Some(PATIENCE))?;
                other.write_all(b"ping")?;
                other.read_exact(&mut [0; 4])?;
            }
            Ok(())
        };
        let carried = exchanges();
        done.store(true, Relaxed);
        carried.unwrap();
    });
    drop(client);
    sink.join().unwrap();
}
