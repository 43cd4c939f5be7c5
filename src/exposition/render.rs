//! Writes a merged exposition in one of the formats.

use std::collections::HashSet;

use super::format::{Format, Syntax};
use super::merge::{Merged, MergedFamily, Piece};
use super::model::{Kind, Sample, Suffix, Timestamp};

/// Appends the exposition to `out`.
///
/// The body is valid in its format for the strictest of Prometheus's own parser, Go's `expfmt` and
/// Python's `prometheus_client`, and belongs with [`Format::content_type`].
pub fn render(merged: &Merged<'_>, format: Format, out: &mut Vec<u8>) {
    let mut rendering = Rendering::new(format);
    while rendering.advance(merged, out) {}
}

/// How far an exposition has been written, so that a large one can be written in parts.
#[derive(Debug)]
pub struct Rendering {
    format: Format,
    /// The family that comes next.
    family: usize,
    names: Option<Names>,
}

impl Rendering {
    /// At the beginning.
    pub fn new(format: Format) -> Self {
        Self { format, family: 0, names: None }
    }

    /// Appends the next part to `out`, and tells whether there may be more. Always to be called
    /// with the same exposition.
    pub fn advance(&mut self, merged: &Merged<'_>, out: &mut Vec<u8>) -> bool {
        let family = merged.families.get(self.family);
        self.family += 1;
        match (self.format.syntax(), family) {
            (Syntax::OpenMetrics, Some(family)) => {
                let names = self.names.get_or_insert_with(|| Names::new(merged));
                openmetrics_family(merged, family, names, out);
            }
            (_, Some(family)) => text_family(merged, family, out),
            (Syntax::OpenMetrics, None) => out.extend_from_slice(b"# EOF\n"),
            (_, None) => {}
        }
        family.is_some()
    }
}

fn text_family(merged: &Merged<'_>, family: &MergedFamily<'_>, out: &mut Vec<u8>) {
    let whole = match family.kind {
        Kind::GaugeHistogram => None,
        // The Python reader takes `_total` away and refuses the nothing that is left.
        Kind::Counter if family.name == "_total" => Some("untyped"),
        Kind::Counter => Some("counter"),
        Kind::Gauge | Kind::Info | Kind::StateSet => Some("gauge"),
        Kind::Histogram => Some("histogram"),
        Kind::Summary => Some("summary"),
        Kind::Unknown => Some("untyped"),
    };
    // Counters and histograms may have lost all but their creation times.
    let rest = |suffix: Suffix| suffix != Suffix::Created;
    if let Some(word) = whole
        && family.pieces.iter().any(|piece| piece.samples.iter().any(|s| rest(s.suffix)))
    {
        head(&family.name, word, family, Syntax::Text, out);
        write_samples(merged, family, rest, &Show::text(family), out);
    }
    // What text has no place for inside a family stands beside it as a gauge.
    for suffix in Suffix::ALL {
        if (suffix == Suffix::Created || whole.is_none()) && family.has(suffix) {
            head(&family.sample_name(suffix), "gauge", family, Syntax::Text, out);
            write_samples(merged, family, |s| s == suffix, &Show::text(family), out);
        }
    }
}

fn openmetrics_family(
    merged: &Merged<'_>,
    family: &MergedFamily<'_>,
    names: &mut Names,
    out: &mut Vec<u8>,
) {
    let show = |kind| Show { syntax: Syntax::OpenMetrics, kind, family_kind: family.kind };
    if names.allow(family) {
        let name = openmetrics_name(family);
        head(name, family.kind.as_str(), family, Syntax::OpenMetrics, out);
        if let Some(unit) = family.unit.as_deref()
            && !matches!(family.kind, Kind::Info | Kind::StateSet)
            && name.strip_suffix(unit).is_some_and(|n| n.ends_with('_'))
        {
            for part in ["# UNIT ", name, " ", unit, "\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        write_samples(merged, family, |_| true, &show(family.kind), out);
        return;
    }
    let word = if matches!(family.kind, Kind::Info | Kind::StateSet) { "gauge" } else { "unknown" };
    for suffix in Suffix::ALL {
        if family.has(suffix) {
            head(&family.sample_name(suffix), word, family, Syntax::OpenMetrics, out);
            write_samples(merged, family, |s| s == suffix, &show(Kind::Unknown), out);
        }
    }
}

/// Decides which families OpenMetrics can show with their kind. A kind lays claim to names beside
/// those of its samples: a counter `x_total` to `x` and `x_created`, a histogram to `x`.
#[derive(Debug)]
struct Names {
    real: HashSet<String>,
    claimed: HashSet<String>,
}

impl Names {
    fn new(merged: &Merged<'_>) -> Self {
        let mut real = HashSet::new();
        for family in &merged.families {
            let suffixes = Suffix::ALL.into_iter().filter(|suffix| family.has(*suffix));
            real.extend(suffixes.map(|suffix| family.sample_name(suffix)));
        }
        Self { real, claimed: HashSet::new() }
    }

    fn allow(&mut self, family: &MergedFamily<'_>) -> bool {
        let name = openmetrics_name(family);
        let shortened = matches!(family.kind, Kind::Counter | Kind::Info);
        if !family.strict || name.is_empty() || shortened && name.len() == family.name.len() {
            return false;
        }
        if name.as_bytes()[0].is_ascii_digit() {
            return false;
        }
        let mut claims = Vec::new();
        if name != family.name || !family.has(Suffix::Bare) {
            claims.push(name.to_owned());
        }
        let unused = family.kind.suffixes().iter().filter(|suffix| !family.has(**suffix));
        claims.extend(unused.map(|suffix| family.sample_name(*suffix)));
        if shortened && !family.has(Suffix::Bare) {
            claims.push(family.name.to_string());
        }
        if claims.iter().any(|name| self.real.contains(name) || self.claimed.contains(name)) {
            return false;
        }
        self.claimed.extend(claims);
        true
    }
}

fn openmetrics_name<'f>(family: &'f MergedFamily<'_>) -> &'f str {
    let ending = match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        _ => "",
    };
    family.name.strip_suffix(ending).unwrap_or(&family.name)
}

fn head(name: &str, word: &str, family: &MergedFamily<'_>, syntax: Syntax, out: &mut Vec<u8>) {
    if let Some(help) = family.help.as_deref() {
        for part in ["# HELP ", name, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        write_help(help, syntax, out);
        out.push(b'\n');
    }
    for part in ["# TYPE ", name, " ", word, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_help(help: &str, syntax: Syntax, out: &mut Vec<u8>) {
    for b in help.bytes() {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if syntax == Syntax::OpenMetrics => out.extend_from_slice(b"\\\""),
            b => out.push(b),
        }
    }
}

/// How samples are shown.
struct Show {
    syntax: Syntax,
    /// The kind under which they stand in the answer.
    kind: Kind,
    /// The kind that their family has in the model.
    family_kind: Kind,
}

impl Show {
    fn text(family: &MergedFamily<'_>) -> Self {
        Self { syntax: Syntax::Text, kind: family.kind, family_kind: family.kind }
    }
}

fn write_samples(
    merged: &Merged<'_>,
    family: &MergedFamily<'_>,
    wanted: impl Fn(Suffix) -> bool,
    show: &Show,
    out: &mut Vec<u8>,
) {
    debug_assert_eq!(show.family_kind, family.kind);
    let names = Suffix::ALL.map(|suffix| family.sample_name(suffix));
    for piece in &family.pieces {
        let source = merged.labels[piece.source].as_deref();
        for sample in piece.samples.iter().filter(|sample| wanted(sample.suffix)) {
            out.extend_from_slice(names[sample.suffix as usize].as_bytes());
            write_sample(piece, sample, source, show, out);
        }
    }
}

fn write_sample(
    piece: &Piece<'_>,
    sample: &Sample<'_>,
    source: Option<&str>,
    show: &Show,
    out: &mut Vec<u8>,
) {
    let labels = sample.labels.as_str();
    let bound = sample.bound(&piece.bounds);
    if !labels.is_empty() || bound.is_some() || source.is_some() {
        let mut before = b'{';
        let mut part = |parts: &[&str]| {
            out.push(std::mem::replace(&mut before, b','));
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
        };
        if !labels.is_empty() {
            part(&[labels]);
        }
        if let Some(source) = source {
            part(&[source]);
        }
        if let Some(bound) = bound {
            part(&["le=\"", bound, "\""]);
        }
        out.push(b'}');
    }
    out.push(b' ');
    sample.value.write(out);
    if let Some(extra) = &sample.extra {
        if let Some(timestamp) = &extra.timestamp {
            out.push(b' ');
            write_timestamp(timestamp, show.syntax, out);
        }
        let carries = show.kind == Kind::Counter && sample.suffix == Suffix::Bare
            || matches!(show.kind, Kind::Histogram | Kind::GaugeHistogram)
                && sample.suffix == Suffix::Bucket;
        if let Some(exemplar) = &extra.exemplar
            && carries
            && show.syntax == Syntax::OpenMetrics
        {
            for part in [" # {", exemplar.labels.as_str(), "} "] {
                out.extend_from_slice(part.as_bytes());
            }
            exemplar.value.write(out);
            if let Some(timestamp) = &exemplar.timestamp {
                out.push(b' ');
                out.extend_from_slice(timestamp.as_bytes());
            }
        }
    }
    out.push(b'\n');
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
