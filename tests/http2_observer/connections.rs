//! CONNECT and what it opens, and HTTP/2 that began as HTTP/1.

use crate::exchanges::open;
use crate::talk::{Talk, at, passed_at};
use crate::wire::*;
use podmeter::observe::host::HostId;

#[test]
fn a_tunnel_is_an_exchange_when_it_is_there_and_none_after() {
    let connect = headers(1, 0, &[(":method", "CONNECT"), (":authority", "shop:443")]);
    let told = open()
        .client(&connect)
        .app(status(1, 0, "200"))
        .client([data(1, 0, "up"), get(3)].concat())
        .app([data(1, 0, "down"), status(3, END_STREAM, "204")].concat())
        .client(data(1, END_STREAM, ""))
        .app(data(1, END_STREAM, ""))
        .closes()
        .counts_only(&["200 -", "204 -"]);
    assert_eq!(told.exchange(0).response_bytes, status(1, 0, "200").len() as u64);
}

#[test]
fn a_tunnel_that_is_refused_is_a_request_like_any() {
    let connect = headers(1, 0, &[(":method", "CONNECT"), (":authority", "shop:443")]);
    open()
        .client(&connect)
        .app([status(1, 0, "403"), data(1, END_STREAM, "no")].concat())
        .closes()
        .counts_only(&["403 -"]);
}

/// A frame of `WebSocket` (RFC 6455, 5.2), masked as a client's must be.
fn asked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("it is short");
    let masked = payload.iter().map(|byte| byte ^ 7);
    [0x80 | opcode, 0x80 | length, 7, 7, 7, 7].into_iter().chain(masked).collect()
}

fn answered(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, u8::try_from(payload.len()).expect("it is short")], payload].concat()
}

#[test]
fn websocket_in_a_stream_is_followed_apart_from_its_exchange() {
    let fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "shop")];
    let told = open()
        .client(headers(1, 0, &fields))
        .app([status(1, 0, "200"), data(1, 0, answered(1, b"welcome"))].concat())
        .client(
            [data(1, 0, &asked(1, b"hello")[..4]), data(1, 0, &asked(1, b"hello")[4..])].concat(),
        )
        .app(data(1, 0, answered(9, b"")))
        .client([data(1, 0, asked(10, b"")), data(1, END_STREAM, asked(8, b"\x03\xe9"))].concat())
        .app(data(1, END_STREAM, answered(8, b"\x03\xe9")))
        .closes()
        .counts_only(&["200 -"])
        .sees_websocket(&[
            "opened",
            "app text",
            "client text",
            "app ping",
            "client pong",
            "client close",
            "app close",
            "closed 1001",
        ]);
    assert_eq!(told.exchange(0).ended, passed_at(3));
    let begun = || open().client(headers(1, 0, &fields)).app(status(1, 0, "200"));
    begun().client(reset(1, CANCEL)).closes().sees_websocket(&["opened", "closed 1006"]);
    begun().app_resets().counts_only(&["200 -"]).sees_websocket(&["opened", "closed 1006"]);
    // What is no frame ends the reading of this stream alone.
    begun()
        .client([data(1, 0, answered(1, b"unmasked")), get(3)].concat())
        .app(status(3, END_STREAM, "204"))
        .closes()
        .counts_only(&["200 -", "204 -"])
        .sees_websocket(&["opened", "closed 1006"]);
}

const OFFER: &str = "GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade, HTTP2-Settings\r\n\
    Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
const AGREED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

#[test]
fn a_request_that_offers_http2_is_answered_there() {
    let answer = [status(1, 0, "404"), data(1, END_STREAM, "no")].concat();
    let told = Talk::new()
        .client(OFFER)
        .app([AGREED.as_bytes(), &settings(&[])].concat())
        .client([hello(), settings_ack(), get(3)].concat())
        .app([settings_ack(), answer.clone(), status(3, END_STREAM, "200")].concat())
        .closes()
        .counts_only(&["404 -", "200 -"])
        .speaks("http1");
    let exchange = told.exchange(0);
    assert_eq!((exchange.host, exchange.started), (HostId(0), at(0)));
    assert_eq!(exchange.request_bytes, OFFER.len() as u64);
    assert_eq!(exchange.response_bytes, (AGREED.len() + answer.len()) as u64);
    assert_eq!(exchange.first_byte, Some(passed_at(3)));
    // A client may send the preface with the offer.
    Talk::new()
        .client([OFFER.as_bytes(), &hello(), &get(3)].concat())
        .app([AGREED.as_bytes(), &hello_back(), &answer, &status(3, END_STREAM, "200")].concat())
        .closes()
        .counts_only(&["404 -", "200 -"]);
    Talk::new()
        .client(OFFER)
        .app([AGREED.as_bytes(), &settings(&[])].concat())
        .app_resets()
        .counts_only(&["503 UC"]);
}

#[test]
fn an_offer_that_is_declined_or_agreed_to_in_another_way_is_what_it_was() {
    Talk::new()
        .client([OFFER, "GET / HTTP/1.1\r\n\r\n"].concat())
        .app("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(2))
        .closes()
        .counts_only(&["200 -", "200 -"]);
    let other = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    Talk::new()
        .client(OFFER)
        .app(other)
        .client("hi")
        .closes()
        .counts(&["101 -"])
        .meters_tcp(2, 0, "-");
}
