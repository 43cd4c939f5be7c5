//! The annotations by which a Prometheus without an operator finds a pod's metrics.

use super::eligible::{containers, is_tcp, items};
use super::plan::{Annotations, Plan};
use super::probes;
use serde_json::{Map, Value};
use std::fmt::Write;

/// What becomes of a pod's `prometheus.io/*`.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// Where they pointed, as `--app-metrics` takes it.
    pub(super) source: Option<String>,
    /// What they say from now on.
    pub(super) annotations: Vec<(&'static str, String)>,
    /// What the person who wrote them may want to know.
    pub(super) warning: Option<String>,
}

/// Has the annotations point at the proxy, and says where they pointed before.
pub(super) fn rewrite(pod: &Value, plan: &Plan) -> Rewritten {
    let Some(stats) = plan.stats_port() else { return Rewritten::default() };
    let none = Map::new();
    let annotations = pod["metadata"]["annotations"].as_object().unwrap_or(&none);
    let get = |key: &str| annotations.get(key).map(text);
    let scraped = get(SCRAPE);
    let wanted = match (plan.annotations, scraped.as_deref()) {
        (Annotations::Keep, _) => false,
        (_, Some(scraped)) => scraped == "true",
        (how, None) => how == Annotations::Add,
    };
    if !wanted {
        return Rewritten::default();
    }
    let mut after = Vec::new();
    let mut say = |key: &'static str, value: &str| {
        if annotations.get(key).and_then(Value::as_str) != Some(value) {
            after.push((key, value.to_owned()));
        }
    };
    say(SCRAPE, "true");
    say(PORT, &stats.to_string());
    say(PATH, "/stats/prometheus");
    let scheme = get(SCHEME);
    if scheme.is_some() {
        say(SCHEME, "http");
    }
    // Who names the sources says all of them.
    let (port, warning) = if scraped.is_some() && plan.config.app_metrics.is_empty() {
        scraped_port(pod, get(PORT).as_deref().unwrap_or_default())
    } else {
        (None, None)
    };
    let ours = |port: u16| plan.ports().iter().any(|(_, own)| *own == port);
    let source = port
        .filter(|port| !ours(*port))
        .map(|port| source(plan, port, get(PATH).as_deref(), scheme.as_deref() == Some("https")));
    Rewritten { source, annotations: after, warning }
}

/// The port that a scraper looks at which is told this one, and what is to be said of it.
///
/// The usual relabelling puts numbers into the address alone. With anything else it scrapes the
/// declared ports, so the app's metrics were found there.
fn scraped_port(pod: &Value, said: &str) -> (Option<u16>, Option<String>) {
    let number = said.parse().ok().filter(|port| *port > 0);
    let named = || {
        let said = Value::from(said);
        containers(pod).find_map(|container| probes::port(container, &said))
    };
    let known = number.or_else(named);
    let port = known.or_else(|| first_port(pod));
    if known.is_some() || said.is_empty() {
        return (port, None);
    }
    let instead = port.map_or_else(
        || "no port is declared, so the app's metrics are not merged".to_owned(),
        |port| format!("the app's metrics are taken from the first that is declared, {port}"),
    );
    let said: String = said.chars().take(SHOWN_CHARS).collect();
    let problem = "neither a port nor the name of one";
    (port, Some(format!("{PORT} is {said:?}, which is {problem}; {instead}")))
}

fn source(plan: &Plan, port: u16, path: Option<&str>, tls: bool) -> String {
    // Asking a forwarded port for metrics would count as its traffic.
    let forward = plan.config.forwards.iter().find(|forward| forward.listen.port() == port);
    let place = match forward {
        Some(forward) => forward.target.to_string(),
        None => format!("127.0.0.1:{port}"),
    };
    let path = encoded(path.filter(|path| !path.is_empty()).unwrap_or("/metrics"));
    let slash = if path.starts_with('/') { "" } else { "/" };
    if tls {
        // Nobody has a certificate for a pod's address, so nobody who scrapes one verifies it.
        format!("https://{place}{slash}{path},insecure-skip-verify=true")
    } else {
        format!("http://{place}{slash}{path}")
    }
}

/// A path with what cannot be in one, or would end it for us, in its escaped form (RFC 3986, 2.1).
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+;=:@%?".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A string takes whatever is written to it.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The first port that a container declares, which is where a scraper looks that is told none.
fn first_port(pod: &Value) -> Option<u16> {
    let mut ports = containers(pod).flat_map(|container| items(&container["ports"]));
    let port = ports.find(|port| is_tcp(port))?["containerPort"].as_u64()?;
    u16::try_from(port).ok().filter(|port| *port > 0)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

pub(super) const SCRAPE: &str = "prometheus.io/scrape";
const SHOWN_CHARS: usize = 120;
const PORT: &str = "prometheus.io/port";
const PATH: &str = "prometheus.io/path";
const SCHEME: &str = "prometheus.io/scheme";
