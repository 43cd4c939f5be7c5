//! `podmeter merge`: one valid exposition of many.

mod sums;

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use self::sums::Groups;
use super::Failure;
use super::source::{self, Body, Given, Reading, one_line};
use crate::config::{GaugeRule, SourceMode, SumRules};
use crate::exposition::{
    Apart, Counts, Escaping, Format, InputFormat, Limits, Problems, Rendering, Source, Syntax,
    detect, merge_for, parse_with, scan_for,
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
    /// adds `source="NAME"` to all, `sum` adds them up as those of processes of one app. A URL's
    /// own `mode=` goes before it.
    #[arg(long, value_enum, value_name = "MODE", default_value = "plain")]
    mode: Mode,

    /// What several processes' gauges come to in a sum; a URL's own `gauges=` goes before it.
    #[arg(long, value_enum, value_name = "RULE", default_value = "sum")]
    gauges: Gauges,

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
  podmeter merge --mode sum worker-*.prom             processes of one app as one
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
    /// They are added up.
    Sum,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Gauges {
    /// Their sum, unless the name says that it is no amount.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// That with the newest timestamp, else the last source's.
    Last,
    /// Each by itself, with a label `process`.
    Label,
}

impl Args {
    /// The rules of a sum, if all sources are added up.
    fn sum(&self) -> Option<SumRules> {
        let gauges = match self.gauges {
            Gauges::Sum => GaugeRule::Sum,
            Gauges::Max => GaugeRule::Max,
            Gauges::Min => GaugeRule::Min,
            Gauges::Last => GaugeRule::Last,
            Gauges::Label => GaugeRule::Label,
        };
        matches!(self.mode, Mode::Sum).then(|| SumRules { gauges, ..SumRules::default() })
    }

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
    let all = args.sum();
    sums::check(&sources, all.as_ref())?;
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
    let mut lost = Lost { sources: &sources, any: false };
    let (mut entries, mut groups, mut places) = (Vec::new(), Groups::default(), Vec::new());
    for (at, (given, body)) in sources.iter().zip(&bodies).enumerate() {
        if let Some(rules) = sums::rules(given, all.as_ref()) {
            let read = parse_with(&body.bytes, body.format(), &LIMITS);
            let read = if body.has_escaped_names() { read.unescaped() } else { read };
            lost.problems(at, &read.problems, &mut errors);
            let (_, new) = groups.add(at, &given.name, read, &rules);
            if new {
                places.push(entries.len());
                entries.push(None);
            }
            continue;
        }
        let scanned = scan_for(format, &body.bytes, body.format(), &LIMITS);
        let scanned = if body.has_escaped_names() { scanned.unescaped() } else { scanned };
        lost.problems(at, &scanned.problems, &mut errors);
        let before = *scanned.problems.dropped();
        let source = Source::new(given.name.as_str(), scanned);
        let labelled = match &given.mode {
            None => matches!(args.mode, Mode::Label),
            Some(mode) => *mode == SourceMode::Label,
        };
        entries.push(Some((at, before, if labelled { source.labelled() } else { source })));
    }
    for (total, place) in groups.finish().into_iter().zip(places) {
        for (at, dropped) in &total.dropped {
            lost.samples(*at, Counts::default(), dropped, &mut errors);
        }
        let first = total.dropped.first().map_or(0, |(at, _)| *at);
        let source = Source::new(sources[first].name.as_str(), total.exposition);
        entries[place] = Some((first, Counts::default(), source));
    }
    let (mut owners, mut read) = (Vec::new(), Vec::new());
    for (at, before, source) in entries.into_iter().flatten() {
        owners.push((at, before));
        read.push(source);
    }
    let merged = merge_for(format, Vec::new(), read);
    for ((at, before), outcome) in owners.into_iter().zip(merged.outcomes()) {
        lost.samples(at, before, &outcome.dropped, &mut errors);
        lost.types(at, &outcome.apart, &mut errors);
    }
    let complete = !lost.any;
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
                written => written.map_err(|error| source::unwritten(&error))?,
            }
            part.clear();
        }
        if !more {
            match out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(source::unwritten(&error));
                }
                _ => break,
            }
        }
    }
    Ok(if args.strict && !complete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Body {
    /// What it is, as far as that is known.
    fn format(&self) -> InputFormat {
        match self.format {
            InputFormat::Unknown => detect(&self.bytes),
            told => told,
        }
    }

    /// Whether names stand in it as `escaping=values` makes them.
    fn has_escaped_names(&self) -> bool {
        self.escaping == Some(Escaping::Values)
    }
}

/// Tells what was lost, and remembers whether anything was.
struct Lost<'a> {
    sources: &'a [Given],
    any: bool,
}

impl Lost<'_> {
    /// Tells what could not be read.
    fn problems(&mut self, at: usize, problems: &Problems, out: &mut dyn Write) {
        let shown = &self.sources[at].shown;
        self.any |= problems.dropped().total() > 0;
        for problem in problems.first() {
            let _ = writeln!(out, "{shown}:{problem}");
        }
        let more = problems.total() - problems.first().len() as u64;
        if more > 0 {
            let _ = writeln!(out, "{shown}: and {more} more");
        }
    }

    /// Tells which samples went although they could be read, beyond those of `before`.
    fn samples(&mut self, at: usize, before: Counts, dropped: &Counts, out: &mut dyn Write) {
        let shown = &self.sources[at].shown;
        for (reason, count) in dropped.iter() {
            let count = count - before.get(reason);
            if count > 0 {
                self.any = true;
                let samples = if count == 1 { "sample" } else { "samples" };
                let _ = writeln!(out, "{shown}: {count} {samples} dropped: {}", reason.sentence());
            }
        }
    }

    /// Tells which families lost their type, and no sample.
    fn types(&self, at: usize, apart: &Apart, out: &mut dyn Write) {
        let shown = &self.sources[at].shown;
        if let Some(first) = &apart.first {
            let more = match apart.families - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let _ = writeln!(
                out,
                "{shown}: written as parts, untyped, because they do not add up or fit: {first}{more}"
            );
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
/// What is read is bounded by its bytes alone: a person asked for this very file. Of what is wrong
/// with it, so much is told; of what goes beyond, the number.
const LIMITS: Limits = Limits {
    line_bytes: usize::MAX,
    samples: usize::MAX,
    families: usize::MAX,
    problems: 10_000,
    native_below_zero: true,
};
