//! What promtool thinks of an exposition.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::process::program;

/// Runs `promtool check metrics`. Remarks on names are given back; what it cannot read fails.
pub(crate) fn lint(text: &str) -> Option<Vec<String>> {
    let mut child = Command::new(program("promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // 1 is "cannot be parsed", 3 is "could be named better".
    assert!(matches!(output.status.code(), Some(0 | 3)), "promtool: {said}");
    Some(said.lines().map(str::to_owned).collect())
}
