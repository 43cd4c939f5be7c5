//! Lays flags, variables and the file over one another, and remembers where each value is from.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Config;
use super::address::{Resolve, system_resolver};
use super::args::{ProxyArgs, Slot, variable};
use super::error::ConfigError;
use super::file::{self, FileError};

/// What is asked of the world while settings are read.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The addresses of a host.
    pub resolve: Resolve<'a>,
}

impl Surroundings<'static> {
    /// The real environment, and the system's resolver.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    pub fn system() -> Self {
        Self { variable: &|name| std::env::var_os(name), resolve: &system_resolver }
    }
}

/// Makes a [`Config`] of the `flags` and, below them, the variables, the file that `--config` or
/// `PODMETER_CONFIG` names, and the defaults. A variable that is empty counts as not set.
pub fn load(
    flags: ProxyArgs,
    config_file: Option<PathBuf>,
    surroundings: Surroundings<'_>,
) -> Result<Config, LoadError> {
    let ask = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let path = config_file.or_else(|| ask(&variable("config")).map(PathBuf::from));
    let file = path.as_deref().map(file::read).transpose()?.unwrap_or_default();
    let variables = from_variables(ask)?;
    let origins = Origins {
        flags: names(&flags),
        variables: names(&variables),
        file: names(&file),
        path: path.unwrap_or_default(),
    };

    let mut args = flags;
    args.fill_from(variables);
    args.fill_from(file);
    Config::from_args(args, surroundings.resolve).map_err(|error| {
        let origin = origins.of(&error.settings());
        LoadError::Setting { error, origin }
    })
}

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A setting that cannot be, and where it was set if not by a flag.
    #[error("{error}{origin}")]
    Setting {
        /// What is wrong.
        error: ConfigError,
        /// Where the settings that it speaks of are from.
        origin: Origin,
    },
    /// A file that cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable that is no text.
    #[error("{variable} is not valid UTF-8 text; set it to text, or unset it")]
    VariableIsNotText {
        /// The variable's name.
        variable: String,
    },
}

/// Where settings are from that no flag set, as the end of a sentence; empty if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin(Vec<String>);

impl Origin {
    /// Of `settings`, those that are set `by_variables`, whose names `variable` gives.
    pub(super) fn variables(
        settings: &[&'static str],
        by_variables: &[&'static str],
        variable: fn(&str) -> String,
    ) -> Self {
        let set = settings.iter().filter(|setting| by_variables.contains(setting));
        Self(set.map(|setting| format!("--{setting} is set by {}", variable(setting))).collect())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0.join(", ")) }
    }
}

/// Which layer says what.
struct Origins {
    flags: Vec<&'static str>,
    variables: Vec<&'static str>,
    file: Vec<&'static str>,
    path: PathBuf,
}

impl Origins {
    fn of(&self, settings: &[&'static str]) -> Origin {
        let from = |setting: &&'static str| {
            if self.flags.contains(setting) {
                None
            } else if self.variables.contains(setting) {
                Some(format!("--{setting} is set by {}", variable(setting)))
            } else if self.file.contains(setting) {
                Some(format!("--{setting} is set by {}", self.path.display()))
            } else {
                None
            }
        };
        Origin(settings.iter().filter_map(from).collect())
    }
}

fn names(layer: &ProxyArgs) -> Vec<&'static str> {
    layer.clone().said().into_iter().map(|(name, _)| name).collect()
}

fn from_variables(ask: impl Fn(&str) -> Option<OsString>) -> Result<ProxyArgs, LoadError> {
    let mut args = ProxyArgs::default();
    for (setting, slot) in args.slots() {
        let variable = variable(setting);
        let Some(value) = ask(&variable) else { continue };
        let Ok(text) = value.into_string() else {
            return Err(LoadError::VariableIsNotText { variable });
        };
        match slot {
            Slot::One(value) => *value = Some(text),
            Slot::Many(values) => values.push(text),
        }
    }
    Ok(args)
}
