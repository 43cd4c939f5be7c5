//! `cargo xtask bench interception`: what a request costs that was intercepted, beside one that
//! came to a port of its own.
//!
//! A pod is a network namespace with a pair of interfaces; nginx answers in it, on the core of the
//! load, and podmeter has the other core. Every way to it crosses the same pair, so the ratio is
//! what interception adds: the kernel's rules and its tracking of connections, and the question
//! where a connection was going.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contenders::{self, Place};
use super::machine::Machine;
use super::process::Running;
use super::report::Spread;
use super::{Options, WARM_UP, build_release, client, load};
use crate::packages;
use crate::workspace::{self, command, run};

/// How the load comes to nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Without podmeter.
    Direct,
    Forward,
    Nftables,
    Iptables,
    Tproxy,
}

impl Way {
    const ALL: [Self; 5] =
        [Self::Direct, Self::Forward, Self::Nftables, Self::Iptables, Self::Tproxy];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Forward => "--forward",
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Tproxy => "tproxy",
        }
    }

    /// Where the load connects.
    fn port(self) -> u16 {
        if self == Self::Forward { FORWARDED } else { SERVED }
    }

    /// The command lines of `podmeter redirect` and of `podmeter proxy`.
    fn flags(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Direct => None,
            // To the pod's address, as an intercepted connection goes.
            Self::Forward => Some(("remove", "--forward 8081=198.18.77.2:8080")),
            Self::Nftables => Some(("apply --backend nftables", "")),
            Self::Iptables => Some(("apply --backend iptables", "")),
            Self::Tproxy => Some(("apply --mode tproxy", "--inbound-mode tproxy")),
        }
    }
}

/// One run of one way.
struct Sample {
    round: usize,
    way: Way,
    user: f64,
    system: f64,
    /// From the first packet of a connection to the whole answer.
    first_answer: f64,
}

/// Measures every way and prints the table.
pub(crate) fn measure(options: &Options) -> Result<()> {
    packages::ensure(packages::FOR_BENCH)?;
    let machine = Machine::look()?;
    let place = Place::prepare(workspace::target_dir()?, machine.cores)?;
    build_release()?;
    let _pod = Pod::make()?;
    let config = contenders::nginx_config(
        place.folder(),
        &format!(
            "server {{ listen {SERVED} backlog=2048; location / {{ return 200 \"{}\"; }} }}",
            "x".repeat(contenders::Backend::BODY_BYTES)
        ),
    );
    let config = place.write("pod.conf", &config)?;
    let mut nginx = in_pod();
    nginx.args(["nginx", "-e", "stderr", "-p"]).arg(place.folder()).arg("-c").arg(config);
    let mut nginx = Running::start("nginx", place.cores.load, &nginx, &place.log("pod"))?;
    nginx.wait_until_answering(address(SERVED), "/")?;
    for &connections in &options.connections {
        let mut samples = Vec::new();
        for round in 0..options.rounds {
            let mut ways = Way::ALL;
            ways.rotate_left(round % Way::ALL.len());
            for way in ways {
                samples.push(one(&place, way, round, connections, options.seconds)?);
            }
        }
        print(connections, &samples);
    }
    Ok(())
}

fn one(place: &Place, way: Way, round: usize, connections: usize, seconds: u64) -> Result<Sample> {
    let proxy = way.flags().map(|(redirect, proxy)| start(place, redirect, proxy)).transpose()?;
    let target = address(way.port());
    let mut sample =
        Sample { round, way, user: 0.0, system: 0.0, first_answer: first_answer(target)? };
    if let Some(proxy) = &proxy {
        let load = load::Load { connections, streams: None };
        load::drive(place, &target, load, WARM_UP)?;
        let before = proxy.cpu_split()?;
        let answered = load::drive(place, &target, load, Duration::from_secs(seconds))?;
        let after = proxy.cpu_split()?;
        let each = |after: Duration, before: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / answered.requests as f64
        };
        (sample.user, sample.system) = (each(after.0, before.0), each(after.1, before.1));
        run(in_pod().arg(place.podmeter()).args(["redirect", "remove"]).stdout(null()))?;
    }
    Ok(sample)
}

/// Puts the rules in place and starts a proxy in the pod.
fn start(place: &Place, redirect: &str, flags: &str) -> Result<Running> {
    let mut rules = in_pod();
    rules.arg(place.podmeter()).arg("redirect").args(redirect.split_whitespace());
    run(rules.stdout(null()))?;
    let mut program = in_pod();
    program.args(["setpriv", "--reuid", "1337", "--regid", "1337", "--clear-groups"]);
    program.args(["--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"]);
    program.arg(place.podmeter()).arg("proxy").args(flags.split_whitespace());
    program.args(["--admin-listen", "off", "--health-listen", "off", "--workers", "1"]);
    let mut running =
        Running::start("podmeter", place.cores.proxy, &program, &place.log("intercepted"))?;
    running.wait_until_answering(address(STATS), "/ready")?;
    Ok(running)
}

/// The median time from connecting to the end of an answer, in microseconds.
fn first_answer(target: SocketAddr) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..NEW_CONNECTIONS {
        let start = Instant::now();
        let answer = client::get(target, "/")?;
        ensure!(answer.status == 200, "a request was answered {}", answer.status);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Spread::of(times).map(|spread| spread.median).context("nothing was measured")
}

fn print(connections: usize, samples: &[Sample]) {
    println!(
        "\n{:<18}{:>12}{:>9}{:>9}{:>13}{:>20}",
        format!("{connections} connections"),
        "CPU us/req",
        "user",
        "kernel",
        "of --forward",
        "new connection us"
    );
    for way in Way::ALL {
        let of = |way| samples.iter().filter(move |sample: &&Sample| sample.way == way);
        let median = |value: fn(&Sample) -> f64| {
            Spread::of(of(way).map(value)).map_or(0.0, |spread| spread.median)
        };
        let ratios = of(way).filter_map(|sample| {
            let beside = of(Way::Forward).find(|beside| beside.round == sample.round)?;
            Some((sample.user + sample.system) / (beside.user + beside.system))
        });
        let ratio = Spread::of(ratios).map_or(0.0, |spread| spread.median);
        if way == Way::Direct {
            let first_answer = median(|sample| sample.first_answer);
            println!("{:<18}{first_answer:>63.0}", way.name());
            continue;
        }
        println!(
            "{:<18}{:>12.2}{:>9.2}{:>9.2}{:>13.2}{:>20.0}",
            way.name(),
            median(|sample| sample.user + sample.system),
            median(|sample| sample.user),
            median(|sample| sample.system),
            ratio,
            median(|sample| sample.first_answer),
        );
    }
}

/// A network namespace and a pair of interfaces to it; removed when dropped.
struct Pod;

impl Pod {
    fn make() -> Result<Self> {
        // One that an earlier run left behind, as it was killed.
        drop(Self);
        run(command("sh").args(["-euc", SETUP]))
            .context("could not make a network namespace; that takes root")?;
        Ok(Self)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let mut delete = command("ip");
        delete.args(["netns", "delete", NAMESPACE]).stderr(null());
        // Nothing there is nothing to remove.
        let _ = delete.status();
    }
}

fn in_pod() -> std::process::Command {
    let mut ip = command("ip");
    ip.args(["netns", "exec", NAMESPACE]);
    ip
}

fn null() -> std::process::Stdio {
    std::process::Stdio::null()
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 18, 77, 2], port))
}

const NAMESPACE: &str = "podmeter-bench";
const SERVED: u16 = 8080;
const FORWARDED: u16 = 8081;
const STATS: u16 = 15090;
const NEW_CONNECTIONS: usize = 500;

/// Addresses for benchmarks (RFC 2544) are nobody's network.
const SETUP: &str = "
ip netns add podmeter-bench
ip -n podmeter-bench link set lo up
ip link add pmbench type veth peer name eth0 netns podmeter-bench
ip addr add 198.18.77.1/30 dev pmbench
ip link set pmbench up
ip -n podmeter-bench addr add 198.18.77.2/30 dev eth0
ip -n podmeter-bench link set eth0 up
";
