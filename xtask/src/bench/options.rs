//! Reads the command line of `cargo xtask bench`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use super::contenders::Contender;
use super::load::Load;

/// What to measure, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// Measured seconds of each contender in each round, for each number of connections.
    pub(crate) seconds: u64,
    pub(crate) connections: Vec<usize>,
    /// The same in HTTP/2 with so many requests under way on each of [`H2_CONNECTIONS`].
    pub(crate) streams: Vec<usize>,
    pub(crate) contenders: Vec<Contender>,
    /// Where to write every sample, too.
    pub(crate) json: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 5,
            seconds: 5,
            connections: vec![32, 256],
            streams: vec![1, 32],
            contenders: Contender::ALL.to_vec(),
            json: None,
        }
    }
}

impl Options {
    /// Reads flags and their values; an error names the flag and what was wrong with its value.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let Some(value) = arguments.next() else {
                bail!("{flag} is unknown, or lacks its value");
            };
            match flag.as_str() {
                "--rounds" => options.rounds = between(flag, value, 1..=100)?,
                "--seconds" => options.seconds = between(flag, value, 1..=300)?,
                "--connections" => {
                    options.connections = list(value, |each| between(flag, each, 1..=2000))?;
                }
                "--streams" if value == "off" => options.streams = Vec::new(),
                "--streams" => {
                    options.streams = list(value, |each| between(flag, each, 1..=100))?;
                }
                "--only" => options.contenders = list(value, str::parse)?,
                "--json" => options.json = Some(value.into()),
                _ => bail!("bench has no {flag}"),
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Everything that each contender is asked to do.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let http1 = self.connections.iter().map(|&connections| Load { connections, streams: None });
        let http2 = self
            .streams
            .iter()
            .map(|&streams| Load { connections: H2_CONNECTIONS, streams: Some(streams) });
        http1.chain(http2).collect()
    }
}

/// The values of a comma-separated list, each kept once.
fn list<T: PartialEq>(value: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    let mut values = Vec::new();
    for each in value.split(',') {
        let parsed = parse(each.trim())?;
        if !values.contains(&parsed) {
            values.push(parsed);
        }
    }
    Ok(values)
}

/// A number within a range.
fn between<T>(flag: &str, value: &str, range: RangeInclusive<T>) -> Result<T>
where
    T: FromStr + PartialOrd + Display,
{
    let number = value.parse().ok().with_context(|| format!("{flag} {value} is not a number"))?;
    let (least, most) = (range.start(), range.end());
    ensure!(range.contains(&number), "{flag} {value} is not in {least} to {most}");
    Ok(number)
}

/// Connections of HTTP/2.
const H2_CONNECTIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn without_flags_everything_is_measured() {
        assert_eq!(parse("").unwrap(), Options::default());
    }

    #[test]
    fn every_flag_is_read() {
        let options = parse(
            "--rounds 2 --seconds 3 --connections 8,64,8 --streams 4 --only pump,haproxy --json out.json",
        );
        let expected = Options {
            rounds: 2,
            seconds: 3,
            connections: vec![8, 64],
            streams: vec![4],
            contenders: vec![Contender::Pump, Contender::Haproxy],
            json: Some("out.json".into()),
        };
        assert_eq!(options.unwrap(), expected);
    }

    #[test]
    fn a_bad_flag_or_value_is_named() {
        for (line, complaint) in [
            ("--rounds", "--rounds is unknown, or lacks its value"),
            ("--rounds many", "--rounds many is not a number"),
            ("--rounds 0", "--rounds 0 is not in 1 to 100"),
            ("--connections 32,x", "--connections x is not a number"),
            ("--turns 3", "bench has no --turns"),
            ("--only envoy", "there is no contender envoy: podmeter, pump, nginx or haproxy"),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), complaint);
        }
    }
}
