//! What it costs to read along with one exchange of HTTP/1, HTTP/2 and gRPC.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use conversation::{Conversation, Part};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use podmeter::observe::host::KnownHosts;
use podmeter::observe::{Direction, Event, Passed, Rules, Sink, Watcher};
use std::hint::black_box;
use std::sync::Arc;

#[path = "observer/conversation.rs"]
mod conversation;

criterion_group!(benches, keep_alive, http2, grpc, split_head, chunked);
criterion_main!(benches);

/// A browser's request and an answer of 1 KB, each in one chunk, over a connection kept alive.
fn keep_alive(criterion: &mut Criterion) {
    let answer = [ANSWER.as_bytes(), &[b'x'; 1024]].concat();
    criterion.bench_function("a kept-alive exchange", |bench| {
        let (mut watcher, mut count) = open();
        bench.iter(|| {
            say(&mut watcher, Direction::Request, black_box(REQUEST.as_bytes()), &mut count);
            say(&mut watcher, Direction::Response, black_box(&answer), &mut count);
        });
        assert!(count.exchanges > 0 && count.others == 0);
    });
}

/// The same over HTTP/2, with every header in the table already.
fn http2(criterion: &mut Criterion) {
    let request = [Part::Head(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "shop.prod.svc.cluster.local"),
        (":path", "/api/v1/items?page=2&sort=price"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
    ])];
    let head = Part::Head(&[
        (":status", "200"),
        ("server", "nginx/1.26.3"),
        ("date", "Mon, 06 Jan 2025 10:00:00 GMT"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
        ("vary", "Accept-Encoding"),
    ]);
    let answer = [head, Part::Body(vec![b'x'; 1024])];
    converse(criterion, "an HTTP/2 exchange with an indexed head", [&request, &answer]);
}

/// A unary call: a message of 64 bytes, one of 1 KB back, and trailers.
fn grpc(criterion: &mut Criterion) {
    let message = |length: u16| {
        let [high, low] = length.to_be_bytes();
        Part::Body([&[0, 0, 0, high, low], &vec![b'x'; usize::from(length)][..]].concat())
    };
    let head = Part::Head(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/shop.v1.Items/List"),
        (":authority", "shop.prod.svc.cluster.local"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-python/1.85.3 grpc-c/59.0.0 (linux; chttp2)"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
        ("grpc-timeout", "10S"),
    ]);
    let request = [head, message(64)];
    let answer = [
        Part::Head(&[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", "identity, deflate, gzip"),
        ]),
        message(1024),
        Part::Head(&[("grpc-status", "0"), ("grpc-message", "")]),
    ];
    converse(criterion, "a unary gRPC call", [&request, &answer]);
}

/// One exchange after another over a kept HTTP/2 connection.
fn converse(criterion: &mut Criterion, name: &str, sides: [&[Part]; 2]) {
    criterion.bench_function(name, |bench| {
        let (mut watcher, mut count) = open();
        let mut conversation = Conversation::open(sides, &mut watcher, &mut count);
        bench.iter(|| black_box(&mut conversation).say(&mut watcher, &mut count));
        assert!(count.exchanges > 1 && count.others == 0);
    });
}

/// The first with the request's head in single bytes.
fn split_head(criterion: &mut Criterion) {
    let answer = [ANSWER.as_bytes(), &[b'x'; 1024]].concat();
    criterion.bench_function("an exchange with its head in single bytes", |bench| {
        let (mut watcher, mut count) = open();
        bench.iter(|| {
            for byte in REQUEST.as_bytes().chunks(1) {
                say(&mut watcher, Direction::Request, black_box(byte), &mut count);
            }
            say(&mut watcher, Direction::Response, black_box(&answer), &mut count);
        });
        assert!(count.exchanges > 0 && count.others == 0);
    });
}

/// An answer of 64 KB in chunks of 4 KB, in reads of 16 KB.
fn chunked(criterion: &mut Criterion) {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..16 {
        answer.extend(b"1000\r\n");
        answer.extend([b'x'; 0x1000]);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    let mut group = criterion.benchmark_group("a chunked answer");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    group.bench_function("of 64 KB", |bench| {
        let (mut watcher, mut count) = open();
        bench.iter(|| {
            say(&mut watcher, Direction::Request, black_box(REQUEST.as_bytes()), &mut count);
            for read in black_box(&answer).chunks(16 * 1024) {
                say(&mut watcher, Direction::Response, read, &mut count);
            }
        });
        assert!(count.exchanges > 0 && count.others == 0);
    });
}

/// Takes events as cheaply as can be.
#[derive(Default)]
struct Count {
    exchanges: u64,
    others: u64,
}

impl Sink for Count {
    fn event(&mut self, event: Event) {
        match event {
            Event::Exchange(exchange) if exchange.status == 200 => self.exchanges += 1,
            Event::Began { .. } | Event::Speaks(_) | Event::Messages { .. } => {}
            _ => self.others += 1,
        }
    }
}

fn open() -> (Watcher, Count) {
    let hosts = KnownHosts::new(&["shop.prod.svc.cluster.local"]);
    (
        Watcher::new(&Arc::new(Rules {
            hosts,
            max_head_bytes: 64 * 1024,
            probes_apart: true,
            paths: None,
            traces: true,
        })),
        Count::default(),
    )
}

fn say(watcher: &mut Watcher, direction: Direction, bytes: &[u8], count: &mut Count) {
    watcher.data(direction, bytes, Passed::default(), count);
}

/// 424 bytes, as a browser sends it.
const REQUEST: &str = "GET /api/v1/items?page=2&sort=price HTTP/1.1\r\n\
    Host: shop.prod.svc.cluster.local\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: no-cache\r\n\
    Pragma: no-cache\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.26.3\r\n\
    Date: Mon, 06 Jan 2025 10:00:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 1024\r\n\
    Connection: keep-alive\r\n\
    Vary: Accept-Encoding\r\n\r\n";
