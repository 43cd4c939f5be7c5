//! Adds up the CPU time of the app's processes so that the sum never falls, whoever dies.
//!
//! A parent that waits for a child takes over its time, so short-lived ones are in the sum although
//! nobody has seen them. What a process has used whose parent is not there to do so is kept here.

use super::proc::Task;
use std::collections::{BTreeSet, HashMap};

/// What is known of the app's processes from one reading to the next.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of each process that is alive and was the app's, its time and what it has taken over.
    known: HashMap<(u32, u64), (u64, u64)>,
    /// Ticks that nobody alive accounts for.
    gone: u64,
    /// The largest sum so far.
    told: u64,
}

impl Tally {
    /// The app's CPU time in ticks. `tasks` are all processes, of which those `chosen` are the app's.
    pub(super) fn ticks(&mut self, tasks: &[Task], chosen: &BTreeSet<u32>) -> u64 {
        let alive: HashMap<(u32, u64), (u64, u64)> =
            tasks.iter().map(|task| (task.id(), (task.ticks, task.waited_ticks))).collect();
        let (mut lost, mut taken_over) = (0_u64, 0_u64);
        self.known.retain(|id, (ticks, waited)| {
            let Some((_, waited_now)) = alive.get(id) else {
                lost = lost.saturating_add(*ticks).saturating_add(*waited);
                return false;
            };
            taken_over = taken_over.saturating_add(waited_now.saturating_sub(*waited));
            true
        });
        self.gone = self.gone.saturating_add(lost.saturating_sub(taken_over));
        let of_app = tasks.iter().filter(|task| chosen.contains(&task.pid)).map(Task::id);
        // One that is the app's no more, but alive, has used what it has.
        for id in self.known.keys().copied().chain(of_app).collect::<Vec<_>>() {
            if let Some(times) = alive.get(&id) {
                self.known.insert(id, *times);
            }
        }
        let used = self.known.values().map(|(ticks, waited)| ticks.saturating_add(*waited));
        let sum = used.fold(self.gone, u64::saturating_add);
        // A child may be read just before its end and its parent just after.
        self.told = self.told.max(sum);
        self.told
    }
}

impl Task {
    /// What no other process ever has.
    pub(super) fn id(&self) -> (u32, u64) {
        (self.pid, self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task(pid: u32, started: u64, ticks: u64, waited_ticks: u64) -> Task {
        Task {
            pid,
            parent: 1,
            name: String::new(),
            started,
            ticks,
            waited_ticks,
            resident_bytes: 0,
            virtual_bytes: 0,
        }
    }

    fn all(tasks: &[Task]) -> BTreeSet<u32> {
        tasks.iter().map(|task| task.pid).collect()
    }

    #[test]
    fn a_worker_that_dies_stays_in_the_sum_once() {
        let mut tally = Tally::default();
        let mut ticks = |tasks: &[Task]| tally.ticks(tasks, &all(tasks));
        assert_eq!(ticks(&[task(1, 1, 10, 0), task(2, 2, 100, 0)]), 110);
        // It used five more before it was waited for.
        assert_eq!(ticks(&[task(1, 1, 10, 105)]), 115);
        assert_eq!(ticks(&[task(1, 1, 10, 105), task(2, 9, 3, 0)]), 118);
        // Nobody waits for this one.
        assert_eq!(ticks(&[task(1, 1, 11, 105)]), 119);
        // The app starts over.
        assert_eq!(ticks(&[]), 119);
        assert_eq!(ticks(&[task(3, 20, 4, 0)]), 123);
    }

    #[test]
    fn a_process_that_is_the_apps_again_counts_once() {
        let mut tally = Tally::default();
        let tasks = [task(1, 1, 10, 0), task(2, 2, 100, 0)];
        assert_eq!(tally.ticks(&tasks, &BTreeSet::from([1, 2])), 110);
        assert_eq!(tally.ticks(&tasks, &BTreeSet::from([1])), 110);
        assert_eq!(tally.ticks(&tasks, &BTreeSet::from([1, 2])), 110);
    }

    proptest! {
        #[test]
        fn the_sum_never_falls_and_never_exceeds_what_was_used(
            steps in proptest::collection::vec((0u32..6, 0u64..20, 0u8..4), 1..80),
        ) {
            let mut tally = Tally::default();
            // The first is the parent of the others, and waits for some of them.
            let mut tasks = vec![task(1, 0, 0, 0)];
            let (mut told, mut used, mut started) = (0, 0, 1);
            for (pid, more, what) in steps {
                let at = tasks.iter().position(|task| task.pid == pid + 2);
                match (at, what) {
                    (None, _) => {
                        started += 1;
                        tasks.push(task(pid + 2, started, 0, 0));
                    }
                    (Some(at), 0 | 1) => {
                        tasks[at].ticks += more;
                        used += more;
                    }
                    (Some(at), 2) => {
                        let child = tasks.remove(at);
                        tasks[0].waited_ticks += child.ticks;
                    }
                    (Some(at), _) => drop(tasks.remove(at)),
                }
                let sum = tally.ticks(&tasks, &all(&tasks));
                prop_assert!(sum >= told && sum <= used, "{sum} after {told}, {used} used");
                told = sum;
            }
        }
    }
}
