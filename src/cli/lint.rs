//! `podmeter lint`: is this exposition valid?

mod excerpt;
mod told;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use self::told::{Json, Text};
use super::Failure;
use super::source::{self, Body, Given, Limits, ReadError, Reading};
use crate::config::Surroundings;
use crate::exposition::{InputFormat, Report, lint};
use crate::scrape::Wants;

/// Say whether expositions are valid, and where and why they are not.
///
/// Reads files, `-` for standard input (also what is read when nothing is named), and URLs, and
/// writes `line:column: reason` for each thing that is wrong, with the name before it where there
/// are several. Valid is what Prometheus's own parser, Go's expfmt and Python's `prometheus_client`
/// all take.
///
/// Warnings tell what is valid but could be better: series that are given twice, buckets that do not
/// add up, help that is missing, names, units and labels against Prometheus's guidelines. They do not change the exit code unless `--strict` is given.
///
/// Without `--format` the format is told from the content: OpenMetrics has a line `# EOF`, protobuf
/// begins with a message's head, anything else is text. Of a URL the Content-Type counts.
///
/// Exit codes: 0 all are valid, 1 one is not, 2 one could not be read. Columns count bytes from 1.
/// Of protobuf the line is the number of the message and the column its byte.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// What the sources are, whatever they look like.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Warnings count as errors: exit code 1.
    #[arg(long)]
    strict: bool,

    /// Write one JSON array, with an object for each source.
    #[arg(long)]
    json: bool,

    /// Colour, and the line with a caret under the column: `auto` is on a terminal, where `NO_COLOR`
    /// leaves the caret without colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,

    #[command(flatten)]
    reading: Reading,

    /// Files, `-` for standard input, or URLs as `podmeter proxy --app-metrics` takes them.
    #[arg(value_name = "FILE|-|URL")]
    sources: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  curl -s localhost:9102/metrics | podmeter lint      what an app says right now
  podmeter lint --strict testdata/*.prom              in CI: warnings fail, too
  podmeter lint http://localhost:9102/metrics         asked as the proxy would ask
  podmeter lint --json a.prom b.prom | jq .           for programs";

/// A format as the command line names it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0.
    #[value(name = "openmetrics")]
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How each finding is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) color: bool,
    pub(super) caret: bool,
}

/// Judges every source.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let limits = args.reading.limits(Wants::Text)?;
    let named: Vec<&str> = match &*args.sources {
        [] => vec!["-"],
        sources => sources.iter().map(String::as_str).collect(),
    };
    let sources = named.into_iter().map(Given::read).collect::<Result<Vec<_>, _>>()?;
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let mut out = BufWriter::new(stdout.lock());
    let mut verdict = Verdict::Valid;
    let written = if args.json {
        judge(args, &sources, limits, &mut verdict, &mut Json::default(), &mut out)
    } else {
        let mut text = Text::new(look(args.color, terminal), sources.len() > 1, terminal);
        judge(args, &sources, limits, &mut verdict, &mut text, &mut out)
    };
    match written.and_then(|()| out.flush()) {
        // `podmeter lint | head` has read all it wants, and the verdict stands.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(source::unwritten(&error)),
        _ => Ok(verdict.code()),
    }
}

/// Writes what was found.
pub(super) trait Tell {
    fn judged(
        &mut self,
        given: &Given,
        body: &[u8],
        report: &Report,
        valid: bool,
        out: &mut dyn Write,
    ) -> io::Result<()>;
    fn unread(&mut self, given: &Given, error: &ReadError, out: &mut dyn Write) -> io::Result<()>;
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

fn judge(
    args: &Args,
    sources: &[Given],
    limits: Limits<'_>,
    verdict: &mut Verdict,
    tell: &mut dyn Tell,
    out: &mut dyn Write,
) -> io::Result<()> {
    for given in sources {
        // One after another, so that no more than one is in memory.
        let read = source::read(std::slice::from_ref(given), limits).map_err(io::Error::other)?;
        let Some(read) = read.into_iter().next() else { continue };
        match read {
            Ok(Body { bytes, format, .. }) => {
                let format = match args.format {
                    None => format,
                    Some(Format::Text) => InputFormat::Text,
                    Some(Format::OpenMetrics) => InputFormat::OpenMetrics,
                    Some(Format::Protobuf) => InputFormat::Protobuf,
                };
                let report = lint(&bytes, format, KEPT);
                let valid = report.errors() == 0 && !(args.strict && report.warnings() > 0);
                verdict.worsen(if valid { Verdict::Valid } else { Verdict::Invalid });
                tell.judged(given, &bytes, &report, valid, out)?;
            }
            Err(error) => {
                verdict.worsen(Verdict::Unread);
                tell.unread(given, &error, out)?;
            }
        }
    }
    tell.end(out)
}

/// How it ends; worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Valid,
    Invalid,
    Unread,
}

impl Verdict {
    fn worsen(&mut self, other: Self) {
        *self = (*self).max(other);
    }

    fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

fn look(color: Color, terminal: bool) -> Look {
    let asked = (Surroundings::system().variable)("NO_COLOR").is_none_or(|value| value.is_empty());
    Look {
        color: color == Color::Always || color == Color::Auto && terminal && asked,
        caret: color == Color::Always || terminal,
    }
}

/// How many findings of one source are told; of what goes beyond, the number.
const KEPT: usize = 10_000;
