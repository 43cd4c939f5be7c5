//! Does long work beside the control thread, which goes on answering meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::{MutexGuard, oneshot};
use tokio::time::{Instant, timeout_at};

/// Where long work is done, one piece at a time, so that scrapes never take more than one core
/// from the app.
#[derive(Debug, Default)]
pub(crate) struct Aside(tokio::sync::Mutex<()>);

/// Leave to do one piece of work.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _guard: MutexGuard<'a, ()>,
}

impl Aside {
    /// Waits until the work before is done; `None` if it is not by the deadline.
    pub(crate) async fn turn(&self, deadline: Instant) -> Option<Turn<'_>> {
        let guard = timeout_at(deadline, self.0.lock()).await.ok()?;
        Some(Turn { _guard: guard })
    }
}

impl Turn<'_> {
    /// Does `work` as [`aside`] does, before anybody else's.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        aside(work).await
    }
}

/// Does `work` on a thread of its own, or here if the kernel gives none. `None` if it panicked.
///
/// Work whose result nobody waits for any more is done to its end, and its result dropped there.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // A thread that cannot be started takes what it was given with it.
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = Arc::clone(&work);
    let (done, result) = oneshot::channel();
    let started = thread::Builder::new().name("podmeter-aside".to_owned()).spawn(move || {
        if let Some(work) = take(&theirs) {
            // Whoever waited may be gone.
            let _ = done.send(work());
        }
    });
    match started {
        Ok(_) => result.await.ok(),
        Err(_) => take(&work).map(|work| work()),
    }
}

/// Does `work` here. `None` if it panicked, which costs nobody but who asked for it.
pub(crate) fn attempt<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn work_is_done_on_another_thread() {
        let (here, aside) = (thread::current().id(), Aside::default());
        let turn = aside.turn(Instant::now()).await.unwrap();
        let there = turn.work(|| thread::current().id()).await;
        assert!(there.is_some_and(|there| there != here));
    }

    #[tokio::test]
    async fn work_that_panics_gives_nothing_and_leaves_the_turn_to_others() {
        let aside = Aside::default();
        let turn = aside.turn(Instant::now()).await.unwrap();
        let nothing: Option<()> = turn.work(|| panic!("as the test wants it")).await;
        assert!(nothing.is_none());
        assert!(aside.turn(Instant::now()).await.is_some());
    }

    #[test]
    fn what_panics_here_gives_nothing_and_the_thread_goes_on() {
        let nothing: Option<()> = attempt(|| panic!("as the test wants it"));
        assert_eq!((nothing, attempt(|| 7)), (None, Some(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_until_the_deadline() {
        let aside = Aside::default();
        let turn = aside.turn(Instant::now()).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(1);
        assert!(aside.turn(deadline).await.is_none());
        drop(turn);
        assert!(aside.turn(deadline).await.is_some());
    }
}
