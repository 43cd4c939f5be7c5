//! What a person sees who tries podmeter first: the real program's table, verdict and end.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_table_shows_a_canary_that_is_worse_than_its_primary_and_says_what_follows() {
    let _ports = beside_others();
    let run = Demo::start("4s").finish();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(run.errors, "");

    let (primary, canary) = (run.last_row("primary"), run.last_row("canary"));
    assert!(primary[REQUESTS] >= 50.0 && canary[REQUESTS] >= 50.0, "{run:?}");
    assert!((primary[SUCCESS] - 100.0).abs() < 0.01, "{run:?}");
    assert!((80.0..99.0).contains(&canary[SUCCESS]), "{run:?}");
    assert!(canary[P50] > primary[P50], "{run:?}");
    // Its app takes at least 12 ms, and one time in twenty at least 120 ms.
    assert!(canary[P50] >= 10.0 && canary[P99] >= 100.0, "{run:?}");

    let verdict = run.output.lines().last().unwrap();
    assert!(verdict.starts_with("The canary answers "), "{verdict}");
    assert!(verdict.ends_with("would roll it back."), "{verdict}");
}

#[test]
fn the_sidecars_count_every_answer_that_the_client_had_and_no_other() {
    let _ports = beside_others();
    let run = Demo::start("2s").finish();
    let counts = run.output.lines().find(|line| line.starts_with("Answers that")).unwrap();
    let numbers: Vec<f64> = numbers(counts).collect();
    assert_eq!(numbers.len(), 2, "{counts}");
    assert!(numbers[0] > 0.0 && (numbers[0] - numbers[1]).abs() < 0.5, "{counts}");
    let shown = run.last_row("primary")[REQUESTS] + run.last_row("canary")[REQUESTS];
    assert!((shown - numbers[1]).abs() < 0.5, "{run:?}");
}

#[test]
fn while_it_runs_the_printed_addresses_answer_and_afterwards_none_does() {
    let _ports = alone();
    let mut demo = Demo::start("1h");
    let guide = demo.read_until("# 99th percentile");
    let addresses = addresses(&guide);
    // Of each sidecar the listener, its app, the stats and the operators' listener.
    assert_eq!(addresses.len(), 8, "{guide}");
    for address in &addresses {
        TcpStream::connect(address).unwrap();
    }
    let scrape = get(stats(&guide, "canary"), "/stats/prometheus");
    let series = "istio_requests_total{reporter=\"destination\",";
    assert!(scrape.contains(series), "{scrape}");
    assert!(scrape.contains("destination_workload=\"podinfo\""), "{scrape}");
    assert!(scrape.contains("destination_workload_namespace=\"demo\""), "{scrape}");

    demo.tell(Signal::INT);
    let run = demo.finish();
    assert!(run.status.success(), "{run:?}");
    assert!(run.output.contains("success"), "{run:?}");
    for address in &addresses {
        TcpStream::connect(address).unwrap_err();
    }
}

#[test]
fn one_scrape_of_the_primary_has_the_workers_own_metrics_too() {
    let _ports = beside_others();
    let mut demo = Demo::start("1h");
    let guide = demo.read_until("# 99th percentile");
    let scrape = get(stats(&guide, "primary"), "/stats/prometheus");
    assert_eq!(scrape.matches("\n# TYPE worker_jobs_total counter\n").count(), 1, "{scrape}");
    assert!(scrape.contains("\nworker_job_duration_seconds_bucket{le=\"+Inf\"} "), "{scrape}");
    assert!(scrape.contains("destination_workload=\"podinfo-primary\""), "{scrape}");
}

#[test]
fn what_is_to_be_pasted_names_both_targets_and_the_queries_that_tell_them_apart() {
    let _ports = beside_others();
    let mut demo = Demo::start("1h");
    let guide = demo.read_until("# 99th percentile");
    let targets = guide.lines().find(|line| line.contains("targets:")).unwrap();
    let both = [stats(&guide, "primary"), stats(&guide, "canary")];
    assert_eq!(addresses(targets), both, "{targets}");
    assert!(guide.contains("response_code!~\"5.*\""), "{guide}");
    assert!(guide.contains("destination_workload=~\"podinfo\""), "{guide}");
}

#[test]
fn sigterm_ends_it_with_a_last_table_and_success() {
    let _ports = beside_others();
    let mut demo = Demo::start("1h");
    demo.read_until("# 99th percentile");
    demo.tell(Signal::TERM);
    let run = demo.finish();
    assert!(run.status.success(), "{run:?}");
    // It may be too early for a verdict, but never for its sentence.
    assert!(run.output.trim_end().ends_with('.'), "{run:?}");
}

#[test]
fn nothing_of_it_outlives_a_kill() {
    let _ports = alone();
    let mut demo = Demo::start("1h");
    let guide = demo.read_until("# 99th percentile");
    let children = format!("/proc/{0}/task/{0}/children", demo.child.id());
    assert_eq!(std::fs::read_to_string(children).unwrap(), "");
    demo.tell(Signal::KILL);
    demo.finish();
    for address in addresses(&guide) {
        TcpStream::connect(address).unwrap_err();
    }
}

#[test]
fn a_sidecar_that_is_told_to_end_ends_the_demo_with_one_line() {
    let _ports = beside_others();
    let mut demo = Demo::start("1h");
    let guide = demo.read_until("# 99th percentile");
    let operators = guide.lines().find(|line| line.ends_with("for operators")).unwrap();
    ask("POST", addresses(operators)[0], "/quitquitquit");
    let run = demo.finish();
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let stats = stats(&guide, "primary");
    let start = format!("podmeter: could not scrape http://{stats}/stats/prometheus: ");
    assert!(run.errors.starts_with(&start), "{run:?}");
    assert_eq!(run.errors.lines().count(), 1, "{run:?}");
}

#[test]
fn who_has_read_enough_ends_it_without_a_complaint() {
    let _ports = beside_others();
    let mut demo = Demo::start("2s");
    // The pipe closes before the last table is written.
    demo.output = None;
    let run = demo.finish();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(run.errors, "");
}

#[test]
fn a_duration_that_is_none_is_refused_in_one_line() {
    for duration in ["0s", "500ms", "25h", "-1s", "soon", ""] {
        let output = program().arg(format!("--duration={duration}")).output().unwrap();
        let sentence = format!(
            "podmeter: --duration is {duration:?}, but it takes a duration from 1s to 24h, such \
             as 250ms, 15s, 2m or 1h\n"
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), sentence);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_help_says_what_it_starts_and_how_it_ends() {
    let output = program().arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["sidecar", "canary", "Ctrl-C", "--duration <DURATION>", "Examples:"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
}

/// Held by tests in which demos come and go, so that no port of theirs is taken for a port that
/// another test believes to be free again.
static PORTS: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    // A test that failed has still given its ports back.
    PORTS.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    PORTS.write().unwrap_or_else(PoisonError::into_inner)
}

/// A demo that runs. It is killed when dropped.
struct Demo {
    child: Child,
    output: Option<BufReader<std::process::ChildStdout>>,
}

/// How one ended.
#[derive(Debug)]
struct Run {
    status: ExitStatus,
    output: String,
    errors: String,
}

impl Demo {
    fn start(duration: &str) -> Self {
        let mut child = program()
            .args(["--duration", duration])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// Its output up to the line that begins with `mark`.
    fn read_until(&mut self, mark: &str) -> String {
        let mut read = String::new();
        let output = self.output.as_mut().unwrap();
        while !read.lines().next_back().is_some_and(|line| line.starts_with(mark)) {
            let more = output.read_line(&mut read).unwrap();
            assert!(more > 0, "it ended before {mark:?}: {read}");
        }
        read
    }

    fn tell(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What is left of its output, and its end.
    fn finish(mut self) -> Run {
        let (mut output, mut errors) = (String::new(), String::new());
        if let Some(mut rest) = self.output.take() {
            rest.read_to_string(&mut output).unwrap();
        }
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        Run { status: self.child.wait().unwrap(), output, errors }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Run {
    /// The numbers of the last table's row.
    fn last_row(&self, role: &str) -> Vec<f64> {
        let is_row = |line: &&str| {
            let mut words = line.split_whitespace();
            words.next() == Some(role) && words.next().is_some_and(|w| w.parse::<u64>().is_ok())
        };
        let row = self.output.lines().rfind(is_row).unwrap();
        let row: Vec<f64> = numbers(row).collect();
        assert_eq!(row.len(), 5, "{}", self.output);
        row
    }
}

/// Columns of the table.
const REQUESTS: usize = 0;
const SUCCESS: usize = 2;
const P50: usize = 3;
const P99: usize = 4;

/// The program, with nothing of our environment that it reads.
fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_podmeter"));
    program.env_clear().arg("demo");
    program
}

/// The numbers among the words of a line, units left out.
fn numbers(line: &str) -> impl Iterator<Item = f64> {
    line.split_whitespace().filter_map(|word| {
        let number = word.trim_end_matches("/s").trim_end_matches('.');
        number.parse().ok()
    })
}

/// Every address of a text, each once.
fn addresses(text: &str) -> Vec<SocketAddr> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in words.filter_map(|word| word.trim_start_matches(':').parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Where the guide says that a workload's metrics are.
fn stats(guide: &str, role: &str) -> SocketAddr {
    let is_it = |line: &&str| line.trim_start().starts_with(role) && line.contains("http://");
    addresses(guide.lines().find(is_it).unwrap())[0]
}

fn get(address: SocketAddr, path: &str) -> String {
    ask("GET", address, path)
}

/// The answer, head and all, of a server that closes the connection of HTTP/1.0.
fn ask(method: &str, address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "{method} {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}
