//! The laws again, for random messages of any kind, whole and spoilt.

use podmeter::exposition::{Escaping, Format, InputFormat, Source, Syntax, merge_for, parse};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use crate::bodies;
use crate::checker;
use crate::messages::{self, Message, delimited};
use crate::{problems, read, written};

fn m() -> Message {
    Message::default()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_messages_come_the_answer_is_valid(
        one in body(),
        two in prop_oneof![body(), bodies::body().prop_map(String::into_bytes)],
        labelled in any::<bool>(),
        spoilt in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        utf8 in any::<bool>(),
    ) {
        let mut one = one;
        if let Some((at, byte)) = spoilt && !one.is_empty() {
            let at = at.index(one.len());
            one[at] = byte;
        }
        let first = Source::new("one", parse(&one, InputFormat::Protobuf));
        let first = if labelled { first.labelled() } else { first };
        let second = Source::new("two", parse(&two, InputFormat::Unknown));
        let escaping = if utf8 { Escaping::AllowUtf8 } else { Escaping::Values };
        // What text can tell, all can.
        let merged =
            merge_for(Format::new(Syntax::QuotedText, escaping), vec![], vec![first, second]);
        let answer = written(&merged, Format::new(Syntax::Protobuf, escaping));
        prop_assert_eq!(problems(&read(&answer)), vec![""; 0]);
        if !utf8 {
            let text = String::from_utf8(written(&merged, Format::TEXT)).unwrap();
            let lines = checker::check(&text, Format::TEXT);
            prop_assert!(lines.is_ok(), "{}\n{text}", lines.unwrap_err());
            let om = String::from_utf8(written(&merged, Format::OPENMETRICS)).unwrap();
            let lines = checker::check(&om, Format::OPENMETRICS);
            prop_assert!(lines.is_ok(), "{}\n{om}", lines.unwrap_err());
            let mut told: Vec<_> = checker::check(&text, Format::TEXT)
                .unwrap()
                .iter()
                .map(|line| {
                    let mut labels = line.labels.clone();
                    labels.retain(|_, value| !value.is_empty());
                    let at = line.timestamp.as_ref().map(|at| at.parse().unwrap());
                    messages::told(&line.name, &labels, line.value, at)
                })
                .collect();
            told.sort();
            prop_assert_eq!(messages::samples(&answer), told);
        }
    }

    #[test]
    fn answers_to_answers_are_the_same_in_the_end(body in body(), utf8 in any::<bool>()) {
        let escaping = if utf8 { Escaping::AllowUtf8 } else { Escaping::Dots };
        let format = Format::new(Syntax::Protobuf, escaping);
        let again = |body: &[u8]| {
            let source = Source::new("app", parse(body, InputFormat::Protobuf));
            written(&merge_for(format, vec![], vec![source]), format)
        };
        // What stands beside at first may find its place when it is read again.
        let twice = again(&again(&body));
        prop_assert_eq!(again(&twice), twice, "{:#?}", crate::lines(&read(&body)));
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(1000);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

/// One to five families under few names, so that they meet.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let names = &[
        "foo",
        "foo_total",
        "bar",
        "foo_count",
        "foo_created",
        "a.b",
        "ü_total",
        "foo_seconds",
    ][..];
    let head = (select(names), 0..6_u64, any::<bool>(), any::<bool>());
    let one = (head, prop::collection::vec(metric(), 0..4)).prop_map(|(head, metrics)| {
        let (name, kind, help, unit) = head;
        // A histogram called like a creation time comes apart in two steps.
        let kind = if name == "foo_created" { kind % 2 * 2 + 1 } else { kind };
        let metrics = metrics.into_iter().map(|metric| (metric.0)(kind));
        let mut family = messages::family(name, kind, metrics);
        if help {
            family = family.text(2, "Some \"help\"\n\\ of it.");
        }
        if unit { family.text(5, "seconds") } else { family }
    });
    prop::collection::vec(one, 0..5).prop_map(delimited)
}

const LABELS: &[&[(&str, &str)]] = &[
    &[],
    &[],
    &[("a", "1")],
    &[("a", "1"), ("b", "")],
    &[("b", "q\"u\\o\nte"), ("a", "2")],
    &[("u.v", "w")],
    &[("le", "1")],
    &[("quantile", "0.5")],
    &[("foo", "on")],
    &[("source", "s")],
];
const BOUNDS: &[&[f64]] = &[&[], &[1.0], &[-1.0, 2.5], &[1.0, f64::INFINITY], &[3.0, 1.0]];

/// A metric for a family of any kind.
fn metric() -> impl Strategy<Value = Shown<Box<dyn Fn(u64) -> Message>>> {
    let labels = select(LABELS);
    let time = select(&[None, None, None, Some(0_i64), Some(1), Some(2500), Some(-1)][..]);
    let value = select(&[0.0, 1.0, -1.0, 2.5, f64::NAN, f64::INFINITY, 1e20][..]);
    let created = select(vec![None, None, Some(m().uint(1, 7)), Some(m().uint(1, 7).uint(2, 1))]);
    let exemplar = select(&[None, None, Some(())][..]);
    (labels, time, value, created, exemplar, histogram()).prop_map(
        |(labels, time, value, created, exemplar, histogram)| {
            Shown(Box::new(move |kind: u64| {
                let mut metric = labels.iter().fold(m(), |m, (name, value)| m.label(name, value));
                if let Some(time) = time {
                    metric = metric.uint(6, time.cast_unsigned());
                }
                let exemplar = exemplar.map(|()| {
                    m().label("t", "x").double(2, 0.5).message(3, m().uint(1, 9).uint(2, 500))
                });
                let with = |of: Message, field: u64, part: Option<&Message>| match part {
                    Some(part) => of.message(field, part.clone()),
                    None => of,
                };
                match kind {
                    0 => {
                        let counter = with(m().double(1, value), 2, exemplar.as_ref());
                        metric.message(3, with(counter, 3, created.as_ref()))
                    }
                    1 => metric.message(2, m().double(1, value)),
                    2 => {
                        let quantile = m().double(1, 0.9).double(2, value);
                        let summary = m().uint(1, 3).double(2, value).message(3, quantile);
                        metric.message(4, with(summary, 4, created.as_ref()))
                    }
                    3 => metric.message(5, m().double(1, value)),
                    _ => {
                        let histogram = with(histogram.clone(), 15, created.as_ref());
                        metric.message(7, with(histogram.double(2, value), 16, exemplar.as_ref()))
                    }
                }
            }) as Box<dyn Fn(u64) -> Message>)
        },
    )
}

/// A closure that can be shown as nothing.
struct Shown<F>(F);

impl<F> std::fmt::Debug for Shown<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a metric")
    }
}

/// Classic, native or both; in whole observations or in parts.
fn histogram() -> impl Strategy<Value = Message> {
    let bounds = select(BOUNDS);
    let native = 0..4_u8;
    (bounds, native, any::<bool>()).prop_map(|(bounds, native, parts)| {
        let count = |message: Message, whole: u64, part: u64, value: u32| {
            if parts {
                message.double(part, f64::from(value) + 0.5)
            } else {
                message.uint(whole, u64::from(value))
            }
        };
        let mut histogram = count(m(), 1, 4, 5);
        for (at, bound) in bounds.iter().enumerate() {
            let seen = if bound.is_infinite() { 5 } else { u32::try_from(at).unwrap() };
            let bucket = count(m(), 1, 4, seen).double(2, *bound);
            histogram = histogram.message(3, bucket);
        }
        let span = |offset, length| m().sint(1, offset).uint(2, length);
        match native {
            1 => histogram.message(12, span(0, 0)),
            2 if parts => histogram.message(12, span(-3, 2)).double(14, 2.0).double(14, 1.5),
            2 => histogram.sint(5, 2).message(12, span(-3, 2)).sint(13, 2).sint(13, 1),
            3 => count(histogram.double(6, 0.25), 7, 8, 5),
            _ => histogram,
        }
    })
}
