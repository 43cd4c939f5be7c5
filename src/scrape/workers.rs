//! Asks one source for all the processes behind it.
//!
//! A server that forks its workers answers each connection with another process, and nobody can
//! choose which. So connections are opened one after another until every process was heard, or
//! until further ones bring nobody new. One at a time, because no app should have all its workers
//! held by a scrape, and because a process that answers two requests at once may count between
//! them, so that it would look like two. Scrapes at the same time take turns for the same reason.

use super::crew::{Crew, Muster, Words};
use super::{Body, Cause};
use crate::aside::aside;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// The processes of one source, and what they said.
#[derive(Debug)]
pub(super) struct Workers {
    crew: Arc<tokio::sync::Mutex<Crew>>,
    known: Mutex<(Muster, Words)>,
}

impl Workers {
    /// So many processes, none of which was heard; each may send so many samples and bytes.
    pub(super) fn new(workers: usize, max_samples: Option<usize>, max_bytes: u64) -> Self {
        let crew = Crew::new(workers, max_samples, max_bytes);
        let known = Mutex::new((crew.muster(), crew.words()));
        Self { crew: Arc::new(tokio::sync::Mutex::new(crew)), known }
    }

    /// How the processes are doing.
    pub(super) fn muster(&self) -> Muster {
        self.known().0.clone()
    }

    /// Asks until all were heard or nobody new is. `ask` asks one process, until the time that it
    /// is given.
    ///
    /// The outcome is the last body, or what went wrong if there is none.
    pub(super) async fn fetch<F: Future<Output = Result<Body, Cause>>>(
        &self,
        deadline: Instant,
        ask: impl Fn(Instant) -> F,
    ) -> (Result<Body, Cause>, Words) {
        let asked = Instant::now();
        let late = || Cause::NoAnswer(deadline.saturating_duration_since(asked));
        let turn = Arc::clone(&self.crew).lock_owned();
        let Ok(mut crew) = timeout_at(deadline, turn).await else {
            return (Err(late()), self.known().1.silent());
        };
        crew.begin();
        let mut outcome = Err(late());
        let mut turns = Turns::new(crew.workers());
        while turns.next(crew.heard()) {
            match ask(turns.patience(deadline, Instant::now())).await {
                Ok(body) => {
                    let Some((back, told)) = hear(crew, body.clone()).await else {
                        let cause = Cause::NoSample("reading it failed; the log says why".into());
                        return (Err(cause), self.known().1.silent());
                    };
                    crew = back;
                    turns.failed = if told.is_ok() { 0 } else { turns.failed + 1 };
                    outcome = told.map(|()| body).or_else(|cause| outcome.or(Err(cause)));
                }
                Err(cause) => {
                    turns.failed += 1;
                    outcome = outcome.or(Err(cause));
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        let words = crew.words();
        *self.known() = (crew.muster(), words.clone());
        (outcome, words)
    }

    fn known(&self) -> MutexGuard<'_, (Muster, Words)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the crew hear a body, beside the control thread if that takes a while.
async fn hear(mut crew: Turn, body: Body) -> Option<(Turn, Result<(), Cause>)> {
    let is_long = body.bytes.len() > AT_ONCE;
    let hear = move || {
        let told = crew.hear(body);
        (crew, told)
    };
    if is_long { aside(hear).await } else { Some(hear()) }
}

type Turn = OwnedMutexGuard<Crew>;

/// How often one scrape asks.
struct Turns {
    workers: usize,
    asked: usize,
    heard: usize,
    /// How many in a row brought nobody new.
    barren: usize,
    /// How many in a row failed.
    failed: usize,
}

impl Turns {
    fn new(workers: usize) -> Self {
        Self { workers, asked: 0, heard: 0, barren: 0, failed: 0 }
    }

    /// Whether to ask once more, now that so many were heard.
    fn next(&mut self, heard: usize) -> bool {
        self.barren =
            if heard > self.heard { 0 } else { self.barren + usize::from(self.asked > 0) };
        self.heard = heard;
        let more = self.asked == 0
            || self.workers > 1
                && heard < self.workers
                && self.failed < FAILURES
                && self.barren < 2 * self.workers + 4
                && self.asked < 8 * self.workers;
        self.asked += usize::from(more);
        more
    }

    /// How long to wait for the next answer. Among several processes one that hangs must not take
    /// the others' time.
    fn patience(&self, deadline: Instant, now: Instant) -> Instant {
        if self.workers == 1 {
            return deadline;
        }
        let share = deadline.saturating_duration_since(now) / 4;
        deadline.min(now + share.max(Duration::from_secs(1)))
    }
}

/// Bodies of so many bytes are read within a few milliseconds.
const AT_ONCE: usize = 256 * 1024;
/// After so many failures in a row the rest would fail, too.
const FAILURES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_until_all_are_heard_or_nobody_new_is() {
        let mut one = Turns::new(1);
        assert!(one.next(0) && !one.next(0));
        let mut three = Turns::new(3);
        assert!(three.next(0) && three.next(1) && three.next(2) && !three.next(3));
        let mut two_of_three = Turns::new(3);
        let asked = (0..99).take_while(|asked| two_of_three.next(2.min(*asked))).count();
        assert_eq!(asked, 12);
        let mut dead = Turns::new(8);
        for _ in 0..FAILURES {
            assert!(dead.next(0));
            dead.failed += 1;
        }
        assert!(!dead.next(0));
    }

    #[test]
    fn one_that_hangs_takes_a_quarter_of_the_time_that_is_left() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(8);
        assert_eq!(Turns::new(1).patience(deadline, now), deadline);
        assert_eq!(Turns::new(2).patience(deadline, now), now + Duration::from_secs(2));
        let soon = now + Duration::from_millis(500);
        assert_eq!(Turns::new(2).patience(soon, now), soon);
    }
}
