//! The project's own tasks: `cargo xtask test`, `bench`, `image`, `e2e` and `cluster`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a task prints is its result")]
#![expect(
    clippy::disallowed_methods,
    reason = "time, environment and waiting are arguments in the proxy; a task deals with the machine itself"
)]

use std::process::ExitCode;

mod bench;
mod cluster;
mod e2e;
mod image;
mod packages;
mod test;
mod workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "test" && rest.is_empty() => test::run(),
        Some((command, [way, rest @ ..])) if command == "bench" && way == "interception" => {
            match bench::Options::parse(rest) {
                Ok(options) => bench::run_interception(&options),
                Err(error) => return refuse(&error.to_string()),
            }
        }
        Some((command, rest)) if command == "bench" => match bench::Options::parse(rest) {
            Ok(options) => bench::run(&options),
            Err(error) => return refuse(&error.to_string()),
        },
        Some((command, rest)) if command == "e2e" => match e2e::Options::parse(rest) {
            Ok(options) => e2e::run(&options),
            Err(error) => return refuse(&error.to_string()),
        },
        Some((command, rest)) if command == "image" && rest.is_empty() => image::check(),
        Some((command, rest)) if command == "cluster" && rest.is_empty() => cluster::check(),
        Some((command, rest)) if ["test", "image", "cluster"].contains(&command.as_str()) => {
            return refuse(&format!(
                "{command} takes no arguments, but was given {}",
                rest.join(" ")
            ));
        }
        Some((command, _)) if ["help", "-h", "--help"].contains(&command.as_str()) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some((command, _)) => return refuse(&format!("there is no task {command}")),
        None => return refuse("which task?"),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the command line, and how a right one looks.
fn refuse(complaint: &str) -> ExitCode {
    eprintln!("error: {complaint}\n\n{USAGE}");
    ExitCode::from(2)
}

const USAGE: &str = "\
usage: cargo xtask test
           Installs what the suites need, then checks format, lints, tests and
           documentation. With the variable CI set, nothing may be skipped.

       cargo xtask bench [--rounds N] [--seconds S] [--connections N,..]
                         [--streams N,..|off] [--only NAME,..] [--json FILE]
           Compares CPU per request and memory of podmeter, its bare pump,
           nginx and HAProxy (names: podmeter, pump, nginx, haproxy), each on
           one core before one nginx; with --streams in HTTP/2, too.
           Default: --rounds 5 --seconds 5 --connections 32,256 --streams 1,32

       cargo xtask bench interception [--rounds N] [--seconds S] [--connections N,..]
           As root: what interception adds to a request, beside --forward, in a
           network namespace that is removed again.

       cargo xtask image
           As root: builds the container image by the Dockerfile, without a
           registry, looks into it, and runs it.

       cargo xtask e2e [--image IMAGE] [--chart DIR] [--set KEY=VALUE]... [--keep]
           Installs the chart in the cluster that the variable KUBECONFIG names,
           has pods injected, looks at their metrics, and cleans up; needs kubectl,
           helm, and podmeter's image where the cluster finds it.

       cargo xtask cluster
           As root: compiles Kubernetes 1.20 from Debian's archive (once, about ten
           minutes), starts a cluster of one node in namespaces of its own, and
           does all of e2e in it.";
