//! What the numbers were taken on: a figure without its machine says nothing.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::command;

/// The machine and the versions of the programs on it.
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) nginx: String,
    pub(crate) haproxy: String,
    pub(crate) cores: Cores,
}

/// The two cores that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// For wrk and the server behind the proxy.
    pub(crate) load: usize,
    /// For the proxy alone.
    pub(crate) proxy: usize,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        let kernel = read("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let cpuinfo = read("/proc/cpuinfo")?;
        let processor = cpuinfo
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        Ok(Self {
            kernel,
            processor,
            processors,
            nginx: version("nginx", "-v", "nginx/")?,
            haproxy: version("haproxy", "-v", "version ")?,
            cores: Cores::among(&read("/proc/self/status")?)?,
        })
    }
}

impl Cores {
    fn among(status: &str) -> Result<Self> {
        match allowed_cores(status)[..] {
            [load, proxy, ..] => Ok(Self { load, proxy }),
            _ => bail!("the benchmark needs two cores that it may use"),
        }
    }
}

/// The cores that a process may use, out of `/proc/PID/status`.
pub(crate) fn allowed_cores(status: &str) -> Vec<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default()
        .trim()
        .split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

/// The word after `before` in what a program says of its version, on either stream.
fn version(program: &str, flag: &str, before: &str) -> Result<String> {
    let output = command(program)
        .arg(flag)
        .output()
        .with_context(|| format!("could not start {program}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    Ok(rest.split_whitespace().next().unwrap_or("of unknown version").to_owned())
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("could not read {file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_allowed_cores_are_used() {
        for (list, load, proxy) in [("0-1", 0, 1), ("2,5-7", 2, 5), ("4-63", 4, 5), ("1,3", 1, 3)] {
            let status = format!("Name:\tx\nCpus_allowed_list:\t{list}\n");
            assert_eq!(Cores::among(&status).unwrap(), Cores { load, proxy });
        }
    }

    #[test]
    fn one_core_is_not_enough() {
        assert!(Cores::among("Cpus_allowed_list:\t3\n").is_err());
        assert!(Cores::among("Name:\tx\n").is_err());
    }
}
