//! CONNECT and what it opens.

use crate::exchanges::open;
use crate::wire::*;

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
