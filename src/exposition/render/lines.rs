//! Lines of text and OpenMetrics: the head of a family and its samples, one by one.

use std::borrow::Cow;

use crate::exposition::block::Block;
use crate::exposition::format::Syntax;
use crate::exposition::labels::{Pairs, escape_value, is_metric_name};
use crate::exposition::merge::MergedFamily;
use crate::exposition::model::{Exemplar, Kind, Sample, Suffix, Timestamp};
use crate::exposition::native::Native;
use crate::exposition::value::Number;

/// Samples of one family that stand under a head of their own.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// The word after `# TYPE`.
    pub(super) word: &'static str,
    /// The kind under which the samples stand, which tells where exemplars may be.
    pub(super) kind: Kind,
    pub(super) suffixes: Suffixes,
    pub(super) with_unit: bool,
}

/// A set of suffixes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suffixes(u8);

impl Suffixes {
    pub(super) fn all() -> Self {
        Self(u8::MAX)
    }

    pub(super) fn only(suffix: Suffix) -> Self {
        Self(1 << suffix as u8)
    }

    pub(super) fn all_but(suffix: Suffix) -> Self {
        Self(!Self::only(suffix).0)
    }

    pub(super) fn contains(self, suffix: Suffix) -> bool {
        self.0 & Self::only(suffix).0 != 0
    }
}

impl Section {
    /// Whether the lines of a block make just this section.
    pub(super) fn copies(&self, block: &Block<'_>, syntax: Syntax) -> bool {
        let seconds = syntax == Syntax::OpenMetrics;
        block.is_copied(seconds && self.kind == block.kind, seconds)
            && Suffix::ALL
                .into_iter()
                .all(|suffix| self.suffixes.contains(suffix) || !block.has(suffix))
    }

    pub(super) fn write_head(&self, family: &MergedFamily<'_>, syntax: Syntax, out: &mut Vec<u8>) {
        let name = quoted(&self.name);
        if let Some(help) = family.help.as_deref() {
            write_all(&["# HELP ", &name, " "], out);
            write_help(help, syntax, out);
            out.push(b'\n');
        }
        write_all(&["# TYPE ", &name, " ", self.word, "\n"], out);
        if let Some(unit) = family.unit.as_deref()
            && self.with_unit
        {
            write_all(&["# UNIT ", &name, " ", unit, "\n"], out);
        }
    }
}

/// The sample names of a family as they begin a line.
#[derive(Debug)]
pub(super) struct Names([Start; Suffix::ALL.len()]);

#[derive(Debug)]
struct Start {
    text: String,
    /// Whether the name stands in quotes behind a brace, which is then open already.
    open: bool,
}

impl Names {
    pub(super) fn new(family: &MergedFamily<'_>) -> Self {
        Self(Suffix::ALL.map(|suffix| {
            let name = family.sample_name(suffix);
            match quoted(&name) {
                Cow::Borrowed(_) => Start { text: name, open: false },
                Cow::Owned(quoted) => Start { text: format!("{{{quoted}"), open: true },
            }
        }))
    }
}

/// A name as it stands in metadata: in quotes where it is not of the classic alphabet.
fn quoted(name: &str) -> Cow<'_, str> {
    if is_metric_name(name) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    escape_value(name, &mut text);
    text.push('"');
    Cow::Owned(text)
}

/// Writes the samples that one source has in one section.
pub(super) struct Writer<'r> {
    pub(super) section: &'r Section,
    pub(super) names: &'r Names,
    /// The label that the source adds.
    pub(super) source: Option<&'r str>,
    /// Whether the family is a gauge histogram, whose sum and count have names of their own.
    pub(super) is_gauge: bool,
    pub(super) syntax: Syntax,
}

/// What stands on a line.
struct Line<'l> {
    suffix: Suffix,
    labels: &'l str,
    le: Option<&'l str>,
    value: Number<'l>,
    timestamp: Option<&'l Timestamp<'l>>,
    exemplar: Option<&'l Exemplar<'l>>,
}

impl Writer<'_> {
    /// Writes what belongs to the section of a block's samples, of which the next one begins at
    /// `from`, until `out` is `full`. Gives where the next one begins then.
    pub(super) fn block(
        &self,
        block: &Block<'_>,
        from: usize,
        full: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let mut at = from;
        for (end, sample) in block.samples_from(from) {
            if out.len() >= full {
                return at;
            }
            self.sample(&sample, &[], out);
            at = end;
        }
        block.text.len()
    }

    /// Writes the sample, if it belongs to the section.
    pub(super) fn sample(&self, sample: &Sample<'_>, bounds: &[Cow<'_, str>], out: &mut Vec<u8>) {
        if let Some(native) = sample.native() {
            // Classic buckets tell as much as text can hold; without them what is sure is told.
            if native.alone {
                self.native(sample, native, out);
            }
            return;
        }
        if !self.section.suffixes.contains(sample.suffix) {
            return;
        }
        let line = Line {
            suffix: sample.suffix,
            labels: sample.labels.as_str(),
            le: sample.bound(bounds),
            value: sample.value,
            timestamp: sample.timestamp(),
            exemplar: sample.exemplar(),
        };
        self.line(&line, out);
    }

    fn native(&self, sample: &Sample<'_>, native: &Native<'_>, out: &mut Vec<u8>) {
        for (suffix, value) in native.parts(self.is_gauge) {
            if self.section.suffixes.contains(suffix) {
                let is_bucket = suffix == Suffix::Bucket;
                let line = Line {
                    suffix,
                    labels: sample.labels.as_str(),
                    le: is_bucket.then_some("+Inf"),
                    value,
                    timestamp: sample.timestamp(),
                    exemplar: native.newest_exemplar().filter(|_| is_bucket),
                };
                self.line(&line, out);
            }
        }
    }

    fn line(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let Start { text, open } = &self.names.0[line.suffix as usize];
        out.extend_from_slice(text.as_bytes());
        let mut before = if *open { b',' } else { b'{' };
        let mut part = |parts: &[&str], out: &mut Vec<u8>| {
            out.push(std::mem::replace(&mut before, b','));
            write_all(parts, out);
        };
        if !line.labels.is_empty() {
            part(&[line.labels], out);
        }
        if let Some(source) = self.source {
            part(&[source], out);
        }
        if let Some(le) = line.le {
            part(&["le=\"", le, "\""], out);
        }
        if *open || before == b',' {
            out.push(b'}');
        }
        out.push(b' ');
        line.value.write(out);
        if let Some(timestamp) = line.timestamp {
            out.push(b' ');
            write_timestamp(timestamp, self.syntax, out);
        }
        if let Some(exemplar) = line.exemplar
            && self.syntax == Syntax::OpenMetrics
            && self.carries_exemplar(line.suffix)
            && is_legal(exemplar)
        {
            write_all(&[" # {", exemplar.labels.as_str(), "} "], out);
            exemplar.value.write(out);
            if let Some(timestamp) = &exemplar.timestamp {
                write_all(&[" ", timestamp], out);
            }
        }
        out.push(b'\n');
    }

    fn carries_exemplar(&self, suffix: Suffix) -> bool {
        match self.section.kind {
            Kind::Counter => suffix == Suffix::Bare,
            Kind::Histogram | Kind::GaugeHistogram => suffix == Suffix::Bucket,
            _ => false,
        }
    }
}

/// The strict Python reader does not see that a quote inside an exemplar's label is escaped, and
/// refuses names in quotes.
fn is_legal(exemplar: &Exemplar<'_>) -> bool {
    let text = exemplar.labels.as_str();
    !text.contains("\\\"") && Pairs(text).all(|pair| !pair.quoted)
}

fn write_all(parts: &[&str], out: &mut Vec<u8>) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_help(help: &str, syntax: Syntax, out: &mut Vec<u8>) {
    let mut rest = help.as_bytes();
    while let Some(at) = memchr::memchr3(b'\\', b'\n', b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b if syntax == Syntax::OpenMetrics => out.extend_from_slice(&[b'\\', b]),
            b => out.push(b),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn write_timestamp(timestamp: &Timestamp<'_>, syntax: Syntax, out: &mut Vec<u8>) {
    let text = match (timestamp, syntax) {
        (Timestamp::Seconds(text), Syntax::OpenMetrics) => text.to_string(),
        (Timestamp::Millis(millis), Syntax::OpenMetrics) => {
            let sign = if *millis < 0 { "-" } else { "" };
            let (whole, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
            match rest {
                0 => format!("{sign}{whole}"),
                rest => format!("{sign}{whole}.{rest:03}"),
            }
        }
        (timestamp, _) => timestamp.millis().unwrap_or_default().to_string(),
    };
    out.extend_from_slice(text.as_bytes());
}
