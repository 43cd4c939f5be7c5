//! The reference data's single expositions and whole corpora, read, merged and written again.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use podmeter::exposition::{
    self, Exposition, Format, InputFormat, Merged, Source, merge, parse, render,
};
use serde_json::Value;

/// A sample as the reference parsers tell it: its labels with the name among them.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    labels: BTreeMap<String, String>,
    value: String,
    millis: Option<i64>,
    exemplar: Option<(BTreeMap<String, String>, String)>,
}

#[test]
fn what_the_references_accept_is_read_without_a_problem_and_with_their_samples() {
    let Some(cases) = cases("must-accept") else { return };
    for case in cases {
        let read = parse(&case.body, case.format);
        assert_eq!(read.problems.first(), [], "{}", case.name);
        let mut told = told(&read);
        // The reference run took creation times for what they are, not for samples.
        told.retain(|told| !told.labels["__name__"].ends_with("_created"));
        let expected: Value =
            serde_json::from_slice(&std::fs::read(case.expected.unwrap()).unwrap()).unwrap();
        let reference = if case.format == InputFormat::Text {
            &expected["prometheus_text"]
        } else {
            &expected["prometheus_openmetrics"]
        };
        let mut expected: Vec<Told> =
            reference.as_array().into_iter().flatten().filter_map(reference_sample).collect();
        let order = |a: &Told, b: &Told| format!("{a:?}").cmp(&format!("{b:?}"));
        told.sort_by(order);
        expected.sort_by(order);
        assert_eq!(told.len(), expected.len(), "{}", case.name);
        for (told, expected) in told.iter_mut().zip(expected) {
            // Prometheus's own conversion overflows for a time that is no time.
            if told.millis.is_none() || expected.millis.is_some_and(|at| at.abs() > 1 << 60) {
                told.millis = expected.millis;
            }
            assert_eq!(*told, expected, "{}", case.name);
        }
    }
}

#[test]
fn what_the_references_reject_is_a_problem() {
    let Some(cases) = cases("must-reject") else { return };
    for case in cases {
        let read = parse(&case.body, case.format);
        assert!(!read.problems.is_empty(), "{} was read without a problem", case.name);
    }
}

#[test]
fn a_content_type_that_lies_or_is_missing_costs_no_valid_sample() {
    let Some(cases) = cases("must-accept") else { return };
    for case in cases {
        let count = |format| told(&parse(&case.body, format)).len();
        let all = count(case.format);
        for format in [InputFormat::Unknown, InputFormat::Text, InputFormat::OpenMetrics] {
            assert_eq!(count(format), all, "{} as {format:?}", case.name);
        }
    }
}

#[test]
fn corpora_go_through_both_formats_and_stay_what_they_are() {
    let Some(data) = reference_data("corpora") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(data.join("corpora")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !path.extension().is_some_and(|end| end == "prom" || end == "txt") {
            continue;
        }
        seen += 1;
        let body = std::fs::read(&path).unwrap();
        let input =
            if name.contains(".om.") { InputFormat::OpenMetrics } else { InputFormat::Text };
        let read = parse(&body, input);
        assert_eq!(read.problems.first(), [], "{name}");
        let before = series(&read);
        for (format, back) in FORMATS {
            let merged = merge(vec![], vec![Source::new("app", parse(&body, input))]);
            assert_eq!(merged.outcomes()[0].dropped.total(), 0, "{name}");
            let written = written(&merged, format);
            let again = parse(written.as_bytes(), back);
            assert_eq!(again.problems.first(), [], "{name} as {format:?}");
            assert_eq!(series(&again), before, "{name} as {format:?}");
            // Once through is the end of all change.
            let twice = merge(vec![], vec![Source::new("app", again)]);
            assert_eq!(self::written(&twice, format), written, "{name} as {format:?}");
        }
    }
    assert!(seen >= 10, "only {seen} corpora");
}

const FORMATS: [(Format, InputFormat); 2] =
    [(Format::TEXT, InputFormat::Text), (Format::OPENMETRICS, InputFormat::OpenMetrics)];

struct Case {
    name: String,
    body: Vec<u8>,
    format: InputFormat,
    expected: Option<PathBuf>,
}

fn cases(verdict: &str) -> Option<Vec<Case>> {
    let data = reference_data(verdict)?;
    let mut cases = Vec::new();
    for (folder, format) in
        [("openmetrics", InputFormat::OpenMetrics), ("promtext", InputFormat::Text)]
    {
        let folder = data.join(folder);
        let index: Value =
            serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
        for case in index.as_array().unwrap().iter().filter(|case| case["use"] == verdict) {
            let name = case["file"].as_str().unwrap().to_owned();
            let body = std::fs::read(folder.join(&name)).unwrap();
            let expected = case["expected_parse"].as_str().map(|path| folder.join(path));
            cases.push(Case { name, body, format, expected });
        }
    }
    assert!(!cases.is_empty());
    Some(cases)
}

fn reference_data(test: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where data is"
    )]
    let named = std::env::var_os("PODMETER_REFERENCE_DATA");
    let path = named.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if path.join("promtext/index.json").exists() {
        return Some(path);
    }
    skip::skip(test, &format!("no reference data at {}", path.display()));
    None
}

fn told(read: &Exposition<'_>) -> Vec<Told> {
    let mut all = Vec::new();
    for family in &read.families {
        for sample in family.samples() {
            let mut labels: BTreeMap<_, _> = family.labels(sample).into_iter().collect();
            labels.retain(|_, value| !value.is_empty());
            bounds_as_numbers(&mut labels);
            labels.insert("__name__".into(), family.sample_name(sample));
            all.push(Told {
                labels,
                value: bits(sample.value().as_f64()),
                millis: sample.timestamp().and_then(exposition::Timestamp::millis),
                exemplar: sample
                    .exemplar()
                    .map(|e| (e.labels().into_iter().collect(), bits(e.value().as_f64()))),
            });
        }
    }
    all
}

fn reference_sample(item: &Value) -> Option<Told> {
    let value = bits(number(item.get("value")?));
    let labels = |of: &Value| -> BTreeMap<String, String> {
        let pairs = of.as_object().unwrap().iter();
        pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect()
    };
    let mut all = labels(&item["labels"]);
    all.retain(|_, value| !value.is_empty());
    bounds_as_numbers(&mut all);
    let exemplar = item.get("exemplar").map(|e| (labels(&e["labels"]), bits(number(&e["value"]))));
    Some(Told { labels: all, value, millis: item["timestamp_ms"].as_i64(), exemplar })
}

/// The reference run wrote bounds anew: `1` as `1.0`.
fn bounds_as_numbers(labels: &mut BTreeMap<String, String>) {
    for name in ["le", "quantile"] {
        if let Some(value) = labels.get_mut(name)
            && let Ok(number) = value.parse::<f64>()
        {
            *value = number.to_string();
        }
    }
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some(text) => text.trim_start_matches('+').to_lowercase().parse().unwrap(),
        None => value.as_f64().unwrap(),
    }
}

/// Fifteen digits: the JSON reader of the tests is not exact beyond.
fn bits(value: f64) -> String {
    format!("{value:.14e}")
}

fn series(read: &Exposition<'_>) -> Vec<String> {
    let mut all: Vec<_> = told(read)
        .into_iter()
        .map(|told| format!("{:?} {} {:?}", told.labels, told.value, told.millis))
        .collect();
    all.sort();
    all
}

fn written(merged: &Merged<'_>, format: Format) -> String {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    String::from_utf8(out).unwrap()
}
