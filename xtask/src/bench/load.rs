//! Drives a proxy with wrk, or h2load for HTTP/2, and believes it only when every request was
//! answered well.

use std::fmt;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::client;
use super::contenders::{Backend, Place};
use super::process::pinned;
use crate::workspace::command;

/// What a proxy is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests under way on each, in HTTP/2; without, it is HTTP/1.1.
    pub(crate) streams: Option<usize>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.streams {
            None => f.pad(&format!("{} connections", self.connections)),
            Some(streams) => f.pad(&format!("h2, {} x {streams}", self.connections)),
        }
    }
}

/// What the client got over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
}

/// Keeps a proxy busy for `duration`, from the core of the load.
pub(crate) fn drive(
    place: &Place,
    address: &SocketAddr,
    load: Load,
    duration: Duration,
) -> Result<Answered> {
    match load.streams {
        None => drive_http1(place, address, load.connections, duration),
        Some(streams) => drive_http2(place, address, load.connections, streams, duration),
    }
}

fn drive_http2(
    place: &Place,
    address: &SocketAddr,
    connections: usize,
    streams: usize,
    duration: Duration,
) -> Result<Answered> {
    let mut h2load = command("h2load");
    h2load
        .args(["--clients", &connections.to_string()])
        .args(["--max-concurrent-streams", &streams.to_string()])
        .args(["--duration", &duration.as_secs().to_string()])
        .arg(format!("http://{address}/"));
    let output = finish(pinned(place.cores.load, &h2load), duration + GRACE)?;
    parse_h2load(&output, duration)
}

/// Reads what h2load sums up; any error in it makes the run worthless.
fn parse_h2load(output: &str, elapsed: Duration) -> Result<Answered> {
    // "requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout"
    let line = output.lines().find(|line| line.starts_with("requests: "));
    let line = line.with_context(|| format!("h2load summed nothing up: {}", output.trim()))?;
    let number = |name: &str| -> Result<u64> {
        let mut fields = line.trim_start_matches("requests: ").split(", ");
        fields
            .find_map(|field| field.strip_suffix(name)?.trim().parse().ok())
            .with_context(|| format!("h2load's sums lack {name}: {line}"))
    };
    let (requests, good) = (number("done")?, number("succeeded")?);
    ensure!(requests > 0, "not one request was answered");
    ensure!(requests == good, "some requests failed: {line}");
    // "traffic: 1.05MB (1101234) total, ... (1024000) data"
    let data = output.lines().find_map(|line| {
        let (before, _) = line.strip_prefix("traffic: ")?.rsplit_once(") data")?;
        before.rsplit_once('(')?.1.parse::<u64>().ok()
    });
    let least = requests * Backend::BODY_BYTES as u64;
    ensure!(data.is_some_and(|data| data >= least), "some answers lacked their body: {output}");
    Ok(Answered { requests, elapsed })
}

fn drive_http1(
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
    let mut child = program.spawn().context("could not start the load")?;
    let deadline = Instant::now() + limit;
    while child.try_wait().context("could not wait for the load")?.is_none() {
        if Instant::now() > deadline {
            child.kill().and_then(|()| child.wait()).context("could not stop the load")?;
            bail!("the load did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Its few lines fit the pipes, so it never waited for us to read them.
    let output = child.wait_with_output().context("could not read what the load printed")?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "the load ended with {}: {}", output.status, text.trim());
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

    const GOOD_H2: &str = "finished in 1.00s, 2 req/s, 2.1KB/s\n\
        requests: 2 total, 2 started, 2 done, 2 succeeded, 0 failed, 0 errored, 0 timeout\n\
        traffic: 2.1KB (2100) total, 60B (60) headers (space savings 9%), 2.0KB (2048) data\n";

    #[test]
    fn the_sums_of_h2load_are_read_and_not_believed_with_an_error() {
        let second = Duration::from_secs(1);
        let answered = parse_h2load(GOOD_H2, second).unwrap();
        assert_eq!(answered, Answered { requests: 2, elapsed: second });
        for (good, bad) in
            [("2 succeeded", "1 succeeded"), ("2 done", "0 done"), ("(2048)", "(9)"), ("req", "x")]
        {
            assert!(parse_h2load(&GOOD_H2.replace(good, bad), second).is_err(), "{bad}");
        }
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
