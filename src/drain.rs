//! Knows who still works, and when we may go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks of the control thread: all told to stop together, and waited for together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// Spawns a task that ends by itself or once [`Self::stopped`] is ready.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ready once everything has been told to stop.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Tells every task to stop and waits until they are gone.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The connections that are being carried, over all workers, and how many there may be.
#[derive(Debug)]
pub(crate) struct Connections {
    open: AtomicUsize,
    max: usize,
    none_left: Notify,
}

impl Connections {
    /// None yet, and at most `max` at a time.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max, none_left: Notify::new() })
    }

    /// Takes a place for one more connection, if there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Place> {
        let taken = self.open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        (taken < self.max).then_some(place)
    }

    /// How many are being carried.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits for a moment at which no connection is open.
    pub(crate) async fn none_left(&self) {
        loop {
            let news = self.none_left.notified();
            if self.open() == 0 {
                return;
            }
            news.await;
        }
    }
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Connections>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Release) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_allowed_and_they_come_back() {
        let connections = Connections::new(2);
        let (one, two) = (connections.admit(), connections.admit());
        assert!(one.is_some() && two.is_some());
        assert!(connections.admit().is_none());
        assert_eq!(connections.open(), 2);
        drop(one);
        assert!(connections.admit().is_some());
    }

    #[tokio::test]
    async fn the_last_to_leave_ends_the_wait() {
        let connections = Connections::new(2);
        connections.none_left().await;
        let place = connections.admit();
        let mut waiting = std::pin::pin!(connections.none_left());
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        drop(place);
        waiting.await;
    }

    #[tokio::test]
    async fn stopping_waits_for_every_task() {
        let drain = Drain::default();
        let one = drain.clone();
        drain.spawn(async move { one.stopped().await });
        drain.spawn(std::future::ready(()));
        drain.stop().await;
    }
}
