//! One family of a custom dialect.

use super::label::{Condition, Fact, FactText, read_text};
use super::map::{Map, Place};
use crate::config::error::{ConfigError, shown};
use crate::meter::{Detail, Side};
use serde_json::Value;

/// A family of metrics, by what it measures and says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomFamily {
    /// Its name, valid and not podmeter's own.
    pub name: String,
    /// Its HELP text.
    pub help: String,
    /// Its type.
    pub kind: CustomKind,
    /// What it measures.
    pub measure: Measure,
    /// How many nanoseconds or bytes are one of its unit.
    pub unit: u64,
    /// Its labels, no two of one name.
    pub labels: Vec<(String, FactText)>,
    /// Whose requests it is about.
    pub of: Of,
    /// All of these must hold of an exchange,
    pub only: Vec<Condition>,
    /// and none of these.
    pub without: Vec<Condition>,
}

/// The type of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomKind {
    /// How many, or how much together.
    Counter,
    /// How many were at most so much.
    Histogram(Vec<Bound>),
}

/// The upper bound of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// As `le` says it.
    pub text: String,
    /// In nanoseconds or bytes, rounded down.
    pub value: u64,
}

/// What a family measures of exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// That they were.
    Requests,
    /// How long they took.
    Duration,
    /// How long it took until the answer's body began.
    FirstByte,
    /// How large the requests were.
    RequestBytes,
    /// How large the answers were.
    ResponseBytes,
}

/// Whose requests a family is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of the pod's clients.
    Inbound,
    /// Those of the pod.
    Outbound,
    /// All.
    Both,
}

impl Of {
    /// Whether that of one side is part of it.
    pub fn takes(self, side: Side) -> bool {
        match self {
            Self::Inbound => side == Side::Inbound,
            Self::Outbound => side == Side::Outbound,
            Self::Both => true,
        }
    }
}

impl Measure {
    /// Whether it is a time, and not a size.
    pub fn is_duration(self) -> bool {
        matches!(self, Self::Duration | Self::FirstByte)
    }
}

impl CustomFamily {
    pub(super) fn read(value: &Value, dialect: &Place) -> Result<Self, ConfigError> {
        let map = Map::of(value, dialect)?;
        let name = map.text("family")?;
        let name = name.ok_or_else(|| dialect.wrong("a family has no name; say family: NAME"))?;
        let place = &dialect.within(&name);
        let map = Map::of(value, place)?;
        map.only(&KEYS)?;
        if !is_metric_name(&name) {
            return Err(place.wrong("a family's name is letters, digits, _ and :"));
        }
        if name.starts_with("podmeter_") {
            return Err(place.wrong("names beginning with podmeter_ are podmeter's own"));
        }
        // What a scrape itself writes, and what tells of the app's process.
        let is_taken = ["process_", "scrape_"].iter().any(|taken| name.starts_with(taken));
        if is_taken || ["up", "target_info"].contains(&name.as_str()) {
            return Err(
                place.wrong("up, target_info, process_* and scrape_* have a meaning of their own")
            );
        }
        let is_histogram = map.one_of("kind", &[("counter", false), ("histogram", true)])?;
        let is_histogram =
            is_histogram.ok_or_else(|| place.wrong("say kind: counter or histogram"))?;
        let measure = map.one_of("measures", &MEASURES)?;
        let usual = if is_histogram { Measure::Duration } else { Measure::Requests };
        let measure = measure.unwrap_or(usual);
        if is_histogram && measure == Measure::Requests {
            return Err(place.wrong("requests are counted, so say kind: counter"));
        }
        if is_histogram && SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            let problem = format!("a histogram's name does not end in {}", SUFFIXES.join(", "));
            return Err(place.wrong(&problem));
        }
        let (unit_name, unit) = unit(&map, measure, place)?;
        let kind = match map.texts("buckets")? {
            Some(_) if !is_histogram => {
                return Err(place.wrong("a counter has no buckets; leave them out"));
            }
            _ if !is_histogram => CustomKind::Counter,
            Some(texts) => CustomKind::Histogram(bounds(&texts, unit, place)?),
            None => {
                let default = if measure.is_duration() { DURATIONS } else { SIZES };
                let bounds = default.iter().map(|text| bound(text, default_unit(measure)));
                let bounds = bounds.map(|bound| bound.map(|bound| bound.spelled_in(unit)));
                CustomKind::Histogram(bounds.collect::<Option<_>>().unwrap_or_default())
            }
        };
        let help = map.text("help")?.unwrap_or_else(|| default_help(measure, unit_name));
        if help.contains(char::is_control) || help.len() > 500 {
            return Err(place.wrong("its help is one line of at most 500 bytes"));
        }
        let direction = [("inbound", Of::Inbound), ("outbound", Of::Outbound), ("both", Of::Both)];
        Ok(Self {
            help,
            measure,
            unit,
            labels: labels(&map, is_histogram, place)?,
            of: map.one_of("direction", &direction)?.unwrap_or(Of::Inbound),
            only: Condition::read_all(map.get("only"), &place.within("only"))?,
            without: Condition::read_all(map.get("without"), &place.within("without"))?,
            kind,
            name,
        })
    }

    /// What it tells apart of the exchanges of one side.
    pub(super) fn detail(&self, side: Side) -> Detail {
        if !self.of.takes(side) {
            return Detail::NONE;
        }
        let labels = self.labels.iter().flat_map(|(_, text)| text.places());
        let conditions = self.only.iter().chain(&self.without).map(|condition| condition.fact);
        let mut detail = Detail::NONE;
        for fact in labels.chain(conditions) {
            detail.method |= fact == Fact::Method;
            detail.path |= fact == Fact::Path;
            detail.version |= fact == Fact::HttpVersion;
        }
        detail
    }

    /// Its buckets; a counter has none.
    pub fn buckets(&self) -> &[Bound] {
        match &self.kind {
            CustomKind::Counter => &[],
            CustomKind::Histogram(bounds) => bounds,
        }
    }

    /// The names that its samples and it itself have in any format.
    pub(super) fn sample_names(&self) -> Vec<String> {
        let name = &self.name;
        match self.kind {
            CustomKind::Counter => vec![name.clone()],
            CustomKind::Histogram(_) => {
                let suffixes = ["", "_bucket", "_sum", "_count"];
                suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
            }
        }
    }
}

impl Bound {
    /// The same where `unit` nanoseconds or bytes are one of the family's unit.
    fn spelled_in(self, unit: u64) -> Self {
        Self { text: (self.value as f64 / unit as f64).to_string(), ..self }
    }
}

fn unit(
    map: &Map<'_>,
    measure: Measure,
    place: &Place,
) -> Result<(&'static str, u64), ConfigError> {
    let durations =
        [("seconds", ("Seconds", NANOS)), ("milliseconds", ("Milliseconds", NANOS / 1000))];
    let said = match measure {
        Measure::Requests if map.get("unit").is_some() => {
            return Err(place.wrong("requests have no unit; leave it out"));
        }
        Measure::Requests => return Ok(("", 1)),
        Measure::Duration | Measure::FirstByte => map.one_of("unit", &durations)?,
        Measure::RequestBytes | Measure::ResponseBytes => {
            map.one_of("unit", &[("bytes", ("Bytes", 1))])?
        }
    };
    let default = if measure.is_duration() { ("Seconds", NANOS) } else { ("Bytes", 1) };
    Ok(said.unwrap_or(default))
}

fn default_unit(measure: Measure) -> u64 {
    if measure.is_duration() { NANOS } else { 1 }
}

fn bounds(texts: &[String], unit: u64, place: &Place) -> Result<Vec<Bound>, ConfigError> {
    let place = place.within("buckets");
    let mut bounds: Vec<Bound> = Vec::new();
    for text in texts {
        let read = bound(text, unit).ok_or_else(|| {
            let is_infinite = text.trim_start_matches(['+', '.']).eq_ignore_ascii_case("inf");
            place.wrong(&if is_infinite {
                "the bucket without a bound is always there; leave it out".to_owned()
            } else {
                format!("{} is no bound", shown(text))
            })
        })?;
        if bounds.last().is_some_and(|last| last.value >= read.value) {
            let problem = format!("{text} does not come after the bound before it; sort them");
            return Err(place.wrong(&problem));
        }
        bounds.push(read);
    }
    let counts = 1..=MOST_BOUNDS;
    if counts.contains(&bounds.len()) {
        Ok(bounds)
    } else {
        Err(place.wrong(&format!("1 to {MOST_BOUNDS} bounds belong here")))
    }
}

/// A number of at most a year or a terabyte, of which all that is counted is at most that.
fn bound(text: &str, unit: u64) -> Option<Bound> {
    let number: f64 = text.parse().ok()?;
    if !(0.0..=1e15).contains(&number) {
        return None;
    }
    // Decimal fractions are seldom exact; half of the smallest thing counted puts that right.
    let scaled = number * unit as f64;
    let nearest = scaled.round();
    let whole = if (scaled - nearest).abs() < 1e-3 { nearest } else { scaled.floor() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked")]
    let value = (whole <= MOST).then_some(whole as u64)?;
    Some(Bound { text: number.to_string(), value })
}

fn labels(
    map: &Map<'_>,
    is_histogram: bool,
    place: &Place,
) -> Result<Vec<(String, FactText)>, ConfigError> {
    let Some(value) = map.get("labels") else { return Ok(Vec::new()) };
    let place = place.within("labels");
    let labels = Map::of(value, &place)?;
    let read = |(name, _): (&String, &Value)| {
        let here = place.within(name);
        if !is_label_name(name) || (is_histogram && name == "le") {
            return Err(
                here.wrong("a label's name is letters, digits and _, and not one of Prometheus")
            );
        }
        let text = labels.text(name)?.unwrap_or_default();
        Ok((name.clone(), read_text(&text, &here)?))
    };
    let all: Vec<_> = labels.entries().map(read).collect::<Result<_, _>>()?;
    if all.len() > MOST_LABELS {
        return Err(place.wrong(&format!("at most {MOST_LABELS} labels belong here")));
    }
    Ok(all)
}

fn default_help(measure: Measure, unit: &str) -> String {
    match measure {
        Measure::Requests => "Requests that were answered or given up.".to_owned(),
        Measure::Duration => {
            format!("{unit} from a request's first byte to the last byte of its answer.")
        }
        Measure::FirstByte => {
            format!("{unit} from a request's first byte to the first byte of its answer's body.")
        }
        Measure::RequestBytes => "Size of requests on the wire, heads included.".to_owned(),
        Measure::ResponseBytes => "Size of answers on the wire, heads included.".to_owned(),
    }
}

fn is_metric_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.len() <= 200
        && name.starts_with(|c: char| is_word(c) && !c.is_ascii_digit())
        && name.chars().all(is_word)
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && !name.starts_with("__") && name != "quantile"
}

const KEYS: [&str; 10] = [
    "family",
    "kind",
    "measures",
    "unit",
    "buckets",
    "help",
    "labels",
    "direction",
    "only",
    "without",
];
const MEASURES: [(&str, Measure); 5] = [
    ("requests", Measure::Requests),
    ("duration", Measure::Duration),
    ("first_byte", Measure::FirstByte),
    ("request_bytes", Measure::RequestBytes),
    ("response_bytes", Measure::ResponseBytes),
];
/// Ends of names that a histogram's samples have, or a counter.
const SUFFIXES: [&str; 5] = ["_bucket", "_sum", "_count", "_total", "_created"];
/// The default bounds of the Prometheus clients, in seconds.
const DURATIONS: &[&str] =
    &["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];
/// Bounds in bytes that tell small answers from large ones.
const SIZES: &[&str] = &["100", "1000", "10000", "100000", "1000000", "10000000", "100000000"];
const NANOS: u64 = 1_000_000_000;
/// A year in nanoseconds, or some petabytes.
const MOST: f64 = 31_536_000e9;
const MOST_BOUNDS: usize = 100;
const MOST_LABELS: usize = 30;
