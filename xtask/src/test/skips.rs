//! Collects which tests could not run here and why: cargo shows nothing of a test that passes,
//! so tests write it to a file as well (see `tests/support/skip.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The environment variable that names the file to tests.
pub(crate) const VARIABLE: &str = "PODMETER_SKIP_LOG";

/// The file that tests add a line to when they cannot run.
pub(crate) struct SkipLog {
    path: PathBuf,
}

impl SkipLog {
    /// Starts with an empty file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        fs::write(path, "").with_context(|| format!("could not write {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was skipped so far, a line each, in a stable order and each once: the same test
    /// may be asked twice.
    pub(crate) fn read(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(&self.path)
            .with_context(|| format!("could not read {}", self.path.display()))?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.dedup();
        Ok(lines)
    }
}

#[cfg(test)]
#[path = "../../../tests/support/skip.rs"]
mod skip;

#[cfg(test)]
mod tests {
    use std::process::Output;

    use super::*;
    use crate::workspace;

    /// Runs the test below in a process of its own, where it skips itself.
    fn run_a_test_that_skips_itself(log: &Path, in_ci: bool) -> Output {
        let mut program = workspace::command(std::env::current_exe().unwrap());
        program.args(["--exact", "test::skips::tests::a_test_that_skips_itself"]);
        program.env_remove("CI").env(SKIP_NOW, "1").env(VARIABLE, log);
        if in_ci {
            program.env("CI", "true");
        }
        program.output().unwrap()
    }

    const SKIP_NOW: &str = "XTASK_TEST_SKIPS_NOW";

    #[test]
    fn a_test_that_skips_itself() {
        if std::env::var_os(SKIP_NOW).is_some() {
            skip::skip("a_test", "no Prometheus here");
        }
    }

    fn empty_log(name: &str) -> SkipLog {
        SkipLog::create(&workspace::target_dir().unwrap().join(name)).unwrap()
    }

    #[test]
    fn what_a_test_says_it_skipped_is_read_back_once_and_shown_at_once() {
        let log = empty_log("xtask-skips-read.log");
        for _ in 0..2 {
            let output = run_a_test_that_skips_itself(log.path(), false);
            assert!(output.status.success());
            assert_eq!(output.stderr, b"SKIPPED: a_test: no Prometheus here\n");
        }
        assert_eq!(log.read().unwrap(), ["SKIPPED: a_test: no Prometheus here"]);
    }

    #[test]
    fn a_test_may_not_skip_itself_in_ci() {
        let log = empty_log("xtask-skips-ci.log");
        let output = run_a_test_that_skips_itself(log.path(), true);
        assert!(!output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let reason = "a_test was to be skipped (no Prometheus here), but CI is set, so it must run";
        assert!(said.contains(reason), "{said}");
    }

    #[test]
    fn a_log_that_cannot_be_written_fails_the_test_rather_than_hide_the_skip() {
        let output = run_a_test_that_skips_itself(Path::new("/no/such/folder/log"), false);
        assert!(!output.status.success());
    }
}
