//! Outside judges of what we write: Python's `prometheus_client` and Google's protobuf runtime, and
//! `promtool` for Go's `expfmt`.
#![expect(clippy::unwrap_used, reason = "an oracle that cannot be asked fails the test")]
#![expect(clippy::disallowed_methods, reason = "the environment tells tests where the judges are")]

#[path = "support/exposition_bodies.rs"]
mod bodies;
#[path = "support/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use podmeter::exposition::{
    Escaping, Format, InputFormat, Source, Syntax, merge_for, parse, render,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

#[test]
fn other_peoples_parsers_take_what_we_write() {
    let Some(python) = std::env::var_os("PODMETER_PYTHON") else {
        skip::skip("other_peoples_parsers_take_what_we_write", "PODMETER_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let answers = std::env::var("PODMETER_ORACLE_CASES").map_or(400, |n| n.parse().unwrap());
    write_answers(folder.path(), answers);
    let parts = ["corpora", "corpora/protobuf", "openmetrics/cases", "promtext/cases"];
    write_corpora(folder.path(), &parts);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/exposition_oracle.py");
    let judged = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    let failed = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{}{failed}", said.chars().take(4000).collect::<String>());
}

#[test]
fn promtool_reads_what_we_write_as_text() {
    if Command::new("promtool").arg("--version").output().is_err() {
        skip::skip("promtool_reads_what_we_write_as_text", "promtool is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_answers(folder.path(), 60);
    write_corpora(folder.path(), &["corpora"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "prom") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // Names in quotes are for newer ones than there may be.
        if text.contains("{\"") || text.contains(",\"") || text.contains("TYPE \"") {
            continue;
        }
        let body = std::fs::File::open(&path).unwrap();
        let judged = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::from(body))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&judged.stderr);
        assert!(!said.contains("error while linting"), "{said}{text}");
    }
}

/// What real programs expose, where the reference data is at hand.
fn write_corpora(folder: &Path, parts: &[&str]) {
    let data = std::env::var_os("PODMETER_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    for part in parts {
        let Ok(files) = std::fs::read_dir(data.join(part)) else {
            skip::skip("write_corpora", "no reference data");
            continue;
        };
        for path in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
            // Dots would take names apart that differ in the end alone.
            let name = path.file_name().unwrap().to_string_lossy().replace('.', "_");
            let body = std::fs::read(&path).unwrap();
            if *part == "corpora/protobuf" && !name.starts_with("broken") {
                std::fs::write(folder.join(format!("{name}.in")), &body).unwrap();
            }
            let read = parse(&body, InputFormat::Unknown);
            write(vec![Source::new("app", read)], Escaping::AllowUtf8, folder, &name);
        }
    }
}

fn write(sources: Vec<Source<'_>>, escaping: Escaping, folder: &Path, name: &str) {
    let text = if escaping == Escaping::AllowUtf8 { Syntax::QuotedText } else { Syntax::Text };
    // What text can tell, all can.
    let merged = merge_for(Format::new(text, escaping), vec![], sources);
    for (syntax, end) in [(text, "prom"), (Syntax::OpenMetrics, "om"), (Syntax::Protobuf, "pb")] {
        let mut out = Vec::new();
        render(&merged, Format::new(syntax, escaping), &mut out);
        std::fs::write(folder.join(format!("{name}.{end}")), out).unwrap();
    }
}

/// The same answers every time: merges of one to three random sources, in every format.
fn write_answers(folder: &Path, count: usize) {
    let escapings = [Escaping::Underscores, Escaping::AllowUtf8, Escaping::Values, Escaping::Dots];
    let mut runner = TestRunner::deterministic();
    let source = (bodies::body(), any::<bool>());
    let sources = proptest::collection::vec(source, 1..4);
    for number in 0..count {
        let sources = sources.new_tree(&mut runner).unwrap().current();
        let read = sources.iter().enumerate().map(|(at, (body, labelled))| {
            let read = parse(body.as_bytes(), InputFormat::Unknown);
            let source = Source::new(format!("s{at}"), read);
            if *labelled { source.labelled() } else { source }
        });
        write(read.collect(), escapings[number % 4], folder, &number.to_string());
    }
}
