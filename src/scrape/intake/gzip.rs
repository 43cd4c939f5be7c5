//! Unpacks gzip as it comes, member by member (RFC 1952, 2.2).

use super::bounded::Bounded;
use super::{PARTS, too_many_parts};
use flate2::write::GzDecoder;
use std::io::{self, Write};

/// A body that is being unpacked.
#[derive(Debug)]
pub(super) struct Gzip {
    /// The member that is being unpacked.
    member: Box<GzDecoder<Bounded>>,
    /// How many there were with it.
    members: u32,
}

impl Gzip {
    pub(super) fn new(unpacked: Bounded) -> Self {
        Self { member: Box::new(GzDecoder::new(unpacked)), members: 1 }
    }

    pub(super) fn push(&mut self, mut sent: &[u8]) -> io::Result<()> {
        while !sent.is_empty() {
            match self.member.write(sent)? {
                // The member is over; what is left belongs to the next.
                0 => {
                    self.member.try_finish()?;
                    self.members += 1;
                    if self.members > PARTS {
                        return Err(too_many_parts());
                    }
                    let unpacked = self.member.get_mut().take();
                    *self.member = GzDecoder::new(unpacked);
                }
                taken => sent = &sent[taken..],
            }
        }
        Ok(())
    }

    pub(super) fn unpacked(&self) -> &Bounded {
        self.member.get_ref()
    }

    /// Whether it was whole, and what was in it.
    pub(super) fn finish(mut self) -> (io::Result<()>, Bounded) {
        let done = self.member.try_finish();
        (done, self.member.get_mut().take())
    }
}
