//! Collects a body up to a limit, unpacking it on the way, so that a bomb costs no more than the
//! limit.
//!
//! The body is held once: what comes is unpacked at once, straight into the buffer that becomes
//! the body. Nothing is asked twice whether it was whole: a compressed body ends where its format
//! says so, or it is refused.

mod bounded;
mod gzip;
mod zstd;

use super::error::{Cause, shown};
use bounded::Bounded;
use bytes::Bytes;
use gzip::Gzip;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::fmt;
use std::io::{self, Write};
use zstd::Zstd;

/// What may be asked of a source: the quicker to unpack comes first.
pub(super) const CODINGS: &str = "zstd, gzip";

/// The most bytes of a body, as they are sent and unpacked, and what sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteLimit {
    /// How many.
    pub(crate) bytes: u64,
    /// The setting that says so.
    pub(crate) setting: &'static str,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// A body that is on its way.
#[derive(Debug)]
pub(super) struct Intake {
    shape: Shape,
    /// Bytes as they were sent.
    received: u64,
    limit: ByteLimit,
}

#[derive(Debug)]
enum Shape {
    Plain(Bounded),
    Gzip(Gzip),
    Zstd(Zstd),
}

impl Intake {
    /// Nothing yet, and at most `limit` bytes, both as they are sent and unpacked. `announced` is
    /// how many the head says that will be sent, at least.
    pub(super) fn new(
        headers: &HeaderMap,
        announced: u64,
        limit: ByteLimit,
    ) -> Result<Self, Cause> {
        let coding = coding(headers)?;
        // A body that says beforehand that it is too large need not be read.
        check(announced, limit)?;
        let unpacked = Bounded::new(limit.bytes);
        let shape = match coding {
            None => Shape::Plain(unpacked.expecting(announced)),
            Some(Coding::Gzip) => Shape::Gzip(Gzip::new(unpacked)),
            Some(Coding::Zstd) => Shape::Zstd(
                Zstd::new(unpacked)
                    .map_err(|error| Cause::Packed { coding: Coding::Zstd, error })?,
            ),
        };
        Ok(Self { shape, received: 0, limit })
    }

    /// Takes in what was sent next.
    pub(super) fn push(&mut self, sent: &[u8]) -> Result<(), Cause> {
        self.received = self.received.saturating_add(sent.len() as u64);
        check(self.received, self.limit)?;
        let (done, coding, unpacked) = match &mut self.shape {
            Shape::Plain(unpacked) => (unpacked.write_all(sent), None, &*unpacked),
            Shape::Gzip(gzip) => (gzip.push(sent), Some(Coding::Gzip), gzip.unpacked()),
            Shape::Zstd(zstd) => (zstd.push(sent), Some(Coding::Zstd), zstd.unpacked()),
        };
        done.map_err(|error| cause(error, coding, unpacked.is_over(), self.limit))
    }

    /// How many bytes were sent so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The whole body, unpacked, now that all was sent.
    pub(super) fn finish(self) -> Result<Bytes, Cause> {
        let limit = self.limit;
        let (done, coding, unpacked) = match self.shape {
            Shape::Plain(unpacked) => (Ok(()), None, unpacked),
            Shape::Gzip(gzip) => {
                let (done, unpacked) = gzip.finish();
                (done, Some(Coding::Gzip), unpacked)
            }
            Shape::Zstd(zstd) => {
                let (done, unpacked) = zstd.finish();
                (done, Some(Coding::Zstd), unpacked)
            }
        };
        done.map_err(|error| cause(error, coding, unpacked.is_over(), limit))?;
        Ok(unpacked.into_bytes())
    }
}

/// Whether so many bytes may be sent.
fn check(bytes: u64, limit: ByteLimit) -> Result<(), Cause> {
    if bytes > limit.bytes { Err(Cause::TooLarge(limit)) } else { Ok(()) }
}

fn cause(error: io::Error, coding: Option<Coding>, over: bool, limit: ByteLimit) -> Cause {
    match coding {
        Some(coding) if !over => Cause::Packed { coding, error },
        // What is not packed fails for no other reason.
        _ => Cause::TooLarge(limit),
    }
}

/// How the body is compressed, if at all; another way than those that were asked for cannot be
/// read, nor can two at once. `x-gzip` is gzip (RFC 9110, 8.4.1.3), and `identity` is no coding.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Cause> {
    let lines = headers.get_all(CONTENT_ENCODING);
    let codings = lines.iter().flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let mut found = None;
    for coding in codings.map(<[u8]>::trim_ascii) {
        let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        let known = match coding {
            _ if coding.is_empty() || is("identity") => continue,
            _ if is("gzip") || is("x-gzip") => Some(Coding::Gzip),
            _ if is("zstd") => Some(Coding::Zstd),
            _ => None,
        };
        if known.is_none() || found.is_some() {
            let all: Vec<&[u8]> = lines.iter().map(http::HeaderValue::as_bytes).collect();
            return Err(Cause::Encoding(shown(&all.join(&b", "[..]))));
        }
        found = known;
    }
    Ok(found)
}

/// Members of gzip, frames of zstd: nobody needs more, and each costs the time to set up a decoder.
const PARTS: u32 = 1_000;

fn too_many_parts() -> io::Error {
    io::Error::other("it has too many parts")
}

#[cfg(test)]
mod tests;
