//! Traces stand for the buckets that they are in, and readers that are not ours agree.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::Command;

use podmeter::exposition::Format;
use podmeter::meter::Natives;
use podmeter::observe::trace::{Trace, TraceId};
use serde_json::Value;

use crate::known::{Asked, Known};
use crate::process::python;
use crate::skip::skip;

fn trace(number: u64) -> Trace {
    Trace::new(TraceId::long(1, number), NonZeroU64::new(number + 1).unwrap())
}

/// Four requests at the same time, in three buckets of istio's, and one that nobody traces.
fn known() -> Known {
    let mut known = Known::new(3, Some(Natives { max_buckets: 160, beside: true }));
    let mut ask = |nanos, trace: Option<u64>| {
        let trace = trace.map(self::trace);
        known.record(Asked { at: 3_000_000_000, nanos, bytes: 10, trace, ..Asked::default() });
    };
    ask(300_000, Some(1));
    ask(1_000_000, Some(2));
    ask(1_000_001, Some(3));
    ask(4_000_000, Some(4));
    ask(60_000_000, None);
    known
}

#[test]
fn the_newest_trace_of_each_bucket_is_shown_where_the_format_has_a_place() {
    let text = String::from_utf8(known().shown(Format::OPENMETRICS)).unwrap();
    let of = |family: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter(|line| line.starts_with(family));
        let marked = lines.filter_map(|line| line.split_once(" # "));
        let le =
            |line: &str| line.rsplit_once("le=\"").unwrap().1.split('"').next().unwrap().to_owned();
        marked.map(|(line, exemplar)| (le(line), exemplar.to_owned())).collect()
    };
    let exemplar = |number: u64, value: &str| {
        let labels =
            format!("trace_id=\"{:016x}{number:016x}\",span_id=\"{:016x}\"", 1, number + 1);
        format!("{{{labels}}} {value} 1700000003.25")
    };
    let buckets = [("0.5", 1, "0.3"), ("1", 2, "1"), ("5", 4, "4")];
    let expected = buckets.map(|(le, number, value)| (le.to_owned(), exemplar(number, value)));
    assert_eq!(of("istio_request_duration_milliseconds_bucket"), expected);
    assert_eq!(of("envoy_cluster_upstream_rq_time_bucket"), expected);
    assert!(of("istio_request_bytes_bucket").is_empty());
    let text = String::from_utf8(known().shown(Format::TEXT)).unwrap();
    assert!(!text.contains(" # ") && !text.contains("trace_id"));
}

#[test]
fn googles_runtime_and_the_strict_parser_read_the_same_traces_and_counts() {
    let name = "googles_runtime_and_the_strict_parser_read_the_same_traces_and_counts";
    let Some(python) = python() else { return skip(name, "it needs PODMETER_PYTHON") };
    let folder = tempfile::tempdir().unwrap();
    let [protobuf, openmetrics] =
        [("a.pb", Format::PROTOBUF), ("a.om", Format::OPENMETRICS)].map(|(name, format)| {
            let path = folder.path().join(name);
            std::fs::write(&path, known().shown(format)).unwrap();
            path
        });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extras/check.py");
    let output = Command::new(python).arg(script).args([protobuf, openmetrics]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["histograms"].as_u64().unwrap() >= 8, "{found}");
    assert!(found["created"].as_u64().unwrap() >= 20, "{found}");
    assert_eq!(found["exemplars"], found["openmetrics"]);
    let families: BTreeSet<_> = found["exemplars"].as_object().unwrap().keys().collect();
    let expected = ["envoy_cluster_upstream_rq_time", "istio_request_duration_milliseconds"];
    assert!(expected.iter().all(|name| families.contains(&(*name).to_owned())), "{families:?}");
}
