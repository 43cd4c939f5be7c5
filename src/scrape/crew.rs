//! Remembers what each process behind one source last said, so that their sum never falls: while a
//! process is silent, once it is replaced by another, and where it begins to count anew.
//!
//! No I/O and no clock: what was heard goes in with [`Crew::hear`], and what belongs into the sum
//! comes out with [`Crew::words`].
//!
//! Which process is talking is told by what it says: the time it started, its process id or the
//! labels of its `target_info`, where it has them, and by its counts, which can only grow. With
//! nothing but counts to go by, the process that it fits best is taken; the sum is the same for
//! either, as it is of all of them. A process that nobody has seen for long, while more others
//! than there can be were seen, is folded into the *carry*: the counts of all that are gone, which
//! stay in the sum.

mod likeness;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use words::{Muster, Word, Words};

use super::{Body, Cause, limits};
use crate::exposition::{Change, Exposition, Tally, keep, kept_bytes, points_of};
use bytes::Bytes;
use likeness::{Likeness, likeness};
use std::collections::VecDeque;
use std::sync::Arc;

/// The processes behind one source.
#[derive(Debug)]
pub(super) struct Crew {
    /// How many there are at a time.
    workers: usize,
    max_samples: Option<usize>,
    /// About the most bytes that may be kept of what no process tells any more.
    limit: u64,
    /// The number of this scrape.
    scrape: u64,
    slots: Vec<Slot>,
    carry: Arc<Exposition<'static>>,
    carried: u64,
    buried: VecDeque<Tally>,
    strays: u64,
    /// How often one was heard again that had been taken for gone.
    back: u64,
    /// The last scrapes that met a process that was not known.
    met: VecDeque<u64>,
    lost: u64,
}

/// One process.
#[derive(Debug)]
struct Slot {
    /// Among those that are here at the same time, from 1.
    number: usize,
    body: Body,
    tally: Tally,
    /// What it counted once and does not tell any more.
    held: Arc<Exposition<'static>>,
    /// The scrape that saw it last, and its place among those that this scrape saw.
    seen: (u64, u64),
}

impl Crew {
    pub(super) fn new(workers: usize, max_samples: Option<usize>, limit: u64) -> Self {
        Self {
            workers: workers.max(1),
            max_samples,
            limit,
            scrape: 0,
            slots: Vec::new(),
            carry: Arc::default(),
            carried: 0,
            buried: VecDeque::new(),
            strays: 0,
            back: 0,
            met: VecDeque::new(),
            lost: 0,
        }
    }

    /// Begins a scrape.
    pub(super) fn begin(&mut self) {
        self.scrape += 1;
    }

    /// Takes in one answer, which must have been asked for after all before it had come: a process
    /// that answers two at a time may count between them, and would look like two. What is no
    /// exposition, or too long a one, is as if not said.
    pub(super) fn hear(&mut self, body: Body) -> Result<(), Cause> {
        let tally = self.tally(&body)?;
        self.place(tally, body);
        self.bury();
        Ok(())
    }

    /// How many processes this scrape has heard so far.
    pub(super) fn heard(&self) -> usize {
        self.slots.iter().filter(|slot| slot.seen.0 == self.scrape).count()
    }

    /// How many there are at a time.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// What belongs into the sum now.
    pub(super) fn words(&self) -> Words {
        let heard = self.heard() > 0;
        let oldest = self.oldest();
        let word = |slot: &Slot| Word {
            number: slot.number,
            body: slot.body.clone(),
            held: Arc::clone(&slot.held),
            fresh: slot.seen.0 == self.scrape,
            live: heard && slot.seen >= oldest && self.scrape - slot.seen.0 < FORGOTTEN,
        };
        Words { processes: self.slots.iter().map(word).collect(), carry: Arc::clone(&self.carry) }
    }

    /// How it is doing.
    pub(super) fn muster(&self) -> Muster {
        Muster {
            workers: self.workers,
            heard: self.heard(),
            known: self.slots.len(),
            gone: self.carried,
            strays: self.strays,
            lost_series: self.lost,
            notes: self.notes(),
        }
    }

    fn notes(&self) -> Vec<&'static str> {
        let nameless = |slot: &Slot| {
            let Tally { start, pid, target, .. } = &slot.tally;
            start.is_none() && pid.is_none() && target.is_none()
        };
        let notes = [
            ((1..self.workers).contains(&self.heard()), NOT_ALL),
            (self.workers > 1 && self.slots.iter().any(nameless), NAMELESS),
            (self.strays > 0 || self.back > 2 * self.workers as u64, TOO_MANY),
            (self.restarts_all_the_time(), RESTARTS),
            (self.lost > 0, LOST),
        ];
        notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect()
    }

    fn restarts_all_the_time(&self) -> bool {
        let many = self.met.len() == 2 * self.workers + 3;
        many && self
            .met
            .front()
            .is_some_and(|first| self.scrape - first < 2 * self.met.len() as u64)
    }

    fn tally(&self, body: &Body) -> Result<Tally, Cause> {
        let read = self.read(body);
        let count = samples(&read);
        if let Some(most) = self.max_samples.filter(|most| count > *most as u64) {
            return Err(Cause::TooManySamples(most));
        }
        match read.problems.first().first() {
            Some(problem) if count == 0 => Err(Cause::NoSample(problem.to_string())),
            _ => Ok(Tally::of(&read)),
        }
    }

    fn read<'b>(&self, body: &'b Body) -> Exposition<'b> {
        body.read(&limits(self.max_samples))
    }

    fn place(&mut self, tally: Tally, body: Body) {
        let seen = (self.scrape, self.slots.iter().map(|slot| slot.seen.1).max().unwrap_or(0) + 1);
        if let Some((at, change)) = self.speaker(&tally) {
            self.back += u64::from(self.slots[at].seen < self.oldest());
            self.go_on(at, &change, tally, body);
            self.slots[at].seen = seen;
        } else if self.buried.iter().any(|gone| likeness(gone, &tally) >= Likeness::Alike) {
            self.strays += 1;
        } else {
            let taken = |number: &usize| self.slots.iter().any(|slot| slot.number == *number);
            let number = (1..=self.slots.len() + 1).find(|number| !taken(number));
            let number = number.unwrap_or_default();
            let held = Arc::default();
            if self.met.len() == 2 * self.workers + 3 {
                self.met.pop_front();
            }
            self.met.push_back(self.scrape);
            self.slots.push(Slot { number, body, tally, held, seen });
        }
    }

    /// The known process that says this, with what is different to what it said before.
    fn speaker(&self, tally: &Tally) -> Option<(usize, Change)> {
        let candidates: Vec<_> = self
            .slots
            .iter()
            .enumerate()
            .map(|(at, slot)| (at, likeness(&slot.tally, tally), slot.tally.change(tally)))
            .filter(|(_, likeness, _)| *likeness > Likeness::Other)
            .collect();
        let best = |fits: &dyn Fn(Likeness, &Change) -> bool| {
            let fitting = candidates.iter().filter(|(_, likeness, change)| fits(*likeness, change));
            // The one of which least has changed, then the one that counted most: so the sum
            // grows by the least, and is never above what the processes have really counted.
            fitting.max_by(|(a, a_likeness, a_change), (b, b_likeness, b_change)| {
                let size = |at: usize| self.slots[at].tally.size();
                (a_likeness, a_change.equal)
                    .cmp(&(b_likeness, b_change.equal))
                    .then_with(|| size(*a).total_cmp(&size(*b)))
            })
        };
        let certain = |likeness, _: &Change| likeness == Likeness::Same;
        let grown = |_, change: &Change| change.only_grew();
        let kept = |_, change: &Change| change.lower.is_empty() || !change.looks_like_another();
        let found = best(&certain).or_else(|| best(&grown));
        // A process may stop telling of a series, or begin it anew. But while not all are known,
        // one that tells of other series is more likely another process.
        let full = self.slots.len() >= self.workers;
        let found = found.or_else(|| best(&kept).filter(|_| full));
        found.map(|(at, _, change)| (*at, change.clone()))
    }

    /// Takes in what a known process says next. What it counts anew is counted beside what it
    /// counted before; what it does not tell any more is held, in case that it does so again.
    fn go_on(&mut self, at: usize, change: &Change, tally: Tally, body: Body) {
        let mut forgotten = change.lower.clone();
        if !change.only_grew() || !self.slots[at].held.families.is_empty() {
            let slot = &self.slots[at];
            let before = self.read(&slot.body);
            let lower = |point| change.lower.contains(&point);
            let missing = |point| change.missing.contains(&point);
            let anew = keep(vec![points_of(&before, lower), points_of(&slot.held, lower)]);
            let longer = points_of(&slot.held, missing);
            let newly = points_of(&before, missing);
            let both = keep(vec![longer.clone(), newly.clone()]);
            let held = if kept_bytes(&both) <= self.held_bytes() {
                both
            } else {
                self.lost += samples(&newly);
                forgotten.extend(Tally::of(&newly).points());
                keep(vec![longer])
            };
            self.carry(&anew);
            self.slots[at].held = Arc::new(held);
        }
        let slot = &mut self.slots[at];
        let all_told = change.missing.is_empty() && !tally.is_patchy();
        slot.tally = if all_told { tally } else { tally.with_missing_of(&slot.tally, &forgotten) };
        slot.body = body;
    }

    /// Makes little of the processes that are gone. They are remembered for a while, as they may
    /// only not have been reached; those that were not seen for longest are folded into the carry.
    fn bury(&mut self) {
        while self.slots.len() > 2 * self.workers {
            let Some(at) = (0..self.slots.len()).min_by_key(|at| self.slots[*at].seen) else {
                return;
            };
            let slot = self.slots.remove(at);
            let counts = self.counts(&slot);
            self.carry(&counts);
            self.carried += 1;
            if self.buried.len() == BURIED {
                self.buried.pop_front();
            }
            self.buried.push_back(slot.tally.without_counts());
        }
        let oldest = self.oldest();
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.seen < oldest && !slot.body.bytes.is_empty() {
                let counts = self.counts(slot);
                self.slots[at].held = Arc::new(counts);
                self.slots[at].body.bytes = Bytes::new();
            }
        }
    }

    fn counts(&self, slot: &Slot) -> Exposition<'static> {
        let said = self.read(&slot.body);
        keep(vec![points_of(&said, |_| true), points_of(&slot.held, |_| true)])
    }

    /// When the last of those that may be here was seen.
    fn oldest(&self) -> (u64, u64) {
        let mut seen: Vec<_> = self.slots.iter().map(|slot| slot.seen).collect();
        seen.sort_unstable_by(|a, b| b.cmp(a));
        seen.get(self.workers - 1).copied().unwrap_or_default()
    }

    /// Adds to the counts of those that are gone. Beyond the limit only to series that are there.
    fn carry(&mut self, counts: &Exposition<'static>) {
        if counts.families.is_empty() {
            return;
        }
        let most = self.limit / 2;
        let with = |counts| {
            Some(keep(vec![(*self.carry).clone(), counts])).filter(|sum| kept_bytes(sum) <= most)
        };
        let kept = with(counts.clone()).map(|sum| (sum, 0)).or_else(|| {
            let known = Tally::of(&self.carry);
            let of_known = points_of(counts, |point| known.has(point));
            let lost = samples(counts) - samples(&of_known);
            // Even these may bring what takes room: other buckets, a longer help.
            with(of_known).map(|sum| (sum, lost))
        });
        let Some((sum, lost)) = kept else {
            self.lost += samples(counts);
            return;
        };
        self.lost += lost;
        self.carry = Arc::new(sum);
    }

    /// The most bytes that what one process does not tell any more may take.
    fn held_bytes(&self) -> u64 {
        self.limit / (4 * self.workers as u64)
    }
}

fn samples(exposition: &Exposition<'_>) -> u64 {
    exposition.families.iter().map(|family| family.samples().len() as u64).sum()
}

const NOT_ALL: &str = "not every process was reached by the last scrape; of the others counts what \
                       they last said";
const NAMELESS: &str = "the processes tell no process_start_time_seconds or anything else that is \
                        one's own, so they are told apart by their counts alone, and those that \
                        have counted the same look like one";
const TOO_MANY: &str = "processes that had been taken for gone answer again; are there more than \
                        workers= says?";
const RESTARTS: &str = "a process seems to restart at every scrape or two; if there are more than \
                        workers= says, they look like that";
const LOST: &str = "some counts of processes that are gone were not kept, because all of them \
                    together would take more than --app-metrics-max-bytes or max-bytes=";
/// After so many scrapes without a word, a process's gauges are of the past.
const FORGOTTEN: u64 = 5;
/// How many of those that are gone would be known again.
const BURIED: usize = 256;
