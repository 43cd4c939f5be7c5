//! The meter counts exactly, whoever counts and however many.

use super::*;
use crate::clock::Nanos;
use crate::observe::grpc::Call;
use crate::observe::path::PathId;
use crate::observe::{Direction, Event, Exchange, Sink};
use std::net::SocketAddr;

fn layout(shards: usize, max_series: usize) -> Layout {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    Layout {
        routes: vec![
            Route { side: Side::Inbound, listen: any, target: any, opaque: false },
            Route { side: Side::Inbound, listen: any, target: any, opaque: true },
        ],
        first_host: HostId(0),
        inbound: Detail::default(),
        outbound: Detail::default(),
        durations: Bounds::union([[10, 20].as_slice()]),
        sizes: Bounds::union([[100].as_slice()]),
        held: Bounds::union([[5].as_slice()]),
        shards,
        max_series,
        extras: Extras::default(),
    }
}

fn exchange(status: u16, nanos: u64) -> Event {
    Event::Exchange(Exchange {
        host: HostId(0),
        method: Method::Get,
        path: PathId(0),
        version: Version::Http11,
        call: Call::Http,
        status,
        flags: Flags::None,
        started: Nanos(1000),
        ended: Nanos(1000 + nanos),
        first_byte: None,
        first_data: None,
        held: 3,
        held_request: 1,
        request_bytes: 7,
        response_bytes: 700,
        probe: false,
        trace: None,
    })
}

fn key(status: u16) -> HttpKey {
    HttpKey { route: RouteId(0), host: HostId(0), status, ..HttpKey::OVERFLOW }
}

#[test]
fn known_ports_have_their_series_before_the_first_request() {
    let meter = Meter::new(layout(1, 10));
    let _shard = meter.shard(0).unwrap();
    let snapshot = meter.snapshot();
    assert_eq!(snapshot.http.keys().copied().collect::<Vec<_>>(), [key(200)]);
    assert_eq!(snapshot.http[&key(200)].requests(), 0);
    assert_eq!(snapshot.tcp.len(), 1);
    assert_eq!(snapshot.routes.len(), 2);
}

#[test]
fn each_shard_has_one_owner() {
    let meter = Meter::new(layout(1, 10));
    assert!(meter.shard(0).is_some());
    assert!(meter.shard(0).is_none());
    assert!(meter.shard(1).is_none());
}

#[test]
fn what_several_threads_count_adds_up() {
    let meter = Meter::new(layout(4, 10));
    std::thread::scope(|scope| {
        for index in 0..4 {
            let meter = Arc::clone(&meter);
            scope.spawn(move || {
                let shard = meter.shard(index).unwrap();
                for n in 0..1000 {
                    let mut recorder = Recorder::new(&shard, RouteId(0));
                    recorder.event(Event::Began { host: HostId(0) });
                    recorder.event(exchange(if n % 10 == 0 { 500 } else { 200 }, n % 30));
                }
            });
        }
    });
    let snapshot = meter.snapshot();
    assert_eq!(snapshot.http[&key(200)].requests(), 3600);
    assert_eq!(snapshot.http[&key(500)].requests(), 400);
    assert_eq!(snapshot.http[&key(500)].request_bytes.sum(), 2800);
    let route = &snapshot.routes[0];
    assert_eq!((route.connections, route.connections_active), (4000, 0));
    assert_eq!((route.requests, route.requests_active), (4000, 0));
    assert_eq!(route.held.sum(), 12_000);
}

#[test]
fn beyond_the_limit_one_series_takes_the_rest_and_the_others_stay_exact() {
    let meter = Meter::new(layout(1, 3));
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for status in (100..999).chain(100..999) {
        recorder.event(exchange(status, 1));
    }
    let snapshot = meter.snapshot();
    assert_eq!(snapshot.http.len(), 4);
    assert_eq!(snapshot.http[&key(100)].requests(), 2);
    assert_eq!(snapshot.http[&key(101)].requests(), 2);
    assert_eq!(
        snapshot.http[&HttpKey { route: RouteId(0), ..HttpKey::OVERFLOW }].requests(),
        899 * 2 - 6
    );
    let total: u64 = snapshot.http.values().map(HttpTotals::requests).sum();
    assert_eq!(total, 899 * 2);
    assert_eq!(snapshot.overflowed(), 899 * 2 - 6);
}

#[test]
fn a_connection_metered_as_tcp_is_opened_under_no_flag_and_closed_under_its_own() {
    let meter = Meter::new(layout(1, 10));
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(1));
    recorder.event(Event::TcpOpened { tls: None });
    recorder.event(Event::TcpBytes { direction: Direction::Request, bytes: 5 });
    recorder.event(Event::TcpBytes { direction: Direction::Response, bytes: 9 });
    recorder.event(Event::TcpClosed { flags: Flags::UpstreamClosed });
    let tcp = meter.snapshot().tcp;
    let key = |flags| TcpKey { route: RouteId(1), host: HostId::UNKNOWN, flags, tls: None };
    let opened = tcp[&key(Flags::None)];
    assert_eq!((opened.opened, opened.closed, opened.received, opened.sent), (1, 0, 5, 9));
    let closed = tcp[&key(Flags::UpstreamClosed)];
    assert_eq!((closed.opened, closed.closed), (0, 1));
}

/// One that tells everything apart, of `max_series`.
fn detailed(max_series: usize) -> Arc<Meter> {
    let inbound = Detail { method: true, path: true, version: true };
    Meter::new(Layout { inbound, ..layout(1, max_series) })
}

fn of_path(path: u16, status: u16) -> Event {
    let Event::Exchange(exchange) = exchange(status, 1) else { unreachable!() };
    Event::Exchange(Exchange { path: PathId(path), ..exchange })
}

#[test]
fn method_path_and_version_tell_series_apart_only_where_a_dialect_asks() {
    let meter = detailed(100);
    let shard = meter.shard(0).unwrap();
    Recorder::new(&shard, RouteId(0)).event(of_path(7, 404));
    let (method, version) = (Method::Get, Version::Http11);
    let known = HttpKey { method, version, ..key(200) };
    let told = HttpKey { method, version, path: PathId(7), ..key(404) };
    assert_eq!(meter.snapshot().http.keys().copied().collect::<Vec<_>>(), [known, told]);

    let meter = Meter::new(layout(1, 100));
    let shard = meter.shard(0).unwrap();
    Recorder::new(&shard, RouteId(0)).event(of_path(7, 404));
    let keys: Vec<_> = meter.snapshot().http.keys().copied().collect();
    assert_eq!(keys, [key(200), key(404)]);
}

#[test]
fn a_flood_of_paths_costs_detail_and_no_status_its_exactness() {
    let meter = detailed(40);
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for path in 0..1000 {
        recorder.event(of_path(path, 200));
    }
    for status in 400..405 {
        recorder.event(of_path(1, status));
        recorder.event(of_path(2, status));
    }
    let snapshot = meter.snapshot();
    assert!(snapshot.http.len() <= 40);
    let of_status = |status| {
        let of_status = snapshot.http.iter().filter(|(key, _)| key.status == status);
        of_status.map(|(_, totals)| totals.requests()).sum::<u64>()
    };
    assert_eq!(of_status(200), 1000);
    for status in 400..405 {
        assert_eq!(of_status(status), 2);
    }
    assert!(!snapshot.http.keys().any(|key| key.is_overflow()));
    // The series that was there from the start has no path, but has a method.
    assert_eq!(snapshot.overflowed(), 1010 - 29);
}

#[test]
fn the_latest_exchange_of_a_series_is_known_but_of_those_that_are_always_shown() {
    let meter = Meter::new(layout(2, 10));
    for (index, nanos) in [(0, 50), (1, 20)] {
        let shard = meter.shard(index).unwrap();
        let mut recorder = Recorder::new(&shard, RouteId(0));
        recorder.event(exchange(500, nanos));
        recorder.event(exchange(200, nanos));
    }
    let snapshot = meter.snapshot();
    assert_eq!(snapshot.http[&key(500)].latest, Some(Nanos(1050)));
    assert_eq!(snapshot.http[&key(200)].latest, None);
}
