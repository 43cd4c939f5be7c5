//! Reads an exposition line by line, so that a bad line costs its sample and nothing else.

mod families;
mod line;
mod metadata;
mod protobuf;
mod scan;
mod set;

use std::borrow::Cow;

pub(crate) use line::EXEMPLAR_CHARACTERS;
use memchr::memchr;
pub(crate) use protobuf::is_protobuf;

use self::families::Table;
use self::scan::{Bounds, Scanner};
use super::format::{Format, Syntax};
use super::merge::bound_label;
use super::model::{Exposition, Family, Kind, Sample, Scanned, Suffix};
use super::problem::{KEPT, Problem, Problems, Reason};

/// What a source says that its body is. It is a hint: what the body is shows at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InputFormat {
    /// Not told, or told something else.
    #[default]
    Unknown,
    /// Prometheus text 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0 or 0.0.1.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

impl InputFormat {
    /// Reads a Content-Type. Of its parameters only those of protobuf matter, which has more
    /// encodings than one.
    pub fn from_content_type(value: Option<&str>) -> Self {
        let mut parts = value.unwrap_or("").split(';');
        let name = parts.next().unwrap_or("").trim();
        let is_foreign = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or_default();
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            key.eq_ignore_ascii_case("encoding") && !value.eq_ignore_ascii_case("delimited")
                || key.eq_ignore_ascii_case("proto") && value != "io.prometheus.client.MetricFamily"
        };
        if name.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else if name.eq_ignore_ascii_case("text/plain") {
            Self::Text
        } else if name.eq_ignore_ascii_case("application/vnd.google.protobuf")
            && !parts.any(is_foreign)
        {
            Self::Protobuf
        } else {
            Self::Unknown
        }
    }
}

/// How much of a source is read. The defaults are beyond what a working app exposes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in a line.
    pub line_bytes: usize,
    /// Samples in a body.
    pub samples: usize,
    /// Families in a body.
    pub families: usize,
    /// Problems that are kept whole; what goes beyond is only counted.
    pub problems: usize,
    /// Whether native histograms may have buckets below zero, in fractions of observations:
    /// Prometheus reads them, and gives up a scrape that it would have to store them of.
    pub native_below_zero: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            samples: 1_000_000,
            families: 100_000,
            problems: KEPT,
            native_below_zero: true,
        }
    }
}

/// Reads a body with the default [`Limits`].
pub fn parse(source: &[u8], format: InputFormat) -> Exposition<'_> {
    parse_with(source, format, &Limits::default())
}

/// Reads a body.
///
/// A body whose last line is `# EOF` is read as OpenMetrics whatever it was called, and any other
/// as text unless it was called OpenMetrics. Only a body that is both called and ended as
/// OpenMetrics is held to that format's strict spaces; elsewhere what can be understood is taken.
/// Protobuf is told by its first bytes, which no text has.
pub fn parse_with<'a>(source: &'a [u8], format: InputFormat, limits: &Limits) -> Exposition<'a> {
    let (families, problems) = read(source, format, limits, None);
    Exposition { families, problems }
}

/// Reads a body as [`parse_with`] does, for those who do not want to look at its samples but to merge
/// it and to write it: what comes out is the same, several times as fast. `to` is the format that it
/// is to be written in; another one costs time and memory.
pub fn scan_for<'a>(
    to: Format,
    source: &'a [u8],
    format: InputFormat,
    limits: &Limits,
) -> Scanned<'a> {
    // A message is made of samples.
    let scanner = (to.syntax() != Syntax::Protobuf).then(Scanner::new);
    let (families, problems) = read(source, format, limits, scanner);
    Scanned { families, problems }
}

fn read<'a>(
    source: &'a [u8],
    format: InputFormat,
    limits: &Limits,
    scanner: Option<Scanner<'a>>,
) -> (Vec<Family<'a>>, Problems) {
    if is_protobuf(source, format == InputFormat::Protobuf) {
        let Exposition { families, problems } = protobuf::read(source, limits);
        return (families, problems);
    }
    let ended = ends_with_eof(source);
    let declared = format == InputFormat::OpenMetrics;
    let dialect = Dialect { openmetrics: ended || declared, strict: ended && declared };
    let mut parser = Parser {
        dialect,
        limits,
        // What is said of a family takes some hundred bytes.
        table: Table::new(dialect, limits.families.min(source.len() / 500)),
        scanner,
        problems: Problems::keeping(limits.problems),
        line: 0,
    };
    if source.trim_ascii_start().starts_with(b"<") {
        parser.problem(1, Reason::NotAnExposition, false);
    } else {
        parser.body(source);
        if declared && !ended {
            parser.line += 1;
            parser.problem(1, Reason::MissingEof, false);
        }
    }
    (parser.table.finish(), parser.problems)
}

/// Reads a line of a block again, as a sample with this suffix of a family of this kind.
pub(super) fn reread(
    line: &str,
    suffix: Suffix,
    kind: Kind,
    dialect: Dialect,
) -> Option<Sample<'_>> {
    let head = line::head(line, dialect).ok()?;
    let numeric = bound_label(kind, suffix);
    Some(line::sample(line, &head, dialect, numeric, suffix).ok()?.sample)
}

/// How lines are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Seconds, exemplars, and families by OpenMetrics' names.
    pub(super) openmetrics: bool,
    /// Exactly one space where OpenMetrics wants one.
    strict: bool,
}

/// Why a line is refused, and at which byte.
struct Refusal {
    at: usize,
    reason: Reason,
}

impl Refusal {
    fn new<T>(at: usize, reason: Reason) -> Result<T, Self> {
        Err(Self { at, reason })
    }
}

struct Parser<'a, 'l> {
    dialect: Dialect,
    limits: &'l Limits,
    table: Table<'a>,
    /// Where families may stay as they stand.
    scanner: Option<Scanner<'a>>,
    problems: Problems,
    line: usize,
}

impl<'a> Parser<'a, '_> {
    fn body(&mut self, source: &'a [u8]) {
        // Checked as a whole where possible: a slice of valid text is valid without another look.
        let whole = std::str::from_utf8(source).ok();
        let mut at = 0;
        let (mut samples, mut eof) = (0, false);
        while at < source.len() {
            if let (Some(whole), Some(scanner), false) = (whole, &mut self.scanner, eof) {
                let (dialect, limits) = (self.dialect, self.limits);
                let bounds = Bounds { dialect, limits, samples: limits.samples - samples };
                if let Some((end, lines)) = scanner.scan(whole, at, &mut self.table, &bounds) {
                    (at, self.line, samples) = (end, self.line + lines, samples + lines);
                    continue;
                }
            }
            let end = memchr(b'\n', &source[at..]).map_or(source.len(), |n| at + n);
            let start = std::mem::replace(&mut at, end + 1);
            self.line += 1;
            if end - start > self.limits.line_bytes {
                self.problem(1, Reason::LineTooLong, source[start] != b'#');
                continue;
            }
            let text = match whole {
                Some(whole) => &whole[start..end],
                None => match std::str::from_utf8(&source[start..end]) {
                    Ok(text) => text,
                    Err(error) => {
                        let costs = source[start] != b'#';
                        self.problem(error.valid_up_to() + 1, Reason::InvalidUtf8, costs);
                        continue;
                    }
                },
            };
            let text =
                if self.dialect.strict { text } else { text.trim_end_matches(['\r', ' ', '\t']) };
            let is_comment = text.as_bytes().first() == Some(&b'#')
                || (!self.dialect.strict && text.trim_ascii_start().starts_with('#'));
            if eof && !text.is_empty() {
                self.problem(1, Reason::DataAfterEof, false);
                eof = false;
            }
            if is_comment {
                eof |= text == "# EOF" && self.dialect.openmetrics;
                if text != "# EOF" {
                    self.comment(text);
                }
            } else if text.is_empty() || (!self.dialect.strict && text.trim_ascii().is_empty()) {
                if self.dialect.strict {
                    self.problem(1, Reason::BlankLine, false);
                }
            } else if samples == self.limits.samples {
                self.problem(1, Reason::TooMany, true);
            } else {
                samples += usize::from(self.sample(text));
            }
        }
    }

    fn sample(&mut self, text: &'a str) -> bool {
        let read = line::head(text, self.dialect).and_then(|head| {
            if self.table.is_full(self.limits.families) && self.table.is_new(&head.name) {
                return Refusal::new(0, Reason::TooMany);
            }
            let place = self.table.place(Cow::clone(&head.name));
            let numeric = self.table.bound_label(place);
            Ok((line::sample(text, &head, self.dialect, numeric, place.1)?, place))
        });
        match read {
            Ok((line::Read { sample, remark }, place)) => {
                self.table.add(place, sample);
                if let Some(Refusal { at, reason }) = remark {
                    self.problem(at + 1, reason, false);
                }
                true
            }
            Err(Refusal { at, reason }) => {
                self.problem(at + 1, reason, true);
                false
            }
        }
    }

    fn comment(&mut self, text: &'a str) {
        let said = metadata::read(text, self.dialect).and_then(|said| match said {
            Some(said)
                if self.table.is_full(self.limits.families) && self.table.is_new(said.name()) =>
            {
                Refusal::new(0, Reason::TooMany)
            }
            Some(said) => self.table.describe(said),
            None => Ok(()),
        });
        if let Err(Refusal { at, reason }) = said {
            self.problem(at + 1, reason, false);
        }
    }

    fn problem(&mut self, column: usize, reason: Reason, costs_sample: bool) {
        self.problems.add(Problem { line: self.line.max(1), column, reason, costs_sample });
    }
}

fn ends_with_eof(source: &[u8]) -> bool {
    source
        .trim_ascii_end()
        .strip_suffix(b"# EOF")
        .is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}
