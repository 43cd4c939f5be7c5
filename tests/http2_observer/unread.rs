//! What breaks HTTP/2: the connection is metered as TCP from there, and what was in flight is not
//! counted as anything.

use crate::exchanges::open;
use crate::talk::Talk;
use crate::wire::*;

/// That `broken`, said by the client while a request is in flight, ends the reading.
#[track_caller]
fn client_breaks(broken: &[u8], understood: usize, reason: &str) {
    let rest = b"whatever";
    let received = (broken.len() - understood + rest.len()) as u64;
    open()
        .client([get(1), get(3)].concat())
        .app(status(1, END_STREAM, "200"))
        .client([broken, rest].concat())
        .app(goaway(3, 1))
        .closes()
        .counts(&["200 -"])
        .drops(1)
        .meters_tcp(received, goaway(3, 1).len() as u64, "-")
        .stops_reading(&format!("http2 {reason}"));
}

#[track_caller]
fn app_breaks(broken: &[u8], understood: usize, reason: &str) {
    open()
        .client([get(1), get(3)].concat())
        .app([&status(1, END_STREAM, "200"), broken, b"whatever"].concat())
        .closes()
        .counts(&["200 -"])
        .drops(1)
        .meters_tcp(0, (broken.len() - understood + 8) as u64, "-")
        .stops_reading(&format!("http2 {reason}"));
}

#[test]
fn frames_where_none_of_their_kind_may_stand() {
    let head = 9;
    for broken in [
        frame(DATA, 0, 0, b""),
        frame(DATA, 0, 9, b""),
        frame(HEADERS, END_HEADERS, 0, b""),
        frame(CONTINUATION, END_HEADERS, 3, b""),
        frame(RST_STREAM, 0, 0, &[0; 4]),
        frame(RST_STREAM, 0, 9, &[0; 4]),
        frame(SETTINGS, 0, 1, b""),
        frame(GOAWAY, 0, 1, &[0; 8]),
        frame(PING, 0, 1, &[0; 8]),
        frame(PRIORITY, 0, 0, &[0; 5]),
    ] {
        client_breaks(&broken, head, "unexpected_frame");
        app_breaks(&broken, head, "unexpected_frame");
    }
    // More of a request that is complete, and an answer's content before its head.
    client_breaks(&data(3, 0, "more"), head, "unexpected_frame");
    client_breaks(
        &trailers(3, &[("x", "y")]),
        trailers(3, &[("x", "y")]).len(),
        "unexpected_frame",
    );
    app_breaks(&data(3, 0, "more"), head, "unexpected_frame");
    let again = [status(3, 0, "200"), status(3, 0, "200")].concat();
    app_breaks(&again, again.len(), "unexpected_frame");
    client_breaks(&frame(HEADERS, END_HEADERS, 2, b""), head, "unexpected_frame");
    app_breaks(&status(5, 0, "200"), status(5, 0, "200").len(), "unexpected_frame");
    let promise = [2_u32.to_be_bytes().as_slice(), &block(&[(":path", "/")])].concat();
    let promise = frame(PUSH_PROMISE, END_HEADERS, 1, &promise);
    client_breaks(&promise, promise.len(), "unexpected_frame");
    app_breaks(&[promise.clone(), promise.clone()].concat(), 2 * promise.len(), "unexpected_frame");
    // Both have acknowledged nothing but what was said.
    app_breaks(&settings_ack(), head, "unexpected_frame");
    client_breaks(&[settings_ack(), settings_ack()].concat(), 2 * head, "unexpected_frame");
}

#[test]
fn frames_that_are_not_what_their_kind_demands() {
    let head = 9;
    for broken in [
        frame(RST_STREAM, 0, 3, &[0; 3]),
        frame(SETTINGS, 0, 0, &[0; 7]),
        frame(SETTINGS, ACK, 0, &[0; 6]),
        frame(GOAWAY, 0, 0, &[0; 7]),
        frame(PING, 0, 0, &[0; 7]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 5]),
        frame(PRIORITY, 0, 3, &[0; 4]),
    ] {
        client_breaks(&broken, head, "malformed_frame");
        app_breaks(&broken, head, "malformed_frame");
    }
    for whole in [
        settings(&[(5, 16_383)]),
        settings(&[(5, 1 << 24)]),
        frame(HEADERS, END_HEADERS | PADDED, 5, b"\x02x"),
        frame(HEADERS, END_HEADERS | PADDED, 5, b""),
        frame(HEADERS, END_HEADERS | WITH_PRIORITY, 5, b"1234"),
    ] {
        client_breaks(&whole, whole.len(), "malformed_frame");
    }
    client_breaks(&frame(DATA, PADDED, 3, b"\x02x"), head + 1, "malformed_frame");
    client_breaks(&frame(DATA, PADDED, 3, b""), head, "malformed_frame");
    app_breaks(&frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0"), head + 3, "malformed_frame");
}

#[test]
fn nothing_comes_between_the_frames_of_a_header_block() {
    let half = frame(HEADERS, END_STREAM, 5, &block(&[(":method", "GET")]));
    for between in [frame(PING, 0, 0, b"12345678"), frame(CONTINUATION, END_HEADERS, 3, b"")] {
        let broken = [half.clone(), between].concat();
        client_breaks(&broken, half.len() + 9, "unexpected_frame");
    }
}

#[test]
fn header_blocks_that_hpack_cannot_read() {
    let broken = frame(HEADERS, END_HEADERS | END_STREAM, 5, &[0xff]);
    client_breaks(&broken, broken.len(), "malformed_header_block");
    let broken = frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0xbe]);
    app_breaks(&broken, broken.len(), "malformed_header_block");
    // Also of a stream that nobody waits for any more, and of trailers.
    let broken = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xbe]);
    app_breaks(&broken, broken.len(), "malformed_header_block");
}

#[test]
fn an_answer_without_a_status_or_with_two() {
    for head in [
        headers(3, 0, &[("x", "y")]),
        headers(3, 0, &[(":status", "20")]),
        headers(3, 0, &[(":status", "200"), (":status", "200")]),
        headers(3, END_STREAM, &[(":status", "100")]),
    ] {
        app_breaks(&head, head.len(), "malformed_response");
    }
}

#[test]
fn what_does_not_begin_with_settings_is_not_http2() {
    Talk::new()
        .client([PREFACE, &get(1)].concat())
        .closes()
        .counts(&[])
        .meters_tcp((get(1).len() - 9) as u64, 0, "-")
        .stops_reading("http2 malformed_request");
    Talk::new()
        .client("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        .app("?")
        .closes()
        .counts(&[])
        .meters_tcp(6, 1, "-")
        .stops_reading("http2 malformed_request");
    Talk::new()
        .client([hello(), get(1)].concat())
        .app(settings_ack())
        .closes()
        .counts(&[])
        .drops(1)
        .meters_tcp(0, 0, "-")
        .stops_reading("http2 malformed_response");
    Talk::new()
        .client([hello(), get(1)].concat())
        .app("no, thanks")
        .closes()
        .counts(&[])
        .drops(1)
        .stops_reading("http2 frame_too_large");
}

#[test]
fn an_app_that_answers_in_http1_has_answered() {
    let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n";
    let asked = [hello(), get(1)].concat();
    let told = Talk::new()
        .client(&asked)
        .app(answer)
        .closes()
        .counts(&["400 DPE"])
        .drops(1)
        .meters_tcp(asked.len() as u64, answer.len() as u64, "-")
        .stops_reading("http2 answered_in_http1");
    assert_eq!(told.exchange(0).request_bytes, asked.len() as u64);
    // Also to what is not even HTTP/2.
    Talk::new()
        .client("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        .app(answer)
        .closes()
        .counts(&["400 DPE"])
        .stops_reading("http2 malformed_request");
}

#[test]
fn a_server_that_speaks_first_but_not_http2_stays_unread() {
    for greeting in ["220 mail\r\n".as_bytes(), b"\0\0\x06\x04\x01", b"\0"] {
        Talk::new()
            .app(greeting)
            .client("GET / HTTP/1.1\r\n\r\n")
            .app("HTTP/1.1 200 OK\r\n\r\n")
            .closes()
            .counts(&[])
            .meters_tcp(18, greeting.len() as u64 + 19, "-")
            .stops_reading("");
    }
    Talk::new().app(b"\0\0\x06").closes().counts(&[]).meters_tcp(0, 3, "-");
}
