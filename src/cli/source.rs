//! What `lint` and `merge` read: files, standard input and URLs, each within a limit of bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::config::{AppMetrics, SourceMode, size};
use crate::exposition::InputFormat;

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
    pub(super) bytes: Vec<u8>,
    /// What whoever sent it calls it.
    pub(super) format: InputFormat,
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
        let source: AppMetrics = text.parse().map_err(|error: crate::config::ConfigError| {
            Failure::Usage(error.to_string().replacen("--app-metrics", "the source", 1))
        })?;
        // As it was understood, without what may be secret.
        let shown = source.url.to_string();
        let (name, mode) = (source.name.clone(), source.mode.clone());
        let mode = Some(mode).filter(|mode| *mode != SourceMode::Plain);
        Ok(Self { shown, name, mode, place: Place::Url(Box::new(source)) })
    }

    /// Reads all of it, up to `most` bytes.
    pub(super) fn body(&self, most: u64) -> Result<Body, ReadError> {
        let fail = |cause| ReadError { shown: self.shown.clone(), cause };
        let bytes = match &self.place {
            Place::Stdin => all_of(io::stdin().lock(), most).map_err(fail)?,
            Place::File(path) => {
                open(path).map_err(Cause::Io).and_then(|file| all_of(file, most)).map_err(fail)?
            }
            Place::Url(source) => {
                return fetch(source, most).map_err(|why| fail(Cause::Fetch(why)));
            }
        };
        let format = match &self.place {
            Place::File(path) => format_of(path),
            _ => InputFormat::Unknown,
        };
        Ok(Body { bytes, format })
    }
}

/// What a file's name says: `*.prom` is what node_exporter's textfile collector reads.
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
    #[error("is longer than --max-bytes, which is {0} bytes; raise it to read more")]
    TooLong(u64),
    #[error("{0}")]
    Fetch(String),
}

/// Reads a size as `--max-bytes` takes it.
pub(super) fn max_bytes(text: &str) -> Result<u64, Failure> {
    size("max-bytes", text, MOST_BYTES).map_err(|error| Failure::Usage(error.to_string()))
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // Opening one works; reading it then says something that only systems people understand.
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    Ok(file)
}

fn all_of(input: impl Read, most: u64) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    input.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Cause::Io)?;
    if bytes.len() as u64 > most { Err(Cause::TooLong(most)) } else { Ok(bytes) }
}

fn fetch(source: &AppMetrics, _most: u64) -> Result<Body, String> {
    Err(format!("cannot be asked yet: {}", source.url))
}

/// A name as sentences show it: nothing in it moves the cursor or ends the line.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect()
}

/// The default of `--max-bytes`, as it is written.
pub(super) const MAX_BYTES: &str = "256MiB";
const MOST_BYTES: u64 = 1 << 40;
