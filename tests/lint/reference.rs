//! The cases on which the reference parsers agree.

#![expect(clippy::disallowed_methods, reason = "the environment tells where the data is")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{lint, skip, text};

#[test]
fn every_case_is_judged_as_the_reference_parsers_agree() {
    let Some(data) = data("every_case_is_judged_as_the_reference_parsers_agree") else { return };
    let mut judged = 0;
    for (folder, format) in [("openmetrics", "openmetrics"), ("promtext", "text")] {
        let folder = data.join(folder);
        let index = std::fs::read_to_string(folder.join("index.json")).unwrap();
        let cases: Value = serde_json::from_str(&index).unwrap();
        for case in cases.as_array().unwrap() {
            let file = folder.join(case["file"].as_str().unwrap());
            let expected = match case["use"].as_str().unwrap() {
                "must-accept" => 0,
                "must-reject" => 1,
                _ => continue,
            };
            let output = lint(&["--format", format, file.to_str().unwrap()], b"");
            let said = text(&output.stdout);
            assert_eq!(output.status.code(), Some(expected), "{}: {said}", file.display());
            // What nothing in it calls OpenMetrics cannot be known to be a broken one.
            let body = std::fs::read(&file).unwrap();
            if format == "text" || memchr::memmem::find(&body, b"# EOF").is_some() {
                let guessed = lint(&[file.to_str().unwrap()], b"");
                assert_eq!(guessed.status.code(), Some(expected), "{} guessed", file.display());
            }
            if expected == 1 {
                for line in said.lines() {
                    assert_place(line, &body);
                }
            }
            judged += 1;
        }
    }
    assert!(judged > 100, "only {judged} cases");
}

#[test]
fn what_real_programs_expose_is_valid() {
    let Some(data) = data("what_real_programs_expose_is_valid") else { return };
    let folder = data.join("corpora");
    let index = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let cases: Value = serde_json::from_str(&index).unwrap();
    for case in cases.as_array().unwrap() {
        let verdicts = case["reference_verdicts"].as_object().unwrap();
        let taken = verdicts.values().filter(|verdict| verdict["ok"] == true).count();
        // Where the references do not agree, ours is the strictest.
        if taken != 0 && taken != verdicts.len() {
            continue;
        }
        let file = folder.join(case["file"].as_str().unwrap());
        let output = lint(&[file.to_str().unwrap()], b"");
        let said = text(&output.stdout);
        let code = i32::from(taken == 0);
        assert_eq!(output.status.code(), Some(code), "{}: {said}", file.display());
    }
}

/// `line:column: reason`, and the place is one in the body or right behind it.
fn assert_place(told: &str, body: &[u8]) {
    let mut parts = told.splitn(3, ':');
    let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
    let (line, column) = (number(), number());
    let lines: Vec<_> = body.split(|b| *b == b'\n').collect();
    let length = lines.get(line - 1).map_or(0, |line| line.len());
    assert!(line <= lines.len() + 1 && (1..=length + 1).contains(&column), "{told}");
}

fn data(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PODMETER_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if path.join("promtext/index.json").exists() {
        return Some(path);
    }
    skip::skip(test, &format!("no reference data at {}", path.display()));
    None
}
