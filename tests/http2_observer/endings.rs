//! Exchanges that are broken off, by one side, for a stream or for all.

use crate::exchanges::open;
use crate::talk::{Talk, passed_at};
use crate::wire::*;

#[test]
fn a_stream_that_the_app_resets_is_ur() {
    let told = open()
        .client([get(1), get(3)].concat())
        .app([reset(1, INTERNAL_ERROR), status(3, 0, "200"), data(3, 0, "half")].concat())
        .app(reset(3, INTERNAL_ERROR))
        .client(get(5))
        .app(status(5, END_STREAM, "200"))
        .closes()
        .counts_only(&["503 UR", "200 UR", "200 -"]);
    assert_eq!(told.exchange(0).ended, passed_at(3));
    assert_eq!(told.exchange(1).ended, passed_at(4));
}

#[test]
fn a_stream_that_the_client_resets_is_dc_whether_or_not_a_status_came() {
    open()
        .client([get(1), post(3), get(5)].concat())
        .app([status(3, 0, "200"), status(5, END_STREAM, "200")].concat())
        .client([reset(1, CANCEL), data(3, 0, "x"), reset(3, CANCEL), reset(5, CANCEL)].concat())
        .app([status(1, END_STREAM, "200"), data(3, END_STREAM, "late")].concat())
        .closes()
        .counts_only(&["200 -", "0 DC", "200 DC"]);
}

#[test]
fn streams_in_flight_when_the_app_leaves_are_broken_off_by_it() {
    let begun = || open().client([get(1), get(3), get(5)].concat()).app(status(3, 0, "200"));
    let expected = ["503 UC", "200 UPE", "503 UC"];
    begun().app_resets().counts_only(&expected);
    begun().app_finishes().closes().counts_only(&expected);
    begun()
        .app_finishes()
        .client(get(7))
        .closes()
        .counts_only(&[&expected[..], &["503 UC"]].concat());
}

#[test]
fn streams_in_flight_when_the_client_leaves_carry_dc() {
    let begun = || open().client([get(1), get(3)].concat()).app(status(3, 0, "200"));
    let expected = ["0 DC", "200 DC"];
    begun().client_resets().counts_only(&expected);
    begun().given_up().counts_only(&expected);
    begun().client_finishes().app_finishes().closes().counts_only(&expected);
    begun().client_finishes().app_resets().counts_only(&expected);
}

#[test]
fn a_client_that_finishes_still_gets_its_answers() {
    open()
        .client(get(1))
        .client_finishes()
        .app(status(1, END_STREAM, "200"))
        .closes()
        .counts_only(&["200 -"]);
}

#[test]
fn streams_that_an_orderly_goaway_leaves_out_are_asked_again_elsewhere_and_not_counted() {
    open()
        .client([get(1), get(3), get(5)].concat())
        .app([goaway(u32::MAX >> 1, NO_ERROR), goaway(3, NO_ERROR)].concat())
        .client(get(7))
        .app([status(1, END_STREAM, "200"), status(3, END_STREAM, "200")].concat())
        .closes()
        .counts(&["200 -", "200 -"])
        .drops(1)
        .stops_reading("");
}

#[test]
fn streams_that_a_goaway_with_an_error_leaves_out_are_broken_off() {
    let told = open()
        .client([get(1), get(3)].concat())
        .app(goaway(1, INTERNAL_ERROR))
        .client(get(5))
        .app_finishes()
        .closes()
        .counts_only(&["503 UC", "503 UC", "503 UC"]);
    assert_eq!(told.exchange(0).ended, passed_at(3));
    assert_eq!(told.exchange(1).ended, passed_at(4));
}

#[test]
fn a_goaway_of_the_client_is_about_what_the_app_opens() {
    open()
        .client([get(1), goaway(0, NO_ERROR)].concat())
        .app(status(1, END_STREAM, "200"))
        .closes()
        .counts_only(&["200 -"]);
}

#[test]
fn an_app_that_refuses_the_connection_refuses_what_was_asked() {
    Talk::new()
        .client([hello(), get(1), get(3)].concat())
        .refused()
        .counts_only(&["503 UF", "503 UF"]);
    // Many a client asks nothing before it has heard the app.
    Talk::new().client(hello()).refused().counts(&[]).meters_tcp(33, 0, "UF").stops_reading("");
}

#[test]
fn a_connection_without_a_request_is_no_exchange() {
    open().closes().counts_only(&[]);
    open().client(goaway(0, NO_ERROR)).client_resets().counts_only(&[]);
}
