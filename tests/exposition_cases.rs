//! The rules of crossing formats and of merging, each by its smallest example.
#![expect(clippy::unwrap_used, reason = "a case that cannot be written fails the test")]

use podmeter::exposition::{
    Counts, Exposition, Family, FamilyBuilder, Format, InputFormat, Kind, Labels, Limits, Merged,
    Reason, Source, merge, merge_for, parse, parse_with, render, scan_for,
};

#[test]
fn a_text_counter_without_total_is_unknown_in_openmetrics_and_so_is_its_neighbour_with_total() {
    let body =
        "# TYPE up_rq counter\nup_rq{code=\"200\"} 3\n# TYPE up_rq_total counter\nup_rq_total 3\n";
    assert_eq!(text(body), body);
    assert_eq!(
        openmetrics(body),
        "# TYPE up_rq unknown\nup_rq{code=\"200\"} 3\n# TYPE up_rq_total unknown\nup_rq_total 3\n# EOF\n"
    );
}

#[test]
fn a_counter_is_named_with_total_in_text_and_without_in_openmetrics() {
    let om = "# HELP a_seconds Help.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
              a_seconds_total 1 1.5 # {t=\"x\"} 0.5 2\n# EOF\n";
    assert_eq!(openmetrics(om), om);
    let as_text =
        "# HELP a_seconds_total Help.\n# TYPE a_seconds_total counter\na_seconds_total 1 1500\n";
    assert_eq!(text(om), as_text);
    assert_eq!(
        openmetrics(as_text),
        "# HELP a_seconds Help.\n# TYPE a_seconds counter\na_seconds_total 1 1.500\n# EOF\n"
    );
}

#[test]
fn a_sample_that_is_called_as_its_counter_but_for_total_keeps_its_name() {
    let om = "# TYPE a counter\na_total 1\na 3\n# EOF\n";
    assert_eq!(text(om), "# TYPE a_total counter\na_total 1\n# TYPE a untyped\na 3\n");
}

#[test]
fn a_state_set_whose_label_sets_are_scattered_is_a_gauge() {
    let om = "# TYPE s stateset\ns{a=\"1\",s=\"on\"} 1\ns{a=\"2\",s=\"on\"} 0\ns{a=\"1\",s=\"off\"} 0\n# EOF\n";
    assert_eq!(openmetrics(om), om.replace("stateset", "gauge"));
    let back = "# TYPE s stateset\ns{s=\"on\"} 1 2\ns{s=\"off\"} 0 1\n# EOF\n";
    assert_eq!(openmetrics(back), back.replace("stateset", "gauge"));
    let sound = "# TYPE s stateset\ns{a=\"1\",s=\"on\"} 1\ns{a=\"1\",s=\"off\"} 0\ns{a=\"2\",s=\"on\"} 0\n# EOF\n";
    assert_eq!(openmetrics(sound), sound);
}

#[test]
fn creation_times_are_gauges_in_text_and_come_back() {
    let om = "# TYPE a counter\na_total{x=\"1\"} 1\na_created{x=\"1\"} 12.5\na_total{x=\"2\"} 1\n# EOF\n";
    let as_text = "# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n\
                   # TYPE a_created gauge\na_created{x=\"1\"} 12.5\n";
    assert_eq!(text(om), as_text);
    assert_eq!(openmetrics(as_text), om);
}

#[test]
fn kinds_that_text_does_not_have_are_gauges() {
    let om = "# TYPE b info\nb_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\n\
              # TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 2\ng_gsum -3\ng_gcount 2\n# TYPE u unknown\nu 1\n# EOF\n";
    assert_eq!(
        text(om),
        "# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# TYPE s gauge\ns{s=\"on\"} 1\n\
         # TYPE g_bucket gauge\ng_bucket{le=\"+Inf\"} 2\n# TYPE g_gsum gauge\ng_gsum -3\n\
         # TYPE g_gcount gauge\ng_gcount 2\n# TYPE u untyped\nu 1\n"
    );
    // Less than nothing was observed, which strict readers do not believe of these buckets.
    assert!(openmetrics(om).contains("# TYPE g_gsum unknown\ng_gsum -3\n"));
    let sound = om.replace("-3", "3");
    assert_eq!(openmetrics(&sound), sound);
}

#[test]
fn a_histogram_that_does_not_add_up_is_taken_apart_and_loses_nothing() {
    let body = "# HELP h Help.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 3\nh_count 1\n";
    assert_eq!(
        text(body),
        "# HELP h_bucket Help.\n# TYPE h_bucket untyped\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n\
         # HELP h_sum Help.\n# TYPE h_sum untyped\nh_sum 3\n# HELP h_count Help.\n# TYPE h_count untyped\nh_count 1\n"
    );
}

#[test]
fn a_bound_too_large_for_a_number_is_no_infinity_and_loses_nothing() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1e400\"} 2\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n\
                # TYPE s summary\ns{quantile=\"1e400\"} 2\ns_sum 3\ns_count 2\n";
    let merged = merge(vec![], vec![source("app", body)]);
    assert_eq!(merged.outcomes()[0].dropped.total(), 0);
    let expected = "# TYPE h_bucket untyped\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1e400\"} 2\nh_bucket{le=\"+Inf\"} 2\n\
                    # TYPE s untyped\ns{quantile=\"1e400\"} 2\n";
    let written = written(&merged, Format::TEXT);
    for line in expected.lines().chain(["h_count 2", "s_sum 3", "s_count 2"]) {
        assert!(written.lines().any(|known| known == line), "{line}: {written}");
    }
    assert!(!written.contains("histogram") && !written.contains("summary"), "{written}");
}

#[test]
fn a_bound_is_a_number_only_in_its_own_place() {
    for body in [
        "# TYPE h histogram\nh_bucket{quantile=\"1\",le=\"+Inf\"} 1\nh_sum{quantile=\"1\"} 1\nh_count{quantile=\"1\"} 1\n\
         h_bucket{quantile=\"1.0\",le=\"+Inf\"} 2\nh_sum{quantile=\"1.0\"} 2\nh_count{quantile=\"1.0\"} 2\n",
        "# TYPE s summary\ns{le=\"1\",quantile=\"0.5\"} 1\ns_sum{le=\"1\"} 1\ns_count{le=\"1\"} 1\n\
         s{le=\"1.0\",quantile=\"0.5\"} 2\ns_sum{le=\"1.0\"} 2\ns_count{le=\"1.0\"} 2\n",
    ] {
        // As one label set after the other and, read sample by sample, with blanks between.
        for body in [body.to_owned(), body.replace("} ", "}  ")] {
            let merged = merge(vec![], vec![source("app", &body)]);
            assert_eq!(merged.outcomes()[0].dropped.total(), 0, "{body}");
            assert_eq!(merged.samples(), 6, "{body}");
            for sample in body.lines().skip(1) {
                let line = sample.replace("}  ", "} ");
                assert!(written(&merged, Format::TEXT).contains(&line), "{line}");
            }
        }
    }
}

#[test]
fn what_only_text_allows_is_taken_apart_for_openmetrics_alone() {
    let body = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1.5\nh_sum 3\nh_count 1.5\n# TYPE c_total counter\nc_total NaN\n";
    assert_eq!(text(body), body);
    let om = openmetrics(body);
    assert!(
        om.contains("# TYPE h_count unknown\n") && om.contains("# TYPE c_total unknown\n"),
        "{om}"
    );
}

#[test]
fn a_histogram_or_summary_told_at_several_times_is_taken_apart_because_a_reader_would_miss_parts() {
    let at = |n: u32, time: u32| {
        format!(
            "h_bucket{{le=\"1\"}} {n} {time}\nh_bucket{{le=\"+Inf\"}} {n} {time}\nh_sum {n} {time}\nh_count {n} {time}\n"
        )
    };
    let body = format!("# TYPE h histogram\n{}{}# EOF\n", at(2, 5), at(3, 17));
    assert_eq!(
        openmetrics(&body),
        "# TYPE h_bucket unknown\nh_bucket{le=\"1\"} 2 5\nh_bucket{le=\"1\"} 3 17\n\
         h_bucket{le=\"+Inf\"} 2 5\nh_bucket{le=\"+Inf\"} 3 17\n# TYPE h_sum unknown\nh_sum 2 5\nh_sum 3 17\n\
         # TYPE h_count unknown\nh_count 2 5\nh_count 3 17\n# EOF\n"
    );
    let gauge = body.replace("h histogram", "h gaugehistogram");
    let gauge = gauge.replace("h_sum", "h_gsum").replace("h_count", "h_gcount");
    assert!(openmetrics(&gauge).contains("# TYPE h_bucket unknown\n"));
    let summary = "# TYPE s summary\ns_sum 1 5\ns_count 1 5\ns_sum 2 17\ns_count 2 17\n# EOF\n";
    let apart = "# TYPE s_sum unknown\ns_sum 1 5\ns_sum 2 17\n# TYPE s_count unknown\ns_count 1 5\ns_count 2 17\n# EOF\n";
    assert_eq!(openmetrics(summary), apart);
    // One time, and label sets of different times, are no reason.
    let sound = format!("# TYPE h histogram\n{}# EOF\n", at(2, 5));
    assert_eq!(openmetrics(&sound), sound);
    let apart = at(3, 17).replace("{le", "{a=\"1\",le").replace("_sum", "_sum{a=\"1\"}");
    let apart = apart.replace("_count", "_count{a=\"1\"}");
    let sound = format!("# TYPE h histogram\n{}{apart}# EOF\n", at(2, 5));
    assert_eq!(openmetrics(&sound), sound);
}

#[test]
fn a_time_before_1970_is_told_where_there_is_a_way_to_tell_it() {
    let body = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1 -1000\nh_sum 1 -1000\nh_count 1 -1000\n\
                # TYPE a gauge\na 1 -5\na{b=\"2\"} 2 7\n# TYPE z gauge\nz 1 -0\nz{b=\"2\"} 3 +5\n";
    let seconds = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1 -1\nh_sum 1 -1\nh_count 1 -1\n\
                   # TYPE a gauge\na 1 -0.005\na{b=\"2\"} 2 0.007\n\
                   # TYPE z gauge\nz 1 0\nz{b=\"2\"} 3 0.005\n# EOF\n";
    let digits = "# TYPE a gauge\na{b=\"2\"} 2 7\n# TYPE z gauge\nz 1 0\nz{b=\"2\"} 3 5\n";
    for body in [body, seconds] {
        for fast in [true, false] {
            let told = |format| {
                let (limits, declared) = (Limits::default(), InputFormat::Unknown);
                let source = if fast {
                    Source::new("app", scan_for(format, body.as_bytes(), declared, &limits))
                } else {
                    source("app", body)
                };
                let merged = merge_for(format, vec![], vec![source]);
                (written(&merged, format), reasons(&merged.outcomes()[0].dropped))
            };
            assert_eq!(told(Format::TEXT), (digits.to_owned(), vec![("timestamp_range", 4)]));
            assert_eq!(told(Format::OPENMETRICS), (seconds.to_owned(), vec![]));
        }
        // Who does not say for which format may write in any.
        assert_eq!(text(body), digits);
    }
}

#[test]
fn buckets_in_any_order_are_put_in_theirs() {
    let body = "# TYPE h histogram\nh_bucket{le=\"inf\",a=\"1\"} 2\nh_sum{a=\"2\"} 1\nh_bucket{a=\"1\",le=\"1\"} 1\n\
                h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_count{a=\"2\"} 1\nh_sum{a=\"1\"} 1\nh_count{a=\"1\"} 2\n";
    assert_eq!(
        text(body),
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 1\nh_bucket{le=\"+Inf\",a=\"1\"} 2\nh_sum{a=\"1\"} 1\n\
         h_count{a=\"1\"} 2\nh_bucket{a=\"2\",le=\"+Inf\"} 1\nh_sum{a=\"2\"} 1\nh_count{a=\"2\"} 1\n"
    );
}

#[test]
fn the_same_series_of_two_sources_is_the_first_ones_and_counted() {
    let merged = merge(
        vec![],
        vec![
            source("one", "# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\nb 1\n"),
            source("two", "a{y=\"2\",x=\"1\"} 2\na{x=\"2\"} 3\n"),
        ],
    );
    assert_eq!(
        written(&merged, Format::TEXT),
        "# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{x=\"2\"} 3\n# TYPE b untyped\nb 1\n"
    );
    assert_eq!(merged.outcomes()[0].kept, 2);
    assert_eq!(reasons(&merged.outcomes()[1].dropped), [("duplicate_series", 1)]);
}

#[test]
fn the_same_histogram_of_two_sources_is_the_first_ones_whole() {
    let one =
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    let two =
        "# TYPE h histogram\nh_bucket{le=\"2\"} 5\nh_bucket{le=\"+Inf\"} 5\nh_sum 1\nh_count 5\n";
    let merged = merge(vec![], vec![source("one", one), source("two", two)]);
    assert_eq!(written(&merged, Format::TEXT), one);
    assert_eq!(reasons(&merged.outcomes()[1].dropped), [("duplicate_series", 4)]);
}

#[test]
fn a_labelled_source_keeps_the_source_label_that_it_had() {
    let body = "# TYPE a gauge\na{source=\"x\",b=\"1\"} 1\na 2\n# TYPE h histogram\n\
                h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    let merged = merge(
        vec![],
        vec![source("w\"1", body).labelled(), source("two", "a{source=\"x\"} 3\n").labelled()],
    );
    assert_eq!(
        written(&merged, Format::TEXT),
        "# TYPE a gauge\na{exported_source=\"x\",b=\"1\",source=\"w\\\"1\"} 1\na{source=\"w\\\"1\"} 2\n\
         a{exported_source=\"x\",source=\"two\"} 3\n# TYPE h histogram\n\
         h_bucket{le=\"+Inf\",source=\"w\\\"1\"} 1\nh_sum{source=\"w\\\"1\"} 1\nh_count{source=\"w\\\"1\"} 1\n"
    );
}

#[test]
fn an_app_never_takes_apart_the_proxys_own_families() {
    let apps = "# TYPE own gauge\nown 1\nown_count 5\n# TYPE own_total counter\nown_total 1\n";
    let spoilt = "# TYPE own histogram\nown_bucket{z=\"1\",le=\"1\"} 3\nown_count{z=\"1\"} 9\n\
                  own_bucket{z=\"2\",le=\"+Inf\"} 1\nown_sum{z=\"2\"} 1\nown_count{z=\"2\"} 1\n";
    let merged = merge(vec![own()], vec![source("app", apps), source("other", spoilt)]);
    for format in [Format::TEXT, Format::OPENMETRICS] {
        let text = written(&merged, format);
        assert!(text.starts_with(
            "# HELP own Help.\n# TYPE own histogram\nown_bucket{a=\"1\",le=\"1\"} 1\n"
        ));
        assert!(
            text.contains("own_count{z=\"2\"} 1\n") && text.contains("own_total 1\n"),
            "{text}"
        );
    }
    assert_eq!(reasons(&merged.outcomes()[0].dropped), [("type_conflict", 1), ("name_clash", 1)]);
    assert_eq!(reasons(&merged.outcomes()[1].dropped), [("inconsistent", 2)]);
}

#[test]
fn a_histogram_beside_a_gauge_of_its_counts_name_shares_the_name() {
    let body = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n# TYPE h_count gauge\nh_count{x=\"1\"} 4\n";
    let written = text(body);
    assert!(written.contains("# TYPE h_count gauge\nh_count{x=\"1\"} 4\nh_count 1\n"), "{written}");
    assert!(written.contains("# TYPE h_bucket untyped\n"), "{written}");
}

#[test]
fn names_outside_the_classic_alphabet_are_escaped() {
    let body = "# TYPE \"a.b\" counter\n{\"a.b\",\"c d\"=\"1\",e=\"2\"} 1\n";
    assert_eq!(text(body), "# TYPE a_b counter\na_b{c_d=\"1\",e=\"2\"} 1\n");
    let merged = merge(vec![], vec![source("app", "{\"a.b\",\"c.d\"=\"1\",c_d=\"2\"} 1\n")]);
    assert_eq!(reasons(&merged.outcomes()[0].dropped), [("utf8_name", 1)]);
}

#[test]
fn expositions_pasted_together_are_read_to_the_end() {
    let om = "# TYPE a counter\na_total 1\n# EOF\n";
    let body = format!("{om}# TYPE b gauge\nb 2\nb 0 # {{\n{om}");
    let read = parse(body.as_bytes(), InputFormat::OpenMetrics);
    assert_eq!(count(&read), 3);
    let merged = merge(vec![], vec![Source::new("app", read)]);
    assert_eq!(
        written(&merged, Format::TEXT),
        "# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb 2\n"
    );
}

#[test]
fn a_problem_says_where_and_why_and_the_next_line_counts() {
    let read =
        parse(b"ok 1\nbad{a=\"1\" 2\r\nok2 2\r\nsplit 1 x\n\xff 1\nok3 3", InputFormat::Text);
    let said: Vec<_> = read.problems.first().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "2:11: expected name=\"value\" pairs, commas and a brace",
            "4:9: expected a timestamp",
            "5:1: the line is not UTF-8"
        ]
    );
    assert_eq!(count(&read), 3);
}

#[test]
fn a_page_of_html_is_one_problem() {
    let read = parse(b"<!DOCTYPE html>\n<p>\nanswer 42\n</p>\n", InputFormat::Unknown);
    assert_eq!((count(&read), read.problems.total()), (0, 1));
    assert_eq!(read.problems.first()[0].reason, Reason::NotAnExposition);
}

#[test]
fn lines_and_bodies_beyond_the_limits_cost_themselves_alone() {
    let mut body = b"a 1\nb{x=\"".to_vec();
    body.resize(4 << 20, b'x');
    body.extend_from_slice(b"\"} 1\nc{");
    for n in 0..50_000 {
        body.extend_from_slice(format!("l{n}=\"\",").as_bytes());
    }
    body.extend_from_slice(b"} 1\nd 1\n");
    let read = parse(&body, InputFormat::Text);
    assert_eq!((count(&read), read.problems.total()), (3, 1));
    let few = Limits { samples: 2, families: 3, ..Limits::default() };
    let read = parse_with(
        b"a 1\na{x=\"1\"} 1\nb 1\nc 1\n# TYPE d gauge\n# TYPE e gauge\n",
        InputFormat::Text,
        &few,
    );
    assert_eq!(count(&read), 2);
    assert!(read.problems.first().iter().all(|p| p.reason == Reason::TooMany));
    assert_eq!(read.problems.dropped().get(Reason::TooMany), 2);
}

#[test]
fn an_exemplar_that_no_reader_takes_is_left_out_and_its_sample_kept() {
    let long = "x".repeat(128);
    for exemplar in
        [format!("{{t=\"{long}\"}} 1"), "{t=\"a\\\"b\"} 1".into(), "{\"t.u\"=\"1\"} 1".into()]
    {
        let om = openmetrics(&format!("# TYPE a counter\na_total 1 # {exemplar}\n# EOF\n"));
        assert_eq!(om, "# TYPE a counter\na_total 1\n# EOF\n");
    }
}

#[test]
fn our_own_families_are_written_as_they_were_built() {
    let merged = merge(vec![own()], vec![]);
    assert_eq!(
        written(&merged, Format::TEXT),
        "# HELP own Help.\n# TYPE own histogram\nown_bucket{a=\"1\",le=\"1\"} 1\n\
         own_bucket{a=\"1\",le=\"+Inf\"} 3\nown_sum{a=\"1\"} 3.5\nown_count{a=\"1\"} 3\n"
    );
    assert_eq!(written(&merge(vec![], vec![]), Format::OPENMETRICS), "# EOF\n");
}

fn own() -> Family<'static> {
    let mut own = FamilyBuilder::new("own", Kind::Histogram, "Help.");
    own.histogram(&Labels::from_pairs([("a", "1")]), &[("1", 1)], 3.5, 3);
    own.build()
}

fn source<'a>(name: &'a str, body: &'a str) -> Source<'a> {
    Source::new(name, parse(body.as_bytes(), InputFormat::Unknown))
}

fn text(body: &str) -> String {
    written(&merge(vec![], vec![source("app", body)]), Format::TEXT)
}

fn openmetrics(body: &str) -> String {
    written(&merge(vec![], vec![source("app", body)]), Format::OPENMETRICS)
}

fn written(merged: &Merged<'_>, format: Format) -> String {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    String::from_utf8(out).unwrap()
}

fn count(read: &Exposition<'_>) -> usize {
    read.families.iter().map(|family| family.samples().len()).sum()
}

fn reasons(counts: &Counts) -> Vec<(&'static str, u64)> {
    counts.iter().map(|(reason, count)| (reason.as_str(), count)).collect()
}
