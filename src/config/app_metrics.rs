//! The app's own expositions as `--app-metrics` names them: where each is, how it is asked, and
//! what becomes of what it says.
//!
//! [`words`] cuts what a person wrote into sources and options, [`url`] reads where a source is,
//! [`options`] reads the rest, [`mod@written`] takes a mapping of the YAML file to the same notation,
//! and [`show`] writes a source back.

mod mode;
mod options;
mod show;
#[cfg(test)]
mod tests;
mod url;
mod words;
mod written;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

pub use self::mode::{GaugeRule, SourceMode, SumRules};
pub use self::url::{Place, SourceUrl};
pub(super) use self::written::written;

use self::options::Source;
use super::address::{self, LOOPBACK};
use super::error::{ConfigError, shown};

/// One exposition of the app, merged into ours on every scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMetrics {
    /// Where it is.
    pub url: SourceUrl,
    /// What it is called in labels and on `/sources`; unique.
    pub name: String,
    /// What becomes of its samples.
    pub mode: SourceMode,
    /// What it may cost, where that is less than what all may.
    pub limits: SourceLimits,
    /// Who asks.
    pub authorization: Authorization,
    /// What every request says besides, each header once.
    pub headers: Vec<SourceHeader>,
    /// Who may answer; `Some` exactly where the URL is one of https.
    pub tls: Option<SourceTls>,
}

/// What one source may cost. `None` is what all may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimits {
    /// How long one scrape may wait for it.
    pub timeout: Option<Duration>,
    /// The most bytes of its answer, before decompression and after it.
    pub max_bytes: Option<u64>,
    /// The most samples that are read of it.
    pub max_samples: Option<usize>,
}

/// The `Authorization` of the requests. Files are read anew when they change; a line end at their
/// end is no part of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// None.
    #[default]
    None,
    /// Basic, from a file that holds `USER:PASSWORD`.
    Basic(PathBuf),
    /// Basic, with a user named here and a file that holds the password.
    BasicPassword {
        /// The user.
        user: String,
        /// The file of the password.
        file: PathBuf,
    },
    /// Bearer, from a file that holds the token.
    Bearer(PathBuf),
    /// That of whoever scrapes us.
    Forwarded,
}

/// A header of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderText,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// This, which may be a secret and is shown nowhere.
    Given(HeaderValue),
    /// What is in this file, read anew when it changes.
    File(PathBuf),
}

/// How the other side of a TLS connection shows who it is, and we show who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTls {
    /// Whom the certificate must be from.
    pub trust: Trust,
    /// The name that the certificate must bear, where that is not the URL's host.
    pub server_name: Option<String>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Whose word is taken for who a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the system trusts.
    #[default]
    System,
    /// Those of a file of PEM certificates alone.
    File(PathBuf),
    /// Anybody's: the connection is encrypted, but to whom is not known.
    Anybody,
}

impl AppMetrics {
    /// The sentence for what is wrong with this source though it could be read.
    pub(crate) fn refused(&self, problem: String) -> ConfigError {
        ConfigError::SourceOptions { value: shown(&self.to_string()), problem }
    }
}

/// Reads one source as `--app-metrics` takes it, for a command that asks it once.
impl FromStr for AppMetrics {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut sources = read_all(&[text])?;
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Ok(source),
            _ => Err(invalid(text, format!("one source, {}", url::EXPECTED))),
        }
    }
}

/// Reads all sources; each text may hold several. A source without a name is called by its host,
/// port and path, as in `127.0.0.1:9102/metrics`; if that is taken, then with `-2`, `-3` and so on
/// behind.
pub(super) fn read_all(texts: &[&str]) -> Result<Vec<AppMetrics>, ConfigError> {
    let mut sources = Vec::new();
    for text in texts {
        for words in words::split(text)? {
            sources.push(Source::read(&words)?);
        }
    }
    let mut taken = HashSet::new();
    for name in sources.iter().filter_map(|source| source.name.clone()) {
        if let Some(name) = taken.replace(name) {
            return Err(ConfigError::SourceNameTwice { name: shown(&name) });
        }
    }
    let named = sources.into_iter().map(|source| {
        let name = source.name.unwrap_or_else(|| {
            let name = free_name(&source.url, &taken);
            taken.insert(name.clone());
            name
        });
        AppMetrics {
            url: source.url,
            name,
            mode: source.mode,
            limits: source.limits,
            authorization: source.authorization,
            headers: source.headers,
            tls: source.tls,
        }
    });
    let sources: Vec<AppMetrics> = named.collect();
    check_groups(&sources)?;
    Ok(sources)
}

/// Refuses sources that are added up with each other, but not by the same rules.
fn check_groups(sources: &[AppMetrics]) -> Result<(), ConfigError> {
    let mut groups: BTreeMap<Option<&str>, SumRules> = BTreeMap::new();
    for source in sources {
        let SourceMode::Sum(rules) = &source.mode else { continue };
        let group = groups.entry(rules.group.as_deref()).or_default();
        if !group.take_over(rules) {
            let problem = "has another rule for gauges than a source that it is added up with; \
                           give both the same, or each a group= of its own";
            return Err(source.refused(problem.to_owned()));
        }
    }
    Ok(())
}

/// Refuses sources that are this very process.
pub(super) fn check_loops(
    sources: &[AppMetrics],
    own: &[(&'static str, SocketAddr)],
) -> Result<(), ConfigError> {
    for AppMetrics { url, .. } in sources {
        let Place::Network { host, port } = url.place() else { continue };
        let ip = if host == "localhost" { Some(LOOPBACK) } else { host.parse::<IpAddr>().ok() };
        let target = ip.map(|ip| SocketAddr::new(ip.to_canonical(), *port));
        let reached = |listen| target.is_some_and(|target| address::reaches(target, listen));
        if let Some(&(setting, address)) = own.iter().find(|(_, listen)| reached(*listen)) {
            return Err(ConfigError::ScrapeLoop {
                value: shown(&url.to_string()),
                setting,
                address,
            });
        }
    }
    Ok(())
}

/// A name for a source that was given none.
fn free_name(url: &SourceUrl, taken: &HashSet<String>) -> String {
    let place = match url.place() {
        Place::Network { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Place::Network { host, port } => format!("{host}:{port}"),
        Place::Socket(socket) => format!("unix:{socket}:"),
    };
    let name: String = format!("{place}{}", url.path_and_query().path())
        .chars()
        // Room for the number behind it.
        .take(NAME_CHARS - 10)
        .map(|c| if is_name_char(c) { c } else { '_' })
        .collect();
    let mut free = name.clone();
    let mut number = 1;
    while taken.contains(&free) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS).contains(&name.chars().count()) && name.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    !(c.is_control() || c.is_whitespace() || ['"', '\'', '\\', ','].contains(&c))
}

fn invalid(text: &str, expected: String) -> ConfigError {
    ConfigError::Invalid { setting: "app-metrics", value: words::hidden(text), expected }
}

/// Enough for a host name and a path, little enough for a label.
const NAME_CHARS: usize = 200;
