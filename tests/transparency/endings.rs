//! Each end of a connection sees the other's end: a FIN as a FIN and a reset as a reset, at the
//! moment it would have seen it, and after the bytes that came before it.

use crate::support::scenario::Scenario;
use crate::support::script::End;
use crate::support::script::Step::{
    self, Await, AwaitMore, AwaitReset, Close, Expect, Finish, ReadToEnd, Reset, Send, Signal,
    Stream, StreamUntilFull,
};

const REQUEST: &[u8] = b"POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000000\r\n\r\n";
const REFUSAL: &[u8] =
    b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\nno more than half";

fn request() -> Step {
    Send(REQUEST.to_vec())
}

fn refusal() -> Step {
    Send(REFUSAL.to_vec())
}

/// Both ends see what they see without the proxy, and the test knows what that is.
#[track_caller]
fn unchanged(
    client: impl Into<Vec<Step>>,
    client_sees: (usize, End),
    app: impl Into<Vec<Step>>,
    app_sees: (usize, End),
) {
    let outcome = Scenario::new(client, app).assert_unchanged();
    let seen = [outcome.client, outcome.app].map(|end| (end.received.len(), end.end));
    assert_eq!(seen, [client_sees, app_sees]);
}

#[test]
fn a_client_that_finishes_still_gets_its_answer() {
    unchanged(
        [request(), Finish, ReadToEnd],
        (REFUSAL.len(), End::Finished),
        [ReadToEnd, refusal(), Close],
        (REQUEST.len(), End::Finished),
    );
}

#[test]
fn an_app_that_finishes_still_hears_the_client() {
    unchanged(
        [ReadToEnd, request(), Stream(3_000_000), Close],
        (REFUSAL.len(), End::Finished),
        [refusal(), Finish, ReadToEnd],
        (REQUEST.len() + 3_000_000, End::Finished),
    );
}

#[test]
fn both_may_finish_at_once() {
    unchanged(
        [request(), Finish, ReadToEnd],
        (REFUSAL.len(), End::Finished),
        [refusal(), Finish, ReadToEnd],
        (REQUEST.len(), End::Finished),
    );
}

#[test]
fn a_connection_on_which_nothing_is_said_ends_as_it_began() {
    unchanged([Close], (0, End::Unknown), [ReadToEnd], (0, End::Finished));
    unchanged([ReadToEnd], (0, End::Finished), [Close], (0, End::Unknown));
    unchanged([Reset], (0, End::Unknown), [ReadToEnd], (0, End::Reset));
    unchanged([ReadToEnd], (0, End::Reset), [Reset], (0, End::Unknown));
}

#[test]
fn a_client_that_resets_while_the_app_works_is_seen_by_the_app() {
    unchanged(
        [request(), Await("read"), Reset],
        (0, End::Unknown),
        [Expect(REQUEST.len()), Signal("read"), AwaitReset],
        (REQUEST.len(), End::Reset),
    );
}

#[test]
fn a_client_that_finishes_and_then_resets_is_seen_by_the_app() {
    unchanged(
        [request(), Finish, Await("read"), Reset],
        (0, End::Unknown),
        [ReadToEnd, Signal("read"), AwaitReset],
        (REQUEST.len(), End::FinishedThenReset),
    );
}

#[test]
fn an_app_that_answers_a_client_that_is_gone_is_told() {
    unchanged(
        [request(), Close],
        (0, End::Unknown),
        [ReadToEnd, refusal(), AwaitReset],
        (REQUEST.len(), End::FinishedThenReset),
    );
}

#[test]
fn an_app_that_resets_before_it_answers_is_seen_by_the_client() {
    unchanged(
        [request(), ReadToEnd],
        (0, End::Reset),
        [Expect(REQUEST.len()), Reset],
        (REQUEST.len(), End::Unknown),
    );
}

#[test]
fn an_answer_cut_short_is_cut_short_for_the_client_too() {
    unchanged(
        [request(), Expect(REFUSAL.len()), Signal("got it"), ReadToEnd],
        (REFUSAL.len(), End::Reset),
        [Expect(REQUEST.len()), refusal(), Await("got it"), Reset],
        (REQUEST.len(), End::Unknown),
    );
}

#[test]
fn what_the_app_sent_before_it_reset_arrives_first() {
    for _ in 0..20 {
        unchanged(
            [request(), ReadToEnd],
            (REFUSAL.len(), End::Reset),
            [Expect(REQUEST.len()), refusal(), Reset],
            (REQUEST.len(), End::Unknown),
        );
    }
}

#[test]
fn what_the_client_sent_before_it_reset_arrives_first() {
    for _ in 0..20 {
        unchanged([request(), Reset], (0, End::Unknown), [ReadToEnd], (REQUEST.len(), End::Reset));
    }
}

#[test]
fn what_the_client_sent_before_it_reset_arrives_while_the_app_is_sending() {
    for _ in 0..20 {
        unchanged(
            [Expect(100_000), request(), Reset],
            (100_000, End::Unknown),
            [Stream(1_000_000_000), ReadToEnd],
            (REQUEST.len(), End::Reset),
        );
    }
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for _ in 0..20 {
        unchanged(
            [request(), Stream(1_000_000_000), ReadToEnd],
            (REFUSAL.len(), End::Reset),
            // What is left unread when it closes makes the end a reset.
            [Expect(REQUEST.len()), refusal(), AwaitMore, Close],
            (REQUEST.len(), End::Unknown),
        );
    }
}

#[test]
fn an_answer_cut_short_is_no_orderly_end_for_a_client_that_is_still_sending() {
    for _ in 0..20 {
        unchanged(
            [request(), Expect(REFUSAL.len()), Signal("got it"), Stream(1_000_000_000), ReadToEnd],
            (REFUSAL.len(), End::Reset),
            [Expect(REQUEST.len()), refusal(), Await("got it"), Reset],
            (REQUEST.len(), End::Unknown),
        );
    }
}

#[test]
fn an_early_answer_that_ends_in_order_ends_in_order() {
    unchanged(
        [request(), ReadToEnd, Stream(3_000_000), Close],
        (REFUSAL.len(), End::Finished),
        [Expect(REQUEST.len()), refusal(), Finish, ReadToEnd],
        (REQUEST.len() + 3_000_000, End::Finished),
    );
}

#[test]
fn an_app_that_finishes_and_then_resets_is_seen_by_a_silent_client() {
    unchanged(
        [request(), ReadToEnd, Signal("finished"), AwaitReset],
        (REFUSAL.len(), End::FinishedThenReset),
        [Expect(REQUEST.len()), refusal(), Finish, Await("finished"), Reset],
        (REQUEST.len(), End::Unknown),
    );
}

#[test]
fn a_client_that_leaves_an_answer_unread_resets() {
    unchanged(
        [request(), Expect(1000), Close],
        (1000, End::Unknown),
        [Expect(REQUEST.len()), Stream(100_000), AwaitReset],
        (REQUEST.len(), End::Reset),
    );
}

#[test]
fn a_client_that_resets_while_the_app_reads_nothing_more_is_seen_by_the_app() {
    unchanged(
        [request(), StreamUntilFull, Signal("full"), Reset],
        (0, End::Unknown),
        [Expect(REQUEST.len()), Await("full"), AwaitReset],
        (REQUEST.len(), End::Reset),
    );
}

#[test]
fn a_client_that_resets_while_it_reads_nothing_more_is_seen_by_the_app() {
    unchanged(
        [request(), Await("full"), Reset],
        (0, End::Unknown),
        [Expect(REQUEST.len()), StreamUntilFull, Signal("full"), AwaitReset],
        (REQUEST.len(), End::Reset),
    );
}

#[test]
fn an_app_that_resets_while_it_reads_nothing_more_is_seen_by_the_client() {
    unchanged(
        [request(), StreamUntilFull, Signal("full"), AwaitReset],
        (0, End::Reset),
        [Expect(REQUEST.len()), Await("full"), Reset],
        (REQUEST.len(), End::Unknown),
    );
}

#[test]
fn an_app_that_resets_while_the_client_reads_nothing_more_is_seen_by_the_client() {
    unchanged(
        [request(), Await("full"), AwaitReset],
        (0, End::Reset),
        [Expect(REQUEST.len()), StreamUntilFull, Signal("full"), Reset],
        (REQUEST.len(), End::Unknown),
    );
}
