//! What the built program needs: its memory while idle, with a thousand idle connections, and while
//! far more bytes pass than it could hold.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "support/mod.rs"]
mod support;

use rustix::event::PollFlags;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use support::PATIENCE;
use support::program::Program;
use support::script::{pattern, wait_for};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop\r\nUser-Agent: test\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GIGABYTE: usize = 1_000_000_000;

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn exchange(mut client: &TcpStream, mut app: &TcpStream) {
    client.write_all(GET).unwrap();
    app.read_exact(&mut [0; GET.len()]).unwrap();
    app.write_all(OK).unwrap();
    client.read_exact(&mut [0; OK.len()]).unwrap();
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn idle_connections_need_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    // As in a pod, with everything that listens.
    let listeners = "--stats-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
                     --health-listen 127.0.0.1:0";
    let program = Program::before(target, listeners);
    let pair = || {
        let client = connect(program.addr());
        let app = accept(&listener);
        exchange(&client, &app);
        (client, app)
    };
    let first = pair();
    let idle = program.rss_kib();
    let all: Vec<_> = (0..1000).map(|_| pair()).collect();
    for (client, app) in &all {
        exchange(client, app);
    }
    let loaded = program.rss_kib();
    println!("idle: {idle} KiB; with 1,000 idle connections: {loaded} KiB");
    assert!(idle <= 8 * 1024, "{idle} KiB while idle");
    assert!(loaded - idle <= 4 * 1000, "{} KiB for 1,000 idle connections", loaded - idle);
    drop((first, all));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn a_gigabyte_passes_either_way_in_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::before(listener.local_addr().unwrap(), "");
    for client_sends in [true, false] {
        let (client, app) = (connect(program.addr()), accept(&listener));
        exchange(&client, &app);
        let before = program.rss_kib();
        let (from, to) = if client_sends { (client, app) } else { (app, client) };
        let most = pass(&program, &from, &to);
        println!("{before} KiB became {most} KiB at most");
        assert!(most < before + 2048, "{before} KiB became {most} KiB");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn clients_that_take_nothing_cannot_pin_much_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::before(listener.local_addr().unwrap(), "");
    let before = program.rss_kib();
    let all: Vec<_> = (0..400)
        .map(|_| {
            let (client, app) = (connect(program.addr()), accept(&listener));
            app.set_nonblocking(true).unwrap();
            while (&app).write(pattern(0)).is_ok() {}
            (client, app)
        })
        .collect();
    // The proxy may still have been reading; now every buffer on the way is full.
    for (_, app) in &all {
        while !wait_for(app, PollFlags::OUT, Duration::from_millis(5)).is_empty() {
            while (&mut &*app).write(pattern(0)).is_ok() {}
        }
    }
    let after = program.rss_kib();
    println!("{before} KiB became {after} KiB with 400 clients that take nothing");
    assert!(after < before + 24 * 1024, "{before} KiB became {after} KiB");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn a_large_exposition_is_in_memory_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = TcpListener::bind("127.0.0.1:0").unwrap();
    let flags = format!(
        "--stats-listen 127.0.0.1:0 --app-metrics http://{}/,name=app --app-metrics-max-bytes 64MiB",
        source.local_addr().unwrap()
    );
    let program = Program::before(listener.local_addr().unwrap(), &flags);
    let line = program.await_log("serving stats");
    let stats = line.split("listen=").nth(1).unwrap().split_whitespace().next().unwrap();
    let stats: SocketAddr = stats.parse().unwrap();
    let idle = program.rss_kib();

    let mut body = String::new();
    for family in 0..700 {
        writeln!(body, "# TYPE app_family_{family}_total counter").unwrap();
        for series in 0..500 {
            let path = format!("/api/v1/resource/{series}");
            writeln!(body, "app_family_{family}_total{{path=\"{path}\",method=\"GET\"}} 1")
                .unwrap();
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                let mut scraper = accept(&source);
                assert!(scraper.read(&mut [0; 4096]).unwrap() > 0);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                scraper.write_all(head.as_bytes()).unwrap();
                scraper.write_all(body.as_bytes()).unwrap();
                scraper.shutdown(std::net::Shutdown::Write).unwrap();
            }
        });
        for coding in ["identity", "gzip"] {
            let mut scraper = connect(stats);
            let request = format!(
                "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: {coding}\r\n\r\n"
            );
            scraper.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            scraper.read_to_end(&mut answer).unwrap();
            assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "the answer is whole");
            assert!(coding == "gzip" || answer.len() > body.len());
        }
    });
    let (peak, size) = (program.peak_rss_kib() - idle, body.len() as u64 / 1024);
    println!("{size} KiB of an app's metrics cost {peak} KiB at most");
    // The bodies once, and what was read of them, which borrows their text.
    assert!(peak < size * 5 / 2, "{size} KiB cost {peak} KiB");
}

/// Passes a gigabyte to a reader that often waits until nobody takes any more; gives the most
/// memory that was resident.
fn pass(program: &Program, from: &TcpStream, mut to: &TcpStream) -> u64 {
    let mut most = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut sent) = (from, 0);
            while sent < GIGABYTE {
                let chunk = pattern(sent);
                sent += from.write(&chunk[..chunk.len().min(GIGABYTE - sent)]).unwrap();
            }
        });
        let mut received = 0;
        let mut chunk = vec![0; 100_000];
        let mut next_pause = 0;
        while received < GIGABYTE {
            if received >= next_pause {
                // Every buffer on the way is full once the sender waits.
                while !wait_for(from, PollFlags::OUT, Duration::from_millis(100)).is_empty()
                    && received + FITS < GIGABYTE
                {}
                most = most.max(program.rss_kib());
                next_pause = received + GIGABYTE / 10;
            }
            let read = to.read(&mut chunk).unwrap();
            assert!(read > 0 && chunk[..read] == pattern(received)[..read]);
            received += read;
        }
    });
    most.max(program.rss_kib())
}

/// More than the kernel holds of one connection; near the end the sender does not wait any more.
const FITS: usize = 200_000_000;
