//! The reference data's protobuf, against what Go's decoder saw in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use podmeter::exposition::{Format, Kind, Timestamp};
use serde_json::Value;

use crate::messages::{samples, told};
use crate::{lines, problems, protobuf, read, skip, text};

const FILES: [&str; 2] = ["prom_createTestProtoBuf_0.bin", "prometheus_common_protobuf.bin"];

fn corpora(test: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where data is"
    )]
    let named = std::env::var_os("PODMETER_REFERENCE_DATA");
    let data = named.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("corpora");
    if folder.join("protobuf").exists() {
        return Some(folder);
    }
    skip::skip(test, &format!("no reference data at {}", folder.display()));
    None
}

#[test]
fn every_family_is_what_the_reference_decoder_saw() {
    let Some(folder) = corpora("every_family_is_what_the_reference_decoder_saw") else { return };
    for name in FILES {
        let body = std::fs::read(folder.join("protobuf").join(name)).unwrap();
        let expected = std::fs::read(folder.join(format!("expected/{name}.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let read = read(&body);
        assert_eq!(problems(&read), [""; 0], "{name}");
        let expected = expected["expfmt"].as_array().unwrap();
        assert_eq!(read.families.len(), expected.len());
        for (family, expected) in read.families.iter().zip(expected) {
            assert_eq!(Some(family.name()), expected["name"].as_str());
            assert_eq!(family.help(), expected["help"].as_str());
            assert_eq!(family.unit(), expected["unit"].as_str());
            let kind = match expected["type"].as_str() {
                None => Kind::Counter,
                Some("UNTYPED") => Kind::Unknown,
                Some("GAUGE_HISTOGRAM") => Kind::GaugeHistogram,
                Some(other) => Kind::from_name(&other.to_lowercase()).unwrap(),
            };
            assert_eq!(family.kind(), kind);
            let mut found: Vec<String> = family
                .samples()
                .iter()
                .map(|sample| {
                    if let Some(native) = sample.native() {
                        return format!("native {} {}", native.schema(), native.sum());
                    }
                    let labels: BTreeMap<_, _> = family.labels(sample).into_iter().collect();
                    let at = sample.timestamp().and_then(Timestamp::millis);
                    told(&family.sample_name(sample), &labels, sample.value().as_f64(), at)
                })
                .collect();
            let mut told = reference_samples(expected, kind);
            found.sort();
            told.sort();
            assert_eq!(found, told, "{}", family.name());
        }
    }
}

#[test]
fn each_file_comes_back_from_every_format_it_can() {
    let Some(folder) = corpora("each_file_comes_back_from_every_format_it_can") else { return };
    for name in FILES {
        let body = std::fs::read(folder.join("protobuf").join(name)).unwrap();
        let answer = protobuf(&body);
        assert_eq!(lines(&read(&answer)), lines(&read(&body)), "{name}");
        assert_eq!(protobuf(&answer), answer, "{name}");
        // What is native has no classic buckets to come back as.
        for format in [Format::TEXT, Format::OPENMETRICS] {
            let there = text(&body, format);
            let back = protobuf(there.as_bytes());
            assert_eq!(samples(&back), samples(&answer), "{name} by {format:?}");
            let again = text(&back, format);
            // Where a creation time has no place it stands beside as a gauge, a float.
            let exact = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| !line.contains("_with_created"));
                lines.map(str::to_owned).collect()
            };
            assert_eq!(exact(&again), exact(&there), "{name} by {format:?}");
        }
    }
}

#[test]
fn the_same_data_as_text_and_as_protobuf_is_the_same() {
    let Some(folder) = corpora("the_same_data_as_text_and_as_protobuf_is_the_same") else { return };
    let body = std::fs::read(folder.join("protobuf/prometheus_common_protobuf.bin")).unwrap();
    let as_text = std::fs::read(folder.join("prometheus_common_text.prom")).unwrap();
    assert_eq!(samples(&protobuf(&as_text)), samples(&body));
}

#[test]
fn what_was_cut_off_is_one_problem() {
    let Some(folder) = corpora("what_was_cut_off_is_one_problem") else { return };
    let body = std::fs::read(folder.join("protobuf/broken_truncated.bin")).unwrap();
    let read = read(&body);
    assert_eq!(problems(&read), ["3:40:truncated!"]);
    assert_eq!(lines(&read).len(), 2);
}

fn reference_samples(family: &Value, kind: Kind) -> Vec<String> {
    let name = family["name"].as_str().unwrap();
    let mut all = Vec::new();
    for metric in family["metric"].as_array().unwrap() {
        let labels: BTreeMap<String, String> = metric["label"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| {
                let text = |of: &str| pair[of].as_str().unwrap_or("").to_owned();
                (text("name"), text("value"))
            })
            .collect();
        let at = metric.get("timestampMs").map(|at| at.as_str().unwrap().parse().unwrap());
        let mut add = |suffix: &str, bound: Option<(&str, f64)>, value: f64| {
            let mut labels = labels.clone();
            labels.extend(bound.map(|(label, bound)| (label.to_owned(), bound.to_string())));
            let stem = name.strip_suffix("_total").filter(|_| suffix == "_created");
            all.push(told(&format!("{}{suffix}", stem.unwrap_or(name)), &labels, value, at));
        };
        let of = match kind {
            Kind::Counter => &metric["counter"],
            Kind::Gauge => &metric["gauge"],
            Kind::Summary => &metric["summary"],
            Kind::Unknown => &metric["untyped"],
            _ => &metric["histogram"],
        };
        if let Some(created) = of["createdTimestamp"].as_str() {
            // The only one in the data.
            assert_eq!(created, "2021-07-09T17:19:13.146848499Z");
            add("_created", None, 1_625_851_153.146_848_5);
        }
        let total = number(of, &["sampleCountFloat", "sampleCount"]);
        let is_native = ["positiveSpan", "negativeSpan", "zeroThreshold", "zeroCount"]
            .iter()
            .any(|field| of.get(field).is_some());
        match kind {
            Kind::Summary => {
                for quantile in of["quantile"].as_array().into_iter().flatten() {
                    let bound = ("quantile", number(quantile, &["quantile"]));
                    add("", Some(bound), number(quantile, &["value"]));
                }
                add("_sum", None, number(of, &["sampleSum"]));
                add("_count", None, total);
            }
            Kind::Histogram | Kind::GaugeHistogram => {
                let buckets = of["bucket"].as_array();
                if !is_native || buckets.is_some() {
                    let mut whole = false;
                    for bucket in buckets.into_iter().flatten() {
                        let bound = number(bucket, &["upperBound"]);
                        whole |= bound == f64::INFINITY;
                        let count = number(bucket, &["cumulativeCountFloat", "cumulativeCount"]);
                        add("_bucket", Some(("le", bound)), count);
                    }
                    if !whole {
                        add("_bucket", Some(("le", f64::INFINITY)), total);
                    }
                    let gauge = if kind == Kind::GaugeHistogram { "g" } else { "" };
                    add(&format!("_{gauge}sum"), None, number(of, &["sampleSum"]));
                    add(&format!("_{gauge}count"), None, total);
                }
                if is_native {
                    let schema = number(of, &["schema"]);
                    all.push(format!("native {schema} {}", number(of, &["sampleSum"])));
                }
            }
            _ => add("", None, number(of, &["value"])),
        }
    }
    all
}

/// The first of the fields that is there, as JSON tells 64 bits: in a string.
fn number(of: &Value, fields: &[&str]) -> f64 {
    let found = fields.iter().find_map(|field| of.get(field));
    found.map_or(0.0, |value| match value.as_str() {
        Some("Infinity") => f64::INFINITY,
        Some(text) => text.parse().unwrap(),
        None => value.as_f64().unwrap(),
    })
}
