//! `podmeter injector`: the admission webhook.

use super::Failure;
use super::signals::Signals;
use crate::config::{self, InjectorArgs, InjectorConfig, Surroundings};
use crate::injector::{Injector, InjectorError};
use crate::logging;

/// Add the sidecar to the pods of a cluster as they are made: an admission webhook.
///
/// It answers AdmissionReviews (admission.k8s.io/v1) on `/mutate`. Every setting is a flag or a
/// variable of the environment; a flag beats the variable, which beats the default, and an empty
/// variable counts as not set. Durations read `15s`, `2m`, `2160h`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    settings: InjectorArgs,
}

const EXAMPLES: &str = "\
Examples:
  podmeter injector --tls-cert tls.crt --tls-key tls.key
      with a certificate that somebody else looks after, such as cert-manager
  podmeter injector --cert-secret podmeter-injector --webhook-config podmeter-injector
      with one of its own, kept in a Secret, and told to the API servers";

/// Runs the webhook until it is told to stop.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = config::load_injector(args.settings, Surroundings::system())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    logging::init(&config.log).map_err(|error| Failure::Run(error.into()))?;
    answer(config).map_err(|error| {
        if error.is_mistake() {
            Failure::Usage(error.to_string())
        } else {
            Failure::Run(error.into())
        }
    })
}

/// Answers reviews until a signal says otherwise: the first makes it unready, a second one ends it
/// at once.
fn answer(config: InjectorConfig) -> Result<(), InjectorError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let injector = Injector::bind(config)?;
        let signals = Signals::new()?;
        injector.run(|| signals.next()).await
    })
}
