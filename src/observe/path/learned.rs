//! Templates that were made of paths that the app has answered: only so many, and for good.
//!
//! Finding one takes no lock: the table only ever grows, within room that it has from the start.

use super::PathId;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Templates and their numbers.
#[derive(Debug)]
pub(super) struct Learned {
    /// The number of the first.
    first: u16,
    most: u16,
    /// Each template where its hash says, or at the next free place. At most half are taken.
    places: Box<[OnceLock<Known>]>,
    hasher: RandomState,
    taken: AtomicUsize,
    order: Mutex<Order>,
    /// How often templates were answered, but without success, by their hash.
    sighted: Box<[AtomicU8]>,
}

#[derive(Debug)]
struct Known {
    template: Box<str>,
    id: PathId,
}

/// Where each template is, by its number.
#[derive(Debug, Default)]
struct Order {
    places: Vec<usize>,
    /// How many of them were learned without success.
    failed: usize,
}

/// What an answer says of the path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// There is something.
    Success,
    /// There may be.
    Failure,
    /// There is nothing, or nobody looked.
    Nothing,
}

impl Learned {
    pub(super) fn new(first: u16, most: u16) -> Self {
        let places = (usize::from(most) * 2).next_power_of_two();
        Self {
            first,
            most,
            places: (0..places).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::new(),
            taken: AtomicUsize::new(0),
            order: Mutex::default(),
            sighted: (0..SIGHTINGS).map(|_| AtomicU8::new(0)).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.taken.load(Relaxed)
    }

    pub(super) fn has_room(&self) -> bool {
        self.len() < usize::from(self.most)
    }

    /// The number of a template.
    pub(super) fn find(&self, template: &str) -> Option<PathId> {
        self.seek(template).ok()
    }

    /// The number of a template whose request was answered; it gets one if the answer says that
    /// there is such a path, or others have said so often enough.
    pub(super) fn answered(&self, template: &str, status: u16) -> PathId {
        if let Ok(known) = self.seek(template) {
            return known;
        }
        let answer = Answer::of(status);
        let is_welcome = match answer {
            Answer::Success => true,
            Answer::Failure => self.sighted_often(template),
            Answer::Nothing => false,
        };
        if is_welcome && self.has_room() { self.learn(template, answer) } else { PathId::OTHER }
    }

    pub(super) fn name(&self, id: PathId) -> Option<String> {
        let index = usize::from(id.0.checked_sub(self.first)?);
        let place = *self.order.lock().unwrap_or_else(PoisonError::into_inner).places.get(index)?;
        Some(self.places[place].get()?.template.as_ref().to_owned())
    }

    /// Where a template is, or the place that it would take.
    fn seek(&self, template: &str) -> Result<PathId, usize> {
        let mask = self.places.len() - 1;
        let mut place = self.hash(template) & mask;
        // Half of the places are free, so one comes.
        loop {
            match self.places[place].get() {
                None => return Err(place),
                Some(known) if *known.template == *template => return Ok(known.id),
                Some(_) => place = (place + 1) & mask,
            }
        }
    }

    fn learn(&self, template: &str, answer: Answer) -> PathId {
        // What a panicking thread left behind is still a list of places.
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here in between.
        let place = match self.seek(template) {
            Ok(known) => return known,
            Err(place) => place,
        };
        let number = u16::try_from(order.places.len()).unwrap_or(u16::MAX);
        // Who asks for what the app never grants must not take the places of what it does.
        let is_failed = answer == Answer::Failure;
        let too_many = is_failed && order.failed >= usize::from(self.most) / 4;
        if number >= self.most || too_many {
            return PathId::OTHER;
        }
        let id = PathId(self.first + number);
        let known = Known { template: template.into(), id };
        // Nobody else sets places, as the lock is held.
        let _ = self.places[place].set(known);
        order.places.push(place);
        order.failed += usize::from(is_failed);
        self.taken.store(order.places.len(), Relaxed);
        id
    }

    /// Counts one more answer, and whether there were enough by now.
    fn sighted_often(&self, template: &str) -> bool {
        // The same in every process: who makes two share a counter could as well ask for both.
        let mix = |hash: u32, b: u8| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193);
        let hash = template.bytes().fold(0x811c_9dc5, mix);
        let sighted = &self.sighted[hash as usize % SIGHTINGS];
        let before = sighted.load(Relaxed);
        // One that is lost between two threads is seen the next time.
        sighted.store(before.saturating_add(1), Relaxed);
        before + 1 >= OFTEN
    }

    fn hash(&self, template: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let hash = self.hasher.hash_one(template) as usize;
        hash
    }
}

impl Answer {
    fn of(status: u16) -> Self {
        match status {
            101 | 200..=399 => Self::Success,
            // Not found, gone, and what says nothing of the path: asked too often, not at home.
            0 | 404 | 410 | 429 => Self::Nothing,
            _ => Self::Failure,
        }
    }
}

/// Counters of what is not known yet; two templates that share one are taken for one.
const SIGHTINGS: usize = 1024;
/// Answers without success until a path is believed to exist.
const OFTEN: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_that_is_answered_has_its_place_from_the_first_time_on() {
        let learned = Learned::new(5, 10);
        assert_eq!(learned.answered("/a", 200), PathId(5));
        assert_eq!(learned.answered("/b", 302), PathId(6));
        assert_eq!(learned.answered("/a", 500), PathId(5));
        assert_eq!(learned.find("/b"), Some(PathId(6)));
        assert_eq!(learned.name(PathId(6)).as_deref(), Some("/b"));
        assert_eq!(learned.name(PathId(4)), None);
        assert_eq!(learned.name(PathId(7)), None);
    }

    #[test]
    fn a_path_that_only_fails_gets_its_place_the_third_time() {
        let learned = Learned::new(0, 10);
        assert_eq!(learned.answered("/a", 500), PathId::OTHER);
        assert_eq!(learned.answered("/a", 503), PathId::OTHER);
        assert_eq!(learned.answered("/a", 500), PathId(0));
    }

    #[test]
    fn what_is_not_found_or_always_fails_leaves_room_for_what_is_there() {
        let learned = Learned::new(0, 8);
        for n in 0..10_000 {
            for status in [404, 0, 401, 500, 500, 500] {
                learned.answered(&format!("/junk{n}"), status);
            }
        }
        assert_eq!(learned.len(), 2);
        for n in 0..6 {
            assert_eq!(learned.answered(&format!("/real{n}"), 200), PathId(2 + n));
        }
        assert_eq!(learned.answered("/one-too-many", 200), PathId::OTHER);
        assert_eq!(learned.find("/real5"), Some(PathId(7)));
    }

    #[test]
    fn threads_agree_on_the_number_of_a_template() {
        let learned = Learned::new(0, 100);
        let of_each: Vec<Vec<PathId>> = std::thread::scope(|scope| {
            let ask = || (0..150).map(|n| learned.answered(&format!("/{n}"), 200)).collect();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(learned.len(), 100);
        for n in 0..150 {
            let known = learned.find(&format!("/{n}"));
            for ids in &of_each {
                let id: PathId = ids[n];
                assert!(id == PathId::OTHER || Some(id) == known, "{n}: {id:?} {known:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_allowed(
            most in 0_u16..20,
            asked in prop::collection::vec(("/[a-z]{1,2}", 0_u16..600), 0..200),
        ) {
            let learned = Learned::new(0, most);
            for (template, status) in &asked {
                let id = learned.answered(template, *status);
                prop_assert!(id == PathId::OTHER || id.0 < most);
                prop_assert!(id == PathId::OTHER || learned.name(id).as_ref() == Some(template));
            }
            prop_assert!(learned.len() <= usize::from(most));
        }
    }
}
