//! The recording by method, path and status: as apps count their own requests, and in the words of
//! OpenTelemetry.

use super::{exchange, identity, meter, samples, values};
use podmeter::clock::Nanos;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Layout, Meter, Recorder, Route, RouteId, Shard, Side};
use podmeter::observe::host::{HostId, SeenHosts};
use podmeter::observe::path::{PathId, Paths, Templates};
use podmeter::observe::{Direction, Event, Exchange, Flags, Method, Sink, Version};
use podmeter::process::Process;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A pod with a port that others ask and a port of others that it asks.
struct Rig {
    meter: Arc<Meter>,
    shard: Rc<Shard>,
    names: Vec<Dialect>,
    paths: Arc<Paths>,
    seen: Arc<SeenHosts>,
}

impl Rig {
    fn new(names: &[&str], max_series: usize) -> Self {
        let names: Vec<_> = names.iter().filter_map(|name| Dialect::named(name)).collect();
        let outbound = Route::intercepted(Side::Outbound, 9000, false);
        let known = meter();
        let http = known.layout().routes[0].clone();
        let meter = Meter::new(Layout {
            first_host: known.layout().first_host,
            max_series,
            ..dialect::layout(&names, vec![http, outbound])
        });
        let more: Vec<String> = (2..500).map(|n| format!("/{n}")).collect();
        let templates =
            ["/users/{id}", "/\"odd\""].into_iter().chain(more.iter().map(String::as_str));
        let templates = Templates::read(templates).unwrap();
        Self {
            shard: meter.shard(0).unwrap(),
            meter,
            names,
            paths: Arc::new(Paths::new(templates, None)),
            seen: Arc::new(SeenHosts::new(10)),
        }
    }

    /// One exchange that ended at a second and took two and a half milliseconds.
    fn record(&self, side: Side, change: impl FnOnce(&mut Exchange)) {
        let Event::Exchange(mut exchange) = exchange(200, Flags::None, 0, 0) else { return };
        (exchange.started, exchange.ended) = (Nanos(997_500_000), Nanos(1_000_000_000));
        change(&mut exchange);
        let mut recorder = Recorder::new(&self.shard, RouteId(u16::from(side == Side::Outbound)));
        recorder.event(Event::Began { host: exchange.host });
        recorder.event(Event::Exchange(exchange));
    }

    /// What is shown at a time, without series that stood still for a minute.
    fn shown_at(&self, now: Duration) -> String {
        let identity = identity();
        let (paths, seen) = (Some(&self.paths), Some(&self.seen));
        let subject = Subject { paths, seen, ..Subject::new(&identity) };
        let dialects = Dialects::new(&self.names, &subject, self.meter.layout())
            .forgetting(Some(Duration::from_secs(60)));
        let vitals = Vitals {
            draining: false,
            uptime: now,
            now: Nanos(u64::try_from(now.as_nanos()).unwrap()),
            workers: 1,
            process: Process::default(),
        };
        let families = dialects.families(&self.meter.snapshot(), &vitals);
        let mut text = Vec::new();
        exposition::render(&exposition::merge(families, Vec::new()), Format::TEXT, &mut text);
        String::from_utf8(text).unwrap()
    }

    fn shown(&self) -> String {
        self.shown_at(Duration::from_secs(2))
    }
}

const POD: &str = "kubernetes_namespace=\"test\",kubernetes_pod_name=\"podinfo-1\"";

#[test]
fn before_the_first_request_both_halves_of_a_success_rate_are_zero() {
    let text = Rig::new(&["http", "otel"], 100).shown();
    let http = format!("method=\"GET\",path=\"other\",status=\"200\",{POD}");
    let otel = "http_request_method=\"GET\",http_response_status_code=\"200\",\
                network_protocol_name=\"http\",network_protocol_version=\"1.1\",\
                server_address=\"podinfo.test.svc.cluster.local\",server_port=\"8081\",\
                url_scheme=\"http\"";
    assert_eq!(samples(&text, "http_requests"), [format!("http_requests_total{{{http}}} 0")]);
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];
    let name = "http_request_duration_seconds";
    let mut expected: Vec<String> = bounds
        .iter()
        .chain(&["+Inf"])
        .map(|le| format!("{name}_bucket{{{http},le=\"{le}\"}} 0"))
        .collect();
    expected.extend([format!("{name}_sum{{{http}}} 0"), format!("{name}_count{{{http}}} 0")]);
    assert_eq!(samples(&text, "http_request_duration"), expected);
    let bounds = [
        "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
        "7.5", "10",
    ];
    let name = "http_server_request_duration_seconds";
    let mut expected: Vec<String> = bounds
        .iter()
        .chain(&["+Inf"])
        .map(|le| format!("{name}_bucket{{{otel},le=\"{le}\"}} 0"))
        .collect();
    expected.extend([format!("{name}_sum{{{otel}}} 0"), format!("{name}_count{{{otel}}} 0")]);
    assert_eq!(samples(&text, "http_server"), expected);
    assert_eq!(samples(&text, "http_client"), [""; 0]);
    for kind in [
        "# TYPE http_requests_total counter",
        "# TYPE http_request_duration_seconds histogram",
        "# TYPE http_server_request_duration_seconds histogram",
    ] {
        assert!(text.contains(kind), "no {kind} in\n{text}");
    }
}

#[test]
fn requests_count_by_method_path_and_status() {
    let rig = Rig::new(&["http"], 100);
    for (method, path, status, flags) in [
        (Method::Get, PathId(0), 200, Flags::None),
        (Method::Get, PathId(0), 200, Flags::DownstreamClosed),
        (Method::Get, PathId(0), 500, Flags::None),
        (Method::Other, PathId(1), 201, Flags::None),
        (Method::Post, PathId::OTHER, 0, Flags::DownstreamClosed),
    ] {
        rig.record(Side::Inbound, |exchange| {
            (exchange.method, exchange.path) = (method, path);
            (exchange.status, exchange.flags) = (status, flags);
            // Two versions and two hosts are one series.
            exchange.version = if status == 200 { Version::Http2 } else { Version::Http10 };
        });
    }
    // What the pod asks of others is not its own.
    rig.record(Side::Outbound, |_| {});
    let text = rig.shown();
    let series = |labels: &str| format!("http_requests_total{{{labels},{POD}}}");
    assert_eq!(
        values(&text, "http_requests_total{"),
        [
            (&*series(r#"method="GET",path="/users/{id}",status="200""#), "2"),
            (&*series(r#"method="GET",path="/users/{id}",status="500""#), "1"),
            (&*series(r#"method="OTHER",path="/\"odd\"",status="201""#), "1"),
            (&*series(r#"method="GET",path="other",status="200""#), "0"),
            (&*series(r#"method="POST",path="other",status="0""#), "1"),
        ]
    );
    let sums = values(&text, "http_request_duration_seconds_sum{");
    assert_eq!(sums[0].1, "0.005");
}

#[test]
fn opentelemetry_names_what_went_wrong_and_leaves_out_what_is_not_known() {
    let rig = Rig::new(&["otel"], 100);
    let other = rig.seen.find(b"reviews.example.com");
    rig.record(Side::Inbound, |exchange| {
        (exchange.path, exchange.status, exchange.method) = (PathId(0), 503, Method::Other);
        exchange.flags = Flags::UpstreamClosed;
        exchange.version = Version::Http2;
    });
    rig.record(Side::Inbound, |exchange| {
        (exchange.status, exchange.flags) = (0, Flags::DownstreamClosed);
        (exchange.host, exchange.version) = (HostId::UNKNOWN, Version::Unknown);
    });
    rig.record(Side::Inbound, |exchange| exchange.status = 404);
    rig.record(Side::Inbound, |exchange| exchange.status = 500);
    rig.record(Side::Outbound, |exchange| (exchange.host, exchange.status) = (other, 404));
    let text = rig.shown();
    let counts = |name| {
        let all = values(&text, name).into_iter().filter(|(_, value)| *value != "0");
        let all: Vec<String> =
            all.map(|(series, value)| format!("{} {value}", &series[name.len()..])).collect();
        all
    };
    let service = "server_address=\"podinfo.test.svc.cluster.local\",server_port=\"8081\"";
    let version = "network_protocol_name=\"http\",network_protocol_version=\"1.1\"";
    assert_eq!(
        counts("http_server_request_duration_seconds_count"),
        [
            format!(
                "{{http_request_method=\"_OTHER\",http_response_status_code=\"503\",\
                 http_route=\"/users/{{id}}\",error_type=\"connection_closed\",\
                 network_protocol_name=\"http\",network_protocol_version=\"2\",{service},\
                 url_scheme=\"http\"}} 1"
            ),
            format!(
                "{{http_request_method=\"GET\",http_response_status_code=\"404\",{version},\
                 {service},url_scheme=\"http\"}} 1"
            ),
            format!(
                "{{http_request_method=\"GET\",http_response_status_code=\"500\",\
                 error_type=\"500\",{version},{service},url_scheme=\"http\"}} 1"
            ),
            "{http_request_method=\"GET\",error_type=\"client_disconnected\",\
             network_protocol_name=\"http\",server_port=\"8081\",url_scheme=\"http\"} 1"
                .to_owned(),
        ]
    );
    assert_eq!(
        counts("http_client_request_duration_seconds_count"),
        [format!(
            "{{http_request_method=\"GET\",http_response_status_code=\"404\",error_type=\"404\",\
             {version},server_address=\"reviews.example.com\",server_port=\"9000\",\
             url_scheme=\"http\"}} 1"
        )]
    );
}

#[test]
fn a_flood_costs_paths_and_methods_and_no_other_dialect_an_exchange() {
    let rig = Rig::new(&["istio", "http"], 20);
    for path in 0..500 {
        rig.record(Side::Inbound, |exchange| exchange.path = PathId(path));
    }
    for _ in 0..7 {
        rig.record(Side::Inbound, |exchange| exchange.status = 500);
    }
    let text = rig.shown();
    let total = |lines: &[(&str, &str)]| -> u64 {
        lines.iter().map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    };
    let http = values(&text, "http_requests_total{");
    assert!(http.len() <= 20, "{http:?}");
    assert_eq!(total(&http), 507);
    let istio = values(&text, "istio_requests_total{");
    let counts: Vec<_> = istio.iter().map(|(_, value)| *value).collect();
    assert_eq!(counts, ["500", "7"]);
    let lost = values(&text, "podmeter_series_overflow_total");
    // The series that was there from the start has one of the fifteen places.
    assert_eq!(total(&lost), 507 - 14);
}

#[test]
fn a_series_that_stood_still_is_left_out_and_comes_back_with_its_whole_total() {
    let rig = Rig::new(&["http", "otel", "istio"], 100);
    rig.record(Side::Inbound, |exchange| exchange.path = PathId(0));
    rig.record(Side::Inbound, |exchange| exchange.status = 404);
    let count = |seconds| {
        let text = rig.shown_at(Duration::from_secs(seconds));
        let found = |name: &str, label: &str| {
            let all = values(&text, name).into_iter().find(|(series, _)| series.contains(label));
            all.map(|(_, value)| value.to_owned())
        };
        [
            found("http_requests_total{", "/users/{id}"),
            found("http_server_request_duration_seconds_count{", "/users/{id}"),
            found("istio_requests_total{", "response_code=\"404\""),
            // What has been shown from the start stays.
            found("istio_requests_total{", "response_code=\"200\""),
        ]
    };
    let some = |value: &str| Some(value.to_owned());
    assert_eq!(count(61), [some("1"), some("1"), some("1"), some("1")]);
    assert_eq!(count(62), [None, None, None, some("1")]);
    rig.record(Side::Inbound, |exchange| {
        (exchange.path, exchange.ended) = (PathId(0), Nanos(100_000_000_000));
    });
    assert_eq!(count(120), [some("2"), some("2"), None, some("2")]);
}

#[test]
fn requests_that_begin_are_left_out_unless_one_is_in_flight_and_come_back_whole() {
    let rig = Rig::new(&["linkerd", "istio"], 100);
    let host = rig.seen.find(b"till.example");
    rig.record(Side::Outbound, |exchange| exchange.host = host);
    let mut recorder = Recorder::new(&rig.shard, RouteId(1));
    recorder.event(Event::Messages { host, direction: Direction::Request, count: 3 });
    let count = |seconds, name: &str| {
        let text = rig.shown_at(Duration::from_secs(seconds));
        let mut all = values(&text, name).into_iter();
        let found = all.find(|(series, _)| series.contains("till.example"));
        found.map(|(_, value)| value.to_owned())
    };
    let (requests, messages) = ("request_total{", "istio_request_messages_total{");
    let some = |value: &str| Some(value.to_owned());
    assert_eq!((count(61, requests), count(61, messages)), (some("1"), some("3")));
    assert_eq!((count(62, requests), count(62, messages)), (None, None));
    // However long it takes, it is not over.
    recorder.event(Event::Began { host });
    assert_eq!((count(1000, requests), count(1000, messages)), (some("2"), some("3")));
    let text = rig.shown_at(Duration::from_secs(1000));
    let unasked = values(&text, "request_total{direction=\"inbound\"");
    assert!(!unasked.is_empty(), "what has been shown from the start stays");
}
