//! The law of a crew: the sum is what every process that ever ran was last heard to say.

use super::*;
use crate::exposition::{GaugeRules, Member, sum};
use bytes::Bytes;
use proptest::prelude::*;

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
    let of = |a: u32, b: u32, c: u32| {
        format!("# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n# TYPE c counter\nc {c}\n")
    };
    scrape(&mut crew, &[&of(5, 5, 5)]);
    scrape(&mut crew, &[&of(4, 5, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("9", "5"));
    assert_eq!((value(&crew, "c").as_str(), crew.muster().known), ("6", 1));
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
    let of = |a: u32, b: u32| {
        format!(
            "process_start_time_seconds 1.7e9\n# TYPE a counter\na {a}\n# TYPE b counter\nb {b}\n"
        )
    };
    scrape(&mut crew, &[&of(5, 5)]);
    scrape(&mut crew, &[&of(2, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("7", "6"));
    scrape(&mut crew, &[&of(3, 6)]);
    assert_eq!((value(&crew, "a").as_str(), value(&crew, "b").as_str()), ("8", "6"));
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

/// What happens to one of the processes.
#[derive(Debug, Clone)]
enum Step {
    Counts(usize, usize, u64),
    Observes(usize, f64),
    Answers(usize),
    IsKilled(usize),
    NextScrape,
}

#[derive(Debug, Clone)]
struct Process {
    start: u64,
    counts: [u64; 2],
    seconds: f64,
    heard: Option<([u64; 2], f64)>,
}

impl Process {
    fn says(&self, identity: &dyn Fn(u64) -> String) -> String {
        let Self { counts: [a, b], seconds, .. } = self;
        let mut text = identity(self.start);
        text += "# TYPE a counter\n# TYPE b counter\n# TYPE s counter\n";
        for (name, count) in [("a", a), ("b", b)].into_iter().filter(|(_, count)| **count > 0) {
            text.extend([name, " ", &count.to_string(), "\n"]);
        }
        text + &format!("s {seconds:?}\n")
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_usize, 0..2_usize, 1..9_u64).prop_map(|(p, c, n)| Step::Counts(p, c, n)),
        2 => (0..3_usize, 0.0..1.0).prop_map(|(p, s)| Step::Observes(p, s)),
        6 => (0..3_usize).prop_map(Step::Answers),
        1 => (0..3_usize).prop_map(Step::IsKilled),
        2 => Just(Step::NextScrape),
    ];
    prop::collection::vec(step, 1..60)
}

/// Plays the steps; gives the sums after each answer, and those that are true.
fn play(steps: &[Step], identity: &dyn Fn(u64) -> String) -> Vec<([f64; 3], [f64; 3])> {
    let mut crew = crew(3);
    crew.begin();
    let new = |start| Process { start, counts: [0; 2], seconds: 0.0, heard: None };
    let mut started = 3;
    let mut live: Vec<Process> = (0..3).map(new).collect();
    let mut dead: Vec<Process> = Vec::new();
    let mut sums = Vec::new();
    for step in steps {
        match *step {
            Step::Counts(p, c, n) => live[p].counts[c] += n,
            Step::Observes(p, s) => live[p].seconds += s,
            Step::NextScrape => crew.begin(),
            Step::IsKilled(p) => {
                // The others were reached since the last one was killed.
                for process in &mut live {
                    crew.hear(body(&process.says(identity))).unwrap();
                    process.heard = Some((process.counts, process.seconds));
                }
                dead.push(std::mem::replace(&mut live[p], new(started)));
                started += 1;
            }
            Step::Answers(p) => {
                crew.hear(body(&live[p].says(identity))).unwrap();
                live[p].heard = Some((live[p].counts, live[p].seconds));
                let heard = || live.iter().chain(&dead).filter_map(|process| process.heard);
                let truth = [
                    heard().map(|(counts, _)| counts[0] as f64).sum(),
                    heard().map(|(counts, _)| counts[1] as f64).sum(),
                    heard().map(|(_, seconds)| seconds).sum(),
                ];
                let of = |name| value(&crew, name).parse().unwrap_or(0.0);
                sums.push(([of("a"), of("b"), of("s")], truth));
            }
        }
    }
    sums
}

/// Bodies in which everything meets everything.
fn odd() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "process_start_time_seconds 1.5\n",
        "process_start_time_seconds 2.5\n",
        "process_start_time_seconds NaN\n",
        "target_info{a=\"1\"} 1\n",
        "process_pid 7\n",
        "# TYPE a counter\n",
        "# TYPE a gauge\n",
        "# TYPE a histogram\n",
        "a 1\n",
        "a 0.5\n",
        "a NaN\n",
        "a +Inf\n",
        "a -3 5\n",
        "a{x=\"1\"} 18446744073709551615\n",
        "a_created 5\n",
        "a_created 6\n",
        "a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_count 2\na_sum 2\n",
        "a_bucket{le=\"2\"} 3\na_bucket{le=\"+Inf\"} 3\na_count 3\na_sum -2\n",
        "a_bucket{le=\"x\"} 1\n",
        "a_total 1\na_total 2\n",
        "{\"u.v\",\"w.x\"=\"1\"} 2\n",
        "junk {\n",
        "# EOF\n",
    ]);
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_what_is_kept_is_bounded(
        workers in 1..4_usize,
        said in prop::collection::vec((odd(), any::<bool>()), 0..40),
    ) {
        let mut crew = Crew::new(workers, None, 4_000);
        crew.begin();
        for (text, next) in said {
            if next {
                crew.begin();
            }
            let _ = crew.hear(body(&text));
            prop_assert!(crew.slots.len() <= 2 * workers);
            prop_assert!(kept_bytes(&crew.carry) <= 2_000);
            let words = crew.words();
            prop_assert!(words.processes.iter().filter(|word| word.live).count() <= workers);
        }
    }

    #[test]
    fn the_sum_is_what_every_process_was_last_heard_to_say(steps in steps()) {
        let identity = |start| format!("process_start_time_seconds {start}.25\n");
        let distinct = |start: u64| identity(start * 1_000);
        let mut last = [0.0; 3];
        for (sum, truth) in play(&steps, &distinct) {
            prop_assert_eq!(&sum[..2], &truth[..2]);
            prop_assert!((sum[2] - truth[2]).abs() < 1e-9);
            // Not even by its last bit.
            prop_assert!(sum.iter().zip(&last).all(|(now, before)| now >= before), "{:?}", sum);
            last = sum;
        }
    }

    #[test]
    fn without_anything_to_tell_processes_apart_the_sum_still_never_falls(steps in steps()) {
        let mut last = [0.0; 3];
        for (sum, _) in play(&steps, &|_| String::new()) {
            prop_assert!(sum.iter().zip(&last).all(|(now, before)| now >= before), "{:?}", sum);
            last = sum;
        }
    }
}
