//! Collects a body up to a limit, unpacking it on the way, so that a bomb costs no more than the
//! limit.

use super::error::{Cause, shown};
use bytes::Bytes;
use flate2::write::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::{self, Write};

/// A body that is on its way.
#[derive(Debug)]
pub(super) struct Intake {
    shape: Shape,
    /// Bytes as they were sent.
    received: u64,
    limit: u64,
}

#[derive(Debug)]
enum Shape {
    Plain(Bounded),
    /// The member that is being unpacked, and how many there were with it.
    Gzip(Box<GzDecoder<Bounded>>, u32),
}

impl Intake {
    /// Nothing yet, and at most `limit` bytes, both as they are sent and unpacked.
    pub(super) fn new(headers: &HeaderMap, limit: u64) -> Result<Self, Cause> {
        let unpacked = Bounded { bytes: Vec::new(), limit, over: false };
        let shape = if is_gzip(headers)? {
            Shape::Gzip(Box::new(GzDecoder::new(unpacked)), 1)
        } else {
            Shape::Plain(unpacked)
        };
        Ok(Self { shape, received: 0, limit })
    }

    /// Takes in what was sent next.
    pub(super) fn push(&mut self, sent: &[u8]) -> Result<(), Cause> {
        self.received = self.received.saturating_add(sent.len() as u64);
        self.check(self.received)?;
        let (done, over) = match &mut self.shape {
            Shape::Plain(bytes) => (bytes.write_all(sent), bytes.over),
            Shape::Gzip(member, members) => (unpack(member, members, sent), member.get_ref().over),
        };
        done.map_err(|error| self.cause(over, error))
    }

    /// Whether so many bytes may be sent.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Cause> {
        if bytes > self.limit { Err(Cause::TooLarge(self.limit)) } else { Ok(()) }
    }

    /// How many bytes were sent so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The whole body, unpacked, now that all was sent.
    pub(super) fn finish(mut self) -> Result<Bytes, Cause> {
        let done = match &mut self.shape {
            Shape::Plain(_) => Ok(()),
            Shape::Gzip(member, _) => member.try_finish(),
        };
        let unpacked = match &mut self.shape {
            Shape::Plain(bytes) => bytes,
            Shape::Gzip(member, _) => member.get_mut(),
        };
        let (bytes, over) = (std::mem::take(&mut unpacked.bytes), unpacked.over);
        done.map_err(|error| self.cause(over, error))?;
        Ok(bytes.into())
    }

    fn cause(&self, over: bool, error: io::Error) -> Cause {
        if over { Cause::TooLarge(self.limit) } else { Cause::Gzip(error) }
    }
}

/// Whether the body is gzip; anything else than that or nothing cannot be read. `x-gzip` is the
/// same thing (RFC 9110, 8.4.1.3), and `identity` is no coding.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Cause> {
    let lines = headers.get_all(CONTENT_ENCODING);
    let mut codings = lines.iter().flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let mut gzip = false;
    for coding in codings.by_ref().map(<[u8]>::trim_ascii) {
        let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        if coding.is_empty() || is("identity") {
            continue;
        }
        if gzip || !(is("gzip") || is("x-gzip")) {
            let all: Vec<&[u8]> = lines.iter().map(http::HeaderValue::as_bytes).collect();
            return Err(Cause::Encoding(shown(&all.join(&b", "[..]))));
        }
        gzip = true;
    }
    Ok(gzip)
}

/// Unpacks `sent`, member by member (RFC 1952, 2.2).
fn unpack(member: &mut GzDecoder<Bounded>, members: &mut u32, mut sent: &[u8]) -> io::Result<()> {
    while !sent.is_empty() {
        match member.write(sent)? {
            // The member is over; what is left belongs to the next.
            0 => {
                member.try_finish()?;
                *members += 1;
                if *members > MEMBERS {
                    return Err(io::Error::other("it has too many members"));
                }
                let unpacked = member.get_mut().take();
                *member = GzDecoder::new(unpacked);
            }
            taken => sent = &sent[taken..],
        }
    }
    Ok(())
}

/// Bytes that take no more than a limit.
#[derive(Debug)]
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
    /// There was more.
    over: bool,
}

impl Bounded {
    fn take(&mut self) -> Self {
        Self { bytes: std::mem::take(&mut self.bytes), ..*self }
    }
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + more.len();
        if length as u64 > self.limit {
            self.over = true;
            return Err(io::Error::other("above the limit"));
        }
        if length > self.bytes.capacity() {
            // Doubles as a vector does, but never reserves beyond the limit.
            let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
            let wanted = (2 * self.bytes.capacity()).max(length).min(limit);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody needs more, and each costs the memory of a decoder for its time.
const MEMBERS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(codings: &[&str]) -> HeaderMap {
        let line = |coding: &&str| (CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
        codings.iter().map(line).collect()
    }

    fn take_in(codings: &[&str], limit: u64, chunks: &[&[u8]]) -> Result<Bytes, Cause> {
        let mut intake = Intake::new(&headers(codings), limit)?;
        for chunk in chunks {
            intake.push(chunk)?;
        }
        intake.finish()
    }

    #[test]
    fn gzip_is_unpacked_wherever_it_is_split() {
        let text = b"a 1\nb 2\n".repeat(20);
        let mut packed = gzip(&text[..80]);
        packed.extend(gzip(&text[80..]));
        for split in 0..=packed.len() {
            let (one, two) = packed.split_at(split);
            let unpacked = take_in(&["gzip"], 1 << 20, &[one, two]).unwrap();
            assert_eq!(unpacked, text, "split at {split}");
        }
    }

    #[test]
    fn gzip_that_is_cut_short_anywhere_is_refused() {
        let packed = gzip(&b"a 1\n".repeat(50));
        for cut in 0..packed.len() {
            let taken = take_in(&["gzip"], 1 << 20, &[&packed[..cut]]);
            assert!(matches!(taken, Err(Cause::Gzip(_))), "cut at {cut}: {taken:?}");
        }
    }

    #[test]
    fn any_wrong_bit_in_gzip_is_refused_or_harmless() {
        let text = b"a 1\n".repeat(50);
        let packed = gzip(&text);
        for bit in 0..packed.len() * 8 {
            let mut wrong = packed.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            if let Ok(unpacked) = take_in(&["gzip"], 1 << 20, &[&wrong]) {
                assert_eq!(unpacked, text, "bit {bit}");
            }
        }
    }

    #[test]
    fn the_limit_is_exact_before_and_after_unpacking() {
        let text = vec![b'#'; 100_000];
        assert_eq!(take_in(&[], 100_000, &[&text]).unwrap().len(), 100_000);
        assert!(matches!(take_in(&[], 99_999, &[&text]), Err(Cause::TooLarge(99_999))));
        let packed = gzip(&text);
        assert_eq!(take_in(&["gzip"], 100_000, &[&packed]).unwrap().len(), 100_000);
        assert!(matches!(take_in(&["gzip"], 99_999, &[&packed]), Err(Cause::TooLarge(99_999))));
        assert!(matches!(take_in(&["gzip"], 10, &[&packed]), Err(Cause::TooLarge(10))));
    }

    #[test]
    fn a_bomb_takes_no_more_memory_than_the_limit() {
        let packed = gzip(&vec![0; 16 << 20]);
        let mut intake = Intake::new(&headers(&["gzip"]), 1 << 20).unwrap();
        assert!(matches!(intake.push(&packed), Err(Cause::TooLarge(_))));
        let Shape::Gzip(member, _) = &intake.shape else { panic!("not gzip") };
        assert!(member.get_ref().bytes.capacity() <= 1 << 20);
    }

    #[test]
    fn a_bomb_of_empty_members_is_refused() {
        let members = gzip(b"").repeat(1_001);
        let taken = take_in(&["gzip"], 1 << 20, &[&members]);
        assert!(matches!(taken, Err(Cause::Gzip(_))), "{taken:?}");
        assert_eq!(take_in(&["gzip"], 1 << 20, &[&gzip(b"").repeat(1_000)]).unwrap(), "");
    }

    #[test]
    fn only_gzip_and_nothing_are_codings() {
        let packed = gzip(b"a 1\n");
        for codings in [&["gzip"][..], &["X-GZip"], &["identity, gzip"], &["", "gzip"]] {
            assert_eq!(take_in(codings, 1 << 20, &[&packed]).unwrap(), "a 1\n", "{codings:?}");
        }
        for codings in [&[][..], &[""], &["Identity"], &[" , "]] {
            assert_eq!(take_in(codings, 1 << 20, &[b"a 1\n"]).unwrap(), "a 1\n", "{codings:?}");
        }
        for codings in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["zstd, gzip"]] {
            let taken = take_in(codings, 1 << 20, &[&packed]);
            assert!(matches!(taken, Err(Cause::Encoding(_))), "{codings:?}: {taken:?}");
        }
    }
}
