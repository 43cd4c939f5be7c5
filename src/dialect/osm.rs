//! The recording as Open Service Mesh's own metrics: of what comes in the pod is the destination, of
//! what it asks of others the source.
//!
//! Names and labels are those of its Envoy extension (`osm_request_total`,
//! `osm_request_duration_ms`), the bounds Envoy's. It counts when an answer begins; here the end of an
//! exchange counts, as in every other dialect.

use super::UNKNOWN;
use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show, Subject};
use super::service::Service;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Detail, HttpKey, Route, Side};
use crate::observe::host::{HostId, SeenHosts};
use std::sync::Arc;

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "osm",
    families: &["osm_"],
    durations: &[&Buckets::MILLISECONDS],
    sizes: &[],
    inbound: Detail::NONE,
    outbound: Detail::NONE,
    make: |subject| Box::new(Osm::new(subject)),
};

/// Shows `osm_*`.
#[derive(Debug)]
struct Osm {
    /// This pod.
    us: End,
    seen: Option<Arc<SeenHosts>>,
}

/// One end of an exchange: namespace, kind, name and pod.
type End = [String; 4];

/// Exchanges that no label but the status tells apart. Who is at the other end of what comes in is
/// not known, whatever the Host says.
type Way = (Side, End);

impl Osm {
    fn new(subject: &Subject<'_>) -> Self {
        let who = subject.identity;
        let us = [&who.namespace, &who.workload_kind, &who.workload, &who.pod];
        let us = us.map(|name| name.as_deref().unwrap_or(UNKNOWN).to_owned());
        Self { us, seen: subject.seen.map(Arc::clone) }
    }

    fn labels(&self, (side, them): &Way, code: Option<&str>) -> Labels {
        let (source, destination) = match side {
            Side::Inbound => (them, &self.us),
            Side::Outbound => (&self.us, them),
        };
        let code = code.map(|code| ("response_code", code));
        let source = SOURCE.into_iter().zip(source.iter().map(String::as_str));
        let destination = DESTINATION.into_iter().zip(destination.iter().map(String::as_str));
        Labels::from_pairs(code.into_iter().chain(source).chain(destination))
    }

    /// By what is shown of it: hosts that look the same are one series.
    fn way(&self, key: &HttpKey, port: Option<&Route>) -> Way {
        match port.map(|port| port.side) {
            Some(Side::Outbound) => (Side::Outbound, self.asked(key.host)),
            // What is of no port counts as coming in, like most of it.
            Some(Side::Inbound) | None => (Side::Inbound, unknown()),
        }
    }

    /// Of others, only a cluster's own names tell more than a host.
    fn asked(&self, host: HostId) -> End {
        let name = self.seen.as_ref().and_then(|seen| seen.name(host));
        let service = name.map(|name| Service::of_other(&name, &self.us[0]));
        match service.filter(|service| service.namespace != UNKNOWN) {
            Some(Service { name, namespace, .. }) => {
                [namespace, "Service".to_owned(), name, UNKNOWN.to_owned()]
            }
            None => unknown(),
        }
    }
}

impl Show for Osm {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        if !recording.snapshot.http.is_empty() {
            self.show_requests(recording, families);
            self.show_durations(recording, families);
        }
    }
}

impl Osm {
    fn show_requests(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let shown = recording.exchanges(|key, port| Some((self.way(key, port), key.status)));
        let mut family = FamilyBuilder::new(
            "osm_request_total",
            Kind::Counter,
            "Requests that were answered or given up, by status code.",
        );
        for ((way, status), totals) in shown {
            let code = match status {
                HttpKey::OVERFLOW_STATUS => "overflow".to_owned(),
                status => status.to_string(),
            };
            family.since(recording.layout.time(totals.created()));
            family.counter(&self.labels(&way, Some(&code)), totals.requests());
        }
        families.push(family.build());
    }

    fn show_durations(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let shown = recording.exchanges(|key, port| Some(self.way(key, port)));
        let mut family = FamilyBuilder::new(
            "osm_request_duration_ms",
            Kind::Histogram,
            "Milliseconds from a request's first byte to the last byte of its answer.",
        );
        for (way, totals) in shown {
            let labels = self.labels(&way, None);
            let counted = &recording.layout.durations;
            Buckets::MILLISECONDS.show(&mut family, &labels, counted, &totals.durations);
        }
        families.push(family.build());
    }
}

fn unknown() -> End {
    std::array::from_fn(|_| UNKNOWN.to_owned())
}

const SOURCE: [&str; 4] = ["source_namespace", "source_kind", "source_name", "source_pod"];
const DESTINATION: [&str; 4] =
    ["destination_namespace", "destination_kind", "destination_name", "destination_pod"];
