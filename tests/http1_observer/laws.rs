//! The laws over generated input: the same cases in every run, and a failing one is printed.

use crate::conversations::conversations;
use crate::law::{FINISHED, OTHER_SIDE, Script, Step, check};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// So many cases, the same in every run; what fails is shrunk and printed.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2616),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(seeded(3000))]

    #[test]
    fn the_laws_hold_for_any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        max_head_bytes in 1usize..100,
    ) {
        holds(&Script::from_bytes(&bytes, max_head_bytes))?;
    }

    #[test]
    fn the_laws_hold_for_any_words_of_http_in_any_order(
        words in proptest::collection::vec(words(), 0..40),
        max_head_bytes in prop_oneof![1usize..200, Just(64 * 1024)],
    ) {
        holds(&Script::from_bytes(&words.concat(), max_head_bytes))?;
    }

    #[test]
    fn the_laws_hold_for_conversations_that_went_wrong_in_a_byte_or_two(
        conversation in conversations(),
        mishaps in proptest::collection::vec(mishaps(), 1..4),
        max_head_bytes in prop_oneof![Just(100), Just(64 * 1024)],
    ) {
        let mut script = Script { max_head_bytes, ..conversation.script() };
        for mishap in &mishaps {
            mishap.befall(&mut script);
        }
        holds(&script)?;
    }
}

fn holds(script: &Script) -> Result<(), TestCaseError> {
    check(script).map(|_| ()).map_err(TestCaseError::fail)
}

/// A byte that is changed, put in or left out.
#[derive(Clone, Debug)]
struct Mishap {
    place: prop::sample::Index,
    kind: Kind,
    byte: u8,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Changed,
    PutIn,
    LeftOut,
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    let byte = prop_oneof![prop::sample::select(DELICATE), any::<u8>()];
    let kind = prop::sample::select(&[Kind::Changed, Kind::PutIn, Kind::LeftOut][..]);
    (any::<prop::sample::Index>(), kind, byte).prop_map(|(place, kind, byte)| Mishap {
        place,
        kind,
        byte,
    })
}

impl Mishap {
    fn befall(&self, script: &mut Script) {
        if script.bytes() == 0 {
            return;
        }
        let mut place = self.place.index(script.bytes());
        for step in &mut script.steps {
            let Step::Says(_, bytes) = step else { continue };
            if place >= bytes.len() {
                place -= bytes.len();
                continue;
            }
            match self.kind {
                Kind::Changed => bytes[place] = self.byte,
                Kind::PutIn => bytes.insert(place, self.byte),
                Kind::LeftOut => _ = bytes.remove(place),
            }
            return;
        }
    }
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        3 => Just(vec![OTHER_SIDE]),
        1 => Just(vec![FINISHED]),
        1 => prop::sample::select(DELICATE).prop_map(|byte| vec![byte]),
    ]
}

const DELICATE: &[u8] = b"\r\n :;,0159afHTGP/.\0\x7f\t\x80";

const WORDS: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "HEAD / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\n",
    "POST / HTTP/1.0\r\n",
    "CONNECT a:1 HTTP/1.1\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "BREW / HTTP/1.1\r\n",
    "\x16\x03\x01\0\x05\x01",
    "Host: shop\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\nUpgrade: ws\r\n",
    "Bad Field: x\r\n",
    "\r\n",
    "\r",
    "\n",
    "hello",
    "5\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nTrailer: x\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.0 404 Not Found\r\n",
    "HTTP/1.1 503 Unavailable\r\nContent-Length: 5\r\n",
    "HTTP/1.",
];
