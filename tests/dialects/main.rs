//! One recording, shown as istio and envoy: every label, every bucket, every number.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Layout, Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::Call;
use podmeter::observe::host::{HostId, SeenHosts};
use podmeter::observe::path::PathId;
use podmeter::observe::{
    Direction, Event, Exchange, Flags, Method, Protocol, Reason, Sink, Version,
};
use podmeter::process::Process;
use std::sync::Arc;
use std::time::Duration;

mod custom;
mod envoy_names;
mod families;
mod istio_reference;
mod linkerd;
mod osm;
mod requests;

/// A canary with an HTTP port and a port that is never parsed, and nothing recorded yet.
fn meter() -> Arc<Meter> {
    let port = |listen: u16, target: u16, opaque| Route {
        side: Side::Inbound,
        listen: ([0, 0, 0, 0], listen).into(),
        target: ([127, 0, 0, 1], target).into(),
        opaque,
    };
    let ports = vec![port(8080, 8081, false), port(3306, 3307, true)];
    Meter::new(Layout { first_host: HostId(0), max_series: 100, ..dialect::layout(&[], ports) })
}

fn identity() -> Identity {
    Identity {
        workload: Some("podinfo".into()),
        workload_kind: Some("Deployment".into()),
        namespace: Some("test".into()),
        pod: Some("podinfo-1".into()),
        pod_template_hash: None,
        app: Some("pod\"info".into()),
        version: Some("v2".into()),
        services: vec!["podinfo.test.svc.cluster.local".into(), "api.example.com".into()],
        revision: None,
        cluster: Some("kind".into()),
    }
}

fn exchange(status: u16, flags: Flags, nanos: u64, host: u16) -> Event {
    Event::Exchange(Exchange {
        host: HostId(host),
        method: Method::Get,
        path: PathId::OTHER,
        version: Version::Http11,
        call: Call::Http,
        status,
        flags,
        started: Nanos(10),
        ended: Nanos(10 + nanos),
        first_byte: None,
        first_data: None,
        held: 7_000,
        held_request: 2_000,
        request_bytes: 100,
        response_bytes: 101,
        probe: false,
        trace: None,
    })
}

/// Everything shown of `meter`, as text.
fn shown(meter: &Arc<Meter>, identity: &Identity, names: &[&str], format: Format) -> String {
    shown_about(meter, &Subject::new(identity), names, format)
}

/// A meter of what the pod asked of these hosts, once each.
fn asked(hosts: &[&str]) -> (Arc<Meter>, Arc<SeenHosts>) {
    let mut layout = meter().layout().clone();
    layout.routes = vec![Route::intercepted(Side::Outbound, 80, false)];
    let meter = Meter::new(layout);
    let shard = meter.shard(0).unwrap();
    let seen = Arc::new(SeenHosts::new(10));
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for host in hosts {
        let host = seen.find(host.as_bytes());
        recorder.event(Event::Began { host });
        recorder.event(exchange(200, Flags::None, 1, host.0));
    }
    (meter, seen)
}

/// The same where more is known of whom it is about.
fn shown_about(
    meter: &Arc<Meter>,
    subject: &Subject<'_>,
    names: &[&str],
    format: Format,
) -> String {
    let vitals = Vitals {
        draining: false,
        uptime: Duration::from_secs(61),
        now: Nanos(0),
        workers: 2,
        process: Process { resident_bytes: 4096, private_bytes: 1024, ..Process::default() },
    };
    let names: Vec<_> = names.iter().filter_map(|name| Dialect::named(name)).collect();
    let dialects = Dialects::new(&names, subject, meter.layout());
    let families = dialects.families_for(format.syntax(), &meter.snapshot(), &vitals);
    let mut text = Vec::new();
    exposition::render(&exposition::merge_for(format, families, Vec::new()), format, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The samples of `text` whose name begins with `prefix`, each cut after the label that matters.
fn samples<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(prefix)).collect()
}

#[test]
fn an_idle_canary_has_every_family_a_release_check_asks_for_at_zero() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(&meter, &identity(), &["istio", "envoy"], Format::TEXT);
    let requests = samples(&text, "istio_requests_total{");
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0],
        "istio_requests_total{reporter=\"destination\",source_workload=\"unknown\",\
         source_canonical_service=\"unknown\",source_canonical_revision=\"unknown\",\
         source_workload_namespace=\"unknown\",source_principal=\"unknown\",source_app=\"unknown\",\
         source_version=\"unknown\",source_cluster=\"unknown\",destination_workload=\"podinfo\",\
         destination_workload_namespace=\"test\",destination_principal=\"unknown\",\
         destination_app=\"pod\\\"info\",destination_version=\"v2\",\
         destination_service=\"podinfo.test.svc.cluster.local\",\
         destination_canonical_service=\"pod\\\"info\",destination_canonical_revision=\"v2\",\
         destination_service_name=\"podinfo\",destination_service_namespace=\"test\",\
         destination_cluster=\"kind\",request_protocol=\"http\",response_code=\"200\",\
         grpc_response_status=\"\",response_flags=\"-\",connection_security_policy=\"none\"} 0"
    );
    for zero in [
        "envoy_cluster_upstream_rq{envoy_cluster_name=\"inbound|8081||\",envoy_response_code=\"200\"} 0",
        "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"inbound|8081||\",envoy_response_code_class=\"2\"} 0",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"inbound|8081||\",le=\"+Inf\"} 0",
        "envoy_cluster_upstream_rq_active{envoy_cluster_name=\"inbound|8081||\"} 0",
        "envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=\"inbound_0.0.0.0_8080\"} 0",
    ] {
        assert!(text.contains(zero), "no {zero} in\n{text}");
    }
    // The opaque port speaks no HTTP, and says so.
    assert!(!text.contains("inbound|3307||\",envoy_response_code"));
    assert_eq!(samples(&text, "istio_tcp_connections_opened_total{").len(), 1);
}

#[test]
fn a_latency_is_in_the_buckets_from_its_own_bound_on_and_its_sum_is_not_rounded() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for nanos in [500_000, 500_001, 1_234_567, 3_600_000_000_000, 3_600_000_000_001] {
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(exchange(200, Flags::None, nanos, 0));
    }
    let text = shown(&meter, &identity(), &["istio", "envoy"], Format::TEXT);
    let expected = [
        ("0.5", 1),
        ("1", 2),
        ("5", 3),
        ("10", 3),
        ("25", 3),
        ("50", 3),
        ("100", 3),
        ("250", 3),
        ("500", 3),
        ("1000", 3),
        ("2500", 3),
        ("5000", 3),
        ("10000", 3),
        ("30000", 3),
        ("60000", 3),
        ("300000", 3),
        ("600000", 3),
        ("1800000", 3),
        ("3600000", 4),
        ("+Inf", 5),
    ];
    let family = "istio_request_duration_milliseconds";
    let buckets = samples(&text, &format!("{family}_bucket{{"));
    assert_eq!(buckets.len(), expected.len());
    for (line, (le, count)) in buckets.iter().zip(expected) {
        assert!(line.ends_with(&format!("le=\"{le}\"}} {count}")), "{line}");
    }
    // Histograms have the labels of the counter, the empty one too.
    let labels = |line: &str| line.split_once('{').map(|(_, rest)| rest.to_owned());
    let counter = labels(samples(&text, "istio_requests_total{")[0]);
    let count = labels(samples(&text, &format!("{family}_count"))[0]);
    assert_eq!(counter, count);
    assert!(samples(&text, &format!("{family}_sum"))[0].ends_with("} 7200002.234569"));
    assert!(samples(&text, &format!("{family}_count"))[0].ends_with("} 5"));
    assert!(text.contains(
        "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"inbound|8081||\"} 7200002.234569\n"
    ));
    // 100 bytes are at most 100, and 101 are not.
    let count = |family: &str, le: &str| {
        let lines = samples(&text, family);
        let line = lines.iter().find(|line| line.contains(&format!("le=\"{le}\""))).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(
        (count("istio_request_bytes_bucket", "50"), count("istio_request_bytes_bucket", "100")),
        (0, 5)
    );
    assert_eq!(
        (count("istio_response_bytes_bucket", "100"), count("istio_response_bytes_bucket", "250")),
        (0, 5)
    );
}

#[test]
fn statuses_flags_and_services_each_have_their_series_and_envoy_adds_them_up() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for (status, flags, host) in [
        (200, Flags::None, 0),
        (200, Flags::None, 1),
        (200, Flags::DownstreamClosed, 0),
        (503, Flags::None, 0),
        (503, Flags::UpstreamClosed, 0),
        (503, Flags::UpstreamConnectFailure, 0),
        (0, Flags::DownstreamClosed, 0),
        (500, Flags::UpstreamProtocolError, 0),
    ] {
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(exchange(status, flags, 1, host));
    }
    recorder.event(Event::Began { host: HostId(0) });
    let text = shown(&meter, &identity(), &["istio", "envoy"], Format::TEXT);
    let series: Vec<_> = samples(&text, "istio_requests_total{")
        .iter()
        .map(|line| {
            let label = |name: &str| {
                line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
            };
            let value = line.rsplit(' ').next().unwrap();
            (
                label("destination_service_name"),
                label("response_code"),
                label("response_flags"),
                value,
            )
        })
        .collect();
    assert_eq!(
        series,
        [
            ("podinfo", "0", "DC", "1"),
            ("podinfo", "200", "-", "1"),
            ("podinfo", "200", "DC", "1"),
            ("podinfo", "500", "UPE", "1"),
            ("podinfo", "503", "-", "1"),
            ("podinfo", "503", "UF", "1"),
            ("podinfo", "503", "UC", "1"),
            ("api.example.com", "200", "-", "1"),
        ]
    );
    let cluster = "envoy_cluster_name=\"inbound|8081||\"";
    for expected in [
        format!("envoy_cluster_upstream_rq{{{cluster},envoy_response_code=\"200\"}} 3\n"),
        format!("envoy_cluster_upstream_rq{{{cluster},envoy_response_code=\"503\"}} 3\n"),
        format!("envoy_cluster_upstream_rq_xx{{{cluster},envoy_response_code_class=\"5\"}} 4\n"),
        format!("envoy_cluster_upstream_rq_completed{{{cluster}}} 7\n"),
        format!("envoy_cluster_upstream_rq_total{{{cluster}}} 9\n"),
        format!("envoy_cluster_upstream_rq_active{{{cluster}}} 1\n"),
        format!("envoy_cluster_upstream_rq_rx_reset{{{cluster}}} 2\n"),
        format!("envoy_cluster_upstream_rq_time_count{{{cluster}}} 8\n"),
    ] {
        assert!(text.contains(&expected), "no {expected} in\n{text}");
    }
    assert!(!text.contains("envoy_response_code=\"0\""));
}

/// The samples of `text` whose name begins with `prefix`, without repeats, and their values.
fn values<'a>(text: &'a str, prefix: &str) -> Vec<(&'a str, &'a str)> {
    let lines = samples(text, prefix).into_iter();
    let values: Vec<_> = lines.filter_map(|line| line.rsplit_once(' ')).collect();
    let series: std::collections::HashSet<_> = values.iter().map(|(series, _)| series).collect();
    assert_eq!(series.len(), values.len(), "{values:?}");
    values
}
