//! Looks at samples one by one: each series once, and histograms and summaries that add up.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use super::groups::settle_groups;
use super::judge::{Verdict, is_legal};
use super::relabel::{bound_label, rehash};
use super::{Merger, Piece};
use crate::exposition::keyed::ByHash;
use crate::exposition::labels::{Pairs, hash_pair};
use crate::exposition::model::{Kind, Sample, Suffix, Timestamp};
use crate::exposition::problem::{Counts, Reason};

impl Merger<'_> {
    pub(super) fn settle(&mut self) {
        let mut at = 0;
        // Families that come apart are added at the end and settled in their turn.
        while at < self.families.len() {
            self.settle_family(at);
            at += 1;
        }
    }

    fn settle_family(&mut self, at: usize) {
        let family = &mut self.families[at];
        if let [Piece { block: Some(block), .. }] = &*family.pieces {
            // Judged already, by these rules.
            family.strict = block.strict;
            return;
        }
        let kind = family.kind;
        for piece in &mut family.pieces {
            if bound_label(piece.kind, Suffix::Bare) != bound_label(kind, Suffix::Bare) {
                let label = self.labels[piece.source].as_deref();
                for sample in piece.samples.iter_mut().filter(|s| s.suffix == Suffix::Bare) {
                    rehash(sample, &piece.bounds, label, bound_label(kind, Suffix::Bare));
                }
            }
        }
        if !kind.is_compound() && !family.has(Suffix::Created) {
            keep_first(&mut family.pieces, &mut self.dropped);
            family.strict = true;
            let guarded = family.own;
            for piece in &mut family.pieces {
                let legal = |sample: &Sample<'_>| is_legal(kind, &family.name, sample);
                if guarded && piece.source != 0 {
                    let before = piece.samples.len();
                    piece.samples.retain(legal);
                    let gone = (before - piece.samples.len()) as u64;
                    self.dropped[piece.source].add(Reason::TypeConflict, gone);
                } else {
                    family.strict &= piece.samples.iter().all(legal);
                }
            }
            if kind == Kind::StateSet {
                family.strict &= stand_together(&family.name, &family.pieces, &self.labels);
            }
            if kind == Kind::Info {
                let mut samples = family.pieces.iter().flat_map(|piece| &piece.samples);
                let timed = samples.next().is_some_and(|s| s.timestamp().is_some());
                family.strict &= samples.all(|s| s.timestamp().is_some() == timed);
            }
            return;
        }
        let mut seen = Table::default();
        let mut verdict = Verdict::Strict;
        let mut timed = false;
        for (number, piece) in family.pieces.iter_mut().enumerate() {
            let guarded = family.own && piece.source != 0;
            let dropped = &mut self.dropped[piece.source];
            let groups = settle_groups(kind, piece, number, guarded, &mut seen, dropped);
            verdict = verdict.min(groups.verdict);
            timed |= groups.repeat_in_time;
        }
        if kind == Kind::GaugeHistogram || kind == Kind::Counter {
            // In text these are families of single samples, which nothing can be wrong with.
            verdict = verdict.max(Verdict::TextOnly);
        }
        if verdict == Verdict::Neither || verdict == Verdict::TextOnly && timed {
            for grown in self.take_apart(at) {
                // What comes later is settled in its turn.
                if grown <= at {
                    self.settle_family(grown);
                }
            }
        } else {
            family.strict = verdict == Verdict::Strict;
        }
    }
}

/// Whether the states of each label set stand together, their times in order: OpenMetrics wants it
/// so, and gauges, which a state set is otherwise, do not need it.
fn stand_together(name: &str, pieces: &[Piece<'_>], labels: &[Option<String>]) -> bool {
    let mut seen = HashSet::new();
    let mut last: (Option<(u64, Option<usize>)>, Option<i64>) = (None, None);
    let samples = pieces.iter().flat_map(|piece| piece.samples.iter().map(move |s| (piece, s)));
    for (piece, sample) in samples {
        let pairs = Pairs(sample.labels.as_str()).filter(|pair| pair.name != name);
        let group =
            pairs.fold(0_u64, |sum, pair| sum.wrapping_add(hash_pair(pair.name, pair.value, None)));
        // A label of its own keeps a source's samples apart from the others'.
        let group = (group, labels[piece.source].as_ref().map(|_| piece.source));
        let time = sample.timestamp().and_then(Timestamp::millis);
        let fits = if last.0 == Some(group) {
            time.is_some() == last.1.is_some() && time >= last.1
        } else {
            seen.insert(group)
        };
        if !fits {
            return false;
        }
        last = (Some(group), time);
    }
    true
}

/// Keeps the first sample of each series, and of the same source those that tell of later times;
/// these are brought together, as OpenMetrics wants them.
fn keep_first(pieces: &mut [Piece<'_>], dropped: &mut [Counts]) {
    let total = pieces.iter().map(|piece| piece.samples.len()).sum();
    let mut seen = Table::with_capacity_and_hasher(total, BuildHasherDefault::default());
    for (number, piece) in pieces.iter_mut().enumerate() {
        let before = piece.samples.len();
        let (mut place, mut scattered) = (0, false);
        piece.samples.retain(|sample| {
            let time = sample.timestamp().and_then(Timestamp::millis);
            let keep = match seen.entry(sample.hash) {
                Entry::Vacant(series) => {
                    series.insert(Seen { piece: number, place, time });
                    true
                }
                Entry::Occupied(mut series) => {
                    let last = series.get_mut();
                    let later = last.piece == number && last.time.is_some() && time > last.time;
                    if later {
                        last.time = time;
                        scattered = true;
                    }
                    later
                }
            };
            place += usize::from(keep);
            keep
        });
        if scattered {
            piece.samples.sort_by_key(|sample| seen.get(&sample.hash).map(|series| series.place));
        }
        let gone = (before - piece.samples.len()) as u64;
        dropped[piece.source].add(Reason::DuplicateSeries, gone);
    }
}

/// Where a series or a group was seen first, and its last time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) piece: usize,
    pub(super) place: usize,
    pub(super) time: Option<i64>,
}

pub(super) type Table = ByHash<Seen>;
