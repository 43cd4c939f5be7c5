//! What is counted of bytes that are not understood: as TCP, and an answer that was given counts.

use crate::talk::{Talk, at};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const BAD: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

#[test]
fn an_unreadable_request_that_is_answered_counts_as_its_answer() {
    let malformed = "GET / HTTP/1.1\r\nno colon\r\n\r\nrest";
    let told = Talk::new()
        .client(GET)
        .app(OK)
        .client(malformed)
        .app(BAD)
        .closes()
        .counts(&["200 -", "400 DPE"])
        .meters_tcp(32, BAD.len() as u64, "-")
        .stops_reading("http1 malformed_request");
    assert_eq!(told.exchange(1).started, at(2));
    assert_eq!(told.exchange(1).request_bytes, 32);
    assert_eq!(told.exchange(1).response_bytes, BAD.len() as u64);
}

#[test]
fn an_unreadable_request_that_is_never_answered_counts_as_nothing() {
    let malformed = "GET / HTTP/1.1\r\nno colon\r\n\r\n";
    let len = malformed.len() as u64;
    Talk::new().client(malformed).app_resets().counts(&[]).meters_tcp(len, 0, "UC").drops(0);
    Talk::new().client(malformed).client_resets().counts(&[]).meters_tcp(len, 0, "DC").drops(0);
    Talk::new()
        .client(malformed)
        .app("HTTP/1.1 4")
        .app_finishes()
        .closes()
        .counts(&[])
        .meters_tcp(len, 10, "-");
}

#[test]
fn an_unreadable_request_waits_for_the_answers_before_its_own() {
    Talk::new()
        .client(format!("{GET}GET  / HTTP/1.1\r\n\r\n{GET}"))
        .app(OK)
        .app(BAD)
        .app(OK)
        .closes()
        .counts(&["200 -", "400 DPE"]);
}

#[test]
fn after_an_unreadable_request_one_answer_counts_and_no_more() {
    Talk::new()
        .client(format!("GET / HTTP/1.1\n\n{GET}"))
        .app(OK)
        .app(OK)
        .closes()
        .counts(&["200 DPE"]);
}

#[test]
fn a_broken_off_answer_to_an_unreadable_request_counts_by_its_status() {
    let half = "HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nhalf";
    Talk::new().client("GET  / HTTP/1.1\r\n\r\n").app(half).app_resets().counts(&["400 DPE"]);
}

#[test]
fn lengths_that_servers_read_differently_are_not_read() {
    for fields in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5, 5\r\n"]
    {
        Talk::new()
            .client(format!("POST / HTTP/1.1\r\n{fields}\r\nhello"))
            .app(BAD)
            .closes()
            .counts(&["400 DPE"])
            .stops_reading("http1 ambiguous_request_length");
    }
}

#[test]
fn a_request_with_broken_chunks_counts_by_its_answer_or_not_at_all() {
    let broken = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n";
    let talk = || Talk::new().client(broken);
    let told = talk().app(BAD).closes().counts(&["400 DPE"]);
    told.stops_reading("http1 malformed_request_chunk").meters_tcp(6, BAD.len() as u64, "-");
    talk().client_resets().counts(&[]).drops(1);
    talk().app_resets().counts(&[]).drops(1);
    // The answer was there before the break.
    Talk::new()
        .client("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n")
        .app(OK)
        .client("hello\n0\r\n")
        .closes()
        .counts(&["200 -"])
        .stops_reading("http1 malformed_request_chunk");
}

#[test]
fn a_head_that_is_never_completed_counts_only_by_its_answer() {
    let timeout = "HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let told = Talk::new()
        .client(GET)
        .app(OK)
        .client("GET /slow HT")
        .client("TP/1.1\r\nA: ")
        .app(timeout)
        .closes()
        .counts(&["200 -", "408 DPE"])
        .meters_tcp(23, timeout.len() as u64, "-")
        .stops_reading("http1 answered_early");
    assert_eq!(told.exchange(1).started, at(2));
    assert_eq!(told.exchange(1).request_bytes, 23);
    let too_large = timeout.replace("408", "431");
    Talk::new().client("GET /slow HT").app(too_large).closes().counts(&["431 DPE"]);
    Talk::new().client("GET /slow HT").closes().counts(&[]).meters_no_tcp();
}

#[test]
fn a_head_request_that_cannot_be_read_is_still_answered_by_a_head() {
    Talk::new()
        .client("HEAD  / HTTP/1.1\r\n\r\n")
        .app("HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\n")
        .closes()
        .counts(&["400 DPE"]);
}

#[test]
fn a_client_that_speaks_no_http_to_an_http_app_is_answered_all_the_same() {
    let told = Talk::new()
        .client("hello, is this the shop?\r\n")
        .app(BAD)
        .closes()
        .counts(&["400 DPE"])
        .meters_tcp(26, BAD.len() as u64, "-")
        .stops_reading("http1 malformed_request");
    assert_eq!(told.exchange(0).request_bytes, 26);
    Talk::new().client("GE").app(BAD).closes().counts(&["400 DPE"]).meters_tcp(
        2,
        BAD.len() as u64,
        "-",
    );
}

#[test]
fn a_server_that_speaks_first_is_tcp() {
    let greeting = b"J\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7";
    Talk::new()
        .app(greeting)
        .client("\x20\0\0\x01login")
        .app("\x07\0\0\x02\0\0\0\x02\0\0\0")
        .closes()
        .counts(&[])
        .meters_tcp(9, greeting.len() as u64 + 11, "-")
        .stops_reading("");
    Talk::new().app("220 mail ready\r\n").client("EHLO a\r\n").closes().meters_tcp(8, 16, "-");
    Talk::new().app(OK).client(GET).app(OK).closes().counts(&[]).stops_reading("");
}

#[test]
fn tls_is_tcp() {
    let hello = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    Talk::new()
        .client(hello)
        .app([0x16, 3, 3, 0, 90, 2])
        .closes()
        .counts(&[])
        .meters_tcp(11, 6, "-")
        .stops_reading("");
}

#[test]
fn other_protocols_are_tcp() {
    for (ask, answer) in [
        ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
        ("PING\r\n", "+PONG\r\n"),
        ("set key 0 0 1\r\n1\r\n", "STORED\r\n"),
        ("\0\0\0\x08\x04\u{2}\x16\x2f", "N"),
        ("\u{1}\u{2}\u{3}", "\u{4}"),
    ] {
        Talk::new()
            .client(ask)
            .app(answer)
            .client(ask)
            .app(answer)
            .closes()
            .counts(&[])
            .meters_tcp(2 * ask.len() as u64, 2 * answer.len() as u64, "-")
            .stops_reading("");
    }
}

#[test]
fn a_command_that_looks_like_a_request_is_tcp_once_it_is_answered() {
    Talk::new()
        .client("GET key\r\n")
        .app("$1\r\n1\r\n")
        .client("GET key\r\n")
        .closes()
        .counts(&[])
        .meters_tcp(18, 7, "-")
        .stops_reading("http1 malformed_response");
}

#[test]
fn an_answer_to_nothing_is_not_counted() {
    Talk::new()
        .client(GET)
        .app(OK)
        .app("\r\n")
        .app(OK)
        .closes()
        .counts(&["200 -"])
        .stops_reading("http1 unsolicited_response")
        .meters_tcp(0, OK.len() as u64, "-");
    // Half of it is there before there is anything to answer.
    Talk::new()
        .client(GET)
        .app(format!("{OK}HTTP/1.1 2"))
        .client(GET)
        .app("00 OK\r\n\r\n")
        .closes()
        .counts(&["200 -"])
        .stops_reading("http1 unsolicited_response")
        .meters_tcp(GET.len() as u64, 10 + 9, "-");
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    Talk::new()
        .client(GET)
        .app(closing)
        .app("\r\n\r\n")
        .app("\r\nmore")
        .closes()
        .counts(&["200 -"])
        .stops_reading("http1 unsolicited_response")
        .meters_tcp(0, 4, "-");
}

#[test]
fn a_malformed_answer_drops_its_request() {
    for answer in ["HTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "<html></html>"] {
        Talk::new()
            .client(GET.repeat(2))
            .app(answer)
            .closes()
            .counts(&[])
            .drops(2)
            .stops_reading("http1 malformed_response")
            .meters_tcp(0, answer.len() as u64, "-");
    }
}

#[test]
fn an_answer_with_a_clear_status_and_unclear_end_counts_by_its_status() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    Talk::new()
        .client(GET.repeat(2))
        .app(format!("{both}0\r\n\r\n"))
        .closes()
        .counts(&["200 -"])
        .drops(1)
        .stops_reading("http1 ambiguous_response_length")
        .meters_tcp(0, 5, "-");
    Talk::new()
        .client(GET)
        .app("HTTP/1.1 200 OK\r\nbad field\r\n\r\nx")
        .closes()
        .counts(&["200 UPE"])
        .stops_reading("http1 malformed_response")
        .meters_tcp(0, 1, "-");
    Talk::new()
        .client(GET)
        .app("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz")
        .closes()
        .counts(&["200 UPE"])
        .stops_reading("http1 malformed_response_chunk")
        .meters_tcp(0, 3, "-");
}

#[test]
fn an_answer_whose_lines_end_in_lf_alone_has_its_status() {
    let lf = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
    let later = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\nA: b\n\nok";
    for (answer, counted) in [(lf, "200 UPE"), (later, "404 UPE")] {
        Talk::new()
            .client(GET)
            .app(answer)
            .app_finishes()
            .closes()
            .counts(&[counted])
            .stops_reading("http1 malformed_response");
    }
    // In a body it means nothing.
    let body = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\nb\nc";
    Talk::new().client(GET).app(body).closes().counts(&["200 -"]);
}

#[test]
fn a_server_of_plain_http_that_answers_another_protocol_has_answered() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    Talk::new()
        .client(preface)
        .app(BAD)
        .closes()
        .counts(&["400 DPE"])
        .stops_reading("http2 answered_in_http1");
    let hello = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    Talk::new()
        .client(hello)
        .app(BAD)
        .closes()
        .counts(&["400 DPE"])
        .stops_reading("http1 malformed_request");
}
