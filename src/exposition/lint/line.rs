//! Takes one line apart by the grammar that all readers share, to the exact column.

use std::borrow::Cow;

use super::labels::{self, Label, metric_name};
use super::rule::Rule;
use crate::exposition::model::Kind;
use crate::exposition::value::Number;

/// What a line is.
pub(super) enum Line<'a> {
    /// Empty, or blanks only.
    Nothing,
    Comment,
    /// `# EOF` of OpenMetrics.
    Eof,
    Metadata(Metadata<'a>),
    Sample(Sample<'a>),
}

/// A `# HELP`, `# TYPE` or `# UNIT` line.
pub(super) struct Metadata<'a> {
    pub(super) keyword: Keyword,
    pub(super) name: Cow<'a, str>,
    pub(super) at: usize,
    pub(super) text: &'a str,
    pub(super) text_at: usize,
}

/// What a metadata line tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Help,
    Type(Kind),
    Unit,
}

/// A sample with the column of each part.
pub(super) struct Sample<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) at: usize,
    pub(super) labels: Vec<Label<'a>>,
    pub(super) value: f64,
    pub(super) value_at: usize,
    pub(super) time: Option<f64>,
    pub(super) time_at: usize,
    /// Where the exemplar begins.
    pub(super) exemplar: Option<usize>,
}

/// Why a line is refused, and at which byte.
pub(super) struct Fault<'a> {
    pub(super) at: usize,
    pub(super) rule: Rule,
    pub(super) about: Option<Cow<'a, str>>,
}

impl<'a> Fault<'a> {
    pub(super) fn new<T>(at: usize, rule: Rule) -> Result<T, Self> {
        Err(Self { at, rule, about: None })
    }

    pub(super) fn about<T>(at: usize, rule: Rule, name: Cow<'a, str>) -> Result<T, Self> {
        Err(Self { at, rule, about: Some(name) })
    }
}

/// Reads a line without its line feed.
pub(super) fn read(text: &str, openmetrics: bool) -> Result<Line<'_>, Fault<'_>> {
    let mut scan = Scan { text, at: 0, openmetrics };
    if text.is_empty() {
        return Ok(Line::Nothing);
    }
    if openmetrics {
        if matches!(scan.peek(), Some(b' ' | b'\t')) {
            return Fault::new(0, Rule::Blank);
        }
        if text == "# EOF" {
            return Ok(Line::Eof);
        }
    } else {
        scan.blanks();
    }
    match scan.peek() {
        None => Ok(Line::Nothing),
        Some(b'#') => metadata(scan),
        Some(_) => sample(scan).map(Line::Sample),
    }
}

/// A place in a line.
#[derive(Clone)]
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) openmetrics: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes blanks and tells whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.at > from
    }

    /// Passes blanks where text allows them; OpenMetrics has none inside of braces.
    pub(super) fn optional_blanks(&mut self) -> Result<(), Fault<'a>> {
        let from = self.at;
        if self.blanks() && self.openmetrics { Fault::new(from, Rule::Blank) } else { Ok(()) }
    }

    /// Passes what stands between two words: one space in OpenMetrics, any blanks in text.
    fn gap(&mut self, rule: Rule) -> Result<(), Fault<'a>> {
        let from = self.at;
        if !self.openmetrics {
            return if self.blanks() { Ok(()) } else { Fault::new(from, rule) };
        }
        if self.peek() != Some(b' ') {
            return Fault::new(from, rule);
        }
        self.at += 1;
        match self.peek() {
            Some(b' ' | b'\t') | None => Fault::new(self.at, Rule::Blank),
            Some(_) => Ok(()),
        }
    }

    fn word(&mut self) -> (&'a str, usize) {
        let from = self.at;
        let rest = &self.text.as_bytes()[from..];
        let length = rest.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
        self.at += length;
        (&self.text[from..self.at], from)
    }

    fn is_done(&self) -> bool {
        self.at == self.text.len()
    }
}

fn metadata(mut scan: Scan<'_>) -> Result<Line<'_>, Fault<'_>> {
    let openmetrics = scan.openmetrics;
    let hash = scan.at;
    scan.at += 1;
    scan.blanks();
    let (word, word_at) = scan.word();
    let known = matches!(word, "HELP" | "TYPE") || word == "UNIT" && openmetrics;
    if openmetrics && !(known && word_at == hash + 2 && scan.text[hash..].starts_with("# ")) {
        return Fault::new(hash, Rule::BadMetadata);
    }
    if !openmetrics && !known && word_at == hash + 1 && is_refused_comment(scan.clone()) {
        return Fault::new(hash, Rule::BadMetadata);
    }
    // Go's reader of text needs no blank behind the `#`; and `# HELP` alone says nothing.
    if !openmetrics && (!known || word == "HELP" && scan.is_done()) {
        return Ok(Line::Comment);
    }
    scan.gap(Rule::BadMetadata)?;
    let at = scan.at;
    let name = metric_name(&mut scan)?;
    let end = scan.at;
    if openmetrics {
        if scan.peek() != Some(b' ') {
            return Fault::new(end, Rule::BadMetadata);
        }
        scan.at += 1;
    } else if !scan.blanks() && !scan.is_done() {
        return Fault::new(end, Rule::BadName);
    } else if word == "TYPE" && scan.at > end + 1 && !scan.is_done() {
        // To Prometheus the second blank is of the type.
        return Fault::new(end + 1, Rule::Blank);
    }
    let (text, text_at) = (&scan.text[scan.at..], scan.at);
    let keyword = match word {
        "HELP" => {
            if !openmetrics {
                check_help(text, text_at)?;
            }
            Keyword::Help
        }
        "UNIT" => {
            if !text.is_empty() && name.strip_suffix(text).is_none_or(|n| !n.ends_with('_')) {
                return Fault::new(text_at, Rule::BadUnit);
            }
            Keyword::Unit
        }
        _ => match Kind::from_name(text) {
            Some(kind) if text == "unknown" && !openmetrics || is_foreign(kind, openmetrics) => {
                return Fault::about(text_at, Rule::BadType, text.into());
            }
            Some(_) if text == "untyped" && openmetrics => {
                return Fault::about(text_at, Rule::BadType, text.into());
            }
            Some(kind) => Keyword::Type(kind),
            None if text.is_empty() => return Fault::new(text_at, Rule::BadMetadata),
            None => return Fault::about(text_at, Rule::BadType, text.into()),
        },
    };
    Ok(Line::Metadata(Metadata { keyword, name, at, text, text_at }))
}

/// Whether Python's reader of text takes a comment for metadata, and bad: to it `#` may be the
/// beginning of a longer word. The scan stands behind that word.
fn is_refused_comment(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    let (keyword, _) = scan.word();
    if !matches!(keyword, "HELP" | "TYPE") {
        return false;
    }
    let has_name = scan.blanks() && !scan.is_done();
    if has_name && metric_name(&mut scan).is_err() {
        return true;
    }
    let end = scan.at;
    scan.blanks();
    let told = scan.text[scan.at..].trim_end_matches([' ', '\t']);
    let joined = has_name && scan.at == end && !told.is_empty();
    joined || keyword == "TYPE" && Kind::from_name(told).is_none()
}

/// Whether text 0.0.4 lacks the kind.
fn is_foreign(kind: Kind, openmetrics: bool) -> bool {
    !openmetrics && matches!(kind, Kind::Info | Kind::StateSet | Kind::GaugeHistogram)
}

/// Go's reader of text refuses escapes that it does not know in help, too.
fn check_help(text: &str, from: usize) -> Result<(), Fault<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', &bytes[at..]) {
        at += next;
        if !matches!(bytes.get(at + 1), Some(b'\\' | b'n' | b'"')) {
            return Fault::new(from + at, Rule::BadEscape);
        }
        at += 2;
    }
    Ok(())
}

fn sample(mut scan: Scan<'_>) -> Result<Sample<'_>, Fault<'_>> {
    let openmetrics = scan.openmetrics;
    let mut at = scan.at;
    let mut name = None;
    if scan.peek() != Some(b'{') {
        name = Some(plain_name(&mut scan)?);
    }
    let after_name = scan.at;
    let blanks = !openmetrics && scan.blanks();
    let mut labels = Vec::new();
    if scan.peek() == Some(b'{') {
        let set = labels::read(&mut scan, name.is_some())?;
        labels = set.labels;
        if let Some((inside, place)) = set.name {
            (name, at) = (Some(inside), place);
        }
        if openmetrics || matches!(scan.peek(), Some(b' ' | b'\t')) {
            scan.gap(Rule::BadValue)?;
        }
    } else if scan.is_done() {
        return Fault::new(scan.at, Rule::BadValue);
    } else if openmetrics {
        scan.gap(Rule::BadName)?;
    } else if !blanks {
        return Fault::new(after_name, Rule::BadName);
    }
    let Some(name) = name else { return Fault::new(at, Rule::BadName) };
    let (word, value_at) = scan.word();
    let Some(value) = Number::parse(word) else { return Fault::new(value_at, Rule::BadValue) };
    let mut sample = Sample {
        name,
        at,
        labels,
        value: value.as_f64(),
        value_at,
        time: None,
        time_at: 0,
        exemplar: None,
    };
    if scan.is_done() {
        return Ok(sample);
    }
    let before = scan.at;
    scan.gap(Rule::TrailingText)?;
    if scan.is_done() {
        return Fault::new(before, Rule::Blank);
    }
    if scan.peek() != Some(b'#') {
        let (word, time_at) = scan.word();
        let Some(time) = time(word, openmetrics) else {
            return Fault::new(time_at, Rule::BadTimestamp);
        };
        (sample.time, sample.time_at) = (Some(time), time_at);
        if scan.is_done() {
            return Ok(sample);
        }
        let before = scan.at;
        if scan.gap(Rule::TrailingText).is_err() || scan.is_done() {
            return Fault::new(before, Rule::Blank);
        }
    }
    let place = scan.at;
    if !openmetrics {
        let exemplar = scan.text[place..].starts_with("# {");
        return Fault::new(
            place,
            if exemplar { Rule::ExemplarNotAllowed } else { Rule::TrailingText },
        );
    }
    exemplar(scan, place)?;
    sample.exemplar = Some(place);
    Ok(sample)
}

/// Reads `# {labels} value [seconds]` to the end of the line.
fn exemplar(mut scan: Scan<'_>, place: usize) -> Result<(), Fault<'_>> {
    if scan.peek() != Some(b'#') {
        return Fault::new(place, Rule::TrailingText);
    }
    scan.at += 1;
    scan.gap(Rule::BadExemplar)?;
    if scan.peek() != Some(b'{') {
        return Fault::new(scan.at, Rule::BadExemplar);
    }
    // A name inside of the braces is for samples alone.
    let set = labels::read(&mut scan, true)?;
    scan.gap(Rule::BadExemplar)?;
    let (word, at) = scan.word();
    if Number::parse(word).is_none() {
        return Fault::new(at, Rule::BadExemplar);
    }
    if !scan.is_done() {
        scan.gap(Rule::BadExemplar)?;
        let (word, at) = scan.word();
        if time(word, true).is_none() {
            return Fault::new(at, Rule::BadTimestamp);
        }
        if !scan.is_done() {
            return Fault::new(scan.at, Rule::TrailingText);
        }
    }
    let characters = |text: &str| labels::unescaped(text).chars().count();
    let length: usize =
        set.labels.iter().map(|label| label.name.chars().count() + characters(label.value)).sum();
    if length > crate::exposition::parse::EXEMPLAR_CHARACTERS {
        return Fault::new(place, Rule::ExemplarTooLong);
    }
    Ok(())
}

fn plain_name<'a>(scan: &mut Scan<'a>) -> Result<Cow<'a, str>, Fault<'a>> {
    if scan.peek() == Some(b'"') {
        return Fault::new(scan.at, Rule::BadName);
    }
    metric_name(scan)
}

/// Whole milliseconds in text, seconds in OpenMetrics. Prometheus's reader of text knows no sign.
fn time(word: &str, openmetrics: bool) -> Option<f64> {
    if openmetrics {
        return Number::parse(word).map(|number| number.as_f64()).filter(|time| time.is_finite());
    }
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse::<i64>().ok().filter(|_| is_plain).map(|millis| millis as f64)
}
