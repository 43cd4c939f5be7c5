//! What one process has counted so far, in a form in which two scrapes can be compared: whether
//! they are of one process, and where it began to count anew.

use std::collections::HashSet;

use super::buckets::place;
use super::rules::{is_start, lasts};
use crate::exposition::labels::{hash_all, hash_bytes};
use crate::exposition::model::{Exposition, Family, Kind, Sample, Suffix};

/// The counts of one process at one time.
///
/// A *point* is what only makes sense together: a counter, or the buckets, sum and count of one
/// label set. Its key is the same for as long as this program runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Sorted by point and series.
    readings: Vec<Reading>,
    /// When the process says that it started, in seconds since the epoch.
    pub(crate) start: Option<f64>,
    /// Its process id, hashed.
    pub(crate) pid: Option<u64>,
    /// The labels of `target_info`, hashed: another one's may be the same.
    pub(crate) target: Option<u64>,
    /// Whether samples were lost, so that what is missing may be there all the same.
    patchy: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    point: u64,
    series: u64,
    value: f64,
    /// Whether it is the time at which the point began.
    start: bool,
}

impl Tally {
    /// Reads the counts, and who the process says that it is.
    pub(crate) fn of(exposition: &Exposition<'_>) -> Self {
        let mut tally =
            Self { patchy: exposition.problems.dropped().total() > 0, ..Self::default() };
        for family in &exposition.families {
            tally.identify(family);
            if is_told(family) {
                let readings = family.samples.iter().filter_map(|sample| reading(family, sample));
                tally.readings.extend(readings);
            }
        }
        tally.readings.sort_by_key(Reading::key);
        tally.readings.dedup_by_key(|reading| reading.key());
        tally
    }

    /// Whether samples were lost, so that what is missing may be there all the same.
    pub(crate) fn is_patchy(&self) -> bool {
        self.patchy
    }

    /// Who the process is, without what it counted.
    pub(crate) fn without_counts(self) -> Self {
        Self { readings: Vec::new(), ..self }
    }

    /// Grows with every count, so that of two scrapes of one process the later has no smaller one.
    pub(crate) fn size(&self) -> f64 {
        self.readings.iter().filter(|r| !r.start && r.value.is_finite()).map(|r| r.value).sum()
    }

    /// The keys of its points.
    pub(crate) fn points(&self) -> impl Iterator<Item = u64> {
        self.readings.iter().map(|reading| reading.point)
    }

    /// Whether a point is counted here.
    pub(crate) fn has(&self, point: u64) -> bool {
        self.readings
            .binary_search_by(|reading| reading.point.cmp(&point).then(std::cmp::Ordering::Greater))
            .is_err_and(|at| self.readings.get(at).is_some_and(|reading| reading.point == point))
    }

    /// What is different in a later scrape.
    pub(crate) fn change(&self, later: &Self) -> Change {
        let mut change = Change::default();
        let mut others = later.readings.as_slice();
        for point in self.readings.chunk_by(|a, b| a.point == b.point) {
            let key = point[0].point;
            let behind = others.partition_point(|reading| reading.point < key);
            others = &others[behind..];
            let end = others.partition_point(|reading| reading.point == key);
            let (same, rest) = others.split_at(end);
            others = rest;
            let counted = point.iter().any(|reading| !reading.start && reading.value > 0.0);
            if same.is_empty() {
                change.missing.insert(key);
                change.less += usize::from(counted);
                continue;
            }
            let mut without = false;
            for reading in point {
                match same.binary_search_by_key(&reading.series, |other| other.series) {
                    Ok(at) if reading.went_back(&same[at]) => {
                        change.lower.insert(key);
                    }
                    Ok(at) => change.equal += usize::from(same[at].value <= reading.value),
                    Err(_) => without = true,
                }
            }
            // Other buckets than before make another histogram.
            if without && !later.patchy {
                change.lower.insert(key);
            }
            let less = change.lower.contains(&key);
            change.less += usize::from(counted && less);
            change.not_less += usize::from(counted && !less);
        }
        change
    }

    /// Takes over what `earlier` has and this has not, but for the points `without`.
    pub(crate) fn with_missing_of(mut self, earlier: &Self, without: &HashSet<u64>) -> Self {
        let known: HashSet<(u64, u64)> = self.readings.iter().map(Reading::key).collect();
        let missing =
            earlier.readings.iter().copied().filter(|reading| {
                !known.contains(&reading.key()) && !without.contains(&reading.point)
            });
        let missing: Vec<Reading> = missing.collect();
        if !missing.is_empty() {
            self.readings.extend(missing);
            self.readings.sort_by_key(Reading::key);
        }
        self
    }

    fn identify(&mut self, family: &Family<'_>) {
        let Some(first) = family.samples.first() else { return };
        match family.name() {
            "process_start_time_seconds" => self.start = Some(first.value.as_f64()),
            "process_pid" | "process_id" => {
                self.pid = Some(hash_bytes(b"pid", first.value.to_text().as_bytes()));
            }
            "target_info" => self.target = Some(hash_all(first.labels.as_str(), None)),
            _ => {}
        }
    }
}

impl Reading {
    fn key(&self) -> (u64, u64) {
        (self.point, self.series)
    }

    fn went_back(&self, later: &Self) -> bool {
        // Formats tell a time to the nanosecond or to the millisecond.
        let moved = (later.value - self.value).abs() > 0.001;
        if self.start { moved } else { later.value < self.value }
    }
}

/// What is different between two scrapes of what may be one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// Points that count less than before, or from another time on, or in other buckets.
    pub(crate) lower: HashSet<u64>,
    /// Points that are not there any more.
    pub(crate) missing: HashSet<u64>,
    /// Series that have not changed.
    pub(crate) equal: usize,
    /// Of the points that had counted something, how many count less or are missing.
    less: usize,
    /// Of them, the others.
    not_less: usize,
}

impl Change {
    /// Whether everything that was counted still is.
    pub(crate) fn only_grew(&self) -> bool {
        self.lower.is_empty() && self.missing.is_empty()
    }

    /// Whether it looks as if all of it was counted anew, or by another process, rather than a
    /// series or two: more than a quarter of what had counted has fallen.
    pub(crate) fn looks_like_another(&self) -> bool {
        self.less * 3 > self.not_less
    }
}

/// Whether a family is looked at: counts that outlive their process in a sum.
pub(super) fn is_told(family: &Family<'_>) -> bool {
    lasts(&family.name, family.kind)
}

/// The key of the point that a sample is part of.
pub(super) fn point(family: &Family<'_>, sample: &Sample<'_>) -> u64 {
    let labels =
        if sample.suffix == Suffix::Bucket { place(sample, &family.bounds).0 } else { sample.hash };
    hash_bytes(family.name.as_bytes(), &labels.to_le_bytes())
}

fn reading(family: &Family<'_>, sample: &Sample<'_>) -> Option<Reading> {
    let start = sample.suffix == Suffix::Created
        || family.kind != Kind::Counter && sample.suffix == Suffix::Bare && is_start(&family.name);
    let counted = match (family.kind, sample.suffix) {
        // A sum falls when something below zero is observed, and a quantile as it likes.
        (Kind::Histogram | Kind::Summary, Suffix::Sum) | (Kind::Summary, Suffix::Bare) => false,
        _ => true,
    };
    counted.then(|| Reading {
        point: point(family, sample),
        series: sample.hash.wrapping_add(sample.suffix as u64),
        value: sample.value.as_f64(),
        start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{InputFormat, parse};

    fn tally(body: &str) -> Tally {
        Tally::of(&parse(body.as_bytes(), InputFormat::Unknown))
    }

    fn change(before: &str, after: &str) -> (usize, usize, usize) {
        let change = tally(before).change(&tally(after));
        (change.lower.len(), change.missing.len(), change.equal)
    }

    #[test]
    fn counts_that_grow_are_of_one_process() {
        let before = "# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 1\n# TYPE g gauge\ng 9\n";
        let after =
            "# TYPE g gauge\ng 1\n# TYPE a counter\na{x=\"2\"} 1\na{x=\"1\"} 4\na{x=\"3\"} 1\n";
        assert_eq!(change(before, after), (0, 0, 1));
        assert_eq!(change(after, before), (1, 1, 1));
    }

    #[test]
    fn a_histogram_is_lower_as_a_whole() {
        let of = |one: u32, all: u32, sum: &str| {
            format!(
                "# TYPE h histogram\nh_bucket{{le=\"1\"}} {one}\nh_bucket{{le=\"+Inf\"}} {all}\n\
                 h_sum {sum}\nh_count {all}\n"
            )
        };
        assert_eq!(change(&of(1, 3, "4.5"), &of(1, 4, "-9")).0, 0);
        assert_eq!(change(&of(1, 3, "4.5"), &of(2, 2, "9")).0, 1);
        let other =
            "# TYPE h histogram\nh_bucket{le=\"2\"} 5\nh_bucket{le=\"+Inf\"} 5\nh_count 5\n";
        assert_eq!(change(&of(1, 3, "1"), other).0, 1);
        // The line of a bucket is spoilt: nothing is known to have fallen.
        let spoilt =
            "# TYPE h histogram\nh_bucket{le=\"1\"} x\nh_bucket{le=\"+Inf\"} 5\nh_count 5\n";
        assert_eq!(change(&of(1, 3, "1"), spoilt).0, 0);
    }

    #[test]
    fn a_counter_that_began_at_another_time_is_another_one() {
        let of = |value: u32, created: &str| {
            format!("# TYPE a counter\na_total {value}\na_created {created}\n# EOF\n")
        };
        assert_eq!(change(&of(3, "1700000000.25"), &of(4, "1700000000.250001")).0, 0);
        assert_eq!(change(&of(3, "1700000000.25"), &of(4, "1700000010.25")).0, 1);
    }

    #[test]
    fn who_the_process_is_stands_in_its_start_time_and_its_marks() {
        let one = tally("process_start_time_seconds 1.7e9\ntarget_info{instance=\"a\"} 1\n");
        let two = tally("process_start_time_seconds 1.7e9\ntarget_info{instance=\"b\"} 1\n");
        assert_eq!(one.start, Some(1.7e9));
        assert!(one.target.is_some() && one.target != two.target);
        let other = tally("process_pid 7\n");
        assert!(other.pid.is_some() && other.start.is_none() && other.target.is_none());
    }

    #[test]
    fn what_is_missing_can_be_taken_over() {
        let whole = tally("a_total 2\nb_total 3\n");
        let part = tally("a_total 4\n").with_missing_of(&whole, &HashSet::new());
        assert_eq!(whole.change(&part).missing.len(), 0);
        let points: Vec<u64> = whole.readings.iter().map(|r| r.point).collect();
        assert!(points.iter().all(|point| part.has(*point)) && !part.has(7));
    }
}
