//! Several sources, each of which is one process.

use podmeter::exposition::Format;
use serde_json::Value;

use crate::http::get;
use crate::said::App;
use crate::scrape::Scrape;
use crate::sidecar::Sidecar;

pub(crate) fn words(start: u64, count: u64, busy: u64) -> String {
    format!(
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {start}.5\n\
         # TYPE jobs_total counter\njobs_total {count}\n# TYPE busy gauge\nbusy {busy}\n\
         # TYPE t summary\nt{{quantile=\"0.5\"}} 3\nt_sum {count}\nt_count {count}\n"
    )
}

pub(crate) fn sidecar(folder: &tempfile::TempDir, sources: &[(&App, &str)]) -> Sidecar {
    let flags: Vec<String> = sources
        .iter()
        .map(|(app, options)| format!("--app-metrics {},{options}", app.addr.port()))
        .collect();
    let nobody = App::saying("");
    Sidecar::start("podmeter", folder.path(), nobody.addr, &flags.join(" "))
}

fn told(sidecar: &Sidecar, name: &str) -> f64 {
    Scrape::of(sidecar.stats, Format::TEXT).value(name, &[])
}

#[test]
fn names_that_one_process_escaped_are_those_that_another_has() {
    let folder = tempfile::tempdir().unwrap();
    let one = App::saying_as(
        "text/plain; version=1.0.0; escaping=values",
        "# TYPE U__jobs_2e_total counter\nU__jobs_2e_total{U__a_2e_b=\"1\"} 3\n",
    );
    let two = App::saying_as(
        "text/plain; version=1.0.0; escaping=allow-utf-8",
        "# TYPE \"jobs.total\" counter\n{\"jobs.total\",\"a.b\"=\"1\"} 4\n",
    );
    let flags = [(&one, "name=one,mode=sum"), (&two, "name=two,mode=sum")];
    let sidecar = sidecar(&folder, &flags);
    for times in 1..=2 {
        assert_eq!(told(&sidecar, "jobs_total"), 7.0, "{times} times");
    }
    let here = [one.addr, two.addr].map(|addr| format!("http://{addr}"));
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_podmeter"))
        .args(["merge", "--mode", "sum"])
        .args(here)
        .output()
        .unwrap();
    let said = String::from_utf8(program.stdout).unwrap();
    assert_eq!(said, "# TYPE jobs_total counter\njobs_total{a_b=\"1\"} 7\n");
}

#[test]
fn sources_of_one_group_are_one_app() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, other) = (
        App::saying(&words(1_000, 3, 1)),
        App::saying(&words(2_000, 4, 2)),
        App::saying("# TYPE other counter\nother 7\n# TYPE busy gauge\nbusy{app=\"other\"} 5\n"),
    );
    let sidecar = sidecar(
        &folder,
        &[
            (&one, "name=one,mode=sum"),
            (&other, "name=other,mode=sum,group=other,gauges=label"),
            (&two, "name=two,mode=sum"),
        ],
    );
    for format in [Format::TEXT, Format::OPENMETRICS] {
        let scrape = Scrape::of(sidecar.stats, format);
        assert_eq!(scrape.value("jobs_total", &[]), 7.0);
        assert_eq!(scrape.value("process_start_time_seconds", &[]), 2_000.5);
        assert_eq!(scrape.value("t_count", &[]), 7.0);
        assert_eq!(scrape.count("t", &[]), 0);
        assert_eq!(scrape.value("other", &[]), 7.0);
        assert_eq!(scrape.count("busy", &[]), 2);
        assert_eq!(scrape.value("busy", &[("app", "other"), ("process", "other")]), 5.0);
        assert_eq!(scrape.sum("busy", &[]), 8.0);
        for source in ["one", "two", "other"] {
            let source = [("source", source)];
            assert_eq!(scrape.value("podmeter_app_scrape_up", &source), 1.0);
        }
    }
    let lost = [("source", "one"), ("reason", "quantile_in_sum")];
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert!(scrape.value("podmeter_app_dropped_samples_total", &lost) >= 2.0);
    assert_eq!(scrape.value("podmeter_app_scrape_samples", &[("source", "one")]), 6.0);
}

#[test]
fn a_process_that_is_silent_or_restarts_makes_no_sum_fall() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (App::saying(&words(1_000, 30, 1)), App::saying(&words(2_000, 4, 2)));
    let sidecar = sidecar(&folder, &[(&one, "name=one,mode=sum"), (&two, "name=two,mode=sum")]);
    assert_eq!(told(&sidecar, "jobs_total"), 34.0);
    one.falls_silent();
    two.says(&words(2_000, 5, 2));
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!((scrape.value("jobs_total", &[]), scrape.value("busy", &[])), (35.0, 2.0));
    assert_eq!(scrape.value("t_sum", &[]), 35.0);
    one.says("<html>starting</html>");
    assert_eq!(told(&sidecar, "jobs_total"), 35.0);
    let scrape = Scrape::of(sidecar.stats, Format::TEXT);
    assert_eq!(scrape.value("podmeter_app_scrape_up", &[("source", "one")]), 0.0);
    one.says(&words(9_000, 1, 1));
    assert_eq!(told(&sidecar, "jobs_total"), 36.0);
    one.says(&words(9_000, 2, 1));
    assert_eq!((told(&sidecar, "jobs_total"), told(&sidecar, "busy")), (37.0, 3.0));
    for restart in 10..20 {
        one.says(&words(restart * 1_000, 1, 1));
        assert_eq!(told(&sidecar, "jobs_total"), (restart + 28) as f64);
    }
    let sources: Value = serde_json::from_slice(&get(sidecar.admin, "/sources").body).unwrap();
    assert_eq!(sources[0]["workers"]["gone"], 10);
    assert_eq!(sources[1]["workers"]["known"], 1);
}

#[test]
fn counts_are_exact_beyond_what_a_float_holds() {
    let folder = tempfile::tempdir().unwrap();
    let one = App::saying("# TYPE a counter\na 9007199254740993\n");
    let two = App::saying("# TYPE a counter\na 9007199254740993\n");
    let sidecar = sidecar(&folder, &[(&one, "mode=sum"), (&two, "mode=sum")]);
    let text = Scrape::of(sidecar.stats, Format::TEXT).text;
    assert!(text.contains("\na 18014398509481986\n"), "{text}");
}
