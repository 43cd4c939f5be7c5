//! The built program: it ends as it should, and neither leaks nor spins.

use crate::support::PATIENCE;
use crate::support::app::{TestApp, nobody};
use crate::support::program::Program;
use crate::support::script::Step::{Close, Expect, Finish, ReadToEnd, Send, Signal};
use crate::support::script::{End, Recording, Signals, Step, pattern, play, wait_for};
use rustix::event::PollFlags;
use rustix::process::Signal as Kill;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF: usize = 10;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn app() -> (TestApp, Arc<Signals>) {
    let signals = Arc::new(Signals::default());
    let steps = [Expect(HALF), Signal("half"), Expect(GET.len()), Send(OK.to_vec()), ReadToEnd];
    (TestApp::start(&steps, &signals), signals)
}

fn client(addr: SocketAddr, steps: &[Step]) -> Recording {
    play(TcpStream::connect(addr).unwrap(), steps, &Signals::default())
}

#[track_caller]
fn exchange(addr: SocketAddr) {
    let seen = client(addr, &[Send(GET.to_vec()), Expect(OK.len()), Finish, ReadToEnd]);
    assert_eq!((seen.received.as_slice(), seen.end), (OK, End::Finished));
}

/// A connection on which half a request has reached the app.
fn half_a_request(program: &Program, signals: &Signals) -> (TcpStream, &'static [u8]) {
    let (first, second) = GET.split_at(HALF);
    let mut stream = TcpStream::connect(program.addr()).unwrap();
    stream.write_all(first).unwrap();
    signals.wait_for("half");
    (stream, second)
}

#[test]
fn told_to_stop_it_carries_open_connections_to_their_end() {
    for signal in [Kill::TERM, Kill::INT] {
        let (app, signals) = app();
        let program = Program::before(app.addr, "");
        let (stream, rest) = half_a_request(&program, &signals);
        program.signal(signal);
        program.await_log("draining");
        // Who comes now is still carried: clients learn of a pod's end with delay.
        exchange(program.addr());
        let steps = [Send(rest.to_vec()), Expect(OK.len()), Finish, ReadToEnd];
        let seen = play(stream, &steps, &Signals::default());
        assert_eq!((seen.received.as_slice(), seen.end), (OK, End::Finished));
        assert_eq!(program.exit_code(), Some(0));
    }
}

#[test]
fn told_to_stop_with_nothing_open_it_ends() {
    let (app, _) = app();
    let program = Program::before(app.addr, "");
    exchange(program.addr());
    app.recording();
    program.signal(Kill::TERM);
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn what_is_left_after_the_drain_timeout_is_reset() {
    let (app, signals) = app();
    let program = Program::before(app.addr, "--drain-timeout 1s");
    let (stream, _) = half_a_request(&program, &signals);
    program.signal(Kill::TERM);
    assert_eq!(play(stream, &[ReadToEnd], &Signals::default()).end, End::Reset);
    assert_eq!(app.recording().end, End::Reset);
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn told_a_second_time_it_ends_at_once() {
    for (first, second) in [(Kill::TERM, Kill::TERM), (Kill::INT, Kill::TERM)] {
        let (app, signals) = app();
        let program = Program::before(app.addr, "--drain-timeout 1h");
        let (stream, _) = half_a_request(&program, &signals);
        program.signal(first);
        program.await_log("draining");
        program.signal(second);
        assert_eq!(play(stream, &[ReadToEnd], &Signals::default()).end, End::Reset);
        assert_eq!(program.exit_code(), Some(0));
    }
}

#[test]
fn connections_leave_no_descriptor_and_no_memory_behind() {
    let (app, _) = app();
    let steps = [Expect(GET.len()), Send(OK.to_vec()), Close];
    let closing = TestApp::start(&steps, &Arc::new(Signals::default()));
    let resetting = TestApp::start(&[Expect(1), Step::Reset], &Arc::new(Signals::default()));
    let targets = [app.addr, closing.addr, resetting.addr, nobody()];
    let flags = targets.map(|target| format!("--forward 127.0.0.1:0={target}")).join(" ");
    let program = Program::start(&flags);
    let every_kind = || {
        for addr in &program.forwards {
            client(*addr, &[Send(GET.to_vec()), Finish, ReadToEnd]);
            client(*addr, &[Send(GET.to_vec()), Step::Reset]);
            client(*addr, &[Finish, ReadToEnd]);
        }
    };
    // A program that carries nothing has about twenty open.
    let settle = || {
        for _ in 0..100_000 {
            if program.fds() < 40 {
                return;
            }
            std::thread::yield_now();
        }
        panic!("{} descriptors are open", program.fds());
    };
    for _ in 0..50 {
        every_kind();
    }
    settle();
    let before = program.rss_kib();
    for _ in 0..500 {
        every_kind();
    }
    settle();
    let after = program.rss_kib();
    // 6,000 connections: a leak of 100 bytes each would show.
    assert!(after < before + 400, "{before} KiB became {after} KiB");
}

#[test]
fn connections_of_which_one_side_has_finished_cost_no_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::before(listener.local_addr().unwrap(), "");
    let pairs: Vec<_> = (0..100)
        .map(|number| {
            let client = TcpStream::connect(program.addr()).unwrap();
            let app = listener.accept().unwrap().0;
            // One in four of each: the client has finished, the app has, the app takes nothing
            // and the client goes on sending, or there is nothing but silence.
            match number % 4 {
                0 => client.shutdown(Shutdown::Write).unwrap(),
                1 => app.shutdown(Shutdown::Write).unwrap(),
                2 => {
                    client.set_nonblocking(true).unwrap();
                    while (&client).write(pattern(0)).is_ok() {}
                }
                _ => {}
            }
            for end in [&client, &app] {
                end.set_read_timeout(Some(PATIENCE)).unwrap();
            }
            match number % 4 {
                0 => assert_eq!((&app).read(&mut [0]).unwrap(), 0),
                1 => assert_eq!((&client).read(&mut [0]).unwrap(), 0),
                _ => {}
            }
            (client, app)
        })
        .collect();
    let before = program.cpu_ticks();
    // For one second nothing happens on the last of them.
    let (silent, _) = &pairs[99];
    assert!(wait_for(silent, PollFlags::IN, Duration::from_secs(1)).is_empty());
    let used = program.cpu_ticks() - before;
    assert!(used < 25, "{used} hundredths of a second of CPU time went into silence");
}

#[test]
fn out_of_descriptors_it_goes_on_when_there_are_some_again() {
    let (app, _) = app();
    let program = Program::before(app.addr, "");
    exchange(program.addr());
    // Enough for three connections, and for the half of a fourth.
    program.limit_fds(u64::try_from(program.fds()).unwrap() + 7);
    let open: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(program.addr()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(GET).unwrap();
            stream.read_exact(&mut [0; 47 - 4]).unwrap();
            stream
        })
        .collect();
    // Those that find no descriptor for their app are reset, and those after them wait.
    let more: Vec<_> = (0..10).map(|_| TcpStream::connect(program.addr()).unwrap()).collect();
    program.await_log("cannot accept");
    let before = program.cpu_ticks();
    assert!(wait_for(&open[0], PollFlags::IN, Duration::from_secs(1)).is_empty());
    let used = program.cpu_ticks() - before;
    assert!(used < 25, "{used} hundredths of a second of CPU time went into waiting");
    drop((open, more));
    program.limit_fds(100);
    exchange(program.addr());
}
