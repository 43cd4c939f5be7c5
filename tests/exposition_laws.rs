//! The laws of the exposition engine, whatever the sources send.
#![expect(clippy::unwrap_used, reason = "a law that does not hold fails the test")]

#[path = "support/exposition_bodies.rs"]
mod bodies;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod checker;

#[path = "support/exposition_messages.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod messages;

use std::collections::{BTreeMap, BTreeSet};

use bodies::{body, body_of};
use podmeter::exposition::{
    Exposition, Family, FamilyBuilder, Format, InputFormat, Kind, Labels, Merged, Reason, Source,
    merge, parse, render,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const FORMATS: [(Format, InputFormat); 3] = [
    (Format::TEXT, InputFormat::Text),
    (Format::OPENMETRICS, InputFormat::OpenMetrics),
    (Format::PROTOBUF, InputFormat::Protobuf),
];

fn declared() -> impl Strategy<Value = InputFormat> {
    prop_oneof![Just(InputFormat::Unknown), Just(InputFormat::Text), Just(InputFormat::OpenMetrics)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_comes_in_the_answer_is_valid(
        sources in prop::collection::vec((body(), declared(), any::<bool>()), 0..4),
    ) {
        let merged = merge(own(), sources.iter().enumerate().map(read).collect());
        let mut in_text = Vec::new();
        for (format, _) in &FORMATS[..2] {
            let text = shown(&written(&merged, *format));
            let lines = checker::check(&text, *format);
            prop_assert!(lines.is_ok(), "{format:?}: {}\n{text}", lines.unwrap_err());
            let lines = lines.unwrap();
            prop_assert_eq!(lines.len(), merged.samples(), "{}", text);
            if *format == Format::TEXT {
                in_text.extend(lines.iter().map(as_told));
            }
        }
        in_text.sort();
        let found = messages::samples(&written(&merged, Format::PROTOBUF));
        prop_assert_eq!(found, in_text);
        for ((body, format, _), outcome) in sources.iter().zip(merged.outcomes()) {
            let read = parse(body.as_bytes(), *format);
            let all = count(&read) + read.problems.dropped().total();
            prop_assert_eq!(outcome.kept + outcome.dropped.total(), all);
        }
    }

    #[test]
    fn a_part_of_an_answer_is_as_valid_as_the_whole(
        sources in prop::collection::vec((body(), declared(), any::<bool>()), 1..3),
        part in "[a-z_]{1,3}",
    ) {
        let mut merged = merge(own(), sources.iter().enumerate().map(read).collect());
        let whole = shown(&written(&merged, Format::TEXT));
        let whole: BTreeSet<_> = whole.lines().collect();
        merged.keep_named(|name| name.contains(&part));
        for (format, _) in &FORMATS[..2] {
            let text = shown(&written(&merged, *format));
            let lines = checker::check(&text, *format);
            prop_assert!(lines.is_ok(), "{format:?}: {}\n{text}", lines.unwrap_err());
            prop_assert_eq!(lines.unwrap().len(), merged.samples());
        }
        let text = shown(&written(&merged, Format::TEXT));
        for line in text.lines() {
            prop_assert!(whole.contains(line), "{}", line);
        }
        // Whatever was left out has nothing to do with what was asked for.
        for line in whole.iter().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            prop_assert!(!name.contains(&part) || text.lines().any(|kept| kept == *line), "{}", line);
        }
    }

    #[test]
    fn every_valid_sample_of_an_app_arrives(body in body_of(&[""]), declared in declared()) {
        let read = parse(body.as_bytes(), declared);
        let names = escaped_series(&read);
        let merged = merge(vec![], vec![Source::new("app", parse(body.as_bytes(), declared))]);
        let dropped = merged.outcomes()[0].dropped;
        for reason in [Reason::TypeConflict, Reason::NameClash, Reason::Inconsistent] {
            prop_assert_eq!(dropped.get(reason), 0);
        }
        for (format, back) in FORMATS {
            let text = written(&merged, format);
            let again = parse(&text, back);
            prop_assert_eq!(again.problems.first(), &[][..], "{}", shown(&text));
            let arrived = escaped_series(&again);
            prop_assert!(arrived.keys().eq(names.keys()), "{:?}\n{}", format, shown(&text));
            for (series, value) in &arrived {
                prop_assert!(value.len() == 1 && value.is_subset(&names[series]), "{}", series);
            }
        }
    }

    #[test]
    fn what_was_written_once_is_written_again_the_same(
        source in (body(), declared(), any::<bool>()),
    ) {
        let merged = merge(vec![], vec![read((0, &source))]);
        for (format, back) in FORMATS {
            let once = written(&merged, format);
            let again = merge(vec![], vec![Source::new("again", parse(&once, back))]);
            prop_assert_eq!(again.outcomes()[0].dropped.total(), 0);
            prop_assert_eq!(written(&again, format), once);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, declared) in FORMATS {
            let merged = merge(own(), vec![Source::new("app", parse(&bytes, declared)).labelled()]);
            for (format, _) in &FORMATS[..2] {
                checker::check(&shown(&written(&merged, *format)), *format).unwrap();
            }
            drop(messages::samples(&written(&merged, Format::PROTOBUF)));
        }
    }

    #[test]
    fn a_spoilt_line_costs_no_other_lines_sample(
        before in "(good_[a-d] [0-9]{1,3}\n){0,3}",
        junk in prop::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 0..60),
    ) {
        let body = [before.as_bytes(), b"!", &junk, b"\nlast_of_all 7\n"].concat();
        let read = parse(&body, InputFormat::Text);
        let found = read.families.iter().any(|f| f.name() == "last_of_all");
        prop_assert!(found);
        prop_assert_eq!(count(&read), before.lines().count() as u64 + 1);
        prop_assert_eq!(read.problems.total(), 1);
        prop_assert_eq!(read.problems.first()[0].line, before.lines().count() + 1);
    }
}

/// The same cases every time, unless the environment asks for others or for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(1000);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

/// Families of the proxy's own that the apps' names run into.
fn own() -> Vec<Family<'static>> {
    let labels = Labels::from_pairs([("a", "1")]);
    let mut counter = FamilyBuilder::new("bar_total", Kind::Counter, "A counter of our own.");
    counter.counter(&labels, 7);
    let mut histogram = FamilyBuilder::new("own", Kind::Histogram, "A histogram of our own.");
    histogram.histogram(&labels, &[("1", 1), ("2.5", 2)], 3.5, 3);
    histogram.histogram(&Labels::from_pairs([("a", "9")]), &[("1", 1), ("2.5", 2)], 3.5, 3);
    vec![counter.build(), histogram.build()]
}

fn read((at, (body, format, labelled)): (usize, &(String, InputFormat, bool))) -> Source<'_> {
    let source = Source::new(format!("s{at}"), parse(body.as_bytes(), *format));
    if *labelled { source.labelled() } else { source }
}

fn written(merged: &Merged<'_>, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    out
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// A line of text as the samples of protobuf are told.
fn as_told(line: &checker::Line) -> String {
    let mut labels = line.labels.clone();
    labels.retain(|_, value| !value.is_empty());
    let at = line.timestamp.as_ref().map(|at| at.parse().unwrap());
    messages::told(&line.name, &labels, line.value, at)
}

fn count(read: &Exposition<'_>) -> u64 {
    read.families.iter().map(|family| family.samples().len() as u64).sum()
}

/// Every series with the values that it is given; names as they are once escaped.
fn escaped_series(read: &Exposition<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for family in &read.families {
        for sample in family.samples() {
            let mut labels: Vec<_> = family
                .labels(sample)
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.replace('.', "_"), value))
                .collect();
            labels.sort();
            let series = format!("{}{labels:?}", family.sample_name(sample).replace('.', "_"));
            // As numbers: protobuf does not keep how they were written.
            let value = sample.value().as_f64();
            all.entry(series).or_default().insert(format!("{value:?}"));
        }
    }
    all
}
