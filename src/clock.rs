//! Tells the time as whole nanoseconds since the program began, so that time is a value that tests can set.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A point in time: nanoseconds since the [`Clock`] was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nanoseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A monotonic clock. Copies agree with each other. Under tokio's paused time it stands still.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that reads 0 now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// When it read 0, since 1970. To be asked once: times are told from there on, so that one that
    /// is told again is the same, whatever has become of the date.
    pub fn epoch(&self) -> Duration {
        let date = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        date.saturating_sub(self.origin.elapsed())
    }

    /// The time now.
    pub fn now(&self) -> Nanos {
        let elapsed = self.origin.elapsed();
        // 584 years fit.
        Nanos(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }
}

/// A time that may not have come yet, in no more room than one that has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited(Nanos);

impl Awaited {
    /// It has not come.
    pub const STILL: Self = Self(Nanos(u64::MAX));

    /// It is `now`, unless it came before.
    pub fn comes(&mut self, now: Nanos) {
        if *self == Self::STILL {
            self.0 = now;
        }
    }

    /// The time, if it has come.
    pub fn time(self) -> Option<Nanos> {
        (self != Self::STILL).then_some(self.0)
    }
}

impl Default for Awaited {
    fn default() -> Self {
        Self::STILL
    }
}

/// The time of day: whole seconds since 1970, as certificates tell it.
pub fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock from before 1970 is not set.
    since.map_or(0, |since| since.as_secs())
}
