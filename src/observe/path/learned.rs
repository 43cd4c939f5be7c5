//! Templates that were made of paths that the app has answered: only so many, and for good.
//!
//! Finding one takes no lock: the table only ever grows, within room that it has from the start.

use super::PathId;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Templates and their numbers.
#[derive(Debug)]
pub(super) struct Learned {
    /// The number of the first.
    first: u16,
    most: u16,
    /// Each template where its hash says, or at the next free place. At most half are taken.
    places: Box<[OnceLock<Known>]>,
    /// Nobody outside knows it, so nobody can choose templates that share places.
    key: u64,
    taken: AtomicUsize,
    /// Whether no more may be learned, by each kind of [`Answer`].
    is_full: [AtomicBool; 3],
    order: Mutex<Order>,
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
    /// How many of them were learned by each kind of [`Answer`].
    by: [usize; 3],
}

/// What an answer says of the path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// There is something.
    Success = 0,
    /// There may be.
    Failure = 1,
    /// There is nothing.
    Missing = 2,
}

impl Learned {
    pub(super) fn new(first: u16, most: u16) -> Self {
        let places = (usize::from(most) * 2).next_power_of_two();
        Self {
            first,
            most,
            places: (0..places).map(|_| OnceLock::new()).collect(),
            key: RandomState::new().hash_one(0_u8) | 1,
            taken: AtomicUsize::new(0),
            is_full: Default::default(),
            order: Mutex::default(),
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

    /// The number of a template whose request was answered; it gets one unless others of its kind
    /// have taken all that there are for them.
    pub(super) fn answered(&self, template: &str, status: u16) -> PathId {
        if let Ok(known) = self.seek(template) {
            return known;
        }
        match Answer::of(status) {
            Some(answer) if !self.is_full[answer as usize].load(Relaxed) => {
                self.learn(template, answer)
            }
            _ => PathId::OTHER,
        }
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
        let taken = order.by[answer as usize];
        if number >= self.most || taken >= answer.share(usize::from(self.most)) {
            self.is_full[answer as usize].store(true, Relaxed);
            return PathId::OTHER;
        }
        let id = PathId(self.first + number);
        let known = Known { template: template.into(), id };
        // Nobody else sets places, as the lock is held.
        let _ = self.places[place].set(known);
        order.places.push(place);
        order.by[answer as usize] += 1;
        self.taken.store(order.places.len(), Relaxed);
        id
    }

    fn hash(&self, template: &str) -> usize {
        let (words, rest) = template.as_bytes().as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
        // The two halves of a product mixed: each bit of a word reaches all of them.
        let mix = |hash: u64, word: u64| {
            let product = (u128::from(hash ^ word) * u128::from(SPREAD)).to_le_bytes();
            let (halves, _) = product.as_chunks::<8>();
            halves.iter().fold(0, |mixed, half| mixed ^ u64::from_le_bytes(*half))
        };
        let hash = words.fold(self.key ^ template.len() as u64, mix);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let place = hash as usize;
        place
    }
}

impl Answer {
    fn of(status: u16) -> Option<Self> {
        match status {
            // Nobody has said anything.
            0 => None,
            101 | 200..=399 => Some(Self::Success),
            404 | 410 => Some(Self::Missing),
            _ => Some(Self::Failure),
        }
    }

    /// How many of the places may be taken like this. Who asks for ever new paths that do not exist,
    /// or that nobody may see, takes none from those that do.
    fn share(self, most: usize) -> usize {
        match self {
            Self::Success => most,
            Self::Failure => most.div_ceil(4),
            Self::Missing => most.div_ceil(8),
        }
    }
}

/// 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

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
    fn what_is_not_found_or_always_fails_leaves_room_for_what_is_there() {
        let learned = Learned::new(0, 16);
        for n in 0..10_000 {
            for status in [0, 404, 401, 500] {
                learned.answered(&format!("/junk{n}/{status}"), status);
            }
        }
        assert_eq!(learned.find("/junk0/404"), Some(PathId(0)));
        assert_eq!(learned.find("/junk0/500"), Some(PathId(2)));
        assert_eq!(learned.len(), 2 + 4);
        for n in 0..10 {
            assert_eq!(learned.answered(&format!("/real{n}"), 200), PathId(6 + n));
        }
        assert_eq!(learned.answered("/one-too-many", 200), PathId::OTHER);
        assert_eq!(learned.find("/real9"), Some(PathId(15)));
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
