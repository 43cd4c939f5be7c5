//! Follows which family a line belongs to, and judges the order and the names of the lines.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::line::{Keyword, Metadata, Sample};
use super::points::Points;
use super::rule::Rule;
use super::style::{self, About};
use super::values::{self, Told};
use super::{Place, Report, labels};
use crate::exposition::labels::{hash_bytes, hash_pair};
use crate::exposition::model::{Kind, Suffix};

/// All families of a body, in the order in which they were first named.
pub(super) struct Families<'a> {
    openmetrics: bool,
    list: Vec<Family<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
    current: Option<usize>,
    /// OpenMetrics: every name that a family may give a sample, with the family.
    claims: HashMap<String, usize>,
    /// Every series, by its hash, without and with its time.
    series: HashSet<u64>,
    /// OpenMetrics: every bucket as it is spelt, with its time.
    spelt: HashSet<u64>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was told or said")]
struct Family<'a> {
    name: Cow<'a, str>,
    kind: Kind,
    typed: bool,
    helped: bool,
    unit: Option<&'a str>,
    place: Place,
    samples: u64,
    told_split: bool,
    claimed: bool,
    points: Points,
    /// OpenMetrics: the label set that the last sample has, its time, and all that were there.
    group: Option<(u64, Option<f64>)>,
    groups: HashSet<u64>,
    /// Labels already remarked upon.
    told_labels: Vec<String>,
}

impl<'a> Families<'a> {
    pub(super) fn new(openmetrics: bool) -> Self {
        Self {
            openmetrics,
            list: Vec::new(),
            by_name: HashMap::new(),
            current: None,
            claims: HashMap::new(),
            series: HashSet::new(),
            spelt: HashSet::new(),
        }
    }

    /// Takes in a metadata line.
    pub(super) fn describe(&mut self, said: &Metadata<'a>, line: usize, report: &mut Report) {
        let place = (line, said.at + 1);
        // To Go's reader of text an empty help is none.
        if !self.openmetrics && said.keyword == Keyword::Help && said.text.is_empty() {
            return;
        }
        let known = self.by_name.get(&said.name).copied();
        if known.is_none()
            && let Some((at, _)) = self.part_of(&said.name)
        {
            self.describe_part(at, said, place, report);
            return;
        }
        let returns = known.is_some() && known != self.current;
        let at = known.unwrap_or_else(|| self.create(said.name.clone(), place));
        self.enter(at, report);
        let openmetrics = self.openmetrics;
        let family = &mut self.list[at];
        let again = match said.keyword {
            Keyword::Help => std::mem::replace(&mut family.helped, true),
            Keyword::Unit => family.unit.replace(said.text).is_some(),
            Keyword::Type(_) => family.typed,
        };
        let name = || Some(family.name.to_string());
        if again {
            report.add(place, Rule::RepeatedMetadata, name());
        } else if family.samples > 0 && (openmetrics || said.keyword != Keyword::Help) {
            report.add(place, Rule::LateMetadata, name());
        } else if openmetrics && returns {
            report.add(place, Rule::SplitFamily, name());
        }
        match said.keyword {
            Keyword::Type(kind) if !family.typed && family.samples == 0 => {
                (family.kind, family.typed) = (kind, true);
            }
            _ => {}
        }
        // Whichever of the two lines comes second is the one too many.
        let unitless = matches!(family.kind, Kind::Info | Kind::StateSet);
        let has_unit = family.unit.is_some_and(|unit| !unit.is_empty());
        if unitless && has_unit && !again && said.keyword != Keyword::Help {
            report.add((line, said.text_at + 1), Rule::UnitNotAllowed, name());
        }
    }

    /// Text: metadata of what is a part of a summary or histogram. To Go's reader it is told of
    /// that one, which has a type already.
    fn describe_part(&mut self, at: usize, said: &Metadata<'_>, place: Place, report: &mut Report) {
        let is_help = said.keyword == Keyword::Help;
        if !is_help || std::mem::replace(&mut self.list[at].helped, true) {
            report.add(place, Rule::NameClash, Some(said.name.to_string()));
        }
    }

    /// Takes in a sample.
    pub(super) fn add(&mut self, sample: &Sample<'a>, line: usize, report: &mut Report) {
        let place = (line, sample.at + 1);
        let (at, suffix) = self.find(sample, place);
        let returns = self.current != Some(at);
        self.enter(at, report);
        report.samples += 1;
        let openmetrics = self.openmetrics;
        let family = &mut self.list[at];
        let name = || Some(sample.name.to_string());
        if returns && (family.samples > 0 || family.claimed) && !family.told_split {
            report.add(place, Rule::SplitFamily, Some(family.name.to_string()));
            // In text, where it harms nobody, once is enough.
            family.told_split = !openmetrics;
        }
        family.samples += 1;
        let told = Told { family: &family.name, kind: family.kind, line, openmetrics };
        values::check_strays(&told, sample, suffix, report);
        let Some(suffix) = suffix else {
            report.add(place, Rule::ForeignSample, name());
            return;
        };
        let part = values::check(&told, sample, suffix, report);
        let bounded = part.is_some_and(|part| part.bound.is_some());
        let numeric = bounded.then_some(if suffix == Suffix::Bucket { "le" } else { "quantile" });
        let (mut series, mut group) = (0_u64, 0_u64);
        for label in &sample.labels {
            let value = labels::unescaped(label.value);
            let hash = hash_pair(&label.name, &value, numeric);
            series = series.wrapping_add(hash);
            if !family.sets_apart(&label.name, suffix, bounded) {
                group = group.wrapping_add(hash);
            }
            family.remark_label(&label.name, (line, label.at + 1), report);
        }
        if family.kind == Kind::Info {
            group = 0;
        }
        if openmetrics {
            family.follow(group, sample, line, report);
        }
        let series = hash_bytes(sample.name.as_bytes(), &series.to_le_bytes());
        let timed = |hash: u64| match sample.time {
            None => hash,
            Some(time) => hash_bytes(&hash.to_le_bytes(), &time.to_bits().to_le_bytes()),
        };
        // Python's reader of OpenMetrics passes over a bucket that it knows to the letter; spelt in
        // another way it is one out of order.
        let is_bucket = openmetrics && bounded && suffix == Suffix::Bucket;
        let respelt = is_bucket && self.spelt.insert(timed(spelling(sample)));
        if !self.series.insert(timed(series)) {
            let rule = match sample.time {
                _ if respelt => Rule::BucketOrder,
                None => Rule::DuplicateSeries,
                Some(_) => Rule::RepeatedTime,
            };
            report.add(place, rule, name());
        } else if let Some(part) = part {
            let time = sample.time.map_or(0, f64::to_bits);
            let point = hash_bytes(&group.to_le_bytes(), &time.to_le_bytes());
            family.points.add(point, part, &family.name, report);
        }
    }

    /// Says what can only be said at the end.
    pub(super) fn finish(mut self, report: &mut Report) {
        if let Some(current) = self.current.take() {
            self.close(current, report);
        }
        for family in &mut self.list {
            let openmetrics = self.openmetrics;
            family.points.finish(family.kind, &family.name, openmetrics, report);
            if family.samples > 0 {
                report.families += 1;
                let about = About {
                    name: &family.name,
                    kind: family.kind,
                    helped: family.helped,
                    bare_counters: openmetrics,
                };
                style::check(&about, &mut |rule, what| report.add(family.place, rule, Some(what)));
            }
        }
    }

    fn create(&mut self, name: Cow<'a, str>, place: Place) -> usize {
        let number = self.list.len();
        self.by_name.insert(name.clone(), number);
        self.list.push(Family {
            name,
            kind: Kind::Unknown,
            typed: false,
            helped: false,
            unit: None,
            place,
            samples: 0,
            told_split: false,
            claimed: false,
            points: Points::default(),
            group: None,
            groups: HashSet::new(),
            told_labels: Vec::new(),
        });
        number
    }

    fn enter(&mut self, at: usize, report: &mut Report) {
        if self.current != Some(at) {
            if let Some(before) = self.current {
                self.close(before, report);
            }
            self.current = Some(at);
        }
    }

    /// Lays claim to the names that a family may give its samples.
    fn close(&mut self, at: usize, report: &mut Report) {
        let family = &mut self.list[at];
        if !self.openmetrics || std::mem::replace(&mut family.claimed, true) {
            return;
        }
        let mut clash = None;
        for suffix in endings(family.kind).iter().chain(&[""]) {
            let name = format!("{}{suffix}", family.name);
            if *self.claims.entry(name.clone()).or_insert(at) != at {
                clash.get_or_insert(name);
            }
        }
        if let Some(name) = clash {
            report.add(family.place, Rule::NameClash, Some(name));
        }
    }

    /// The family of a sample and what its name adds; `None` for what the family's kind does not
    /// have.
    fn find(&mut self, sample: &Sample<'a>, place: Place) -> (usize, Option<Suffix>) {
        let name = &sample.name;
        if !self.openmetrics {
            if let Some(&at) = self.by_name.get(name) {
                let kind = self.list[at].kind;
                let has_bare = kind != Kind::Histogram;
                return (at, has_bare.then_some(Suffix::Bare));
            }
            if let Some((at, suffix)) = self.part_of(name) {
                return (at, Some(suffix));
            }
            return (self.create(name.clone(), place), Some(Suffix::Bare));
        }
        if let Some(at) = self.current {
            let family = &self.list[at];
            let suffix = family.suffix_of(name);
            if suffix.is_some() || family.name == *name {
                return (at, suffix);
            }
        }
        if let Some(&at) = self.claims.get(&**name).or_else(|| self.by_name.get(name)) {
            return (at, self.list[at].suffix_of(name));
        }
        (self.create(name.clone(), place), Some(Suffix::Bare))
    }

    /// Text: the summary or histogram of which the name is a part.
    fn part_of(&self, name: &str) -> Option<(usize, Suffix)> {
        if self.openmetrics {
            return None;
        }
        [Suffix::Count, Suffix::Sum, Suffix::Bucket].into_iter().find_map(|suffix| {
            let at = *self.by_name.get(name.strip_suffix(suffix.as_str())?)?;
            self.list[at].kind.suffixes().contains(&suffix).then_some((at, suffix))
        })
    }
}

impl Family<'_> {
    /// OpenMetrics: what a sample's name adds to this family's, if its kind has such a sample.
    fn suffix_of(&self, name: &str) -> Option<Suffix> {
        let rest = name.strip_prefix(&*self.name)?;
        if !endings(self.kind).contains(&rest) {
            return None;
        }
        let known = Suffix::ALL.into_iter().find(|suffix| suffix.as_str() == rest);
        Some(known.unwrap_or(Suffix::Bare))
    }

    /// Whether a label tells parts of one point apart rather than points.
    fn sets_apart(&self, label: &str, suffix: Suffix, bounded: bool) -> bool {
        match self.kind {
            Kind::StateSet => label == self.name,
            Kind::Summary => bounded && label == "quantile",
            _ => bounded && suffix == Suffix::Bucket && label == "le",
        }
    }

    /// OpenMetrics: samples of one label set stand together, and their times go on.
    fn follow(&mut self, group: u64, sample: &Sample<'_>, line: usize, report: &mut Report) {
        let name = || Some(sample.name.to_string());
        match self.group {
            Some((last, _)) if last != group && self.groups.contains(&group) => {
                report.add((line, sample.at + 1), Rule::InterleavedSeries, name());
            }
            Some((last, _)) if last != group => {}
            Some((_, time)) if time.is_some() != sample.time.is_some() => {
                let at = if sample.time.is_some() { sample.time_at } else { sample.at };
                report.add((line, at + 1), Rule::MixedTimestamps, name());
            }
            Some((_, time)) if time > sample.time && self.kind != Kind::Info => {
                report.add((line, sample.time_at + 1), Rule::TimeGoesBack, name());
            }
            _ => {}
        }
        self.group = Some((group, sample.time));
        self.groups.insert(group);
    }

    fn remark_label(&mut self, label: &str, place: Place, report: &mut Report) {
        let Some(rule) = style::of_label(label, self.kind) else { return };
        if !self.told_labels.iter().any(|told| told == label) && self.told_labels.len() < 100 {
            self.told_labels.push(label.to_owned());
            report.add(place, rule, Some(label.to_owned()));
        }
    }
}

/// The hash of a series to the letter; an empty value counts as no label.
fn spelling(sample: &Sample<'_>) -> u64 {
    let told = sample.labels.iter().filter(|label| !label.value.is_empty());
    let labels = told.fold(0_u64, |sum, label| {
        let value = labels::unescaped(label.value);
        sum.wrapping_add(hash_bytes(label.name.as_bytes(), value.as_bytes()))
    });
    hash_bytes(sample.name.as_bytes(), &labels.to_le_bytes())
}

/// What OpenMetrics lets samples of a kind add to the family's name.
fn endings(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter => &["_total", "_created"],
        Kind::Summary => &["", "_count", "_sum", "_created"],
        Kind::Histogram => &["_count", "_sum", "_bucket", "_created"],
        Kind::GaugeHistogram => &["_gcount", "_gsum", "_bucket"],
        Kind::Info => &["_info"],
        Kind::Gauge | Kind::StateSet | Kind::Unknown => &[""],
    }
}
