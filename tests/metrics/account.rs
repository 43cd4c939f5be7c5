//! What every dialect should say of the mix, by a simple account of it.

use crate::expected::{Bounds, Expected, Labels};
use crate::support::PATIENCE;
use crate::told::{Exchange, Port, Tcp, Told};
use crate::traffic::{Carried, HTTP, SERVICES};

/// Every sample that traffic moves.
pub(crate) fn account(carried: &Carried) -> Expected {
    let mut expected = Expected::default();
    for (at, port) in carried.ports.iter().enumerate() {
        let told: Vec<&Told> = carried.told.iter().filter(|told| told.port == at).collect();
        istio(&mut expected, port, &told);
        envoy(&mut expected, port, &told);
        linkerd(&mut expected, port, &told);
        osm(&mut expected, port, &told);
        http(&mut expected, port, &told);
        otel(&mut expected, port, &told);
        own(&mut expected, port, &told);
    }
    expected
}

fn istio(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let ends = |service: usize, more: &[(&'static str, &str)]| -> Labels {
        let host = SERVICES[service];
        let name = ["shop", host][service];
        let mut labels = pairs(&[
            ("reporter", "destination"),
            ("destination_workload", "shop-v2"),
            ("destination_workload_namespace", "test"),
            ("destination_principal", "unknown"),
            ("destination_app", "shop"),
            ("destination_version", "v2"),
            ("destination_service", host),
            ("destination_canonical_service", "shop"),
            ("destination_canonical_revision", "v2"),
            ("destination_service_name", name),
            ("destination_service_namespace", "test"),
            ("destination_cluster", "here"),
        ]);
        for unknown in [
            "source_workload",
            "source_canonical_service",
            "source_canonical_revision",
            "source_workload_namespace",
            "source_principal",
            "source_app",
            "source_version",
            "source_cluster",
        ] {
            labels.push((unknown, "unknown".to_owned()));
        }
        labels.extend(pairs(more));
        labels
    };
    let http = |status: u16, grpc: Option<&str>, flags, service| {
        let more = [
            ("request_protocol", if grpc.is_some() { "grpc" } else { "http" }),
            ("response_code", &*status.to_string()),
            ("grpc_response_status", grpc.unwrap_or("")),
            ("response_flags", flags),
            ("connection_security_policy", "none"),
        ];
        ends(service, &more)
    };
    let mut requests = |labels: &Labels, exchanges: &[(&Exchange, f64)]| {
        expected.add("istio_requests_total", labels, exchanges.len() as u64);
        let values = |of: fn(&Exchange) -> u64| -> Vec<f64> {
            exchanges.iter().map(|(exchange, _)| of(exchange) as f64).collect()
        };
        let took: Vec<f64> = exchanges.iter().map(|(_, took)| took * 1e3).collect();
        let (times, sizes) = (Bounds::AtMost(STANDARD), Bounds::Exact(STANDARD));
        expected.histogram("istio_request_duration_milliseconds", labels, times, &took);
        expected.histogram("istio_request_bytes", labels, sizes, &values(|e| e.request));
        expected.histogram("istio_response_bytes", labels, sizes, &values(|e| e.response));
    };
    if !port.opaque {
        requests(&http(200, None, "-", 0), &[]);
    }
    for (exchange, took) in exchanges(told) {
        // Whoever names no service of ours asks the first.
        let service = exchange.service.unwrap_or(0);
        let labels = http(exchange.status, exchange.grpc, exchange.flags, service);
        requests(&labels, &[(exchange, took)]);
    }
    for (exchange, _) in exchanges(told).filter(|(exchange, _)| exchange.grpc.is_some()) {
        let more = [("request_protocol", "grpc"), ("connection_security_policy", "none")];
        let labels = ends(exchange.service.unwrap_or(0), &more);
        expected.add("istio_request_messages_total", &labels, exchange.messages[0]);
        expected.add("istio_response_messages_total", &labels, exchange.messages[1]);
    }
    let none = Tcp { flags: "-", received: 0, sent: 0, tls: None };
    let unasked = port.opaque.then_some((&none, 0));
    for (tcp, count) in
        unasked.into_iter().chain(told.iter().filter_map(|t| Some((t.tcp.as_ref()?, 1))))
    {
        let mut more = vec![("request_protocol", "tcp"), ("response_flags", tcp.flags)];
        match tcp.tls {
            None => more.push(("connection_security_policy", "none")),
            Some([version, sni, alpn]) => more.extend([
                ("connection_security_policy", "unknown"),
                ("tls_version", version),
                ("sni", sni),
                ("alpn", alpn),
            ]),
        }
        let labels = ends(usize::from(tcp.tls.is_some()), &more);
        expected.add("istio_tcp_connections_opened_total", &labels, count);
        expected.add("istio_tcp_connections_closed_total", &labels, count);
        expected.add("istio_tcp_sent_bytes_total", &labels, tcp.sent);
        expected.add("istio_tcp_received_bytes_total", &labels, tcp.received);
    }
}

fn envoy(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let name = format!("inbound|{}||", port.target.port());
    let cluster = |more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[("envoy_cluster_name", &name)]);
        labels.extend(pairs(more));
        labels
    };
    let prefix = format!("inbound_{}_{}", port.listen.ip(), port.listen.port());
    let manager = |more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[("envoy_http_conn_manager_prefix", &prefix)]);
        labels.extend(pairs(more));
        labels
    };
    let (one, other) = (cluster(&[]), manager(&[]));
    let connections = told.len() as u64;
    let reached: Vec<f64> = told.iter().filter(|t| t.reached).map(|t| seconds(t) * 1e3).collect();
    // A connection may be noticed to be over later than its client knows.
    let lengths = vec![PATIENCE.as_secs_f64() * 1e3; told.len()];
    let times = Bounds::AtMost(STANDARD);
    expected.add("envoy_cluster_upstream_cx_total", &one, connections);
    expected.add(
        "envoy_cluster_upstream_cx_connect_fail",
        &one,
        connections - reached.len() as u64,
    );
    expected.add("envoy_cluster_upstream_cx_active", &one, 0);
    expected.histogram("envoy_cluster_upstream_cx_connect_ms", &one, times, &reached);
    expected.histogram("envoy_cluster_upstream_cx_length_ms", &one, times, &lengths);
    let bytes = |at: usize| told.iter().map(|told| told.bytes[at]).sum();
    expected.add("envoy_cluster_upstream_cx_tx_bytes_total", &one, bytes(0));
    expected.add("envoy_cluster_upstream_cx_rx_bytes_total", &one, bytes(1));
    if port.opaque {
        return;
    }
    expected.add("envoy_http_downstream_cx_total", &other, connections);
    expected.add("envoy_http_downstream_cx_active", &other, 0);
    expected.add("envoy_http_downstream_rq_active", &other, 0);
    expected.add("envoy_cluster_upstream_rq_active", &one, 0);
    expected.add("envoy_cluster_upstream_rq_timeout", &one, 0);
    let mut all = Vec::new();
    let mut count = |status: u16, count: u64| {
        let (code, class) = (status.to_string(), (status / 100).to_string());
        let class = [("envoy_response_code_class", &*class)];
        expected.add(
            "envoy_cluster_upstream_rq",
            &cluster(&[("envoy_response_code", &code)]),
            count,
        );
        expected.add("envoy_cluster_upstream_rq_xx", &cluster(&class), count);
        expected.add("envoy_http_downstream_rq_xx", &manager(&class), count);
        expected.add("envoy_cluster_upstream_rq_completed", &one, count);
        expected.add("envoy_http_downstream_rq_completed", &other, count);
    };
    count(200, 0);
    let mut resets = 0;
    for (exchange, took) in exchanges(told) {
        all.push(took * 1e3);
        resets += u64::from(["UC", "UPE", "UR"].contains(&exchange.flags));
        if exchange.status != 0 {
            count(exchange.status, 1);
        }
    }
    expected.add("envoy_cluster_upstream_rq_rx_reset", &one, resets);
    expected.add("envoy_cluster_upstream_rq_total", &one, all.len() as u64);
    expected.add("envoy_http_downstream_rq_total", &other, all.len() as u64);
    expected.histogram("envoy_cluster_upstream_rq_time", &one, times, &all);
    expected.histogram("envoy_http_downstream_rq_time", &other, times, &all);
}

fn linkerd(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let target = |reason, more: &[(&'static str, &str)]| {
        let mut labels = pairs(&[
            ("direction", "inbound"),
            ("target_addr", &port.target.to_string()),
            ("target_ip", &port.target.ip().to_string()),
            ("target_port", &port.target.port().to_string()),
            ("tls", "no_identity"),
            ("no_tls_reason", reason),
            ("deployment", "shop-v2"),
            ("namespace", "test"),
            ("pod", "shop-v2-x"),
        ]);
        labels.extend(pairs(more));
        labels
    };
    let bytes = |at: usize| told.iter().map(|told| told.bytes[at]).sum::<u64>();
    for (peer, reason, read, written) in [
        ("src", "not_provided_by_remote", bytes(0), bytes(1)),
        ("dst", "loopback", bytes(1), bytes(0)),
    ] {
        let labels = target(reason, &[("peer", peer)]);
        expected.add("tcp_open_connections", &labels, 0);
        expected.add("tcp_read_bytes_total", &labels, read);
        expected.add("tcp_write_bytes_total", &labels, written);
        let closed = |errno| target(reason, &[("peer", peer), ("errno", errno)]);
        expected.add("tcp_open_total", &labels, 0);
        expected.add("tcp_close_total", &closed(""), 0);
        for told in told.iter().filter(|told| peer == "src" || told.reached) {
            expected.add("tcp_open_total", &labels, 1);
            let reset = if peer == "src" { "client_reset" } else { "app_reset" };
            let errno = if told.ending == reset { "ECONNRESET" } else { "" };
            expected.add("tcp_close_total", &closed(errno), 1);
        }
    }
    if port.opaque {
        return;
    }
    let http = |service: Option<usize>, more: &[(&'static str, &str)]| {
        let authority = service.map_or("unknown", |at| SERVICES[at]);
        let mut labels = target("not_provided_by_remote", more);
        labels.push(("authority", authority.to_owned()));
        labels
    };
    let mut answer = |exchange: &Exchange, count: u64, times: &[f64]| {
        let code = exchange.status.to_string();
        let grpc = exchange.grpc.unwrap_or("");
        let error = match exchange.flags {
            "UF" => "refused",
            "UC" => "unanswered",
            "UPE" => "broken_off",
            _ => "",
        };
        let has_failed =
            !error.is_empty() || exchange.status >= 500 || ["13", "14"].contains(&grpc);
        let class = [
            ("status_code", &*code),
            ("classification", if has_failed { "failure" } else { "success" }),
            ("grpc_status", grpc),
            ("error", error),
        ];
        let latency = [("status_code", &*code)];
        // Of each kind, there is also what was asked by no known name, at zero.
        for (service, count, times) in [(exchange.service, count, times), (None, 0, &[])] {
            expected.add("request_total", &http(service, &[]), 0);
            expected.add("response_total", &http(service, &class), count);
            if exchange.is_answered() || count + exchange.response == 0 && exchange.flags == "-" {
                let labels = http(service, &latency);
                let bounds = Bounds::AtMost(LINKERD);
                expected.histogram("response_latency_ms", &labels, bounds, times);
            }
        }
    };
    let unasked = Exchange { service: Some(0), response: 0, ..HTTP };
    answer(&unasked, 0, &[]);
    for (exchange, took) in exchanges(told) {
        let times: &[f64] = if exchange.is_answered() { &[took * 1e3] } else { &[] };
        if exchange.status != 0 {
            answer(exchange, 1, times);
        }
    }
    for (exchange, _) in exchanges(told) {
        expected.add("request_total", &http(exchange.service, &[]), 1);
    }
}

fn osm(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut labels = pairs(&[
        ("destination_namespace", "test"),
        ("destination_kind", "Deployment"),
        ("destination_name", "shop-v2"),
        ("destination_pod", "shop-v2-x"),
    ]);
    for unknown in ["source_namespace", "source_kind", "source_name", "source_pod"] {
        labels.push((unknown, "unknown".to_owned()));
    }
    let mut count = |status: u16, count, times: &[f64]| {
        let bounds = Bounds::AtMost(STANDARD);
        expected.histogram("osm_request_duration_ms", &labels, bounds, times);
        let mut labels = labels.clone();
        labels.push(("response_code", status.to_string()));
        expected.add("osm_request_total", &labels, count);
    };
    if !port.opaque {
        count(200, 0, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange.status, 1, &[took * 1e3]);
    }
}

fn http(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut count = |exchange: &Exchange, count, times: &[f64]| {
        let labels = pairs(&[
            ("method", exchange.method),
            ("path", if exchange.path.is_empty() { "other" } else { exchange.path }),
            ("status", &exchange.status.to_string()),
            ("kubernetes_namespace", "test"),
            ("kubernetes_pod_name", "shop-v2-x"),
        ]);
        expected.add("http_requests_total", &labels, count);
        let bounds = Bounds::AtMost(CLIENT);
        expected.histogram("http_request_duration_seconds", &labels, bounds, times);
    };
    if !port.opaque {
        count(&Exchange { path: "", ..HTTP }, 0, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange, 1, &[took]);
    }
}

fn otel(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let mut count = |exchange: &Exchange, times: &[f64]| {
        let status = exchange.status.to_string();
        let error = match exchange.flags {
            "UF" => "connection_refused",
            "UC" => "connection_closed",
            "UPE" => "response_broken_off",
            "DC" => "client_disconnected",
            _ if exchange.status >= 500 => &status,
            _ => "",
        };
        let labels = pairs(&[
            ("http_request_method", exchange.method),
            ("http_response_status_code", if exchange.status == 0 { "" } else { &status }),
            ("http_route", exchange.path),
            ("error_type", error),
            ("network_protocol_name", "http"),
            ("network_protocol_version", exchange.version),
            ("server_address", exchange.service.map_or("", |at| SERVICES[at])),
            ("server_port", &port.target.port().to_string()),
            ("url_scheme", "http"),
        ]);
        let known = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let bounds = Bounds::AtMost(OTEL);
        expected.histogram("http_server_request_duration_seconds", &known, bounds, times);
    };
    if !port.opaque {
        count(&Exchange { path: "", service: Some(0), ..HTTP }, &[]);
    }
    for (exchange, took) in exchanges(told) {
        count(exchange, &[took]);
    }
}

fn own(expected: &mut Expected, port: &Port, told: &[&Told]) {
    let (listen, target) = (port.listen.to_string(), port.target.to_string());
    let with = |more: &[(&'static str, &str)]| {
        let port = [("direction", "inbound"), ("listen", &*listen), ("target", &*target)];
        let mut labels = pairs(&port);
        labels.extend(pairs(more));
        labels
    };
    let one = with(&[]);
    let unreached = told.iter().filter(|told| !told.reached).count() as u64;
    expected.add("podmeter_connections_active", &one, 0);
    expected.add("podmeter_connections_refused_total", &one, unreached);
    expected.add("podmeter_connections_overflow_total", &one, 0);
    for protocol in ["http1", "http2", "tls", "server_first", "tcp", "none", "opaque"] {
        if port.opaque != (protocol == "opaque") {
            continue;
        }
        let labels = with(&[("protocol", protocol)]);
        let count = told.iter().filter(|told| told.protocol == protocol).count() as u64;
        expected.add("podmeter_connections_total", &labels, count);
        expected.add("podmeter_connections_speaking", &labels, 0);
    }
    for ending in ["finished", "client_reset", "app_reset", "refused", "given_up"] {
        let count = told.iter().filter(|told| told.ending == ending).count() as u64;
        expected.add("podmeter_connections_closed_total", &with(&[("ending", ending)]), count);
    }
    for (at, from) in ["client", "app"].into_iter().enumerate() {
        let bytes = told.iter().map(|told| told.bytes[at]).sum();
        expected.add("podmeter_bytes_total", &with(&[("from", from)]), bytes);
    }
    for [protocol, reason] in told.iter().filter_map(|told| told.unparsed) {
        let labels = pairs(&[("protocol", protocol), ("reason", reason)]);
        expected.add("podmeter_unparsed_connections_total", &labels, 1);
    }
    for _ in told.iter().filter(|told| told.probe) {
        let port = target.rsplit(':').next().unwrap();
        let labels = [("port", port), ("response_code", "200"), ("response_flags", "-")];
        expected.add("podmeter_probe_requests_total", &pairs(&labels), 1);
    }
    if port.opaque {
        return;
    }
    expected.add("podmeter_requests_active", &one, 0);
    for (fault, outcome) in [
        ("none", "answered"),
        ("app", "error_status"),
        ("client", "bad_request"),
        ("proxy", "given_up"),
    ] {
        let labels = with(&[("fault", fault), ("outcome", outcome)]);
        expected.add("podmeter_exchanges_total", &labels, 0);
    }
    let (mut all, mut answered) = (Vec::new(), Vec::new());
    for (exchange, took) in exchanges(told) {
        let labels = with(&[("fault", exchange.fault), ("outcome", exchange.outcome)]);
        expected.add("podmeter_exchanges_total", &labels, 1);
        all.push(took);
        if exchange.is_answered() {
            answered.push(took);
        }
    }
    let (first, held) = (Bounds::AtMost(FIRST_BYTE), Bounds::AtMost(HELD));
    expected.histogram("podmeter_time_to_first_byte_seconds", &one, first, &answered);
    expected.histogram("podmeter_proxy_duration_seconds", &one, held, &all);
    for from in ["client", "app"] {
        expected.histogram("podmeter_held_seconds", &with(&[("from", from)]), held, &all);
    }
}

/// The exchanges of a port, each with no less than the seconds that it took.
fn exchanges<'a>(told: &'a [&Told]) -> impl Iterator<Item = (&'a Exchange, f64)> {
    told.iter().filter_map(|told| {
        let exchange = told.exchange.as_ref()?;
        // What was broken off is over for the proxy when it learns of that.
        let is_whole = exchange.flags == "-";
        Some((exchange, if is_whole { seconds(told) } else { PATIENCE.as_secs_f64() }))
    })
}

fn seconds(told: &Told) -> f64 {
    told.took.as_secs_f64()
}

fn pairs(pairs: &[(&'static str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

const STANDARD: &[&str] = &[
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000",
];
const LINKERD: &[&str] = &[
    "1", "2", "3", "4", "5", "10", "20", "30", "40", "50", "100", "200", "300", "400", "500",
    "1000", "2000", "3000", "4000", "5000", "10000", "20000", "30000", "40000", "50000",
];
const CLIENT: &[&str] =
    &["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];
const OTEL: &[&str] = &[
    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
    "7.5", "10",
];
const FIRST_BYTE: &[&str] = &[
    "0.0005", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
    "10", "30", "60",
];
const HELD: &[&str] = &[
    "0.000005", "0.00001", "0.000025", "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025",
    "0.005", "0.01", "0.1", "1",
];
