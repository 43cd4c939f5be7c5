//! Says which tests could not run here and why, so that none passes silently.
//!
//! A suite takes it in with `#[path = "support/skip.rs"] mod skip;`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Says that `test` cannot run here because of `why`; the caller then returns.
///
/// The line goes to stderr and, under `cargo xtask test`, to the file that its closing lines
/// are read from.
///
/// # Panics
///
/// Where the environment variable `CI` is set, since there everything must run.
#[expect(clippy::disallowed_methods, reason = "a test's surroundings are told by variables")]
pub(crate) fn skip(test: &str, why: &str) {
    let in_ci = std::env::var_os("CI").is_some();
    let log = std::env::var_os("PODMETER_SKIP_LOG");
    let refusal = record(test, why, in_ci, log.as_deref().map(Path::new)).err();
    assert!(refusal.is_none(), "{}", refusal.unwrap_or_default());
}

/// Writes the line to stderr and to `log`; an error is a sentence that says why it may not be.
fn record(test: &str, why: &str, in_ci: bool, log: Option<&Path>) -> Result<(), String> {
    if in_ci {
        return Err(format!("{test} was to be skipped ({why}), but CI is set, so it must run"));
    }
    let line = format!("SKIPPED: {test}: {why}\n");
    // Not `eprintln!`, which cargo swallows when the test passes.
    let mut written = std::io::stderr().write_all(line.as_bytes());
    if let Some(log) = log {
        // Appended in one write, as several suites may write at once.
        written = written.and_then(|()| {
            let mut file = OpenOptions::new().create(true).append(true).open(log)?;
            file.write_all(line.as_bytes())
        });
    }
    written.map_err(|error| format!("could not say that {test} was skipped: {error}"))
}
