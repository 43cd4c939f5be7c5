//! Answers that are too long to be written at once.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::http::{ask, get};
use crate::process::eventually;
use crate::scrape::{Scrape, accept};
use crate::scripted::{exposition, says};
use crate::sidecar::Sidecar;
use crate::{FORMATS, PATIENCE};

/// A text of some 600 KB: many families, and one that is larger than any part.
fn body() -> String {
    let mut body = String::new();
    for family in 0..20 {
        writeln!(body, "# HELP large_{family}_total Things.\n# TYPE large_{family}_total counter")
            .unwrap();
        for series in 0..if family == 7 { 4_000 } else { 300 } {
            let path = format!("/a/rather/long/path/{series}");
            writeln!(body, "large_{family}_total{{path=\"{path}\"}} {series}").unwrap();
        }
    }
    body
}

fn sidecar(folder: &std::path::Path) -> (Sidecar, String) {
    let body = body();
    let source = says(exposition(&body));
    let flags = format!("--app-metrics http://{source},name=large");
    (Sidecar::start("podmeter", folder, says(""), &flags), body)
}

/// The app's lines, which do not change from scrape to scrape.
fn large(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("large_")).collect()
}

#[test]
fn every_coding_of_a_long_answer_has_every_sample_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (sidecar, body) = sidecar(folder.path());
    for format in FORMATS {
        for coding in ["identity", "gzip", "zstd"] {
            let headers = [("Accept", accept(format)), ("Accept-Encoding", coding)];
            let reply = ask(sidecar.stats, "GET", "/stats/prometheus", &headers);
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-type"), Some(format.content_type()));
            assert_eq!(reply.header("content-encoding"), Some(coding).filter(|c| *c != "identity"));
            assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
            let text = match coding {
                "gzip" => {
                    let mut text = String::new();
                    let mut unpacked = flate2::read::GzDecoder::new(&*reply.body);
                    unpacked.read_to_string(&mut text).unwrap();
                    text
                }
                "zstd" => String::from_utf8(zstd::decode_all(&*reply.body).unwrap()).unwrap(),
                _ => reply.text().to_owned(),
            };
            Scrape::read(&text, format);
            assert_eq!(large(&text), large(&body), "{format:?} {coding}");
        }
    }
}

#[test]
fn a_short_answer_says_how_long_it_is_in_every_coding() {
    let folder = tempfile::tempdir().unwrap();
    let (sidecar, _) = sidecar(folder.path());
    for coding in ["identity", "gzip", "zstd"] {
        let headers = [("Accept-Encoding", coding)];
        let reply = ask(sidecar.stats, "GET", "/stats/prometheus?source=podmeter", &headers);
        let length = reply.header("content-length").map(|length| length.parse().unwrap());
        assert_eq!(length, Some(reply.body.len()), "{coding}");
        let vary = reply.header("vary");
        assert!(vary.is_some_and(|vary| vary.starts_with("accept")), "{vary:?}");
    }
    // Too short to be worth it.
    let ready = ask(sidecar.stats, "GET", "/ready", &[("Accept-Encoding", "gzip")]);
    assert_eq!((ready.header("content-encoding"), ready.text()), (None, "LIVE\n"));
}

#[test]
fn readers_who_leave_in_the_middle_cost_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sidecar, body) = sidecar(folder.path());
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", sidecar.process.id())).unwrap().count();
    let before = fds();
    for round in 0..20 {
        let mut socket = TcpStream::connect(sidecar.stats).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(b"GET /stats/prometheus HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        if round % 2 == 0 {
            // Some of it has come; the rest is on its way, or not written yet.
            socket.read_exact(&mut [0; 1000]).unwrap();
        }
    }
    let reply = get(sidecar.stats, "/stats/prometheus");
    assert_eq!(large(reply.text()), large(&body));
    eventually("every connection is closed", || match fds() {
        now if now <= before + 1 => Ok(()),
        now => Err(format!("{before} descriptors became {now}")),
    });
    assert_eq!(get(sidecar.health, "/healthz/ready").status, 200);
    assert!(sidecar.process.is_running());
}

#[test]
fn several_at_once_get_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (sidecar, body) = sidecar(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let reply = get(sidecar.stats, "/stats/prometheus");
                assert_eq!(large(reply.text()), large(&body));
            });
        }
    });
}
