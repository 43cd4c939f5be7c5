//! Judges an exposition: is it valid for every reader, and would a careful reviewer let it pass?
//!
//! [`parse()`](super::parse()) forgives what it can and is fast; this does neither. It holds each
//! line to the grammar that Prometheus's own parser, Go's `expfmt` and Python's
//! `prometheus_client` have in common, tells the exact column, and then looks at what lines mean
//! together: families in one piece, series once, histograms that add up, names as Prometheus
//! recommends them.

mod families;
mod labels;
mod line;
mod points;
mod rule;
mod style;
mod values;
mod wire;

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memmem};

use self::families::Families;
use self::line::Line;
pub use self::rule::{Rule, Severity};
use super::parse::{InputFormat, is_protobuf};

/// One thing that is wrong, or that could be better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Counted from 1. Of protobuf, the family's number.
    pub line: usize,
    /// In bytes, counted from 1. Of protobuf, in the family's message.
    pub column: usize,
    /// Whether the exposition is invalid for it.
    pub severity: Severity,
    /// Which rule it breaks.
    pub rule: Rule,
    /// The name of the family or label that it is about, where that helps.
    pub about: Option<String>,
}

impl Finding {
    /// What is wrong, as a sentence without the place.
    pub fn sentence(&self) -> String {
        match &self.about {
            Some(about) => format!("{about}: {}", self.rule.sentence()),
            None => self.rule.sentence().to_owned(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.sentence())
    }
}

/// What was found in one body.
#[derive(Debug, Clone)]
pub struct Report {
    /// The format by which the body was judged.
    pub format: InputFormat,
    /// Families that have samples.
    pub families: u64,
    /// Samples, the broken ones not counted.
    pub samples: u64,
    findings: Vec<Finding>,
    keep: usize,
    errors: u64,
    warnings: u64,
}

impl Report {
    fn new(format: InputFormat, keep: usize) -> Self {
        let findings = Vec::new();
        Self { format, families: 0, samples: 0, findings, keep, errors: 0, warnings: 0 }
    }

    /// The findings in the order of their places; no more than were to be kept.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many make the exposition invalid, those that were not kept among them.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// How many do not, those that were not kept among them.
    pub fn warnings(&self) -> u64 {
        self.warnings
    }

    fn add(&mut self, place: Place, rule: Rule, about: Option<String>) {
        let openmetrics = self.format == InputFormat::OpenMetrics;
        self.add_as(rule.severity(openmetrics), place, rule, about);
    }

    /// Adds what matters otherwise than its rule usually does.
    fn add_as(
        &mut self,
        severity: Severity,
        (line, column): Place,
        rule: Rule,
        about: Option<String>,
    ) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if self.findings.len() < self.keep {
            self.findings.push(Finding { line, column, severity, rule, about });
        }
    }
}

/// Line and column, each from 1.
type Place = (usize, usize);

/// Judges a body. [`InputFormat::Unknown`] leaves it to the body what it is, see [`detect`].
/// Of its findings, the first `keep` are kept whole.
pub fn lint(source: &[u8], format: InputFormat, keep: usize) -> Report {
    let format = match format {
        InputFormat::Unknown => detect(source),
        told => told,
    };
    let mut report = Report::new(format, keep);
    match format {
        InputFormat::Protobuf => wire::check(source, &mut report),
        _ => lines(source, &mut report),
    }
    report.findings.sort_by_key(|finding| (finding.line, finding.column));
    report
}

/// Tells what a body is by its content: protobuf where it begins with a whole family's head,
/// OpenMetrics where a line begins with `# EOF`, text otherwise.
pub fn detect(source: &[u8]) -> InputFormat {
    if wire::is_likely(source) || is_protobuf(source, false) {
        InputFormat::Protobuf
    } else if source.starts_with(EOF) || memmem::find(source, b"\n# EOF").is_some() {
        InputFormat::OpenMetrics
    } else {
        InputFormat::Text
    }
}

const EOF: &[u8] = b"# EOF";

fn lines(source: &[u8], report: &mut Report) {
    if source.trim_ascii_start().starts_with(b"<") {
        report.add((1, 1), Rule::NotAnExposition, None);
        return;
    }
    let openmetrics = report.format == InputFormat::OpenMetrics;
    let mut families = Families::new(openmetrics);
    let (mut at, mut number, mut ended, mut told_of_cr) = (0, 0, false, false);
    while at < source.len() {
        number += 1;
        if ended {
            report.add((number, 1), Rule::DataAfterEof, None);
            break;
        }
        let end = memchr(b'\n', &source[at..]).map_or(source.len(), |n| at + n);
        let mut bytes = &source[at..end];
        at = end + 1;
        if let [before @ .., b'\r'] = bytes
            && !takes_return(before, openmetrics)
        {
            if !told_of_cr {
                report.add((number, before.len() + 1), Rule::CarriageReturn, None);
            }
            told_of_cr = true;
            bytes = before;
        }
        if bytes.len() > LONG_LINE {
            report.add((number, 1), Rule::LongLine, None);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                report.add((number, error.valid_up_to() + 1), Rule::InvalidUtf8, None);
                continue;
            }
        };
        let last = end == source.len();
        match line::read(text, openmetrics) {
            Ok(Line::Eof) => {
                ended = true;
                continue;
            }
            Ok(Line::Nothing) if !openmetrics => continue,
            Ok(Line::Nothing) => report.add((number, 1), Rule::BlankLine, None),
            Ok(Line::Comment) => {}
            Ok(Line::Metadata(said)) => families.describe(&said, number, report),
            Ok(Line::Sample(sample)) => families.add(&sample, number, report),
            Err(fault) => {
                report.add((number, fault.at + 1), fault.rule, fault.about.map(Cow::into_owned));
            }
        }
        if last && !openmetrics {
            report.add((number, bytes.len() + 1), Rule::MissingNewline, None);
        }
    }
    if openmetrics && !ended {
        // Behind the last byte, wherever that is.
        let last = source.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = if last.is_empty() { number + 1 } else { number };
        report.add((line, last.len() + 1), Rule::MissingEof, None);
    }
    families.finish(report);
}

/// Whether the carriage return behind it is a part of the line's text, to all readers.
fn takes_return(line: &[u8], openmetrics: bool) -> bool {
    if openmetrics {
        line.starts_with(b"# HELP ")
    } else {
        line.starts_with(b"#") && !line.starts_with(b"# TYPE")
    }
}

/// What the proxy reads of one line, see [`super::Limits`].
const LONG_LINE: usize = 1 << 20;

#[cfg(test)]
mod tests;
