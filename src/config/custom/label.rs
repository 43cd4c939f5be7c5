//! What the labels of a custom family say, and of which exchanges it is.

use super::map::{Map, Place};
use crate::config::error::{ConfigError, shown};
use serde_json::Value;
use std::fmt;

/// Something that is known of an exchange or of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The request's method.
    Method,
    /// The template of its path.
    Path,
    /// The status code.
    Status,
    /// Its class, `2xx`.
    StatusClass,
    /// `http` or `grpc`.
    Protocol,
    /// The version of HTTP.
    HttpVersion,
    /// The service that was named.
    Host,
    /// The status of a gRPC call.
    GrpcStatus,
    /// What went wrong, as Envoy's flags.
    Flags,
    /// `inbound` or `outbound`.
    Direction,
    /// The port that was asked.
    Port,
    /// The first name in `--service`.
    Service,
    /// `--workload`
    Workload,
    /// `--workload-kind`
    WorkloadKind,
    /// `--namespace`
    Namespace,
    /// `--pod`
    Pod,
    /// `--app`
    App,
    /// `--version-label`
    Version,
    /// `--revision`
    Revision,
    /// `--cluster`
    Cluster,
}

impl Fact {
    /// Every fact, in the order of the documentation.
    pub const ALL: [Self; 20] = [
        Self::Method,
        Self::Path,
        Self::Status,
        Self::StatusClass,
        Self::Protocol,
        Self::HttpVersion,
        Self::Host,
        Self::GrpcStatus,
        Self::Flags,
        Self::Direction,
        Self::Port,
        Self::Service,
        Self::Workload,
        Self::WorkloadKind,
        Self::Namespace,
        Self::Pod,
        Self::App,
        Self::Version,
        Self::Revision,
        Self::Cluster,
    ];

    /// As it stands in braces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Status => "status",
            Self::StatusClass => "status_class",
            Self::Protocol => "protocol",
            Self::HttpVersion => "http_version",
            Self::Host => "host",
            Self::GrpcStatus => "grpc_status",
            Self::Flags => "flags",
            Self::Direction => "direction",
            Self::Port => "port",
            Self::Service => "service",
            Self::Workload => "workload",
            Self::WorkloadKind => "workload_kind",
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::App => "app",
            Self::Version => "version",
            Self::Revision => "revision",
            Self::Cluster => "cluster",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.as_str() == name)
    }

    fn all_names() -> String {
        Self::ALL.map(|fact| format!("{{{}}}", fact.as_str())).join(" ")
    }
}

/// Text with facts in it: `{namespace}/{pod}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelText(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Fact(Fact),
}

impl LabelText {
    pub(super) fn read(text: &str, place: &Place) -> Result<Self, ConfigError> {
        if Fact::named(text).is_some() {
            let problem = format!("{text} alone is a constant; write {{{text}}} for what it names");
            return Err(place.wrong(&problem));
        }
        let wrong = || {
            let problem = format!(
                "it is {}, but takes at most {LONGEST} bytes of text with any of {} in it",
                shown(text),
                Fact::all_names()
            );
            place.wrong(&problem)
        };
        if text.len() > LONGEST || text.contains(char::is_control) {
            return Err(wrong());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(brace);
            let inner = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (name, after) = inner.ok_or_else(wrong)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Fact(Fact::named(name).ok_or_else(wrong)?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The facts in it.
    pub fn facts(&self) -> impl Iterator<Item = Fact> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Fact(fact) => Some(*fact),
            Piece::Text(_) => None,
        })
    }

    /// The text, with what `say` says of each fact in its place.
    pub(crate) fn fill(&self, say: impl Fn(Fact) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Fact(fact) => say(*fact),
        };
        self.0.iter().map(piece).collect()
    }
}

/// As it was written.
impl fmt::Display for LabelText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Fact(fact) => write!(f, "{{{}}}", fact.as_str()),
        })
    }
}

/// A fact that must be one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The fact.
    pub fact: Fact,
    /// What it may be.
    pub values: Vec<String>,
}

impl Condition {
    /// Reads a mapping of facts to values.
    pub(super) fn read_all(value: Option<&Value>, place: &Place) -> Result<Vec<Self>, ConfigError> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let map = Map::of(value, place)?;
        let read = |(name, _): (&String, &Value)| {
            let fact = Fact::named(name).filter(|fact| OF_AN_EXCHANGE.contains(fact));
            let fact = fact.ok_or_else(|| {
                let all = OF_AN_EXCHANGE.map(Fact::as_str).join(", ");
                place.wrong(&format!("{} is nothing to choose by; there are {all}", shown(name)))
            })?;
            let values = map.texts(name)?.unwrap_or_default();
            if values.is_empty() {
                return Err(place.within(name).wrong("at least one value belongs here"));
            }
            if fact == Fact::Status
                && let Some(bad) = values.iter().find(|value| !is_status(value))
            {
                let problem = format!("{} is no status such as 404 or 5xx", shown(bad));
                return Err(place.within(name).wrong(&problem));
            }
            Ok(Self { fact, values })
        };
        map.entries().map(read).collect()
    }

    /// Whether it holds where `say` says what is so.
    pub(crate) fn holds(&self, say: impl Fn(Fact) -> String) -> bool {
        let said = say(self.fact);
        let class = (self.fact == Fact::Status).then(|| say(Fact::StatusClass));
        self.values.iter().any(|value| *value == said || class.as_ref() == Some(value))
    }
}

/// `404` or `4xx`; `0` is no answer.
fn is_status(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'] | [b'0'..=b'9', b'x', b'x'])
        || (text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// Facts that differ between exchanges.
const OF_AN_EXCHANGE: [Fact; 9] = [
    Fact::Method,
    Fact::Path,
    Fact::Status,
    Fact::Protocol,
    Fact::HttpVersion,
    Fact::Host,
    Fact::GrpcStatus,
    Fact::Flags,
    Fact::Port,
];
/// As long as the longest name of a Kubernetes object.
const LONGEST: usize = 253;
