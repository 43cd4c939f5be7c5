//! Reads delimited protobuf, `io.prometheus.client.MetricFamily` messages with their lengths.
//!
//! Lengths allow to go on after what cannot be read: a broken metric costs itself, a broken family
//! its rest. A problem's line is the number of the family, its column the byte in its message.

mod histogram;
mod labels;
mod metric;
mod point;
mod wire;

use std::borrow::Cow;
use std::collections::HashSet;

use self::metric::Reader;
use self::wire::{Fields, Value, varint};
use super::Limits;
use crate::exposition::keyed::Hashes;
use crate::exposition::model::{Exposition, Family, Kind};
use crate::exposition::problem::{Problem, Problems, Reason};

/// Whether a body is protobuf. Called so it is unless it can be text: no message does without
/// control characters. Otherwise its whole first family must be one, with a metric in it, which
/// text never happens to be.
pub(crate) fn is_protobuf(source: &[u8], called_so: bool) -> bool {
    if called_so {
        return !std::str::from_utf8(source).is_ok_and(|text| {
            !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        });
    }
    let Some((length, start)) = varint(source, 0) else { return false };
    let Some(family) = source.get(start..) else { return false };
    let Some(family) = usize::try_from(length).ok().and_then(|length| family.get(..length)) else {
        return false;
    };
    let mut metrics = 0;
    family.first() == Some(&NAME)
        && Fields::new(family, 0).all(|field| {
            field.is_ok_and(|field| {
                metrics += usize::from(field.number == 4);
                match field.value {
                    Value::Bytes(_) => matches!(field.number, 1 | 2 | 4 | 5),
                    Value::Varint(kind) => field.number == 3 && kind < 16,
                    _ => false,
                }
            })
        })
        && metrics > 0
}

/// The key of the field that a family's message begins with.
const NAME: u8 = 0x0a;

pub(super) fn read<'a>(source: &'a [u8], limits: &Limits) -> Exposition<'a> {
    let mut body = Body {
        limits,
        budget: limits.samples,
        families: Vec::new(),
        names: HashSet::new(),
        seen: Hashes::default(),
        problems: Problems::keeping(limits.problems),
        number: 0,
    };
    let mut at = 0;
    while at < source.len() {
        body.number += 1;
        let Some((length, start)) = varint(source, at) else {
            // Nobody knows where the next family begins.
            let cut = source.len() - at < 10;
            body.problem(1, if cut { Reason::Truncated } else { Reason::BadMessage }, false);
            break;
        };
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let whole = end.and_then(|end| source.get(start..end));
        body.family(whole.unwrap_or(&source[start..]), whole.is_none());
        at = end.unwrap_or(usize::MAX).min(source.len());
    }
    Exposition { families: body.families, problems: body.problems }
}

struct Body<'a, 'l> {
    limits: &'l Limits,
    /// Samples that may still come.
    budget: usize,
    families: Vec<Family<'a>>,
    names: HashSet<Cow<'a, str>>,
    /// Metrics of several samples; as the samples they count in the budget.
    seen: Hashes,
    problems: Problems,
    /// Of the family that is being read, from 1.
    number: usize,
}

/// What a family says of itself.
#[derive(Default)]
struct Head<'a> {
    name: &'a [u8],
    help: Option<(usize, &'a [u8])>,
    unit: Option<(usize, &'a [u8])>,
    kind: u64,
    metrics: usize,
    /// Where the message breaks off.
    broken: Option<usize>,
}

impl<'a> Body<'a, '_> {
    fn problem(&mut self, column: usize, reason: Reason, costs_sample: bool) {
        self.problems.add(Problem { line: self.number, column, reason, costs_sample });
    }

    /// Reads a family; what is there of it, if the body is `cut` off within it.
    fn family(&mut self, message: &'a [u8], cut: bool) {
        let head = head(message);
        let refused = match std::str::from_utf8(head.name) {
            Err(_) => Some(Reason::InvalidUtf8),
            Ok("") if head.metrics > 0 || head.broken.is_none() && !cut => Some(Reason::BadName),
            Ok(_) if self.families.len() >= self.limits.families => Some(Reason::TooMany),
            Ok(_) => None,
        };
        if let Some(reason) = refused {
            self.problem(1, reason, head.metrics > 0);
            for _ in 1..head.metrics {
                self.problem(1, reason, true);
            }
            return;
        }
        let name = std::str::from_utf8(head.name).unwrap_or_default();
        let kind = match head.kind {
            0 => Kind::Counter,
            1 => Kind::Gauge,
            2 => Kind::Summary,
            4 => Kind::Histogram,
            5 => Kind::GaugeHistogram,
            _ => Kind::Unknown,
        };
        if head.kind > 5 {
            self.problem(1, Reason::BadType, false);
        }
        let mut family = Family::new(Cow::Borrowed(name), kind);
        if !name.is_empty() && !self.names.insert(Cow::Borrowed(name)) {
            self.problem(1, Reason::RepeatedMetadata, false);
        }
        self.describe(&mut family, &head);
        self.metrics(&mut family, message, head.kind > 5);
        let reason = if cut { Reason::Truncated } else { Reason::BadMessage };
        if let Some(at) = head.broken {
            self.problem(at + 1, reason, true);
        } else if cut {
            self.problem(message.len() + 1, reason, false);
        }
        if !name.is_empty() {
            self.families.push(family);
        }
    }

    fn describe(&mut self, family: &mut Family<'a>, head: &Head<'a>) {
        if let Some((at, help)) = head.help {
            match std::str::from_utf8(help) {
                Ok(_) if help.len() > self.limits.line_bytes => {
                    self.problem(at + 1, Reason::LineTooLong, false);
                }
                Ok(help) => family.help = Some(Cow::Borrowed(help)),
                Err(_) => self.problem(at + 1, Reason::InvalidUtf8, false),
            }
        }
        if let Some((at, unit)) = head.unit.filter(|(_, unit)| !unit.is_empty()) {
            let ending = if family.kind == Kind::Counter { "_total" } else { "" };
            let name = family.name.strip_suffix(ending).unwrap_or(&family.name);
            match std::str::from_utf8(unit) {
                Ok(unit) if name.strip_suffix(unit).is_some_and(|name| name.ends_with('_')) => {
                    family.unit = Some(Cow::Borrowed(unit));
                }
                Ok(_) => self.problem(at + 1, Reason::BadUnit, false),
                Err(_) => self.problem(at + 1, Reason::InvalidUtf8, false),
            }
        }
    }

    fn metrics(&mut self, family: &mut Family<'a>, message: &'a [u8], guess: bool) {
        let mut seen = std::mem::take(&mut self.seen);
        let mut reader = Reader::new(guess, &mut seen);
        for field in Fields::new(message, 0) {
            let Ok(field) = field else { break };
            let (4, Value::Bytes(metric)) = (field.number, field.value) else { continue };
            let mut budget = self.budget;
            let before = family.samples.len();
            match reader.metric(family, metric, field.at, self.limits, &mut budget) {
                Ok(remarks) => {
                    self.budget -= (family.samples.len() - before).min(self.budget);
                    self.budget = self.budget.min(budget);
                    for refusal in remarks {
                        self.problem(refusal.at + 1, refusal.reason, false);
                    }
                    if reader.is_repeated(family, before) {
                        let lost = (family.samples.len() - before) as u64;
                        family.samples.truncate(before);
                        self.problem(field.at + 1, Reason::DuplicateSeries, true);
                        self.problems.lost(Reason::DuplicateSeries, lost.saturating_sub(1));
                    }
                }
                Err(refusal) => {
                    family.samples.truncate(before);
                    self.problem(refusal.at + 1, refusal.reason, true);
                }
            }
        }
        self.seen = seen;
    }
}

fn head(message: &[u8]) -> Head<'_> {
    let mut head = Head::default();
    for field in Fields::new(message, 0) {
        let Ok(field) = field else {
            head.broken = field.err();
            break;
        };
        match (field.number, field.value) {
            (1, Value::Bytes(name)) => head.name = name,
            (2, Value::Bytes(help)) => head.help = Some((field.at, help)),
            (3, Value::Varint(kind)) => head.kind = kind,
            (4, Value::Bytes(_)) => head.metrics += 1,
            (5, Value::Bytes(unit)) => head.unit = Some((field.at, unit)),
            (1..=5, _) => {
                // Readers do not agree on what a known field of another shape means.
                head.broken = Some(field.at);
                break;
            }
            _ => {}
        }
    }
    head
}
