//! A million distinct URLs, hosts and methods, read and recorded: memory stays where it was after the
//! first ten thousand, and not one request is lost.

use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::meter::{Layout, Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::host::{HostId, KnownHosts};
use podmeter::observe::path::{Paths, Templates};
use podmeter::observe::{Direction, Passed, Rules, Watcher};
use podmeter::process::Process;
use std::sync::Arc;
use std::time::Duration;

const REQUESTS: u64 = 1_000_000;
const BEFORE: u64 = 10_000;
const MAX_SERIES: usize = 100;

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn a_million_urls_hosts_and_methods_take_no_memory_and_lose_no_request() {
    let names: Vec<_> = Dialect::all().collect();
    let any = ([127, 0, 0, 1], 80).into();
    let port = Route { side: Side::Inbound, listen: any, target: any, opaque: false };
    let layout = Layout {
        first_host: HostId(0),
        max_series: MAX_SERIES,
        ..dialect::layout(&names, vec![port])
    };
    let meter = Meter::new(layout.clone());
    let shard = meter.shard(0).unwrap();
    let paths = Arc::new(Paths::new(Templates::default(), Some(200)));
    let rules = Arc::new(Rules {
        hosts: KnownHosts::new(&["shop.prod"]),
        max_head_bytes: 65_536,
        probes_apart: true,
        paths: Some(Arc::clone(&paths)),
        traces: false,
    });
    let mut recorder = Recorder::new(&shard, RouteId(0));
    let mut watcher = Watcher::new(&rules);
    let mut resident = 0;
    for n in 0..REQUESTS {
        if n == BEFORE {
            resident = Process::read().resident_bytes;
        }
        exchange(n, &mut watcher, &mut recorder);
    }
    let grown = Process::read().resident_bytes.saturating_sub(resident);
    println!("{resident} bytes resident, {grown} more after {REQUESTS} requests");
    assert!(grown < 2 << 20, "{grown} bytes");

    let snapshot = meter.snapshot();
    assert!(snapshot.http.len() <= MAX_SERIES);
    assert!(paths.len() <= 200);
    let total: u64 = snapshot.http.values().map(podmeter::meter::HttpTotals::requests).sum();
    assert_eq!(total, REQUESTS);
    for (status, requests) in [(200, REQUESTS / 2), (404, REQUESTS / 4), (500, REQUESTS / 4)] {
        let of_status = snapshot.http.iter().filter(|(key, _)| key.status == status);
        assert_eq!(of_status.map(|(_, totals)| totals.requests()).sum::<u64>(), requests);
    }
    assert!(snapshot.overflowed() > 0);
    let identity = Identity::default();
    let subject = Subject { paths: Some(&paths), ..Subject::new(&identity) };
    let dialects = Dialects::new(&names, &subject, &layout);
    let vitals = Vitals {
        draining: false,
        uptime: Duration::ZERO,
        now: Nanos(0),
        workers: 1,
        process: Process::default(),
    };
    assert!(!dialects.families(&snapshot, &vitals).is_empty());
}

/// Asks for what nobody has asked for before, by a method and of a host that nobody has heard of.
fn exchange(n: u64, watcher: &mut Watcher, recorder: &mut Recorder) {
    let word: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
    let request = format!("M{n} /{word}/x HTTP/1.1\r\nHost: h{n}.evil\r\n\r\n");
    let status = ["200 OK", "404 Not Found", "200 OK", "500 Oh"][(n % 4) as usize];
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let passed = Passed { read: Nanos(n), written: Nanos(n + 1) };
    watcher.data(Direction::Request, request.as_bytes(), passed, recorder);
    watcher.data(Direction::Response, answer.as_bytes(), passed, recorder);
}
