//! The law of a crew: the sum is what every process that ever ran was last heard to say.

mod laws;

use super::*;
use crate::exposition::{GaugeRules, Member, sum};
use bytes::Bytes;

fn body(text: &str) -> Body {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Body { content_type: None, content_encoding: None, received: bytes.len() as u64, bytes }
}

fn crew(workers: usize) -> Crew {
    Crew::new(workers, None, 1 << 20)
}

fn scrape(crew: &mut Crew, said: &[&str]) -> usize {
    crew.begin();
    for said in said {
        // What it makes of it shows in the sum.
        let _ = crew.hear(body(said));
    }
    crew.heard()
}

/// The value of a series in the sum, as text; empty if it is not there.
fn value(crew: &Crew, series: &str) -> String {
    let words = crew.words();
    let mut members = vec![Member::new("", (*words.carry).clone()).gone()];
    for word in &words.processes {
        members.push(Member::new("", (*word.held).clone()).gone());
        let member = Member::new(word.number.to_string(), crew.read(&word.body));
        members.push(if word.live { member } else { member.gone() });
    }
    let summed = sum(members, &GaugeRules::default());
    let found = summed.exposition.families.iter().flat_map(|family| {
        family.samples().iter().map(|sample| {
            let labels = sample.labels.as_str();
            let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            (family.sample_name(sample) + &braced, sample.value().to_text())
        })
    });
    found.into_iter().find(|(name, _)| name == series).map(|(_, value)| value).unwrap_or_default()
}

fn said(start: &str, count: u64, gauge: u64) -> String {
    format!(
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {start}\n\
         # TYPE a_total counter\na_total {count}\n# TYPE g gauge\ng {gauge}\n"
    )
}

#[test]
fn a_restarted_process_adds_to_what_it_had_counted() {
    let mut crew = crew(1);
    scrape(&mut crew, &[&said("1.7e9", 10, 1)]);
    // It counts more than before the restart already, which only its start time gives away.
    scrape(&mut crew, &[&said("1.70000006e9", 12, 2)]);
    assert_eq!((value(&crew, "a_total").as_str(), value(&crew, "g").as_str()), ("22", "2"));
    for restart in 2..10 {
        scrape(&mut crew, &[&said(&format!("1.7000{restart}e9"), 1, 2)]);
    }
    assert_eq!(value(&crew, "a_total"), "30");
    assert_eq!((crew.muster().known, crew.muster().gone), (2, 8));
}

#[test]
fn a_process_without_a_start_time_has_restarted_when_it_counts_less() {
    let mut crew = crew(1);
    scrape(&mut crew, &["# TYPE a counter\na 10\n# TYPE b counter\nb 1\n"]);
    scrape(&mut crew, &["# TYPE a counter\na 3\n# TYPE b counter\nb 2\n"]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("13", "3"));
}

#[test]
fn a_counter_that_dips_is_no_restart_of_all() {
    let mut crew = crew(1);
    scrape(&mut crew, &[&four(5, 5)]);
    scrape(&mut crew, &[&four(4, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("9", "6"));
    assert_eq!((value(&crew, "c").as_str(), crew.muster().known), ("1", 1));
}

/// Two counters that count, and two that stand still.
fn four(a: u32, b: u32) -> String {
    format!(
        "# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n# TYPE c counter\nc 1\n\
         # TYPE d counter\nd 1\n"
    )
}

#[test]
fn a_silent_process_keeps_its_counts_and_loses_its_gauges() {
    let mut crew = crew(1);
    scrape(&mut crew, &[&said("1.7e9", 10, 7)]);
    for _ in 0..3 {
        scrape(&mut crew, &[]);
        assert_eq!((value(&crew, "a_total").as_str(), value(&crew, "g").as_str()), ("10", ""));
    }
    scrape(&mut crew, &["<html>Bad gateway</html>"]);
    assert_eq!((value(&crew, "a_total").as_str(), crew.heard()), ("10", 0));
    scrape(&mut crew, &[&said("1.7e9", 11, 7)]);
    assert_eq!((value(&crew, "a_total").as_str(), value(&crew, "g").as_str()), ("11", "7"));
}

#[test]
fn a_series_that_is_not_told_any_more_is_held_until_it_is() {
    let mut crew = crew(1);
    let both = "# TYPE a counter\na{x=\"1\"} 5\na{x=\"2\"} 6\n";
    scrape(&mut crew, &[both]);
    scrape(&mut crew, &["# TYPE a counter\na{x=\"1\"} 6\n"]);
    scrape(&mut crew, &["# TYPE a counter\na{x=\"1\"} 7\n"]);
    assert_eq!(value(&crew, "a{x=\"2\"}"), "6");
    // The same counter again: it was never away.
    scrape(&mut crew, &["# TYPE a counter\na{x=\"1\"} 7\na{x=\"2\"} 8\n"]);
    assert_eq!(value(&crew, "a{x=\"2\"}"), "8");
    assert_eq!((crew.muster().known, crew.muster().gone), (1, 0));
}

#[test]
fn a_counter_that_begins_anew_within_a_process_adds_to_itself_alone() {
    let mut crew = crew(1);
    let of = |a: u32, b: u32| format!("process_start_time_seconds 1.7e9\n{}", four(a, b));
    scrape(&mut crew, &[&of(5, 5)]);
    scrape(&mut crew, &[&of(2, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("7", "6"));
    scrape(&mut crew, &[&of(3, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("8", "6"));
    assert_eq!(crew.muster().known, 1);
}

#[test]
fn a_spoilt_line_is_no_restart() {
    let mut crew = crew(1);
    let of = |a: &str| format!("process_start_time_seconds 1.7e9\n# TYPE a counter\na {a}\n");
    for (a, sum) in [("5", "5"), ("x", "5"), ("6", "6"), ("x", "6"), ("7", "7")] {
        scrape(&mut crew, &[&of(a)]);
        assert_eq!(value(&crew, "a"), sum);
    }
}

#[test]
fn a_start_time_that_shakes_by_a_second_is_no_restart() {
    let mut crew = crew(1);
    scrape(&mut crew, &[&said("1700000000.37", 10, 1)]);
    scrape(&mut crew, &[&said("1700000001.37", 11, 1)]);
    scrape(&mut crew, &[&said("1700000000.37", 12, 1)]);
    assert_eq!((value(&crew, "a_total").as_str(), crew.muster().known), ("12", 1));
}

#[test]
fn the_last_words_of_workers_that_were_not_reached_stay() {
    let mut crew = crew(3);
    let (one, two, three) = (said("1.1", 1, 1), said("2.2", 20, 1), said("3.3", 300, 1));
    assert_eq!(scrape(&mut crew, &[&one, &one, &two]), 2);
    assert_eq!((value(&crew, "a_total").as_str(), crew.muster().notes), ("21", vec![NOT_ALL]));
    assert_eq!(scrape(&mut crew, &[&three]), 1);
    assert_eq!((value(&crew, "a_total").as_str(), value(&crew, "g").as_str()), ("321", "3"));
    // The first is killed, and another takes its place.
    let four = said("4.4", 4000, 1);
    assert_eq!(scrape(&mut crew, &[&three, &two, &four]), 3);
    assert_eq!((value(&crew, "a_total").as_str(), value(&crew, "g").as_str()), ("4321", "3"));
}

#[test]
fn workers_that_started_at_once_are_told_apart_by_their_counts() {
    let mut crew = crew(2);
    let of = |a: u32, b: u32| {
        format!(
            "process_start_time_seconds 1.7e9\n# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n"
        )
    };
    assert_eq!(scrape(&mut crew, &[&of(5, 1), &of(2, 7)]), 2);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("7", "8"));
    scrape(&mut crew, &[&of(2, 8), &of(6, 1)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("8", "9"));
    assert_eq!(crew.muster().known, 2);
}

#[test]
fn workers_have_their_marks() {
    let mut crew = crew(2);
    let of = |id: &str, a: u32| format!("target_info{{instance=\"{id}\"}} 1\na_total {a}\n");
    assert_eq!(scrape(&mut crew, &[&of("x", 3), &of("y", 4), &of("x", 5)]), 2);
    assert_eq!(value(&crew, "a_total"), "9");
}

#[test]
fn what_all_workers_say_alike_makes_them_no_one() {
    let mut crew = crew(2);
    let of = |a: u32, b: u32| {
        format!(
            "target_info{{service_name=\"shop\"}} 1\n# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n"
        )
    };
    for scraped in 0..10 {
        scrape(&mut crew, &[&of(5 + scraped, 1), &of(2, 7), &of(5 + scraped, 1)]);
        assert_eq!(value(&crew, "a"), (7 + scraped).to_string());
        assert_eq!((value(&crew, "b").as_str(), crew.muster().known), ("8", 2));
    }
}

#[test]
fn more_workers_than_were_told_of_do_not_add_up_without_end() {
    let mut crew = crew(1);
    let of = |a: u32, b: u32| {
        format!(
            "process_start_time_seconds 1.7e9\n# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n"
        )
    };
    let processes = [of(40, 1), of(30, 2), of(20, 3), of(10, 4)];
    for _ in 0..20 {
        for process in &processes {
            scrape(&mut crew, &[process]);
        }
    }
    let a: f64 = value(&crew, "a").parse().unwrap();
    assert!(a <= 100.0, "{a}");
    assert!(crew.muster().notes.contains(&TOO_MANY), "{:?}", crew.muster());
}

#[test]
fn a_process_that_restarts_all_the_time_is_told_of() {
    let mut crew = crew(1);
    for restart in 0..20 {
        assert!(restart > 3 || crew.muster().notes.is_empty());
        scrape(&mut crew, &[&said(&format!("1{restart}0.5"), 1, 1)]);
    }
    assert_eq!((value(&crew, "a_total").as_str(), crew.muster().notes), ("20", vec![RESTARTS]));
}

#[test]
fn one_that_was_taken_for_gone_is_not_counted_twice() {
    let mut crew = crew(1);
    for start in 1..=4 {
        scrape(&mut crew, &[&said(&format!("{start}0.5"), 10, 0)]);
    }
    // More processes answer than were told of: the first was folded into the rest.
    scrape(&mut crew, &[&said("10.5", 11, 0)]);
    assert_eq!((value(&crew, "a_total").as_str(), crew.muster().strays), ("40", 1));
    assert_eq!(crew.muster().notes, [TOO_MANY]);
}

#[test]
fn what_is_no_number_is_so_only_while_it_is_told() {
    let mut crew = crew(1);
    let of = |start: u32, sum: &str| {
        format!("process_start_time_seconds {start}.5\n# TYPE s summary\ns_sum {sum}\ns_count 1\n")
    };
    scrape(&mut crew, &[&of(100, "NaN")]);
    assert_eq!(value(&crew, "s_sum"), "NaN");
    for (start, sum) in [(200, "2"), (300, "4"), (400, "6")] {
        scrape(&mut crew, &[&of(start, "2")]);
        assert_eq!(value(&crew, "s_sum"), sum);
    }
    assert_eq!(value(&crew, "s_count"), "4");
}

#[test]
fn an_answer_with_too_many_samples_is_as_if_not_said() {
    let mut crew = Crew::new(1, Some(2), 1 << 20);
    scrape(&mut crew, &["# TYPE a counter\na 1\n"]);
    crew.begin();
    let told = crew.hear(body("# TYPE a counter\na 2\na{b=\"c\"} 1\na{b=\"d\"} 1\n"));
    assert!(matches!(told, Err(Cause::TooManySamples(2))));
    assert_eq!((value(&crew, "a").as_str(), crew.heard()), ("1", 0));
}

#[test]
fn what_is_kept_of_the_gone_is_bounded() {
    let mut crew = Crew::new(1, None, 2_000);
    for start in 0..40 {
        let text = format!(
            "process_start_time_seconds {start}0.5\n# TYPE a counter\na{{p=\"{start}\"}} 1\n\
             # TYPE b counter\nb 1\n"
        );
        scrape(&mut crew, &[&text]);
    }
    assert!(kept_bytes(&crew.carry) <= 2_000);
    assert!(crew.muster().lost_series > 0);
    // What has its place goes on.
    assert_eq!(value(&crew, "b"), "40");
}

#[test]
fn what_is_held_of_series_that_come_and_go_is_bounded() {
    let mut crew = Crew::new(1, None, 8_000);
    for user in 0..100 {
        let text = format!(
            "process_start_time_seconds 10.5\n# TYPE a counter\na{{user=\"{user}\"}} 1\n\
             # TYPE b counter\nb {user}\n"
        );
        scrape(&mut crew, &[&text]);
    }
    assert!(kept_bytes(&crew.slots[0].held) <= 2_000);
    assert!(crew.slots[0].tally.points().count() < 30);
    assert!(crew.muster().lost_series > 0);
    assert_eq!(value(&crew, "b"), "99");
}
