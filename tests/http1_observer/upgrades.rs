//! `WebSocket` and gRPC-Web over HTTP/1, and what a connection is taken to speak.

use crate::talk::Talk;
use podmeter::observe::host::HostId;
use podmeter::observe::tls::{Alpn, Tls, TlsVersion};

const OFFER: &str = "GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: WebSocket\r\n\r\n";

#[test]
fn a_websocket_is_an_exchange_that_is_over_and_frames_that_follow() {
    let hello = b"\x81\x82\0\0\0\0hi";
    let bye = b"\x88\x82\0\0\0\0\x03\xe8";
    let told = Talk::new()
        .client(OFFER)
        .app([AGREED.as_bytes(), b"\x82\x01x"].concat())
        .client(hello)
        .app(b"\x89\0")
        .client([&hello[..], &bye[..]].concat())
        .app(b"\x88\x02\x03\xe8")
        .closes()
        .counts(&["101 -"])
        .meters_tcp(24, 9, "-")
        .stops_reading("")
        .sees_websocket(&[
            "opened",
            "app binary",
            "client text",
            "app ping",
            "client text",
            "client close",
            "app close",
            "closed 1000",
        ]);
    assert_eq!(told.exchange(0).ended, crate::talk::passed_at(1));
    Talk::new()
        .client([OFFER.as_bytes(), hello].concat())
        .app(AGREED)
        .client_resets()
        .counts(&["101 -"])
        .meters_tcp(8, 0, "DC")
        .sees_websocket(&["opened", "client text", "closed 1006"]);
}

#[test]
fn what_is_no_frame_is_said_to_be_none() {
    Talk::new()
        .client(OFFER)
        .app([AGREED, "not a frame"].concat())
        .client("neither")
        .closes()
        .counts(&["101 -"])
        .meters_tcp(7, 11, "-")
        .stops_reading("websocket malformed_frame")
        .sees_websocket(&["opened", "closed 1006"]);
}

#[test]
fn another_protocol_or_none_is_no_websocket() {
    Talk::new()
        .client(OFFER)
        .app("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n")
        .closes()
        .counts(&["101 -"])
        .sees_websocket(&[]);
    Talk::new()
        .client(OFFER)
        .app("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        .closes()
        .counts_only(&["403 -"])
        .sees_websocket(&[]);
}

const CALL: &str = "POST /shop.Cart/Add HTTP/1.1\r\nHost: shop\r\n\
    Content-Type: application/grpc-web+proto\r\nContent-Length: 8\r\n\r\n\0\0\0\0\x03abc";

#[test]
fn a_grpc_web_call_ends_with_the_trailers_in_its_body() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        7\r\n\0\0\0\0\x03ab\r\n6\r\nc\0\0\0\0\0\r\n\
        15\r\n\u{0}\0\0\0\x10grpc-status: 7\r\n\r\n0\r\n\r\n";
    // The flag of trailers is no character.
    let place = answer.rfind("\0\0\0\0\x10").expect("it is there");
    let mut answer = answer.as_bytes().to_vec();
    answer[place] = 0x80;
    Talk::new()
        .client(CALL)
        .app(answer)
        .client(CALL)
        .app("HTTP/1.1 200 OK\r\ngrpc-status: 16\r\nContent-Length: 0\r\n\r\n")
        .client(CALL)
        .app("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n")
        .client("GET / HTTP/1.1\r\n\r\n")
        .app("HTTP/1.1 200 OK\r\ngrpc-status: 16\r\nContent-Length: 0\r\n\r\n")
        .client(CALL)
        .client_resets()
        .counts_only(&["200 -", "200 -", "503 -", "200 -", "0 DC"])
        .calls(&["grpc 7", "grpc 16", "grpc 14", "http", "grpc "])
        .carries_messages(4, 2);
}

#[test]
fn what_a_connection_speaks_is_known_by_its_first_bytes() {
    Talk::new().client("GET / HTTP/1.1\r\n\r\n").closes().speaks("http1");
    Talk::new().client("PRI * HTTP/2.0\r\n\r\n").closes().speaks("http2");
    Talk::new().client("*1\r\n$4\r\nPING\r\n").closes().speaks("tcp");
    Talk::new().client("GE").closes().speaks("tcp");
    Talk::new().client("GE").app("?").closes().speaks("tcp");
    Talk::new().app("220 mail\r\n").closes().speaks("server_first");
    Talk::new().app("\0\0").closes().speaks("server_first");
    Talk::new().app("\0\0").client("GET / HTTP/1.1\r\n\r\n").closes().speaks("server_first");
    Talk::new().client_resets().speaks("none");
}

/// A client hello for `shop` that would like HTTP/2.
fn hello() -> Vec<u8> {
    let extensions = [
        b"\0\0\0\x09\0\x07\0\0\x04shop".as_slice(),
        b"\0\x10\0\x05\0\x03\x02h2",
        b"\0\x2b\0\x03\x02\x03\x04",
    ]
    .concat();
    let body = [
        b"\x03\x03".as_slice(),
        &[9; 32],
        b"\0\0\x02\x13\x01\x01\0\0",
        &[u8::try_from(extensions.len()).expect("it is short")],
        &extensions,
    ]
    .concat();
    let length = u8::try_from(body.len()).expect("it is short");
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], body.as_slice()].concat()
}

#[test]
fn a_client_hello_tells_what_the_client_asks_for() {
    let asked = Tls { server_name: Some(HostId(0)), alpn: Alpn::H2, version: TlsVersion::Tls13 };
    let (whole, length) = (hello(), hello().len() as u64);
    Talk::new()
        .client([&whole[..], b"more"].concat())
        .app([22, 3, 3, 0, 90, 2])
        .closes()
        .counts(&[])
        .meters_tcp(length + 4, 6, "-")
        .speaks("tls")
        .greets(Some(asked));
    Talk::new()
        .client(&whole[..20])
        .client(&whole[20..])
        .app_resets()
        .meters_tcp(length, 0, "UC")
        .greets(Some(asked));
    // Without a whole one, nothing is claimed but that it is TLS.
    Talk::new().client(&whole[..20]).closes().meters_tcp(20, 0, "-").greets(Some(Tls::default()));
    Talk::new()
        .client(&whole[..20])
        .app([21, 3, 3, 0, 2, 2, 40])
        .client(&whole[20..])
        .closes()
        .meters_tcp(length, 7, "-")
        .greets(Some(Tls::default()));
    Talk::new().client("SSH-2.0-x\r\n").closes().greets(None);
}
