//! Adds the expositions of several processes of one app up to one.
//!
//! Counters, histograms and the sums and counts of summaries add; quantiles of several processes
//! say nothing of all of them, so they are left out and counted. Gauges go by [`GaugeRules`]. What
//! a process that is gone has counted stays, see [`Member::gone`], or the sum would fall, which
//! Prometheus takes for a restart of all of them. `docs/exposition.md` has every rule.

mod buckets;
mod family;
mod native;
mod owned;
mod process;
mod rules;
mod tally;
mod total;

use std::borrow::Cow;
use std::collections::HashMap;

pub use self::rules::{GaugeRule, GaugeRules};
pub(crate) use self::tally::{Change, Tally};

use self::family::{Part, add_up};
use self::total::Rounding;
use super::labels::hash_all;
use super::merge::fits;
use super::model::{Exposition, Family, Kind, Sample, Suffix};
use super::problem::{Counts, Problems, Reason};

/// What one process says, to be added to what the others say.
#[derive(Debug)]
pub struct Member<'a> {
    process: Cow<'a, str>,
    exposition: Exposition<'a>,
    live: bool,
}

impl<'a> Member<'a> {
    /// A process by this name, which the label `process` takes where gauges are kept apart.
    pub fn new(process: impl Into<Cow<'a, str>>, exposition: Exposition<'a>) -> Self {
        Self { process: process.into(), exposition, live: true }
    }

    /// Takes the process for one that does not answer or is no more: what it counted still
    /// counts, and its gauges do not.
    #[must_use]
    pub fn gone(mut self) -> Self {
        self.live = false;
        self
    }
}

impl Member<'_> {
    /// Whether it still runs.
    pub fn is_live(&self) -> bool {
        self.live
    }
}

/// What the processes come to.
#[derive(Debug)]
pub struct Summed<'a> {
    /// The sum. What could not be read of the members is not told of here.
    pub exposition: Exposition<'a>,
    /// Of each member, the samples that were read and could not be added, by reason.
    pub dropped: Vec<Counts>,
}

/// Adds up, for an answer. The order is the first process's, then the others' new series.
pub fn sum<'a>(members: Vec<Member<'a>>, rules: &GaugeRules) -> Summed<'a> {
    summed(members, rules, Rounding::Nearest)
}

/// Adds up what processes that are gone have counted, to be kept: their gauges are left out, and
/// the sum is not rounded down.
pub(crate) fn keep(members: Vec<Exposition<'_>>) -> Exposition<'static> {
    let members = members.into_iter().map(|exposition| Member::new("", exposition).gone());
    let summed = summed(members.collect(), &GaugeRules::default(), Rounding::Up);
    owned::owned(summed.exposition)
}

/// The points of an exposition of which `wanted` is true, of what [`Tally`] counts by these keys;
/// to be kept.
pub(crate) fn points_of<'a>(
    exposition: &Exposition<'a>,
    wanted: impl Fn(u64) -> bool,
) -> Exposition<'a> {
    let told = exposition.families.iter().filter(|family| tally::is_told(family));
    let families = told.map(|family| {
        let mut part = Family::new(family.name.clone(), family.kind);
        part.help.clone_from(&family.help);
        part.unit.clone_from(&family.unit);
        part.bounds.clone_from(&family.bounds);
        // What is no number would make no number of the sum for good.
        let samples = family.samples.iter().filter(|sample| sample.value.as_f64().is_finite());
        part.samples = samples.filter(|s| wanted(tally::point(family, s))).cloned().collect();
        part
    });
    let families = families.filter(|family| !family.samples.is_empty()).collect();
    Exposition { families, problems: Problems::default() }
}

/// About how many bytes an exposition that was kept takes.
pub(crate) fn kept_bytes(exposition: &Exposition<'_>) -> u64 {
    let of = |family: &Family<'_>| {
        let help = family.help.as_ref().map_or(0, |help| help.len());
        let labels = family.samples.iter().map(|s| s.labels.as_str().len()).sum::<usize>();
        size_of::<Family<'_>>()
            + family.name.len()
            + help
            + family.samples.len() * size_of::<Sample<'_>>()
            + labels
    };
    exposition.families.iter().map(|family| of(family) as u64).sum()
}

fn summed<'a>(members: Vec<Member<'a>>, rules: &GaugeRules, rounding: Rounding) -> Summed<'a> {
    let mut dropped = vec![Counts::default(); members.len()];
    let mut families = Families::default();
    for member in &members {
        for family in member.exposition.families.iter().filter(|f| !f.samples.is_empty()) {
            families.learn(family);
        }
    }
    for (number, member) in members.into_iter().enumerate() {
        let Member { process, exposition, live } = member;
        for family in exposition.families {
            let whose = Whose { number, process: process.clone(), live };
            families.part(&whose, family, &mut dropped[number]);
        }
    }
    let families = families.all.into_iter().filter_map(|Gathered { name, kind, parts }| {
        let family = add_up(name, kind, parts, rules, rounding, &mut dropped);
        (!family.samples.is_empty()).then_some(family)
    });
    let families = families.collect();
    Summed { exposition: Exposition { families, problems: Problems::default() }, dropped }
}

/// The member that a part comes from.
#[derive(Debug, Clone)]
struct Whose<'a> {
    number: usize,
    process: Cow<'a, str>,
    live: bool,
}

/// What all members say of one name.
struct Gathered<'a> {
    name: Cow<'a, str>,
    kind: Kind,
    parts: Vec<Part<'a>>,
}

#[derive(Default)]
struct Families<'a> {
    all: Vec<Gathered<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Families<'a> {
    /// A family has the type that was first told; untyped is no type.
    fn learn(&mut self, family: &Family<'a>) {
        let gathered = self.named(&family.name);
        if gathered.kind == Kind::Unknown {
            gathered.kind = family.kind;
        }
    }

    fn named(&mut self, name: &Cow<'a, str>) -> &mut Gathered<'a> {
        let known = self.by_name.get(name).copied();
        let at = known.unwrap_or_else(|| {
            self.by_name.insert(name.clone(), self.all.len());
            let (name, parts) = (name.clone(), Vec::new());
            self.all.push(Gathered { name, kind: Kind::Unknown, parts });
            self.all.len() - 1
        });
        &mut self.all[at]
    }

    /// Adds one member's family. Samples that the family's type has no place for become families
    /// of their own names, as they do in a merge.
    fn part(&mut self, whose: &Whose<'a>, mut family: Family<'a>, dropped: &mut Counts) {
        if family.samples.is_empty() {
            return;
        }
        let name = family.name.clone();
        let kind = self.named(&name).kind;
        let misfit = |sample: &Sample<'_>| !fits(kind, sample) && !is_quantile(&family, sample);
        if family.samples.iter().any(misfit) {
            let (mut misfits, fitting): (Vec<_>, _) =
                family.samples.iter().cloned().partition(misfit);
            // Without its kind a native histogram is nothing.
            let before = misfits.len();
            misfits.retain(|sample| sample.native().is_none());
            dropped.add(Reason::TypeConflict, (before - misfits.len()) as u64);
            self.misfits(whose, &family, &misfits);
            family.samples = fitting;
        }
        let Whose { number, process, live } = whose.clone();
        self.named(&name).parts.push(Part { member: number, process, live, family });
    }

    fn misfits(&mut self, whose: &Whose<'a>, family: &Family<'a>, misfits: &[Sample<'a>]) {
        for suffix in Suffix::ALL {
            let mut samples = misfits.iter().filter(|s| s.suffix == suffix).cloned().peekable();
            if samples.peek().is_none() {
                continue;
            }
            let name = super::model::sample_name(&family.name, family.kind, suffix);
            let name: Cow<'a, str> = Cow::Owned(name);
            let mut part = Family::new(name.clone(), Kind::Unknown);
            part.help.clone_from(&family.help);
            part.samples = samples
                .map(|mut sample| {
                    owned::write_bound(&mut sample, &family.bounds);
                    sample.hash = hash_all(sample.labels.as_str(), None);
                    sample.suffix = Suffix::Bare;
                    sample
                })
                .collect();
            let Whose { number, process, live } = whose.clone();
            self.named(&name).parts.push(Part { member: number, process, live, family: part });
        }
    }
}

/// Whether it is a quantile, which cannot be added to another.
fn is_quantile(family: &Family<'_>, sample: &Sample<'_>) -> bool {
    sample.suffix == Suffix::Bare
        && match family.kind {
            Kind::Summary => true,
            Kind::Unknown => process::has(sample.labels.as_str(), "quantile"),
            _ => false,
        }
}
