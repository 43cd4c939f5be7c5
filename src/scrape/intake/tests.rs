//! Bodies whole, cut, wrong and too large, in every coding.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use proptest::prelude::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as every encoder can.
fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Each coding with what packs so.
const CODECS: [(&str, Codec); 2] = [("gzip", gzip), ("zstd", zstd)];
type Codec = fn(&[u8]) -> Vec<u8>;

fn headers(codings: &[&str]) -> HeaderMap {
    let line = |coding: &&str| (CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
    codings.iter().map(line).collect()
}

fn limit(bytes: u64) -> ByteLimit {
    ByteLimit { bytes, setting: "here" }
}

fn take_in(codings: &[&str], most: u64, chunks: &[&[u8]]) -> Result<Bytes, Cause> {
    let mut intake = Intake::new(&headers(codings), 0, limit(most))?;
    for chunk in chunks {
        intake.push(chunk)?;
    }
    intake.finish()
}

fn is_broken(taken: &Result<Bytes, Cause>) -> bool {
    matches!(taken, Err(Cause::Packed { .. }))
}

fn is_too_large(taken: &Result<Bytes, Cause>, most: u64) -> bool {
    matches!(taken, Err(Cause::TooLarge(limit)) if limit.bytes == most)
}

#[test]
fn what_is_packed_is_unpacked_wherever_it_is_split() {
    let text = b"a 1\nb 2\n".repeat(20);
    for (coding, pack) in CODECS {
        let mut packed = pack(&text[..80]);
        packed.extend(pack(&text[80..]));
        for split in 0..=packed.len() {
            let (one, two) = packed.split_at(split);
            let unpacked = take_in(&[coding], 1 << 20, &[one, two]).unwrap();
            assert_eq!(unpacked, text, "{coding} split at {split}");
        }
        let bytes: Vec<&[u8]> = packed.chunks(1).collect();
        assert_eq!(take_in(&[coding], 1 << 20, &bytes).unwrap(), text, "{coding} byte by byte");
    }
}

#[test]
fn what_is_cut_short_anywhere_is_refused() {
    let text = b"a 1\n".repeat(50);
    for (coding, pack) in CODECS {
        let one = pack(&text);
        let both = [one.clone(), pack(&text)].concat();
        for cut in (0..both.len()).filter(|cut| *cut != one.len()) {
            let taken = take_in(&[coding], 1 << 20, &[&both[..cut]]);
            assert!(is_broken(&taken), "{coding} cut at {cut}: {taken:?}");
        }
    }
}

#[test]
fn any_wrong_bit_is_refused_or_harmless() {
    let text = b"a 1\n".repeat(50);
    for (coding, pack) in CODECS {
        let packed = pack(&text);
        for bit in 0..packed.len() * 8 {
            let mut wrong = packed.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            // A frame may become one to skip, which says that it holds nothing.
            if let Ok(unpacked) = take_in(&[coding], 1 << 20, &[&wrong]) {
                assert!(unpacked == text || unpacked.is_empty(), "{coding}, bit {bit}");
            }
        }
    }
}

#[test]
fn what_follows_the_last_part_is_refused() {
    for (coding, pack) in CODECS {
        let packed = [pack(b"a 1\n"), b"a 2\n".to_vec()].concat();
        assert!(is_broken(&take_in(&[coding], 1 << 20, &[&packed])), "{coding}");
    }
}

#[test]
fn the_limit_is_exact_before_and_after_unpacking() {
    let text = vec![b'#'; 100_000];
    assert_eq!(take_in(&[], 100_000, &[&text]).unwrap().len(), 100_000);
    assert!(is_too_large(&take_in(&[], 99_999, &[&text]), 99_999));
    for (coding, pack) in CODECS {
        let packed = pack(&text);
        assert_eq!(take_in(&[coding], 100_000, &[&packed]).unwrap().len(), 100_000, "{coding}");
        assert!(is_too_large(&take_in(&[coding], 99_999, &[&packed]), 99_999), "{coding}");
        assert!(is_too_large(&take_in(&[coding], 10, &[&packed]), 10), "{coding}");
    }
}

#[test]
fn a_bomb_takes_no_more_memory_than_the_limit() {
    for (coding, pack) in CODECS {
        let packed = pack(&vec![0; 8 << 20]);
        let mut intake = Intake::new(&headers(&[coding]), 0, limit(1 << 20)).unwrap();
        assert!(matches!(intake.push(&packed), Err(Cause::TooLarge(_))), "{coding}");
        let unpacked = match &intake.shape {
            Shape::Plain(_) => panic!("not packed"),
            Shape::Gzip(gzip) => gzip.unpacked(),
            Shape::Zstd(zstd) => zstd.unpacked(),
        };
        assert!(unpacked.capacity() <= 1 << 20, "{coding}");
    }
}

#[test]
fn a_bomb_of_empty_parts_is_refused() {
    for (coding, pack) in CODECS {
        let parts = pack(b"").repeat(1_001);
        assert!(is_broken(&take_in(&[coding], 1 << 20, &[&parts])), "{coding}");
        let parts = pack(b"").repeat(1_000);
        assert_eq!(take_in(&[coding], 1 << 20, &[&parts]).unwrap(), "", "{coding}");
    }
    // Frames that say that they are to be skipped.
    let skipped = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(1_001);
    assert!(is_broken(&take_in(&["zstd"], 1 << 20, &[&skipped])));
}

#[test]
fn a_window_beyond_what_http_has_is_refused() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(b"a 1\n").unwrap();
    let packed = encoder.finish().unwrap();
    let taken = take_in(&["zstd"], 1 << 20, &[&packed]);
    assert!(is_broken(&taken), "{taken:?}");
}

#[test]
fn what_is_announced_beyond_the_limit_is_not_read_and_what_is_not_sent_costs_nothing() {
    let intake = |announced| Intake::new(&HeaderMap::new(), announced, limit(1 << 30));
    assert!(matches!(intake((1 << 30) + 1), Err(Cause::TooLarge(_))));
    let Shape::Plain(plain) = intake(1 << 30).unwrap().shape else { panic!("packed") };
    assert!(plain.capacity() <= 1 << 20);
}

#[test]
fn only_gzip_zstd_and_nothing_are_codings() {
    let packed = gzip(b"a 1\n");
    for codings in [&["gzip"][..], &["X-GZip"], &["identity, gzip"], &["", "gzip"]] {
        assert_eq!(take_in(codings, 1 << 20, &[&packed]).unwrap(), "a 1\n", "{codings:?}");
    }
    assert_eq!(take_in(&["ZSTD"], 1 << 20, &[&zstd(b"a 1\n")]).unwrap(), "a 1\n");
    for codings in [&[][..], &[""], &["Identity"], &[" , "]] {
        assert_eq!(take_in(codings, 1 << 20, &[b"a 1\n"]).unwrap(), "a 1\n", "{codings:?}");
    }
    for codings in [&["br"][..], &["gzip, gzip"], &["gzip", "zstd"], &["zstd, gzip"], &["\u{e4}"]] {
        let taken = take_in(codings, 1 << 20, &[&packed]);
        assert!(matches!(taken, Err(Cause::Encoding(_))), "{codings:?}: {taken:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_unpacked_or_refused_within_the_limit(
        bytes in prop_oneof![
            any::<Vec<u8>>(),
            any::<Vec<u8>>().prop_map(|tail| [&b"\x28\xb5\x2f\xfd"[..], &tail].concat()),
            any::<Vec<u8>>().prop_map(|tail| [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &tail].concat()),
        ],
        split in 0..100_usize,
    ) {
        let (one, two) = bytes.split_at(split.min(bytes.len()));
        for (coding, _) in CODECS {
            let whole = take_in(&[coding], 1_000, &[&bytes]);
            let split = take_in(&[coding], 1_000, &[one, two]);
            prop_assert_eq!(whole.is_ok(), split.is_ok());
            if let (Ok(whole), Ok(split)) = (whole, split) {
                prop_assert!(whole.len() <= 1_000);
                prop_assert_eq!(whole, split);
            }
        }
    }

    #[test]
    fn what_was_packed_is_what_is_unpacked(text in any::<Vec<u8>>(), repeated in 1..400_usize) {
        let text = text.repeat(repeated);
        for (coding, pack) in CODECS {
            let packed = pack(&text);
            let most = text.len().max(packed.len()) as u64;
            prop_assert_eq!(&take_in(&[coding], most, &[&packed]).unwrap(), &text);
        }
    }
}
