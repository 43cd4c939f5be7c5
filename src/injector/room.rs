//! Room for large bodies and answers: so many bytes together, shared fairly.
//!
//! Whoever reaches the webhook may ask for room, so what strangers hold must keep no review out. One
//! peer has half of the room at most, and what it wants beyond waits in a line of its own. Who has had
//! a place for longer than any API server needs makes way for who waits: in a peer's half for that peer,
//! and where several peers hold all of it for any.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::guests::Guest;

/// Bytes for what is large. A place is taken once, for a body and its answer, so none who has one
/// waits for another; the small ones, nearly all of them, wait for nobody.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    /// What each peer that has a place, or waits for one, may take besides.
    shares: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    /// Who has a place, longest first.
    holders: Mutex<VecDeque<Weak<Holder>>>,
}

/// A part of the room, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    bytes: OwnedSemaphorePermit,
    share: OwnedSemaphorePermit,
    _holder: Arc<Holder>,
}

#[derive(Debug)]
struct Holder {
    guest: Arc<Guest>,
    since: Instant,
}

impl Default for Room {
    fn default() -> Self {
        let (shares, holders) = Default::default();
        Self { all: Arc::new(Semaphore::new(ALL)), shares, holders }
    }
}

impl Room {
    /// Waits for a place of so many bytes, of which there are [`SHARE`] at most; `None` where none
    /// comes free in time.
    pub(super) async fn place(
        &self,
        bytes: usize,
        guest: &Arc<Guest>,
        until: Instant,
    ) -> Option<Place> {
        let bytes = u32::try_from(bytes.min(SHARE)).ok()?;
        let peer = guest.peer();
        let found = async {
            // In this order, so that who waits in the common line is one of few.
            let share = self.wait(self.share(peer), bytes, |other| other.peer() == peer).await?;
            let bytes = self.wait(Arc::clone(&self.all), bytes, |_| true).await?;
            Some(self.hold(bytes, share, guest))
        };
        timeout_at(until, found).await.ok().flatten()
    }

    /// How many bytes are nobody's.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.all.available_permits()
    }

    /// Waits for so many bytes of the room or of a share; `of` says who has places in that.
    async fn wait(
        &self,
        bytes: Arc<Semaphore>,
        count: u32,
        of: impl Fn(&Guest) -> bool,
    ) -> Option<OwnedSemaphorePermit> {
        let mut found = pin!(bytes.acquire_many_owned(count));
        loop {
            tokio::select! {
                biased;
                // The semaphores are never closed.
                found = found.as_mut() => return found.ok(),
                () = self.displace(&of) => {}
            }
        }
    }

    fn share(&self, peer: IpAddr) -> Arc<Semaphore> {
        // Whatever panicked, the shares are still those of who has places.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shares.get(&peer).and_then(Weak::upgrade) {
            return known;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(SHARE));
        shares.insert(peer, Arc::downgrade(&share));
        share
    }

    fn hold(
        &self,
        bytes: OwnedSemaphorePermit,
        share: OwnedSemaphorePermit,
        guest: &Arc<Guest>,
    ) -> Place {
        let holder = Arc::new(Holder { guest: Arc::clone(guest), since: Instant::now() });
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push_back(Arc::downgrade(&holder));
        Place { bytes, share, _holder: holder }
    }

    /// Tells the one `of` them to go who has had a place the longest, once that is too long.
    async fn displace(&self, of: impl Fn(&Guest) -> bool) {
        let longest = {
            let holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
            let mut holders = holders.iter().filter_map(Weak::upgrade);
            holders.find(|holder| of(&holder.guest) && holder.guest.is_dispensable())
        };
        let Some(longest) = longest else { return sleep(BREATH).await };
        sleep_until(longest.since + AT_EASE).await;
        // Unless it has gone by itself meanwhile: then there are the room's list and this one.
        if Arc::strong_count(&longest) > 1 && longest.guest.is_dispensable() {
            longest.guest.tell_to_go();
        }
        drop(longest);
        // Its place comes free once its connection has noticed.
        sleep(BREATH).await;
    }
}

impl Place {
    /// How many bytes it is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.num_permits()
    }

    /// Gives back what is beyond so many bytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes().saturating_sub(bytes);
        drop((self.bytes.split(spare), self.share.split(spare)));
    }
}

/// What all the places have together. Reading one pod costs several times its bytes besides, but
/// one is read at a time.
pub(super) const ALL: usize = 8 << 20;
/// What those of one peer have together, and the most of one.
pub(super) const SHARE: usize = ALL / 2;
/// So long nobody has to make way. An API server sends the largest body in a tenth of it.
pub(super) const AT_EASE: Duration = Duration::from_millis(500);
const BREATH: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::super::guests::{Guests, Phase};
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    /// A connection of the peer with this number, which sends a body.
    fn guest(peer: u8) -> Arc<Guest> {
        let guest = Guests::default().welcome([10, 0, 0, peer].into());
        guest.enter(Phase::Sending);
        guest
    }

    /// Has a place of so many bytes, and keeps it until it is told to go.
    async fn dawdle(room: &Room, guest: &Arc<Guest>, bytes: usize) {
        let until = Instant::now() + Duration::from_secs(3600);
        let place = room.place(bytes, guest, until).await.unwrap();
        guest.has_to_go().await;
        drop(place);
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_has_half_of_the_room_however_much_it_asks_for() {
        let room = Room::default();
        let start = Instant::now();
        let strangers: Vec<_> = (0..100).map(|_| guest(1)).collect();
        let mut dawdlers: Vec<_> =
            strangers.iter().map(|stranger| Box::pin(dawdle(&room, stranger, ALL))).collect();
        let never = poll_fn(|cx| {
            for dawdler in &mut dawdlers {
                let _ = dawdler.as_mut().poll(cx);
            }
            Poll::<()>::Pending
        });
        let review = async {
            // All of them ask first.
            tokio::task::yield_now().await;
            let place = room.place(SHARE, &guest(2), soon()).await.unwrap();
            assert_eq!((place.bytes(), room.free()), (SHARE, 0));
            assert!(start.elapsed().is_zero());
        };
        tokio::select! {
            biased;
            () = never => {}
            () = review => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_dawdled_makes_way_for_who_waits_and_nobody_else_does() {
        let room = Room::default();
        let start = Instant::now();
        let (first, second, third) = (guest(1), guest(2), guest(3));
        let dawdlers = async {
            tokio::join!(dawdle(&room, &first, SHARE), dawdle(&room, &second, SHARE));
        };
        let review = async {
            tokio::task::yield_now().await;
            assert_eq!(room.free(), 0);
            let place = room.place(SHARE, &third, soon()).await.unwrap();
            assert!(start.elapsed() >= AT_EASE && start.elapsed() < 2 * AT_EASE);
            // One place was enough.
            assert!(!first.is_dispensable() && second.is_dispensable());
            drop(place);
        };
        tokio::select! {
            () = dawdlers => panic!("one may stay"),
            () = review => {}
        }
        // Where nobody waits, nobody has to go.
        let last = guest(4);
        let stays = tokio::time::timeout(100 * AT_EASE, dawdle(&room, &last, SHARE)).await;
        assert!(stays.is_err() && last.is_dispensable());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_answered_keeps_its_place() {
        let room = Room::default();
        let answered = [guest(1), guest(2)];
        let mut held = Vec::new();
        for guest in &answered {
            held.push(room.place(SHARE, guest, soon()).await.unwrap());
            guest.enter(Phase::Answered);
        }
        assert!(room.place(1, &guest(3), soon()).await.is_none());
        held[0].shrink(SHARE - 1);
        assert!(room.place(1, &guest(3), soon()).await.is_some());
        drop(held);
        assert_eq!(room.free(), ALL);
    }
}
