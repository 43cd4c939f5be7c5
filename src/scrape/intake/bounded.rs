//! A buffer that takes no more than a limit, neither of bytes nor of memory.

use bytes::Bytes;
use std::io::{self, Write};

/// Bytes up to a limit.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
    /// There was more.
    over: bool,
}

impl Bounded {
    pub(super) fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit, over: false }
    }

    /// Makes room for as many bytes as are said to come, within reason: saying costs nothing.
    pub(super) fn expecting(mut self, announced: u64) -> Self {
        let announced = usize::try_from(announced.min(self.limit)).unwrap_or(usize::MAX);
        self.bytes.reserve_exact(announced.min(TAKEN_AT_ITS_WORD));
        self
    }

    /// Whether there was more than the limit.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What is there, for another buffer to go on with.
    pub(super) fn take(&mut self) -> Self {
        Self { bytes: std::mem::take(&mut self.bytes), ..*self }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// The bytes, to write behind them within their capacity, of which there is some unless the
    /// limit is reached. The vector is not to grow by itself.
    pub(super) fn with_room(&mut self) -> &mut Vec<u8> {
        if self.bytes.len() == self.bytes.capacity() {
            self.grow(self.bytes.len() + 1);
        }
        &mut self.bytes
    }

    /// Says that there was more.
    pub(super) fn refuse(&mut self) -> io::Error {
        self.over = true;
        io::Error::other("above the limit")
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Doubles as a vector does, but never reserves beyond the limit.
    fn grow(&mut self, least: usize) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let wanted = (2 * self.bytes.capacity()).max(least).max(FIRST).min(limit);
        self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
    }
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + more.len();
        if length as u64 > self.limit {
            return Err(self.refuse());
        }
        if length > self.bytes.capacity() {
            self.grow(length);
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Most expositions are larger.
const FIRST: usize = 4 << 10;
/// What is made room for before it has come.
const TAKEN_AT_ITS_WORD: usize = 1 << 20;
