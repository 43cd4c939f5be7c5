//! `podmeter demo`: the main job on this machine.

use std::io::{self, IsTerminal};
use std::time::Duration;

use super::Failure;
use super::signals::Signals;
use crate::config::{self, Log, LogFormat};
use crate::demo::{self, DemoError, Screen};
use crate::logging;

/// See it work: two versions of an app on this machine, a sidecar before each, and their numbers.
///
/// Starts a stable app (the primary) and a worse one (the canary), which has a few per cent of
/// errors and is slower. Neither has a line of metrics code. Before each stands a real sidecar,
/// and a small client sends both a steady load of some 300 requests a second. A third app, a
/// worker beside the primary, has metrics of its own, which the primary's sidecar merges into its
/// answer.
///
/// It prints where to look, what to paste into a Prometheus, and then a table made of nothing but
/// what the sidecars answer to a scrape. On a terminal the table is redrawn in place; elsewhere
/// one is written every five seconds. Everything listens on free ports of 127.0.0.1, and all of
/// it ends with the command: on Ctrl-C, on SIGTERM, or after `--duration`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// How long to run, such as `30s` or `5m`; without it, until Ctrl-C.
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true)]
    duration: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  podmeter demo                        until Ctrl-C
  podmeter demo --duration 30s         a table over half a minute, and a verdict
  podmeter demo --duration 30s | tee report.txt";

/// Runs the demo until it is told to stop.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let duration = args
        .duration
        .as_deref()
        .map(|text| config::duration("duration", text, SHORTEST..=LONGEST))
        .transpose()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    // A line among its own would break the table; what ends the demo is told as it ends.
    let log = Log { level: "error".to_owned(), format: LogFormat::Text };
    logging::init(&log).map_err(|error| Failure::Run(error.into()))?;
    match play(duration) {
        // `podmeter demo | head` has read all it wants.
        Err(DemoError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended.map_err(|error| Failure::Run(error.into())),
    }
}

fn play(duration: Option<Duration>) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::new()?;
        let stop = async {
            tokio::select! {
                () = signals.next() => {}
                () = demo::after(duration) => {}
            }
        };
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        demo::run(Screen::new(out, is_terminal), stop).await
    })
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
