//! The queries that the exporters of Flask and Django publish, answered for an app that has neither.

use crate::http::ask;
use crate::nginx::Nginx;
use crate::process::{eventually, program};
use crate::prom::{Prometheus, Target};
use crate::sidecar::Sidecar;
use crate::skip::skip;
use std::net::SocketAddr;

#[test]
fn the_queries_of_their_exporters_answer_for_apps_without_code() {
    let name = "the_queries_of_their_exporters_answer_for_apps_without_code";
    let (Some(prometheus), Some(nginx)) = (program("prometheus"), program("nginx")) else {
        return skip(name, "it needs prometheus and nginx");
    };
    let folder = tempfile::tempdir().unwrap();
    let app = Nginx::start(
        &nginx,
        folder.path(),
        "access_log off;",
        "location /users { return 200 fine; } location /fail { return 500 broken; }",
    );
    let example = |name: &str| {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/dialects");
        Sidecar::start(name, folder.path(), app.addr, &format!("--config {config}/{name}.yaml"))
    };
    let (flask, django) = (example("flask"), example("django"));
    let target = |pod, sidecar: &Sidecar| Target { pod, namespace: "n", stats: sidecar.stats };
    let targets = [target("flask", &flask), target("django", &django)];
    let prometheus = Prometheus::start(&prometheus, folder.path(), &targets);

    // The first round makes each series, so that the second is a step.
    for round in [1.0, 2.0] {
        for sidecar in [&flask, &django] {
            asks(sidecar.inbound);
        }
        prometheus.wait_for("sum(flask_http_request_total)", round * 10.0);
        let django = "sum(django_http_responses_before_middlewares_total)";
        prometheus.wait_for(django, round * 10.0);
    }
    flask_answers(&prometheus);
    django_answers(&prometheus);
}

/// Ten requests, of which two fail.
fn asks(addr: SocketAddr) {
    for n in 0..7 {
        assert_eq!(ask(addr, "GET", &format!("/users/{n}?page={n}"), &[]).status, 200);
    }
    assert_eq!(ask(addr, "POST", "/users", &[]).status, 200);
    for _ in 0..2 {
        assert_eq!(ask(addr, "GET", "/fail", &[]).status, 500);
    }
}

/// The series of a query, each by its value of a label.
fn by(prometheus: &Prometheus, label: &str, query: &str) -> Vec<(String, f64)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut series: Vec<(String, f64)> = eventually(query, || {
        let series = prometheus.query(query);
        let series: Vec<_> = series.iter().map(|(labels, v)| (text(&labels[label]), *v)).collect();
        if series.is_empty() { Err("nothing yet".to_owned()) } else { Ok(series) }
    });
    series.sort_by(|one, other| one.0.cmp(&other.0));
    series
}

fn of_each(series: &[(String, f64)]) -> Vec<&str> {
    series.iter().map(|(label, _)| label.as_str()).collect()
}

/// The dashboard of prometheus-flask-exporter (its `examples/sample-signals`), over a minute.
fn flask_answers(prometheus: &Prometheus) {
    let rates = "rate(flask_http_request_duration_seconds_count{status=\"200\"}[1m])";
    let rates: Vec<_> =
        by(prometheus, "path", rates).into_iter().filter(|(_, v)| *v > 0.0).collect();
    assert_eq!(of_each(&rates), ["/users", "/users/{id}"]);
    let (one, seven) = (rates[0].1, rates[1].1);
    assert!((seven / one - 7.0).abs() < 0.01, "{rates:?}");
    let errors = "sum(rate(flask_http_request_duration_seconds_count{status!=\"200\"}[1m]))";
    let errors = prometheus.value(errors).unwrap();
    assert!(errors > 0.0, "{errors}");
    let total = by(prometheus, "status", "increase(flask_http_request_total{method=\"GET\"}[1m])");
    assert_eq!(of_each(&total), ["200", "500"]);
    assert!((total[0].1 / total[1].1 - 3.5).abs() < 0.01, "{total:?}");
    let time = "rate(flask_http_request_duration_seconds_sum{status=\"200\",path=\"/users\"}[1m]) / \
                rate(flask_http_request_duration_seconds_count{status=\"200\",path=\"/users\"}[1m])";
    let time = prometheus.value(time).unwrap();
    assert!(time > 0.0 && time < 60.0, "{time}");
    let under = "increase(flask_http_request_duration_seconds_bucket{status=\"200\",path=\"/users\",\
                 le=\"0.25\"}[1m]) / ignoring (le) \
                 increase(flask_http_request_duration_seconds_count{status=\"200\",path=\"/users\"}[1m])";
    assert!((0.0..=1.0).contains(&prometheus.value(under).unwrap()));
    let p90 = "histogram_quantile(0.9, \
               rate(flask_http_request_duration_seconds_bucket{status=\"200\",path=\"/users/{id}\"}[1m]))";
    assert!(prometheus.value(p90).unwrap() > 0.0);
    prometheus.wait_for("flask_http_request_exceptions_total", 4.0);
}

/// The rules and dashboards of django-prometheus, over a minute.
fn django_answers(prometheus: &Prometheus) {
    let requests = "sum(rate(django_http_requests_before_middlewares_total[1m])) by (job)";
    assert!(prometheus.value(requests).unwrap() > 0.0);
    let methods = "sum(rate(django_http_requests_total_by_method_total[1m])) by (method)";
    let methods = by(prometheus, "method", methods);
    assert_eq!(of_each(&methods), ["GET", "POST"]);
    assert!((methods[0].1 / methods[1].1 - 9.0).abs() < 0.01, "{methods:?}");
    let statuses = by(prometheus, "status", "django_http_responses_total_by_status_total");
    assert_eq!(statuses, [("200".to_owned(), 16.0), ("500".to_owned(), 4.0)]);
    let views = "sum(django_http_requests_total_by_view_transport_method_total{transport=\"http\"}) \
                 by (view) > 0";
    let views = by(prometheus, "view", views);
    let expected = [("/fail", 4.0), ("/users", 2.0), ("/users/{id}", 14.0)];
    assert_eq!(views, expected.map(|(view, count)| (view.to_owned(), count)));
    let slowest = "histogram_quantile(0.95, \
                   sum(rate(django_http_requests_latency_seconds_by_view_method_bucket[1m])) by (view, le))";
    assert!(by(prometheus, "view", slowest).iter().any(|(_, seconds)| *seconds > 0.0));
    let all = "histogram_quantile(0.5, \
               sum(rate(django_http_requests_latency_including_middlewares_seconds_bucket[1m])) by (le))";
    assert!(prometheus.value(all).unwrap() > 0.0);
    prometheus.wait_for("django_http_exceptions_total_by_view_total", 4.0);
    // A head of an answer has some bytes, but no thousand.
    prometheus.wait_for("django_http_responses_body_total_bytes_bucket{le=\"1024\"}", 20.0);
    prometheus.wait_for("django_http_responses_body_total_bytes_bucket{le=\"16\"}", 0.0);
}
