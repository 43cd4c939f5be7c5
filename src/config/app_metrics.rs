//! Reads `--app-metrics URL[,name=NAME][,mode=label]`, and gives every source a name.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::AppMetrics;
use super::address::{self, LOOPBACK};
use super::error::{ConfigError, shown};

/// Reads all sources. A source without a name is called by its host, port and path, as in
/// `127.0.0.1:9102/metrics`; if that is taken, then with `-2`, `-3` and so on behind.
pub(super) fn read_all(texts: &[&str]) -> Result<Vec<AppMetrics>, ConfigError> {
    let sources = texts.iter().map(|text| read(text)).collect::<Result<Vec<_>, _>>()?;
    let mut taken = HashSet::new();
    for name in sources.iter().filter_map(|source| source.name.clone()) {
        if let Some(name) = taken.replace(name) {
            return Err(ConfigError::SourceNameTwice { name: shown(&name) });
        }
    }
    let named = sources.into_iter().map(|Source { url, name, label }| {
        let name = name.unwrap_or_else(|| {
            let name = free_name(&url, &taken);
            taken.insert(name.clone());
            name
        });
        AppMetrics { url, name, label }
    });
    Ok(named.collect())
}

/// Refuses sources that are this very process.
pub(super) fn check_loops(
    sources: &[AppMetrics],
    own: &[(&'static str, SocketAddr)],
) -> Result<(), ConfigError> {
    for AppMetrics { url, .. } in sources {
        let (host, port) = host_and_port(url);
        let ip = if host == "localhost" { Some(LOOPBACK) } else { host.parse::<IpAddr>().ok() };
        let target = ip.map(|ip| SocketAddr::new(ip.to_canonical(), port));
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

/// As `--app-metrics` takes it, with the name written out.
impl fmt::Display for AppMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},name={}", self.url, self.name)?;
        if self.label { f.write_str(",mode=label") } else { Ok(()) }
    }
}

/// One source as it was written.
struct Source {
    url: Uri,
    name: Option<String>,
    label: bool,
}

fn read(text: &str) -> Result<Source, ConfigError> {
    let mut parts = text.split(',');
    let url = url(text, parts.next().unwrap_or_default())?;
    let (mut name, mut mode) = (None, None);
    for option in parts {
        let (key, slot) = match option.split_once('=') {
            Some(("name", value)) => ("name", name.replace(value)),
            Some(("mode", value)) => ("mode", mode.replace(value)),
            _ => {
                let (value, option) = (without_secrets(text), without_secrets(option));
                return Err(ConfigError::SourceOption { value, option });
            }
        };
        if slot.is_some() {
            return Err(ConfigError::SourceOptionTwice {
                value: without_secrets(text),
                option: key,
            });
        }
    }
    let name = match name {
        Some(name) if !is_name(name) => {
            return Err(invalid(
                text,
                format!(
                    "name= with 1 to {NAME_CHARS} characters and without quotes, backslashes or control \
                 characters"
                ),
            ));
        }
        name => name.map(str::to_owned),
    };
    let label = match mode {
        None => false,
        Some("label") => true,
        Some("sum") => return Err(not_yet(text, "mode=sum", "mode=label, or no mode")),
        Some(_) => return Err(invalid(text, "mode=label, or no mode".to_owned())),
    };
    Ok(Source { url, name, label })
}

/// Reads the URL, long or short; `text` is the whole setting, for the sentence.
fn url(text: &str, url: &str) -> Result<Uri, ConfigError> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(ConfigError::Credentials);
    }
    match scheme.to_ascii_lowercase().as_str() {
        _ if url.starts_with("unix:") => {
            return Err(not_yet(text, "Unix sockets as sources", INSTEAD));
        }
        "http" => {}
        "https" => return Err(not_yet(text, "https for sources", INSTEAD)),
        _ => return Err(invalid(text, EXPECTED.to_owned())),
    }
    let short = url == rest;
    let host = match rest.as_bytes().first() {
        Some(b':') if short => "127.0.0.1",
        _ if short && address::port(rest).is_some() => "127.0.0.1:",
        _ => "",
    };
    let path = if rest.contains('/') {
        ""
    } else if rest.contains('?') {
        return Err(invalid(text, EXPECTED.to_owned()));
    } else {
        "/metrics"
    };
    let uri = format!("http://{host}{rest}{path}").parse::<Uri>().ok();
    // Without a scheme a word alone is more likely a mistake than a host on port 80.
    uri.filter(|uri| has_an_address(uri) && !(short && uri.port().is_none()))
        .ok_or_else(|| invalid(text, EXPECTED.to_owned()))
}

/// Whether a URL says a host that can be one and, if any, a port that can be one.
fn has_an_address(url: &Uri) -> bool {
    let Some(authority) = url.authority() else { return false };
    let host = authority.host();
    let host_is_one =
        host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || address::is_host_name(host);
    let port = authority.as_str().strip_prefix(host).unwrap_or_default();
    let port_is_one = match port.strip_prefix(':') {
        Some(digits) => address::port(digits).is_some_and(|port| port != 0),
        None => port.is_empty(),
    };
    host_is_one && port_is_one
}

/// A name for a source that was given none.
fn free_name(url: &Uri, taken: &HashSet<String>) -> String {
    let (host, port) = host_and_port(url);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let name: String = format!("{host}:{port}{}", url.path())
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

/// Host without brackets, and port.
fn host_and_port(url: &Uri) -> (&str, u16) {
    let host = url.host().unwrap_or_default();
    (host.trim_matches(['[', ']']), url.port_u16().unwrap_or(80))
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARS).contains(&name.chars().count()) && name.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    !(c.is_control() || c.is_whitespace() || ['"', '\'', '\\', ','].contains(&c))
}

/// A value as a sentence shows it, without what may be a user and password: they must not reach a
/// log, however odd the rest of the URL is.
fn without_secrets(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => shown(&format!("...@{rest}")),
        None => shown(text),
    }
}

fn invalid(text: &str, expected: String) -> ConfigError {
    ConfigError::Invalid { setting: "app-metrics", value: without_secrets(text), expected }
}

fn not_yet(text: &str, feature: &str, instead: &'static str) -> ConfigError {
    let feature = feature.to_owned();
    ConfigError::NotYet { setting: "app-metrics", value: without_secrets(text), feature, instead }
}

const EXPECTED: &str = "a URL such as http://127.0.0.1:9102/metrics, :9102/metrics or 9102";
const INSTEAD: &str = "a URL that begins with http://";
/// Enough for a host name and a path, little enough for a label.
const NAME_CHARS: usize = 200;
