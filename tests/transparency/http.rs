//! HTTP/1 in all its shapes passes unchanged.

use crate::support::scenario::Scenario;
use crate::support::script::Step::{Await, Expect, Finish, ReadToEnd, Send, Signal};
use crate::support::script::{End, Step};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: shop\r\nX-Odd:  two  spaces \r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn send(text: &[u8]) -> Step {
    Send(text.to_vec())
}

#[test]
fn an_exchange_passes_and_both_ends_finish() {
    let outcome = Scenario::exchange(GET, OK).assert_unchanged();
    assert_eq!((outcome.app.received.as_slice(), outcome.app.end), (GET, End::Finished));
    assert_eq!((outcome.client.received.as_slice(), outcome.client.end), (OK, End::Finished));
}

/// The bytes of each piece are read by the other end before the next piece is sent, so that they
/// pass the proxy alone.
fn in_two_pieces(request: &[u8], answer: &[u8], at: usize, answer_at: usize) -> Scenario {
    let (first, second) = request.split_at(at);
    let (answer_first, answer_second) = answer.split_at(answer_at);
    Scenario::new(
        [
            send(first),
            Await("first"),
            send(second),
            Expect(answer_at),
            Signal("answer's first"),
            Expect(answer.len()),
            Finish,
            ReadToEnd,
        ],
        [
            Expect(at),
            Signal("first"),
            Expect(request.len()),
            send(answer_first),
            Await("answer's first"),
            send(answer_second),
            ReadToEnd,
        ],
    )
}

#[test]
fn heads_split_at_every_byte_pass() {
    for at in 1..GET.len().max(OK.len()) {
        let scenario = in_two_pieces(GET, OK, at.min(GET.len() - 1), at.min(OK.len() - 1));
        let outcome = scenario.through("");
        assert_eq!(outcome.app.received, GET, "split at {at}");
        assert_eq!(outcome.client.received, OK, "split at {at}");
    }
}

#[test]
fn a_request_in_single_bytes_passes() {
    let names: Vec<&'static str> =
        (0..GET.len()).map(|n| &*Box::leak(n.to_string().into_boxed_str())).collect();
    let (mut client, mut app) = (Vec::new(), Vec::new());
    for (index, byte) in GET.iter().enumerate() {
        client.extend([Send(vec![*byte]), Await(names[index])]);
        app.extend([Expect(index + 1), Signal(names[index])]);
    }
    client.extend([Expect(OK.len()), Finish, ReadToEnd]);
    app.extend([send(OK), ReadToEnd]);
    Scenario::new(client, app).assert_unchanged();
}

#[test]
fn pipelined_requests_pass_and_so_do_their_answers() {
    let requests = GET.repeat(50);
    let answers = OK.repeat(50);
    Scenario::exchange(&requests, &answers).assert_unchanged();
}

#[test]
fn chunked_bodies_with_extensions_and_trailers_pass() {
    let request = b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
        5;name=value;q=\"a\\\"b\"\r\nhello\r\n0A \r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nX-Odd:\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n\
        1;x\r\na\r\n00\r\nServer-Timing: db;dur=1\r\n\r\n";
    Scenario::exchange(request, answer).assert_unchanged();
}

#[test]
fn a_body_waits_for_100_continue() {
    let head =
        b"PUT /f HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    let whole = [head.as_slice(), b"body"].concat();
    let answers = [interim.as_slice(), OK].concat();
    let outcome = Scenario::new(
        [
            send(head),
            Expect(interim.len()),
            send(b"body"),
            Expect(answers.len()),
            Finish,
            ReadToEnd,
        ],
        [Expect(head.len()), send(interim), Expect(whole.len()), send(OK), ReadToEnd],
    )
    .assert_unchanged();
    assert_eq!((outcome.app.received, outcome.client.received), (whole, answers));
}

#[test]
fn several_interim_answers_pass() {
    let answers = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    Scenario::exchange(GET, answers).assert_unchanged();
}

#[test]
fn answers_without_a_body_whatever_their_length_says_pass() {
    for (request, answer) in [
        (
            &b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"[..],
        ),
        (
            b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (GET, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
        (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        (GET, b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    ] {
        // A second exchange shows that the first has left nothing behind.
        let requests = [request, GET].concat();
        let answers = [answer, OK].concat();
        Scenario::exchange(&requests, &answers).assert_unchanged();
    }
}

#[test]
fn a_body_that_ends_with_the_connection_passes_with_its_end() {
    for request in
        [&b"GET / HTTP/1.0\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
    {
        let answer = b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nas long as it takes";
        let outcome = Scenario::new(
            [send(request), ReadToEnd],
            [Expect(request.len()), send(answer), Step::Close],
        )
        .assert_unchanged();
        assert_eq!(
            (outcome.client.received.as_slice(), outcome.client.end),
            (&answer[..], End::Finished)
        );
    }
}

#[test]
fn an_upgrade_turns_into_bytes_both_ways() {
    let request =
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi";
    becomes_bytes(request, answer);
}

#[test]
fn a_tunnel_turns_into_bytes_both_ways() {
    becomes_bytes(
        b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nearly",
        b"HTTP/1.1 200 Connection established\r\n\r\n",
    );
}

fn becomes_bytes(request: &[u8], answer: &[u8]) {
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let (to_app, to_client) = (request.len() + bytes.len(), answer.len() + bytes.len());
    let outcome = Scenario::new(
        [
            send(request),
            Expect(answer.len()),
            send(&bytes),
            Expect(to_client),
            send(b"bye"),
            Finish,
            ReadToEnd,
        ],
        [
            Expect(request.len()),
            send(answer),
            Expect(to_app),
            send(&bytes),
            ReadToEnd,
            send(b"bye"),
            Step::Close,
        ],
    )
    .assert_unchanged();
    assert!(outcome.app.received.ends_with(b"bye") && outcome.client.received.ends_with(b"bye"));
}

#[test]
fn what_is_no_http_passes_all_the_same() {
    for (request, answer) in [
        (&b"GET / HTTP/9.9\r\n\r\n"[..], &b"HTTP/1.1 505 No\r\n\r\n"[..]),
        (b"GET  /  HTTP/1.1\nHost: a\n\n", b"HTTP/1.1 400 Bad Request\n\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", OK),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OK),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk", OK),
        (
            b"GET / HTTP/1.1\r\nBroken header\r\n: x\r\n\0\r\n\r\n",
            b"\0\xff\xfe no status line at all",
        ),
        (b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", OK),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\0\0\0\0\0"),
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", b"\x15\x03\x01\x00\x02\x02\x28"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        (b"\0\x01\x02\x03", b"\xff"),
        (b"G", b"?"),
        (b"\r", b"\n"),
    ] {
        Scenario::exchange(request, answer).assert_unchanged();
    }
}

#[test]
fn garbage_of_any_length_passes() {
    let garbage = crate::support::script::pattern(0);
    for length in [1, 7, 4096, 65_536, garbage.len()] {
        Scenario::exchange(&garbage[..length], &garbage[1000..][..length.min(9000)])
            .assert_unchanged();
    }
}

#[test]
fn a_head_longer_than_is_kept_passes() {
    let cookie = vec![b'c'; 200_000];
    let request = [b"GET / HTTP/1.1\r\nCookie: ", cookie.as_slice(), b"\r\n\r\n"].concat();
    let answer = [b"HTTP/1.1 200 OK\r\nSet-Cookie: ", cookie.as_slice(), b"\r\n\r\n"].concat();
    Scenario::exchange(&request, &answer).assert_unchanged();
}

#[test]
fn a_server_that_speaks_first_is_heard_at_once() {
    let greeting = b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\xff\x02\0";
    let login = b"\x20\0\0\x01\x85\xa6\xff\x01\0\0\0\x01\x21root\0";
    let outcome = Scenario::new(
        [Expect(greeting.len()), send(login), ReadToEnd],
        [send(greeting), Expect(login.len()), send(b"\x07\0\0\x02\0\0\0\x02\0\0\0"), Step::Close],
    )
    .assert_unchanged();
    assert_eq!(outcome.app.received, login);
}

#[test]
fn answers_without_a_question_pass() {
    Scenario::new(
        [send(GET), Expect(OK.len() * 2), Finish, ReadToEnd],
        [Expect(GET.len()), send(&OK.repeat(2)), ReadToEnd],
    )
    .assert_unchanged();
}
