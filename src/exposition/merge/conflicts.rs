//! Settles which names belong to which family before samples are looked at one by one.

use std::borrow::Cow;
use std::collections::HashSet;

use super::relabel::{rehash, without_native};
use super::{MergedFamily, Merger, Piece, fits};
use crate::exposition::format::Syntax;
use crate::exposition::model::{Kind, Sample, Suffix};
use crate::exposition::problem::Reason;

impl Merger<'_> {
    /// Moves samples that the family's kind has no place for into families of their own: what a
    /// second source says of `foo` as a histogram when the first one said gauge.
    pub(super) fn separate_misfits(&mut self) {
        for at in 0..self.families.len() {
            let family = &self.families[at];
            let misfit = |sample: &Sample<'_>| !fits(family.kind, sample);
            if family.pieces.iter().any(|piece| piece.samples.iter().any(misfit)) {
                self.take_apart(at);
            }
        }
    }

    /// Gives `foo_created`, a gauge in text, back to the counter or histogram that it dates, so
    /// that OpenMetrics can say so. Only where every one of its series has its partner.
    pub(super) fn adopt_created(&mut self) {
        for at in 0..self.families.len() {
            let family = &self.families[at];
            let Some(base) = family.name.strip_suffix("_created") else { continue };
            if !family.kind.suffixes().is_empty() || family.is_empty() {
                continue;
            }
            let total = format!("{base}_total");
            let base = base.to_owned();
            let parents = [&total, &base].map(|name| self.by_name.get(&**name).copied());
            for family in parents.into_iter().flatten().chain([at]) {
                self.families[family].expand(&self.labels);
            }
            let family = &self.families[at];
            let Some(parent) = parents.into_iter().flatten().find(|parent| {
                let parent = &self.families[*parent];
                let fits = match parent.kind {
                    Kind::Counter => parent.name == total,
                    kind => kind.suffixes().contains(&Suffix::Created) && parent.name == base,
                };
                fits && parent.own == family.own && has_all_partners(parent, family)
            }) else {
                continue;
            };
            for mut piece in std::mem::take(&mut self.families[at].pieces) {
                for sample in &mut piece.samples {
                    sample.suffix = Suffix::Created;
                }
                self.families[parent].push(piece, &self.labels);
            }
        }
    }

    /// Leaves out the creation times of a counter `foo_total` beside a histogram `foo` that has some:
    /// both are `foo_created`, which only protobuf can tell apart; there ours keep theirs, as they
    /// always fit into the message.
    pub(super) fn drop_ambiguous_created(&mut self) {
        let mut taken = HashSet::new();
        let tells_apart = self.format.syntax() == Syntax::Protobuf;
        let dated = |family: &MergedFamily<'_>| {
            let is_ours = family.pieces.iter().all(|piece| piece.source == 0);
            family.has(Suffix::Created) && !(tells_apart && is_ours)
        };
        for family in self.families.iter().filter(|family| family.kind.is_compound()) {
            if dated(family) {
                taken.insert(family.sample_name(Suffix::Created));
            }
        }
        for family in self.families.iter_mut().filter(|family| !family.kind.is_compound()) {
            if !dated(family) || taken.insert(family.sample_name(Suffix::Created)) {
                continue;
            }
            family.expand(&self.labels);
            for piece in &mut family.pieces {
                let before = piece.samples.len();
                piece.samples.retain(|sample| sample.suffix != Suffix::Created);
                let gone = (before - piece.samples.len()) as u64;
                self.dropped[piece.source].add(Reason::NameClash, gone);
            }
        }
    }

    /// Takes apart histograms and summaries of which a part is another family's name, too: readers
    /// that collect families by name could not tell whose `foo_count` is meant.
    pub(super) fn separate_clashes(&mut self) {
        loop {
            let clashing: Vec<usize> = (0..self.families.len())
                .filter(|at| {
                    let family = &self.families[*at];
                    let parts = Suffix::ALL.into_iter().filter(|suffix| match suffix {
                        Suffix::Created => family.has(Suffix::Created),
                        suffix => family.kind.suffixes().contains(suffix),
                    });
                    !family.is_empty()
                        && parts.map(|suffix| family.sample_name(suffix)).any(|name| {
                            let other =
                                self.by_name.get(&*name).map(|other| &self.families[*other]);
                            other.is_some_and(|other| !other.is_empty())
                        })
                })
                .collect();
            if clashing.is_empty() {
                break;
            }
            for at in clashing {
                self.take_apart(at);
            }
            self.separate_misfits();
        }
    }

    /// Makes families of one sample name each out of a family. What has no suffix stays, and stays
    /// what it was where it can stand alone.
    /// Tells which families have got samples.
    pub(super) fn take_apart(&mut self, at: usize) -> Vec<usize> {
        let mut grown = Vec::new();
        let family = &mut self.families[at];
        family.expand(&self.labels);
        let help = family.help.clone();
        let names = Suffix::ALL.map(|suffix| family.sample_name(suffix));
        let pieces = std::mem::take(&mut family.pieces);
        if family.kind.is_compound() {
            family.kind = Kind::Unknown;
        }
        let tells_native = self.format.syntax() == Syntax::Protobuf;
        for Piece { source, samples, .. } in pieces.iter().filter(|piece| piece.kind.is_compound())
        {
            let apart = &mut self.apart[*source];
            apart.families += 1;
            apart.first.get_or_insert_with(|| family.name.to_string());
            let natives = samples.iter().filter(|s| tells_native && s.native().is_some());
            self.dropped[*source].add(Reason::TakenApart, natives.count() as u64);
        }
        let stays = family.kind;
        for piece in pieces {
            let Piece { source, bounds, samples, kind, .. } = piece;
            let is_gauge = kind == Kind::GaugeHistogram;
            let mut parts: [Vec<Sample<'_>>; Suffix::ALL.len()] = Default::default();
            for mut sample in without_native(samples, is_gauge) {
                rehash(&mut sample, &bounds, self.labels[source].as_deref(), None);
                let part = std::mem::replace(&mut sample.suffix, Suffix::Bare);
                parts[part as usize].push(sample);
            }
            for (suffix, samples) in Suffix::ALL.into_iter().zip(parts) {
                if samples.is_empty() {
                    continue;
                }
                let target = if suffix == Suffix::Bare {
                    at
                } else {
                    self.family(Cow::Owned(names[suffix as usize].clone()), Kind::Unknown)
                };
                let kind = if suffix == Suffix::Bare { stays } else { Kind::Unknown };
                if !grown.contains(&target) {
                    grown.push(target);
                }
                let target = &mut self.families[target];
                if target.is_empty() && target.kind != kind {
                    target.kind = Kind::Unknown;
                }
                target.help = target.help.take().or_else(|| help.clone());
                let bounds = bounds.clone();
                let piece = Piece { source, bounds, samples, block: None, kind };
                target.push(piece, &self.labels);
                // The first source's sample is the one that stays, whoever came apart first.
                target.pieces.sort_by_key(|piece| piece.source);
            }
        }
        grown
    }
}

fn has_all_partners(parent: &MergedFamily<'_>, created: &MergedFamily<'_>) -> bool {
    let partners: HashSet<(usize, u64)> = parent
        .pieces
        .iter()
        .flat_map(|piece| piece.samples.iter().map(|sample| (piece.source, sample)))
        .filter(|(_, sample)| match sample.suffix {
            Suffix::Sum | Suffix::Count => true,
            Suffix::Bare => parent.kind == Kind::Counter,
            _ => false,
        })
        .map(|(source, sample)| (source, sample.hash))
        .collect();
    created.pieces.iter().all(|piece| {
        piece.samples.iter().all(|sample| {
            sample.suffix == Suffix::Bare && partners.contains(&(piece.source, sample.hash))
        })
    })
}
