//! The recording as OpenTelemetry's HTTP metrics, as Prometheus spells them.
//!
//! Names, labels and bounds are those of the stable semantic conventions ("Semantic conventions for
//! HTTP metrics"): `http.server.request.duration` of what comes, `http.client.request.duration` of
//! what the pod asks of others. What is not stable there is not shown here. A call of gRPC is an
//! exchange of HTTP like any other.

use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show, Subject};
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Detail, HttpKey, Side};
use crate::observe::host::{HostId, SeenHosts};
use crate::observe::path::{PathId, Paths};
use crate::observe::{Flags, Method, Version};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "otel",
    families: &["http_server_", "http_client_"],
    durations: &[&Buckets::OTEL_SECONDS],
    sizes: &[],
    inbound: Detail { method: true, path: true, version: true },
    // A client does not know the route.
    outbound: Detail { method: true, path: false, version: true },
    make: |subject| Box::new(Otel::new(subject)),
};

/// Shows `http_server_request_duration_seconds` and `http_client_request_duration_seconds`.
#[derive(Debug)]
struct Otel {
    services: Vec<String>,
    seen: Option<Arc<SeenHosts>>,
    paths: Option<Arc<Paths>>,
    labels: Mutex<HashMap<Shown, Labels>>,
}

/// What tells series apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Shown {
    side: Side,
    route: PathId,
    method: Method,
    version: Version,
    status: u16,
    error: Error,
    host: HostId,
    /// Of the server; 0 where it is not known.
    port: u16,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Error {
    None,
    /// The status says it.
    Status,
    /// Something other than an answer.
    Named(&'static str),
}

impl Otel {
    fn new(subject: &Subject<'_>) -> Self {
        Self {
            services: subject.identity.services.clone(),
            seen: subject.seen.map(Arc::clone),
            paths: subject.paths.map(Arc::clone),
            labels: Mutex::default(),
        }
    }

    fn labels(&self, shown: Shown) -> Labels {
        let route = self.paths.as_ref().and_then(|paths| paths.name(shown.route));
        let status = match shown.status {
            // There was no answer.
            0 => String::new(),
            HttpKey::OVERFLOW_STATUS => "overflow".to_owned(),
            status => status.to_string(),
        };
        let error = match shown.error {
            Error::None => "",
            Error::Status => &status,
            Error::Named(name) => name,
        };
        let port = if shown.port == 0 { String::new() } else { shown.port.to_string() };
        let labels = [
            ("http_request_method", shown.method.name().unwrap_or("_OTHER")),
            ("http_response_status_code", &status),
            ("http_route", route.as_deref().unwrap_or_default()),
            ("error_type", error),
            ("network_protocol_name", "http"),
            ("network_protocol_version", shown.version.as_str()),
            ("server_address", &self.address(shown.side, shown.host)),
            ("server_port", &port),
            // What is encrypted is not read.
            ("url_scheme", "http"),
        ];
        // An empty label is an absent one.
        Labels::from_pairs(labels.into_iter().filter(|(_, value)| !value.is_empty()))
    }

    fn address(&self, side: Side, host: HostId) -> String {
        let name = match side {
            Side::Inbound => self.services.get(usize::from(host.0)).cloned(),
            Side::Outbound => self.seen.as_ref().and_then(|seen| seen.name(host)),
        };
        name.unwrap_or_default()
    }
}

impl Show for Otel {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        for (side, name, help) in [
            (
                Side::Inbound,
                "http_server_request_duration_seconds",
                "Seconds from a request's first byte to the last byte of its answer.",
            ),
            (
                Side::Outbound,
                "http_client_request_duration_seconds",
                "Seconds from the first byte of a request to others to the last byte of its answer.",
            ),
        ] {
            let shown = recording.exchanges(|key, port| {
                let is_of_side = port.map_or(Side::Inbound, |port| port.side) == side;
                is_of_side.then(|| Shown::of(key, side, port.map_or(0, |port| port.target.port())))
            });
            // A poisoned cache of label texts is still a cache of label texts.
            let mut cache = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
            let mut family = FamilyBuilder::new(name, Kind::Histogram, help);
            for (key, totals) in &shown {
                let labels = cache.entry(*key).or_insert_with(|| self.labels(*key));
                let counted = &recording.layout.durations;
                Buckets::OTEL_SECONDS.show(&mut family, labels, counted, &totals.durations);
            }
            if !shown.is_empty() {
                families.push(family.build());
            }
        }
    }
}

impl Shown {
    fn of(key: &HttpKey, side: Side, port: u16) -> Self {
        Self {
            side,
            route: if key.is_folded() { PathId::OTHER } else { key.path },
            method: key.method,
            version: key.version,
            status: key.status,
            error: Error::of(key, side),
            host: key.host,
            port,
        }
    }
}

impl Error {
    fn of(key: &HttpKey, side: Side) -> Self {
        match key.flags {
            Flags::UpstreamConnectFailure => Self::Named("connection_refused"),
            Flags::UpstreamOverflow => Self::Named("too_many_connections"),
            Flags::UpstreamClosed => Self::Named("connection_closed"),
            Flags::UpstreamProtocolError => Self::Named("response_broken_off"),
            Flags::UpstreamReset => Self::Named("stream_reset"),
            Flags::DownstreamClosed => Self::Named("client_disconnected"),
            // A client has done wrong where a server has only said so.
            Flags::None | Flags::DownstreamProtocolError => match (side, key.status) {
                (_, HttpKey::OVERFLOW_STATUS) => Self::None,
                (_, 500..) | (Side::Outbound, 400..) => Self::Status,
                _ => Self::None,
            },
        }
    }
}
