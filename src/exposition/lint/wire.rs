//! Judges protobuf by what the parser makes of it.

use super::Report;
use super::rule::Rule;
use super::style::{self, About};
use crate::exposition::parse::{InputFormat, Limits, parse_with};

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
    let limits = Limits {
        samples: usize::MAX,
        families: usize::MAX,
        problems: report.keep,
        ..Limits::default()
    };
    let read = parse_with(source, InputFormat::Protobuf, &limits);
    for problem in read.problems.first() {
        report.add((problem.line, problem.column), Rule::Unreadable, None);
    }
    for (at, family) in read.families.iter().enumerate().filter(|(_, f)| !f.samples().is_empty()) {
        report.families += 1;
        report.samples += family.samples().len() as u64;
        let about = About {
            name: family.name(),
            kind: family.kind(),
            helped: family.help().is_some(),
            bare_counters: false,
        };
        style::check(&about, &mut |rule, what| report.add((at + 1, 1), rule, Some(what)));
    }
}
