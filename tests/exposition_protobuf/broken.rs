//! What cannot be read costs itself and nothing else, and never more.

use std::path::Path;

use podmeter::exposition::{Format, InputFormat, Limits, Reason, parse, parse_with};

use crate::messages::{Message, delimited, families, family, varint};
use crate::{lines, merged, problems, read, written};

fn m() -> Message {
    Message::default()
}

fn gauge(label: &str, value: f64) -> Message {
    m().label("l", label).message(2, m().double(1, value))
}

/// A body whose second metric is `metric`, with metrics and families around it.
fn around(metric: Message) -> Vec<u8> {
    let before = family("a", 1, [gauge("1", 1.0), metric, gauge("3", 3.0)]);
    delimited([before, family("b", 1, [gauge("4", 4.0)])])
}

#[test]
fn a_broken_metric_costs_itself() {
    let raw = |bytes: &[u8]| Message(bytes.to_vec());
    let bad_text = m().message(1, m().bytes(1, b"l").bytes(2, b"a\xff"));
    let long_varint = Message([&[0x30][..], &[0xff; 11]].concat());
    let cases = [
        (raw(&[0x0a, 0x7f, 0x01]), "bad_message", "a length beyond the metric"),
        (raw(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x07]), "bad_message", "a length of 2 GiB"),
        (long_varint, "bad_message", "an integer of more than 64 bits"),
        (raw(&[0x16, 0x00]), "bad_message", "a wire type that there is not"),
        (raw(&[0x13]), "bad_message", "a group without an end"),
        (raw(&[0x14]), "bad_message", "the end of a group that did not begin"),
        (raw(&[0x02, 0x00]), "bad_message", "field number 0"),
        (m().uint(2, 7), "bad_message", "a gauge that is a number"),
        (m().message(2, m().uint(1, 7)), "bad_message", "a value that is no double"),
        (bad_text.message(2, m()), "invalid_utf8", "a label that is not UTF-8"),
        (m().label("", "x").message(2, m()), "bad_labels", "a label without a name"),
        (m().label("__name__", "x").message(2, m()), "reserved_label", "a reserved label"),
        (m().label("l", "").label("l", "").message(2, m()), "duplicate_label", "a label twice"),
        (m().label("l", "2"), "bad_value", "no value"),
    ];
    for (metric, reason, what) in cases {
        let body = around(metric);
        let read = read(&body);
        assert_eq!(lines(&read), ["a{l=1} 1", "a{l=3} 3", "b{l=4} 4"], "{what}");
        let problem = &read.problems.first()[0];
        assert_eq!((problem.line, problem.reason.as_str()), (1, reason), "{what}");
        assert!(problem.column >= 22 && problem.costs_sample, "{what}: {problem:?}");
        assert_eq!(read.problems.total(), 1, "{what}");
    }
}

#[test]
fn a_broken_family_costs_what_is_left_of_it() {
    let mut spoilt = family("a", 1, [gauge("1", 1.0)]);
    spoilt.0.push(0x07);
    let spoilt = Message([spoilt.0, family("", 1, [gauge("2", 2.0)]).0].concat());
    let unnamed = m().message(4, gauge("1", 1.0)).message(4, gauge("2", 2.0));
    let odd = m().bytes(1, b"\xff").message(4, gauge("1", 1.0));
    let body = delimited([spoilt, unnamed, odd, family("b", 1, [gauge("4", 4.0)])]);
    let read = read(&body);
    assert_eq!(lines(&read), ["a{l=1} 1", "b{l=4} 4"]);
    assert_eq!(
        problems(&read),
        ["1:27:bad_message!", "2:1:bad_name!", "2:1:bad_name!", "3:1:invalid_utf8!"]
    );
}

#[test]
fn exemplars_and_times_that_cannot_be_are_left_out_alone() {
    let long = "x".repeat(130);
    let counter = |exemplar: Message| {
        let counter = m().double(1, 1.0).message(2, exemplar);
        delimited([family("c_total", 0, [m().message(3, counter)])])
    };
    let late = m().message(3, m().uint(1, u64::MAX / 4));
    let fine = m().message(3, m().uint(1, 1).uint(2, 1_000_000_000));
    let cases = [
        (m().label("t", &long), "exemplar_too_long"),
        (m().label("t", "1").label("t", "2"), "bad_exemplar"),
        (late, "bad_exemplar"),
        (fine, "bad_exemplar"),
    ];
    for (exemplar, reason) in cases {
        let body = counter(exemplar);
        let read = read(&body);
        assert_eq!(lines(&read), ["c_total{} 1"], "{reason}");
        assert_eq!(read.problems.first()[0].reason.as_str(), reason);
        assert!(!read.problems.first()[0].costs_sample);
    }
}

#[test]
fn a_native_histogram_that_readers_would_refuse_keeps_its_sum_and_count() {
    let span = |offset, length| m().sint(1, offset).uint(2, length);
    for spoilt in [
        m().message(12, span(0, u64::from(u32::MAX))).sint(13, 1),
        m().message(12, span(0, 1)).message(12, span(-3, 1)).sint(13, 1).sint(13, 1),
        m().message(12, span(i64::from(i32::MAX), 1)).sint(13, 1),
        m().message(12, span(0, 1)),
        m().message(12, span(0, 1)).sint(13, 1).sint(5, 40),
        m().double(6, f64::NAN).uint(7, 1),
        // Buckets below zero or beyond 64 bits, and more in them than was counted.
        m().message(12, span(0, 2)).sint(13, 1).sint(13, -2),
        m().message(9, span(0, 1)).sint(10, -1),
        m().message(12, span(0, 2)).sint(13, i64::MAX).sint(13, i64::MAX),
        m().message(12, span(0, 3)).sint(13, i64::MAX).sint(13, 0).sint(13, 0),
        m().message(9, span(0, 1)).sint(10, 2).message(12, span(0, 1)).sint(13, 2),
        m().message(12, span(0, 1)).sint(13, 2).uint(7, 2),
        m().message(12, span(0, 1)).sint(13, 1).uint(7, u64::MAX),
        m().double(4, 3.0).message(9, span(0, 1)).double(11, f64::NAN),
        m().double(4, 3.0).message(12, span(0, 1)).double(14, 1.0).double(8, -1.0),
        m().double(4, 3.0).message(12, span(0, 1)).double(14, 3.5),
    ] {
        let histogram = Message([m().uint(1, 3).double(2, 1.5).0, spoilt.0].concat());
        let body = delimited([family("h", 4, [m().message(7, histogram)])]);
        let read = read(&body);
        assert_eq!(lines(&read), ["h_bucket{le=+Inf} 3", "h_sum{} 1.5", "h_count{} 3"]);
        assert_eq!(problems(&read), ["1:8:inconsistent"]);
    }
}

#[test]
fn fractions_below_zero_are_read_and_refused_where_they_would_be_stored() {
    let span = |length| m().sint(1, 0).uint(2, length);
    let histogram = m().double(4, 3.0).double(2, 1.5).message(12, span(2));
    let histogram = histogram.double(14, 2.0).double(14, -1.0);
    for kind in [4, 5] {
        let body = delimited([family("h", kind, [m().message(7, histogram.clone())])]);
        assert_eq!(lines(&parse(&body, InputFormat::Protobuf)).len(), 1);
        let limits = Limits { native_below_zero: false, ..Limits::default() };
        let read = parse_with(&body, InputFormat::Protobuf, &limits);
        assert_eq!(lines(&read).len(), 3, "a bucket, a sum and a count");
        assert_eq!(problems(&read), ["1:8:inconsistent"]);
    }
}

#[test]
fn of_two_metrics_of_one_label_set_the_first_is_kept_whole() {
    let bucket = |bound, count| m().double(2, bound).uint(1, count);
    let histogram = |bounds: &[f64], count: u64| {
        let head = m().uint(1, count).double(2, 1.5);
        let buckets = bounds.iter().map(|bound| bucket(*bound, count));
        m().message(7, buckets.fold(head, |all, bucket| all.message(3, bucket)))
    };
    let labelled = |pairs: &[(&str, &str)], metric: Message| {
        let all = pairs.iter().fold(m(), |all, (name, value)| all.label(name, value));
        Message([all.0, metric.0].concat())
    };
    let first = labelled(&[("a", "1"), ("b", "2")], histogram(&[1.0], 3));
    let again = labelled(&[("b", "2"), ("c", ""), ("a", "1")], histogram(&[0.5, 2.0], 5));
    let other = labelled(&[("a", "1")], histogram(&[], 1));
    let later = histogram(&[], 7).uint(6, 2000);
    let first_time = histogram(&[], 6).uint(6, 1000);
    let native = m().uint(1, 6).message(12, m().sint(1, 0).uint(2, 1)).sint(13, 6);
    let summary = |count| m().message(4, m().uint(1, count).double(2, 0.5));
    let body = delimited([
        family("h", 4, [first, again.clone(), other, first_time, later]),
        family("h", 4, [again]),
        family("n", 4, [m().message(7, native), histogram(&[], 2)]),
        family("s", 2, [summary(1), summary(2)]),
        family("h", 2, [labelled(&[("a", "1"), ("b", "2")], summary(1))]),
    ]);
    let read = read(&body);
    assert_eq!(
        lines(&read)[..11],
        [
            "h_bucket{a=1,b=2,le=1} 3",
            "h_bucket{a=1,b=2,le=+Inf} 3",
            "h_sum{a=1,b=2} 1.5",
            "h_count{a=1,b=2} 3",
            "h_bucket{a=1,le=+Inf} 1",
            "h_sum{a=1} 1.5",
            "h_count{a=1} 1",
            "h_bucket{le=+Inf} 6 @1000",
            "h_sum{} 1.5 @1000",
            "h_count{} 6 @1000",
            "h_bucket{le=+Inf} 7 @2000",
        ]
    );
    assert_eq!(
        lines(&read)[13..],
        [
            "n{} 6 schema 0 sum 0 zero 0<=0 [(0, 6.0)] []",
            "s_sum{} 0.5",
            "s_count{} 1",
            "h_sum{a=1,b=2} 0.5",
            "h_count{a=1,b=2} 1",
        ]
    );
    let repeated = problems(&read);
    let repeated: Vec<_> = repeated.iter().filter(|p| p.ends_with(":duplicate_series!")).collect();
    assert_eq!(repeated.len(), 4, "{repeated:?}");
    assert_eq!(read.problems.dropped().get(Reason::DuplicateSeries), 5 + 5 + 3 + 2);
}

#[test]
fn a_body_cut_off_anywhere_keeps_every_whole_metric_before_the_cut() {
    let body = delimited([
        family("a", 1, [gauge("1", 1.0), gauge("2", 2.0)]),
        family("b", 1, (0..9).map(|n| gauge(&n.to_string(), 1.0))).text(2, "Help."),
    ]);
    let border = delimited([family("a", 1, [gauge("1", 1.0), gauge("2", 2.0)])]).len();
    let all = lines(&read(&body));
    let mut before = 0;
    for end in 0..body.len() {
        let read = read(&body[..end]);
        let kept = lines(&read);
        assert!(all.starts_with(&kept) && kept.len() >= before, "{end}: {kept:?}");
        let is_whole = end == 0 || end == border;
        assert_eq!(read.problems.is_empty(), is_whole, "{end}: {:?}", problems(&read));
        before = kept.len();
    }
    assert_eq!(before, all.len());
}

#[test]
fn lengths_that_cannot_be_end_the_body() {
    let whole = delimited([family("a", 1, [gauge("1", 1.0)])]);
    for (tail, reason) in [
        (&[0xff; 12][..], "bad_message"),
        (&[0x80][..], "truncated"),
        (&[0xff, 0xff, 0xff, 0xff, 0x07, 0x0a, 0x01][..], "truncated"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x0a][..], "truncated"),
    ] {
        let body = [&whole, tail].concat();
        let read = read(&body);
        assert_eq!(lines(&read), ["a{l=1} 1"]);
        let problem = read.problems.first().last().unwrap();
        assert_eq!((problem.line, problem.reason.as_str()), (2, reason), "{tail:?}");
    }
}

#[test]
fn what_promises_much_costs_little() {
    // As many families, metrics, buckets and labels as fit, each as short as can be.
    let mut bucket = Message::default();
    for _ in 0..200_000 {
        bucket.0.extend([0x1a, 0x00]);
    }
    let mut labels = Message::default();
    for _ in 0..200_000 {
        labels.0.extend([0x0a, 0x00]);
    }
    let mut metrics = m().text(1, "m").uint(3, 1);
    for _ in 0..200_000 {
        metrics.0.extend([0x22, 0x00]);
    }
    let mut body = delimited([family("h", 4, [m().message(7, bucket), labels]), metrics]);
    for _ in 0..200_000 {
        varint(0, &mut body);
    }
    let read = read(&body);
    assert_eq!(read.problems.total(), 1 + 200_000 + 200_000);
    let merged = merged(&body);
    assert!(families(&written(&merged, Format::PROTOBUF)).len() <= 1);
}

#[test]
fn a_changed_byte_anywhere_never_spoils_the_answer() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/corpora/protobuf");
    let body = std::fs::read(data.join("prom_createTestProtoBuf_0.bin")).unwrap_or_else(|_| {
        let histogram = m().uint(1, 3).message(12, m().sint(1, 1).uint(2, 1)).sint(13, 3);
        delimited([family("h", 4, [m().label("a", "b").message(7, histogram)])])
    });
    for at in (0..body.len()).step_by(2) {
        for change in [0x01, 0x80] {
            let mut changed = body.clone();
            changed[at] ^= change;
            let merged = merged(&changed);
            let answer = written(&merged, Format::PROTOBUF);
            assert_eq!(problems(&read(&answer)), [""; 0], "byte {at} ^ {change}");
            drop(families(&answer));
        }
    }
}
