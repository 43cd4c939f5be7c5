//! Drives a proxy with wrk and believes it only when every request was answered well.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::client;
use super::contenders::{Backend, Place};
use super::process::pinned;
use crate::workspace::command;

/// What wrk got over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
}

/// Keeps `connections` connections busy for `duration`, on the core of the load.
pub(crate) fn drive(
    place: &Place,
    address: &SocketAddr,
    connections: usize,
    duration: Duration,
) -> Result<Answered> {
    let probe = client::get(*address, "/")?;
    ensure!(
        probe.status == 200 && probe.body_bytes == Backend::BODY_BYTES,
        "a request was answered {} with a body of {} bytes",
        probe.status,
        probe.body_bytes
    );
    let script = place.write("totals.lua", TOTALS)?;
    let mut wrk = command("wrk");
    wrk.args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", duration.as_secs()), "--timeout", "5s", "--script"])
        .arg(script)
        .arg(format!("http://{address}/"));
    let output = finish(pinned(place.cores.load, &wrk), duration + GRACE)?;
    parse_totals(&output)
}

/// How much longer than asked wrk may run.
const GRACE: Duration = Duration::from_secs(20);

/// The output of a program that is killed when it does not end in time.
fn finish(mut program: Command, limit: Duration) -> Result<String> {
    let program = program.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().context("could not start wrk")?;
    let deadline = Instant::now() + limit;
    while child.try_wait().context("could not wait for wrk")?.is_none() {
        if Instant::now() > deadline {
            child.kill().and_then(|()| child.wait()).context("could not stop wrk")?;
            bail!("wrk did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Its few lines fit the pipes, so it never waited for us to read them.
    let output = child.wait_with_output().context("could not read what wrk printed")?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "wrk ended with {}: {}", output.status, text.trim());
    Ok(text)
}

/// Reads the line that the script prints; any error in it makes the run worthless.
fn parse_totals(output: &str) -> Result<Answered> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .with_context(|| format!("wrk printed no totals: {}", output.trim()))?;
    let field = |name: &str| -> Result<u64> {
        line.split(' ')
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse().ok())
            .with_context(|| format!("wrk's totals lack {name}: {line}"))
    };
    for kind in ["connect", "read", "write", "status", "timeout"] {
        let errors = field(kind)?;
        ensure!(errors == 0, "wrk counted {errors} {kind} errors: {line}");
    }
    let requests = field("requests")?;
    ensure!(requests > 0, "not one request was answered");
    // wrk takes any status below 400 for good; an answer without the body would show here.
    let least = requests * Backend::BODY_BYTES as u64;
    ensure!(field("bytes")? >= least, "some answers lacked their body: {line}");
    Ok(Answered { requests, elapsed: Duration::from_micros(field("microseconds")?) })
}

/// Prints wrk's totals as numbers that need no guessing at units.
const TOTALS: &str = r#"
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "totals: requests=%d bytes=%d microseconds=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
        summary.requests, summary.bytes, summary.duration,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"#;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 1s test\ntotals: requests=2 bytes=2400 microseconds=1000000 \
                        connect=0 read=0 write=0 status=0 timeout=0\n";

    #[test]
    fn the_totals_of_a_good_run_are_read() {
        let answered = parse_totals(GOOD).unwrap();
        assert_eq!(answered, Answered { requests: 2, elapsed: Duration::from_secs(1) });
    }

    #[test]
    fn a_run_with_any_error_is_not_believed() {
        for (good, bad) in [
            ("status=0", "status=1"),
            ("read=0", "read=3"),
            ("timeout=0", ""),
            ("requests=2", "requests=0"),
            ("bytes=2400", "bytes=400"),
            ("totals:", "Requests/sec:"),
        ] {
            assert!(parse_totals(&GOOD.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
