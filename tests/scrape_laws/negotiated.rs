//! What the scraper asks for is what it gets.

use std::io::Read;

use podmeter::exposition::Format;

use crate::http::{ask, get};
use crate::scrape::Scrape;
use crate::scripted::{exposition, says};
use crate::sidecar::Sidecar;
use crate::{FORMATS, also_valid_for_python};

#[test]
fn the_format_that_weighs_most_is_given_and_named() {
    let test = "the_format_that_weighs_most_is_given_and_named";
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("podmeter", folder.path(), says(""), "");
    let (om, plain) = ("application/openmetrics-text;version=1.0.0", "text/plain;version=0.0.4");
    let protobuf = "application/vnd.google.protobuf;proto=my.Message";
    for (accept, format) in [
        (String::new(), Format::TEXT),
        ("*/*".into(), Format::TEXT),
        ("text/html, application/xhtml+xml".into(), Format::TEXT),
        (om.into(), Format::OPENMETRICS),
        (
            format!(
                "{om},application/openmetrics-text;version=0.0.1;q=0.75,{plain};q=0.5,*/*;q=0.1"
            ),
            Format::OPENMETRICS,
        ),
        (format!("{plain};q=0.9,{om};q=0.5"), Format::TEXT),
        (format!("{plain};q=0.5,{om};q=0.9"), Format::OPENMETRICS),
        (format!("{om};q=0,{plain};q=0.1"), Format::TEXT),
        (format!("{protobuf};encoding=delimited,{plain};q=0.3"), Format::TEXT),
    ] {
        let headers = [("Accept", &*accept)];
        let headers = if accept.is_empty() { &[][..] } else { &headers };
        let reply = ask(sidecar.stats, "GET", "/stats/prometheus", headers);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some(format.content_type()), "{accept}");
        Scrape::read(reply.text(), format);
        also_valid_for_python(test, reply.text(), format);
    }
}

#[test]
fn an_answer_is_compressed_for_those_who_take_that() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("podmeter", folder.path(), says(""), "");
    let encoded = |accept: &str| {
        ask(sidecar.stats, "GET", "/stats/prometheus", &[("Accept-Encoding", accept)])
    };
    for accept in ["gzip", "br, gzip;q=0.5", "gzip, deflate, br"] {
        let reply = encoded(accept);
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{accept}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*reply.body).read_to_string(&mut text).unwrap();
        assert!(reply.body.len() < text.len() / 3, "{} of {}", reply.body.len(), text.len());
        Scrape::read(&text, Format::TEXT);
    }
    for accept in ["zstd", "gzip, deflate, br, zstd", "zstd;q=0.2, gzip;q=0.1"] {
        let reply = encoded(accept);
        assert_eq!(reply.header("content-encoding"), Some("zstd"), "{accept}");
        let text = zstd::decode_all(&*reply.body).unwrap();
        assert!(reply.body.len() < text.len() / 3, "{} of {}", reply.body.len(), text.len());
        Scrape::read(std::str::from_utf8(&text).unwrap(), Format::TEXT);
    }
    for accept in ["identity", "gzip;q=0", "zstd-unknown", "*;q=0", "identity;q=0"] {
        let reply = encoded(accept);
        assert_eq!(reply.header("content-encoding"), None, "{accept}");
        Scrape::read(reply.text(), Format::TEXT);
    }
}

#[test]
fn head_is_get_without_the_body_and_no_other_method_reads() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("podmeter", folder.path(), says(""), "");
    for path in ["/stats/prometheus", "/metrics", "/ready"] {
        let (head, get) = (ask(sidecar.stats, "HEAD", path, &[]), get(sidecar.stats, path));
        assert_eq!((head.status, get.status), (200, 200));
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert!(head.body.is_empty());
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let reply = ask(sidecar.stats, method, path, &[]);
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
}

#[test]
fn metrics_is_another_name_and_all_else_is_not_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut sidecar = Sidecar::start("podmeter", folder.path(), says(""), "");
    let names = |path| {
        let scrape = Scrape::read(get(sidecar.stats, path).text(), Format::TEXT);
        let mut series: Vec<_> =
            scrape.lines().iter().map(|line| (line.name.clone(), line.labels.clone())).collect();
        series.sort();
        series
    };
    assert_eq!(names("/metrics"), names("/stats/prometheus"));
    assert_eq!(names("/metrics?a=b"), names("/stats/prometheus"));
    // What operators may do is not on the listener that all may reach.
    for path in ["/", "/metricsx", "/stats", "/config_dump", "/quitquitquit", "/stats/prometheus/"]
    {
        let reply = get(sidecar.stats, path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.text(), "not here; try /stats/prometheus, /metrics, /ready\n");
        assert_eq!(ask(sidecar.stats, "POST", path, &[]).status, 404, "{path}");
    }
    assert!(sidecar.process.is_running());
}

#[test]
fn two_scrapers_at_once_see_the_same_totals() {
    let folder = tempfile::tempdir().unwrap();
    let app = says("HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let source = says(exposition("# TYPE app_jobs counter\napp_jobs 7\n"));
    let flags = format!("--app-metrics http://{source},name=app");
    let sidecar = Sidecar::start("podmeter", folder.path(), app, &flags);
    for _ in 0..10 {
        get(sidecar.inbound, "/");
    }
    for _ in 0..5 {
        let scrape = || FORMATS.map(|format| totals(&Scrape::of(sidecar.stats, format)));
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(scrape);
            let two = scope.spawn(scrape);
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(one, two);
        let answered = one[0].iter().find(|(series, _)| {
            series.starts_with("istio_requests_total") && series.contains("\"201\"")
        });
        assert_eq!(answered.unwrap().1.to_bits(), 10f64.to_bits());
    }
}

/// All that counts traffic, and what the app counts.
fn totals(scrape: &Scrape) -> Vec<(String, f64)> {
    let mut totals: Vec<_> = scrape
        .lines()
        .iter()
        .filter(|line| {
            ["istio_", "envoy_http", "envoy_cluster", "app_"]
                .iter()
                .any(|start| line.name.starts_with(start))
        })
        .map(|line| (format!("{} {:?}", line.name, line.labels), line.value))
        .collect();
    totals.sort_by(|one, two| one.0.cmp(&two.0));
    totals
}
