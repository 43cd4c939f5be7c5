//! The Huffman code of HPACK (RFC 7541, 5.2 and appendix B).
//!
//! The code is canonical, so the lengths alone say all of it. Nearly every octet that is sent has
//! a code of at most 8 bits, and one look at a small table decodes it.

/// Decodes `bytes` and hands each octet to `take`; gives their number, or `None` where this is not
/// valid: an end-of-string symbol, or padding that is too long or not all ones.
pub(super) fn decode(bytes: &[u8], mut take: impl FnMut(u8)) -> Option<usize> {
    let (mut rest, mut bits, mut held, mut octets) = (bytes, 0_u64, 0_u32, 0);
    loop {
        while held <= 56
            && let Some((&next, after)) = rest.split_first()
        {
            bits |= u64::from(next) << (56 - held);
            held += 8;
            rest = after;
        }
        // So many of the usual symbols can be decoded before more bits are needed.
        for _ in 0..SYMBOLS_PER_FILL {
            let short = SHORT[(bits >> 56) as usize];
            let (octet, length) = if short.length > 0 {
                (Some(short.octet), u32::from(short.length))
            } else {
                long(bits)
            };
            if length > held {
                if !rest.is_empty() {
                    break;
                }
                let is_padding = held < 8 && bits == !(u64::MAX >> held);
                return is_padding.then_some(octets);
            }
            take(octet?);
            octets += 1;
            bits <<= length;
            held -= length;
        }
    }
}

/// The octet, unless it is the end of the string, whose code of more than 8 bits `bits` begin with,
/// and the code's length.
fn long(bits: u64) -> (Option<u8>, u32) {
    let top = bits >> 32;
    let mut length = SHORTEST_LONG;
    while length < LONGEST && top >= LIMITS[length] {
        length += 1;
    }
    let place = (top >> (32 - length)) as usize + OFFSETS[length] as usize - FIRST[length] as usize;
    let octet = SORTED.get(place).and_then(|&symbol| u8::try_from(symbol).ok());
    #[expect(clippy::cast_possible_truncation, reason = "a length is at most 30")]
    let length = length as u32;
    (octet, length)
}

/// What a code of at most 8 bits stands for; no length where it goes on.
#[derive(Clone, Copy)]
struct Short {
    octet: u8,
    length: u8,
}

/// By the next 8 bits.
static SHORT: [Short; 256] = short_codes();
/// Symbols in the order of their codes.
static SORTED: [u16; SYMBOLS] = sorted();
/// How many symbols have shorter codes, by length.
static OFFSETS: [u16; LONGEST + 1] = offsets();
/// The first code of each length.
static FIRST: [u32; LONGEST + 1] = first_codes();
/// One more than the last code of each length, moved to the top of 32 bits.
static LIMITS: [u64; LONGEST + 1] = limits();

const fn counts() -> [u16; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        counts[LENGTHS[symbol] as usize] += 1;
        symbol += 1;
    }
    counts
}

const fn offsets() -> [u16; LONGEST + 1] {
    let counts = counts();
    let mut offsets = [0; LONGEST + 1];
    let mut length = 1;
    while length <= LONGEST {
        offsets[length] = offsets[length - 1] + counts[length - 1];
        length += 1;
    }
    offsets
}

const fn first_codes() -> [u32; LONGEST + 1] {
    let counts = counts();
    let mut first = [0; LONGEST + 1];
    let mut length = 1;
    while length <= LONGEST {
        first[length] = (first[length - 1] + counts[length - 1] as u32) << 1;
        length += 1;
    }
    first
}

const fn limits() -> [u64; LONGEST + 1] {
    let (counts, first) = (counts(), first_codes());
    let mut limits = [0; LONGEST + 1];
    let mut length = 1;
    while length <= LONGEST {
        limits[length] = (first[length] as u64 + counts[length] as u64) << (32 - length);
        length += 1;
    }
    limits
}

const fn sorted() -> [u16; SYMBOLS] {
    let mut next = offsets();
    let mut sorted = [0; SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let length = LENGTHS[symbol] as usize;
        #[expect(clippy::cast_possible_truncation, reason = "there are 257 symbols")]
        let number = symbol as u16;
        sorted[next[length] as usize] = number;
        next[length] += 1;
        symbol += 1;
    }
    sorted
}

const fn short_codes() -> [Short; 256] {
    let (first, offsets, sorted, counts) = (first_codes(), offsets(), sorted(), counts());
    let mut codes = [Short { octet: 0, length: 0 }; 256];
    let mut length = 1;
    while length <= 8 {
        let mut n = 0;
        while n < counts[length] {
            let code = (first[length] as usize + n as usize) << (8 - length);
            let mut filled = 0;
            while filled < 1 << (8 - length) {
                #[expect(clippy::cast_possible_truncation, reason = "short codes are of octets")]
                let (octet, length) = (sorted[(offsets[length] + n) as usize] as u8, length as u8);
                codes[code + filled] = Short { octet, length };
                filled += 1;
            }
            n += 1;
        }
        length += 1;
    }
    codes
}

/// More than 56 bits are at hand then; what is too few for a long code is noticed.
const SYMBOLS_PER_FILL: usize = 7;
/// Octets and the end of the string.
const SYMBOLS: usize = 257;
const LONGEST: usize = 30;
const SHORTEST_LONG: usize = 10;

/// The length of each octet's code, and of the end of the string.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// Encodes octets, for tests.
#[cfg(test)]
pub(super) fn encode(octets: &[u8]) -> Vec<u8> {
    let symbols: Vec<u16> = octets.iter().copied().map(u16::from).collect();
    tests::encoded(&symbols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        let count = decode(bytes, |octet| octets.push(octet))?;
        assert_eq!(count, octets.len());
        Some(octets)
    }

    /// Encodes by the lengths alone.
    pub(super) fn encoded(symbols: &[u16]) -> Vec<u8> {
        let mut bits = String::new();
        for &symbol in symbols {
            let place = SORTED.iter().position(|&s| s == symbol).unwrap();
            let length = usize::from(LENGTHS[usize::from(symbol)]);
            let code = FIRST[length] as usize + place - usize::from(OFFSETS[length]);
            write!(bits, "{code:0length$b}").unwrap();
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let byte = |i: usize| u8::from_str_radix(&bits[i..i + 8], 2).unwrap();
        (0..bits.len()).step_by(8).map(byte).collect()
    }

    #[test]
    fn the_examples_of_the_specification_decode() {
        // RFC 7541, C.4 and C.6.
        let cases: [(&[u8], &str); 4] = [
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
        ];
        for (bytes, text) in cases {
            assert_eq!(decoded(bytes).as_deref(), Some(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn every_octet_decodes_alone_and_among_others() {
        let all: Vec<u16> = (0..=255).collect();
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encoded(&all)), Some(octets));
        for symbol in 0..=255_u16 {
            assert_eq!(decoded(&encoded(&[symbol])), Some(vec![u8::try_from(symbol).unwrap()]));
            assert_eq!(decoded(&encoded(&[symbol; 9])).map(|octets| octets.len()), Some(9));
        }
    }

    #[test]
    fn wrong_padding_and_the_end_of_the_string_are_refused() {
        assert_eq!(decoded(b""), Some(Vec::new()));
        assert_eq!(decoded(b"\x07"), Some(b"0".to_vec()));
        for bytes in [b"\x00\x00".as_slice(), b"\xff", b"\x07\xff", b"\x06", b"\xff\xff\xff\xff"] {
            assert_eq!(decoded(bytes), None, "{bytes:?}");
        }
        assert_eq!(decoded(&encoded(&[97, 256, 97])), None);
    }
}
