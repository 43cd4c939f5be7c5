//! Each kind of message becomes the samples that text would have.

use podmeter::exposition::{InputFormat, Kind, Limits, parse, parse_with};

use crate::messages::{Message, delimited, family};
use crate::{lines, problems, read};

fn m() -> Message {
    Message::default()
}

fn time(seconds: u64, nanos: u64) -> Message {
    m().uint(1, seconds).uint(2, nanos)
}

#[test]
fn counters_gauges_and_untyped_values_are_read_with_labels_times_and_exemplars() {
    let exemplar = m().label("t", "x\"y").double(2, 0.5).message(3, time(12, 34_000_000));
    let counter = m().double(1, 7.0).message(2, exemplar).message(3, time(1, 500_000_000));
    let body = delimited([
        family("c_total", 0, [m().label("a", "\\1\n").label("b", "").message(3, counter)]),
        family("g", 1, [m().message(2, m().double(1, -2.5)).uint(6, 1000)]),
        family("u", 3, [m().message(5, m()).uint(6, (-5_i64).cast_unsigned())]),
    ]);
    let read = read(&body);
    assert_eq!(problems(&read), [""; 0]);
    assert_eq!(
        lines(&read),
        [
            "c_total{a=\\1\n,b=} 7 # [(\"t\", \"x\\\"y\")] 0.5 Some(\"12.034\")",
            "c_created{a=\\1\n,b=} 1.5",
            "g{} -2.5 @1000",
            "u{} 0 @-5",
        ]
    );
    let kinds: Vec<_> = read.families.iter().map(podmeter::exposition::Family::kind).collect();
    assert_eq!(kinds, [Kind::Counter, Kind::Gauge, Kind::Unknown]);
}

#[test]
fn summaries_and_classic_histograms_are_read_with_an_infinite_bucket_understood() {
    let quantile = m().double(1, 0.5).double(2, 4.0);
    let summary = m().uint(1, 3).double(2, 9.0).message(3, quantile).message(4, time(5, 0));
    let bucket = |count, bound| m().uint(1, count).double(2, bound);
    let histogram = m().uint(1, 3).double(2, 1.5).message(3, bucket(2, 0.1));
    let parts = m().double(4, 2.5).double(2, 1.5).message(3, m().double(4, 1.5).double(2, 1e6));
    let body = delimited([
        family("s", 2, [m().message(4, summary)]),
        family("h", 4, [m().message(7, histogram.clone())]),
        family("g", 5, [m().message(7, histogram.message(3, bucket(3, f64::INFINITY)))]),
        family("f", 4, [m().message(7, parts)]),
    ]);
    let read = read(&body);
    assert_eq!(problems(&read), [""; 0]);
    assert_eq!(
        lines(&read),
        [
            "s{quantile=0.5} 4",
            "s_sum{} 9",
            "s_count{} 3",
            "s_created{} 5",
            "h_bucket{le=0.1} 2",
            "h_bucket{le=+Inf} 3",
            "h_sum{} 1.5",
            "h_count{} 3",
            "g_bucket{le=0.1} 2",
            "g_bucket{le=+Inf} 3",
            "g_gsum{} 1.5",
            "g_gcount{} 3",
            "f_bucket{le=1000000} 1.5",
            "f_bucket{le=+Inf} 2.5",
            "f_sum{} 1.5",
            "f_count{} 2.5",
        ]
    );
}

#[test]
fn native_histograms_are_read_packed_and_unpacked_whole_and_in_parts() {
    let span = |offset, length| m().sint(1, offset).uint(2, length);
    let packed = m().bytes(13, &[2, 2, 3]);
    let unpacked = m().sint(13, 1).sint(13, 1).sint(13, -2);
    let whole = |deltas: Message| {
        let native = m().uint(1, 4).double(2, 9.5).sint(5, 3).double(6, 0.001).uint(7, 1);
        let native = native.message(12, span(-1, 1)).message(12, span(2, 2));
        let native = Message([native.0, deltas.0].concat());
        m().message(7, native.message(9, span(0, 1)).sint(10, 0))
    };
    let parts = m().double(4, 2.5).double(2, 1.0).double(8, 0.5).message(9, span(3, 1));
    let parts = parts.double(11, 2.0);
    let body = delimited([
        family("a", 4, [whole(packed)]),
        family("b", 5, [whole(unpacked)]),
        family("c", 4, [m().message(7, parts)]),
    ]);
    let read = read(&body);
    assert_eq!(problems(&read), [""; 0]);
    let native = "schema 3 sum 9.5 zero 1<=0.001 [(-1, 1.0), (2, 2.0), (3, 0.0)] [(0, 0.0)]";
    assert_eq!(
        lines(&read),
        [
            format!("a{{}} 4 {native}"),
            format!("b{{}} 4 {native}"),
            "c{} 2.5 schema 0 sum 1 zero 0.5<=0 [] [(3, 2.0)]".to_owned(),
        ]
    );
}

#[test]
fn fields_may_come_in_any_order_twice_or_unknown() {
    let gauge = m().double(9, 1.0).double(1, 1.0).double(1, 2.0);
    let metric = m().uint(6, 5).bytes(99, b"?").message(2, gauge).label("z", "1");
    // The metric comes before the name and the type, and there is a group that nobody knows.
    let mut message = m().message(4, metric).uint(3, 3).uint(3, 1).text(1, "x").text(1, "g");
    message.0.extend([0x9b, 0x06, 0x08, 0x01, 0x9c, 0x06]);
    let body = delimited([message]);
    let read = read(&body);
    assert_eq!(problems(&read), [""; 0]);
    assert_eq!(lines(&read), ["g{z=1} 2 @5"]);
}

#[test]
fn no_type_is_a_counter_and_an_unknown_type_is_what_its_metrics_are() {
    let counter = m().message(3, m().double(1, 1.0));
    let gauge = m().message(2, m().double(1, 2.0));
    let histogram = m().message(7, m().uint(1, 3));
    let body = delimited([
        m().text(1, "c").message(4, counter.clone()),
        family("x", 9, [gauge.clone()]),
        family("y", 9, [histogram]),
        family("z", 1, [counter, gauge]),
    ]);
    let read = read(&body);
    assert_eq!(problems(&read), ["2:1:bad_type", "3:1:bad_type", "4:8:bad_value!"]);
    assert_eq!(
        lines(&read),
        ["c{} 1", "x{} 2", "y_bucket{le=+Inf} 3", "y_sum{} 0", "y_count{} 3", "z{} 2"]
    );
}

#[test]
fn help_and_unit_are_kept_where_they_can_be() {
    let gauge = || m().message(2, m());
    let unit = |name: &str, unit: &str| family(name, 1, [gauge()]).text(2, "H\n").text(5, unit);
    let body = delimited([unit("a_seconds", "seconds"), unit("a_bytes", "seconds"), unit("b", "")]);
    let read = read(&body);
    assert_eq!(problems(&read), ["2:22:bad_unit"]);
    let told: Vec<_> = read.families.iter().map(|f| (f.help(), f.unit())).collect();
    assert_eq!(told, [(Some("H\n"), Some("seconds")), (Some("H\n"), None), (Some("H\n"), None)]);
}

#[test]
fn protobuf_is_known_by_its_bytes_whatever_it_is_called() {
    let body = delimited([family("g", 1, [m().message(2, m().double(1, 1.0))])]);
    for format in
        [InputFormat::Unknown, InputFormat::Text, InputFormat::OpenMetrics, InputFormat::Protobuf]
    {
        assert_eq!(lines(&parse(&body, format)), ["g{} 1"], "{format:?}");
    }
    let texts =
        ["a 1\n", "\n\na 1\n", "\n\n# HELP a 12345\na 1\n", "\r\n\na 1\n", "{\"a\"} 1\n", ""];
    for text in texts {
        let expected = lines(&parse(text.as_bytes(), InputFormat::Text));
        for format in [InputFormat::Unknown, InputFormat::Protobuf] {
            let read = parse(text.as_bytes(), format);
            assert_eq!((lines(&read), problems(&read)), (expected.clone(), vec![]), "{text:?}");
        }
    }
    for (content_type, format) in [
        (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
             encoding=delimited",
            InputFormat::Protobuf,
        ),
        ("Application/Vnd.Google.Protobuf", InputFormat::Protobuf),
        ("application/vnd.google.protobuf; encoding=compact-text", InputFormat::Unknown),
        ("application/vnd.google.protobuf; proto=other.Message", InputFormat::Unknown),
    ] {
        assert_eq!(InputFormat::from_content_type(Some(content_type)), format, "{content_type}");
    }
}

#[test]
fn limits_hold_for_messages_as_for_lines() {
    let gauge = |name: &str| m().label("l", name).message(2, m());
    let buckets = (0..50_u8).fold(m(), |h, n| h.message(3, m().uint(1, 1).double(2, f64::from(n))));
    let long = "x".repeat(100);
    let body = delimited([
        family("a", 1, [gauge("1"), gauge("2")]),
        family("h", 4, [m().message(7, buckets)]),
        family("b", 1, [gauge(&long), gauge("3")]).text(2, &long),
        family("c", 1, [gauge("4"), gauge("5")]),
        family("d", 1, [gauge("6")]),
    ]);
    let limits = Limits { line_bytes: 90, samples: 5, families: 4, ..Limits::default() };
    let read = parse_with(&body, InputFormat::Protobuf, &limits);
    assert_eq!(lines(&read), ["a{l=1} 0", "a{l=2} 0", "b{l=3} 0", "c{l=4} 0", "c{l=5} 0"]);
    let reasons: Vec<_> =
        read.problems.first().iter().map(|p| (p.line, p.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(2, "too_many"), (3, "line_too_long"), (3, "line_too_long"), (5, "too_many")]
    );
    assert_eq!(read.problems.dropped().total(), 3);
}
