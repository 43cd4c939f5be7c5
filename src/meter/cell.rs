//! A counter with one writer and any number of readers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread writes and any thread may read.
///
/// The writer needs no read-modify-write instruction: nobody else writes between its load and its
/// store. That only the owner of a shard writes is up to [`Shard`](super::Shard), which cannot
/// leave its thread.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    /// Adds `more`; only the cell's one writer may call this. Wraps as Prometheus' own counters do.
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Sets it; only the cell's one writer may call this.
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
