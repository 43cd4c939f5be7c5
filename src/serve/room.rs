//! Bounds what all scrapes together hold of the apps' expositions.
//!
//! An answer borrows from the bodies that it is made of, so these stay in memory until its reader
//! has taken it. There is room for two of the largest answers, or for many small ones; who comes
//! when all is taken waits until its deadline. A reader that takes long over its answer may keep
//! the room as long as nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// The room for bodies, in [`UNIT`]s.
#[derive(Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    /// The answers that are being given, oldest first.
    given: Mutex<Vec<Weak<Given>>>,
}

/// A part of the room, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    permits: OwnedSemaphorePermit,
    given: Option<Arc<Given>>,
}

/// An answer that is being given, and holds a share.
#[derive(Debug)]
struct Given {
    since: Instant,
    /// When its reader took some of it last.
    taken: Mutex<Instant>,
    recalled: CancellationToken,
}

impl Given {
    /// When it is recalled if others wait.
    fn due(&self) -> Instant {
        let taken = *self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (self.since + GRACE).min(taken + STALLED)
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(2 * LARGEST)), given: Mutex::default() }
    }
}

impl Room {
    /// Takes room for bodies of so many bytes; `None` if there is none by the deadline.
    pub(super) async fn take(self: &Arc<Self>, bytes: u64, deadline: Instant) -> Option<Share> {
        let permits = self.permits(units(bytes), deadline).await?;
        Some(Share { room: Arc::clone(self), permits, given: None })
    }

    async fn permits(&self, units: usize, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        // No more than there are, by `units`.
        let wanted = Arc::clone(&self.free).acquire_many_owned(u32::try_from(units).ok()?);
        let recall = async {
            loop {
                match self.next_due() {
                    Some(given) if given.due() <= Instant::now() => given.recalled.cancel(),
                    Some(given) => sleep_until(given.due()).await,
                    // What is given from now on is not due before.
                    None => sleep(STALLED).await,
                }
            }
        };
        tokio::select! {
            biased;
            permits = timeout_at(deadline, wanted) => permits.ok()?.ok(),
            () = recall => None,
        }
    }

    /// The answer that is due first of those that were not recalled.
    fn next_due(&self) -> Option<Arc<Given>> {
        let all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.iter().filter_map(Weak::upgrade);
        all.filter(|given| !given.recalled.is_cancelled()).min_by_key(|given| given.due())
    }
}

impl Share {
    /// Takes more for bodies that have turned out to be so large; false if there is none by the
    /// deadline.
    pub(super) async fn fit(&mut self, bytes: u64, deadline: Instant) -> bool {
        let missing = units(bytes).saturating_sub(self.permits.num_permits());
        let more = self.room.permits(missing, deadline).await;
        let fits = more.is_some();
        if let Some(more) = more {
            self.permits.merge(more);
        }
        fits
    }

    /// Whether it is more than nothing.
    pub(super) fn counts(&self) -> bool {
        self.permits.num_permits() > 0
    }

    /// The reader has taken some more.
    pub(super) fn taken(&self) {
        if let Some(given) = &self.given {
            *given.taken.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// From now on the answer is there for its reader, who is told to go by the token when others
    /// have waited long enough.
    pub(super) fn give(&mut self, recalled: CancellationToken) {
        if !self.counts() {
            return;
        }
        let since = Instant::now();
        let given = Arc::new(Given { since, taken: Mutex::new(since), recalled });
        let mut all = self.room.given.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|given| given.strong_count() > 0);
        all.push(Arc::downgrade(&given));
        self.given = Some(given);
    }
}

/// So many units for bodies of so many bytes. Small ones count for nothing, and none for more
/// than the half of all.
fn units(bytes: u64) -> usize {
    usize::try_from(bytes / UNIT).unwrap_or(LARGEST).min(LARGEST)
}

/// Bodies of less than this are not worth a wait.
const UNIT: u64 = 1024 * 1024;
/// What the largest bodies count for.
const LARGEST: usize = 32;
/// How long a reader may take over its answer while others wait for the room.
const GRACE: Duration = Duration::from_secs(5);
/// How long it may take nothing of it.
const STALLED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 1 << 30;
    const SMALL: u64 = UNIT - 1;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_two_of_the_largest_and_for_any_number_of_small_ones() {
        let room = Arc::new(Room::default());
        let one = room.take(LARGE, soon()).await;
        let two = room.take(LARGE, soon()).await;
        assert!(one.is_some() && two.is_some());
        assert!(room.take(LARGE, soon()).await.is_none());
        assert!(room.take(UNIT, soon()).await.is_none());
        let mut small = Vec::new();
        for _ in 0..1_000 {
            small.push(room.take(SMALL, soon()).await.unwrap());
        }
        drop(one);
        assert!(room.take(LARGE, soon()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_grows_to_what_it_has_to_hold() {
        let room = Arc::new(Room::default());
        let mut one = room.take(0, soon()).await.unwrap();
        assert!(!one.counts());
        assert!(one.fit(3 * UNIT, soon()).await && one.counts());
        assert_eq!(room.free.available_permits(), 2 * LARGEST - 3);
        assert!(one.fit(UNIT, soon()).await);
        assert_eq!(room.free.available_permits(), 2 * LARGEST - 3, "it does not shrink");
        let _two = room.take(LARGE, soon()).await.unwrap();
        let _three = room.take(20 * UNIT, soon()).await.unwrap();
        assert!(!one.fit(LARGE, soon()).await);
        drop(one);
        assert_eq!(room.free.available_permits(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_last_is_served_however_many_before_take_nothing() {
        let room = Arc::new(Room::default());
        let deadline = Instant::now() + Duration::from_secs(9);
        let idle = async || {
            let mut share = room.take(LARGE, deadline).await.unwrap();
            let recalled = CancellationToken::new();
            share.give(recalled.clone());
            recalled.cancelled().await;
        };
        let six = async { tokio::join!(idle(), idle(), idle(), idle(), idle(), idle()) };
        let last = room.take(LARGE, deadline);
        let (_, last) = tokio::join!(timeout_at(deadline, six), last);
        assert!(last.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_some_and_then_some_may_do_so_for_a_while() {
        let room = Arc::new(Room::default());
        let (recalled, kept) = (CancellationToken::new(), CancellationToken::new());
        let mut steady = room.take(LARGE, soon()).await.unwrap();
        let mut idle = room.take(LARGE, soon()).await.unwrap();
        steady.give(kept.clone());
        idle.give(recalled.clone());
        let begun = Instant::now();
        let reader = async {
            loop {
                sleep(STALLED / 2).await;
                steady.taken();
            }
        };
        let others = async {
            let _first = room.take(LARGE, begun + 2 * GRACE).await.unwrap();
            let _second = room.take(LARGE, begun + 2 * GRACE).await;
        };
        let freed = async {
            recalled.cancelled().await;
            assert_eq!(begun.elapsed(), STALLED);
            drop(idle);
            kept.cancelled().await;
            assert_eq!(begun.elapsed(), GRACE);
        };
        tokio::select! {
            () = reader => {}
            () = others => panic!("there was no room for the second"),
            () = freed => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_over_an_answer_is_told_to_go_once_somebody_waits() {
        let room = Arc::new(Room::default());
        let (recalled, kept) = (CancellationToken::new(), CancellationToken::new());
        let mut slow = room.take(LARGE, soon()).await.unwrap();
        slow.give(recalled.clone());
        sleep(10 * GRACE).await;
        assert!(!recalled.is_cancelled(), "nobody waits");

        let mut quick = room.take(LARGE, soon()).await.unwrap();
        quick.give(kept.clone());
        let mut waits = std::pin::pin!(room.take(LARGE, Instant::now() + STALLED / 2));
        tokio::select! {
            biased;
            taken = waits.as_mut() => panic!("{taken:?}"),
            () = recalled.cancelled() => drop(slow),
        }
        assert!(waits.await.is_some());
        assert!(!kept.is_cancelled());
    }
}
