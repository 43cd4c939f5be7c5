//! Reads where a source is: `http`, `https` or a Unix socket, long or short.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::PathAndQuery;

use super::super::address;
use super::super::error::ConfigError;

/// Where a source is, and what is asked for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    place: Place,
    encrypted: bool,
    /// Host and port as they were written, for the `Host` of the requests.
    authority: String,
    path: PathAndQuery,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host, without the brackets of an IPv6 address, and a port that is not 0.
    Network {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket: the path of a file, or a name in the abstract namespace behind `@`.
    Socket(String),
}

impl SourceUrl {
    /// Reads a URL, long or short; `text` is the whole setting, for the sentence.
    pub(super) fn read(text: &str, url: &str) -> Result<Self, ConfigError> {
        let invalid = || super::invalid(text, EXPECTED.to_owned());
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("unix") {
            return socket(rest).ok_or_else(|| super::invalid(text, EXPECTED_SOCKET.to_owned()));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(ConfigError::Credentials);
        }
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid()),
        };
        network(url == rest, encrypted, rest).ok_or_else(invalid)
    }

    /// What to connect to.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether TLS is spoken there.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What to ask for.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path
    }

    /// What `Host` says: host and port as the URL has them (RFC 9110, 7.2).
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(socket) => write!(f, "unix:{socket}:{}", self.path),
            Place::Network { .. } => {
                let scheme = if self.encrypted { "https" } else { "http" };
                write!(f, "{scheme}://{}{}", self.authority, self.path)
            }
        }
    }
}

/// Reads what follows `http://` or `https://`, or a short form that has neither.
fn network(short: bool, encrypted: bool, rest: &str) -> Option<SourceUrl> {
    let host = match rest.as_bytes().first() {
        Some(b':') if short => "127.0.0.1",
        _ if short && address::port(rest).is_some() => "127.0.0.1:",
        _ => "",
    };
    let path = match (rest.contains('/'), rest.contains('?')) {
        (true, _) => "",
        (false, true) => return None,
        (false, false) => METRICS,
    };
    let url = format!("http://{host}{rest}{path}").parse::<Uri>().ok()?;
    let authority = url.authority()?;
    let host = authority.host();
    let bare = host.trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_err() && !address::is_host_name(host) {
        return None;
    }
    let port = match authority.as_str().strip_prefix(host)?.strip_prefix(':') {
        Some(digits) => address::port(digits).filter(|port| *port != 0)?,
        // Without a scheme a word alone is more likely a mistake than a host on port 80.
        None if short || authority.as_str() != host => return None,
        None if encrypted => 443,
        None => 80,
    };
    Some(SourceUrl {
        place: Place::Network { host: bare.to_owned(), port },
        encrypted,
        authority: authority.as_str().to_owned(),
        path: url.path_and_query()?.clone(),
    })
}

/// Reads what follows `unix:`, which is a socket, and behind the first `:/` the path to ask for.
fn socket(rest: &str) -> Option<SourceUrl> {
    // `unix:///run/app.sock` is common, too.
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (socket, path) = match rest.find(":/") {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, METRICS),
    };
    let name = socket.strip_prefix(['/', '@'])?;
    let is_one = !name.is_empty()
        && socket.len() <= SOCKET_BYTES
        && !socket.ends_with(['/', ':'])
        && !socket.contains(|c: char| c.is_control() || c.is_whitespace() || "?\"'\\".contains(c));
    Some(SourceUrl {
        place: Place::Socket(is_one.then(|| socket.to_owned())?),
        encrypted: false,
        authority: "localhost".to_owned(),
        path: path.parse().ok()?,
    })
}

/// Whether a word is more likely a source of its own than a part of another one's value.
pub(super) fn is_source(word: &str) -> bool {
    SourceUrl::read(word, word).is_ok()
}

pub(super) const EXPECTED: &str = "a URL such as http://127.0.0.1:9102/metrics, \
                                   https://app:9443/metrics, unix:/run/app.sock:/metrics, \
                                   :9102/metrics or 9102";
const EXPECTED_SOCKET: &str = "unix: and the path of a socket, of at most 107 bytes and without \
                               white space, then the path to ask for, such as \
                               unix:/run/app.sock:/metrics";
const METRICS: &str = "/metrics";
/// What fits into the address of a socket (unix(7)).
const SOCKET_BYTES: usize = 107;
