//! The command line: which command was asked for, and how the program ends.
//!
//! Exit codes: 0 for success, 2 for a bad command line or configuration (nothing was started), 1
//! for everything that failed later. Every failure is one line on standard error.

mod demo;
mod inject;
mod injector;
mod lint;
mod merge;
mod mistake;
mod proxy;
mod redirect;
mod signals;
mod source;
mod wait;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config;

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    let failure = match parse(std::env::args_os()) {
        Ok(Cli { command: Command::Proxy(args) }) => proxy::run(*args).err(),
        Ok(Cli { command: Command::Redirect(args) }) => redirect::run(&args).err(),
        Ok(Cli { command: Command::Inject(args) }) => inject::run(&args).err(),
        Ok(Cli { command: Command::Wait(args) }) => wait::run(&args).err(),
        Ok(Cli { command: Command::Injector(args) }) => injector::run(*args).err(),
        Ok(Cli { command: Command::Demo(args) }) => demo::run(&args).err(),
        Ok(Cli { command: Command::Lint(args) }) => match lint::run(&args) {
            Ok(verdict) => return verdict,
            Err(failure) => Some(failure),
        },
        Ok(Cli { command: Command::Merge(args) }) => match merge::run(&args) {
            Ok(verdict) => return verdict,
            Err(failure) => Some(failure),
        },
        // Help and version: asked for, so they are an answer and not a mistake.
        Err(answer) if !answer.use_stderr() => match answer.print() {
            // `--help | head` has read all it wants.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Some(Failure::Run(error.into()))
            }
            _ => None,
        },
        Err(mistake) => Some(Failure::Usage(mistake::sentence(&mistake))),
    };
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            // Where standard error is gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "podmeter: {failure}");
            failure.code()
        }
    }
}

/// Shows what a pod does without touching its code.
#[derive(Debug, Parser)]
#[command(name = "podmeter", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    // Boxed, as it holds a word for each of many settings.
    Proxy(Box<proxy::Args>),
    Redirect(redirect::Args),
    Inject(inject::Args),
    Injector(Box<injector::Args>),
    Lint(lint::Args),
    Merge(merge::Args),
    Demo(demo::Args),
    Wait(wait::Args),
}

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It was asked for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// What it was asked for failed. Its sentence is whole, so its causes need not follow.
    #[error("{0}")]
    Run(anyhow::Error),
}

impl Failure {
    fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::FAILURE,
        }
    }
}

/// The parser of the whole command line.
fn command() -> clap::Command {
    Cli::command()
        .mut_subcommand("proxy", config::describe)
        .mut_subcommand("injector", config::describe_injector)
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(args)?)
}
