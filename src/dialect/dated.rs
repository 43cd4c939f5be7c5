//! A count of one kind, and since when there is one.

use crate::clock::Nanos;

/// How often something happened, added up over series of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) count: u64,
    /// Since when there is any such series.
    pub(super) created: Option<Nanos>,
}

impl Dated {
    pub(super) fn new(count: u64, created: Option<Nanos>) -> Self {
        Self { count, created }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.created = match (self.created, other.created) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}
