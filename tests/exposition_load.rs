//! What reading, merging and writing ten megabytes of an app takes of memory.

#[path = "../benches/bodies/exposition.rs"]
mod bodies;
#[path = "support/skip.rs"]
mod skip;

use podmeter::exposition::{Format, InputFormat, Limits, Source, merge, render, scan_for};

/// Alone in its file: what a process had at most is of all its tests.
#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn a_large_exposition_takes_no_more_than_two_and_a_half_times_its_size() {
    let body = bodies::body();
    let Some(before) = most_memory() else {
        return skip::skip(
            "exposition memory",
            "what a process had of memory is told by /proc alone",
        );
    };
    let app = scan_for(Format::TEXT, &body, InputFormat::Text, &Limits::default());
    assert_eq!(app.samples(), 100_000);
    let merged = merge(vec![], vec![Source::new("app", app)]);
    let mut out = Vec::new();
    render(&merged, Format::TEXT, &mut out);
    let taken = most_memory().unwrap() - before + body.len();
    assert_eq!(out, body);
    assert!(taken * 2 < body.len() * 5, "{taken} bytes for {} of input", body.len());
}

/// Bytes that the process had in memory at most.
fn most_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()? * 1024)
}
