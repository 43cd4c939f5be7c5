//! The recording as apps count their own requests: `http_requests_total` and
//! `http_request_duration_seconds`, by method, path and status.
//!
//! There is no standard, but a custom: these names, these labels and the default buckets of the
//! Prometheus clients. The pod's name and namespace are on each series under the names that a common
//! relabelling gives them, as release checks ask for them. Only what comes to the pod is shown: no
//! label could tell it from what the pod asks of others.

use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show, Subject};
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{Detail, HttpKey, Side};
use crate::observe::Method;
use crate::observe::path::{PathId, Paths};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "http",
    families: &["http_requests_total", "http_request_duration_seconds"],
    durations: &[&Buckets::CLIENT_SECONDS],
    sizes: &[],
    inbound: Detail { method: true, path: true, version: false },
    outbound: Detail::NONE,
    make: |subject| Box::new(Http::new(subject)),
};

/// Shows `http_*`.
#[derive(Debug)]
struct Http {
    namespace: String,
    pod: String,
    paths: Option<Arc<Paths>>,
    labels: Mutex<HashMap<Shown, Labels>>,
}

/// What tells series apart.
type Shown = (PathId, Method, u16);

impl Http {
    fn new(subject: &Subject<'_>) -> Self {
        let who = subject.identity;
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        Self {
            namespace: text(&who.namespace),
            pod: text(&who.pod),
            paths: subject.paths.map(Arc::clone),
            labels: Mutex::default(),
        }
    }

    fn labels(&self, (path, method, status): Shown) -> Labels {
        let path = self.paths.as_ref().and_then(|paths| paths.name(path));
        let status = match status {
            HttpKey::OVERFLOW_STATUS => "overflow".to_owned(),
            status => status.to_string(),
        };
        let labels = [
            ("method", method.name().unwrap_or("OTHER")),
            ("path", path.as_deref().unwrap_or("other")),
            ("status", &status),
            ("kubernetes_namespace", &self.namespace),
            ("kubernetes_pod_name", &self.pod),
        ];
        // An empty label is an absent one.
        Labels::from_pairs(labels.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

impl Show for Http {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let shown = recording.exchanges(|key, port| {
            let is_inbound = port.is_none_or(|port| port.side == Side::Inbound);
            let path = if key.is_folded() { PathId::OTHER } else { key.path };
            is_inbound.then_some((path, key.method, key.status))
        });
        // A poisoned cache of label texts is still a cache of label texts.
        let mut cache = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut requests = FamilyBuilder::new(
            "http_requests_total",
            Kind::Counter,
            "Requests that were answered or given up, by method, path and status.",
        );
        let mut durations = FamilyBuilder::new(
            "http_request_duration_seconds",
            Kind::Histogram,
            "Seconds from a request's first byte to the last byte of its answer.",
        );
        for (key, totals) in &shown {
            let labels = cache.entry(*key).or_insert_with(|| self.labels(*key));
            requests.since(recording.layout.time(totals.created()));
            requests.counter(labels, totals.requests());
            let counted = &recording.layout.durations;
            Buckets::CLIENT_SECONDS.show(&mut durations, labels, counted, &totals.durations);
        }
        if !shown.is_empty() {
            families.extend([requests.build(), durations.build()]);
        }
    }
}
