//! Which trace a request says that it is part of, however HPACK writes it down.

use crate::exchanges::open;
use crate::talk::Told;
use crate::wire::*;

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn trace(told: &Told, index: usize) -> Option<(String, u64)> {
    told.exchange(index).trace.map(|trace| (trace.id.to_text(), trace.span()))
}

fn of(span: u64) -> (String, u64) {
    (ID.to_owned(), span)
}

fn asks(stream: u32, block: &[u8]) -> Vec<u8> {
    // GET, http, /, from the static table.
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &[&[0x82, 0x86, 0x84], block].concat())
}

fn answers(streams: u32) -> Vec<u8> {
    (0..streams).flat_map(|n| status(2 * n + 1, END_STREAM, "200")).collect()
}

#[test]
fn a_trace_is_read_as_a_literal_and_where_the_table_has_it() {
    let parent = format!("00-{ID}-0000000000000001-01");
    let told = open()
        .client(asks(1, &indexed_block(&[("traceparent", &parent)])))
        .client(asks(3, &[0xbe]))
        .client(asks(5, &block(&[("b3", &format!("{ID}-0000000000000005-1"))])))
        // The name alone is the table's: index 62 with a literal that is not added.
        .client(asks(7, &[&[0x0f, 0x2f, 55], parent.replace("1-01", "7-01").as_bytes()].concat()))
        .client(asks(9, b""))
        .app(answers(5))
        .closes()
        .counts_only(&["200 -"; 5]);
    let all = [0, 1, 2, 3, 4].map(|index| trace(&told, index));
    let found = [1, 1, 5, 7].map(|span| Some(of(span)));
    assert_eq!(all, [found.as_slice(), &[None]].concat()[..]);
}

#[test]
fn b3_in_several_headers_has_its_switch_in_the_table_for_long() {
    let mut talk = open().client(asks(
        1,
        &indexed_block(&[
            ("x-b3-traceid", ID),
            ("x-b3-spanid", "0000000000000001"),
            ("x-b3-sampled", "1"),
        ]),
    ));
    // Index 62 is the switch, and stays the same as nothing is added.
    for n in 1..30_u32 {
        let span = format!("{:016x}", n + 1);
        let ids = block(&[("x-b3-traceid", ID), ("x-b3-spanid", &span)]);
        talk = talk.client(asks(2 * n + 1, &[&[0xbe], &*ids].concat()));
    }
    // What the first request added is forgotten, and no other trace is taken for it.
    let told = talk.client(asks(61, &[0xbe, 0xbf, 0xc0])).app(answers(31)).closes();
    for n in 0..30 {
        assert_eq!(trace(&told, n), Some(of(n as u64 + 1)));
    }
    assert_eq!(trace(&told, 30), None);
}
