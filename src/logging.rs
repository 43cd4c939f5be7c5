//! Sends the log to standard error, as text for people or JSON for machines.

use std::error::Error;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process, once.
pub fn init(log: &Log) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .map_err(|source| LoggingError::Filter { level: log.level.clone(), source })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        // Colours would be noise in the log of a container.
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(LoggingError::Started)
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter does not parse, which a [`Config`](crate::config::Config) rules out.
    #[error("--log-level is {level:?}, which is no filter: {source}")]
    Filter {
        /// The filter.
        level: String,
        /// What the parser said.
        source: ParseError,
    },
    /// Something in this process logs already.
    #[error("logging could not be started: {0}")]
    Started(Box<dyn Error + Send + Sync>),
}
