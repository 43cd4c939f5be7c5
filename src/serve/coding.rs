//! Chooses how an answer is compressed (`Accept-Encoding`), and compresses it as it comes.

use crate::exposition::weight;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt;
use std::io::{self, Write};
use zstd::stream::write::Encoder as ZstdEncoder;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// Chooses by the values of the `Accept-Encoding` header lines (RFC 9110, 12.5.3).
    ///
    /// The heaviest is given. Between equals a coding that is named comes before one that `*`
    /// stands for; of two that are named zstd, which is quicker and smaller; of two that `*`
    /// stands for gzip, which really everybody knows. Nothing is refused: whoever takes nothing
    /// that we have, not even `identity`, gets the answer as it is.
    pub(super) fn choose<'v>(accept: impl IntoIterator<Item = &'v str>) -> Self {
        let mut named = [None; Self::ALL.len()];
        let mut others = None;
        let ranges = accept.into_iter().flat_map(|line| line.split(','));
        for range in ranges.take(MAX_RANGES) {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let (name, weight) = (name.trim(), weight_among(parameters));
            if name == "*" {
                others = others.max(Some(weight));
            } else if let Some(at) = Self::ALL.iter().position(|coding| coding.is_called(name)) {
                named[at] = named[at].max(Some(weight));
            }
        }
        let codings = Self::ALL.into_iter().zip(named);
        let wanted = codings.filter_map(|(coding, own)| {
            let preference = match (coding, own) {
                // Nobody has to name it, but whoever does may prefer it (12.5.3, rule 2).
                (Self::Identity, None) => return None,
                (Self::Identity, Some(_)) => 2,
                (Self::Zstd, Some(_)) => 4,
                (Self::Gzip, Some(_)) => 3,
                (Self::Gzip, None) => 1,
                (Self::Zstd, None) => 0,
            };
            let weight = own.or(others).filter(|weight| *weight > 0)?;
            Some((weight, preference, coding))
        });
        let best = wanted.max_by_key(|(weight, preference, _)| (*weight, *preference));
        best.map_or(Self::Identity, |(_, _, coding)| coding)
    }

    /// What `Content-Encoding` says of it; nothing where nothing was done.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Something that compresses so; `None` where there is nothing to do.
    pub(super) fn encoder(self) -> io::Result<Option<Encoder>> {
        Ok(match self {
            Self::Identity => None,
            Self::Gzip => Some(Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))),
            Self::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                Some(Encoder::Zstd(encoder))
            }
        })
    }

    fn is_called(self, name: &str) -> bool {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match self {
            Self::Identity => is("identity"),
            // RFC 9110, 8.4.1.3.
            Self::Gzip => is("gzip") || is("x-gzip"),
            Self::Zstd => is("zstd"),
        }
    }

    const ALL: [Self; 3] = [Self::Identity, Self::Gzip, Self::Zstd];
}

fn weight_among(parameters: &str) -> u16 {
    let mut parameters = parameters.split(';').filter_map(|part| part.split_once('='));
    let q = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
    q.map_or(1000, |(_, value)| weight(value.trim()))
}

/// An answer that is being compressed.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Takes the next part.
    pub(super) fn push(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(part),
            Self::Zstd(encoder) => encoder.write_all(part),
        }
    }

    /// What has come out so far and was not taken yet; it may be nothing.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        };
        std::mem::take(out).into()
    }

    /// What comes out at the end.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        let out = match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        Ok(out.into())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

/// The quickest that is still called a level.
const ZSTD_LEVEL: i32 = 1;
/// 128 KiB: series resemble their neighbours, and each answer has a window of its own.
const ZSTD_WINDOW_LOG: u32 = 17;
/// Real headers have a handful; more is not worth anybody's time.
const MAX_RANGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn each_client_gets_the_best_of_what_it_takes() {
        for (accept, coding) in [
            // Prometheus with compression and without, curl --compressed, Go, Python's requests,
            // Firefox, Chrome.
            ("gzip", Coding::Gzip),
            ("identity", Coding::Identity),
            ("deflate, gzip, br, zstd", Coding::Zstd),
            ("gzip, deflate", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            // Weights.
            ("zstd;q=0.5, gzip", Coding::Gzip),
            ("br, gzip;q=0.5", Coding::Gzip),
            ("gzip;q=0.5, identity", Coding::Identity),
            ("gzip;q=0.5, identity;q=0.5", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("gzip;q=0.000, zstd;q=0.001", Coding::Zstd),
            ("gzip; Q = 0", Coding::Identity),
            ("gzip;q=0, gzip", Coding::Gzip),
            // Wildcards.
            ("*", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("gzip;q=0, *", Coding::Zstd),
            ("zstd;q=0.5, *", Coding::Gzip),
            ("zstd, *", Coding::Zstd),
            ("gzip, *;q=0", Coding::Gzip),
            ("identity;q=0, *;q=0", Coding::Identity),
            ("identity;q=0.5, *;q=0.1", Coding::Identity),
            // Spelling.
            ("GZip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("", Coding::Identity),
            (" , ;q=, ,", Coding::Identity),
            ("zstd-unknown, gzipped, br", Coding::Identity),
        ] {
            assert_eq!(Coding::choose([accept]), coding, "{accept}");
        }
        assert_eq!(Coding::choose([]), Coding::Identity);
        assert_eq!(Coding::choose(["br", "gzip;q=0.1", "identity;q=0"]), Coding::Gzip);
    }

    #[test]
    fn what_is_compressed_in_parts_is_the_whole_again() {
        let text: Vec<u8> =
            (0..200_000u32).flat_map(|n| format!("a_{} {n}\n", n % 7).into_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut encoder = coding.encoder().unwrap().unwrap();
            let mut packed = Vec::new();
            for part in text.chunks(10_007) {
                encoder.push(part).unwrap();
                packed.extend_from_slice(&encoder.take());
            }
            let before = packed.len();
            assert!(before > text.len() / 40, "most comes before the end");
            packed.extend_from_slice(&encoder.finish().unwrap());
            assert!(packed.len() < text.len() / 2);
            let mut unpacked = Vec::new();
            match coding {
                Coding::Zstd => unpacked = zstd::decode_all(&*packed).unwrap(),
                _ => {
                    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
                }
            }
            assert_eq!(unpacked, text);
        }
    }
}
