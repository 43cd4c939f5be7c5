//! What is remembered, shown and logged of a source.

use super::server::{Server, ok};
use super::*;
use crate::scrape::health::DroppedSoFar;
use prometheus_client::encoding::text::encode;
use std::io;
use std::sync::{Arc, Mutex};

fn shown(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text.lines().filter(|line| line.starts_with("podmeter_")).map(str::to_owned).collect()
}

fn bad_value(samples: u64) -> Dropped<'static> {
    Dropped { reason: "bad_value", samples, first: "line 3, column 8: expected a number as value" }
}

#[test]
fn every_source_is_down_before_the_first_scrape() {
    let mut registry = Registry::default();
    let sources = sources_in(&["http://127.0.0.1:1/metrics"], &mut registry);
    assert_eq!(
        shown(&registry),
        [
            "podmeter_app_scrape_up{source=\"a\"} 0",
            "podmeter_app_scrape_duration_seconds{source=\"a\"} 0.0",
            "podmeter_app_scrape_samples{source=\"a\"} 0",
            "podmeter_app_scrape_bytes{source=\"a\"} 0",
            "podmeter_app_scrape_wire_bytes{source=\"a\"} 0",
            "podmeter_app_scrape_families_taken_apart{source=\"a\"} 0",
        ]
    );
    let health = sources.health();
    let json = serde_json::to_value(&health).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "name": "a", "url": "http://127.0.0.1:1/metrics", "up": false,
            "scraped_seconds_ago": null, "duration_seconds": null, "samples": 0, "bytes": 0, "wire_bytes": 0,
            "content_type": null, "content_encoding": null, "last_error": null,
            "last_error_seconds_ago": null, "hurried_for_seconds": null, "notes": [],
            "dropped": {}, "taken_apart": 0, "taken_apart_first": null,
        }])
    );
}

#[tokio::test]
async fn a_source_is_up_once_its_samples_were_read_and_down_when_it_fails() {
    let server = Server::start(|number, mut peer| {
        peer.request();
        if number == 0 {
            peer.send(&ok("a 1\nb 1\nc x\n"));
        }
    });
    let mut registry = Registry::default();
    let sources = sources_in(&[&server.url()], &mut registry);
    ask(&sources).await.unwrap();
    assert!(!sources.health()[0].up, "nobody has read it yet");
    let _ = sources.parsed(0, 2, Some(bad_value(1).first), &[bad_value(1)]);
    let health = sources.health().remove(0);
    assert!(health.up);
    assert_eq!((health.samples, health.bytes), (2, 12));
    assert!(health.scraped_seconds_ago.is_some() && health.duration_seconds > Some(0.0));
    let lines = shown(&registry);
    for line in [
        "podmeter_app_scrape_up{source=\"a\"} 1",
        "podmeter_app_scrape_samples{source=\"a\"} 2",
        "podmeter_app_scrape_bytes{source=\"a\"} 12",
        "podmeter_app_dropped_samples_total{source=\"a\",reason=\"bad_value\"} 1",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line} is not in {lines:#?}");
    }

    ask(&sources).await.unwrap_err();
    let health = sources.health().remove(0);
    assert_eq!((health.up, health.samples, health.bytes), (false, 0, 0));
    let error = format!("{}: closed the connection without an answer", server.url());
    assert_eq!(health.last_error, Some(error));
    let first = bad_value(1).first.to_owned();
    assert_eq!(health.dropped["bad_value"], DroppedSoFar { samples: 1, first });
}

#[test]
fn a_body_without_any_sample_is_down_but_an_empty_one_is_up() {
    let sources = sources(&["http://127.0.0.1:1/metrics"]);
    let _ = sources.parsed(0, 0, None, &[]);
    assert!(sources.health()[0].up);
    let _ = sources.parsed(0, 0, Some("line 1: it is HTML"), &[]);
    let health = sources.health().remove(0);
    assert!(!health.up);
    assert_eq!(
        health.last_error.as_deref(),
        Some(
            "http://127.0.0.1:1/metrics: answered 200 OK, but with nothing that is a sample \
             (line 1: it is HTML)"
        )
    );
    let _ = sources.parsed(0, 5, Some(bad_value(2).first), &[bad_value(2)]);
    assert!(sources.health()[0].up, "some samples are better than none");
    sources.dropped(0, &[Dropped { reason: "duplicate_series", samples: 3, first: "twice" }]);
    let health = sources.health().remove(0);
    assert!(health.up && health.samples == 5);
    assert_eq!(health.dropped["duplicate_series"].samples, 3);
}

#[test]
fn an_index_without_a_source_is_nobody() {
    let sources = sources(&[]);
    let _ = sources.parsed(7, 1, None, &[]);
    sources.dropped(7, &[bad_value(1)]);
    assert!(sources.health().is_empty());
}

#[test]
fn the_log_hears_of_a_change_once_and_never_per_scrape() {
    let (log, written) = Log::new();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(log);
    tracing::subscriber::with_default(subscriber.finish(), || {
        let sources = sources(&["http://127.0.0.1:1/metrics"]);
        let ledger = &sources.sources[0].ledger;
        let refused = || FetchError { url: ledger.url().to_owned(), cause: Cause::Refused };
        for _ in 0..2 {
            for _ in 0..3 {
                ledger.fetched(&Err(refused()), SHORT, None);
            }
            for _ in 0..3 {
                let _ = sources.parsed(0, 1, Some(bad_value(1).first), &[bad_value(1)]);
                sources.dropped(0, &[bad_value(0)]);
            }
        }
    });
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = written.lines().map(str::trim_start).collect();
    let [missing, dropped, back, missing_again, back_again] = lines[..] else {
        panic!("{written}")
    };
    assert_eq!(
        missing,
        "WARN podmeter::scrape::health: app metrics are missing: http://127.0.0.1:1/metrics: \
         nobody listens there (connection refused) source=a"
    );
    assert_eq!(
        dropped,
        "WARN podmeter::scrape::health: app metrics are dropped, and counted from here on: \
         http://127.0.0.1:1/metrics: line 3, column 8: expected a number as value source=a \
         reason=\"bad_value\""
    );
    assert_eq!(
        back,
        "INFO podmeter::scrape::health: app metrics are back: http://127.0.0.1:1/metrics source=a"
    );
    assert_eq!((missing_again, back_again), (missing, back));
}

/// Collects what is logged.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn new() -> (impl Fn() -> Self, Arc<Mutex<Vec<u8>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Self(Arc::clone(&written));
        (move || log.clone(), written)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_source_that_hangs_is_said_to_be_hurried_once() {
    let (log, written) = Log::new();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(log);
    tracing::subscriber::with_default(subscriber.finish(), || {
        let sources = sources(&["http://127.0.0.1:1/metrics"]);
        let ledger = &sources.sources[0].ledger;
        for hurried in [None, None, Some(SHORT), Some(SHORT), None, Some(SHORT)] {
            let cause = Cause::NoAnswer(SHORT);
            let error = FetchError { url: ledger.url().to_owned(), cause };
            ledger.fetched(&Err(error), SHORT, hurried);
        }
    });
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(written.lines().nth(1).unwrap().contains("app metrics hang, so that scrapes wait"));
}

#[tokio::test]
async fn failures_are_counted_by_reason() {
    let server = Server::answering("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let mut registry = Registry::default();
    let sources = sources_in(&[&server.url()], &mut registry);
    for _ in 0..2 {
        ask(&sources).await.unwrap_err();
    }
    let line = "podmeter_app_scrape_failures_total{source=\"a\",reason=\"status\"} 2";
    assert!(shown(&registry).iter().any(|shown| shown == line), "{:?}", shown(&registry));
}
