//! What becomes of each kind on its way between protobuf and the texts.

use podmeter::exposition::{Format, InputFormat, Kind, Reason, Source, merge_for, parse};

use crate::messages::{Field, Fields, Message, delimited, families, family, samples};
use crate::{lines, protobuf, read, text};

fn m() -> Message {
    Message::default()
}

fn span(offset: i64, length: u64) -> Message {
    m().sint(1, offset).uint(2, length)
}

/// Four observations in two buckets and around zero.
fn native() -> Message {
    let native = m().uint(1, 4).double(2, 9.5).sint(5, 3).double(6, 0.001).uint(7, 1);
    native.message(12, span(1, 2)).bytes(13, &[2, 2])
}

fn only(body: &[u8]) -> Fields {
    let mut all = families(body);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn histogram(body: &[u8]) -> Fields {
    only(body)[&4][0].fields()[&7][0].fields()
}

#[test]
fn a_native_histogram_alone_is_one_infinite_bucket_in_text() {
    let old = m().label("t", "old").double(2, 1.0).message(3, m().uint(1, 5));
    let new = m().label("t", "new").double(2, 2.0).message(3, m().uint(1, 6).uint(2, 500_000_000));
    let value = native().message(16, old).message(16, new.clone()).message(16, m());
    let body = delimited([family("h", 4, [m().label("a", "1").message(7, value)])]);
    assert_eq!(
        text(&body, Format::TEXT),
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"+Inf\"} 4\nh_sum{a=\"1\"} 9.5\nh_count{a=\"1\"} 4\n"
    );
    assert_eq!(
        text(&body, Format::OPENMETRICS),
        "# TYPE h histogram\nh_bucket{a=\"1\",le=\"+Inf\"} 4 # {t=\"new\"} 2 6.5\n\
         h_sum{a=\"1\"} 9.5\nh_count{a=\"1\"} 4\n# EOF\n"
    );
    // In protobuf it stays what it is, with all its exemplars.
    let answer = protobuf(&body);
    assert_eq!(lines(&read(&answer)), lines(&read(&body)));
    assert_eq!(histogram(&answer)[&16].len(), 3);
}

#[test]
fn classic_buckets_beside_a_native_histogram_carry_the_text() {
    let bucket = m().uint(1, 3).double(2, 1.0);
    let body = delimited([family("h", 5, [m().message(7, native().message(3, bucket))])]);
    assert_eq!(
        text(&body, Format::OPENMETRICS),
        "# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_gsum 9.5\nh_gcount 4\n# EOF\n"
    );
    let again = histogram(&protobuf(&body));
    assert_eq!((again[&3].len(), again[&12].len(), again[&13].len()), (1, 1, 1));
}

#[test]
fn a_native_histogram_of_less_than_nothing_is_its_parts_in_openmetrics() {
    let value = native().double(2, -1.0);
    let body = delimited([family("h", 4, [m().message(7, value)])]);
    assert_eq!(
        text(&body, Format::OPENMETRICS),
        "# TYPE h_bucket unknown\nh_bucket{le=\"+Inf\"} 4\n# TYPE h_sum unknown\nh_sum -1\n\
         # TYPE h_count unknown\nh_count 4\n# EOF\n"
    );
    assert_eq!(lines(&read(&protobuf(&body))), lines(&read(&body)));
}

#[test]
fn natives_beside_histograms_that_are_none_are_written_as_classic_ones() {
    // A reader takes a family for what its first message is, and trips over the others.
    let bucket = m().uint(1, 3).double(2, 1.0);
    let classic = m().label("a", "2").message(7, m().uint(1, 3).double(2, 1.0).message(3, bucket));
    let both = m().label("a", "1").message(7, native());
    let body = delimited([family("h", 4, [both, classic])]);
    let answer = protobuf(&body);
    for metric in &only(&answer)[&4] {
        assert!(!metric.fields()[&7][0].fields().contains_key(&12));
    }
    assert_eq!(samples(&answer), samples(&body));
}

#[test]
fn a_native_histogram_in_a_family_of_another_kind_is_told_in_parts() {
    let first = "# TYPE h gauge\nh 1\n";
    let second = delimited([family("h", 4, [m().message(7, native())])]);
    let one = Source::new("one", parse(first.as_bytes(), InputFormat::Text));
    let merged = merge_for(Format::TEXT, vec![], vec![one, Source::new("two", read(&second))]);
    let apart = |at: usize| merged.outcomes()[at].apart.families;
    assert_eq!([apart(0), apart(1)], [0, 1]);
    assert_eq!(
        String::from_utf8(crate::written(&merged, Format::TEXT)).unwrap(),
        "# TYPE h gauge\nh 1\n# TYPE h_bucket untyped\nh_bucket{le=\"+Inf\"} 4\n\
         # TYPE h_sum untyped\nh_sum 9.5\n# TYPE h_count untyped\nh_count 4\n"
    );
}

#[test]
fn a_native_histogram_that_its_family_costs_is_counted_where_it_could_have_been_told() {
    // Fewer observations are in the bucket than in all.
    let bucket = m().uint(1, 1).double(2, f64::INFINITY);
    let spoilt = m().label("a", "1").message(7, m().uint(1, 2).double(2, 1.5).message(3, bucket));
    let natives = ["2", "3"].map(|name| m().label("a", name).message(7, native()));
    let body = delimited([family("h", 4, [spoilt].into_iter().chain(natives))]);
    for (format, lost) in [(Format::PROTOBUF, 2), (Format::TEXT, 0)] {
        let merged = merge_for(format, vec![], vec![Source::new("app", read(&body))]);
        let outcome = &merged.outcomes()[0];
        assert_eq!(outcome.dropped.get(Reason::TakenApart), lost, "{format:?}");
        assert_eq!(outcome.dropped.total(), lost);
        assert_eq!((outcome.apart.families, outcome.apart.first.as_deref()), (1, Some("h")));
    }
    let merged = merge_for(Format::PROTOBUF, vec![], vec![Source::new("app", read(&body))]);
    let answer = crate::written(&merged, Format::PROTOBUF);
    let names: Vec<_> = families(&answer).iter().map(|family| family[&1][0].text()).collect();
    assert_eq!(names, ["h_bucket", "h_sum", "h_count"]);
}

#[test]
fn every_kind_of_openmetrics_has_its_message() {
    let om = "# HELP c_seconds H\\n\\\"x\\\"\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\n\
              c_seconds_total{a=\"x\\\"y\"} 7 1.5 # {t=\"u\"} 0.5 12.034\n\
              c_seconds_created{a=\"x\\\"y\"} 3.25 1.5\n\
              # TYPE b info\nb_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\n\
              # TYPE u unknown\nu NaN\n# TYPE q summary\nq{quantile=\"0.5\"} 2\nq_sum 3\nq_count 1\n\
              # TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {} 0.5\nh_bucket{le=\"+Inf\"} 2\n\
              h_sum 3\nh_count 2\nh_created 99.000000001\n\
              # TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 2\ng_gsum 3\ng_gcount 2\n# EOF\n";
    let answer = protobuf(om.as_bytes());
    let told: Vec<_> = families(&answer)
        .iter()
        .map(|family| {
            let Field::Uint(kind) = family[&3][0] else { panic!("a type is a number") };
            (family[&1][0].text(), kind, family.get(&5).map(|unit| unit[0].text()))
        })
        .collect();
    let expected = [
        ("c_seconds_total", 0, Some("seconds")),
        ("b_info", 1, None),
        ("s", 1, None),
        ("u", 3, None),
        ("q", 2, None),
        ("h", 4, None),
        ("g", 5, None),
    ];
    assert_eq!(told, expected.map(|(n, kind, unit)| (n.into(), kind, unit.map(str::to_owned))));
    let read = read(&answer);
    assert_eq!(read.families[0].help(), Some("H\n\"x\""));
    assert_eq!(
        lines(&read)[..2],
        [
            "c_seconds_total{a=x\"y} 7 @1500 # [(\"t\", \"u\")] 0.5 Some(\"12.034\")",
            "c_seconds_created{a=x\"y} 3.25 @1500",
        ]
    );
    let back = text(&answer, Format::OPENMETRICS);
    for line in om.lines().filter(|line| !line.contains("# TYPE") && !line.contains("le=\"1.0\"")) {
        let line = line.replace(" 1.5", " 1.500");
        assert!(back.contains(&line), "{line} in {back}");
    }
    // What protobuf does not have a type for is a gauge from then on.
    assert!(back.contains("# TYPE b_info gauge\n") && back.contains("# TYPE s gauge\n"));
    assert!(back.contains("h_bucket{le=\"1\"} 1 # {} 0.5\n"));
}

#[test]
fn what_a_message_would_fill_with_nothing_is_told_in_parts() {
    let body = "# TYPE s summary\ns_sum 3\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n\
                # TYPE i histogram\ni_bucket{le=\"+Inf\"} -2\ni_sum 0\ni_count -2\n\
                # TYPE t summary\nt_sum 1\nt_count 0.5\n";
    let answer = protobuf(body.as_bytes());
    let all = lines(&read(&answer));
    assert_eq!(
        all,
        [
            "s_sum{} 3",
            "h_bucket{le=+Inf} 2",
            "h_count{} 2",
            "i_bucket{le=+Inf} -2",
            "i_sum{} 0",
            "i_count{} -2",
            "t_sum{} 1",
            "t_count{} 0.5",
        ]
    );
    assert!(families(&answer).iter().all(|f| matches!(f[&3][0], Field::Uint(3))));
}

#[test]
fn a_gauge_histogram_that_does_not_add_up_is_told_in_parts() {
    for (one, two, infinite, count) in [(1, 2, 3, 3), (2, 1, 3, 3), (1, 2, 1, 1), (1, 2, 3, 4)] {
        let body = format!(
            "# TYPE g gaugehistogram\ng_bucket{{le=\"1.0\"}} {one}\ng_bucket{{le=\"2.0\"}} {two}\n\
             g_bucket{{le=\"+Inf\"}} {infinite}\ng_gsum 4\ng_gcount {count}\n# EOF\n"
        );
        let bucket = |bound, count| m().uint(1, count).double(2, bound);
        let histogram = m()
            .uint(1, count)
            .double(2, 4.0)
            .message(3, bucket(1.0, one))
            .message(3, bucket(2.0, two))
            .message(3, bucket(f64::INFINITY, infinite));
        let told = delimited([family("g", 5, [m().message(7, histogram)])]);
        for body in [body.as_bytes(), &told] {
            let answer = protobuf(body);
            let names: Vec<_> =
                read(&answer).families.iter().map(|f| (f.name().to_owned(), f.kind())).collect();
            if (one, two, infinite, count) == (1, 2, 3, 3) {
                assert_eq!(names, [("g".to_owned(), Kind::GaugeHistogram)]);
            } else {
                let parts = ["g_bucket", "g_gsum", "g_gcount"];
                assert_eq!(names, parts.map(|name| (name.to_owned(), Kind::Gauge)));
            }
            assert_eq!(
                lines(&read(&answer)).join("\n").replace(".0}", "}"),
                format!(
                    "g_bucket{{le=1}} {one}\ng_bucket{{le=2}} {two}\ng_bucket{{le=+Inf}} {infinite}\n\
                     g_gsum{{}} 4\ng_gcount{{}} {count}"
                )
            );
        }
    }
}

#[test]
fn parts_of_observations_are_counted_in_floats() {
    let body =
        "# TYPE h histogram\nh_bucket{le=\"1\"} 0.5\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n";
    let answer = protobuf(body.as_bytes());
    let fields = histogram(&answer);
    assert!(!fields.contains_key(&1) && fields.contains_key(&4));
    assert_eq!(text(&answer, Format::TEXT), body);
    let exact = body.replace("0.5", "1").replace('2', "18446744073709551615");
    assert_eq!(text(&protobuf(exact.as_bytes()), Format::TEXT), exact);
}

#[test]
fn creation_times_stand_beside_where_they_have_no_place() {
    let late =
        "# TYPE c_total counter\nc_total 1\n# TYPE c_created gauge\nc_created 99999999999999\n";
    let answer = protobuf(late.as_bytes());
    assert_eq!(lines(&read(&answer)), ["c_total{} 1", "c_created{} 99999999999999"]);
    assert_eq!(text(&answer, Format::TEXT), late);
    // A gauge histogram has one in protobuf alone.
    let dated = m().uint(1, 1).message(15, m().uint(1, 7));
    let body = delimited([family("g", 5, [m().message(7, dated)])]);
    assert_eq!(lines(&read(&protobuf(&body))), lines(&read(&body)));
    let om = text(&body, Format::OPENMETRICS);
    assert!(om.contains("# TYPE g gaugehistogram\n"), "{om}");
    assert!(om.ends_with("# TYPE g_created gauge\ng_created 7\n# EOF\n"), "{om}");
}

#[test]
fn the_payload_of_a_nan_goes_through_protobuf() {
    const STALE: u64 = 0x7ff0_0000_0000_0002;
    let gauge = |bits| m().message(2, m().double(1, f64::from_bits(bits)));
    let body = delimited([family("g", 1, [gauge(STALE)])]);
    let answer = protobuf(&body);
    let Field::Double(value) = only(&answer)[&4][0].fields()[&2][0].fields()[&1][0] else {
        panic!("a gauge is a double")
    };
    assert_eq!(value.to_bits(), STALE);
    assert_eq!(text(&body, Format::TEXT), "# TYPE g gauge\ng NaN\n");
    // Of text it is the NaN that Prometheus knows as an ordinary one.
    let answer = protobuf(b"# TYPE g gauge\ng NaN\n");
    let Field::Double(value) = only(&answer)[&4][0].fields()[&2][0].fields()[&1][0] else {
        panic!("a gauge is a double")
    };
    assert_eq!(value.to_bits(), 0x7ff8_0000_0000_0001);
}

#[test]
fn one_label_set_at_several_times_is_several_metrics() {
    // A histogram is told in parts then, as readers of OpenMetrics would miss some.
    let body = "# TYPE g gauge\ng 1 1000\ng 2 2000\n# TYPE h histogram\n\
                h_bucket{le=\"+Inf\"} 1 1000\nh_sum 1 1000\nh_count 1 1000\n\
                h_bucket{le=\"+Inf\"} 2 2000\nh_sum 2 2000\nh_count 2 2000\n";
    let answer = protobuf(body.as_bytes());
    assert_eq!(families(&answer).len(), 4);
    assert!(families(&answer).iter().all(|family| family[&4].len() == 2));
    assert_eq!(
        text(&answer, Format::TEXT),
        "# TYPE g gauge\ng 1 1000\ng 2 2000\n\
         # TYPE h_bucket untyped\nh_bucket{le=\"+Inf\"} 1 1000\nh_bucket{le=\"+Inf\"} 2 2000\n\
         # TYPE h_sum untyped\nh_sum 1 1000\nh_sum 2 2000\n\
         # TYPE h_count untyped\nh_count 1 1000\nh_count 2 2000\n"
    );
}
