//! `podmeter wait`: for containers in which there is no shell to wait in.

use std::time::Duration;

use super::Failure;
use crate::config::{self, AppMetrics};
use crate::scrape::{FetchError, Scraper, fetch_once};
use tokio::time::{Instant, sleep};

/// Wait for a proxy to be ready, or for a while.
///
/// For the hooks of a container whose image has nothing but this program: `podmeter inject
/// --native-sidecar false` writes them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait until this URL answers with 200, such as `http://127.0.0.1:15021/healthz/ready`.
    #[arg(long, value_name = "URL")]
    until_ready: Option<String>,

    /// How long: all of it, or at most this with `--until-ready`.
    #[arg(value_name = "DURATION")]
    duration: String,
}

/// Waits.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let duration =
        config::duration("duration", &args.duration, Duration::ZERO..=A_DAY).map_err(|_| {
            Failure::Usage(format!("{:?} is no duration; write 5s or 2m", args.duration))
        })?;
    let url = args.until_ready.as_deref().map(str::parse::<AppMetrics>).transpose();
    let url = url.map_err(|_| {
        let url = args.until_ready.as_deref().unwrap_or_default();
        Failure::Usage(format!("--until-ready is {url:?}, but it takes an http:// URL"))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(error.into()))?;
    runtime.block_on(async {
        match &url {
            None => {
                sleep(duration).await;
                Ok(())
            }
            Some(url) => until_ready(url, Instant::now() + duration)
                .await
                .map_err(|error| Failure::Run(error.into())),
        }
    })
}

async fn until_ready(url: &AppMetrics, deadline: Instant) -> Result<(), FetchError> {
    let mut said = None;
    loop {
        let late = Instant::now() >= deadline;
        match fetch_once(url, MAX_BYTES, &Scraper::at(deadline)).await {
            Ok(_) => return Ok(()),
            // What was said while there was time is why.
            Err(error) if late => return Err(said.unwrap_or(error)),
            Err(error) => said = Some(error),
        }
        sleep(BREATH.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// What is ready says so in a word.
const MAX_BYTES: u64 = 64 << 10;
const BREATH: Duration = Duration::from_millis(50);
const A_DAY: Duration = Duration::from_secs(86_400);
