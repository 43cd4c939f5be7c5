//! `podmeter proxy`: the sidecar.

use std::path::PathBuf;

use super::Failure;
use super::signals::Signals;
use crate::app::App;
use crate::config::{self, Config, ProxyArgs, Surroundings};
use crate::logging;
use crate::scrape;

/// Carry a pod's traffic unchanged, and show what it does at `/stats/prometheus`.
///
/// Every setting is a flag, a variable of the environment, or a key of the YAML file that
/// `--config` names (`stats-listen: 15090`). A flag beats the variable, which beats the file,
/// which beats the default; an empty variable counts as not set. Durations read `250ms`, `15s`,
/// `2m`, `1h`, and sizes `64KiB`, `16MiB`, `65536`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, after_long_help = EXAMPLE)]
pub(super) struct Args {
    /// A YAML file of settings, each key a flag's name without the dashes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: ProxyArgs,
}

const EXAMPLE: &str = "\
Try it on any web server:
  python3 -m http.server 8081 & podmeter proxy --forward 8080=8081
and then, in another terminal:
  curl -s localhost:8080 >/dev/null; curl -s localhost:15090/stats/prometheus | grep istio_requests";

/// Runs the sidecar until it is told to stop.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = config::load(args.settings, args.config, Surroundings::system())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    scrape::check(&config.app_metrics).map_err(|error| Failure::Usage(error.to_string()))?;
    logging::init(&config.log).map_err(|error| Failure::Run(error.into()))?;
    carry(config).map_err(Failure::Run)
}

/// Carries traffic until a signal says otherwise: the first drains, a second one ends at once.
fn carry(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = App::bind(config)?;
        let signals = Signals::new()?;
        app.run(|| signals.next()).await?;
        Ok(())
    })
}
