//! Other readers as judges: what `lint` calls valid, they take.

#![expect(clippy::disallowed_methods, reason = "the environment tells tests where the judges are")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use podmeter::exposition::{InputFormat, lint};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bodies::body_of;
use crate::skip;

#[test]
fn what_is_valid_is_taken_by_the_python_client_and_by_promtool() {
    let test = "what_is_valid_is_taken_by_the_python_client_and_by_promtool";
    let Some(python) = std::env::var_os("PODMETER_PYTHON") else {
        skip::skip(test, "PODMETER_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cases = std::env::var("PODMETER_ORACLE_CASES").map_or(1500, |n| n.parse().unwrap());
    let verdicts = write_cases(folder.path(), cases);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lint_oracle.py");
    let judged = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let refused: BTreeMap<String, String> = serde_json::from_slice(&judged.stdout).unwrap();
    let mut valid = 0;
    for (name, is_valid) in &verdicts {
        if *is_valid {
            valid += 1;
            let body = std::fs::read_to_string(folder.path().join(name)).unwrap();
            // There the client refuses names in quotes of which no metadata was told.
            if is(name, "om") && body.contains("{\"") {
                continue;
            }
            assert!(!refused.contains_key(name), "{}\n{body}", refused[name]);
        }
    }
    // Neither all nor none, or nothing was compared.
    assert!(valid > cases / 20 && valid < verdicts.len(), "{valid} of {}", verdicts.len());
    let promtool = Command::new("promtool").arg("--version").output();
    if promtool.is_err() {
        skip::skip(test, "promtool is not installed");
        return;
    }
    let valid_text = verdicts.iter().filter(|(name, valid)| **valid && is(name, "prom"));
    for (name, _) in valid_text.take(80) {
        let path = folder.path().join(name);
        let body = std::fs::read_to_string(&path).unwrap();
        // Debian's is older than names in quotes.
        if body.contains("{\"") || body.contains("TYPE \"") {
            continue;
        }
        let judged = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::from(std::fs::File::open(&path).unwrap()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&judged.stderr);
        assert!(!said.contains("error while linting"), "{said}{body}");
    }
}

fn is(name: &str, end: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == end)
}

/// Writes bodies by name, those of OpenMetrics as `.om`, and tells which are valid.
fn write_cases(folder: &Path, cases: usize) -> BTreeMap<String, bool> {
    let mut runner = TestRunner::deterministic();
    let mut verdicts = BTreeMap::new();
    let strategy = (prop_oneof![3 => sound(), 1 => body_of(&["", " 1", " 2"])], any::<bool>());
    for number in 0..cases {
        let (mut body, openmetrics) = strategy.new_tree(&mut runner).unwrap().current();
        let (format, end) = if openmetrics {
            (InputFormat::OpenMetrics, "om")
        } else {
            (InputFormat::Text, "prom")
        };
        if openmetrics && !body.contains("# EOF") {
            body.push_str("# EOF\n");
        }
        let name = format!("{number:05}.{end}");
        std::fs::write(folder.join(&name), &body).unwrap();
        verdicts.insert(name, lint(body.as_bytes(), format, 0).errors() == 0);
    }
    verdicts
}

/// A few families, mostly sound, with now and then a character too many or too few.
pub(crate) fn sound() -> impl Strategy<Value = String> {
    let family = (0..6_usize, select(KINDS), 0..4_usize, any::<u8>());
    let spoil = prop::option::weighted(0.5, (any::<Index>(), prop::option::of(select(SPOILERS))));
    (prop::collection::vec(family, 1..4), spoil).prop_map(|(families, spoil)| {
        let mut body = String::new();
        for (at, (name, kind, samples, more)) in families.into_iter().enumerate() {
            body.push_str(&one_family(&format!("f{name}{at}"), kind, samples, more));
        }
        if let Some((place, what)) = spoil {
            let mut at = place.index(body.len() + 1);
            while !body.is_char_boundary(at) {
                at -= 1;
            }
            match what {
                Some(c) => body.insert(at, c),
                None if at < body.len() => drop(body.remove(at)),
                None => {}
            }
        }
        body
    })
}

const KINDS: &[&str] =
    &["counter", "gauge", "histogram", "summary", "unknown", "untyped", "info", "stateset"];
const SPOILERS: &[char] =
    &[' ', '\t', '\n', '"', '\\', '{', '}', ',', '=', '#', '1', '-', '.', 'e', 'N', '_', 'é', '\0'];

fn one_family(name: &str, kind: &str, samples: usize, more: u8) -> String {
    let mut body = String::new();
    if more & 1 == 0 {
        writeln!(body, "# HELP {name} Some \\\\ text.").unwrap();
    }
    if more & 2 == 0 {
        writeln!(body, "# TYPE {name} {kind}").unwrap();
    }
    let suffix = match (kind, more & 4) {
        ("counter", 0) => "_total",
        ("info", _) => "_info",
        _ => "",
    };
    let time = if more & 0x18 == 8 { " 5" } else { "" };
    for sample in 0..samples {
        let label = format!("a=\"{sample}\"");
        let lines = match kind {
            "histogram" => format!(
                "{name}_bucket{{{label},le=\"1\"}} 1{time}\n{name}_bucket{{{label},le=\"+Inf\"}} 2{time}\n\
                 {name}_sum{{{label}}} 3{time}\n{name}_count{{{label}}} 2{time}\n"
            ),
            "summary" => format!(
                "{name}{{{label},quantile=\"0.5\"}} 1{time}\n{name}_sum{{{label}}} 3{time}\n\
                 {name}_count{{{label}}} 2{time}\n"
            ),
            "stateset" => format!("{name}{{{label},{name}=\"on\"}} 1{time}\n"),
            _ => format!("{name}{suffix}{{{label}}} 1{time}\n"),
        };
        body.push_str(&lines);
    }
    body
}
