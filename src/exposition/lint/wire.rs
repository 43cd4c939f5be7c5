//! Judges protobuf by what the parser makes of it.

use std::collections::{HashMap, HashSet};

use memchr::memmem;

use super::rule::{Rule, Severity};
use super::style::{self, About};
use super::{Place, Report};
use crate::exposition::model::{Family, Suffix, Timestamp};
use crate::exposition::native::Native;
use crate::exposition::parse::{InputFormat, Limits, is_protobuf, parse_with};
use crate::exposition::problem::{Problem, Reason};

/// Whether a body begins as delimited `MetricFamily` messages do and no text can: a length, the
/// tag of a name, the name, and the tag of what follows it.
pub(super) fn is_likely(source: &[u8]) -> bool {
    let Some((length, at)) = varint(source) else { return false };
    let Some((0x0a, message)) =
        source.get(at..).and_then(|rest| rest.split_first()).map(|(b, m)| (*b, m))
    else {
        return false;
    };
    let Some((name, from)) = varint(message) else { return false };
    let Some(end) = from.checked_add(name).filter(|end| *end < length) else { return false };
    let name = message.get(from..end).map(std::str::from_utf8);
    let next = message.get(end).copied();
    matches!(name, Some(Ok(_))) && matches!(next, None | Some(0x12 | 0x18 | 0x22 | 0x2a))
}

fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Judges delimited messages.
pub(super) fn check(source: &[u8], report: &mut Report) {
    if !source.is_empty() && !is_protobuf(source, true) {
        report.add((1, 1), Rule::Unreadable, None);
        return;
    }
    let limits = Limits {
        samples: usize::MAX,
        families: usize::MAX,
        problems: report.keep,
        ..Limits::default()
    };
    let read = parse_with(source, InputFormat::Protobuf, &limits);
    for problem in read.problems.first() {
        // Most have a rule of the same name; for the others the parser's sentence is there.
        let same = Rule::ALL.iter().find(|rule| rule.code() == problem.reason.as_str());
        let about = same.is_none().then(|| problem.reason.sentence().to_owned());
        let place = (problem.line, problem.column);
        let rule = same.copied().unwrap_or(Rule::Unreadable);
        if is_forgiven(problem, source) {
            report.add_as(Severity::Warning, place, rule, about);
        } else {
            report.add(place, rule, about);
        }
    }
    for (at, family) in read.families.iter().enumerate().filter(|(_, f)| !f.samples().is_empty()) {
        let place = (at + 1, 1);
        report.families += 1;
        report.samples += family.samples().len() as u64;
        check_points(family, place, report);
        let about = About {
            name: family.name(),
            kind: family.kind(),
            helped: family.help().is_some_and(|help| !help.is_empty()),
            bare_counters: false,
        };
        style::check(&about, &mut |rule, what| report.add(place, rule, Some(what)));
    }
}

/// Whether Prometheus takes the message all the same: there is then a sample less than its app
/// meant, or one more than podmeter lets through.
fn is_forgiven(problem: &Problem, source: &[u8]) -> bool {
    match problem.reason {
        Reason::RepeatedMetadata | Reason::BadValue | Reason::ExemplarTooLong => true,
        // A message of nothing.
        Reason::BadName => !problem.costs_sample,
        // Of these, the metric's name alone would be told twice.
        Reason::ReservedLabel => {
            let message = message(source, problem.line).unwrap_or_default();
            let label = message.get(problem.column - 1..).unwrap_or_default();
            let label = &label[..label.len().min(LABEL_HEAD + NAME_LABEL.len())];
            memmem::find(label, NAME_LABEL).is_none()
        }
        _ => false,
    }
}

/// The label's name as a label pair has it, behind keys and lengths of so many bytes at most.
const NAME_LABEL: &[u8] = b"\x0a\x08__name__";
const LABEL_HEAD: usize = 12;

/// The message of a number, from 1.
fn message(mut source: &[u8], number: usize) -> Option<&[u8]> {
    for _ in 1..number {
        let (length, at) = varint(source)?;
        source = source.get(at.checked_add(length)?..)?;
    }
    let (length, at) = varint(source)?;
    source.get(at..at.checked_add(length)?)
}

/// Looks for metrics that are there twice, and for buckets out of order.
fn check_points(family: &Family<'_>, place: Place, report: &mut Report) {
    let name = || Some(family.name().to_owned());
    let (mut series, mut points) = (HashSet::new(), HashMap::new());
    let mut told_labels = HashSet::new();
    for sample in family.samples() {
        let mut labels = family.labels(sample);
        labels.sort();
        for (label, _) in &labels {
            if let Some(rule) = style::of_label(label, family.kind())
                && told_labels.insert(label.clone())
            {
                report.add(place, rule, Some(label.clone()));
            }
        }
        let time = sample.timestamp().and_then(Timestamp::millis);
        if !series.insert((sample.suffix(), labels.clone(), time)) {
            report.add(place, Rule::DuplicateSeries, name());
            continue;
        }
        if sample.native().is_some_and(Native::is_below_zero) {
            report.add(place, Rule::BelowZero, name());
        }
        if sample.suffix() != Suffix::Bucket {
            continue;
        }
        let Some(at) = labels.iter().position(|(label, _)| label == "le") else { continue };
        let bound: f64 = labels.remove(at).1.parse().unwrap_or(f64::NAN);
        let value = sample.value().as_f64();
        if let Some((last, counted)) = points.insert((labels, time), (bound, value)) {
            if bound <= last {
                report.add(place, Rule::BucketOrder, name());
            } else if value < counted {
                report.add(place, Rule::FallingBuckets, name());
            }
        }
    }
}
