//! gRPC: how calls end, and how many messages they carry.

use crate::exchanges::open;
use crate::wire::*;

#[test]
fn a_call_ends_with_the_status_in_its_trailers() {
    for code in ["0", "5", "16"] {
        open()
            .client([call(1), data(1, END_STREAM, message(b"ask"))].concat())
            .app([status(1, 0, "200"), data(1, 0, message(b"answer"))].concat())
            .app(trailers(1, &[("grpc-status", code), ("grpc-message", "well")]))
            .closes()
            .counts_only(&["200 -"])
            .carries_messages(1, 1)
            .calls(&[&format!("grpc {code}")]);
    }
}

#[test]
fn a_call_may_end_with_its_answers_only_head() {
    let head = headers(1, END_STREAM, &[(":status", "200"), ("grpc-status", "12")]);
    let talk = open().client([call(1), data(1, END_STREAM, message(b""))].concat()).app(head);
    talk.closes().counts_only(&["200 -"]).carries_messages(1, 0).calls(&["grpc 12"]);
}

#[test]
fn a_call_without_a_status_is_judged_by_its_http_status_or_not_at_all() {
    open()
        .client([call(1), call(3), call(5), call(7), get(9)].concat())
        .app([status(1, END_STREAM, "503"), status(3, 0, "200"), reset(3, INTERNAL_ERROR)].concat())
        .client(reset(5, CANCEL))
        .app(headers(9, END_STREAM, &[(":status", "200"), ("grpc-status", "0")]))
        .app_resets()
        .counts_only(&["503 -", "200 UR", "0 DC", "200 -", "503 UC"])
        .calls(&["grpc 14", "grpc 2", "grpc ", "http", "grpc 14"]);
}

#[test]
fn messages_are_counted_across_frames_as_they_pass() {
    let many: Vec<u8> = (0..10).flat_map(|n| message(&vec![b'x'; n * 7])).collect();
    let (first, rest) = many.split_at(33);
    open()
        .client([call(1), data(1, 0, first), data(1, 0, rest)].concat())
        .app(
            [status(1, 0, "200"), frame(DATA, PADDED, 1, &[&[2], first, &[0, 0]].concat())]
                .concat(),
        )
        .client(data(1, 0, message(b"half of it")))
        .app(data(1, 0, &rest[..rest.len() - 1]))
        .client_resets()
        .counts_only(&["200 DC"])
        .carries_messages(11, 9);
}

#[test]
fn a_client_that_finishes_has_left_its_calls_whatever_the_app_still_says() {
    let late = |id| trailers(id, &[("grpc-status", "14")]);
    open()
        .client([call(1), data(1, END_STREAM, message(b"ask")), call(3), get(5)].concat())
        .app([status(1, 0, "200"), data(1, 0, message(b"answer"))].concat())
        .client_finishes()
        .app(
            [late(1), headers(3, END_STREAM, &[(":status", "200"), ("grpc-status", "14")])]
                .concat(),
        )
        .app(status(5, END_STREAM, "200"))
        .closes()
        .counts_only(&["200 DC", "0 DC", "200 -"])
        .carries_messages(1, 1)
        .calls(&["grpc 2", "grpc ", "http"]);
}

#[test]
fn what_is_no_call_carries_no_messages() {
    open()
        .client([post(1), data(1, END_STREAM, message(b"like one"))].concat())
        .app([status(1, 0, "200"), data(1, END_STREAM, message(b"like one"))].concat())
        .closes()
        .counts_only(&["200 -"])
        .carries_messages(0, 0);
}

#[test]
fn grpc_web_is_grpc_too() {
    let fields =
        [(":method", "POST"), (":authority", "shop"), ("content-type", "application/grpc-web")];
    let end = b"\x80\0\0\0\x10grpc-status: 9\r\n";
    open()
        .client([headers(1, 0, &fields), data(1, END_STREAM, message(b"ask"))].concat())
        .app([status(1, 0, "200"), data(1, 0, message(b"a")), data(1, 0, message(b"b"))].concat())
        .app(data(1, END_STREAM, end))
        .closes()
        .counts_only(&["200 -"])
        .carries_messages(1, 2)
        .calls(&["grpc 9"]);
}

#[test]
fn a_probe_of_the_kubelet_is_told_apart_and_carries_no_messages() {
    let probe = |stream| {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", "10.0.0.9:8080"),
            ("content-type", "application/grpc"),
            ("user-agent", "kube-probe/1.31 grpc-go/1.65.0"),
        ];
        headers(stream, 0, &fields)
    };
    let told = open()
        .client([probe(1), data(1, END_STREAM, message(b"")), call(3)].concat())
        .app([status(1, 0, "200"), data(1, 0, message(b"\x08\x01"))].concat())
        .app([trailers(1, &[("grpc-status", "0")]), status(3, END_STREAM, "200")].concat())
        .client(probe(5))
        // What the app has not looked at when it goes away in order was no request, nor a probe.
        .app(goaway(3, NO_ERROR))
        .closes()
        .counts_only(&["200 -", "200 -"])
        .carries_messages(0, 0);
    assert!(told.exchange(0).probe && !told.exchange(1).probe);
}
