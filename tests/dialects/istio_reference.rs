//! Istio's labels, held against those of another implementation's end-to-end tests.

use super::{exchange, meter, values};
use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Meter, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::{Call, GrpcStatus};
use podmeter::observe::host::{HostId, SeenHosts};
use podmeter::observe::{Direction, Event, Exchange, Flags, Sink};
use podmeter::process::Process;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[path = "../support/skip.rs"]
mod skip;

/// The labels of a series, in their order.
type Labels = Vec<(String, String)>;

#[test]
fn what_comes_in_has_the_labels_of_a_server_in_their_order() {
    let name = "what_comes_in_has_the_labels_of_a_server_in_their_order";
    let Some(folder) = templates() else { return skip::skip(name, "no reference data") };
    let text = shown(Side::Inbound);
    for (file, grpc) in [
        ("server_request_total", None),
        ("server_request_total", Some("0")),
        ("server_request_messages", Some("0")),
        ("server_response_messages", Some("0")),
        ("tcp_server_connection_open", None),
        ("tcp_server_connection_close", None),
        ("tcp_server_received_bytes", None),
        ("tcp_server_sent_bytes", None),
    ] {
        let (family, theirs) = template(&folder, file, grpc);
        let ours = series(&text, &family, grpc);
        let is_http = family.contains("request") || family.contains("response");
        // Who asks, and who vouches for whom, only the other end of a mesh could tell.
        let is_theirs = |name: &str| {
            name.starts_with("source_") || name.ends_with("_principal") || {
                !is_http && name == "connection_security_policy"
            }
        };
        agree(file, &ours, &theirs, is_theirs);
    }
}

#[test]
fn what_the_pod_asks_has_the_labels_of_a_client_in_their_order() {
    let name = "what_the_pod_asks_has_the_labels_of_a_client_in_their_order";
    let Some(folder) = templates() else { return skip::skip(name, "no reference data") };
    let text = shown(Side::Outbound);
    for (file, grpc) in [
        ("client_request_total", None),
        ("client_request_total", Some("0")),
        ("client_request_messages", Some("0")),
        ("client_response_messages", Some("0")),
        ("tcp_client_connection_open", None),
        ("tcp_client_connection_close", None),
        ("tcp_client_received_bytes", None),
        ("tcp_client_sent_bytes", None),
    ] {
        let (family, theirs) = template(&folder, file, grpc);
        let ours = series(&text, &family, grpc);
        let named = ["destination_service", "destination_service_name"];
        let is_theirs = |name: &str| {
            name.starts_with("destination_") && !named.contains(&name)
                // Theirs is a setting of its own; ours is the app.
                || name == "source_canonical_service"
                || name.ends_with("_principal")
                || name == "connection_security_policy"
        };
        agree(file, &ours, &theirs, is_theirs);
    }
}

/// The same names in the same order, and the same values but for those that we cannot know.
fn agree(file: &str, ours: &Labels, theirs: &Labels, is_theirs: impl Fn(&str) -> bool) {
    let names = |labels: &Labels| -> Vec<String> { labels.iter().map(|l| l.0.clone()).collect() };
    // What an example configures for itself is nobody's standard.
    let theirs: Labels = theirs.iter().filter(|label| label.0 != CONFIGURED).cloned().collect();
    let mut ours = ours.clone();
    if file.ends_with("_messages") {
        // There they say neither the protocol nor how it is secured.
        let more: Vec<_> = ours.drain(theirs.len()..).map(|label| label.0).collect();
        assert_eq!(more, ["request_protocol", "connection_security_policy"]);
    }
    assert_eq!(names(&ours), names(&theirs), "{file}");
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        if !is_theirs(name) {
            assert_eq!(ours, theirs, "{name} in {file}");
        }
    }
}

/// All that Istio's dialect shows of one of everything.
fn shown(side: Side) -> String {
    let mut layout = meter().layout().clone();
    layout.routes = vec![Route::intercepted(side, 80, false)];
    let meter = Meter::new(layout);
    let shard = meter.shard(0).unwrap();
    let seen = Arc::new(SeenHosts::new(10));
    let asked = "server.default.svc.cluster.local";
    let host = match side {
        Side::Inbound => HostId(0),
        Side::Outbound => seen.find(asked.as_bytes()),
    };
    let mut recorder = Recorder::intercepted(&shard, side, 80, host);
    recorder.connected(1, Nanos(0));
    for call in [Call::Http, Call::Grpc(GrpcStatus::OK)] {
        recorder.event(Event::Began { host });
        let Event::Exchange(of) = exchange(200, Flags::None, 1, host.0) else { continue };
        recorder.event(Event::Exchange(Exchange { call, ..of }));
    }
    for direction in [Direction::Request, Direction::Response] {
        recorder.event(Event::Messages { host, direction, count: 1 });
    }
    recorder.event(Event::TcpOpened { tls: None });
    recorder.event(Event::TcpClosed { flags: Flags::None });
    let who = |workload: &str, app: &str, cluster: &str, services: &[&str]| Identity {
        workload: Some(workload.to_owned()),
        namespace: Some("default".to_owned()),
        app: Some(app.to_owned()),
        version: Some("v1".to_owned()),
        revision: Some("version-1".to_owned()),
        cluster: Some(cluster.to_owned()),
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        ..Identity::default()
    };
    let identity = match side {
        Side::Inbound => who("ratings-v1", "ratings", "server-cluster", &[asked]),
        Side::Outbound => who("productpage-v1", "productpage", "client-cluster", &[]),
    };
    let names: Vec<_> = Dialect::named("istio").into_iter().collect();
    let subject = Subject { seen: Some(&seen), ..Subject::new(&identity) };
    let vitals = Vitals {
        now: Nanos(0),
        draining: false,
        uptime: Duration::ZERO,
        workers: 1,
        process: Process::default(),
    };
    let dialects = Dialects::new(&names, &subject, meter.layout());
    let families = dialects.families(&meter.snapshot(), &vitals);
    let mut text = Vec::new();
    let merged = exposition::merge(families, Vec::new());
    exposition::render(&merged, Format::TEXT, &mut text);
    // The recorder closes its connection only now.
    drop((recorder, RouteId(0)));
    String::from_utf8_lossy(&text).into_owned()
}

/// The labels of the series of a family that has been counted.
fn series(text: &str, family: &str, grpc: Option<&str>) -> Labels {
    let wanted = format!("grpc_response_status=\"{}\"", grpc.unwrap_or(""));
    let samples = values(text, &format!("{family}{{"));
    let of_kind = samples
        .iter()
        .find(|(series, _)| !series.contains("grpc_response_status") || series.contains(&wanted));
    let (series, _) = of_kind.unwrap();
    let labels = series.split_once('{').unwrap().1.trim_end_matches('}');
    let pairs = labels.trim_end_matches('"').split("\",");
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once("=\"").unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// A template's family and labels, of which only the plain conditions are true.
fn template(folder: &Path, file: &str, grpc: Option<&str>) -> (String, Labels) {
    let text = std::fs::read_to_string(folder.join(format!("{file}.yaml.tmpl"))).unwrap();
    let variables: BTreeMap<&str, &str> =
        grpc.into_iter().map(|status| ("GrpcResponseStatus", status)).collect();
    // Whether each branch that encloses a line is taken, and whether one of its kin was.
    let mut branches: Vec<(bool, bool)> = Vec::new();
    let (mut family, mut labels) = (String::new(), Labels::new());
    for line in text.lines().map(str::trim) {
        if let Some(action) = line.strip_prefix("{{") {
            let action = action.trim_matches(['-', '}', ' ']);
            let holds = |condition: &str| {
                let mut words = condition.split(' ').skip_while(|word| *word == "eq");
                let name = words.next().unwrap_or_default().trim_start_matches(".Vars.");
                variables.get(name).is_some_and(|value| {
                    words.next().is_none_or(|wanted| wanted.trim_matches('"') == *value)
                })
            };
            if let Some(condition) = action.strip_prefix("if ") {
                branches.push((holds(condition), holds(condition)));
            } else if action == "end" {
                branches.pop();
            } else if let Some((taken, any)) = branches.last_mut() {
                let condition = action.strip_prefix("else if ");
                *taken = !*any && condition.is_none_or(holds);
                *any |= *taken;
            }
            continue;
        }
        if branches.iter().any(|(taken, _)| !taken) {
            continue;
        }
        let filled = line.replace("{{ .Vars.GrpcResponseStatus }}", grpc.unwrap_or(""));
        let value = |text: &str| text.trim().trim_matches('"').to_owned();
        if let Some(name) = filled.strip_prefix("- name:") {
            labels.push((value(name), String::new()));
        } else if let Some(name) = filled.strip_prefix("name:") {
            family = value(name);
        } else if let (Some(text), Some(label)) = (filled.strip_prefix("value:"), labels.last_mut())
        {
            label.1 = value(text);
        }
    }
    (family, labels)
}

#[expect(clippy::disallowed_methods, reason = "a test's surroundings are told by variables")]
fn templates() -> Option<PathBuf> {
    let named = std::env::var_os("PODMETER_REFERENCE_DATA").map(PathBuf::from);
    let data =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    Some(data.join("istio-labels")).filter(|folder| folder.is_dir())
}

const CONFIGURED: &str = "configurable_metric_a";
