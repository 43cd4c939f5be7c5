//! Tells the time as whole nanoseconds since the program began, so that time is a value that tests can set.

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

    /// The time now.
    pub fn now(&self) -> Nanos {
        let elapsed = self.origin.elapsed();
        // 584 years fit.
        Nanos(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }
}

/// The time of day: whole seconds since 1970, as certificates tell it.
pub fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock from before 1970 is not set.
    since.map_or(0, |since| since.as_secs())
}
