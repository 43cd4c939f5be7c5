//! What is kept of a connection is bounded, whatever is said.

use crate::law::{Script, check};
use crate::talk::Talk;
use crate::wire::*;
use podmeter::clock::Nanos;
use podmeter::observe::host::KnownHosts;
use podmeter::observe::{Direction, Ending, Event, Passed, Rules, Watcher};
use std::sync::Arc;

#[test]
fn a_header_block_that_is_too_long_is_not_kept() {
    let field = [("x", "0123456789")];
    let long = [
        frame(HEADERS, END_STREAM, 1, &block(&field)),
        frame(CONTINUATION, 0, 1, &[block(&field), block(&field)].concat()),
        frame(CONTINUATION, END_HEADERS, 1, &block(&field)),
    ]
    .concat();
    let with = |limit| Talk::with_heads_up_to(limit).client([hello(), long.clone()].concat());
    let whole = block(&field).len() * 4;
    with(whole).closes().counts_only(&["0 DC"]);
    with(whole - 1).closes().counts(&[]).stops_reading("http2 request_head_too_large");
    let answer = headers(1, END_STREAM, &[(":status", "200"), ("x", "0123456789")]);
    let request = block(&[(":method", "GET")]);
    Talk::with_heads_up_to(request.len() + 2)
        .client([hello(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &request)].concat())
        .app([hello_back(), answer].concat())
        .closes()
        .counts(&[])
        .drops(1)
        .stops_reading("http2 response_head_too_large");
}

#[test]
fn settings_that_nobody_acknowledges_are_too_many_in_the_end() {
    let many = |count| Talk::new().client([hello(), settings(&[]).repeat(count)].concat());
    many(99).closes().counts_only(&[]);
    many(100).closes().counts(&[]).stops_reading("http2 unexpected_frame");
}

#[test]
fn a_header_table_of_megabytes_is_not_followed() {
    let settings = settings(&[(1, 1 << 24)]);
    let block = [&[0x3f, 0xe1, 0xff, 0x3f], &block(&[(":status", "200")])[..]].concat();
    Talk::new()
        .client([PREFACE, &settings, &get(1)].concat())
        .app([hello_back(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)].concat())
        .closes()
        .counts(&[])
        .drops(1)
        .stops_reading("http2 header_table_too_large");
}

/// A watcher that has seen both sides' SETTINGS, and what it has said.
struct Conversation {
    watcher: Watcher,
    events: Vec<Event>,
}

impl Conversation {
    fn open() -> Self {
        let hosts = KnownHosts::new::<&str>(&[]);
        let watcher = Watcher::new(&Arc::new(Rules {
            hosts,
            max_head_bytes: 64 * 1024,
            probes_apart: true,
            paths: None,
            traces: true,
        }));
        let mut this = Self { watcher, events: Vec::new() };
        this.says(Direction::Request, &hello());
        this.says(Direction::Response, &hello_back());
        this
    }

    fn says(&mut self, direction: Direction, bytes: &[u8]) {
        self.watcher.data(direction, bytes, Passed::default(), &mut self.events);
    }

    fn exchanges(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Exchange(_))).count()
    }
}

#[test]
fn ten_thousand_streams_are_kept_apart_and_their_memory_is_given_back() {
    let mut conversation = Conversation::open();
    let idle = conversation.watcher.kept_bytes();
    let streams = || (0..10_000_u32).map(|n| 2 * n + 1);
    let requests: Vec<u8> = streams().flat_map(get).collect();
    conversation.says(Direction::Request, &requests);
    let kept = conversation.watcher.kept_bytes();
    assert!(kept < 10_000 * 250, "{kept} bytes for 10,000 streams");
    for stream in streams().rev() {
        conversation.says(Direction::Response, &status(stream, END_STREAM, "200"));
    }
    assert_eq!(conversation.exchanges(), 10_000);
    assert_eq!(conversation.watcher.kept_bytes(), idle);
}

#[test]
fn more_streams_than_any_server_allows_are_not_kept_track_of() {
    let mut conversation = Conversation::open();
    let requests: Vec<u8> = (0..20_000_u32).flat_map(|n| get(2 * n + 1)).collect();
    conversation.says(Direction::Request, &requests);
    assert!(conversation.watcher.kept_bytes() < 16);
    let dropped = conversation.events.iter().filter(|event| **event == Event::Dropped).count();
    assert_eq!(dropped, 16_384);
    conversation.watcher.closed(Ending::Finished, Nanos(1), &mut conversation.events);
    assert_eq!(conversation.exchanges(), 0);
}

/// Tunnels that have been granted are no exchanges any more, and are streams all the same.
#[test]
fn tunnels_count_among_the_streams_that_are_too_many() {
    let mut conversation = Conversation::open();
    let fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "shop")];
    for stream in (1..40_001).step_by(2) {
        conversation.says(Direction::Request, &headers(stream, 0, &fields));
        conversation.says(Direction::Response, &status(stream, 0, "200"));
    }
    assert_eq!(conversation.exchanges(), 16_384);
    assert!(conversation.watcher.kept_bytes() < 16);
}

/// A client that makes up trailers for a request in gRPC-Web has nothing of them kept.
#[test]
fn calls_in_grpc_web_are_bounded() {
    let mut conversation = Conversation::open();
    let fields = [(":method", "POST"), ("content-type", "application/grpc-web")];
    let made_up = [b"\x80\0\0\xff\xff".as_slice(), &[b'x'; 8000]].concat();
    for n in 0..1024 {
        let stream = 2 * n + 1;
        let asks = [headers(stream, 0, &fields), data(stream, 0, &made_up)].concat();
        conversation.says(Direction::Request, &asks);
    }
    let kept = conversation.watcher.kept_bytes();
    assert!((1024 * 100..1024 * 1024).contains(&kept), "{kept} bytes for 1,024 calls");
    conversation.says(Direction::Request, &headers(2049, 0, &fields));
    assert!(conversation.watcher.kept_bytes() < 16);
}

#[test]
fn an_idle_connection_keeps_little() {
    let mut conversation = Conversation::open();
    for stream in (1..2000).step_by(2) {
        conversation.says(Direction::Request, &get(stream));
        conversation.says(Direction::Response, &status(stream, END_STREAM, "200"));
    }
    let kept = conversation.watcher.kept_bytes();
    assert!(kept < 2048, "{kept} bytes");
}

#[test]
fn what_fills_the_tables_is_bounded() {
    let field = indexed_block(&[("", "")]);
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &field.repeat(1000));
    let steps = vec![crate::law::Step::Says(Direction::Request, [hello(), head].concat())];
    let script = Script { max_head_bytes: 64 * 1024, steps, ending: Ending::ClientReset };
    assert!(check(&script).is_ok());
}
