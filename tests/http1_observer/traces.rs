//! Which trace a request says that it is part of.

use crate::talk::{Talk, Told};

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn trace(told: &Told, index: usize) -> Option<(String, u64)> {
    told.exchange(index).trace.map(|trace| (trace.id.to_text(), trace.span()))
}

#[test]
fn each_pipelined_request_has_its_own_trace_or_none() {
    let get = |headers: &str| format!("GET / HTTP/1.1\r\n{headers}\r\n");
    let told = Talk::new()
        .client(get(&format!("Traceparent:  00-{ID}-00f067aa0ba902b7-01 \r\n")))
        .client(get("Accept: */*\r\n"))
        .client(get(&format!("b3: {ID}-0000000000000002-1\r\n")))
        .client(get(&format!(
            "X-B3-Sampled: 1\r\nx-b3-traceid: {ID}\r\nX-B3-SpanId: 0000000000000003\r\n"
        )))
        .client(get(&format!("traceparent: 00-{ID}-0000000000000004-00\r\n")))
        .app(OK.repeat(5))
        .closes()
        .counts_only(&["200 -"; 5]);
    let all = [0, 1, 2, 3, 4].map(|index| trace(&told, index));
    let of = |span| Some((ID.to_owned(), span));
    assert_eq!(all, [of(0x00f0_67aa_0ba9_02b7), None, of(2), of(3), None]);
}
