//! Exchanges that come to an orderly end.

use crate::talk::{Talk, at, passed_at};
use crate::wire::*;
use podmeter::observe::host::HostId;
use podmeter::observe::path::PathId;
use podmeter::observe::{Method, Version};

/// A connection on which both sides have said their SETTINGS: steps 0 and 1.
pub(crate) fn open() -> Talk {
    Talk::new().client(hello()).app(hello_back())
}

#[test]
fn a_request_and_its_answer_are_one_exchange() {
    let answer = [status(1, 0, "200"), data(1, 0, "hello, "), data(1, END_STREAM, "world")];
    let told = open().client(get(1)).app(answer.concat()).closes().counts_only(&["200 -"]);
    let exchange = told.exchange(0);
    assert_eq!(exchange.request_bytes, get(1).len() as u64);
    assert_eq!(exchange.response_bytes, answer.concat().len() as u64);
    assert_eq!(exchange.host, HostId(0));
    assert_eq!(exchange.started, at(2));
    assert_eq!(exchange.first_byte, Some(passed_at(3)));
    assert_eq!(exchange.ended, passed_at(3));
}

#[test]
fn a_request_is_told_by_its_method_and_its_path_however_that_is_written() {
    let ask = |stream, path| {
        let fields = [(":method", "POST"), (":scheme", "http"), (":path", path)];
        headers(stream, END_STREAM, &fields)
    };
    // `/` is in the static table; the others are literals.
    let paths = ["/", "/users/7?q=/", "/orders/1", "/orders/2", "/gone"];
    let asks: Vec<u8> = (1..).step_by(2).zip(paths).flat_map(|(id, path)| ask(id, path)).collect();
    let answers: Vec<u8> =
        (1..10).step_by(2).flat_map(|id| status(id, END_STREAM, "200")).collect();
    let told = open().client(asks).app(answers).closes();
    let seen = |index| {
        let exchange = told.exchange(index);
        assert_eq!((exchange.method, exchange.version), (Method::Post, Version::Http2));
        exchange.path
    };
    let learned = seen(2);
    assert_eq!([seen(0), seen(1)], [PathId(1), PathId(0)]);
    assert!(learned != PathId::OTHER && seen(3) == learned && seen(4) != learned);
}

#[test]
fn streams_are_answered_in_any_order_and_each_for_itself() {
    let told = open()
        .client([get(1), post(3), data(3, 0, "half"), get(5)].concat())
        .app([status(5, END_STREAM, "404"), status(1, 0, "200")].concat())
        .client(data(3, END_STREAM, " and half"))
        .app([status(3, END_STREAM, "201"), data(1, 0, "one")].concat())
        .app(data(1, END_STREAM, ""))
        .closes()
        .counts_only(&["404 -", "201 -", "200 -"]);
    assert_eq!(told.exchange(0).ended, passed_at(3));
    assert_eq!(told.exchange(1).ended, passed_at(5));
    assert_eq!(told.exchange(2).ended, passed_at(6));
    assert_eq!(told.exchange(2).first_byte, Some(passed_at(3)));
    let body = [data(3, 0, "half"), data(3, END_STREAM, " and half")].concat();
    assert_eq!(told.exchange(1).request_bytes, (post(3).len() + body.len()) as u64);
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    let told = open()
        .client(post(1))
        .app(status(1, 0, "100"))
        .client(data(1, END_STREAM, "body"))
        .app(status(1, 0, "103"))
        .app(status(1, END_STREAM, "204"))
        .closes()
        .counts_only(&["204 -"]);
    assert_eq!(told.exchange(0).first_byte, Some(passed_at(6)));
}

#[test]
fn trailers_end_a_request_and_an_answer() {
    let asks = [post(1), data(1, 0, "body"), trailers(1, &[("checksum", "1")])].concat();
    let answers = [status(1, 0, "200"), data(1, 0, "body"), trailers(1, &[("x", "y")])].concat();
    let told = open().client(&asks).app(&answers).closes().counts_only(&["200 -"]);
    assert_eq!(told.exchange(0).request_bytes, asks.len() as u64);
    assert_eq!(told.exchange(0).response_bytes, answers.len() as u64);
}

#[test]
fn an_answer_may_come_before_the_request_is_complete() {
    open()
        .client([post(1), data(1, 0, "half")].concat())
        .app([status(1, END_STREAM, "413"), reset(1, NO_ERROR)].concat())
        .client([data(1, END_STREAM, "on its way"), get(3)].concat())
        .app(status(3, END_STREAM, "200"))
        .closes()
        .counts_only(&["413 -", "200 -"]);
}

#[test]
fn padding_priority_and_continuations_are_what_they_are() {
    let head = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]);
    let more = block(&[(":authority", "shop"), ("accept", "*/*")]);
    let padded = [&[3], &[0, 0, 0, 0, 200][..], &head, &[0; 3]].concat();
    let request = [
        frame(HEADERS, END_STREAM | PADDED | WITH_PRIORITY, 1, &padded),
        frame(CONTINUATION, 0, 1, &more[..4]),
        frame(CONTINUATION, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, &more[4..]),
    ]
    .concat();
    let answer = [
        frame(
            HEADERS,
            END_HEADERS | PADDED,
            1,
            &[&[0], &block(&[(":status", "200")])[..]].concat(),
        ),
        frame(DATA, PADDED, 1, b"\x05hello....."),
        frame(DATA, PADDED, 1, b"\0"),
        frame(DATA, PADDED | END_STREAM, 1, b"\x02.."),
    ]
    .concat();
    let told = open().client(&request).app(&answer).closes().counts_only(&["200 -"]);
    assert_eq!(told.exchange(0).host, HostId(0));
    assert_eq!(told.exchange(0).request_bytes, request.len() as u64);
    assert_eq!(told.exchange(0).response_bytes, answer.len() as u64);
}

#[test]
fn frames_that_are_about_no_exchange_change_nothing() {
    let others = [
        frame(PING, 0, 0, b"12345678"),
        frame(PING, ACK, 0, b"12345678"),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
        frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]),
        frame(PRIORITY, 0, 7, &[0, 0, 0, 1, 16]),
        frame(0xbe, 0xff, 0, b"what is not known is ignored"),
        frame(0x10, 0, 0, b"\0\0\0\x01u=1"),
    ]
    .concat();
    let told = open()
        .client([get(1), others.clone()].concat())
        .app([others.clone(), status(1, 0, "200"), others, data(1, END_STREAM, "")].concat())
        .closes()
        .counts_only(&["200 -"]);
    let answer = [status(1, 0, "200"), data(1, 0, "")].concat();
    assert_eq!(told.exchange(0).response_bytes, answer.len() as u64);
}

#[test]
fn what_is_in_the_dynamic_table_is_known_by_its_index() {
    let first = indexed_block(&[(":authority", "shop"), ("x", "y")]);
    let rest = [0x82, 0x86, 0x84]; // GET, http, /
    let told = open()
        .client(frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&rest[..], &first].concat()))
        .app(frame(HEADERS, END_HEADERS | END_STREAM, 1, &indexed_block(&[(":status", "418")])))
        .client(frame(HEADERS, END_HEADERS | END_STREAM, 3, &[&rest[..], &[0xbf, 0xbe]].concat()))
        .app(frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0xbe]))
        .closes()
        .counts_only(&["418 -", "418 -"]);
    assert_eq!(told.exchange(1).host, HostId(0));
}

#[test]
fn a_table_that_one_side_has_resized_is_followed() {
    const HEADER_TABLE_SIZE: u16 = 1;
    let get = |stream, block: &[u8]| {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &[&[0x82, 0x86, 0x84], block].concat())
    };
    let teapot = frame(HEADERS, END_HEADERS | END_STREAM, 1, &indexed_block(&[(":status", "418")]));
    // The client asks for an empty table while an answer is on its way: what that says is still
    // about the old one, and what comes after the acknowledgement must begin with the new size.
    Talk::new()
        .client(hello())
        .app([hello_back(), settings(&[])].concat())
        .client([settings_ack(), settings_ack(), get(1, b""), get(3, b""), get(5, b"")].concat())
        .client(settings(&[(HEADER_TABLE_SIZE, 0)]))
        .app([teapot, frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0xbe])].concat())
        .app([settings_ack(), frame(HEADERS, END_HEADERS | END_STREAM, 5, &[0x20, 0x88])].concat())
        .client(get(7, b""))
        .app(frame(HEADERS, END_HEADERS | END_STREAM, 7, &[0xbe]))
        .closes()
        .counts(&["418 -", "418 -", "200 -"])
        .drops(1)
        .stops_reading("http2 malformed_header_block");
}

#[test]
fn what_is_pushed_is_followed_and_not_counted() {
    let promised =
        [2_u32.to_be_bytes().as_slice(), &indexed_block(&[(":path", "/style")])].concat();
    open()
        .client(get(1))
        .app(
            [
                frame(PUSH_PROMISE, END_HEADERS, 1, &promised),
                frame(HEADERS, END_HEADERS, 2, &indexed_block(&[(":status", "418")])),
                data(2, 0, "pushed"),
                // 62 is the newest entry, that of the pushed answer.
                frame(HEADERS, END_HEADERS, 1, &[0xbe]),
                data(2, END_STREAM, ""),
                data(1, END_STREAM, ""),
            ]
            .concat(),
        )
        .client(reset(2, CANCEL))
        .closes()
        .counts_only(&["418 -"]);
}

#[test]
fn the_app_may_speak_first() {
    Talk::new()
        .app(settings(&[(3, 100)]))
        .client([hello(), settings_ack(), get(1)].concat())
        .app([settings_ack(), status(1, END_STREAM, "200")].concat())
        .closes()
        .counts_only(&["200 -"]);
    let (half, rest) = (&hello()[..10], &hello()[10..]);
    Talk::new()
        .client(half)
        .app(&settings(&[(3, 100)])[..7])
        .client(rest)
        .app(&settings(&[(3, 100)])[7..])
        .client(get(1))
        .app(status(1, END_STREAM, "200"))
        .closes()
        .counts_only(&["200 -"]);
}

#[test]
fn a_long_frame_is_read_if_the_other_side_takes_it() {
    const MAX_FRAME_SIZE: u16 = 5;
    let long = data(1, END_STREAM, vec![b'x'; 20_000]);
    Talk::new()
        .client([PREFACE, &settings(&[(MAX_FRAME_SIZE, 32_768)]), &get(1)].concat())
        .app([hello_back(), status(1, 0, "200"), long.clone()].concat())
        .closes()
        .counts_only(&["200 -"]);
    open()
        .client(get(1))
        .app([status(1, 0, "200"), long].concat())
        .closes()
        .counts(&[])
        .drops(1)
        .stops_reading("http2 frame_too_large");
}
