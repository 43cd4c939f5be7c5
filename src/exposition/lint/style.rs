//! Remarks upon names and help, as Prometheus's own guidelines for naming have it.

use super::rule::Rule;
use crate::exposition::model::Kind;

/// What style looks at in a family.
pub(super) struct About<'f> {
    pub(super) name: &'f str,
    pub(super) kind: Kind,
    pub(super) helped: bool,
    /// Whether counters are named without `_total`, which their samples then have.
    pub(super) bare_counters: bool,
}

/// Says what could be better; with the name or the word that it is about.
pub(super) fn check(family: &About<'_>, say: &mut impl FnMut(Rule, String)) {
    let About { name, kind, helped, bare_counters } = *family;
    let mut remark = |rule| say(rule, name.to_owned());
    if !helped {
        remark(Rule::NoHelp);
    }
    let ends_with_total = name.ends_with("_total");
    match kind {
        Kind::Counter if !ends_with_total && !bare_counters => remark(Rule::CounterName),
        Kind::Counter | Kind::Unknown => {}
        _ if ends_with_total => remark(Rule::TotalName),
        _ => {}
    }
    if has_foreign_unit(name) {
        remark(Rule::BaseUnit);
    }
    let lower = name.to_ascii_lowercase();
    let has_word = |word: &&str| {
        lower.match_indices(*word).any(|(at, _)| {
            let rest = &lower[at + word.len()..];
            lower[..at].ends_with('_') && (rest.is_empty() || rest.starts_with('_'))
        })
    };
    if TYPES.iter().any(has_word) {
        remark(Rule::TypeInName);
    }
    if ABBREVIATIONS.iter().any(has_word) {
        remark(Rule::AbbreviatedUnit);
    }
    if name.contains(':') {
        remark(Rule::Colon);
    }
    if is_camel_case(name) {
        remark(Rule::CamelCase);
    }
    let histogram = matches!(kind, Kind::Histogram | Kind::GaugeHistogram);
    let compound = histogram || kind == Kind::Summary;
    let reserved = !histogram && name.ends_with("_bucket")
        || !compound && (name.ends_with("_count") || name.ends_with("_sum"));
    if reserved && kind != Kind::Unknown {
        remark(Rule::ReservedSuffix);
    }
}

/// What could be better about a label of a family of this kind.
pub(super) fn of_label(label: &str, kind: Kind) -> Option<Rule> {
    let histogram = matches!(kind, Kind::Histogram | Kind::GaugeHistogram);
    match label {
        _ if is_camel_case(label) => Some(Rule::CamelCase),
        "le" if !histogram && kind != Kind::Unknown => Some(Rule::LeLabel),
        "quantile" if !matches!(kind, Kind::Summary | Kind::Unknown) => Some(Rule::QuantileLabel),
        _ => None,
    }
}

fn is_camel_case(name: &str) -> bool {
    name.as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

/// Whether the first unit in the name is another than the base unit of what it measures.
fn has_foreign_unit(name: &str) -> bool {
    let unit = name.split('_').find_map(|word| {
        if BASE_UNITS.contains(&word) {
            return Some(false);
        }
        let scaled = PREFIXES.iter().filter_map(|prefix| word.strip_prefix(prefix));
        let foreign = std::iter::once(word).chain(scaled).any(|word| OTHER_UNITS.contains(&word));
        let scaled = PREFIXES
            .iter()
            .filter_map(|prefix| word.strip_prefix(prefix))
            .any(|word| BASE_UNITS.contains(&word));
        (foreign || scaled).then_some(true)
    });
    unit.unwrap_or(false)
}

/// Units in which Prometheus wants what they measure ("Metric and label naming").
const BASE_UNITS: [&str; 10] = [
    "amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "seconds",
    "volts",
];
const OTHER_UNITS: [&str; 14] = [
    "minutes",
    "hours",
    "days",
    "weeks",
    "kelvins",
    "fahrenheit",
    "rankine",
    "inches",
    "yards",
    "miles",
    "bits",
    "calories",
    "pounds",
    "ounces",
];
const PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mebi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];
const ABBREVIATIONS: [&str; 14] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];
const TYPES: [&str; 5] = ["counter", "gauge", "summary", "histogram", "gauge_histogram"];

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(name: &str, kind: Kind) -> Vec<&'static str> {
        let mut all = Vec::new();
        let about = About { name, kind, helped: true, bare_counters: false };
        check(&about, &mut |rule, _| all.push(rule.code()));
        all
    }

    #[test]
    fn good_names_pass() {
        for (name, kind) in [
            ("http_requests_total", Kind::Counter),
            ("http_request_duration_seconds", Kind::Histogram),
            ("process_open_fds", Kind::Gauge),
            ("node_filesystem_files_free", Kind::Gauge),
            ("anything_total", Kind::Unknown),
            ("anything_count", Kind::Unknown),
            ("counter", Kind::Gauge),
        ] {
            assert_eq!(remarks(name, kind), [""; 0], "{name}");
        }
    }

    #[test]
    fn each_bad_name_is_told_why() {
        for (name, kind, code) in [
            ("requests", Kind::Counter, "counter_name"),
            ("queue_total", Kind::Gauge, "total_name"),
            ("latency_milliseconds", Kind::Histogram, "base_unit"),
            ("uptime_days", Kind::Gauge, "base_unit"),
            ("latency_ms", Kind::Gauge, "abbreviated_unit"),
            ("my_gauge_size", Kind::Gauge, "type_in_name"),
            ("my_Histogram", Kind::Histogram, "type_in_name"),
            ("job:up", Kind::Gauge, "colon"),
            ("queueSize", Kind::Gauge, "camel_case"),
            ("queue_count", Kind::Gauge, "reserved_suffix"),
            ("queue_bucket", Kind::Summary, "reserved_suffix"),
        ] {
            assert_eq!(remarks(name, kind), [code], "{name}");
        }
        assert_eq!(of_label("le", Kind::Gauge), Some(Rule::LeLabel));
        assert_eq!(of_label("le", Kind::Unknown), None);
        assert_eq!(of_label("quantile", Kind::Histogram), Some(Rule::QuantileLabel));
        assert_eq!(of_label("statusCode", Kind::Gauge), Some(Rule::CamelCase));
    }
}
