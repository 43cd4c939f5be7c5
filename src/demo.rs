//! Shows on one machine what podmeter is for: a canary is told from its primary although neither
//! has metrics.
//!
//! Everything is a part of this process: the apps ([`apps`], [`worker`]), the sidecars before
//! them ([`sidecar`], which is the proxy as `podmeter proxy` runs it) and the client ([`load`]).
//! The table comes from nothing but scrapes ([`scraper`]): what it can tell, a Prometheus can.

mod apps;
mod guide;
mod load;
mod quantile;
mod reading;
mod scraper;
mod screen;
mod sidecar;
mod table;
mod worker;

pub(crate) use screen::Screen;

use crate::app::AppError;
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::drain::Drain;
use apps::Version;
use load::{Answers, Load};
use reading::{JOBS, Reading};
use scraper::{ScrapeError, scrape};
use sidecar::{Pod, Sidecar};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;
use table::{Row, table, verdict};
use tokio::time::{Instant, interval_at};

/// Why the demo ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// A sidecar would not take its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A sidecar did not start.
    #[error(transparent)]
    Sidecar(#[from] AppError),
    /// A sidecar listens nowhere.
    #[error("the sidecar of {workload} has no address")]
    Nowhere {
        /// The workload it stands for.
        workload: &'static str,
    },
    /// A sidecar's thread ended with a panic.
    #[error("the sidecar of {workload} panicked")]
    Panicked {
        /// The workload it stands for.
        workload: &'static str,
    },
    /// A sidecar does not tell what it counted.
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
    /// What the demo shows could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// The kernel did not give what the demo needs.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Runs everything until `stop` is ready, shows it, and leaves nothing behind.
pub(crate) async fn run<W: Write>(
    mut screen: Screen<W>,
    stop: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let apps = Drain::default();
    let primary = Version::STABLE.start(&apps).await?;
    let canary = Version::WORSE.start(&apps).await?;
    let worker = worker::start(&apps).await?;
    let stage = Stage {
        primary: Sidecar::start(PRIMARY, primary, Some(worker))?,
        canary: Sidecar::start(CANARY, canary, None)?,
        clock: Clock::start(),
    };
    let shown = show(&stage, &mut screen, stop).await;
    // In the order in which a request passes them, so that each has nothing left to do.
    let stopped = stage.clear().await;
    apps.stop().await;
    shown.and(stopped)
}

/// Ready after `duration`, or never.
pub(crate) async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Both sidecars, and the clock that their readings are dated by.
#[derive(Debug)]
struct Stage {
    primary: Sidecar,
    canary: Sidecar,
    clock: Clock,
}

/// A reading of both sidecars.
#[derive(Clone, Debug)]
struct Readings {
    primary: Reading,
    canary: Reading,
}

impl Stage {
    async fn read(&self) -> Result<Readings, DemoError> {
        let (primary, canary) = tokio::try_join!(
            scrape(&self.primary, &self.clock),
            scrape(&self.canary, &self.clock)
        )?;
        Ok(Readings { primary, canary })
    }

    async fn clear(self) -> Result<(), DemoError> {
        let (primary, canary) = tokio::join!(self.primary.stop(), self.canary.stop());
        primary.and(canary)
    }
}

/// Says where to look, loads the sidecars, and shows their numbers until `stop` is ready.
async fn show<W: Write>(
    stage: &Stage,
    screen: &mut Screen<W>,
    stop: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    screen.say(&guide::guide(&stage.primary, &stage.canary)).map_err(DemoError::Output)?;
    let first = stage.read().await?;
    let load = Drain::default();
    let answers = [
        Load::PRIMARY.start(stage.primary.listen, &load),
        Load::CANARY.start(stage.canary.listen, &load),
    ];
    let watched = watch(stage, screen, &first, stop).await;
    load.stop().await;
    watched?;
    conclude(screen, &first, &stage.read().await?, &answers).map_err(DemoError::Output)
}

/// Draws a table again and again, each of the last few seconds.
async fn watch<W: Write>(
    stage: &Stage,
    screen: &mut Screen<W>,
    first: &Readings,
    stop: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let mut stop = pin!(stop);
    let pause = if screen.redraws() { REDRAW } else { NEXT_TABLE };
    let mut ticks = interval_at(Instant::now() + pause, pause);
    let mut past = VecDeque::from([first.clone()]);
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = tokio::select! {
            biased;
            () = stop.as_mut() => return Ok(()),
            now = stage.read() => now?,
        };
        while past.len() > 1 && now.canary.at.since(past[1].canary.at) >= WINDOW {
            past.pop_front();
        }
        let tables = tables(&past[0], &now);
        screen.draw(&tables).map_err(DemoError::Output)?;
        past.push_back(now);
    }
}

/// The last table, over the whole run, and what is to be learnt from it.
fn conclude<W: Write>(
    screen: &mut Screen<W>,
    first: &Readings,
    last: &Readings,
    answers: &[Answers],
) -> io::Result<()> {
    screen.draw(&tables(first, last))?;
    let had: u64 = answers.iter().map(Answers::total).sum();
    let counted = last.primary.requests + last.canary.requests;
    let verdict = verdict(&last.primary.since(&first.primary), &last.canary.since(&first.canary));
    screen.say(&format!(
        "Answers that the client had: {had}. Requests that the sidecars counted: {counted}.\n\
         {verdict}\n"
    ))
}

/// The table of what passed between two readings.
fn tables(from: &Readings, to: &Readings) -> String {
    let (primary, canary) = (to.primary.since(&from.primary), to.canary.since(&from.canary));
    let mut text =
        format!("Over {:.0} s, by what the sidecars answer to a scrape\n", canary.seconds);
    text += &table(&[
        Row { role: "primary", requests: to.primary.requests, traffic: &primary },
        Row { role: "canary", requests: to.canary.requests, traffic: &canary },
    ]);
    if let Some(jobs) = to.primary.jobs {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{JOBS} {jobs}, the worker's own metric, in the primary's answer");
    }
    text.push('\n');
    text
}

/// The stable workload, as Flagger names it.
const PRIMARY: Pod =
    Pod { workload: "podinfo-primary", name: "podinfo-primary-5d8f7c-k4zq9", version: "6.0" };
/// The workload that is being released.
const CANARY: Pod = Pod { workload: "podinfo", name: "podinfo-7b9c6d-x2m8w", version: "6.1" };

/// From one table to the next on a terminal, and elsewhere.
const REDRAW: Duration = Duration::from_secs(1);
const NEXT_TABLE: Duration = Duration::from_secs(5);
/// How far a table looks back, in nanoseconds.
const WINDOW: u64 = 10_000_000_000;
