//! Reads the YAML file of `--config`: one key for each flag, under the flag's name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use serde_saphyr::Error as YamlError;

use super::args::ProxyArgs;
use super::error::shown;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It could not be read.
    #[error("--config is {path:?}, which could not be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is longer than any configuration.
    #[error("--config is {path:?}, which is longer than 1MiB; name a file of podmeter's settings")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A key that is no setting.
    #[error(
        "--config is {path:?}, but its line {line} has the key {key}, which is no setting of the \
         proxy; {hint}"
    )]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The key.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// It is not YAML, or not of the shape of the settings.
    #[error("--config is {path:?}, but its line {line} cannot be read: {problem}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
}

/// Reads one file.
pub(super) fn read(path: &Path) -> Result<ProxyArgs, FileError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    if text.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLong { path: path.to_owned() });
    }
    // `off` is a text here, and not the `false` that it was in YAML 1.1.
    // What is more than any number stays the text that it is, for the setting to refuse.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
    };
    serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| sentence(path.to_owned(), error.without_snippet()))
}

fn sentence(path: PathBuf, error: &YamlError) -> FileError {
    let line = error.location().map_or(1, |location| location.line());
    let problem = match error {
        YamlError::SerdeUnknownField { field, .. } => {
            let hint = nearest(field).map_or_else(
                || "podmeter proxy --help names them".to_owned(),
                |key| format!("did you mean {key}?"),
            );
            return FileError::UnknownKey { path, line, key: shown(field), hint };
        }
        YamlError::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {} is there twice; give it once", shown(key))
        }
        YamlError::MultipleDocuments { .. } => {
            "a second document begins; keep all settings in one".to_owned()
        }
        YamlError::Unexpected { expected: "mapping start", .. } => {
            "settings are written as KEY: VALUE, such as stats-listen: 15090".to_owned()
        }
        YamlError::Unexpected { expected: "string scalar", .. } => {
            "one text or number belongs here, not a list or a mapping".to_owned()
        }
        YamlError::SerdeInvalidType { .. } | YamlError::NullIntoString { .. } => {
            "one text or a list of texts belongs here; put quotes around each text".to_owned()
        }
        other => {
            let text = other.to_string();
            let (problem, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
            problem.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    };
    FileError::Yaml { path, line, problem }
}

/// The setting that comes nearest to a key, as the command line would suggest it.
fn nearest(key: &str) -> Option<String> {
    let flag = format!("--{}", key.replace('_', "-"));
    let command = <ProxyArgs as clap::Args>::augment_args(clap::Command::new("podmeter"));
    let name = |flag: &str| flag.trim_start_matches('-').to_owned();
    if command.get_arguments().any(|arg| arg.get_long() == Some(&name(&flag))) {
        return Some(name(&flag));
    }
    let mistake = command.try_get_matches_from(["podmeter", &flag]).err()?;
    match mistake.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => Some(name(flag)),
        _ => None,
    }
}

/// Far more than all settings take.
const MAX_BYTES: u64 = 1 << 20;
