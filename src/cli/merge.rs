//! `podmeter merge`: one valid exposition of many.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use super::Failure;
use super::source::{self, Body, Given, Reading, one_line};
use crate::config::SourceMode;
use crate::exposition::{
    Counts, Escaping, Format, InputFormat, Limits, Outcome, Problems, Rendering, Scanned, Source,
    Syntax, detect, merge_for, scan_for,
};
use crate::scrape::Wants;

/// Make one valid exposition of many.
///
/// Reads files, `-` for standard input, and URLs, side by side in any of the formats, and writes
/// what the proxy would answer to a scrape: each family once and in one piece, each series once,
/// valid for every reader. A broken line costs its own sample and is told on standard error as
/// `source:line:column: reason`. Families come in the order in which the sources first name them.
///
/// Nothing is written unless every source could be read. Exit codes: 0 merged, also where samples
/// were dropped (which is told); with `--strict` 1 for that, and everything is written all the
/// same; 2 a source could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The format to write.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    to: To,

    /// How names outside of letters, digits, `_` and `:` are spelt. `allow-utf-8` keeps them, in
    /// quotes; it needs a format that has quotes, so with `--to text` it writes text 1.0.0.
    #[arg(long, value_enum, value_name = "ESCAPING", default_value = "underscores")]
    escaping: Spelling,

    /// What happens to series that several sources have: `plain` keeps the first source's, `label`
    /// adds `source="NAME"` to all. A URL's own `mode=` goes before it.
    #[arg(long, value_enum, value_name = "MODE", default_value = "plain")]
    mode: Mode,

    /// Exit code 1 where a sample was dropped.
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    reading: Reading,

    /// Files, `-` for standard input, or URLs as `podmeter proxy --app-metrics` takes them, options
    /// included. The NAME of a file is its last part.
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  podmeter merge a.prom b.prom                        the union of two files
  podmeter merge --mode label a.prom b.prom           each sample says which file it is of
  curl -s localhost:9102/metrics | podmeter merge --to openmetrics -
  podmeter merge http://localhost:9102/metrics,name=web http://localhost:9103/metrics > all.prom";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum To {
    /// Prometheus text 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0.
    #[value(name = "openmetrics")]
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spelling {
    /// Each other character becomes `_`.
    Underscores,
    /// `.` becomes `_dot_`.
    Dots,
    /// `U__` and the characters as hexadecimal numbers.
    Values,
    /// As they are, in quotes.
    #[value(name = "allow-utf-8")]
    AllowUtf8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// The first source's holds.
    Plain,
    /// A label tells them apart.
    Label,
}

impl Args {
    fn format(&self) -> Format {
        let escaping = match self.escaping {
            Spelling::Underscores => Escaping::Underscores,
            Spelling::Dots => Escaping::Dots,
            Spelling::Values => Escaping::Values,
            Spelling::AllowUtf8 => Escaping::AllowUtf8,
        };
        let syntax = match (self.to, escaping) {
            (To::Text, Escaping::AllowUtf8) => Syntax::QuotedText,
            (To::Text, _) => Syntax::Text,
            (To::OpenMetrics, _) => Syntax::OpenMetrics,
            (To::Protobuf, _) => Syntax::Protobuf,
        };
        Format::new(syntax, escaping)
    }
}

/// Merges and writes.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let wants = if matches!(args.to, To::Protobuf) { Wants::Protobuf } else { Wants::Text };
    let limits = args.reading.limits(wants)?;
    let mut sources =
        args.sources.iter().map(|text| Given::read(text)).collect::<Result<Vec<_>, _>>()?;
    name_apart(&mut sources);
    let mut bodies = Vec::with_capacity(sources.len());
    let mut unread = false;
    for read in source::read(&sources, limits)? {
        match read {
            Ok(body) => bodies.push(body),
            Err(error) => {
                let _ = writeln!(io::stderr(), "podmeter: {error}");
                unread = true;
            }
        }
    }
    if unread {
        return Ok(ExitCode::from(2));
    }
    let mut errors = BufWriter::new(io::stderr().lock());
    let format = args.format();
    let (mut read, mut unreadable) = (Vec::new(), Vec::new());
    for (given, body) in sources.iter().zip(&bodies) {
        let scanned = scan(body, format);
        tell_problems(given, &scanned.problems, &mut errors);
        unreadable.push(*scanned.problems.dropped());
        let source = Source::new(given.name.as_str(), scanned);
        let labelled = match &given.mode {
            None => matches!(args.mode, Mode::Label),
            Some(mode) => *mode == SourceMode::Label,
        };
        read.push(if labelled { source.labelled() } else { source });
    }
    let merged = merge_for(format.escaping(), Vec::new(), read);
    let mut complete = true;
    for ((given, before), outcome) in sources.iter().zip(unreadable).zip(merged.outcomes()) {
        complete &= outcome.dropped.total() == 0;
        tell_dropped(given, before, outcome, &mut errors);
    }
    // Said before anything is written, so that the two do not mix where both go to one terminal.
    let _ = errors.flush();
    let mut out = io::stdout().lock();
    let mut rendering = Rendering::new(format);
    let mut part = Vec::new();
    loop {
        let more = rendering.advance(&merged, &mut part);
        if part.len() >= PART || !more {
            match out.write_all(&part) {
                // `podmeter merge ... | head` has read all it wants.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written.map_err(|error| Failure::Run(error.into()))?,
            }
            part.clear();
        }
        if !more {
            match out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(Failure::Run(error.into()));
                }
                _ => break,
            }
        }
    }
    Ok(if args.strict && !complete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn scan(body: &Body, to: Format) -> Scanned<'_> {
    let format = match body.format {
        InputFormat::Unknown => detect(&body.bytes),
        told => told,
    };
    // What is read is bounded by its bytes alone: a person asked for this very file.
    let limits = Limits {
        line_bytes: usize::MAX,
        samples: usize::MAX,
        families: usize::MAX,
        problems: KEPT,
    };
    scan_for(to, &body.bytes, format, &limits)
}

fn tell_problems(given: &Given, problems: &Problems, out: &mut dyn Write) {
    let first = problems.first();
    for problem in first {
        let _ = writeln!(out, "{}:{problem}", given.shown);
    }
    let more = problems.total() - first.len() as u64;
    if more > 0 {
        let _ = writeln!(out, "{}: and {more} more", given.shown);
    }
}

/// Tells what was dropped by merging, reading apart.
fn tell_dropped(given: &Given, before: Counts, outcome: &Outcome, out: &mut dyn Write) {
    for (reason, count) in outcome.dropped.iter() {
        let count = count - before.get(reason);
        if count > 0 {
            let samples = if count == 1 { "sample" } else { "samples" };
            let sentence = reason.sentence();
            let _ = writeln!(out, "{}: {count} {samples} dropped: {sentence}", given.shown);
        }
    }
}

/// Two sources of one name would give two processes one series.
fn name_apart(sources: &mut [Given]) {
    let mut taken = HashSet::new();
    for given in sources {
        let plain = one_line(&given.name);
        let mut number = 1;
        while !taken.insert(given.name.clone()) {
            number += 1;
            given.name = format!("{plain}-{number}");
        }
    }
}

/// How much is written at once.
const PART: usize = 64 << 10;
/// How many problems of one source are told; of what goes beyond, the number.
const KEPT: usize = 10_000;
