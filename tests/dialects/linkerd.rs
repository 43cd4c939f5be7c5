//! The recording in Linkerd's words.

use super::{asked, exchange, identity, meter, samples, shown, shown_about, values};
use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::Subject;
use podmeter::exposition::Format;
use podmeter::meter::{Meter, Recorder, RouteId};
use podmeter::observe::grpc::{Call, GrpcStatus};
use podmeter::observe::host::HostId;
use podmeter::observe::{Direction, Ending, Event, Exchange, Flags, Sink, Spoken};

const HTTP: &str = "direction=\"inbound\",authority=\"podinfo.test.svc.cluster.local\",\
     target_addr=\"127.0.0.1:8081\",target_ip=\"127.0.0.1\",target_port=\"8081\",\
     tls=\"no_identity\",no_tls_reason=\"not_provided_by_remote\"";
const POD: &str = "deployment=\"podinfo\",namespace=\"test\",pod=\"podinfo-1\"";

#[test]
fn an_idle_pod_has_what_a_release_check_divides_at_zero() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(&meter, &identity(), &["linkerd"], Format::TEXT);
    // Who asks by address instead of name begins at zero, too.
    let unknown = HTTP.replace("podinfo.test.svc.cluster.local", "unknown");
    for line in [
        format!("request_total{{{unknown},{POD}}} 0"),
        format!("request_total{{{HTTP},{POD}}} 0"),
        format!(
            "response_total{{{HTTP},status_code=\"200\",classification=\"success\",\
             grpc_status=\"\",error=\"\",{POD}}} 0"
        ),
        format!("response_latency_ms_bucket{{{HTTP},status_code=\"200\",{POD},le=\"+Inf\"}} 0"),
        format!("response_latency_ms_count{{{HTTP},status_code=\"200\",{POD}}} 0"),
        "# TYPE request_total counter".to_owned(),
        "# TYPE response_total counter".to_owned(),
        "# TYPE response_latency_ms histogram".to_owned(),
        "# TYPE tcp_open_total counter".to_owned(),
        "# TYPE tcp_open_connections gauge".to_owned(),
        "# TYPE tcp_close_total counter".to_owned(),
        "# TYPE tcp_read_bytes_total counter".to_owned(),
        "# TYPE tcp_write_bytes_total counter".to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    assert_eq!(samples(&text, "response_latency_ms_bucket{").len(), 2 * 26);
    assert_eq!(samples(&text, "response_total{").len(), 2);
    assert!(!text.contains("istio_") && !text.contains("envoy_"));
}

#[test]
fn an_answer_is_a_success_unless_the_app_failed() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    let grpc = |status: &[u8]| Call::Grpc(GrpcStatus::read(status));
    for (status, flags, call) in [
        (200, Flags::None, Call::Http),
        (404, Flags::None, Call::Http),
        (500, Flags::None, Call::Http),
        (200, Flags::DownstreamClosed, Call::Http),
        (400, Flags::DownstreamProtocolError, Call::Http),
        (503, Flags::UpstreamConnectFailure, Call::Http),
        (503, Flags::UpstreamClosed, Call::Http),
        (200, Flags::UpstreamProtocolError, Call::Http),
        (503, Flags::UpstreamReset, grpc(b"14")),
        // No answer at all is no response.
        (0, Flags::DownstreamClosed, Call::Http),
        (200, Flags::None, grpc(b"0")),
        (200, Flags::None, grpc(b"5")),
        (200, Flags::None, grpc(b"13")),
    ] {
        recorder.event(Event::Began { host: HostId(0) });
        let Event::Exchange(of) = exchange(status, flags, 1, 0) else { continue };
        recorder.event(Event::Exchange(Exchange { call, ..of }));
    }
    recorder.event(Event::Began { host: HostId::UNKNOWN });
    let text = shown(&meter, &identity(), &["linkerd"], Format::TEXT);
    let seen: Vec<_> = values(&text, "response_total{")
        .into_iter()
        .filter(|(series, _)| !series.contains("authority=\"unknown\""))
        .map(|(series, value)| {
            let labels = series.split("remote\",").nth(1).unwrap();
            format!("{} {value}", labels.replace(&format!(",{POD}}}"), ""))
        })
        .collect();
    let class = |status, class: &str, grpc, error| {
        format!(
            "status_code=\"{status}\",classification=\"{class}\",grpc_status=\"{grpc}\",\
             error=\"{error}\""
        )
    };
    assert_eq!(
        seen,
        [
            class(200, "failure", "", "broken_off") + " 1",
            class(200, "failure", "13", "") + " 1",
            class(200, "success", "", "") + " 2",
            class(200, "success", "0", "") + " 1",
            class(200, "success", "5", "") + " 1",
            class(400, "success", "", "") + " 1",
            class(404, "success", "", "") + " 1",
            class(500, "failure", "", "") + " 1",
            class(503, "failure", "", "refused") + " 1",
            class(503, "failure", "", "unanswered") + " 1",
            class(503, "failure", "14", "reset") + " 1",
        ]
    );
    // Requests count when they begin, each under what its Host names.
    let requests = values(&text, "request_total{");
    assert!(requests.contains(&(&*format!("request_total{{{HTTP},{POD}}}"), "13")), "{requests:?}");
    let unknown = HTTP.replace("podinfo.test.svc.cluster.local", "unknown");
    assert!(requests.contains(&(&*format!("request_total{{{unknown},{POD}}}"), "1")));
}

#[test]
fn a_latency_ends_where_the_answers_body_begins() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    let Event::Exchange(long) = exchange(200, Flags::None, 9_000_000_000, 0) else { return };
    let after = |nanos: u64| Some(Nanos(long.started.0 + nanos));
    for (first_byte, first_data) in [
        (after(1_000_000), after(2_000_000)),
        // Without a body, its end is the beginning of none.
        (after(3_000_000), None),
        (None, None),
    ] {
        recorder.event(Event::Began { host: HostId(0) });
        recorder.event(Event::Exchange(Exchange { first_byte, first_data, ..long }));
    }
    let text = shown(&meter, &identity(), &["linkerd"], Format::TEXT);
    let bucket = |le: &str| {
        let ends = format!("le=\"{le}\"}}");
        let series = values(&text, "response_latency_ms_bucket{");
        let mut named = series.iter().filter(|(series, _)| series.contains("podinfo.test"));
        named.find(|(series, _)| series.ends_with(&ends)).unwrap().1.to_owned()
    };
    assert_eq!(["1", "2", "5000", "10000", "+Inf"].map(bucket), ["0", "1", "1", "2", "2"]);
    let sum = values(&text, "response_latency_ms_sum{")[0].1;
    assert_eq!(sum, "9002");
    // The own family sees the very first byte.
    let own = values(&text, "podmeter_time_to_first_byte_seconds_sum{")[0].1;
    assert_eq!(own, "0.004");
}

#[test]
fn every_connection_is_seen_from_both_its_ends() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    for (ending, reached) in [
        (Ending::Finished, true),
        (Ending::ClientReset, true),
        (Ending::AppReset, true),
        (Ending::Refused, false),
    ] {
        let mut recorder = Recorder::new(&shard, RouteId(0));
        recorder.event(Event::Speaks(Spoken::Http1));
        if reached {
            recorder.connected(1_000, Nanos(1_000));
            recorder.passed(Direction::Request, 10);
            recorder.passed(Direction::Response, 100);
        } else {
            recorder.refused();
        }
        recorder.ends(ending);
    }
    let mut open = Recorder::new(&shard, RouteId(0));
    open.connected(1_000, Nanos(1_000));
    let text = shown(&meter, &identity(), &["linkerd"], Format::TEXT);
    let target = "target_addr=\"127.0.0.1:8081\",target_ip=\"127.0.0.1\",target_port=\"8081\",\
         tls=\"no_identity\"";
    let src = format!(
        "direction=\"inbound\",peer=\"src\",{target},no_tls_reason=\"not_provided_by_remote\""
    );
    let dst = format!("direction=\"inbound\",peer=\"dst\",{target},no_tls_reason=\"loopback\"");
    for (family, labels, more, value) in [
        ("tcp_open_total", &src, "", 5),
        ("tcp_open_total", &dst, "", 4),
        ("tcp_open_connections", &src, "", 1),
        ("tcp_open_connections", &dst, "", 1),
        ("tcp_close_total", &src, ",errno=\"\"", 3),
        ("tcp_close_total", &src, ",errno=\"ECONNRESET\"", 1),
        ("tcp_close_total", &dst, ",errno=\"\"", 2),
        ("tcp_close_total", &dst, ",errno=\"ECONNRESET\"", 1),
        ("tcp_read_bytes_total", &src, "", 30),
        ("tcp_write_bytes_total", &src, "", 300),
        ("tcp_read_bytes_total", &dst, "", 300),
        ("tcp_write_bytes_total", &dst, "", 30),
    ] {
        let line = format!("{family}{{{labels}{more},{POD}}} {value}\n");
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    let ended = "podmeter_connections_closed_total{direction=\"inbound\",listen=\"0.0.0.0:8080\",\
         target=\"127.0.0.1:8081\",ending=";
    for ending in ["finished", "client_reset", "app_reset", "refused"] {
        assert!(text.contains(&format!("{ended}\"{ending}\"}} 1\n")), "{ending} in\n{text}");
    }
}

#[test]
fn a_workload_is_named_by_its_kind_and_what_is_not_known_is_left_to_the_scrape() {
    let meter = meter();
    let _shard = meter.shard(0);
    for (kind, label) in [
        ("Deployment", "deployment"),
        ("StatefulSet", "statefulset"),
        ("DaemonSet", "daemonset"),
        ("ReplicaSet", "replicaset"),
        ("ReplicationController", "replicationcontroller"),
        ("Job", "k8s_job"),
        ("CronJob", "cronjob"),
    ] {
        let identity = Identity { workload_kind: Some(kind.to_owned()), ..identity() };
        let text = shown(&meter, &identity, &["linkerd"], Format::TEXT);
        assert!(text.contains(&format!(",{label}=\"podinfo\",namespace=\"test\"")), "{text}");
    }
    let text = shown(&meter, &Identity::default(), &["linkerd"], Format::TEXT);
    for line in samples(&text, "request_total{") {
        assert!(line.contains("authority=\"unknown\""), "{line}");
        assert!(!line.contains("namespace=") && !line.contains("pod="), "{line}");
    }
}

#[test]
fn what_overflowed_is_one_series_that_claims_nothing() {
    let mut layout = meter().layout().clone();
    layout.max_series = 1;
    let meter = Meter::new(layout);
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    recorder.event(Event::Began { host: HostId(0) });
    recorder.event(exchange(500, Flags::None, 1, 0));
    let text = shown(&meter, &identity(), &["linkerd", "osm"], Format::TEXT);
    let over = values(&text, "response_total{");
    let over = over.iter().find(|(series, _)| series.contains("status_code=\"overflow\""));
    let (series, value) = over.unwrap();
    assert!(series.contains("classification=\"unknown\"") && *value == "1", "{series}");
    assert!(series.contains("authority=\"unknown\""), "{series}");
    let osm = values(&text, "osm_request_total{");
    assert!(osm.iter().any(|(s, v)| s.contains("response_code=\"overflow\"") && *v == "1"));
}

#[test]
fn what_the_pod_asks_leads_to_an_address_where_it_names_one_and_else_to_the_name() {
    let (meter, seen) =
        asked(&["api.example.com", "10.0.0.7", "fd00::7", "\"", "unknown", "Unknown."]);
    let identity = identity();
    let subject = Subject { seen: Some(&seen), ..Subject::new(&identity) };
    let text = shown_about(&meter, &subject, &["linkerd"], Format::TEXT);
    for (authority, addr, ip, count) in [
        ("api.example.com", "api.example.com:80", "unknown", 1),
        ("10.0.0.7", "10.0.0.7:80", "10.0.0.7", 1),
        ("fd00::7", "[fd00::7]:80", "fd00::7", 1),
        // A host of this name is told from none by no label.
        ("unknown", "unknown:80", "unknown", 3),
    ] {
        let line = format!(
            "request_total{{direction=\"outbound\",authority=\"{authority}\",\
             target_addr=\"{addr}\",target_ip=\"{ip}\",target_port=\"80\",\
             tls=\"no_identity\",no_tls_reason=\"not_provided_by_service_discovery\",\
             {POD}}} {count}\n"
        );
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    assert!(!text.contains("0.0.0.0:80\",target_ip"), "{text}");
}

#[test]
fn a_service_called_unknown_is_one_series_with_who_is_asked_by_no_known_name() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for host in [HostId(0), HostId(1), HostId::UNKNOWN] {
        recorder.event(Event::Began { host });
        recorder.event(exchange(200, Flags::None, 1, host.0));
    }
    let services = vec!["shop".to_owned(), "unknown".to_owned()];
    let identity = Identity { services, ..identity() };
    let text = shown(&meter, &identity, &["linkerd"], Format::TEXT);
    for family in ["request_total{", "response_total{"] {
        let counts: Vec<_> = values(&text, family).into_iter().map(|(_, value)| value).collect();
        assert_eq!(counts, ["1", "2"], "{text}");
    }
}
