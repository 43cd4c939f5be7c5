//! What is counted where one side leaves.

use crate::talk::{Talk, at};
use podmeter::observe::Ending;

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";

#[test]
fn a_client_that_half_closes_still_gets_its_answer() {
    Talk::new().client(GET).client_finishes().app(OK).closes().counts_only(&["200 -"]);
}

#[test]
fn a_client_that_goes_before_a_status_is_counted_as_0_dc() {
    let told = Talk::new().client(GET).client_resets().counts_only(&["0 DC"]);
    assert_eq!(told.exchange(0).ended, at(1));
    assert_eq!(told.exchange(0).first_byte, None);
    Talk::new().client(GET).app("HTTP/1.1 2").client_resets().counts_only(&["0 DC"]);
    Talk::new().client(GET).app("HTTP/1.1 103 Hi\r\n\r\n").client_resets().counts_only(&["0 DC"]);
    Talk::new().client(GET).given_up().counts_only(&["0 DC"]);
}

#[test]
fn a_client_that_goes_after_a_status_leaves_it_with_dc() {
    Talk::new().client(GET).app(HALF).client_resets().counts_only(&["200 DC"]);
    Talk::new()
        .client(GET.repeat(3))
        .app(OK)
        .app(HALF)
        .client_resets()
        .counts_only(&["200 -", "200 DC", "0 DC"]);
}

#[test]
fn an_app_that_breaks_off_before_a_status_is_counted_as_503_uc() {
    Talk::new().client(GET).app_resets().counts_only(&["503 UC"]);
    Talk::new().client(GET).app_finishes().ends(Ending::Finished).counts_only(&["503 UC"]);
    Talk::new().client(GET).app("HTTP/1.1 100 Go\r\n\r\n").app_resets().counts_only(&["503 UC"]);
    let told = Talk::new().client(GET.repeat(2)).app("HTTP/1.1 2").app_finishes();
    let told = told.ends(Ending::Finished).counts_only(&["503 UC", "503 UC"]);
    assert_eq!(told.exchange(0).response_bytes, 10);
    assert_eq!(told.exchange(1).response_bytes, 0);
}

#[test]
fn an_app_that_breaks_off_after_a_status_leaves_it_with_upe() {
    Talk::new().client(GET).app(HALF).app_resets().counts_only(&["200 UPE"]);
    Talk::new().client(GET).app(HALF).app_finishes().closes().counts_only(&["200 UPE"]);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n";
    Talk::new().client(GET).app(chunked).app_finishes().closes().counts_only(&["200 UPE"]);
    // A close-delimited body that is reset has not ended.
    Talk::new().client(GET).app("HTTP/1.1 200 OK\r\n\r\nhe").app_resets().counts_only(&["200 UPE"]);
}

#[test]
fn an_app_that_goes_because_its_client_went_is_not_to_blame() {
    Talk::new().client(GET).client_finishes().app_finishes().closes().counts_only(&["0 DC"]);
    Talk::new().client(GET).client_finishes().app_resets().counts_only(&["0 DC"]);
    Talk::new().client(GET).app(HALF).client_finishes().app_resets().counts_only(&["200 DC"]);
}

#[test]
fn a_request_that_comes_after_the_app_finished_is_broken_off_by_the_app() {
    Talk::new().app_finishes().client(GET).closes().counts_only(&["503 UC"]);
    Talk::new()
        .client(GET)
        .app(OK)
        .app_finishes()
        .client(GET)
        .client_resets()
        .counts_only(&["200 -", "503 UC"]);
    Talk::new().app_finishes().client("\x05\x01\x00").closes().counts(&[]).meters_tcp(3, 0, "-");
}

#[test]
fn a_refused_connection_counts_each_whole_request_as_503_uf() {
    Talk::new().client(GET).refused().counts_only(&["503 UF"]);
    Talk::new().client(GET.repeat(2)).client("GET /c").refused().counts_only(&["503 UF", "503 UF"]);
    // Its first bytes are HTTP; what was refused is clear before its head is complete.
    Talk::new().client("GET /so-far-only").refused().counts_only(&["503 UF"]);
    Talk::new()
        .client("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        .refused()
        .counts_only(&["503 UF"]);
}

#[test]
fn a_refused_connection_that_said_nothing_like_http_is_tcp_with_uf() {
    Talk::new().refused().counts(&[]).meters_tcp(0, 0, "UF");
    Talk::new().client("\x05\x01\x00").refused().counts(&[]).meters_tcp(3, 0, "UF");
    Talk::new().client("GE").refused().counts(&[]).meters_tcp(2, 0, "UF");
    Talk::new().client("\x16\x03\x01\x02\x00\x01").refused().counts(&[]).meters_tcp(6, 0, "UF");
    let malformed = "GET / HTTP/1.1\r\nbad\r\n\r\n";
    Talk::new().client(malformed).refused().counts(&[]).meters_tcp(23, 0, "UF");
}

#[test]
fn an_idle_connection_that_ends_counts_nothing_more() {
    for ending in [Ending::ClientReset, Ending::AppReset, Ending::GivenUp, Ending::Finished] {
        Talk::new().client(GET).app(OK).ends(ending).counts_only(&["200 -"]);
        Talk::new().client(GET).app(OK).client("GET / HT").ends(ending).counts_only(&["200 -"]);
    }
}

#[test]
fn a_connection_without_a_byte_is_tcp() {
    Talk::new().closes().counts(&[]).meters_tcp(0, 0, "-").stops_reading("");
    Talk::new().client_resets().counts(&[]).meters_tcp(0, 0, "DC");
    Talk::new().app_resets().counts(&[]).meters_tcp(0, 0, "UC");
    Talk::new().client_finishes().app_resets().counts(&[]).meters_tcp(0, 0, "DC");
}
