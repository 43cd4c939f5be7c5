//! The recording as Linkerd's proxy metrics.
//!
//! Names, labels and bounds are those of linkerd2-proxy and its documentation ("Proxy Metrics"). As
//! there, a request counts when it begins, an answer when it ends, and a latency is the time until the
//! answer's body began. A request that nobody answered, because its client left, is no response.

mod target;
mod transport;

use super::UNKNOWN;
use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show, Subject};
use super::dated::Dated;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Detail, HostKey, HttpKey, Totals};
use crate::observe::Flags;
use crate::observe::grpc::{Call, GrpcStatus, Severity};
use std::collections::BTreeMap;
use target::{Endpoint, Targets};

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "linkerd",
    families: &["request_total", "response_total", "response_latency_ms", "tcp_"],
    durations: &[&Buckets::LINKERD_MILLISECONDS],
    sizes: &[],
    inbound: Detail::NONE,
    outbound: Detail::NONE,
    make: |subject| Box::new(Linkerd::new(subject)),
};

/// Shows `request_total` and kin.
#[derive(Debug)]
struct Linkerd {
    targets: Targets,
}

/// What an answer is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    status: u16,
    /// As the label `classification` says it.
    classification: &'static str,
    grpc_status: &'static str,
    /// What broke it off; empty for nothing.
    error: &'static str,
}

impl Linkerd {
    fn new(subject: &Subject<'_>) -> Self {
        Self { targets: Targets::new(subject) }
    }
}

impl Show for Linkerd {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let snapshot = recording.snapshot;
        if !snapshot.http.is_empty() {
            self.show_requests(recording, families);
            self.show_latencies(recording, families);
            self.show_responses(recording, families);
        }
        transport::show(&self.targets, snapshot, families);
    }
}

impl Linkerd {
    fn show_requests(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let endpoint =
            |key: HostKey| self.targets.endpoint(recording.snapshot, key.route, key.host);
        let mut shown: BTreeMap<Endpoint, u64> = BTreeMap::new();
        for (endpoint, totals) in recording.begun(endpoint) {
            *shown.entry(endpoint).or_default() += totals.begun;
            shown.entry(endpoint.of_nobody()).or_default();
        }
        let mut family =
            FamilyBuilder::new("request_total", Kind::Counter, "HTTP requests that have begun.");
        for (endpoint, requests) in shown {
            family.counter(&self.labels(endpoint, &[]), requests);
        }
        families.push(family.build());
    }

    fn show_latencies(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let exchanges = recording.exchanges(|key, _| {
            let endpoint = self.targets.endpoint(recording.snapshot, key.route, key.host);
            (key.status != 0).then_some((endpoint, key.status))
        });
        let mut shown: BTreeMap<(Endpoint, u16), Totals> = BTreeMap::new();
        for ((endpoint, status), totals) in &exchanges {
            // What nobody answered has no such time.
            if totals.answer_times.count() > 0 || totals.requests() == 0 {
                shown.entry((*endpoint, *status)).or_default().merge(&totals.answer_times);
                // Whoever asks by address instead of name must find a series that began at zero, too.
                let none = totals.answer_times.at_zero();
                shown.entry((endpoint.of_nobody(), *status)).or_default().merge(&none);
            }
        }
        let mut family = FamilyBuilder::new(
            "response_latency_ms",
            Kind::Histogram,
            "Milliseconds from a request's first byte to the first byte of its answer's body, or to \
             the end of an answer without one.",
        );
        for ((endpoint, status), totals) in shown {
            let labels = self.labels(endpoint, &[("status_code", &code(status))]);
            let counted = &recording.layout.durations;
            Buckets::LINKERD_MILLISECONDS.show(&mut family, &labels, counted, &totals);
        }
        families.push(family.build());
    }

    fn show_responses(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let exchanges = recording.exchanges(|key, _| {
            let endpoint = self.targets.endpoint(recording.snapshot, key.route, key.host);
            (key.status != 0).then(|| (endpoint, Class::of(key)))
        });
        let mut shown: BTreeMap<(Endpoint, Class), Dated> = BTreeMap::new();
        for ((endpoint, class), totals) in &exchanges {
            let dated = Dated::new(totals.requests(), totals.created());
            shown.entry((*endpoint, *class)).or_default().add(dated);
            let none = Dated::new(0, totals.created());
            shown.entry((endpoint.of_nobody(), *class)).or_default().add(none);
        }
        let mut family = FamilyBuilder::new(
            "response_total",
            Kind::Counter,
            "HTTP responses that are over, and requests that the app broke off.",
        );
        for ((endpoint, class), responses) in shown {
            let class_labels = [
                ("status_code", &*code(class.status)),
                ("classification", class.classification),
                ("grpc_status", class.grpc_status),
                ("error", class.error),
            ];
            family.since(recording.layout.time(responses.created));
            family.counter(&self.labels(endpoint, &class_labels), responses.count);
        }
        families.push(family.build());
    }

    /// The labels of an endpoint with `more` behind them.
    fn labels(&self, endpoint: Endpoint, more: &[(&'static str, &str)]) -> Labels {
        let target = self.targets.http_labels(endpoint);
        let target = target.iter().map(|(name, value)| (*name, value.as_str()));
        Labels::from_pairs(target.chain(more.iter().copied()).chain(self.targets.pod_labels()))
    }
}

impl Class {
    fn of(key: &HttpKey) -> Self {
        let grpc_status = match key.call {
            Call::Http => "",
            Call::Grpc(status) => status.as_str(),
        };
        let error = match key.flags {
            Flags::UpstreamConnectFailure => "refused",
            Flags::UpstreamClosed => "unanswered",
            Flags::UpstreamProtocolError => "broken_off",
            Flags::UpstreamReset => "reset",
            Flags::UpstreamOverflow => "no_room",
            Flags::None | Flags::DownstreamClosed | Flags::DownstreamProtocolError => "",
        };
        let has_failed = match key.call {
            _ if !error.is_empty() => true,
            // What gRPC says counts, and not the HTTP around it.
            Call::Grpc(status) if status != GrpcStatus::NONE => {
                status.severity() == Severity::Failure
            }
            Call::Http | Call::Grpc(_) => key.status >= 500,
        };
        let classification = match has_failed {
            _ if key.status == HttpKey::OVERFLOW_STATUS => UNKNOWN,
            true => "failure",
            false => "success",
        };
        Self { status: key.status, classification, grpc_status, error }
    }
}

fn code(status: u16) -> String {
    match status {
        HttpKey::OVERFLOW_STATUS => "overflow".to_owned(),
        status => status.to_string(),
    }
}
