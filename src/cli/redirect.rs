//! `podmeter redirect`: the init container.

use std::io::{self, Write};

use clap::Subcommand;

use super::Failure;
use crate::config::{self, RedirectArgs};
use crate::redirect::{self, Backend, Mode, Plan};

/// Bring a pod's traffic to the proxy, or let go of it.
///
/// Changes the rules of the network namespace that it runs in: that of the pod, where it is an
/// init container with the capability `NET_ADMIN`. It touches nothing but rules of its own, and needs
/// no program besides.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Apply(Box<Apply>),
    Remove(Remove),
    Show(Show),
}

/// Intercept connections that are opened from now on.
///
/// Connections into the pod are intercepted, IPv4 and IPv6, those to the proxy's own ports
/// excepted. What is applied takes the place of what was applied before. Lists are separated by
/// commas, or the flag is repeated.
#[derive(Debug, clap::Args)]
struct Apply {
    #[command(flatten)]
    settings: RedirectArgs,

    /// Which part of the kernel holds the rules: `nftables`, `iptables` (by its own programs, for
    /// old kernels), or `auto`: nftables where the kernel has it [default: auto]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,

    /// Change nothing; print the rules as `nft -f` or `iptables-restore` would take them.
    #[arg(long)]
    dry_run: bool,
}

/// Intercept nothing any more: take away all that `apply` has put in place.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Change nothing; show what would be taken away.
    #[arg(long)]
    dry_run: bool,
}

/// Show the rules that are in place.
#[derive(Debug, clap::Args)]
struct Show {
    /// As JSON, for a program.
    #[arg(long)]
    json: bool,
}

const HOST: &str = "warning: this is the network of the whole machine and not of a pod, so every \
                    new connection to it is intercepted; podmeter redirect remove undoes it";

const EXAMPLES: &str = "\
Examples:
  podmeter redirect apply                              every port of the app
  podmeter redirect apply --exclude-inbound-ports 22   all but one
  podmeter redirect apply --redirect-outbound --exclude-outbound-cidrs 10.96.0.1
  podmeter redirect apply --dry-run                    look before
  podmeter redirect show --json";

/// Does what is asked.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let answer = match &args.action {
        Action::Apply(apply) => applied(apply)?,
        Action::Remove(Remove { dry_run: true }) => would_be_removed().map_err(failed)?,
        Action::Remove(Remove { dry_run: false }) => {
            redirect::remove().map_err(failed)?;
            "nothing is intercepted any more\n".to_owned()
        }
        Action::Show(show) => shown(show).map_err(failed)?,
    };
    match io::stdout().write_all(answer.as_bytes()) {
        // Whoever closed it has read all it wants.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

fn applied(args: &Apply) -> Result<String, Failure> {
    let usage = |error: config::ConfigError| Failure::Usage(error.to_string());
    let plan = Plan::try_from(&args.settings).map_err(usage)?;
    let backend = config::backend(args.backend.as_deref()).map_err(usage)?;
    if args.dry_run {
        return Ok(redirect::describe(&plan, backend.unwrap_or(Backend::Nftables)));
    }
    if redirect::is_host() {
        // It may be meant, on a machine for trying things out.
        let _ = writeln!(io::stderr(), "podmeter: {HOST}");
    }
    let used = redirect::apply(&plan, backend).map_err(failed)?;
    Ok(format!("{}, with {}\n", sentence(&plan), used.as_str()))
}

/// What a plan intercepts, in a few words.
fn sentence(plan: &Plan) -> String {
    let mut parts = Vec::new();
    if let Some(inbound) = &plan.inbound {
        let how = match inbound.mode {
            Mode::Redirect => "",
            Mode::Tproxy => " with their clients' addresses (tproxy)",
        };
        parts.push(format!("inbound connections go to port {}{how}", inbound.to));
    }
    if let Some(outbound) = &plan.outbound {
        parts.push(format!("outbound connections go to port {}", outbound.to));
    }
    parts.join(", ")
}

fn shown(args: &Show) -> Result<String, anyhow::Error> {
    let shown = redirect::show()?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&shown)? + "\n");
    }
    Ok(match shown {
        Some(shown) => format!("{shown}\n"),
        None => "nothing is intercepted\n".to_owned(),
    })
}

fn would_be_removed() -> Result<String, anyhow::Error> {
    Ok(match redirect::show()? {
        Some(shown) => format!("would be taken away, with any route that tproxy takes:\n{shown}\n"),
        None => "nothing is intercepted\n".to_owned(),
    })
}

fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Run(error.into())
}
