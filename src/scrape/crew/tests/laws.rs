//! Processes that count, answer and are killed in any order.

use super::*;
use proptest::prelude::*;

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
        limit in 100..4_000_u64,
        said in prop::collection::vec((odd(), any::<bool>()), 0..40),
    ) {
        let mut crew = Crew::new(workers, None, limit);
        crew.begin();
        for (text, next) in said {
            if next {
                crew.begin();
            }
            let _ = crew.hear(body(&text));
            prop_assert!(crew.slots.len() <= 2 * workers);
            prop_assert!(kept_bytes(&crew.carry) <= limit / 2);
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
