//! Reads the probes of the app that the kubelet asks of us: JSON, in the words of a pod's spec.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::error::{ConfigError, shown};

/// A probe that the health listener answers by asking the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// Where the kubelet asks for it.
    pub path: String,
    /// The app's port.
    pub port: u16,
    /// What is asked there.
    pub check: Check,
    /// How long the kubelet waits.
    pub timeout: Duration,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether somebody takes the connection.
    Connect,
    /// Whether a GET is answered with 200 to 399.
    Get {
        /// Whether through TLS, with whatever certificate.
        tls: bool,
        /// Path and query.
        target: Uri,
        /// What is said besides.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_socket: Option<WrittenTcp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_get: Option<WrittenGet>,
    #[serde(default = "one")]
    timeout_seconds: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenTcp {
    port: u16,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenGet {
    port: u16,
    #[serde(default)]
    path: String,
    #[serde(default)]
    scheme: Scheme,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    http_headers: Vec<WrittenHeader>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Scheme {
    #[default]
    Http,
    Https,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader {
    name: String,
    value: String,
}

/// Takes the key of the YAML file, JSON as a text or a mapping, to the notation of the flag.
pub(super) fn written<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        mapping => Some(mapping.to_string()),
    })
}

/// The kubelet's own default.
fn one() -> u32 {
    1
}

/// Reads all of them; none where nothing is said.
pub(super) fn read(text: &str) -> Result<Vec<AppProbe>, ConfigError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let invalid = |problem: String| ConfigError::Invalid {
        setting: "app-probes",
        value: shown(text),
        expected: format!("JSON as podmeter inject writes it ({problem})"),
    };
    if text.len() > MAX_BYTES {
        return Err(invalid("it is longer than 256KiB".to_owned()));
    }
    let written: BTreeMap<String, Written> =
        serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    written.into_iter().map(|(path, probe)| probe.read(path).map_err(invalid)).collect()
}

/// The same as text again; `None` for none.
pub(super) fn show(probes: &[AppProbe]) -> Option<String> {
    let written: BTreeMap<&str, Written> =
        probes.iter().map(|probe| (probe.path.as_str(), Written::from(probe))).collect();
    (!written.is_empty()).then(|| serde_json::to_string(&written).ok()).flatten()
}

impl Written {
    fn read(self, path: String) -> Result<AppProbe, String> {
        if !path.starts_with('/') || path.starts_with("/healthz/") {
            return Err(format!("{path:?} is no path for a probe"));
        }
        if self.timeout_seconds == 0 {
            return Err(format!("timeoutSeconds of {path:?} is 0"));
        }
        let timeout = Duration::from_secs(u64::from(self.timeout_seconds));
        let (port, check) = match (self.tcp_socket, self.http_get) {
            (Some(tcp), None) => (tcp.port, Check::Connect),
            (None, Some(get)) => (get.port, get.check()?),
            _ => return Err(format!("{path:?} takes one of tcpSocket and httpGet")),
        };
        if port == 0 {
            return Err(format!("the port of {path:?} is 0"));
        }
        Ok(AppProbe { path, port, check, timeout })
    }
}

impl WrittenGet {
    fn check(self) -> Result<Check, String> {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{}", self.path);
        let target = target.parse().map_err(|_| format!("{target:?} is no path to ask for"))?;
        let header = |header: WrittenHeader| {
            let name = HeaderName::try_from(&header.name).ok();
            let both = name.zip(HeaderValue::try_from(&header.value).ok());
            both.ok_or_else(|| format!("{:?} is no header", header.name))
        };
        let headers = self.http_headers.into_iter().map(header).collect::<Result<_, _>>()?;
        Ok(Check::Get { tls: matches!(self.scheme, Scheme::Https), target, headers })
    }
}

impl From<&AppProbe> for Written {
    fn from(probe: &AppProbe) -> Self {
        let port = probe.port;
        let (tcp_socket, http_get) = match &probe.check {
            Check::Connect => (Some(WrittenTcp { port }), None),
            Check::Get { tls, target, headers } => {
                let header = |(name, value): &(HeaderName, HeaderValue)| WrittenHeader {
                    name: name.to_string(),
                    value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
                };
                let get = WrittenGet {
                    port,
                    path: target.to_string(),
                    scheme: if *tls { Scheme::Https } else { Scheme::Http },
                    http_headers: headers.iter().map(header).collect(),
                };
                (None, Some(get))
            }
        };
        let timeout_seconds = u32::try_from(probe.timeout.as_secs()).unwrap_or(u32::MAX);
        Self { tcp_socket, http_get, timeout_seconds }
    }
}

/// Far more than the probes of any pod take.
const MAX_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        let text = r#"{"/app-health/db/livez": {"tcpSocket": {"port": 5432}},
            "/app-health/web/readyz": {"httpGet": {"port": 8443, "path": "ready?a=1",
            "scheme": "HTTPS", "httpHeaders": [{"name": "X-A", "value": "b c"}]},
            "timeoutSeconds": 7}}"#;
        let probes = read(text).unwrap();
        assert_eq!(probes.len(), 2);
        assert_eq!(probes[0].timeout, Duration::from_secs(1));
        assert_eq!(read(&show(&probes).unwrap()).unwrap(), probes);
        assert_eq!(show(&[]), None);
    }

    #[test]
    fn what_is_no_probe_is_refused_with_the_reason() {
        for (text, reason) in [
            ("x", "expected value"),
            (r#"{"/a": {}}"#, "one of tcpSocket and httpGet"),
            (r#"{"a": {"tcpSocket": {"port": 1}}}"#, "no path"),
            (r#"{"/healthz/ready": {"tcpSocket": {"port": 1}}}"#, "no path"),
            (r#"{"/a": {"tcpSocket": {"port": 0}}}"#, "is 0"),
            (r#"{"/a": {"tcpSocket": {"port": 1}, "timeoutSeconds": 0}}"#, "is 0"),
            (r#"{"/a": {"httpGet": {"port": 1, "path": "/ \u0001"}}}"#, "no path to ask"),
            (r#"{"/a": {"exec": {}}}"#, "unknown field"),
        ] {
            let sentence = read(text).unwrap_err().to_string();
            assert!(sentence.contains(reason) && sentence.contains("--app-probes"), "{sentence}");
        }
    }
}
