//! `cargo xtask test`: everything that must hold before a change is accepted, in one command.
//!
//! Suites that need load are files `tests/*_load.rs`. Each of their tests carries
//! `#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]`, so that they are
//! compiled and linted with the rest, but run only in the release profile, one suite at a time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::workspace::{self, cargo, describe, root};

mod node;
pub(crate) mod python;
mod skips;

/// Runs every step up to the first that fails, then says what was skipped.
pub(crate) fn run() -> Result<()> {
    let target = workspace::target_dir()?;
    let mut steps = Steps::default();
    steps.step("packages", || packages::ensure(packages::FOR_TESTS))?;
    let python = steps.step("python", || python::ensure(&target.join("venv")))?;
    let modules = steps.step("node", || node::ensure(&target.join("npm")))?;
    steps.cargo("format", cargo().args(["fmt", "--all", "--", "--check"]))?;
    steps.cargo(
        "lint",
        cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked", "--"])
            .args(["-D", "warnings"]),
    )?;
    let skips = skips::SkipLog::create(&target.join("skipped-tests.log"))?;
    let with_surroundings = |command: &mut Command| {
        command.env("PODMETER_PYTHON", &python).env("PODMETER_NODE_MODULES", &modules);
        command.env(skips::VARIABLE, skips.path());
    };
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked"]);
    with_surroundings(&mut tests);
    steps.cargo("test", &mut tests)?;
    for suite in load_suites(&root().join("tests"))? {
        let mut load = cargo();
        load.args(["test", "--release", "--locked", "--test", &suite]);
        with_surroundings(&mut load);
        steps.cargo("load", &mut load)?;
    }
    // Private items too: the reader of a program reads those, and their links break first.
    steps.cargo(
        "doc",
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"])
            .arg("--quiet")
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    conclude(&steps, &skips.read()?, workspace::in_ci())
}

/// The last lines: what was skipped and how long each step took.
fn conclude(steps: &Steps, skipped: &[String], in_ci: bool) -> Result<()> {
    println!();
    for line in skipped {
        println!("{line}");
    }
    if in_ci && !skipped.is_empty() {
        bail!("{} tests were skipped, and here none may be", skipped.len());
    }
    let skipped = if skipped.is_empty() { "nothing".into() } else { skipped.len().to_string() };
    println!("All steps passed, {skipped} skipped: {}", steps.summary());
    Ok(())
}

/// The names of the suites that need load.
fn load_suites(tests: &Path) -> Result<Vec<String>> {
    if !tests.is_dir() {
        return Ok(Vec::new());
    }
    let mut suites = Vec::new();
    let entries =
        tests.read_dir().with_context(|| format!("could not list {}", tests.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("could not list {}", tests.display()))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "rs") && stem.ends_with("_load") {
            suites.push(stem.to_owned());
        }
    }
    suites.sort();
    Ok(suites)
}

/// The steps done so far and how long each took.
#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Runs a cargo command as a step; its output passes through untouched.
    fn cargo(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        println!("==> {name}: {}", describe(command));
        self.timed(name, || workspace::run(command))
    }

    /// Runs a step that is not a single command.
    fn step<T>(&mut self, name: &'static str, action: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {name}");
        self.timed(name, action)
    }

    fn timed<T>(&mut self, name: &'static str, action: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = action().with_context(|| format!("the step `{name}` failed"))?;
        let took = start.elapsed();
        println!("    {name} took {:.1} s", took.as_secs_f64());
        self.done.push((name, took));
        Ok(result)
    }

    fn summary(&self) -> String {
        let each: Vec<String> = self
            .done
            .iter()
            .map(|(name, took)| format!("{name} {:.1} s", took.as_secs_f64()))
            .collect();
        each.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_that_fails_is_named() {
        let mut steps = Steps::default();
        let error = steps.step("python", || -> Result<()> { bail!("no venv") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `python` failed: no venv");
        assert!(steps.done.is_empty());
    }

    #[test]
    fn a_skipped_test_fails_the_run_in_ci_alone() {
        let steps = Steps::default();
        let skipped = ["SKIPPED: a: b".to_owned()];
        assert!(conclude(&steps, &skipped, false).is_ok());
        assert!(conclude(&steps, &skipped, true).is_err());
        assert!(conclude(&steps, &[], true).is_ok());
    }

    #[test]
    fn load_suites_are_known_by_their_names() {
        let folder = workspace::target_dir().unwrap().join("xtask-load-suites");
        std::fs::create_dir_all(folder.join("support_load")).unwrap();
        for file in ["b_load.rs", "a_load.rs", "load.rs", "payload.rs", "a_load.txt"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        assert_eq!(load_suites(&folder).unwrap(), ["a_load", "b_load"]);
        assert_eq!(load_suites(&folder.join("absent")).unwrap(), Vec::<String>::new());
    }
}
