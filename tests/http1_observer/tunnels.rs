//! Offers to leave HTTP: accepted, declined, and what the client sends ahead.

use crate::talk::{Talk, passed_at};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const UPGRADE: &str = "GET /to HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tunnel\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tunnel\r\n\r\n";
const CONNECT: &str = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";

#[test]
fn an_accepted_upgrade_is_one_exchange_and_then_tcp() {
    let told = Talk::new()
        .client(UPGRADE)
        .app(SWITCH)
        .client("frame")
        .app("HTTP/1.1 200 OK\r\n\r\n")
        .client(GET)
        .closes()
        .counts(&["101 -"])
        .meters_tcp(5 + GET.len() as u64, 19, "-")
        .stops_reading("");
    assert_eq!(told.exchange(0).ended, passed_at(1));
    assert_eq!(told.exchange(0).request_bytes, UPGRADE.len() as u64);
    assert_eq!(told.exchange(0).response_bytes, SWITCH.len() as u64);
}

#[test]
fn bytes_on_either_side_of_a_switch_belong_to_the_tunnel() {
    Talk::new()
        .client(format!("{UPGRADE}ahead"))
        .client("more")
        .app(format!("{SWITCH}at once"))
        .client_resets()
        .counts(&["101 -"])
        .meters_tcp(9, 7, "DC")
        .drops(0);
}

#[test]
fn an_upgrade_may_come_after_other_exchanges_and_behind_them() {
    Talk::new()
        .client(GET)
        .app(OK)
        .client(format!("{GET}{UPGRADE}ahead"))
        .app(OK)
        .app(SWITCH)
        .app("x")
        .closes()
        .counts(&["200 -", "200 -", "101 -"])
        .meters_tcp(5, 1, "-");
}

#[test]
fn after_a_declined_upgrade_the_bytes_behind_it_are_read_as_http() {
    Talk::new()
        .client(format!("{UPGRADE}{GET}GET /b HTTP/1.1\r\n"))
        .app("HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\n")
        .client("\r\n")
        .app("no")
        .app(OK)
        .app("HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n")
        .closes()
        .counts_only(&["426 -", "200 -", "202 -"]);
}

#[test]
fn a_declined_upgrade_with_a_body_is_an_ordinary_request() {
    let offer =
        "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n";
    let talk = || Talk::new().client(format!("{offer}bo"));
    talk().client("dy").client(GET).app(OK).app(OK).closes().counts_only(&["200 -", "200 -"]);
    // Declined while the body is still coming.
    talk().app(OK).client("dy").client(GET).app(OK).closes().counts_only(&["200 -", "200 -"]);
    // Accepted, with and without the rest of the body.
    talk().client("dyahead").app(SWITCH).closes().counts(&["101 -"]).meters_tcp(5, 0, "-");
    talk().app(SWITCH).client("dy").closes().counts(&["101 -"]).meters_tcp(2, 0, "-");
}

#[test]
fn an_offer_behind_an_answer_that_is_on_its_way_still_waits_for_its_own() {
    let offer =
        "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n";
    Talk::new()
        .client(format!("{GET}{offer}"))
        .app("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        .client("body\0\0\x04\x01")
        .app("llo")
        .app(SWITCH)
        .closes()
        .counts(&["200 -", "101 -"])
        .meters_tcp(4, 0, "-")
        .stops_reading("");
}

#[test]
fn an_offer_in_the_last_request_leaves_no_room_for_another() {
    let offer = "GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n";
    Talk::new().client(format!("{offer}{GET}")).app(OK).closes().counts_only(&["200 -"]);
    let with_body = offer.replace("\r\n\r\n", "\r\nContent-Length: 4\r\n\r\nbody");
    Talk::new().client(format!("{with_body}{GET}")).app(OK).closes().counts_only(&["200 -"]);
}

#[test]
fn an_upgrade_field_that_the_connection_does_not_name_is_no_offer() {
    let mentioned = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    Talk::new()
        .client(format!("{mentioned}{GET}"))
        .app(OK)
        .app(OK)
        .closes()
        .counts_only(&["200 -", "200 -"]);
}

#[test]
fn a_declined_offer_with_something_unreadable_behind_it_is_tcp_from_there() {
    Talk::new()
        .client(format!("{UPGRADE}\x01\x02\r\n\r\n"))
        .app(OK)
        .app("more")
        .closes()
        .counts(&["200 -"])
        .stops_reading("http1 malformed_request")
        .meters_tcp(6, 9, "-");
}

#[test]
fn an_accepted_connect_is_one_exchange_and_then_tcp() {
    Talk::new()
        .client(format!("{CONNECT}hello"))
        .app("HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\nthere")
        .client(GET)
        .app(OK)
        .closes()
        .counts(&["200 -"])
        .meters_tcp(5 + GET.len() as u64, 5 + OK.len() as u64, "-");
}

#[test]
fn after_a_declined_connect_the_bytes_behind_it_are_read_as_http() {
    let declined = "HTTP/1.1 405 No\r\nContent-Length: 2\r\n\r\nno";
    Talk::new()
        .client(format!("{CONNECT}{GET}"))
        .app(declined)
        .app(OK)
        .closes()
        .counts_only(&["405 -", "200 -"]);
    let with_body = CONNECT.replace("\r\n\r\n", "\r\nContent-Length: 4\r\n\r\nbody");
    Talk::new()
        .client(format!("{with_body}{GET}"))
        .app(declined)
        .app(OK)
        .closes()
        .counts_only(&["405 -", "200 -"]);
}

#[test]
fn an_app_that_switches_unasked_has_switched() {
    Talk::new()
        .client(GET.repeat(2))
        .app(format!("{SWITCH}x"))
        .closes()
        .counts(&["101 -"])
        .drops(1)
        .meters_tcp(0, 1, "-");
}

#[test]
fn an_offer_that_is_never_answered_is_given_up_like_any_request() {
    Talk::new().client(UPGRADE).app_resets().counts_only(&["503 UC"]);
    Talk::new().client(format!("{CONNECT}ahead")).client_resets().counts_only(&["0 DC"]);
    Talk::new().client(UPGRADE).refused().counts_only(&["503 UF"]);
}
