//! What header fields say of traces, for as long as the table may point to them.
//!
//! Every request has another trace, and many writers put each into the table, to which later blocks
//! hardly ever point. So the table keeps the place of what was said, and a few of these are kept: a
//! trace that is forgotten is one example less.

use crate::observe::trace::{Said, Told, Trace, TraceName};

/// What the table keeps of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observe::http2) enum Kept {
    /// A switch, which is the same in every request.
    Sampled(bool),
    Debug(bool),
    /// What was said as the so-manieth.
    Place(TraceName, u32),
}

impl Kept {
    pub(in crate::observe::http2) fn name(self) -> TraceName {
        match self {
            Self::Sampled(_) => TraceName::Sampled,
            Self::Debug(_) => TraceName::Flags,
            Self::Place(name, _) => name,
        }
    }
}

/// What was said last, and what the current block tells.
#[derive(Debug, Default)]
pub(super) struct Traces {
    told: Told,
    last: Vec<Said>,
    next: u32,
}

impl Traces {
    /// Another block begins.
    pub(super) fn begin(&mut self) {
        self.told = Told::default();
    }

    /// A field stands in the block.
    pub(super) fn keep(&mut self, name: TraceName, said: Said) -> Kept {
        self.told.take(said);
        match said {
            Said::Sampled(sampled) => return Kept::Sampled(sampled),
            Said::Debug(debug) => return Kept::Debug(debug),
            _ => {}
        }
        let place = self.next;
        self.next = self.next.wrapping_add(1);
        match self.last.get_mut(place as usize % KEPT) {
            Some(old) => *old = said,
            None => self.last.push(said),
        }
        Kept::Place(name, place)
    }

    /// A field stands in the table, to which the block points.
    pub(super) fn told(&mut self, kept: Kept) {
        match kept {
            Kept::Sampled(sampled) => self.told.take(Said::Sampled(sampled)),
            Kept::Debug(debug) => self.told.take(Said::Debug(debug)),
            Kept::Place(_, place) => {
                let age = self.next.wrapping_sub(place) as usize;
                if age <= KEPT
                    && let Some(said) = self.last.get(place as usize % KEPT)
                {
                    self.told.take(*said);
                }
            }
        }
    }

    /// The trace that the block tells of, if that is sampled.
    pub(super) fn trace(&self) -> Option<Trace> {
        self.told.trace()
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        self.last.capacity() * size_of::<Said>()
    }
}

/// How many are kept; a power of two, so that places go on evenly where their number wraps.
const KEPT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Said {
        TraceName::Id.with(format!("{number:016x}").as_bytes())
    }

    #[test]
    fn the_last_few_are_found_again_and_what_is_forgotten_is_no_other() {
        let mut traces = Traces::default();
        let span = traces.keep(TraceName::Span, TraceName::Span.with(b"00000000000000aa"));
        let sampled = traces.keep(TraceName::Sampled, Said::Sampled(true));
        let places: Vec<_> = (1..=8).map(|n| traces.keep(TraceName::Id, id(n))).collect();
        for (at, place) in places.iter().enumerate() {
            traces.begin();
            assert_eq!(traces.trace(), None);
            for kept in [sampled, *place] {
                traces.told(kept);
            }
            // The span was one too many.
            assert_eq!(traces.trace(), None);
            let span = Said::Span(std::num::NonZeroU64::new(1));
            traces.told.take(span);
            assert_eq!(traces.trace().unwrap().id.low(), at as u64 + 1);
        }
        traces.begin();
        traces.told(span);
        assert_eq!(traces.trace(), None);
        assert_eq!((span.name(), sampled.name()), (TraceName::Span, TraceName::Sampled));
        assert_eq!(traces.last.len(), 8);
    }
}
