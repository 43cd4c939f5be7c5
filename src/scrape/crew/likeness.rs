//! Tells by what two scrapes say of their process, counts aside, whether it may be the same.

use crate::exposition::Tally;

/// How sure it is that two scrapes are of one process, counts aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// They are not.
    Other,
    /// Nothing speaks against it.
    Maybe,
    /// They started at the same time, which forked processes may.
    Alike,
    /// They have the same process id besides.
    Same,
}

/// Compares who they say that they are.
pub(super) fn likeness(one: &Tally, other: &Tally) -> Likeness {
    let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
    if differ(one.pid, other.pid) || differ(one.target, other.target) {
        return Likeness::Other;
    }
    match (one.start, other.start) {
        (Some(a), Some(b)) if a.total_cmp(&b).is_eq() => {
            if one.pid.is_some() && other.pid.is_some() { Likeness::Same } else { Likeness::Alike }
        }
        // Some libraries take the machine's start time anew each time, in whole seconds that the
        // kernel may round to one side and to the other. Others tell whole seconds, once.
        (Some(a), Some(b)) if a.fract() != 0.0 && is_whole_step(a - b) => Likeness::Maybe,
        (Some(_), Some(_)) => Likeness::Other,
        _ => Likeness::Maybe,
    }
}

fn is_whole_step(seconds: f64) -> bool {
    let seconds = seconds.abs();
    (0.5..2.5).contains(&seconds) && (seconds - seconds.round()).abs() < 0.001
}
