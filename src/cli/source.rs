//! What `lint` and `merge` read: files, standard input and URLs, each within a limit of bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Failure;
use crate::config::{self, AppMetrics, SourceMode, size};
use crate::exposition::{Escaping, InputFormat};
use crate::scrape::{self, Scraper, Wants};

/// One thing to read, as it was named on the command line.
#[derive(Debug)]
pub(super) struct Given {
    /// How sentences call it.
    pub(super) shown: String,
    /// What its samples' label `source` says in `merge`.
    pub(super) name: String,
    /// What becomes of its samples in `merge`, where it says so itself.
    pub(super) mode: Option<SourceMode>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdin,
    File(PathBuf),
    Url(Box<AppMetrics>),
}

/// What was read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// What whoever sent it calls it.
    pub(super) format: InputFormat,
    /// How names are spelt in it, where that is told.
    pub(super) escaping: Option<Escaping>,
}

/// How things are read.
#[derive(Debug, clap::Args)]
pub(super) struct Reading {
    /// The most that is read of one source; a longer one is not read at all.
    #[arg(long, value_name = "SIZE", default_value = MAX_BYTES)]
    max_bytes: String,

    /// How long a URL may take; its own `timeout=` goes before it.
    #[arg(long, value_name = "DURATION", default_value = TIMEOUT)]
    timeout: String,
}

impl Reading {
    /// The limits, if they are some.
    pub(super) fn limits(&self, wants: Wants) -> Result<Limits<'_>, Failure> {
        let usage = |error: config::ConfigError| Failure::Usage(error.to_string());
        let most = size("max-bytes", &self.max_bytes, MOST_BYTES).map_err(usage)?;
        let bounds = Duration::from_millis(1)..=Duration::from_secs(3600);
        let timeout = config::duration("timeout", &self.timeout, bounds).map_err(usage)?;
        Ok(Limits { most, shown: &self.max_bytes, timeout, wants })
    }
}

/// What reading may cost, and which formats URLs are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    most: u64,
    /// The same as it was written.
    shown: &'a str,
    timeout: Duration,
    wants: Wants,
}

/// Reads all of each: files in their order, URLs side by side.
pub(super) fn read(sources: &[Given], limits: Limits<'_>) -> Result<Vec<Outcome>, Failure> {
    let urls = sources.iter().filter_map(|given| match &given.place {
        Place::Url(source) => Some(&**source),
        _ => None,
    });
    let mut fetched = fetch(&urls.collect::<Vec<_>>(), limits)?.into_iter();
    let one = |given: &Given| {
        let outcome = match &given.place {
            Place::Stdin => all_of(io::stdin().lock(), limits).map(Body::from),
            Place::File(path) => open(path).map_err(Cause::Io).and_then(|file| {
                Ok(Body { format: format_of(path), ..all_of(file, limits)?.into() })
            }),
            // As many as there are URLs.
            Place::Url(_) => fetched.next().unwrap_or(Err(Cause::Fetch(String::new()))),
        };
        outcome.map_err(|cause| ReadError { shown: given.shown.clone(), cause })
    };
    Ok(sources.iter().map(one).collect())
}

/// What became of one of them.
type Outcome = Result<Body, ReadError>;

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), format: InputFormat::Unknown, escaping: None }
    }
}

impl Given {
    /// Tells files, `-` and URLs apart. A file that is there is one, whatever it is called.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let given = |place, name: &str| Self {
            shown: one_line(text),
            name: one_line(name),
            mode: None,
            place,
        };
        if text == "-" {
            return Ok(Self { shown: "standard input".to_owned(), ..given(Place::Stdin, "stdin") });
        }
        let path = Path::new(text);
        let is_url = text.contains("://") || text.starts_with("unix:");
        if !is_url || path.exists() {
            let name = path.file_name().map_or(text.into(), |name| name.to_string_lossy());
            return Ok(given(Place::File(path.to_owned()), &name));
        }
        let source: AppMetrics = text.parse().map_err(|error: config::ConfigError| {
            Failure::Usage(error.to_string().replacen("--app-metrics", "the source", 1))
        })?;
        // As it was understood, without what may be secret.
        let shown = source.url.to_string();
        let (name, mode) = (source.name.clone(), source.mode.clone());
        let mode = Some(mode).filter(|mode| *mode != SourceMode::Plain);
        Ok(Self { shown, name, mode, place: Place::Url(Box::new(source)) })
    }
}

/// What a file's name says: `*.prom` is what the node exporter's textfile collector reads.
fn format_of(path: &Path) -> InputFormat {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let format = name.rsplit('.').take(2).find_map(|part| match part {
        "prom" => Some(InputFormat::Text),
        "om" | "openmetrics" => Some(InputFormat::OpenMetrics),
        "pb" | "protobuf" => Some(InputFormat::Protobuf),
        _ => None,
    });
    format.unwrap_or_default()
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{shown} {cause}")]
pub(super) struct ReadError {
    shown: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("could not be read: {0}")]
    Io(io::Error),
    #[error("is longer than --max-bytes, which is {0}; raise it to read more")]
    TooLong(String),
    #[error("{0}")]
    Fetch(String),
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // Opening one works; reading it then says something that only systems people understand.
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    Ok(file)
}

fn all_of(input: impl Read, limits: Limits<'_>) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    input.take(limits.most.saturating_add(1)).read_to_end(&mut bytes).map_err(Cause::Io)?;
    let long = bytes.len() as u64 > limits.most;
    if long { Err(Cause::TooLong(one_line(limits.shown))) } else { Ok(bytes) }
}

/// Asks URLs, side by side.
fn fetch(urls: &[&AppMetrics], limits: Limits<'_>) -> Result<Vec<Result<Body, Cause>>, Failure> {
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(error.into()))?;
    let fetched = runtime.block_on(async {
        let deadline = Instant::now() + limits.timeout;
        let scraper = Scraper { wants: limits.wants, ..Scraper::at(deadline) };
        let most = |source: &AppMetrics| source.limits.max_bytes.unwrap_or(limits.most);
        let ask = |source| Box::pin(scrape::fetch_once(source, most(source), &scraper));
        scrape::side_by_side(urls.iter().copied().map(ask).collect()).await
    });
    let body = |answer: scrape::Body| Body {
        format: InputFormat::from_content_type(answer.content_type.as_deref()),
        escaping: Escaping::from_content_type(answer.content_type.as_deref()),
        bytes: answer.bytes,
    };
    let cause = |error: scrape::FetchError| Cause::Fetch(one_line(&error.cause.to_string()));
    Ok(fetched.into_iter().map(|outcome| outcome.map(body).map_err(cause)).collect())
}

/// What is said where the answer could not be written.
pub(super) fn unwritten(error: &io::Error) -> Failure {
    Failure::Run(anyhow::anyhow!("could not write to standard output: {error}"))
}

/// A name as sentences show it: nothing in it moves the cursor or ends the line.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect()
}

const MAX_BYTES: &str = "256MiB";
/// As Prometheus's own.
const TIMEOUT: &str = "10s";
const MOST_BYTES: u64 = 1 << 40;
