//! Does long work beside the control thread, which goes on answering meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// Does `work` on a thread of its own, or here if the kernel gives none. `None` if it panicked.
///
/// Work whose result nobody waits for any more is done to its end, and its result dropped there.
pub(super) async fn aside<T: Send + 'static>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_another_thread() {
        let here = thread::current().id();
        let there = aside(|| thread::current().id()).await;
        assert!(there.is_some_and(|there| there != here));
    }

    #[tokio::test]
    async fn work_that_panics_gives_nothing() {
        let nothing: Option<()> = aside(|| panic!("as the test wants it")).await;
        assert!(nothing.is_none());
    }
}
