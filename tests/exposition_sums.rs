//! The laws of adding processes up, through the crate's public face.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a law that does not hold fails the test")]
#![expect(clippy::print_stdout, reason = "what programs said, where a test failed")]

#[path = "support/exposition_bodies.rs"]
mod bodies;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod checker;
#[path = "support/exposition_messages.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod messages;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "exposition_sums/programs.rs"]
mod programs;
#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bodies::body;
use podmeter::exposition::{
    Exposition, Format, GaugeRule, GaugeRules, InputFormat, Member, Reason, Source, Suffix, merge,
    parse, render, sum,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

fn read(body: &str) -> Exposition<'_> {
    parse(body.as_bytes(), InputFormat::Unknown)
}

fn members<'a>(bodies: &[&'a str]) -> Vec<Member<'a>> {
    let names = ["one", "two", "three", "four"];
    bodies.iter().zip(names).map(|(body, name)| Member::new(name, read(body))).collect()
}

fn added<'a>(bodies: &[&'a str], rules: &GaugeRules) -> Exposition<'a> {
    sum(members(bodies), rules).exposition
}

/// As it is served, which must be valid.
fn served(exposition: Exposition<'_>, format: Format) -> String {
    let merged = merge(vec![], vec![Source::new("sum", exposition)]);
    let mut out = Vec::new();
    render(&merged, format, &mut out);
    let text = String::from_utf8(out).unwrap();
    checker::check(&text, format).unwrap_or_else(|why| panic!("{why}\n{text}"));
    text
}

fn text_of(bodies: &[&str], rules: &GaugeRules) -> String {
    served(added(bodies, rules), Format::TEXT)
}

/// Each series with its value.
fn series(exposition: &Exposition<'_>) -> BTreeMap<(String, Vec<(String, String)>), String> {
    let mut all = BTreeMap::new();
    for family in &exposition.families {
        for sample in family.samples() {
            let mut labels = family.labels(sample);
            labels.sort();
            let value = sample.value().as_f64().to_string();
            all.insert((family.sample_name(sample), labels), value);
        }
    }
    all
}

/// A histogram over some of a few bounds.
fn histogram() -> impl Strategy<Value = String> {
    let bounds = prop::sample::subsequence(vec!["0.5", "1", "2", "5", "10"], 0..=5);
    (bounds, prop::collection::vec(0..4_u32, 6), 0..100_u32).prop_map(|(bounds, counts, sum)| {
        let mut text = "# TYPE h histogram\n".to_owned();
        let mut count = 0;
        for (bound, more) in bounds.iter().chain(&["+Inf"]).zip(counts) {
            count += more;
            writeln!(text, "h_bucket{{a=\"1\",le=\"{bound}\"}} {count}").unwrap();
        }
        text + &format!("h_sum{{a=\"1\"}} {sum}\nh_count{{a=\"1\"}} {count}\n")
    })
}

/// Counters, gauges and a histogram: everything of which sums of sums are the sum of all.
fn process() -> impl Strategy<Value = String> {
    let line = (select(vec!["a", "b"]), select(vec!["1", "2", "3"]), 0..u64::MAX / 8)
        .prop_map(|(label, other, value)| ((label, other), value));
    (
        prop::collection::btree_map(select(vec![("a", "1"), ("b", "2")]), 0..9_u32, 0..3),
        prop::collection::vec(line, 0..5),
        histogram(),
    )
        .prop_map(|(gauges, lines, histogram)| {
            let mut text = "# TYPE c counter\n".to_owned();
            let lines: BTreeMap<_, _> = lines.into_iter().collect();
            for ((label, other), value) in lines {
                writeln!(text, "c{{x=\"{label}\",y=\"{other}\"}} {value}").unwrap();
            }
            text += "# TYPE g gauge\n";
            for ((label, other), value) in gauges {
                writeln!(text, "g{{x=\"{label}\",y=\"{other}\"}} {value}").unwrap();
            }
            text + &histogram
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_the_processes_say_their_sum_is_valid(
        bodies in prop::collection::vec((body(), any::<bool>()), 0..4),
        rule in select(vec![GaugeRule::Sum, GaugeRule::Max, GaugeRule::Last, GaugeRule::Label]),
    ) {
        for format in [Format::TEXT, Format::OPENMETRICS] {
            let members = bodies.iter().zip(["one", "two", "three"]).map(|((body, live), name)| {
                let member = Member::new(name, read(body));
                if *live { member } else { member.gone() }
            });
            let sum = sum(members.collect(), &GaugeRules::new(rule));
            prop_assert_eq!(sum.dropped.len(), bodies.len());
            served(sum.exposition, format);
        }
    }

    #[test]
    fn the_sum_of_one_is_itself(process in process()) {
        let alone = added(&[&process], &GaugeRules::default());
        prop_assert_eq!(served(alone, Format::TEXT), served(read(&process), Format::TEXT));
    }

    #[test]
    fn the_order_of_the_processes_is_the_order_of_the_series_alone(
        (one, two, three) in (process(), process(), process()),
    ) {
        let rules = GaugeRules::default();
        let sums = [[&one, &two, &three], [&three, &one, &two], [&two, &one, &three]]
            .map(|bodies| series(&added(&bodies.map(String::as_str), &rules)));
        prop_assert_eq!(&sums[0], &sums[1]);
        prop_assert_eq!(&sums[0], &sums[2]);
    }

    #[test]
    fn a_sum_of_sums_is_the_sum_of_all(
        (one, two, three) in (process(), process(), process()),
    ) {
        let rules = GaugeRules::default();
        let all = series(&added(&[&one, &two, &three], &rules));
        let nested = |a: &str, b: &str, c: &str, first: bool| {
            let inner = Member::new("inner", added(&[a, b], &rules));
            let outer = Member::new("outer", read(c));
            let members = if first { vec![inner, outer] } else { vec![outer, inner] };
            series(&sum(members, &rules).exposition)
        };
        prop_assert_eq!(&nested(&one, &two, &three, true), &all);
        prop_assert_eq!(&nested(&two, &three, &one, false), &all);
    }

    #[test]
    fn processes_that_speak_protobuf_add_up_to_the_same(
        bodies in prop::collection::vec(process(), 1..4),
    ) {
        let texts: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let messages: Vec<Vec<u8>> = texts
            .iter()
            .map(|text| {
                let merged = merge(vec![], vec![Source::new("one", read(text))]);
                let mut out = Vec::new();
                render(&merged, Format::PROTOBUF, &mut out);
                out
            })
            .collect();
        let members = messages.iter().map(|body| {
            Member::new("one", parse(body, InputFormat::Protobuf))
        });
        let sum = sum(members.collect(), &GaugeRules::default());
        let texts = added(&texts, &GaugeRules::default());
        let (told, expected) = (series(&sum.exposition), series(&texts));
        prop_assert!(told.keys().eq(expected.keys()));
        for (series, value) in told {
            // Protobuf's counters are floats.
            let (is, expected): (f64, f64) =
                (value.parse().unwrap(), expected[&series].parse().unwrap());
            prop_assert!((is - expected).abs() <= expected * 1e-12, "{:?}", series);
        }
        served(sum.exposition, Format::TEXT);
    }

    #[test]
    fn every_count_arrives_exactly_once(
        bodies in prop::collection::vec(process(), 1..4),
    ) {
        let texts: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let sum = added(&texts, &GaugeRules::default());
        let total = |exposition: &Exposition<'_>| -> u128 {
            let families = exposition.families.iter().filter(|family| family.name() == "c");
            let samples = families.flat_map(|family| family.samples().to_vec());
            samples.map(|sample| sample.value().to_text().parse::<u128>().unwrap()).sum()
        };
        let expected: u128 = texts.iter().map(|text| total(&read(text))).sum();
        prop_assert_eq!(total(&sum), expected);
        let count = |exposition: &Exposition<'_>, suffix: Suffix| -> f64 {
            let families = exposition.families.iter().filter(|family| family.name() == "h");
            let samples = families.flat_map(|family| family.samples().to_vec());
            samples.filter(|s| s.suffix() == suffix).map(|s| s.value().as_f64()).sum()
        };
        for suffix in [Suffix::Count, Suffix::Sum] {
            let expected: f64 = texts.iter().map(|text| count(&read(text), suffix)).sum();
            prop_assert_eq!(count(&sum, suffix).to_bits(), expected.to_bits());
        }
    }
}

/// The same cases every time, unless the environment asks for others or for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(500);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

#[test]
fn counters_and_histograms_add_up() {
    let of = |n: u32| {
        format!(
            "# HELP a Seen.\n# TYPE a counter\na_total{{x=\"1\"}} {n}\n# TYPE h histogram\n\
             h_bucket{{le=\"1.0\"}} {n}\nh_bucket{{le=\"+Inf\"}} {n}\nh_count {n}\nh_sum {n}.25\n# EOF\n"
        )
    };
    let (one, two) = (of(1), of(2));
    let sum = served(added(&[&one, &two], &GaugeRules::default()), Format::OPENMETRICS);
    assert_eq!(
        sum,
        "# HELP a Seen.\n# TYPE a counter\na_total{x=\"1\"} 3\n# TYPE h histogram\n\
         h_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 3\nh_count 3\nh_sum 3.5\n# EOF\n"
    );
}

#[test]
fn a_summary_keeps_its_sum_and_count_and_tells_that_quantiles_are_gone() {
    let body =
        "# TYPE s summary\ns{quantile=\"0.5\"} 3\ns{quantile=\"0.9\"} 4\ns_sum 7\ns_count 2\n";
    let sum = sum(members(&[body, body]), &GaugeRules::default());
    assert_eq!(sum.dropped[0].get(Reason::QuantileInSum), 2);
    assert_eq!(sum.dropped[1].get(Reason::QuantileInSum), 2);
    let text = served(sum.exposition, Format::TEXT);
    assert_eq!(text, "# TYPE s summary\ns_sum 14\ns_count 4\n");
}

#[test]
fn histograms_with_other_bounds_keep_what_is_known_of_both() {
    let one = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"5\"} 2\n\
               h_bucket{le=\"10\"} 9\nh_bucket{le=\"+Inf\"} 9\nh_sum 50\nh_count 9\n";
    let two = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"3\"} 4\n\
               h_bucket{le=\"7\"} 5\nh_bucket{le=\"+Inf\"} 6\nh_sum 20\nh_count 6\n";
    // Up to 3 the first has seen 2, as nothing is between 1 and 5; up to 7 and up to 10 one of
    // the two cannot tell.
    assert_eq!(
        text_of(&[one, two], &GaugeRules::default()),
        "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"3\"} 6\nh_bucket{le=\"+Inf\"} 15\n\
         h_sum 70\nh_count 15\n"
    );
}

#[test]
fn gauges_go_by_their_rules() {
    let of = |n: u32| {
        format!(
            "# TYPE busy gauge\nbusy {n}\n# TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds {n}\n# TYPE queue_min gauge\nqueue_min {n}\n\
             # TYPE app_info gauge\napp_info{{version=\"{n}\"}} 1\n# TYPE up gauge\nup 1\n"
        )
    };
    let (one, two) = (of(3), of(4));
    let mut rules = GaugeRules::default();
    rules.set("up", GaugeRule::Label);
    assert_eq!(
        text_of(&[&one, &two], &rules),
        "# TYPE busy gauge\nbusy 7\n# TYPE process_start_time_seconds gauge\n\
         process_start_time_seconds 4\n# TYPE queue_min gauge\nqueue_min 3\n\
         # TYPE app_info gauge\napp_info{version=\"3\"} 1\napp_info{version=\"4\"} 1\n\
         # TYPE up gauge\nup{process=\"one\"} 1\nup{process=\"two\"} 1\n"
    );
    for (rule, busy) in
        [(GaugeRule::Max, "busy 4\n"), (GaugeRule::Last, "busy 4\n"), (GaugeRule::Min, "busy 3\n")]
    {
        assert!(text_of(&[&one, &two], &GaugeRules::new(rule)).contains(busy));
    }
}

#[test]
fn the_label_of_a_process_leaves_the_apps_own_where_it_can() {
    let body = "# TYPE g gauge\ng{process=\"x\",exported_process=\"y\",\"u.v\"=\"z\"} 1\n";
    let sum = added(&[body], &GaugeRules::new(GaugeRule::Label));
    let names: Vec<_> = sum.families[0].labels(&sum.families[0].samples()[0]);
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["exported_exported_process", "exported_process", "u.v", "process"]);
}

#[test]
fn the_newest_gauge_is_the_last() {
    let of = |value: u32, time: &str| format!("# TYPE g gauge\ng {value}{time}\n");
    let (new, old, none) = (of(1, " 2000"), of(2, " 1000"), of(3, ""));
    let rules = GaugeRules::new(GaugeRule::Last);
    assert_eq!(text_of(&[&new, &old, &none], &rules), "# TYPE g gauge\ng 1 2000\n");
    assert_eq!(text_of(&[&none, &none, &new], &rules), "# TYPE g gauge\ng 1 2000\n");
}

#[test]
fn a_time_stays_where_all_agree() {
    let of = |time: &str| format!("# TYPE a counter\na 1{time}\n");
    let rules = GaugeRules::default();
    assert_eq!(text_of(&[&of(" 5"), &of(" 5")], &rules), "# TYPE a counter\na 2 5\n");
    assert_eq!(text_of(&[&of(" 5"), &of(" 6")], &rules), "# TYPE a counter\na 2\n");
    assert_eq!(text_of(&[&of(" 5"), &of("")], &rules), "# TYPE a counter\na 2\n");
}

#[test]
fn the_newest_exemplar_and_the_oldest_start_are_kept() {
    let of = |trace: &str, time: u32, created: u32| {
        format!(
            "# TYPE a counter\na_total 1 # {{trace=\"{trace}\"}} 1 {time}\na_created {created}\n# EOF\n"
        )
    };
    let bodies = [of("x", 10, 7), of("y", 30, 9), of("z", 20, 8)];
    let bodies = bodies.each_ref().map(String::as_str);
    let text = served(added(&bodies, &GaugeRules::default()), Format::OPENMETRICS);
    assert_eq!(text, "# TYPE a counter\na_total 3 # {trace=\"y\"} 1 30\na_created 7\n# EOF\n");
}

#[test]
fn what_a_process_that_is_gone_counted_stays_and_its_gauges_do_not() {
    let body = "# TYPE a counter\na 1\n# TYPE g gauge\ng 1\n# TYPE b_total untyped\nb_total 1\n\
                # TYPE u untyped\nu 1\n";
    let members = vec![Member::new("live", read(body)), Member::new("gone", read(body)).gone()];
    let text = served(sum(members, &GaugeRules::default()).exposition, Format::TEXT);
    assert_eq!(
        text,
        "# TYPE a counter\na 2\n# TYPE g gauge\ng 1\n# TYPE b_total untyped\nb_total 2\n\
         # TYPE u untyped\nu 1\n"
    );
}

#[test]
fn a_type_is_the_one_that_was_told_first() {
    let one = "# TYPE foo gauge\nfoo 1\n";
    let two = "# TYPE foo histogram\nfoo_bucket{le=\"+Inf\"} 2\nfoo_sum 3\nfoo_count 2\n";
    assert_eq!(
        text_of(&[one, two, two], &GaugeRules::default()),
        "# TYPE foo gauge\nfoo 1\n# TYPE foo_bucket untyped\nfoo_bucket{le=\"+Inf\"} 4\n\
         # TYPE foo_sum untyped\nfoo_sum 6\n# TYPE foo_count untyped\nfoo_count 4\n"
    );
}

fn count(exposition: &Exposition<'_>) -> usize {
    exposition.families.iter().map(|family| family.samples().len()).sum()
}
