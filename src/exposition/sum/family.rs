//! Adds up what several processes say of one family.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::buckets::{Layouts, Settled};
use super::is_quantile;
use super::native::NativeSum;
use super::process;
use super::rules::{GaugeRules, Way, lasts};
use super::total::{Rounding, Total};
use crate::exposition::labels::hash_bound;
use crate::exposition::model::{Exemplar, Family, Kind, Sample, Suffix, Timestamp};
use crate::exposition::problem::{Counts, Reason};

/// One member's samples of the family.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) member: usize,
    pub(super) process: Cow<'a, str>,
    pub(super) live: bool,
    pub(super) family: Family<'a>,
}

/// The family of all members' samples.
pub(super) fn add_up<'a>(
    name: Cow<'a, str>,
    kind: Kind,
    mut parts: Vec<Part<'a>>,
    rules: &GaugeRules,
    rounding: Rounding,
    dropped: &mut [Counts],
) -> Family<'a> {
    let mut whole = Family::new(name, kind);
    for part in &mut parts {
        whole.help = whole.help.take().or_else(|| part.family.help.take());
        whole.unit = whole.unit.take().or_else(|| part.family.unit.take());
        thin_out(part, &mut dropped[part.member]);
    }
    let mut sum = Sum { series: Vec::new(), places: HashMap::new(), rounding };
    let mut layouts = Layouts::of(kind, &parts, rounding);
    for part in parts {
        let Part { member, process, live, family: Family { samples, bounds, .. } } = part;
        for mut sample in samples {
            let way = rules.way(&whole.name, kind, sample.suffix);
            // A gauge of a process that is gone is not the case any more.
            let stays = lasts(&whole.name, kind) && matches!(way, Way::Add | Way::Min);
            if !live && !stays {
                continue;
            }
            if way == Way::PerProcess {
                super::owned::write_bound(&mut sample, &bounds);
                let numeric = (sample.suffix == Suffix::Bucket).then_some("le");
                process::label(&mut sample, &process, numeric);
            } else if sample.suffix == Suffix::Bucket {
                match layouts.settle(&sample, &bounds) {
                    Settled::AsItIs => {}
                    Settled::Already => continue,
                    Settled::Anew(buckets) => {
                        for bucket in buckets {
                            sum.add(member, Way::Add, bucket, dropped);
                        }
                        continue;
                    }
                }
            }
            renumber(&mut sample, &bounds, &mut whole.bounds);
            sum.add(member, way, sample, dropped);
        }
    }
    whole.samples = sum.finish(kind.is_compound());
    whole
}

/// Leaves out what cannot be added: quantiles, and of a series that one member gives more than
/// once all but the newest.
fn thin_out(part: &mut Part<'_>, dropped: &mut Counts) {
    let family = &mut part.family;
    let quantiles = family.samples.iter().filter(|sample| is_quantile(family, sample)).count();
    if quantiles > 0 {
        let kind = family.kind;
        let name = Family::new(Cow::Borrowed(""), kind);
        family.samples.retain(|sample| !is_quantile(&name, sample));
        // What a process last said before it fell silent was counted then.
        if part.live {
            dropped.add(Reason::QuantileInSum, quantiles as u64);
        }
    }
    if family.samples.iter().all(|sample| sample.timestamp().is_none()) {
        return;
    }
    let mut newest: HashMap<(Suffix, u64), Option<i64>> = HashMap::new();
    for sample in &family.samples {
        let at = newest.entry((sample.suffix, sample.hash)).or_default();
        *at = time(sample).max(*at);
    }
    family.samples.retain(|sample| newest[&(sample.suffix, sample.hash)] == time(sample));
}

/// Gives a bound that goes by number the number that it has in the whole family.
fn renumber<'a>(sample: &mut Sample<'a>, bounds: &[Cow<'a, str>], all: &mut Vec<Cow<'a, str>>) {
    let at = usize::from(sample.bound).checked_sub(1);
    let Some(bound) = at.and_then(|at| bounds.get(at)) else { return };
    let at = all.iter().position(|known| known == bound).unwrap_or_else(|| {
        all.push(bound.clone());
        all.len() - 1
    });
    match u16::try_from(at + 1) {
        Ok(number) => sample.bound = number,
        Err(_) => super::owned::write_bound(sample, bounds),
    }
}

/// The series so far.
struct Sum<'a> {
    series: Vec<Series<'a>>,
    places: HashMap<(Suffix, u64), usize>,
    rounding: Rounding,
}

struct Series<'a> {
    /// The first term, or the one that holds.
    sample: Sample<'a>,
    total: Total<'a>,
    /// Of a native histogram that has more than one term.
    native: Option<Box<NativeSum<'a>>>,
    /// Whose term came last.
    member: usize,
    /// Whether terms have different times.
    times_differ: bool,
}

impl<'a> Sum<'a> {
    fn add(&mut self, member: usize, way: Way, sample: Sample<'a>, dropped: &mut [Counts]) {
        let series = match self.places.entry((sample.suffix, sample.hash)) {
            Entry::Vacant(place) => {
                place.insert(self.series.len());
                let total = Total::One(sample.value);
                let (native, times_differ) = (None, false);
                self.series.push(Series { sample, total, native, member, times_differ });
                return;
            }
            Entry::Occupied(place) => &mut self.series[*place.get()],
        };
        if series.member == member {
            dropped[member].add(Reason::DuplicateSeries, 1);
            return;
        }
        series.member = member;
        let holds = match way {
            Way::Add => {
                series.total.add(&sample.value);
                series.times_differ |= time(&series.sample) != time(&sample);
                series.sample.implied &= sample.implied;
                series.add_native(&sample);
                keep_newer_exemplar(&mut series.sample, sample);
                return;
            }
            Way::Max => beats(&sample, &series.sample, |new, old| new > old),
            Way::Min => beats(&sample, &series.sample, |new, old| new < old),
            Way::Last => time(&sample) >= time(&series.sample),
            Way::First | Way::PerProcess => false,
        };
        if holds {
            series.total = Total::One(sample.value);
            series.sample = sample;
        }
    }

    fn finish(self, compound: bool) -> Vec<Sample<'a>> {
        // The parts of one point have one time or none.
        let differ = compound && self.series.iter().any(|series| series.times_differ);
        let rounding = self.rounding;
        let mut raised = Vec::new();
        let done = self.series.into_iter().map(|series| {
            let Series { mut sample, total, native, times_differ, .. } = series;
            sample.value = total.number(rounding);
            if let (Some(sum), Some(extra)) = (native, &mut sample.extra) {
                let native = sum.finish(rounding);
                let count = native.count_number();
                if count.as_f64() > sample.value.as_f64() {
                    raised.push((sample.hash, sample.value.as_f64(), count));
                }
                sample.value = count;
                extra.native = Some(Box::new(native));
            }
            if (times_differ || differ)
                && let Some(extra) = &mut sample.extra
            {
                extra.timestamp = None;
            }
            sample
        });
        let mut done: Vec<_> = done.collect();
        // The classic buckets beside it count the same.
        for (hash, before, count) in raised {
            let all = hash.wrapping_add(hash_bound("le", f64::INFINITY));
            let beside = [(Suffix::Count, hash), (Suffix::GaugeCount, hash), (Suffix::Bucket, all)];
            for at in beside.iter().filter_map(|place| self.places.get(place)) {
                let value = &mut done[*at].value;
                if value.as_f64().total_cmp(&before).is_eq() {
                    *value = count;
                }
            }
        }
        done
    }
}

fn time(sample: &Sample<'_>) -> Option<i64> {
    sample.timestamp().and_then(Timestamp::millis)
}

/// A number holds against what is none.
fn beats(new: &Sample<'_>, old: &Sample<'_>, by: fn(f64, f64) -> bool) -> bool {
    let (new, old) = (new.value.as_f64(), old.value.as_f64());
    by(new, old) || old.is_nan() && !new.is_nan()
}

impl<'a> Series<'a> {
    fn add_native(&mut self, new: &Sample<'a>) {
        if let (Some(first), Some(other)) = (self.sample.native(), new.native()) {
            self.native.get_or_insert_with(|| Box::new(NativeSum::of(first))).add(other);
        }
    }
}

/// Of two exemplars the newer one stays; one without a time is older than any.
pub(super) fn keep_newer_exemplar<'a>(kept: &mut Sample<'a>, new: Sample<'a>) {
    let Some(exemplar) = new.extra.and_then(|extra| extra.exemplar) else { return };
    let at = |exemplar: &Exemplar<'_>| {
        exemplar.timestamp().and_then(|text| text.parse().ok()).unwrap_or(f64::NEG_INFINITY)
    };
    if kept.exemplar().is_none_or(|old| at(&exemplar) > at(old)) {
        kept.extra.get_or_insert_default().exemplar = Some(exemplar);
    }
}
