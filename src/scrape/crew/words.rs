//! What a crew has to say: the last words of its processes, and how it is doing.

use crate::exposition::{Exposition, kept_bytes};
use crate::scrape::Body;
use std::sync::Arc;

/// What the sum is made of.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// Of each process, the one seen first in front.
    pub(crate) processes: Vec<Word>,
    /// The counts of processes that are no more.
    pub(crate) carry: Arc<Exposition<'static>>,
}

impl Words {
    /// About how many bytes they take.
    pub(in crate::scrape) fn bytes(&self) -> u64 {
        let said = |word: &Word| word.body.bytes.len() as u64 + kept_bytes(&word.held);
        kept_bytes(&self.carry) + self.processes.iter().map(said).sum::<u64>()
    }

    /// Bytes that this scrape has heard, and what they were before decompression.
    pub(in crate::scrape) fn sent(&self) -> (u64, u64) {
        let fresh = self.processes.iter().filter(|word| word.fresh).map(|word| &word.body);
        fresh.fold((0, 0), |(bytes, received), body| {
            (bytes + body.bytes.len() as u64, received + body.received)
        })
    }

    /// The same while nobody answers.
    pub(in crate::scrape) fn silent(&self) -> Self {
        let silent = |word: &Word| Word { fresh: false, live: false, ..word.clone() };
        Self {
            processes: self.processes.iter().map(silent).collect(),
            carry: Arc::clone(&self.carry),
        }
    }
}

/// What one process last said.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// Its number, which another process has once it is gone; from 1.
    pub(crate) number: usize,
    /// What it said.
    pub(crate) body: Body,
    /// What it counted before, and said no more.
    pub(crate) held: Arc<Exposition<'static>>,
    /// Whether this scrape heard it.
    pub(crate) fresh: bool,
    /// Whether it is taken for a process that still runs, whose gauges count.
    pub(crate) live: bool,
}

/// How a crew is doing, for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Muster {
    /// How many processes there should be.
    pub(crate) workers: usize,
    /// How many the last scrape heard.
    pub(crate) heard: usize,
    /// How many are remembered one by one.
    pub(crate) known: usize,
    /// How many are gone, of which only the counts are kept.
    pub(crate) gone: u64,
    /// Answers of processes that were taken for gone and not counted again.
    pub(crate) strays: u64,
    /// Series of processes that are gone that were not kept, for want of room.
    pub(crate) lost_series: u64,
    /// What to know of it.
    pub(crate) notes: Vec<&'static str>,
}
