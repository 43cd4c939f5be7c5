//! What the labels of a custom family say, and of which exchanges it is.

use super::map::{Map, Place};
use crate::config::error::{ConfigError, shown};
use crate::config::template::{Named, PodName, Template};
use crate::observe::grpc::{Call, GrpcStatus};
use crate::observe::{Flags, Method, Version};
use serde_json::Value;

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
    /// Who the pod is.
    Pod(PodName),
}

impl Named for Fact {
    const EVERY: &'static [Self] = &[
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
        Self::Pod(PodName::Service),
        Self::Pod(PodName::Workload),
        Self::Pod(PodName::WorkloadKind),
        Self::Pod(PodName::Namespace),
        Self::Pod(PodName::Pod),
        Self::Pod(PodName::App),
        Self::Pod(PodName::Version),
        Self::Pod(PodName::Revision),
        Self::Pod(PodName::Cluster),
    ];
    // An empty label is an absent one.
    const MAY_BE_EMPTY: bool = true;

    fn name(self) -> &'static str {
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
            Self::Pod(name) => name.word(),
        }
    }
}

/// Text with facts in it: `{namespace}/{pod}`.
pub type FactText = Template<Fact>;

/// Reads one at its place in the file.
pub(super) fn read_text(text: &str, place: &Place) -> Result<FactText, ConfigError> {
    if Fact::named(text).is_some() {
        let problem = format!("{text} alone is a constant; write {{{text}}} for what it names");
        return Err(place.wrong(&problem));
    }
    Template::read(text)
        .map_err(|expected| place.wrong(&format!("it is {}, but takes {expected}", shown(text))))
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
                let all = OF_AN_EXCHANGE.map(Fact::name).join(", ");
                place.wrong(&format!("{} is nothing to choose by; there are {all}", shown(name)))
            })?;
            let values = map.texts(name)?.unwrap_or_default();
            if values.is_empty() {
                return Err(place.within(name).wrong("at least one value belongs here"));
            }
            let why = values.iter().find_map(|value| fact.why_never(value));
            why.map_or(Ok(Self { fact, values }), |why| Err(place.within(name).wrong(&why)))
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

impl Fact {
    /// Why nothing is ever said to be `value`; of paths and hosts, anything may be.
    fn why_never(self, value: &str) -> Option<String> {
        let all = match self {
            Self::Status => {
                return (!is_status(value)).then(|| no("status such as 404 or 5xx", value));
            }
            Self::Port => {
                let is_port = value.parse().is_ok_and(|port: u16| port.to_string() == value);
                return (!is_port).then(|| no("port such as 8080", value));
            }
            _ => self.all_values()?,
        };
        let is_known = all.contains(&value);
        (!is_known).then(|| {
            let told: Vec<_> = all.iter().filter(|value| !value.is_empty()).copied().collect();
            format!("it is never {}; there are {}", shown(value), told.join(", "))
        })
    }

    /// All that is ever said of it, where that is a closed list. What is empty is not known, or not
    /// there.
    fn all_values(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Self::Method => {
                let named = Method::NAMED.iter().filter_map(|method| method.name());
                named.chain(["OTHER"]).collect()
            }
            Self::Protocol => {
                [Call::Http, Call::Grpc(GrpcStatus::NONE)].map(Call::protocol).to_vec()
            }
            Self::HttpVersion => Version::ALL.iter().map(|version| version.as_str()).collect(),
            Self::GrpcStatus => GrpcStatus::CODES.into_iter().chain([""]).collect(),
            Self::Flags => Flags::ALL.iter().map(|flags| flags.as_str()).collect(),
            _ => return None,
        })
    }
}

fn no(what: &str, value: &str) -> String {
    format!("{} is no {what}", shown(value))
}

/// `404` or `4xx`; `0` is no answer, and `0xx`, too.
fn is_status(text: &str) -> bool {
    matches!(
        text.as_bytes(),
        [b'0'] | [b'0'..=b'9', b'x', b'x'] | [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']
    )
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
