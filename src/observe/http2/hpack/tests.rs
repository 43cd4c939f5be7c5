//! HPACK is followed as the specification's examples and a decoder of others' do.

use super::*;
use crate::observe::Method;
use crate::observe::grpc::{ContentKind, GrpcStatus};
use crate::observe::host::{HostId, KnownHosts};
use crate::observe::path::{Paths, Templates};
use proptest::prelude::*;
use std::sync::Arc;

fn rules() -> Rules {
    let hosts = KnownHosts::new(&["www.example.com"]);
    let templates = Templates::read(["/users/{id}", "/index.html"]).unwrap();
    let paths = Some(Arc::new(Paths::new(templates, Some(2))));
    Rules { hosts, max_head_bytes: 65_536, probes_apart: true, traces: true, paths }
}

/// What matters of a block, without what does not.
fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, Reason> {
    read_with(decoder, block, &rules()).map(|(fields, _)| fields)
}

/// The same, and the path.
fn read_with(
    decoder: &mut Decoder,
    block: &[u8],
    rules: &Rules,
) -> Result<(Vec<Field>, Path), Reason> {
    let mut fields = Vec::new();
    let path = decoder.read(block, rules, true, |field| fields.push(field))?;
    Ok((fields.into_iter().filter(|field| *field != Field::Other).collect(), path))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

const SHOP: Field = Field::Authority(HostId(0));
const GET: Field = Field::Method(Method::Get);

#[test]
fn the_requests_of_the_specification_are_read() {
    // RFC 7541, C.3 and C.4: three requests, without and with Huffman coding; after each, the
    // table's size.
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for requests in [plain, huffman] {
        let mut decoder = Decoder::new();
        for (request, size) in requests.iter().zip([57, 110, 164]) {
            assert_eq!(read(&mut decoder, &bytes(request)), Ok(vec![GET, SHOP]));
            assert_eq!(decoder.table.size(), size);
        }
    }
}

#[test]
fn the_responses_of_the_specification_are_read_from_a_table_of_256_bytes() {
    // RFC 7541, C.6.
    let responses = [
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
          ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            302,
            222,
        ),
        ("4883 640e ffc1 c0bf", 307, 222),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad \
          94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 \
          65c0 03ed 4ee5 b106 3d50 07",
            200,
            215,
        ),
    ];
    let mut decoder = Decoder::new();
    decoder.table.resize(256);
    for (response, status, size) in responses {
        assert_eq!(read(&mut decoder, &bytes(response)), Ok(vec![Field::Status(status)]));
        assert_eq!(decoder.table.size(), size);
    }
}

#[test]
fn what_grpc_says_is_read() {
    let mut decoder = Decoder::new();
    let block = [b"\x88\x5f\x10application/grpc".as_slice(), b"\x40\x0bgrpc-status\x0213"].concat();
    let status = Field::GrpcStatus(GrpcStatus::read(b"13"));
    let content = Field::ContentType(ContentKind::Grpc);
    assert_eq!(read(&mut decoder, &block), Ok(vec![Field::Status(200), content, status]));
    assert_eq!(read(&mut decoder, b"\xbe\xbf"), Ok(vec![status, content]));
    // The name alone is borrowed.
    let other = Field::GrpcStatus(GrpcStatus::OK);
    assert_eq!(read(&mut decoder, b"\x0f\x2f\x010"), Ok(vec![other]));
}

#[test]
fn a_table_changes_its_size_within_what_was_allowed_and_at_the_beginning_of_a_block() {
    let mut decoder = Decoder::new();
    let too_large = [0x3f, 0xe2, 0x1f];
    assert_eq!(read(&mut decoder, &too_large), Err(BROKEN));
    decoder.offer(4097);
    assert_eq!(read(&mut decoder, &too_large), Ok(vec![]));
    assert_eq!(read(&mut decoder, b"\x20\x3f\xe1\x1f\x88"), Ok(vec![Field::Status(200)]));
    assert_eq!(read(&mut decoder, b"\x88\x20"), Err(BROKEN));
    let mut decoder = Decoder::new();
    decoder.offer(1 << 24);
    assert_eq!(read(&mut decoder, b"\x3f\xe2\xff\x3f"), Err(Reason::HeaderTableTooLarge));
}

#[test]
fn a_table_that_was_asked_to_shrink_must_say_that_it_has() {
    let mut decoder = Decoder::new();
    decoder.limit(100);
    decoder.limit(4096);
    assert_eq!(read(&mut decoder, b"\x88"), Err(BROKEN));
    let mut decoder = Decoder::new();
    decoder.limit(100);
    decoder.limit(4096);
    assert_eq!(read(&mut decoder, b"\x3f\x46"), Err(BROKEN), "101 is more than 100");
    let mut decoder = Decoder::new();
    decoder.limit(100);
    decoder.limit(4096);
    let both = b"\x3f\x45\x3f\xe1\x1f\x88";
    assert_eq!(read(&mut decoder, both), Ok(vec![Field::Status(200)]));
    decoder.limit(8192);
    assert_eq!(read(&mut decoder, b"\x88"), Ok(vec![Field::Status(200)]), "may stay as it was");
}

#[test]
fn blocks_that_end_early_or_point_nowhere_are_refused() {
    for block in [
        b"\x80".as_slice(), // index 0
        b"\xbe",            // the dynamic table is empty
        b"\xff",            // an integer that ends early
        b"\xff\xff\xff\xff\xff\x7f",
        b"\x41",             // no value
        b"\x41\x05abcd",     // a value that ends early
        b"\x00\x01a",        // a name and no value
        b"\x00\x81\xff\x00", // a name whose padding is too long
        b"\x7f\x00\x00",     // a name that is in no table
    ] {
        assert_eq!(read(&mut Decoder::new(), block), Err(BROKEN), "{block:?}");
    }
}

/// What an encoder may do.
#[derive(Clone, Debug)]
enum Step {
    Resize(u32),
    Indexed(u32),
    /// The bits that say what kind of literal it is, and an index or a name.
    Literal {
        pattern: u8,
        name: Result<u32, usize>,
        value: usize,
        huffman: bool,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let index = || prop_oneof![1_u32..62, 62_u32..66];
    let name = prop_oneof![index().prop_map(Ok), (0..NAMES.len()).prop_map(Err)];
    let literal = (prop::sample::select(&[0x40_u8, 0x40, 0x40, 0x00, 0x10][..]), name);
    prop_oneof![
        1 => prop_oneof![0_u32..300, Just(4096_u32)].prop_map(Step::Resize),
        4 => index().prop_map(Step::Indexed),
        6 => (literal, 0..VALUES.len(), any::<bool>()).prop_map(
            |((pattern, name), value, huffman)| Step::Literal { pattern, name, value, huffman }
        ),
    ]
}

impl Step {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Resize(size) => put_integer(out, 0x20, 5, size),
            Self::Indexed(index) => put_integer(out, 0x80, 7, index),
            Self::Literal { pattern, name, value, huffman } => {
                let bits = if pattern == 0x40 { 6 } else { 4 };
                match name {
                    Ok(index) => put_integer(out, pattern, bits, index),
                    Err(name) => {
                        out.push(pattern);
                        put_text(out, NAMES[name], huffman);
                    }
                }
                put_text(out, VALUES[value], huffman);
            }
        }
    }
}

fn put_integer(out: &mut Vec<u8>, pattern: u8, bits: u32, value: u32) {
    let most = (1 << bits) - 1;
    let low = |value: u32| u8::try_from(value).unwrap();
    if value < most {
        return out.push(pattern | low(value));
    }
    out.push(pattern | low(most));
    let mut value = value - most;
    while value > 127 {
        out.push(low(value & 127) | 128);
        value >>= 7;
    }
    out.push(low(value));
}

fn put_text(out: &mut Vec<u8>, text: &str, huffman: bool) {
    let bytes = if huffman { huffman::encode(text.as_bytes()) } else { text.into() };
    put_integer(out, if huffman { 0x80 } else { 0 }, 7, u32::try_from(bytes.len()).unwrap());
    out.extend(bytes);
}

/// What another's decoder makes of a block, as far as it matters here.
fn read_by_another(
    decoder: &mut loona_hpack::Decoder<'_>,
    block: &[u8],
    rules: &Rules,
) -> Result<(Vec<Field>, Path), ()> {
    let fields = decoder.decode(block).map_err(|_| ())?;
    let known = fields.iter().filter_map(|(name, value)| Some(Name::of(name)?.with(value, rules)));
    // A path is not handed on with the others.
    let known = known.filter(|field| !matches!(field, Field::Path(_))).collect();
    let mut paths = fields.iter().filter(|(name, _)| name == b":path").map(|(_, path)| path);
    let path = match (paths.next(), paths.next()) {
        (Some(path), None) => rules.path(path, true),
        _ => Path::OTHER,
    };
    Ok((known, path))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7541),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn another_decoder_reads_the_same(
        blocks in proptest::collection::vec(proptest::collection::vec(steps(), 1..12), 1..12),
        mishap in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut own = Decoder::new();
        let mut other = loona_hpack::Decoder::new();
        other.set_max_allowed_table_size(4096);
        let rules = rules();
        for (i, steps) in blocks.iter().enumerate() {
            let mut block = Vec::new();
            let (sizes, fields): (Vec<_>, Vec<_>) =
                steps.iter().partition(|step| matches!(step, Step::Resize(_)));
            // That one refuses a block that says nothing else.
            sizes.iter().chain(&fields).for_each(|step| step.encode(&mut block));
            block.push(0x88);
            if let Some((place, byte)) = &mishap && i + 1 == blocks.len() {
                let place = place.index(block.len());
                block[place] = *byte;
            }
            let expected = read_by_another(&mut other, &block, &rules);
            let read = read_with(&mut own, &block, &rules);
            match (&read, &expected) {
                (Ok(read), Ok(expected)) => {
                    prop_assert_eq!(read, expected, "{:?}", block);
                    // What was new may be known from now on, whoever names it.
                    rules.settle(read.1.clone(), if i % 2 == 0 { 404 } else { 200 });
                }
                (Err(_), Err(())) => return Ok(()),
                // The other takes a change of size anywhere, and integers of any length.
                (Err(_), Ok(_)) if mishap.is_some() => return Ok(()),
                _ => prop_assert!(false, "{:?}, but {:?} of {:?}", read, expected, block),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_more_than_its_table(
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..20),
    ) {
        let mut decoder = Decoder::new();
        for block in blocks {
            if read(&mut decoder, &block).is_err() {
                break;
            }
            prop_assert!(decoder.kept_bytes() <= 128 * 8);
        }
    }
}

const NAMES: &[&str] = &[
    ":method",
    ":path",
    ":path",
    ":status",
    ":authority",
    "host",
    "content-type",
    "grpc-status",
    "x",
    "",
    "x-a-long-name-that-nobody-has-ever-asked-for",
    ":protocol",
    "grpc-message",
    "\u{ff}",
];
const VALUES: &[&str] = &[
    "200",
    "404",
    "GET",
    "/users/7?q",
    "/items/1",
    "/items/2",
    "/c",
    "CONNECT",
    "www.example.com",
    "application/grpc",
    "0",
    "14",
    "",
    "~",
    "websocket",
    "\u{7f}\u{80}\0 ",
    "a value of some length, with spaces and {punctuation}; enough",
];
