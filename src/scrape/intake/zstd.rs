//! Unpacks zstd as it comes, frame by frame (RFC 8878, 3).

use super::bounded::Bounded;
use super::{PARTS, too_many_parts};
use std::fmt;
use std::io;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// A body that is being unpacked.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    unpacked: Bounded,
    /// Whether the last frame is whole and all of it unpacked.
    ended: bool,
    frames: u32,
}

impl Zstd {
    pub(super) fn new(unpacked: Bounded) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { decoder, unpacked, ended: false, frames: 0 })
    }

    pub(super) fn push(&mut self, sent: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(sent);
        // Nothing is no beginning of a frame, either.
        while !sent.is_empty() {
            let behind = input.pos();
            let full = self.step(&mut input)?;
            if self.ended && input.pos() > behind {
                self.frames += 1;
                if self.frames > PARTS {
                    return Err(too_many_parts());
                }
            }
            if input.pos() == sent.len() && !full {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn unpacked(&self) -> &Bounded {
        &self.unpacked
    }

    /// Whether it was whole, and what was in it.
    pub(super) fn finish(self) -> (io::Result<()>, Bounded) {
        let done = if self.ended {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within a frame"))
        };
        (done, self.unpacked)
    }

    /// Unpacks until the input or the room is used up, or a frame ends. Whether there may be more
    /// without more input, because the room was used up.
    fn step(&mut self, input: &mut InBuffer<'_>) -> io::Result<bool> {
        let bytes = self.unpacked.with_room();
        let (length, capacity) = (bytes.len(), bytes.capacity());
        if length == capacity {
            // The limit is reached; one more byte is one too many.
            let mut one = [0];
            let mut output = OutBuffer::around(&mut one[..]);
            let left = self.decoder.run(input, &mut output)?;
            if output.pos() > 0 {
                return Err(self.unpacked.refuse());
            }
            self.ended = left == 0;
            return Ok(false);
        }
        let mut output = OutBuffer::around_pos(bytes, length);
        let left = self.decoder.run(input, &mut output)?;
        let full = output.pos() == capacity;
        self.ended = left == 0;
        Ok(full && left != 0)
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// The window that every decoder must have and no encoder may exceed within HTTP: 8 MiB
/// (RFC 9659, 3).
const WINDOW_LOG: u32 = 23;
