//! The recording as Istio's standard metrics: of what comes in the pod is the destination, of what
//! it asks of others the source.
//!
//! Names, labels and buckets are those of Istio's telemetry documentation ("Istio Standard
//! Metrics"). Who is at the other end is not known, so the labels say so; of others, only the host
//! that the pod asked for is.

use super::buckets::Buckets;
use super::built_in::{BuiltIn, Recording, Show, Subject};
use super::service::Service;
use super::{UNKNOWN, port_side};
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{
    Detail, HostKey, HostTotals, HttpKey, HttpTotals, RouteId, Side, Snapshot, TcpKey, TcpTotals,
    Totals,
};
use crate::observe::Flags;
use crate::observe::grpc::Call;
use crate::observe::host::{HostId, SeenHosts};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const DIALECT: BuiltIn = BuiltIn {
    name: "istio",
    families: &["istio_"],
    durations: &[&Buckets::MILLISECONDS],
    sizes: &[&Buckets::BYTES],
    inbound: Detail::NONE,
    outbound: Detail::NONE,
    make: |subject| Box::new(Istio::new(subject)),
};

/// Shows `istio_*`.
#[derive(Debug)]
struct Istio {
    pod: Pod,
    http_labels: Mutex<HashMap<HttpKey, Labels>>,
    tcp_labels: Mutex<HashMap<TcpKey, Labels>>,
}

/// What is the same in every label set: who this pod is.
#[derive(Debug)]
struct Pod {
    workload: String,
    namespace: String,
    app: String,
    version: String,
    canonical_service: String,
    canonical_revision: String,
    cluster: String,
    services: Vec<Service>,
    /// The hosts that the pod asks.
    seen: Option<Arc<SeenHosts>>,
}

impl Istio {
    fn new(subject: &Subject<'_>) -> Self {
        let pod = Pod::new(subject);
        Self { pod, http_labels: Mutex::default(), tcp_labels: Mutex::default() }
    }
}

impl Show for Istio {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let snapshot = recording.snapshot;
        if !snapshot.http.is_empty() {
            self.show_http(recording, families);
        }
        if snapshot.hosts.values().any(HostTotals::has_messages) {
            self.show_messages(recording, families);
        }
        if !snapshot.tcp.is_empty() {
            self.show_tcp(snapshot, families);
        }
        let mut build = FamilyBuilder::new("istio_build", Kind::Gauge, "The proxy's version.");
        let tag = env!("CARGO_PKG_VERSION");
        build.gauge(&Labels::from_pairs([("component", "proxy"), ("tag", tag)]), 1.0);
        families.push(build.build());
    }
}

impl Istio {
    fn show_http(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let Recording { layout, snapshot, .. } = *recording;
        let mut shown: BTreeMap<HttpKey, HttpTotals> = BTreeMap::new();
        for (key, totals) in &snapshot.http {
            let key = self.pod.shown_http(*key, port_side(snapshot, key.route));
            shown.entry(key).and_modify(|all| all.merge(totals)).or_insert_with(|| totals.clone());
        }
        // A poisoned cache of label texts is still a cache of label texts.
        let mut cache = self.http_labels.lock().unwrap_or_else(PoisonError::into_inner);
        let series: Vec<(Labels, &HttpTotals)> = shown
            .iter()
            .filter(|(_, totals)| recording.is_live(totals))
            .map(|(key, totals)| {
                let labels = cache.entry(*key).or_insert_with(|| self.pod.http(*key));
                (labels.clone(), totals)
            })
            .collect();
        let mut requests = FamilyBuilder::new(
            "istio_requests_total",
            Kind::Counter,
            "Requests that were answered or given up.",
        );
        for (labels, totals) in &series {
            requests.since(layout.time(totals.created())).counter(labels, totals.requests());
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

    fn show_messages(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        let side = |key: HostKey| port_side(recording.snapshot, key.route);
        let mut shown = recording.begun(|key| self.pod.shown_messages(key, side(key)));
        shown.retain(|_, totals| totals.has_messages());
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
            for (key, totals) in &shown {
                family.counter(&self.pod.messages(*key), value(totals));
            }
            families.push(family.build());
        }
    }

    fn show_tcp(&self, snapshot: &Snapshot, families: &mut Vec<Family<'static>>) {
        let mut shown: BTreeMap<TcpKey, TcpTotals> = BTreeMap::new();
        for (key, totals) in &snapshot.tcp {
            shown.entry(shown_tcp(*key, port_side(snapshot, key.route))).or_default().merge(totals);
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
                let labels = cache.entry(*key).or_insert_with(|| self.pod.tcp(*key));
                family.counter(labels, value(totals));
            }
            families.push(family.build());
        }
    }
}

impl Pod {
    fn new(subject: &Subject<'_>) -> Self {
        let identity = subject.identity;
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
            seen: subject.seen.map(Arc::clone),
            namespace,
        }
    }

    /// The key under which `key` is shown. No label tells ports of one side apart, nor a Host that
    /// names none of the services from the first of them, and one label set must be one series.
    fn shown_http(&self, key: HttpKey, side: Side) -> HttpKey {
        if key.is_overflow() {
            let route = if side == Side::Outbound { ANY_OUTBOUND } else { ANY_INBOUND };
            return HttpKey { route, ..HttpKey::OVERFLOW };
        }
        let key = key.plain();
        if side == Side::Outbound {
            return HttpKey { route: ANY_OUTBOUND, ..key };
        }
        HttpKey { route: ANY_INBOUND, host: self.shown_host(key.host), ..key }
    }

    fn shown_messages(&self, key: HostKey, side: Side) -> HostKey {
        match side {
            Side::Inbound => HostKey { route: ANY_INBOUND, host: self.shown_host(key.host) },
            Side::Outbound => HostKey { route: ANY_OUTBOUND, ..key },
        }
    }

    fn shown_host(&self, host: HostId) -> HostId {
        let is_service = usize::from(host.0) < self.services.len();
        if is_service { host } else { FIRST_SERVICE }
    }

    fn http(&self, key: HttpKey) -> Labels {
        let side = shown_side(key.route);
        let (status, flags) = match key {
            key if key.is_overflow() => ("overflow".to_owned(), Flags::None),
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
        self.labels(side, key.host, key.call.protocol(), &answer, &[])
    }

    /// A call may go on for hours, and its messages count as they pass: how it will end is not
    /// known then, and no label says so.
    fn messages(&self, key: HostKey) -> Labels {
        self.labels(shown_side(key.route), key.host, "grpc", &[], &[])
    }

    fn tcp(&self, key: TcpKey) -> Labels {
        let flags = [("response_flags", key.flags.as_str())];
        let side = shown_side(key.route);
        let Some(tls) = key.tls else {
            return self.labels(side, key.host, "tcp", &flags, &[]);
        };
        let service = tls.server_name.and_then(|host| self.service(side, host));
        let server_name = match tls.server_name {
            None => "",
            // A client cannot invent label values.
            Some(_) => service.as_ref().map_or(UNKNOWN, |service| &service.host),
        };
        let said = [
            ("tls_version", tls.version.as_str()),
            ("sni", server_name),
            ("alpn", tls.alpn.as_str()),
        ];
        let host = tls.server_name.filter(|_| service.is_some()).unwrap_or(key.host);
        self.labels(side, host, "tcp", &flags, &said)
    }

    fn labels(
        &self,
        side: Side,
        host: HostId,
        protocol: &str,
        answer: &[(&'static str, &str)],
        tls: &[(&'static str, &str)],
    ) -> Labels {
        // Without a Host that says otherwise, it is the first of the pod's services.
        let service = self.service(side, host);
        let service = match side {
            Side::Inbound => service.or_else(|| self.services.first().map(Cow::Borrowed)),
            Side::Outbound => service,
        };
        let (us, them) = (self.names(), [UNKNOWN; 7]);
        let (reporter, source, destination, security) = match side {
            // With TLS, whether the client shows a certificate is for the two of them to know.
            Side::Inbound => ("destination", them, us, "none"),
            // Whether what goes out is secured is for the other end to say, as with Istio.
            Side::Outbound => ("source", us, them, UNKNOWN),
        };
        let service = |part: fn(&Service) -> &String| service.as_ref().map_or(UNKNOWN, |s| part(s));
        let [workload, canonical, revision, namespace, app, version, cluster] = source;
        let before = [
            ("reporter", reporter),
            ("source_workload", workload),
            ("source_canonical_service", canonical),
            ("source_canonical_revision", revision),
            ("source_workload_namespace", namespace),
            ("source_principal", UNKNOWN),
            ("source_app", app),
            ("source_version", version),
            ("source_cluster", cluster),
        ];
        let [workload, canonical, revision, namespace, app, version, cluster] = destination;
        let between = [
            ("destination_workload", workload),
            ("destination_workload_namespace", namespace),
            ("destination_principal", UNKNOWN),
            ("destination_app", app),
            ("destination_version", version),
            ("destination_service", service(|s| &s.host)),
            ("destination_canonical_service", canonical),
            ("destination_canonical_revision", revision),
            ("destination_service_name", service(|s| &s.name)),
            ("destination_service_namespace", service(|s| &s.namespace)),
            ("destination_cluster", cluster),
            ("request_protocol", protocol),
        ];
        let security = if tls.is_empty() { security } else { UNKNOWN };
        let after = [("connection_security_policy", security)];
        // An empty label is an absent one.
        let tls = tls.iter().copied().filter(|(_, value)| !value.is_empty());
        let answer = answer.iter().copied();
        Labels::from_pairs(before.into_iter().chain(between).chain(answer).chain(after).chain(tls))
    }

    /// The service that a request named, if that is known.
    fn service(&self, side: Side, host: HostId) -> Option<Cow<'_, Service>> {
        match side {
            Side::Inbound => self.services.get(usize::from(host.0)).map(Cow::Borrowed),
            Side::Outbound => {
                let name = self.seen.as_ref()?.name(host)?;
                Some(Cow::Owned(Service::of_other(&name, &self.namespace)))
            }
        }
    }

    /// Workload, canonical service and revision, namespace, app, version, cluster.
    fn names(&self) -> [&str; 7] {
        [
            &self.workload,
            &self.canonical_service,
            &self.canonical_revision,
            &self.namespace,
            &self.app,
            &self.version,
            &self.cluster,
        ]
    }
}

/// The same as [`Pod::shown_http`] for TCP.
fn shown_tcp(key: TcpKey, side: Side) -> TcpKey {
    match side {
        // No Host is read from bytes that nobody reads.
        Side::Inbound => TcpKey { route: ANY_INBOUND, host: HostId::UNKNOWN, ..key },
        Side::Outbound => TcpKey { route: ANY_OUTBOUND, ..key },
    }
}

/// The side of a key that is shown.
fn shown_side(route: RouteId) -> Side {
    if route == ANY_OUTBOUND { Side::Outbound } else { Side::Inbound }
}

/// A counter family of gRPC messages: name, help, and what it shows.
type MessagesCounter = (&'static str, &'static str, fn(&HostTotals) -> u64);
/// A counter family of TCP: name, help, and what it shows.
type Counter = (&'static str, &'static str, fn(&TcpTotals) -> u64);

const ANY_INBOUND: RouteId = RouteId(0);
const ANY_OUTBOUND: RouteId = RouteId(1);
const FIRST_SERVICE: HostId = HostId(0);
