//! How long a scrape waits for a source that has hung before.
//!
//! A source that fails at once costs nothing, and is asked at every scrape. One that hangs costs
//! every scrape all its time, and a scraper without the usual header may have given up by then. So
//! a source that has hung [`HANGS`] times in a row, a second or longer, gets a tenth of the time from then on, and all of
//! it once in [`PAUSE`]: one that is well again is seen at the next scrape if it answers as quickly
//! as metrics are answered, and within a minute in any case.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What is remembered of a source's hanging.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In a row, with all the time that there was.
    hangs: u32,
    /// When it may have all the time again.
    patient_at: Option<Instant>,
}

impl Patience {
    /// Begins to wait, and says until when.
    pub(super) fn wait(&self, asked: Instant, deadline: Instant) -> Waiting<'_> {
        let impatient = self.state().patient_at.is_some_and(|at| asked < at);
        let until = if impatient {
            let time = deadline.saturating_duration_since(asked);
            deadline.min(asked + (time / 10).max(LEAST))
        } else {
            deadline
        };
        Waiting { patience: self, asked, until, impatient, ended: false }
    }

    /// How long until the source gets all the time again, if it does not now.
    pub(super) fn impatient_for(&self) -> Option<Duration> {
        let until = self.state().patient_at?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hung(&self) {
        let mut state = self.state();
        state.hangs = state.hangs.saturating_add(1);
        if state.hangs >= HANGS {
            state.patient_at = Some(Instant::now() + PAUSE);
        }
    }
}

/// One wait for a source. Dropped before its end, it was given up by the scraper, which is a hang,
/// too.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    patience: &'a Patience,
    asked: Instant,
    /// Until when to wait.
    pub(super) until: Instant,
    impatient: bool,
    ended: bool,
}

impl Waiting<'_> {
    /// Says whether the time ran out.
    pub(super) fn end(mut self, hung: bool) {
        self.ended = true;
        if hung {
            self.note();
        } else {
            *self.patience.state() = State::default();
        }
    }

    fn note(&self) {
        if !self.impatient && self.asked.elapsed() >= A_MOMENT {
            self.patience.hung();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.note();
        }
    }
}

/// Fewer may be bad luck.
pub(super) const HANGS: u32 = 3;
/// How long a source that hangs gets less than all the time.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
/// The least that a source gets: some need as long with nothing wrong.
const LEAST: Duration = Duration::from_millis(250);
/// What takes less long costs nobody much, and a scraper that has no more time never meant to wait:
/// it shall not take the time of those who do.
const A_MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    fn waits(patience: &Patience) -> Duration {
        let now = Instant::now();
        let waiting = patience.wait(now, now + TIME);
        let until = waiting.until - now;
        std::mem::forget(waiting);
        until
    }

    async fn hang(patience: &Patience) {
        let now = Instant::now();
        let waiting = patience.wait(now, now + TIME);
        tokio::time::advance(waiting.until - now).await;
        waiting.end(true);
    }

    #[tokio::test(start_paused = true)]
    async fn three_hangs_in_a_row_leave_a_tenth_of_the_time_for_a_minute() {
        let patience = Patience::default();
        for _ in 0..3 {
            assert_eq!(waits(&patience), TIME);
            assert_eq!(patience.impatient_for(), None);
            hang(&patience).await;
        }
        assert_eq!(waits(&patience), TIME / 10);
        assert_eq!(patience.impatient_for(), Some(PAUSE));
        // To hang within a tenth of the time says nothing new.
        hang(&patience).await;
        assert_eq!(patience.impatient_for(), PAUSE.checked_sub(TIME / 10));
        tokio::time::advance(PAUSE).await;
        assert_eq!(patience.impatient_for(), None);
        assert_eq!(waits(&patience), TIME);
        hang(&patience).await;
        assert_eq!(waits(&patience), TIME / 10, "once is enough from then on");
    }

    #[tokio::test(start_paused = true)]
    async fn any_answer_makes_up_for_every_hang() {
        let patience = Patience::default();
        for _ in 0..10 {
            hang(&patience).await;
        }
        patience.wait(Instant::now(), Instant::now() + TIME).end(false);
        hang(&patience).await;
        hang(&patience).await;
        assert_eq!(waits(&patience), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_no_scraper_waits_for_hangs_as_well() {
        let patience = Patience::default();
        for moment in [Duration::from_millis(999), A_MOMENT] {
            for _ in 0..3 {
                assert_eq!(waits(&patience), TIME);
                let waiting = patience.wait(Instant::now(), Instant::now() + TIME);
                tokio::time::advance(moment).await;
                drop(waiting);
            }
        }
        assert_eq!(waits(&patience), TIME / 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scraper_in_a_hurry_takes_no_time_from_the_others() {
        let patience = Patience::default();
        for _ in 0..10 {
            let waiting = patience.wait(Instant::now(), Instant::now() + TIME / 20);
            tokio::time::advance(TIME / 20).await;
            waiting.end(true);
        }
        assert_eq!(waits(&patience), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenth_is_never_too_short_and_never_beyond_the_deadline() {
        let patience = Patience::default();
        for _ in 0..3 {
            hang(&patience).await;
        }
        let now = Instant::now();
        let given = |millis| {
            let waiting = patience.wait(now, now + Duration::from_millis(millis));
            let until = waiting.until - now;
            waiting.end(true);
            until.as_millis()
        };
        assert_eq!([given(900), given(90), given(60_000)], [250, 90, 6_000]);
    }
}
