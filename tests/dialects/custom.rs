//! Dialects that the configuration defines, over the same recording.

use super::{exchange, identity, meter, samples};
use clap::Parser;
use podmeter::clock::Nanos;
use podmeter::config::{Config, CustomDialect, ProxyArgs};
use podmeter::dialect::{self, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Layout, Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::{Call, GrpcStatus};
use podmeter::observe::host::{HostId, SeenHosts};
use podmeter::observe::path::{PathId, Paths, Templates};
use podmeter::observe::{Event, Exchange, Flags, Method, Sink, Version};
use podmeter::process::Process;
use std::sync::Arc;
use std::time::Duration;

const MINE: &str = r#"
mine:
  - family: app_latency_ms
    kind: histogram
    unit: milliseconds
    buckets: [1, 2.5, 100]
    help: How long it took.
    labels: {route: "{path}", verb: "{method}", class: "{status_class}", env: prod}
    without: {status: 404}
  - family: app_bytes
    kind: counter
    measures: response_bytes
    labels: {who: "{namespace}/{pod}", service: "{service}", port: "{port}", lost: "{revision}"}
  - family: app_calls
    kind: counter
    labels: {way: "{direction}", to: "{host}", code: "{grpc_status}", http: "{http_version}"}
    direction: both
    only: {protocol: grpc, grpc_status: [0, 14]}
  - family: app_errors_total
    kind: counter
    labels: {code: "{status}", flags: "{flags}"}
    only: {status: [5xx, 0]}
  - family: app_request_bytes
    kind: histogram
    measures: request_bytes
    buckets: [10, 150]
"#;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ProxyArgs,
}

fn shown(record: impl FnOnce(&dyn Fn(Side, &dyn Fn(&mut Exchange)), HostId)) -> String {
    let mut args = Line::parse_from(["x", "--forward=1=2", "--dialect=mine,istio"]).args;
    args.custom_dialects = serde_saphyr::from_str(MINE).unwrap();
    let config = Config::try_from(args).unwrap();
    let custom = &config.custom_dialects.asked;
    let known = meter();
    let layout = Layout {
        routes: vec![
            known.layout().routes[0].clone(),
            Route::intercepted(Side::Outbound, 9000, false),
        ],
        inbound: custom[0].detail(Side::Inbound),
        outbound: custom[0].detail(Side::Outbound),
        durations: dialect::duration_bounds().and(custom.iter().map(CustomDialect::durations)),
        sizes: dialect::size_bounds().and(custom.iter().map(CustomDialect::sizes)),
        ..known.layout().clone()
    };
    let meter = Meter::new(layout.clone());
    let shard = meter.shard(0).unwrap();
    let paths = Arc::new(Paths::new(Templates::read(["/users/{id}"]).unwrap(), None));
    let seen = Arc::new(SeenHosts::new(10));
    record(
        &|side, change| {
            let Event::Exchange(mut told) = exchange(200, Flags::None, 2_500_000, 0) else {
                return;
            };
            told.path = PathId(0);
            change(&mut told);
            let route = RouteId(u16::from(side == Side::Outbound));
            Recorder::new(&shard, route).event(Event::Exchange(told));
        },
        seen.find(b"reviews.shop"),
    );
    let identity = identity();
    let subject = Subject { paths: Some(&paths), seen: Some(&seen), ..Subject::new(&identity) };
    let dialects = Dialects::new(&config.dialects, &subject, &layout).and(custom, &subject);
    let vitals = Vitals {
        draining: false,
        uptime: Duration::ZERO,
        now: Nanos(0),
        workers: 1,
        process: Process::default(),
    };
    let families = dialects.families(&meter.snapshot(), &vitals);
    let mut text = Vec::new();
    exposition::render(&exposition::merge(families, Vec::new()), Format::TEXT, &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn each_family_says_what_it_was_told_to_of_whom_it_was_told_to() {
    let text = shown(|record, reviews| {
        record(Side::Inbound, &|_| {});
        // Another host is the same series for all of these.
        record(Side::Inbound, &|told| (told.host, told.ended) = (HostId(1), Nanos(10 + 2_500_001)));
        record(Side::Inbound, &|told| (told.status, told.method) = (201, Method::Other));
        record(Side::Inbound, &|told| told.status = 404);
        record(Side::Inbound, &|told| (told.status, told.path) = (503, PathId::OTHER));
        record(Side::Inbound, &|told| (told.status, told.flags) = (0, Flags::DownstreamClosed));
        for status in [b"0", b"5"] {
            record(Side::Outbound, &|told| {
                told.call = Call::Grpc(GrpcStatus::read(status));
                (told.host, told.version) = (reviews, Version::Http2);
            });
        }
    });
    let mine: Vec<&str> = text.lines().filter(|line| line.starts_with("app_")).collect();
    let latency = |class: &str, route: &str, verb: &str, values: [&str; 6]| {
        let labels = format!("route=\"{route}\",verb=\"{verb}\",class=\"{class}\",env=\"prod\"");
        let buckets = ["1", "2.5", "100", "+Inf"]
            .iter()
            .zip(values)
            .map(|(le, value)| format!("app_latency_ms_bucket{{{labels},le=\"{le}\"}} {value}"));
        let ends = [("sum", values[4]), ("count", values[5])];
        let ends = ends.map(|(end, value)| format!("app_latency_ms_{end}{{{labels}}} {value}"));
        buckets.chain(ends).collect::<Vec<_>>()
    };
    let users = "/users/{id}";
    let mut expected = [
        latency("0xx", users, "GET", ["0", "1", "1", "1", "2.5", "1"]),
        latency("2xx", "other", "GET", ["0", "0", "0", "0", "0", "0"]),
        latency("2xx", users, "GET", ["0", "1", "2", "2", "5.000001", "2"]),
        latency("2xx", users, "OTHER", ["0", "1", "1", "1", "2.5", "1"]),
        latency("5xx", "other", "GET", ["0", "1", "1", "1", "2.5", "1"]),
    ]
    .concat();
    expected.extend(
        [
            r#"app_bytes{who="test/podinfo-1",service="podinfo",port="8081",lost="unknown"} 606"#,
            r#"app_calls{way="outbound",to="reviews.shop",code="0",http="2"} 1"#,
            r#"app_errors_total{code="0",flags="DC"} 1"#,
            r#"app_errors_total{code="503",flags="-"} 1"#,
            r#"app_request_bytes_bucket{le="10"} 0"#,
            r#"app_request_bytes_bucket{le="150"} 6"#,
            r#"app_request_bytes_bucket{le="+Inf"} 6"#,
            "app_request_bytes_sum 600",
            "app_request_bytes_count 6",
        ]
        .map(str::to_owned),
    );
    let (mut mine, mut expected) = (mine, expected);
    mine.sort_unstable();
    expected.sort_unstable();
    assert_eq!(mine, expected);
    for line in ["# HELP app_latency_ms How long it took.", "# TYPE app_bytes counter"] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    // Another dialect beside them is none the wiser.
    assert_eq!(samples(&text, "istio_request_duration_milliseconds_count").len(), 8);
}
