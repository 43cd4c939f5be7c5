//! What is counted of two sides that understand each other.

use crate::law::WITHIN;
use crate::talk::{Talk, at, passed_at};
use podmeter::observe::host::{HostId, KnownHosts};
use podmeter::observe::{Direction, Ending, Event, Flags, Passed, Rules, Spoken, Watcher};
use std::sync::Arc;

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn an_exchange_has_its_status_host_sizes_and_times() {
    let told = Talk::new()
        .client("GET / HTTP/1.1\r\n")
        .client("Host: shop\r\n\r\n")
        .app("HTTP/1.1 200 OK\r\nContent-")
        .app("Length: 5\r\n\r\nhel")
        .app("lo")
        .closes()
        .counts_only(&["200 -"]);
    let exchange = told.exchange(0);
    assert_eq!(exchange.host, HostId(0));
    assert_eq!(exchange.started, at(0));
    assert_eq!(exchange.first_byte, Some(passed_at(2)));
    assert_eq!(exchange.ended, passed_at(4));
    assert_eq!(exchange.held, 2 * WITHIN);
    assert_eq!(exchange.request_bytes, GET.len() as u64);
    assert_eq!(exchange.response_bytes, OK.len() as u64);
}

#[test]
fn a_kept_alive_connection_counts_each_exchange_by_its_own_times() {
    let told = Talk::new()
        .client(GET)
        .app(OK)
        .client("\r\n")
        .client("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        .app("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .closes()
        .counts_only(&["200 -", "404 -"]);
    let second = told.exchange(1);
    assert_eq!(second.host, HostId::UNKNOWN);
    assert_eq!((second.started, second.ended), (at(3), passed_at(4)));
    assert_eq!((second.request_bytes, second.response_bytes), (42, 45));
}

#[test]
fn empty_lines_before_the_first_request_are_not_its_beginning() {
    let told = Talk::new().client("\r\n").client("\r\nGE").client("T / HTTP/1.1\r\n\r\n").app(OK);
    let exchange = told.closes().counts_only(&["200 -"]).exchange(0);
    assert_eq!(exchange.started, at(1));
    assert_eq!(exchange.held, 2 * WITHIN, "waiting for the client is not time inside podmeter");
    assert_eq!(exchange.request_bytes, 18);
}

#[test]
fn pipelined_requests_get_their_answers_in_order() {
    let told = Talk::new()
        .client("GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nPUT /c HTTP/1.1\r\nContent-")
        .client("Length: 4\r\n\r\nbody")
        .app("HTTP/1.1 201 A\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 202 B\r\nContent-Length: 9\r\n")
        .app("\r\nHTTP/1.1 203 C\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .closes()
        .counts_only(&["201 -", "202 -", "203 -"]);
    let started = [0, 1, 2].map(|i| told.exchange(i).started);
    assert_eq!(started, [at(0); 3]);
    let ended = [0, 1, 2].map(|i| told.exchange(i).ended);
    assert_eq!(ended, [passed_at(2), passed_at(3), passed_at(3)]);
    assert_eq!(told.exchange(2).request_bytes, 42);
}

#[test]
fn chunked_bodies_end_after_extensions_and_trailers() {
    Talk::new()
        .client("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .client("5;name=\"a;b\"\r\nhello\r\n1;x\r\n!\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")
        .app("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
        .app("B;ext\r\nHTTP/1.1 50\r\n00;last\r\nTrailer: HTTP/1.1 500\r\n\r\n")
        .client(GET)
        .app(OK)
        .closes()
        .counts_only(&["200 -", "200 -"]);
}

#[test]
fn interim_answers_are_not_the_answer() {
    let told = Talk::new()
        .client("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .app("HTTP/1.1 100 Continue\r\n\r\n")
        .client("body")
        .app("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        .app("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        .closes()
        .counts_only(&["201 -"]);
    let exchange = told.exchange(0);
    assert_eq!(exchange.first_byte, Some(passed_at(4)));
    assert_eq!(exchange.response_bytes, 25 + 40 + 27 + 43);
}

#[test]
fn an_expectation_may_be_refused_and_the_body_sent_all_the_same() {
    Talk::new()
        .client("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .app("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        .client(format!("body{GET}"))
        .app(OK)
        .closes()
        .counts_only(&["417 -", "200 -"]);
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_says() {
    for fields in ["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        Talk::new()
            .client("HEAD / HTTP/1.1\r\n\r\n")
            .app(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
            .client(GET)
            .app(OK)
            .closes()
            .counts_only(&["200 -", "200 -"]);
    }
}

#[test]
fn no_content_and_not_modified_have_no_body_whatever_they_say() {
    Talk::new()
        .client(GET.repeat(3))
        .app("HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n")
        .app("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n")
        .app(OK)
        .closes()
        .counts_only(&["204 -", "304 -", "200 -"]);
}

#[test]
fn an_http_1_0_answer_without_a_length_ends_with_the_connection() {
    let told = Talk::new()
        .client("GET / HTTP/1.0\r\n\r\n")
        .app("HTTP/1.0 200 OK\r\n\r\nsome")
        .app(" body\r\n\r\nHTTP/1.1 500 Not an answer\r\n\r\n")
        .app_finishes()
        .client_finishes()
        .ends(Ending::Finished)
        .counts_only(&["200 -"]);
    assert_eq!(told.exchange(0).ended, at(3), "nobody knew before the app finished");
    assert_eq!(told.exchange(0).response_bytes, 19 + 4 + 39);
}

#[test]
fn http_1_0_keeps_the_connection_only_where_the_client_asks_for_it() {
    let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let answer = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    Talk::new()
        .client(kept)
        .app(answer)
        .client(kept)
        .app(answer)
        .closes()
        .counts_only(&["200 -", "200 -"]);
    // After a request that is the last one, nothing is a request.
    Talk::new()
        .client("GET / HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
        .app("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .closes()
        .counts_only(&["200 -"]);
}

#[test]
fn a_close_delimited_answer_in_http_1_1_ends_with_the_connection() {
    Talk::new()
        .client(GET)
        .app("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
        .app("HTTP/1.1 500 Not an answer\r\n\r\n")
        .app_finishes()
        .ends(Ending::Finished)
        .counts_only(&["200 -"]);
}

#[test]
fn requests_behind_the_last_answer_are_dropped() {
    for last in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n\r\n",
    ] {
        let talk = || Talk::new().client(GET.repeat(3)).app(OK).app(last).app_finishes();
        talk().closes().counts(&["200 -", "200 -"]).drops(1).meters_no_tcp();
        talk().app_resets().counts(&["200 -", "200 -"]).drops(1).meters_no_tcp();
        // Not seeing the end of it yet, the client may go on.
        talk().client(GET).closes().counts(&["200 -", "200 -"]).drops(2).meters_no_tcp();
    }
}

#[test]
fn an_answer_may_come_before_the_request_is_complete() {
    let told = Talk::new()
        .client("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf ")
        .app("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\n")
        .client("othe")
        .app("full")
        .client("r")
        .client(GET)
        .app(OK)
        .closes()
        .counts_only(&["413 -", "200 -"]);
    assert_eq!(told.exchange(0).request_bytes, 39 + 9, "as many as had come when it was answered");
    assert_eq!(told.exchange(1).request_bytes, GET.len() as u64);
}

#[test]
fn a_last_early_answer_leaves_the_rest_of_the_body_alone() {
    Talk::new()
        .client("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        .app("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .client("other half")
        .app_finishes()
        .client_resets()
        .counts_only(&["413 -"]);
}

#[test]
fn a_body_may_be_larger_than_any_counter_of_32_bits() {
    let chunk = vec![b'x'; 1 << 20];
    let chunks = (1 << 12) + 1;
    let length = chunk.len() as u64 * chunks;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let rules = Rules {
        hosts: KnownHosts::default(),
        max_head_bytes: 1000,
        probes_apart: true,
        paths: None,
        traces: true,
    };
    let mut watcher = Watcher::new(&Arc::new(rules));
    let mut seen = Vec::new();
    watcher.data(Direction::Request, GET.as_bytes(), Passed::default(), &mut seen);
    watcher.data(Direction::Response, head.as_bytes(), Passed::default(), &mut seen);
    for _ in 0..chunks {
        assert_eq!(seen, [Event::Speaks(Spoken::Http1), Event::Began { host: HostId::UNKNOWN }]);
        watcher.data(Direction::Response, &chunk, Passed::default(), &mut seen);
    }
    let Event::Exchange(exchange) = seen[2] else { panic!("{seen:?}") };
    assert_eq!((exchange.status, exchange.flags), (200, Flags::None));
    assert_eq!(exchange.response_bytes, head.len() as u64 + length);
}

#[test]
fn a_probe_of_the_kubelet_is_told_apart_whatever_becomes_of_it() {
    let probe = "GET /healthz HTTP/1.1\r\nUser-Agent:  kube-probe/1.31\r\nHost: a\r\n\r\n";
    let other = "GET / HTTP/1.1\r\nUser-Agent: like kube-probe/1.31\r\nHost: a\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let told = Talk::new()
        .client([probe, other, probe].concat())
        .app([answer, answer].concat())
        .client_resets()
        .counts(&["200 -", "200 -", "0 DC"]);
    let probes: Vec<_> = (0..3).map(|index| told.exchange(index).probe).collect();
    assert_eq!(probes, [true, false, true]);
    // After an answer that is the last, what was asked besides was no request, nor a probe.
    Talk::new()
        .client([other, probe].concat())
        .app("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .closes()
        .counts(&["200 -"])
        .drops(0);
}
