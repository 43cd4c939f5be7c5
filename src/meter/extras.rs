//! What is recorded and shown beyond numbers and classic buckets.

use super::Natives;
use crate::clock::Nanos;
use std::time::Duration;

/// What one reader of the recording is shown beyond numbers and classic buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// When the clock read zero, since 1970: what has a time is shown with it. `None` shows no time.
    pub epoch: Option<Duration>,
    /// Native histograms.
    pub natives: Option<Natives>,
    /// Traces that stand for buckets.
    pub exemplars: bool,
}

impl Extras {
    /// When it was since 1970, if that is shown.
    pub fn time(&self, at: Nanos) -> Option<Duration> {
        Some(self.epoch? + Duration::from_nanos(at.0))
    }
}
