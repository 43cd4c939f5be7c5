//! Told to stop, the proxy stops taking part, finishes what it carries, counts it, and goes.

use std::io::{Read, Write};
use std::net::TcpStream;

use podmeter::exposition::Format;
use rustix::process::Signal;

use crate::PATIENCE;
use crate::http::{get, try_ask};
use crate::process::eventually;
use crate::scrape::Scrape;
use crate::scripted::{Held, nobody};
use crate::sidecar::Sidecar;

#[test]
fn a_request_in_flight_is_answered_and_seen_by_one_last_scrape() {
    let folder = tempfile::tempdir().unwrap();
    let app = Held::start();
    let mut sidecar = Sidecar::start("podmeter", folder.path(), app.addr, "--linger 1h");
    let mut client = request(&sidecar, &app);
    sidecar.process.signal(Signal::TERM);
    wait_until_draining(&sidecar);
    for (addr, path) in [(sidecar.stats, "/ready"), (sidecar.admin, "/ready")] {
        let reply = get(addr, path);
        assert_eq!((reply.status, reply.text()), (503, "DRAINING\n"));
    }
    // A scrape while a connection is still open is not the last one.
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!(scrape.value("envoy_server_state", &[]).to_bits(), 1f64.to_bits());
    assert_eq!(scrape.value("envoy_server_live", &[]).to_bits(), 0f64.to_bits());
    assert_eq!(scrape.count("istio_requests_total", &[("response_code", "202")]), 0);

    let answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok";
    app.answer.send(answer).unwrap();
    let mut seen = vec![0; answer.len()];
    client.read_exact(&mut seen).unwrap();
    assert_eq!(seen, answer.as_bytes());
    assert!(sidecar.process.is_running());
    drop(client);
    // Whoever asks once the connection is over is the last to be answered.
    let mut last = None;
    eventually("nobody is answered any more", || {
        let reply = try_ask(sidecar.stats, "GET", "/stats/prometheus", &[]);
        let Ok(reply) = reply else { return Ok(()) };
        last = Some(Scrape::read(reply.text(), Format::TEXT));
        Err("somebody is".to_owned())
    });
    let last = last.unwrap();
    assert_eq!(last.value("podmeter_connections_active", &[]).to_bits(), 0f64.to_bits());
    let answered = last.value("istio_requests_total", &[("response_code", "202")]);
    assert_eq!(answered.to_bits(), 1f64.to_bits());
    assert!(sidecar.process.ended().success());
}

#[test]
fn without_a_scrape_lingering_ends_by_itself() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let mut sidecar = Sidecar::start("podmeter", folder.path(), nobody(), "--linger 100ms");
        sidecar.process.signal(signal);
        assert!(sidecar.process.ended().success(), "{signal:?}");
    }
}

#[test]
fn what_is_not_over_when_the_drain_is_is_cut_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let app = Held::start();
    let flags = "--drain-timeout 100ms --linger 1h";
    let mut sidecar = Sidecar::start("podmeter", folder.path(), app.addr, flags);
    let mut client = request(&sidecar, &app);
    sidecar.process.signal(Signal::TERM);
    let reset = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    let cut = [("response_code", "0"), ("response_flags", "DC")];
    assert_eq!(scrape.value("istio_requests_total", &cut).to_bits(), 1f64.to_bits());
    assert!(sidecar.process.ended().success());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let app = Held::start();
    let flags = "--drain-timeout 1h";
    let mut sidecar = Sidecar::start("podmeter", folder.path(), app.addr, flags);
    let _client = request(&sidecar, &app);
    sidecar.process.signal(Signal::TERM);
    wait_until_draining(&sidecar);
    assert!(sidecar.process.is_running());
    sidecar.process.signal(Signal::INT);
    assert!(sidecar.process.ended().success());
}

/// A client whose request the app has and does not answer yet.
fn request(sidecar: &Sidecar, app: &Held) -> TcpStream {
    let mut client = TcpStream::connect(sidecar.inbound).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    app.arrivals.recv_timeout(PATIENCE).unwrap();
    client
}

fn wait_until_draining(sidecar: &Sidecar) {
    eventually("the kubelet is told", || match get(sidecar.health, "/healthz/ready").status {
        503 => Ok(()),
        status => Err(format!("it is told {status}")),
    });
}
