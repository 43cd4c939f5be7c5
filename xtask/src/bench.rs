//! `cargo xtask bench`: what a request costs in podmeter, beside its bare pump and its peers.
//!
//! One nginx answers from memory, on one core together with the load; the proxy under test has
//! another core to itself. What counts is the CPU time of the proxy over the requests answered,
//! which a busy machine disturbs far less than a rate or a latency. Contenders take turns within
//! each round, and ratios are taken within a round, so a slow minute hits all alike.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{packages, workspace};

mod client;
mod contenders;
mod interception;
mod load;
mod machine;
mod options;
mod process;
mod report;

pub(crate) use interception::measure as run_interception;
pub(crate) use options::Options;

use contenders::{Backend, Place};
use load::Load;
use machine::Machine;
use report::{Memory, Report, Sample};

/// Idle connections held open for the second reading of memory.
const IDLE_CONNECTIONS: usize = 1000;

/// Each contender is driven this long before it is measured: caches, pools and branch predictors
/// are warm by then.
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures every contender and prints the report.
pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(packages::FOR_BENCH)?;
    process::raise_file_limit()?;
    let machine = Machine::look()?;
    let place = Place::prepare(workspace::target_dir()?, machine.cores)?;
    if options.contenders.iter().any(|contender| contender.is_ours()) {
        build_release()?;
    }
    println!("{}", introduction(options));
    let backend = Backend::start(&place)?;
    let report = Report {
        machine,
        seconds: options.seconds,
        rounds: options.rounds,
        samples: measure_requests(options, &place, &backend)?,
        memory: measure_memory(options, &place, &backend)?,
        idle_connections: IDLE_CONNECTIONS,
    };
    println!("{report}");
    if let Some(file) = &options.json {
        write_json(&report, file)?;
    }
    Ok(())
}

fn measure_requests(options: &Options, place: &Place, backend: &Backend) -> Result<Vec<Sample>> {
    let duration = Duration::from_secs(options.seconds);
    let mut samples = Vec::new();
    for round in 0..options.rounds {
        for load in options.loads() {
            // Another one begins each round, so that none always follows the same neighbour.
            let mut order = options.contenders.clone();
            order.rotate_left(round % options.contenders.len());
            for contender in order.into_iter().filter(|contender| contender.takes(load)) {
                let proxy = contender.start(place, backend, load)?;
                let drive = |duration| {
                    load::drive(place, &proxy.address, load, duration)
                        .with_context(|| format!("{contender}, {load}"))
                };
                drive(WARM_UP)?;
                let before = proxy.process.cpu_time()?;
                let answered = drive(duration)?;
                let cpu = proxy.process.cpu_time()?.saturating_sub(before);
                samples.push(Sample { round, load, contender, cpu, answered });
            }
        }
    }
    Ok(samples)
}

fn measure_memory(options: &Options, place: &Place, backend: &Backend) -> Result<Vec<Memory>> {
    let mut readings = Vec::new();
    for &contender in &options.contenders {
        let http1 = Load { connections: IDLE_CONNECTIONS, streams: None };
        let proxy = contender.start(place, backend, http1)?;
        let idle = proxy.process.resident_bytes()?;
        let connections = client::open_idle(&proxy.address, IDLE_CONNECTIONS)
            .with_context(|| format!("{contender}, {IDLE_CONNECTIONS} idle connections"))?;
        let holding = proxy.process.resident_bytes()?;
        drop(connections);
        readings.push(Memory { contender, idle, holding });
    }
    Ok(readings)
}

fn build_release() -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--locked", "--quiet", "--bin", "podmeter"]);
    workspace::run(&mut build)
}

fn introduction(options: &Options) -> String {
    let runs = options.rounds * options.loads().len() * options.contenders.len();
    let each = options.seconds + WARM_UP.as_secs();
    format!("{runs} runs of {} s, about {} s in all", options.seconds, runs as u64 * (each + 1))
}

fn write_json(report: &Report, file: &PathBuf) -> Result<()> {
    let text = serde_json::to_string_pretty(&report.to_json()).context("could not write JSON")?;
    std::fs::write(file, text + "\n").with_context(|| format!("could not write {}", file.display()))
}
