//! Whatever the app's sources send, the answer is valid, in time and whole; what is valid of
//! theirs is in it once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use podmeter::exposition::Format;
use serde_json::Value;

use crate::http::{ask, get};
use crate::scrape::{Scrape, accept};
use crate::scripted::{exposition, hangs, nobody, reply, says};
use crate::sidecar::Sidecar;
use crate::{FORMATS, also_valid_for_python};

#[test]
fn no_source_can_spoil_or_delay_the_answer() {
    let test = "no_source_can_spoil_or_delay_the_answer";
    let open_metrics = "application/openmetrics-text; version=1.0.0";
    let truncated =
        exposition("app_jobs_total 12\n").replace("Content-Length: 18", "Content-Length: 19");
    assert!(truncated.contains(": 19"));
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let garbage =
        [exposition("").replace("Content-Length: 0\r\n", "").into_bytes(), bytes].concat();
    // Name, address, whether its samples can be had.
    let sources = [
        ("good", says(exposition("# TYPE good_jobs counter\ngood_jobs 3\n")), true),
        ("empty", says(exposition("")), true),
        ("down", nobody(), false),
        ("hanging", hangs(), false),
        ("silent", says(""), false),
        ("garbage", says(garbage), false),
        ("not_http", says("220 mail.example.com ESMTP\r\n\r\n"), false),
        (
            "html",
            says(reply("200 OK", "text/html", "<html><body>\n<h1>Welcome</h1></html>\n")),
            false,
        ),
        (
            "html_as_metrics",
            says(reply("200 OK", open_metrics, "<!DOCTYPE html>\n<p>Hello\n")),
            false,
        ),
        ("failing", says(reply("500 Internal Server Error", "text/plain", "bad_jobs 1\n")), false),
        (
            "moved",
            says(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            ),
            false,
        ),
        ("truncated", says(truncated), false),
        ("half_a_line", says(exposition("half_jobs_total 5\nhalf_users{name=\"jo")), true),
        ("no_eof", says(reply("200 OK", open_metrics, "# TYPE cut counter\ncut_total 4\n")), true),
    ];
    let mut flags = "--workload shop --namespace sales".to_owned();
    for (name, addr, _) in sources {
        write!(flags, " --app-metrics http://{addr}/metrics,name={name}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    for format in FORMATS.into_iter().chain(FORMATS) {
        let headers = [("Accept", accept(format)), ("X-Prometheus-Scrape-Timeout-Seconds", "1")];
        let reply = ask(sidecar.stats, "GET", "/stats/prometheus", &headers);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some(format.content_type()));
        let scrape = Scrape::read(reply.text(), format);
        also_valid_for_python(test, &scrape.text, format);
        for (name, _, up) in sources {
            let shown = scrape.value("podmeter_app_scrape_up", &[("source", name)]);
            assert_eq!(shown.to_bits(), f64::from(up).to_bits(), "{name}");
            // The answer came when the scraper's time was over, not when the default's was.
            let took = scrape.value("podmeter_app_scrape_duration_seconds", &[("source", name)]);
            assert!(took < 5.0, "{name} took {took} s");
        }
        the_own_families_are_whole(&scrape);
        // A counter without _total keeps its name, whatever OpenMetrics would rather have.
        assert_eq!(scrape.value("good_jobs", &[]).to_bits(), 3f64.to_bits());
        assert_eq!(scrape.count("half_jobs_total", &[]), 1);
        assert_eq!(scrape.count("cut_total", &[]), 1);
        for absent in ["half_users", "bad_jobs", "app_jobs_total"] {
            assert_eq!(scrape.count(absent, &[]), 0, "{absent}");
        }
    }
    every_failure_is_told_in_a_sentence_and_logged_once(&sidecar, &sources.map(|s| (s.0, s.2)));
}

fn the_own_families_are_whole(scrape: &Scrape) {
    let zero = [("destination_workload", "shop"), ("response_code", "200")];
    for (name, labels) in [
        ("istio_requests_total", &zero[..]),
        ("istio_request_duration_milliseconds_count", &zero),
        ("envoy_cluster_upstream_rq", &[("envoy_response_code", "200")]),
        ("envoy_cluster_upstream_rq_time_count", &[]),
        ("podmeter_connections_active", &[]),
    ] {
        assert_eq!(scrape.value(name, labels).to_bits(), 0f64.to_bits(), "{name}");
    }
    scrape.value("istio_build", &[("component", "proxy")]);
}

fn every_failure_is_told_in_a_sentence_and_logged_once(
    sidecar: &Sidecar,
    sources: &[(&str, bool)],
) {
    let told: Value = serde_json::from_str(get(sidecar.admin, "/sources").text()).unwrap();
    let told: BTreeMap<_, _> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["name"].as_str().unwrap(), source))
        .collect();
    let log = sidecar.process.said();
    for (name, up) in sources {
        let source = told[name];
        assert_eq!(source["up"], *up, "{name}");
        let url = source["url"].as_str().unwrap();
        let missing = |line: &&str| line.contains("app metrics are missing") && line.contains(url);
        let warnings: Vec<_> = log.lines().filter(missing).collect();
        if *up {
            continue;
        }
        let sentence = source["last_error"].as_str().unwrap();
        println!("{name}: {sentence}");
        assert!(sentence.contains(url) && !sentence.contains('\n'), "{sentence}");
        assert_eq!(warnings.len(), 1, "{name}: {warnings:#?}");
    }
}

#[test]
fn every_valid_sample_arrives_once_as_it_was() {
    let test = "every_valid_sample_arrives_once_as_it_was";
    let source = says(reply(
        "200 OK",
        "application/openmetrics-text; version=1.0.0",
        "# TYPE jobs counter
# HELP jobs Jobs done.
jobs_total{queue=\"a\\\"b\\\\c\\nd\"} 17 1700000000.5 # {trace_id=\"abc\"} 1 1700000000
jobs_created{queue=\"a\\\"b\\\\c\\nd\"} 1600000000 1700000000.5
# TYPE wait histogram
wait_bucket{le=\"1.0\"} 2 # {trace_id=\"def\"} 0.5
wait_bucket{le=\"+Inf\"} 3
wait_sum 4.25
wait_count 3
# TYPE heat gauge
heat NaN
# TYPE cold gauge
cold -1.5e-3
# EOF
",
    ));
    let folder = tempfile::tempdir().unwrap();
    let flags = format!("--app-metrics http://{source},name=app");
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    for format in FORMATS {
        let scrape = Scrape::of(sidecar.stats, format);
        also_valid_for_python(test, &scrape.text, format);
        let queue = [("queue", "a\"b\\c\nd")];
        assert_eq!(scrape.value("jobs_total", &queue).to_bits(), 17f64.to_bits());
        assert_eq!(scrape.value("jobs_created", &queue).to_bits(), 1.6e9f64.to_bits());
        let at = scrape.samples("jobs_total", &[]).next().unwrap().timestamp.clone().unwrap();
        let expected = if format == Format::TEXT { "1700000000500" } else { "1700000000.5" };
        assert_eq!(at, expected);
        assert!(scrape.value("heat", &[]).is_nan());
        assert_eq!(scrape.value("cold", &[]).to_bits(), (-0.0015f64).to_bits());
        assert_eq!(scrape.value("wait_sum", &[]).to_bits(), 4.25f64.to_bits());
        let exemplars: Vec<_> =
            scrape.lines().iter().filter_map(|line| line.exemplar.as_ref()).collect();
        // Text has no exemplars.
        let expected = if format == Format::TEXT { 0 } else { 2 };
        assert_eq!(exemplars.len(), expected, "{exemplars:?}");
    }
}

#[test]
fn an_app_that_shows_our_names_too_takes_nothing_from_us() {
    let test = "an_app_that_shows_our_names_too_takes_nothing_from_us";
    let shown = "# HELP istio_requests_total The app's own.
# TYPE istio_requests_total gauge
istio_requests_total{reporter=\"app\"} 41
# TYPE envoy_cluster_upstream_rq_time summary
envoy_cluster_upstream_rq_time{quantile=\"0.5\"} 9
envoy_cluster_upstream_rq_time_sum 9
envoy_cluster_upstream_rq_time_count 9
# TYPE podmeter_build_info gauge
podmeter_build_info{version=\"666\"} 666
# TYPE podmeter_series_overflow_total counter
podmeter_series_overflow_total 12
# TYPE podmeter_app_scrape_up gauge
podmeter_app_scrape_up{source=\"one\"} 0
# TYPE other_jobs_total counter
other_jobs_total 5
";
    let one = says(exposition(shown));
    let two = says(exposition(shown));
    let folder = tempfile::tempdir().unwrap();
    let flags = format!("--app-metrics http://{one},name=one --app-metrics http://{two},name=two");
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    for format in FORMATS.into_iter().chain(FORMATS) {
        let scrape = Scrape::of(sidecar.stats, format);
        also_valid_for_python(test, &scrape.text, format);
        let own = [("reporter", "destination"), ("response_code", "200")];
        assert_eq!(scrape.value("istio_requests_total", &own).to_bits(), 0f64.to_bits());
        assert_eq!(scrape.value("podmeter_series_overflow_total", &[]).to_bits(), 0f64.to_bits());
        for source in ["one", "two"] {
            let up = scrape.value("podmeter_app_scrape_up", &[("source", source)]);
            assert_eq!(up.to_bits(), 1f64.to_bits());
        }
        let time = scrape.value("envoy_cluster_upstream_rq_time_count", &[]);
        assert_eq!(time.to_bits(), 0f64.to_bits());
        // Of two sources the first is right.
        assert_eq!(scrape.value("other_jobs_total", &[]).to_bits(), 5f64.to_bits());
    }
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert!(scrape.sum("podmeter_app_dropped_samples_total", &[("source", "one")]) > 0.0);
    assert!(scrape.sum("podmeter_app_dropped_samples_total", &[("source", "two")]) > 0.0);
}

#[test]
fn a_family_that_does_not_add_up_is_counted_as_long_as_it_does_not() {
    let source = says(exposition("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n"));
    let folder = tempfile::tempdir().unwrap();
    let flags = format!("--app-metrics http://{source}/metrics,name=app");
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    let apart = "podmeter_app_scrape_families_taken_apart";
    // Told by the scrape after it.
    for known in [0.0_f64, 1.0, 1.0] {
        let scrape = Scrape::of(sidecar.stats, Format::TEXT);
        assert_eq!((scrape.count("h_bucket", &[]), scrape.count("h_count", &[])), (1, 1));
        assert_eq!(scrape.value(apart, &[("source", "app")]).to_bits(), known.to_bits());
    }
    let sources = get(sidecar.admin, "/sources");
    assert!(sources.text().contains("\"taken_apart_first\": \"h\""), "{}", sources.text());
}

#[test]
fn a_time_before_1970_costs_text_its_sample_alone_and_is_counted() {
    let source = says(exposition("jobs 1 -5\nusers 4 -1000\nusers{a=\"1\"} 2 1000\n"));
    let folder = tempfile::tempdir().unwrap();
    let flags = format!("--app-metrics http://{source}/metrics,name=app");
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    let lost = [("source", "app"), ("reason", "timestamp_range")];
    let openmetrics = Scrape::of(sidecar.stats, Format::OPENMETRICS);
    assert_eq!((openmetrics.count("jobs", &[]), openmetrics.count("users", &[])), (1, 2));
    assert_eq!(openmetrics.count("podmeter_app_dropped_samples_total", &lost), 0);
    let text = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!((text.count("jobs", &[]), text.count("users", &[])), (0, 1));
    // Told from the next scrape on.
    let text = Scrape::of(sidecar.stats, Format::TEXT);
    let dropped = text.value("podmeter_app_dropped_samples_total", &lost);
    assert_eq!(dropped.to_bits(), 2f64.to_bits());
}

#[test]
fn a_broken_line_costs_itself_is_counted_each_time_and_logged_once() {
    let test = "a_broken_line_costs_itself_is_counted_each_time_and_logged_once";
    let source = says(exposition(
        "# TYPE jobs gauge\njobs{queue=\"a\"} 1\njobs{queue=b} 2\njobs{queue=\"c\"} 3\nusers 4\n",
    ));
    let folder = tempfile::tempdir().unwrap();
    let flags = format!("--app-metrics http://{source}/metrics,name=app");
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), &flags);
    for round in 1..=3 {
        let scrape = Scrape::of(sidecar.stats, Format::TEXT);
        also_valid_for_python(test, &scrape.text, Format::TEXT);
        assert_eq!(scrape.count("jobs", &[]), 2);
        assert_eq!(scrape.count("users", &[]), 1);
        let up = scrape.value("podmeter_app_scrape_up", &[("source", "app")]);
        assert_eq!(up.to_bits(), 1f64.to_bits());
        let dropped = scrape.value("podmeter_app_dropped_samples_total", &[("source", "app")]);
        assert_eq!(dropped.to_bits(), f64::from(round).to_bits());
    }
    let log = sidecar.process.said();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
}
