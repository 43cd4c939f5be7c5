//! What reading, merging and writing ten megabytes of an app takes of memory.

#[path = "support/skip.rs"]
mod skip;

use std::fmt::Write as _;

use podmeter::exposition::{Format, InputFormat, Limits, Source, merge, render, scan_for};

/// Alone in its file: what a process had at most is of all its tests.
#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn a_large_exposition_takes_no_more_than_two_and_a_half_times_its_size() {
    let body = body();
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

/// Counters and histograms, 100,000 series in all.
fn body() -> Vec<u8> {
    let mut text = String::with_capacity(11 << 20);
    for family in 0..50 {
        let _ = writeln!(text, "# HELP app_requests_{family}_total Requests of handler {family}.");
        let _ = writeln!(text, "# TYPE app_requests_{family}_total counter");
        for series in 0..1000 {
            let _ = writeln!(
                text,
                "app_requests_{family}_total{{method=\"GET\",path=\"/api/v1/items/{series}\",\
                 status=\"200\",instance=\"10.0.{family}.7:8080\"}} {}",
                series * 7919
            );
        }
        let _ = writeln!(text, "# TYPE app_latency_{family}_seconds histogram");
        for series in 0..100 {
            let labels =
                format!("method=\"GET\",path=\"/api/v1/items/{series}\",zone=\"eu-{family}\"");
            let bounds = ["0.005", "0.05", "0.1", "0.5", "1", "2.5", "5", "+Inf"];
            for (count, le) in bounds.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "app_latency_{family}_seconds_bucket{{{labels},le=\"{le}\"}} {}",
                    count * 10
                );
            }
            let _ = writeln!(text, "app_latency_{family}_seconds_sum{{{labels}}} 12.0625");
            let _ = writeln!(text, "app_latency_{family}_seconds_count{{{labels}}} 70");
        }
    }
    text.into_bytes()
}
