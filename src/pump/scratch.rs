//! The memory that the connections of a thread share: one buffer to read into, and a bound on what
//! slow readers leave in our hands.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::DerefMut;
use std::rc::Rc;

/// The buffer that all connections of a thread read into, one after the other: within one poll it
/// is read into and written from, and what the kernel did not take is kept apart ([`Kept`]).
#[derive(Debug)]
pub(crate) struct Scratch {
    buffer: RefCell<Box<[u8]>>,
    /// Bytes kept by all connections of the thread.
    kept: Cell<usize>,
}

impl Scratch {
    pub(crate) fn new() -> Rc<Self> {
        let buffer = RefCell::new(vec![0; LARGEST_READ].into_boxed_slice());
        Rc::new(Self { buffer, kept: Cell::new(0) })
    }

    /// The buffer, as long as one read may be: what is read may all have to be kept, and the more
    /// is kept already, the less may be added. So memory stays bounded however many clients ask for
    /// much and take nothing, and a client more is no reason to slow down the others.
    pub(super) fn buffer(&self) -> RefMut<'_, [u8]> {
        let length = (KEPT_AT_MOST.saturating_sub(self.kept.get()) / SHARES)
            .clamp(SMALLEST_READ, LARGEST_READ);
        RefMut::map(self.buffer.borrow_mut(), |buffer| &mut buffer.deref_mut()[..length])
    }
}

/// Bytes that the kernel has not yet taken.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Box<[u8]>,
    written: usize,
    of: Rc<Scratch>,
}

impl Kept {
    pub(super) fn new(bytes: &[u8], of: &Rc<Scratch>) -> Self {
        of.kept.set(of.kept.get() + bytes.len());
        Self { bytes: bytes.into(), written: 0, of: Rc::clone(of) }
    }

    /// Those that are still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// So many of them have been written.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.of.kept.set(self.of.kept.get() - self.bytes.len());
    }
}

/// Larger reads cost fewer system calls for large bodies.
const LARGEST_READ: usize = 256 * 1024;
/// Few enough bytes that ten thousand connections may keep so many both ways.
const SMALLEST_READ: usize = 4 * 1024;
/// The bytes that a thread keeps before each further connection may keep only the smallest read.
const KEPT_AT_MOST: usize = 16 * 1024 * 1024;
/// A read takes this part of what is left, so that no connection takes it all.
const SHARES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_read_shrinks_as_more_is_kept_and_grows_again() {
        let scratch = Scratch::new();
        let mut all = Vec::new();
        for _ in 0..10_000 {
            let buffer = scratch.buffer();
            assert!(buffer.len() >= SMALLEST_READ);
            let kept = Kept::new(&buffer, &scratch);
            drop(buffer);
            all.push(kept);
        }
        assert!(scratch.kept.get() <= KEPT_AT_MOST + 10_000 * SMALLEST_READ);
        assert_eq!(scratch.buffer().len(), SMALLEST_READ);
        drop(all);
        assert_eq!(scratch.buffer().len(), LARGEST_READ);
    }

    #[test]
    fn half_a_hundred_slow_readers_do_not_make_reads_smaller() {
        let scratch = Scratch::new();
        let all: Vec<_> = (0..48).map(|_| Kept::new(&scratch.buffer(), &scratch)).collect();
        assert_eq!(scratch.buffer().len(), LARGEST_READ);
        assert_eq!(all.iter().map(|kept| kept.rest().len()).sum::<usize>(), 48 * LARGEST_READ);
    }
}
