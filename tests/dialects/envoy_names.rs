//! Envoy's families under names that the configuration gives.

use super::{exchange, identity, meter, values};
use clap::Parser;
use podmeter::clock::Nanos;
use podmeter::config::{Config, ProxyArgs};
use podmeter::dialect::{Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::host::HostId;
use podmeter::observe::{Event, Flags, Sink};
use podmeter::process::Process;
use std::sync::Arc;
use std::time::Duration;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: ProxyArgs,
}

/// Envoy's families of `meter`, as `flags` want them.
fn shown(meter: &Arc<Meter>, flags: &str) -> String {
    let line = ["proxy", "--forward", "8080=8081"].into_iter().chain(flags.split_whitespace());
    let args = Line::parse_from(line).settings;
    let config = Config::try_from(args).unwrap();
    let identity = identity();
    let subject = Subject { envoy: Some(&config.envoy), ..Subject::new(&identity) };
    let names: Vec<_> = Dialect::named("envoy").into_iter().collect();
    let dialects = Dialects::new(&names, &subject, meter.layout());
    let vitals = Vitals {
        draining: false,
        uptime: Duration::ZERO,
        now: Nanos(0),
        workers: 1,
        process: Process::default(),
    };
    let mut text = Vec::new();
    let families = dialects.families(&meter.snapshot(), &vitals);
    exposition::render(&exposition::merge(families, Vec::new()), Format::TEXT, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_cluster_is_called_what_the_template_comes_to_in_every_family() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    recorder.event(Event::Began { host: HostId(0) });
    recorder.event(exchange(503, Flags::None, 1, 0));
    let template = "{namespace}_{service}_{port}/{workload}.{pod}.{version}.{revision}.{cluster}";
    let text = shown(&meter, &format!("--envoy-cluster-name {template}"));
    let name = |port| format!("test_podinfo_{port}/podinfo.podinfo-1.v2.unknown.kind");
    for line in [
        format!(
            "envoy_cluster_upstream_rq{{envoy_cluster_name=\"{}\",envoy_response_code=\"503\"}} 1\n",
            name(8081)
        ),
        format!(
            "envoy_cluster_upstream_rq_time_count{{envoy_cluster_name=\"{}\"}} 1\n",
            name(8081)
        ),
        format!("envoy_cluster_upstream_cx_total{{envoy_cluster_name=\"{}\"}} 0\n", name(3307)),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    assert!(!text.contains("inbound|"), "{text}");
}

#[test]
fn labels_besides_are_on_every_series_of_a_port_and_on_nothing_else() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(
        &meter,
        "--envoy-label service={service}_{namespace}_svc_{port} --envoy-label zone=here",
    );
    for line in text.lines().filter(|line| line.starts_with("envoy_")) {
        let of_port = line.starts_with("envoy_cluster") || line.starts_with("envoy_http");
        assert_eq!(line.contains("service=\"podinfo_test_svc_"), of_port, "{line}");
        assert_eq!(line.contains("zone=\"here\""), of_port, "{line}");
    }
    assert!(text.contains(
        "envoy_cluster_upstream_rq{envoy_cluster_name=\"inbound|8081||\",\
         envoy_response_code=\"200\",service=\"podinfo_test_svc_8081\",zone=\"here\"} 0\n"
    ));
}

#[test]
fn ports_under_one_name_are_one_cluster_and_what_the_pod_asks_keeps_its_own() {
    let mut layout = meter().layout().clone();
    let port = |port| Route::intercepted(Side::Inbound, port, false);
    layout.routes = vec![
        port(80),
        port(81),
        Route::intercepted(Side::Outbound, 443, false),
        Route::others(Side::Inbound),
    ];
    let meter = Meter::new(layout);
    let shard = meter.shard(0).unwrap();
    for route in 0..4 {
        let mut recorder = Recorder::new(&shard, RouteId(route));
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(exchange(200, Flags::None, 1, 0));
    }
    let text = shown(&meter, "--envoy-cluster-name {workload}");
    let series = |name| format!("envoy_cluster_upstream_rq_total{{envoy_cluster_name=\"{name}\"}}");
    assert_eq!(
        values(&text, "envoy_cluster_upstream_rq_total{"),
        [
            (&*series("podinfo"), "2"),
            (&*series("outbound|443||"), "1"),
            (&*series("InboundPassthroughCluster"), "1"),
        ]
    );
    // A label that tells them apart keeps them apart.
    let text = shown(&meter, "--envoy-cluster-name {workload} --envoy-label port={port}");
    assert_eq!(values(&text, "envoy_cluster_upstream_rq_total{").len(), 4);
}
