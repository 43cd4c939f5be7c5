//! The parsers against a second, simple reader, and the laws that the fuzz targets try, over
//! seeded input.
#![expect(clippy::unwrap_used, reason = "a law that does not hold fails the test")]

#[path = "support/exposition_bodies.rs"]
mod bodies;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod checker;
#[path = "support/exposition_law.rs"]
mod law;
#[path = "support/exposition_simple.rs"]
mod simple;

use bodies::body;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn text_is_read_as_a_simple_reader_reads_it(body in spoilt()) {
        prop_assert_eq!(law::text(&body), Ok(()), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn openmetrics_is_read_as_a_simple_reader_reads_it(body in spoilt()) {
        prop_assert_eq!(law::openmetrics(&body), Ok(()), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn the_fast_way_and_the_careful_way_give_one_valid_answer(
        flags in any::<u8>(), bodies in prop::collection::vec(spoilt(), 1..3),
    ) {
        let bytes = [vec![flags], bodies.join(&b'%')].concat();
        prop_assert_eq!(law::merged(&bytes), Ok(()), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_bytes_as_messages_give_a_valid_answer(bytes in messages()) {
        prop_assert_eq!(law::protobuf(&bytes), Ok(()));
    }
}

/// Bodies with a few bytes put in, taken out or changed.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => select(&b" \t\n\r\"\\{},=#1-.eN_:\0"[..]), 1 => any::<u8>()];
    let change = (any::<Index>(), 0..3_u8, byte);
    (body(), prop::collection::vec(change, 0..4)).prop_map(|(body, changes)| {
        let mut bytes = body.into_bytes();
        for (place, how, byte) in changes {
            let at = place.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                _ if at == bytes.len() => {}
                1 => drop(bytes.remove(at)),
                _ => bytes[at] = byte,
            }
        }
        bytes
    })
}

/// Bytes that often begin as messages do.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let field = (
        select(&[0x0a_u8, 0x12, 0x18, 0x22, 0x2a, 0x11][..]),
        prop::collection::vec(any::<u8>(), 0..12),
    );
    prop::collection::vec(field, 0..8).prop_map(|fields| {
        let mut message = Vec::new();
        for (tag, bytes) in fields {
            message.push(tag);
            message.push(u8::try_from(bytes.len()).unwrap());
            message.extend(bytes);
        }
        let mut delimited = vec![u8::try_from(message.len()).unwrap()];
        delimited.extend(message);
        delimited
    })
}

/// The same cases every time, unless the environment asks for others or for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(1000);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}
