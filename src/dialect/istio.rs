//! The recording as Istio's standard metrics, seen from the destination.
//!
//! Names, labels and buckets are those of Istio's telemetry documentation ("Istio Standard
//! Metrics"); who the clients are is not known, so the `source_*` labels say so.

use super::buckets::Buckets;
use crate::config::Identity;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{
    HttpKey, HttpTotals, Layout, MessagesTotals, RouteId, Snapshot, TcpKey, TcpTotals, Totals,
};
use crate::observe::Flags;
use crate::observe::grpc::Call;
use crate::observe::host::HostId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// Shows `istio_*`.
#[derive(Debug)]
pub(super) struct Istio {
    destination: Destination,
    http_labels: Mutex<HashMap<HttpKey, Labels>>,
    tcp_labels: Mutex<HashMap<TcpKey, Labels>>,
}

/// What is the same in every label set: who this pod is.
#[derive(Debug)]
struct Destination {
    workload: String,
    namespace: String,
    app: String,
    version: String,
    canonical_service: String,
    canonical_revision: String,
    cluster: String,
    services: Vec<Service>,
}

/// One of the names in `--service`, taken apart.
#[derive(Debug)]
struct Service {
    host: String,
    name: String,
    namespace: String,
}

impl Istio {
    pub(super) fn new(identity: &Identity) -> Self {
        let destination = Destination::new(identity);
        Self { destination, http_labels: Mutex::default(), tcp_labels: Mutex::default() }
    }

    pub(super) fn show(
        &self,
        layout: &Layout,
        snapshot: &Snapshot,
        families: &mut Vec<Family<'static>>,
    ) {
        if !snapshot.http.is_empty() {
            self.show_http(layout, snapshot, families);
        }
        if !snapshot.messages.is_empty() {
            self.show_messages(snapshot, families);
        }
        if !snapshot.tcp.is_empty() {
            self.show_tcp(snapshot, families);
        }
        let mut build = FamilyBuilder::new("istio_build", Kind::Gauge, "The proxy's version.");
        let tag = env!("CARGO_PKG_VERSION");
        build.gauge(&Labels::from_pairs([("component", "proxy"), ("tag", tag)]), 1.0);
        families.push(build.build());
    }

    fn show_http(&self, layout: &Layout, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
        let mut shown: BTreeMap<HttpKey, HttpTotals> = BTreeMap::new();
        for (key, totals) in &snapshot.http {
            let key = self.destination.shown_http(*key);
            shown.entry(key).and_modify(|all| all.merge(totals)).or_insert_with(|| totals.clone());
        }
        // A poisoned cache of label texts is still a cache of label texts.
        let mut cache = self.http_labels.lock().unwrap_or_else(PoisonError::into_inner);
        let series: Vec<(Labels, &HttpTotals)> = shown
            .iter()
            .map(|(key, totals)| {
                let labels = cache.entry(*key).or_insert_with(|| self.destination.http(*key));
                (labels.clone(), totals)
            })
            .collect();
        let mut requests = FamilyBuilder::new(
            "istio_requests_total",
            Kind::Counter,
            "Requests that were answered or given up.",
        );
        for (labels, totals) in &series {
            requests.counter(labels, totals.requests());
        }
        families.push(requests.build());

        let mut histogram =
            |name, help, buckets: &Buckets, counted, of: fn(&HttpTotals) -> &Totals| {
                let mut family = FamilyBuilder::new(name, Kind::Histogram, help);
                for (labels, totals) in &series {
                    buckets.show(&mut family, labels, counted, of(totals));
                }
                families.push(family.build());
            };
        histogram(
            "istio_request_duration_milliseconds",
            "Time from a request's first byte to the last byte of its answer.",
            &Buckets::MILLISECONDS,
            &layout.durations,
            |totals| &totals.durations,
        );
        histogram(
            "istio_request_bytes",
            "Size of requests on the wire, heads included.",
            &Buckets::BYTES,
            &layout.sizes,
            |totals| &totals.request_bytes,
        );
        histogram(
            "istio_response_bytes",
            "Size of answers on the wire, heads included.",
            &Buckets::BYTES,
            &layout.sizes,
            |totals| &totals.response_bytes,
        );
    }

    fn show_messages(&self, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
        let mut shown: BTreeMap<HostId, MessagesTotals> = BTreeMap::new();
        for (key, totals) in &snapshot.messages {
            shown.entry(self.destination.shown_host(key.host)).or_default().merge(totals);
        }
        let counters: [MessagesCounter; 2] = [
            ("istio_request_messages_total", "Messages that gRPC calls carried to the app.", |m| {
                m.requests
            }),
            (
                "istio_response_messages_total",
                "Messages that gRPC calls carried to clients.",
                |m| m.responses,
            ),
        ];
        for (name, help, value) in counters {
            let mut family = FamilyBuilder::new(name, Kind::Counter, help);
            for (host, totals) in &shown {
                family.counter(&self.destination.messages(*host), value(totals));
            }
            families.push(family.build());
        }
    }

    fn show_tcp(&self, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
        let mut shown: BTreeMap<TcpKey, TcpTotals> = BTreeMap::new();
        for (key, totals) in &snapshot.tcp {
            shown.entry(shown_tcp(*key)).or_default().merge(totals);
        }
        let mut cache = self.tcp_labels.lock().unwrap_or_else(PoisonError::into_inner);
        let counters: [Counter; 4] = [
            ("istio_tcp_connections_opened_total", "TCP connections opened.", |t| t.opened),
            ("istio_tcp_connections_closed_total", "TCP connections closed.", |t| t.closed),
            ("istio_tcp_sent_bytes_total", "Bytes sent to clients over TCP.", |t| t.sent),
            ("istio_tcp_received_bytes_total", "Bytes received from clients over TCP.", |t| {
                t.received
            }),
        ];
        for (name, help, value) in counters {
            let mut family = FamilyBuilder::new(name, Kind::Counter, help);
            for (key, totals) in &shown {
                let labels = cache.entry(*key).or_insert_with(|| self.destination.tcp(*key));
                family.counter(labels, value(totals));
            }
            families.push(family.build());
        }
    }
}

impl Destination {
    fn new(identity: &Identity) -> Self {
        let or_unknown = |value: Option<&String>| value.map_or(UNKNOWN, String::as_str).to_owned();
        let namespace = or_unknown(identity.namespace.as_ref());
        let services = identity.services.iter().map(|host| Service::new(host, &namespace));
        Self {
            workload: or_unknown(identity.workload.as_ref()),
            app: or_unknown(identity.app.as_ref()),
            version: or_unknown(identity.version.as_ref()),
            canonical_service: or_unknown(identity.app.as_ref().or(identity.workload.as_ref())),
            canonical_revision: identity
                .revision
                .as_ref()
                .or(identity.version.as_ref())
                .map_or("latest", String::as_str)
                .to_owned(),
            cluster: or_unknown(identity.cluster.as_ref()),
            services: services.collect(),
            namespace,
        }
    }

    /// The key under which `key` is shown. No label tells ports apart, nor a Host that names none
    /// of the services from the first of them, and one label set must be one series.
    fn shown_http(&self, key: HttpKey) -> HttpKey {
        if key == HttpKey::OVERFLOW {
            return key;
        }
        HttpKey { route: ANY_PORT, host: self.shown_host(key.host), ..key }
    }

    fn shown_host(&self, host: HostId) -> HostId {
        let is_service = usize::from(host.0) < self.services.len();
        if is_service { host } else { FIRST_SERVICE }
    }

    fn http(&self, key: HttpKey) -> Labels {
        let (status, flags) = match key {
            HttpKey::OVERFLOW => ("overflow".to_owned(), Flags::None),
            _ => (key.status.to_string(), key.flags),
        };
        let grpc_status = match key.call {
            Call::Http => "",
            Call::Grpc(status) => status.as_str(),
        };
        let answer = [
            ("response_code", status.as_str()),
            ("grpc_response_status", grpc_status),
            ("response_flags", flags.as_str()),
        ];
        self.labels(key.host, key.call.protocol(), &answer, &[POLICY_NONE])
    }

    /// A call may go on for hours, and its messages count as they pass: how it will end is not
    /// known then, and no label says so.
    fn messages(&self, host: HostId) -> Labels {
        self.labels(host, "grpc", &[], &[POLICY_NONE])
    }

    fn tcp(&self, key: TcpKey) -> Labels {
        let flags = [("response_flags", key.flags.as_str())];
        let Some(tls) = key.tls else {
            // No Host is read from bytes that nobody reads.
            return self.labels(HostId::UNKNOWN, "tcp", &flags, &[POLICY_NONE]);
        };
        let service = tls.server_name.and_then(|host| self.services.get(usize::from(host.0)));
        let server_name = match tls.server_name {
            None => "",
            // A client cannot invent label values.
            Some(_) => service.map_or(UNKNOWN, |service| &service.host),
        };
        let said = [
            // Whether the client shows a certificate, too, is for the two of them to know.
            ("connection_security_policy", UNKNOWN),
            ("tls_version", tls.version.as_str()),
            ("sni", server_name),
            ("alpn", tls.alpn.as_str()),
        ];
        let host = tls.server_name.unwrap_or(HostId::UNKNOWN);
        self.labels(host, "tcp", &flags, &said)
    }

    fn labels(
        &self,
        host: HostId,
        protocol: &str,
        answer: &[(&'static str, &str)],
        security: &[(&'static str, &str)],
    ) -> Labels {
        // Without a Host that says otherwise, it is the first of the pod's services.
        let service = self.services.get(usize::from(host.0)).or(self.services.first());
        let service = |part: fn(&Service) -> &String| service.map_or(UNKNOWN, |s| part(s));
        let before = [
            ("reporter", "destination"),
            ("source_workload", UNKNOWN),
            ("source_canonical_service", UNKNOWN),
            ("source_canonical_revision", UNKNOWN),
            ("source_workload_namespace", UNKNOWN),
            ("source_principal", UNKNOWN),
            ("source_app", UNKNOWN),
            ("source_version", UNKNOWN),
            ("source_cluster", UNKNOWN),
            ("destination_workload", &self.workload),
            ("destination_workload_namespace", &self.namespace),
            ("destination_principal", UNKNOWN),
            ("destination_app", &self.app),
            ("destination_version", &self.version),
            ("destination_service", service(|s| &s.host)),
            ("destination_canonical_service", &self.canonical_service),
            ("destination_canonical_revision", &self.canonical_revision),
            ("destination_service_name", service(|s| &s.name)),
            ("destination_service_namespace", service(|s| &s.namespace)),
            ("destination_cluster", &self.cluster),
            ("request_protocol", protocol),
        ];
        let after = answer.iter().chain(security).copied().filter(|(name, value)| {
            // An empty label is an absent one; those of the standard are there all the same.
            !value.is_empty() || !matches!(*name, "sni" | "alpn")
        });
        Labels::from_pairs(before.into_iter().chain(after))
    }
}

impl Service {
    /// `shop.prod.svc.cluster.local` is `shop` in `prod`; a bare `shop` is in the pod's namespace.
    fn new(host: &str, own_namespace: &str) -> Self {
        let mut parts = host.split('.');
        let name = parts.next().unwrap_or(host);
        let second = parts.next();
        let is_cluster_name = second.is_some() && matches!(parts.next(), None | Some("svc"));
        let (name, namespace) = match second {
            Some(namespace) if is_cluster_name => (name, namespace),
            // A public name has no namespace in it.
            Some(_) => (host, own_namespace),
            None => (name, own_namespace),
        };
        Self { host: host.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() }
    }
}

/// The same as [`Destination::shown_http`] for TCP.
fn shown_tcp(key: TcpKey) -> TcpKey {
    TcpKey { route: ANY_PORT, ..key }
}

/// A counter family of gRPC messages: name, help, and what it shows.
type MessagesCounter = (&'static str, &'static str, fn(&MessagesTotals) -> u64);
/// A counter family of TCP: name, help, and what it shows.
type Counter = (&'static str, &'static str, fn(&TcpTotals) -> u64);

const POLICY_NONE: (&str, &str) = ("connection_security_policy", "none");
const UNKNOWN: &str = "unknown";
const ANY_PORT: RouteId = RouteId(0);
const FIRST_SERVICE: HostId = HostId(0);
