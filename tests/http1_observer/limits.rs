//! What hostile sizes cost: a bounded amount, whatever is sent. The laws check the bound at every
//! chunk.

use crate::talk::Talk;

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_thousand_pipelined_requests_are_kept_track_of() {
    let told = Talk::new().client(GET.repeat(1024)).app(OK.repeat(1024)).closes();
    told.counts_only(&["200 -"; 1024]);
}

#[test]
fn of_ten_thousand_pipelined_requests_the_first_count_and_the_rest_is_tcp() {
    Talk::new()
        .client(GET.repeat(10_000))
        .app(OK.repeat(10_000))
        .closes()
        .counts(&["200 -"; 1024])
        .stops_reading("http1 pipeline_too_deep")
        .meters_tcp((10_000 - 1024) * 18, 10_000 * OK.len() as u64, "-");
}

#[test]
fn ten_thousand_requests_one_after_the_other_all_count() {
    let mut talk = Talk::new();
    for _ in 0..10_000 {
        talk = talk.client(GET).app(OK);
    }
    talk.closes().counts_only(&vec!["200 -"; 10_000]);
}

#[test]
fn a_head_of_ten_megabytes_is_tcp_and_its_answer_counts() {
    let too_large = "HTTP/1.1 431 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let endless = "A: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(10 * 1024 * 1024 / 32);
    let head = format!("GET / HTTP/1.1\r\n{endless}");
    let len = head.len() as u64;
    let talk = || Talk::new().client(&head);
    let told = talk().client("\r\n").app(too_large).closes().counts(&["431 DPE"]);
    assert_eq!(told.exchange(0).request_bytes, len + 2);
    told.meters_tcp(len + 2, too_large.len() as u64, "-")
        .stops_reading("http1 request_head_too_large");
    talk().client_resets().counts(&[]).meters_tcp(len, 0, "DC");
}

#[test]
fn an_answer_with_an_endless_head_drops_its_request() {
    let head = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(1000));
    let talk = || Talk::with_heads_up_to(1000).client(GET);
    let told = talk().app(&head).closes().counts(&[]).drops(1);
    told.stops_reading("http1 response_head_too_large");
    let told = talk().app("x".repeat(2000)).closes().counts(&[]).drops(1);
    told.stops_reading("http1 malformed_response");
}

#[test]
fn a_head_may_be_as_long_as_allowed_and_no_longer() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let head = |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(len - 18));
    let talk = |len| Talk::with_heads_up_to(100).client(head(len)).app(answer);
    talk(100).closes().counts_only(&["200 -"]);
    talk(101).closes().counts(&["200 DPE"]).stops_reading("http1 request_head_too_large");
}

#[test]
fn what_a_client_sends_ahead_of_a_switch_is_bounded() {
    let offer = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let switch = "HTTP/1.1 101 Go\r\n\r\n";
    let talk = |ahead| Talk::with_heads_up_to(100).client(offer).client("x".repeat(ahead));
    talk(100).app(switch).closes().counts(&["101 -"]).meters_tcp(100, 0, "-").stops_reading("");
    let told = talk(101).app(switch).closes().counts(&["101 -"]);
    told.meters_tcp(101, switch.len() as u64, "-").stops_reading("http1 upgrade_backlog");
}

#[test]
fn endless_trailers_and_extensions_are_given_up() {
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for endless in ["A: b\r\n".repeat(100), "x".repeat(1000)] {
        for start in ["0\r\n", "1;"] {
            Talk::with_heads_up_to(200)
                .client(format!("{chunked}{start}{endless}"))
                .app(OK)
                .closes()
                .counts(&["200 DPE"])
                .stops_reading("http1 malformed_request_chunk");
        }
    }
}

#[test]
fn an_endless_first_line_is_tcp() {
    let told = Talk::new().client("x y".repeat(100_000)).closes().counts(&[]);
    told.meters_tcp(300_000, 0, "-").stops_reading("");
}
