//! Turns samples into the tables that are printed, and the JSON beside them.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::contenders::{Backend, Contender};
use super::load::{Answered, Load};
use super::machine::Machine;

/// One run of one contender.
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) load: Load,
    pub(crate) contender: Contender,
    /// CPU time of the proxy over the run.
    pub(crate) cpu: Duration,
    pub(crate) answered: Answered,
}

/// Memory of one contender, in bytes.
pub(crate) struct Memory {
    pub(crate) contender: Contender,
    /// After a first request, with no connection open.
    pub(crate) idle: u64,
    /// With the idle connections open.
    pub(crate) holding: u64,
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) samples: Vec<Sample>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) idle_connections: usize,
}

impl Sample {
    fn microseconds_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answered.requests as f64
    }

    fn requests_per_second(&self) -> f64 {
        self.answered.requests as f64 / self.answered.elapsed.as_secs_f64()
    }
}

impl Report {
    /// What was asked and of which contenders, in the order they were first measured.
    fn rows(&self) -> Vec<(Load, Vec<Contender>)> {
        let contenders: Vec<Contender> =
            self.memory.iter().map(|memory| memory.contender).collect();
        let mut rows: Vec<(Load, Vec<Contender>)> = Vec::new();
        for sample in &self.samples {
            if rows.iter().all(|(load, _)| *load != sample.load) {
                rows.push((sample.load, contenders.clone()));
            }
        }
        rows
    }

    fn of(&self, load: Load, contender: Contender) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.load == load && sample.contender == contender)
    }

    /// The median over rounds of what `contender` cost as a share of what `other` cost in the
    /// same round; nothing where either was not measured.
    fn ratio(&self, load: Load, contender: Contender, other: Contender) -> Option<f64> {
        let ratios = self.of(load, contender).filter_map(|sample| {
            let beside = self.of(load, other).find(|beside| beside.round == sample.round)?;
            Some(sample.microseconds_per_request() / beside.microseconds_per_request())
        });
        Spread::of(ratios).map(|spread| spread.median)
    }

    /// The report for other programs: the tables' figures and every sample.
    pub(crate) fn to_json(&self) -> Value {
        let requests: Vec<Value> = self
            .rows()
            .iter()
            .flat_map(|(load, contenders)| {
                contenders.iter().map(|&contender| self.row_to_json(*load, contender))
            })
            .collect();
        let memory: Vec<Value> = self
            .memory
            .iter()
            .map(|memory| {
                json!({
                    "contender": memory.contender.to_string(),
                    "idle_bytes": memory.idle,
                    "holding_bytes": memory.holding,
                    "idle_connections": self.idle_connections,
                })
            })
            .collect();
        json!({
            "kernel": self.machine.kernel,
            "processor": self.machine.processor,
            "processors": self.machine.processors,
            "nginx": self.machine.nginx,
            "haproxy": self.machine.haproxy,
            "seconds": self.seconds,
            "rounds": self.rounds,
            "body_bytes": Backend::BODY_BYTES,
            "requests": requests,
            "memory": memory,
        })
    }

    fn row_to_json(&self, load: Load, contender: Contender) -> Value {
        let samples: Vec<Value> = self
            .of(load, contender)
            .map(|sample| {
                json!({
                    "round": sample.round,
                    "requests": sample.answered.requests,
                    "elapsed_seconds": sample.answered.elapsed.as_secs_f64(),
                    "cpu_seconds": sample.cpu.as_secs_f64(),
                })
            })
            .collect();
        let cost = Spread::of(self.of(load, contender).map(Sample::microseconds_per_request));
        json!({
            "connections": load.connections,
            "http2_streams": load.streams,
            "contender": contender.to_string(),
            "cpu_microseconds_per_request": cost.map(|cost| cost.median),
            "of_haproxy": self.ratio(load, contender, Contender::Haproxy),
            "of_pump": self.ratio(load, contender, Contender::Pump),
            "samples": samples,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "Linux {}, {} x {}; nginx {}, HAProxy {}; proxy alone on core {}, {} byte answers",
            machine.kernel,
            machine.processors,
            machine.processor,
            machine.nginx,
            machine.haproxy,
            machine.cores.proxy,
            Backend::BODY_BYTES,
        )?;
        for (load, contenders) in self.rows() {
            writeln!(
                f,
                "\n{:<18}{:>12}{:>14}{:>12}{:>9}{:>12}",
                load, "CPU us/req", "min-max", "of haproxy", "of pump", "requests/s",
            )?;
            for contender in contenders {
                self.write_row(f, load, contender)?;
            }
        }
        writeln!(
            f,
            "\n{:<18}{:>12}{:>14}{:>12}",
            "resident memory",
            "idle MB",
            format!("{} idle MB", self.idle_connections),
            "KB each",
        )?;
        for memory in &self.memory {
            let each = (memory.holding as f64 - memory.idle as f64) / self.idle_connections as f64;
            writeln!(
                f,
                "{:<18}{:>12.1}{:>14.1}{:>12.1}",
                memory.contender,
                memory.idle as f64 / MEBIBYTE,
                memory.holding as f64 / MEBIBYTE,
                each / KIBIBYTE,
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn write_row(
        &self,
        f: &mut fmt::Formatter<'_>,
        load: Load,
        contender: Contender,
    ) -> fmt::Result {
        let costs = self.of(load, contender).map(Sample::microseconds_per_request);
        let rates = self.of(load, contender).map(Sample::requests_per_second);
        let (Some(cost), Some(rate)) = (Spread::of(costs), Spread::of(rates)) else {
            return Ok(());
        };
        let share = |other| {
            self.ratio(load, contender, other)
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        writeln!(
            f,
            "{contender:<18}{:>12.1}{:>14}{:>12}{:>9}{:>12.0}",
            cost.median,
            format!("{:.1}-{:.1}", cost.least, cost.most),
            share(Contender::Haproxy),
            share(Contender::Pump),
            rate.median,
        )
    }
}

const KIBIBYTE: f64 = 1024.0;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The middle and the ends of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let upper = sorted.len() / 2;
        let lower = (sorted.len() - 1) / 2;
        Some(Self { median: f64::midpoint(sorted[lower], sorted[upper]), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::machine::Cores;

    const HTTP1: Load = Load { connections: 32, streams: None };

    fn sample(round: usize, contender: Contender, cpu_millis: u64) -> Sample {
        let answered = Answered { requests: 1000, elapsed: Duration::from_secs(2) };
        let cpu = Duration::from_millis(cpu_millis);
        Sample { round, load: HTTP1, contender, cpu, answered }
    }

    fn report(samples: Vec<Sample>) -> Report {
        let machine = Machine {
            kernel: "6.1".into(),
            processor: "A Processor".into(),
            processors: 2,
            nginx: "1.22.1".into(),
            haproxy: "2.6.12".into(),
            cores: Cores { load: 0, proxy: 1 },
        };
        let memory = [Contender::Podmeter, Contender::Haproxy].map(|contender| Memory {
            contender,
            idle: 5 * 1024 * 1024,
            holding: 7 * 1024 * 1024,
        });
        let memory = memory.into_iter().collect();
        Report { machine, seconds: 2, rounds: 3, samples, memory, idle_connections: 1000 }
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_within_each_round() {
        // A slow second round doubles both, and must not show.
        let report = report(vec![
            sample(0, Contender::Podmeter, 9),
            sample(0, Contender::Haproxy, 10),
            sample(1, Contender::Haproxy, 20),
            sample(1, Contender::Podmeter, 18),
            sample(2, Contender::Podmeter, 8),
            sample(2, Contender::Haproxy, 10),
        ]);
        assert_eq!(report.ratio(HTTP1, Contender::Podmeter, Contender::Haproxy), Some(0.9));
        assert_eq!(report.ratio(HTTP1, Contender::Podmeter, Contender::Pump), None);
    }

    #[test]
    fn the_tables_read_as_they_should() {
        let report =
            report(vec![sample(0, Contender::Podmeter, 9), sample(0, Contender::Haproxy, 10)]);
        let expected = "\
Linux 6.1, 2 x A Processor; nginx 1.22.1, HAProxy 2.6.12; proxy alone on core 1, 1024 byte answers

32 connections      CPU us/req       min-max  of haproxy  of pump  requests/s
podmeter                   9.0       9.0-9.0        0.90        -         500
haproxy                   10.0     10.0-10.0        1.00        -         500

resident memory        idle MB  1000 idle MB     KB each
podmeter                   5.0           7.0         2.0
haproxy                    5.0           7.0         2.0
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn the_json_holds_every_sample() {
        let report = report(vec![sample(0, Contender::Podmeter, 9)]);
        let json = report.to_json();
        assert_eq!(json["requests"][0]["contender"], "podmeter");
        assert_eq!(json["requests"][0]["cpu_microseconds_per_request"], 9.0);
        assert_eq!(json["requests"][0]["samples"][0]["requests"], 1000);
        assert_eq!(json["memory"][1]["holding_bytes"], 7 * 1024 * 1024);
    }
}
