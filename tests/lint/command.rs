//! The command as it is used from a shell.

use podmeter::exposition::{Rule, Severity};
use serde_json::Value;

use crate::{lint, text};

#[test]
fn each_problem_is_a_line_and_the_exit_code_says_that_there_is_one() {
    let output = lint(&[], b"a 1\nb{c=\"d} 2\ne x\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "1:1: warning: a: the family has no # HELP\n\
         2:5: the quote is not closed on this line\n\
         3:3: expected a number as value\n"
    );
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn what_is_valid_is_silent() {
    let output = lint(&["-"], b"# HELP a Some.\n# TYPE a gauge\na 1\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
}

#[test]
fn warnings_fail_only_strictly() {
    let body = b"# TYPE requests counter\nrequests 1\n";
    let output = lint(&[], body);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(said.contains("1:8: warning: requests: a counter's name ends with _total\n"), "{said}");
    assert_eq!(lint(&["--strict"], body).status.code(), Some(1));
    let good = b"# HELP requests_total Some.\n# TYPE requests_total counter\nrequests_total 1\n";
    assert_eq!(lint(&["--strict"], good).status.code(), Some(0));
}

#[test]
fn of_several_sources_each_line_names_its_own_and_the_worst_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.prom"), "# HELP a x\na 1\n").unwrap();
    std::fs::write(path("bad.prom"), "a\n").unwrap();
    let (good, bad, absent) = (path("good.prom"), path("bad.prom"), path("absent"));
    let output = lint(&[&good, &bad], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), format!("{bad}:1:2: expected a number as value\n"));
    let output = lint(&[&absent, &bad, folder.path().to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), format!("{bad}:1:2: expected a number as value\n"));
    assert_eq!(
        text(&output.stderr),
        format!(
            "podmeter: {absent} could not be read: No such file or directory (os error 2)\n\
             podmeter: {} could not be read: it is a directory\n",
            folder.path().display()
        )
    );
}

#[test]
fn the_format_is_told_by_flag_then_by_name_then_by_content() {
    let om = b"# HELP a x\n# TYPE a counter\na_total 1\n# EOF\n";
    assert_eq!(lint(&[], om).status.code(), Some(0));
    assert_eq!(lint(&["--format", "openmetrics"], om).status.code(), Some(0));
    // As text `# EOF` is a comment, and `a_total` is not the counter `a`.
    assert_eq!(lint(&["--format", "text"], b"a 1\n\n# EOF\n").status.code(), Some(0));
    assert_eq!(lint(&[], b"a 1\n\n# EOF\n").status.code(), Some(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.prom");
    std::fs::write(&path, "a 1\n\n# EOF\n").unwrap();
    assert_eq!(lint(&[path.to_str().unwrap()], b"").status.code(), Some(0));
    let path = folder.path().join("app.om");
    std::fs::write(&path, "a 1\n").unwrap();
    assert_eq!(lint(&[path.to_str().unwrap()], b"").status.code(), Some(1));
}

#[test]
fn json_says_the_same_to_programs() {
    let output = lint(&["--json", "-", "/nonexistent"], b"a 1\nb{c=\"d} 2\n");
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &told[0];
    assert_eq!(first["source"], "standard input");
    assert_eq!((&first["valid"], &first["format"]), (&Value::Bool(false), &"text".into()));
    assert_eq!((&first["errors"], &first["warnings"]), (&1.into(), &1.into()));
    let finding = &first["findings"][1];
    assert_eq!((&finding["line"], &finding["column"]), (&2.into(), &5.into()));
    assert_eq!((&finding["severity"], &finding["rule"]), (&"error".into(), &"open_quote".into()));
    assert_eq!(told[1]["valid"], Value::Null);
    assert!(told[1]["error"].as_str().unwrap().contains("No such file"), "{told}");
}

#[test]
fn colour_and_a_caret_are_for_people() {
    let output = lint(&["--color", "always"], b"a 1\n\tb{c=\"d} 2\n");
    let said = text(&output.stdout);
    assert!(said.contains("\x1b[1;31merror:\x1b[0m the quote is not closed"), "{said}");
    assert!(said.contains(" b{c=\"d} 2\n"), "{said}");
    assert!(said.contains(&format!("\x1b[1;32m{}^\x1b[0m", " ".repeat(5))), "{said}");
    let plain = text(&lint(&["--color", "never"], b"a 1\n\tb{c=\"d} 2\n").stdout);
    assert!(!plain.contains('\x1b') && !plain.contains('^'), "{plain}");
}

#[test]
fn a_bad_command_line_is_one_sentence() {
    for (args, sentence) in [
        (&["--format", "json"][..], "--format"),
        (&["--max-bytes", "lots"], "--max-bytes is \"lots\", but it takes a size"),
        (&["--colour", "always"], "--colour is not known; did you mean --color?"),
        (&["ftp://host/metrics"], "the source is \"ftp://host/metrics\", but it takes"),
    ] {
        let output = lint(args, b"");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(sentence) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn the_help_has_examples_and_the_exit_codes() {
    let output = lint(&["--help"], b"");
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    for part in ["Examples:", "Exit codes: 0", "--strict", "--format", "--color", "--json"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

#[test]
fn the_documentation_has_every_rule_with_its_severity_and_sentence() {
    let documented = include_str!("../../docs/lint-and-merge.md");
    let rows = documented.lines().filter(|line| {
        line.starts_with("| `") && (line.contains("error |") || line.contains("warning |"))
    });
    assert_eq!(rows.count(), Rule::ALL.len());
    for rule in Rule::ALL {
        let severity = match (rule.severity(false), rule.severity(true)) {
            (Severity::Warning, Severity::Error) => "error, in text a warning",
            (severity, _) => severity.as_str(),
        };
        let row = format!("| `{}` | {severity} | {} |\n", rule.code(), rule.sentence());
        assert!(documented.contains(&row), "no {row}");
    }
}
