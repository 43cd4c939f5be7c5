//! What the families of Istio, Envoy and podmeter itself say at the edges.

use super::*;

#[test]
fn a_host_that_names_no_service_counts_in_the_series_of_the_first() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for host in [HostId::UNKNOWN, HostId(0), HostId(1), HostId::UNKNOWN] {
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(exchange(200, Flags::None, 1, host.0));
    }
    let text = shown(&meter, &identity(), &["istio"], Format::TEXT);
    for family in [
        "istio_requests_total{",
        "istio_request_duration_milliseconds_count{",
        "istio_request_bytes_count{",
    ] {
        let series = values(&text, family);
        let [(first, three), (second, one)] = series[..] else { panic!("{series:?}") };
        assert!(
            first.contains("destination_service_name=\"podinfo\"") && three == "3",
            "{series:?}"
        );
        assert!(second.contains("\"api.example.com\"") && one == "1", "{series:?}");
    }
}

#[test]
fn ports_that_no_label_tells_apart_are_added_up() {
    let mut layout = meter().layout().clone();
    let route = |listen, target, opaque| Route {
        side: Side::Inbound,
        listen: ([0, 0, 0, 0], listen).into(),
        target: ([127, 0, 0, 1], target).into(),
        opaque,
    };
    layout.routes = vec![
        route(8080, 8081, false),
        route(9080, 8081, false),
        route(7080, 7081, false),
        route(3306, 3307, true),
        route(3316, 3317, true),
    ];
    let meter = Meter::new(layout);
    let shard = meter.shard(0).unwrap();
    for id in 0..3 {
        let mut recorder = Recorder::new(&shard, RouteId(id));
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(exchange(200, Flags::None, 1, 0));
    }
    for id in 3..5 {
        Recorder::new(&shard, RouteId(id)).event(Event::TcpOpened { tls: None });
    }
    let text = shown(&meter, &identity(), &["istio", "envoy"], Format::TEXT);
    let only = |family| {
        let series = values(&text, family);
        let [(_, value)] = series[..] else { panic!("{series:?}") };
        value
    };
    assert_eq!(only("istio_requests_total{"), "3");
    assert_eq!(only("istio_tcp_connections_opened_total{"), "2");
    for (family, both, one) in [
        ("envoy_cluster_upstream_rq{", "2", "1"),
        ("envoy_cluster_upstream_rq_xx{", "2", "1"),
        ("envoy_cluster_upstream_rq_total{", "2", "1"),
        ("envoy_cluster_upstream_rq_time_count{", "2", "1"),
        ("envoy_cluster_upstream_cx_length_ms_count{", "0", "0"),
        ("envoy_cluster_upstream_cx_total{", "2", "1"),
    ] {
        let series = values(&text, family);
        let value = |cluster: &str| series.iter().find(|(s, _)| s.contains(cluster)).unwrap().1;
        assert_eq!((value("|8081||"), value("|7081||")), (both, one), "{family}");
    }
    assert_eq!(values(&text, "envoy_http_downstream_rq_total{").len(), 3);
}

#[test]
fn a_request_that_nobody_can_tell_the_end_of_stays_counted_as_begun() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    recorder.event(Event::Began { host: HostId(0) });
    let total = || {
        let text = shown(&meter, &identity(), &["envoy"], Format::TEXT);
        let names = ["envoy_cluster_upstream_rq_total{", "envoy_http_downstream_rq_total{"];
        names.map(|name| values(&text, name)[0].1.to_owned())
    };
    assert_eq!(total(), ["1", "1"]);
    recorder.event(Event::Dropped);
    assert_eq!(total(), ["1", "1"]);
}

#[test]
fn what_nobody_told_the_proxy_is_unknown_and_the_revision_is_latest() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(&meter, &Identity::default(), &["istio"], Format::TEXT);
    let line = samples(&text, "istio_requests_total{")[0];
    for label in [
        "destination_workload=\"unknown\"",
        "destination_canonical_service=\"unknown\"",
        "destination_canonical_revision=\"latest\"",
        "destination_service=\"unknown\"",
        "destination_service_namespace=\"unknown\"",
    ] {
        assert!(line.contains(label), "no {label} in {line}");
    }
    assert!(!text.contains("envoy_"));
}

#[test]
fn tcp_families_have_the_labels_of_tcp() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(1));
    recorder.event(Event::TcpOpened { tls: None });
    recorder.event(Event::TcpBytes { direction: Direction::Request, bytes: 5 });
    recorder.event(Event::TcpBytes { direction: Direction::Response, bytes: 70 });
    recorder.event(Event::TcpClosed { flags: Flags::UpstreamClosed });
    let text = shown(&meter, &identity(), &["istio"], Format::TEXT);
    let only = |family: &str, flags: &str| {
        let flags = format!("response_flags=\"{flags}\"");
        let lines = samples(&text, &format!("{family}{{"));
        let line = *lines.iter().find(|line| line.contains(&flags)).unwrap();
        assert!(line.contains("request_protocol=\"tcp\"") && !line.contains("response_code"));
        assert!(!line.contains("grpc_response_status"), "{line}");
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(only("istio_tcp_connections_opened_total", "-"), "1");
    assert_eq!(only("istio_tcp_connections_closed_total", "UC"), "1");
    assert_eq!(only("istio_tcp_received_bytes_total", "-"), "5");
    assert_eq!(only("istio_tcp_sent_bytes_total", "-"), "70");
}

#[test]
fn openmetrics_says_unknown_of_a_counter_without_total_and_of_what_would_clash_with_it() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(&meter, &identity(), &["istio", "envoy"], Format::OPENMETRICS);
    for line in [
        "# TYPE istio_requests counter",
        "# TYPE envoy_cluster_upstream_rq unknown",
        "# TYPE envoy_cluster_upstream_rq_total unknown",
        "# TYPE envoy_cluster_upstream_rq_xx unknown",
        "# TYPE envoy_cluster_upstream_rq_time histogram",
        "# TYPE envoy_cluster_upstream_cx counter",
    ] {
        assert!(text.contains(&format!("{line}\n")), "no {line} in\n{text}");
    }
    assert!(
        text.contains(
            "\nenvoy_cluster_upstream_rq_total{envoy_cluster_name=\"inbound|8081||\"} 0\n"
        )
    );
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn what_was_not_understood_is_counted_with_its_reason() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    let (protocol, reason) = (Protocol::Http1, Reason::MalformedRequest);
    recorder.event(Event::Unparsed { protocol, reason });
    let text = shown(&meter, &identity(), &[], Format::TEXT);
    assert!(text.contains(
        "podmeter_unparsed_connections_total{protocol=\"http1\",reason=\"malformed_request\"} 1\n"
    ));
}

#[test]
fn an_operator_reads_envoys_own_names() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    recorder.event(Event::Began { host: HostId(0) });
    recorder.event(exchange(404, Flags::None, 1_500_000, 0));
    let vitals = Vitals {
        draining: false,
        uptime: Duration::from_secs(61),
        now: Nanos(0),
        workers: 2,
        process: Process::default(),
    };
    // Asked or not: these are for people, not for dashboards.
    let dialects = Dialects::new(&[], &Subject::new(&identity()), meter.layout());
    let statistics = dialects.statistics(&meter.snapshot(), &vitals);
    for (name, value) in [
        ("cluster.inbound|8081||.upstream_rq_404", "1"),
        ("cluster.inbound|8081||.upstream_rq_4xx", "1"),
        ("cluster.inbound|8081||.upstream_rq_200", "0"),
        ("cluster.inbound|8081||.upstream_rq_total", "1"),
        ("cluster.inbound|8081||.upstream_rq_time_sum", "1.5"),
        ("cluster.inbound|3307||.upstream_cx_total", "0"),
        ("http.inbound_0.0.0.0_8080.downstream_rq_4xx", "1"),
        ("server.live", "1"),
        ("server.uptime", "61"),
        (
            "podmeter_connections_total{direction=\"inbound\",listen=\"0.0.0.0:3306\",target=\"127.0.0.1:3307\",protocol=\"opaque\"}",
            "0",
        ),
    ] {
        let found = statistics.iter().find(|(n, _)| n == name);
        assert_eq!(found.map(|(_, v)| v.as_str()), Some(value), "{name} in {statistics:#?}");
    }
}
