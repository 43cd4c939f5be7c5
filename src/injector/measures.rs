//! What the webhook says of itself in numbers, `podmeter_injector_*`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::decision::Decision;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::process::Process;

/// Numbers that only grow, and a few that tell of now.
#[derive(Debug, Default)]
pub(super) struct Measures {
    reviews: Mutex<BTreeMap<(&'static str, &'static str, bool), u64>>,
    bad_requests: Mutex<BTreeMap<&'static str, u64>>,
    durations: Mutex<Durations>,
    tls_failures: AtomicU64,
    loads: [AtomicU64; 2],
    api_requests: [AtomicU64; 3],
    /// Whether certificates are of our own making, so that the rest says something.
    keeps_authority: AtomicBool,
    in_step: AtomicBool,
}

#[derive(Debug, Default)]
struct Durations {
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

/// How a question to the API server ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Ok = 0,
    Conflict = 1,
    Failed = 2,
}

impl Measures {
    pub(super) fn reviewed(&self, decision: &Decision, dry_run: bool, took: Duration) {
        let key = (decision.outcome, decision.reason, dry_run);
        *lock(&self.reviews).entry(key).or_default() += 1;
        let mut durations = lock(&self.durations);
        let bucket = BOUNDS.iter().position(|(_, micros)| took.as_micros() <= *micros);
        durations.counts[bucket.unwrap_or(BOUNDS.len())] += 1;
        durations.sum += took;
    }

    /// A review came and could not be answered.
    pub(super) fn failed(&self, reason: &'static str) {
        *lock(&self.reviews).entry(("failed", reason, false)).or_default() += 1;
    }

    /// Whether it is the first for this reason.
    pub(super) fn bad_request(&self, reason: &'static str) -> bool {
        let mut counts = lock(&self.bad_requests);
        let count = counts.entry(reason).or_default();
        *count += 1;
        *count == 1
    }

    pub(super) fn tls_failed(&self) {
        self.tls_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn loaded(&self, succeeded: bool) {
        self.loads[usize::from(!succeeded)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn asked(&self, how: Asked) {
        self.api_requests[how as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bundle_in_step(&self, is: bool) {
        self.keeps_authority.store(true, Ordering::Relaxed);
        self.in_step.store(is, Ordering::Relaxed);
    }

    /// All families, at a time in seconds since 1970.
    pub(super) fn families(&self, expires: Option<u64>, now: u64) -> Vec<Family<'static>> {
        let mut families = vec![self.reviews(), self.durations(), self.bad_requests()];
        families.push(one(
            "podmeter_injector_tls_failures_total",
            "Connections on which no TLS came about.",
            Value::Count(self.tls_failures.load(Ordering::Relaxed)),
        ));
        families.push(by_outcome(
            "podmeter_injector_certificate_loads_total",
            "Certificates that were taken into service, or could not be.",
            &["loaded", "failed"],
            &self.loads,
        ));
        if let Some(expires) = expires {
            families.push(one(
                "podmeter_injector_certificate_expiry_timestamp_seconds",
                "When the certificate in service expires, in seconds since 1970.",
                Value::Now(expires as f64),
            ));
            families.push(one(
                "podmeter_injector_certificate_expires_in_seconds",
                "Seconds until the certificate in service expires; negative once it has.",
                Value::Now(expires as f64 - now as f64),
            ));
        }
        if self.keeps_authority.load(Ordering::Relaxed) {
            families.push(by_outcome(
                "podmeter_injector_api_requests_total",
                "Requests to the API server by how they ended.",
                &["ok", "conflict", "failed"],
                &self.api_requests,
            ));
            families.push(one(
                "podmeter_injector_ca_bundle_in_step",
                "Whether the webhook configuration trusts our authorities, when last looked at.",
                Value::Now(f64::from(u8::from(self.in_step.load(Ordering::Relaxed)))),
            ));
        }
        families.extend(process());
        families
    }

    fn reviews(&self) -> Family<'static> {
        let mut family = FamilyBuilder::new(
            "podmeter_injector_reviews_total",
            Kind::Counter,
            "Reviews that were answered, by what was said and why.",
        );
        let mut reviews = lock(&self.reviews).clone();
        // So that a rate is there from the first injection on.
        for (outcome, reason) in [("injected", ""), ("refused", "allowed"), ("refused", "denied")] {
            reviews.entry((outcome, reason, false)).or_default();
        }
        for ((outcome, reason, dry_run), count) in reviews {
            let dry_run = if dry_run { "true" } else { "false" };
            let labels = [("outcome", outcome), ("reason", reason), ("dry_run", dry_run)];
            family.counter(&Labels::from_pairs(labels), count);
        }
        family.build()
    }

    fn durations(&self) -> Family<'static> {
        let mut family = FamilyBuilder::new(
            "podmeter_injector_review_duration_seconds",
            Kind::Histogram,
            "Time from a review's last byte to its answer.",
        );
        let durations = lock(&self.durations);
        let mut below = 0;
        let buckets = BOUNDS.iter().zip(durations.counts).map(|(&(le, _), count)| {
            below += count;
            (le, below)
        });
        let buckets: Vec<_> = buckets.collect();
        let count = durations.counts.iter().sum();
        family.histogram(&none(), &buckets, durations.sum.as_secs_f64(), count);
        family.build()
    }

    fn bad_requests(&self) -> Family<'static> {
        let mut family = FamilyBuilder::new(
            "podmeter_injector_bad_requests_total",
            Kind::Counter,
            "Requests that were no review to answer, by reason.",
        );
        for (reason, count) in lock(&self.bad_requests).iter() {
            family.counter(&Labels::from_pairs([("reason", *reason)]), *count);
        }
        family.build()
    }
}

#[derive(Clone, Copy)]
enum Value {
    Count(u64),
    Now(f64),
}

fn one(name: &'static str, help: &'static str, value: Value) -> Family<'static> {
    let kind = if matches!(value, Value::Count(_)) { Kind::Counter } else { Kind::Gauge };
    let mut family = FamilyBuilder::new(name, kind, help);
    match value {
        Value::Count(count) => family.counter(&none(), count),
        Value::Now(value) => family.gauge(&none(), value),
    };
    family.build()
}

fn by_outcome(
    name: &'static str,
    help: &'static str,
    outcomes: &[&str],
    counts: &[AtomicU64],
) -> Family<'static> {
    let mut family = FamilyBuilder::new(name, Kind::Counter, help);
    for (outcome, count) in outcomes.iter().zip(counts) {
        let labels = Labels::from_pairs([("outcome", *outcome)]);
        family.counter(&labels, count.load(Ordering::Relaxed));
    }
    family.build()
}

/// What every program says of itself, under the names that dashboards know.
fn process() -> [Family<'static>; 6] {
    let process = Process::read();
    let mut build =
        FamilyBuilder::new("podmeter_build_info", Kind::Gauge, "1, with the version as a label.");
    build.gauge(&Labels::from_pairs([("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    let mut cpu = FamilyBuilder::new(
        "process_cpu_seconds_total",
        Kind::Counter,
        "CPU time used, in seconds.",
    );
    cpu.gauge(&none(), process.cpu.as_secs_f64());
    let now = |name, help, value| one(name, help, Value::Now(value));
    [
        build.build(),
        cpu.build(),
        now(
            "process_resident_memory_bytes",
            "Memory that is resident, in bytes.",
            process.resident_bytes as f64,
        ),
        now("process_open_fds", "File descriptors that are open.", process.open_fds as f64),
        now("process_max_fds", "File descriptors that may be open.", process.max_fds as f64),
        now(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            process.started.as_secs_f64(),
        ),
    ]
}

fn none() -> Labels {
    Labels::from_pairs::<&str, &str>([])
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Whatever panicked, a count is a count.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In seconds, as they are shown, and in microseconds. A review takes well below a millisecond.
const BOUNDS: [(&str, u128); 10] = [
    ("0.0001", 100),
    ("0.00025", 250),
    ("0.0005", 500),
    ("0.001", 1_000),
    ("0.0025", 2_500),
    ("0.005", 5_000),
    ("0.01", 10_000),
    ("0.05", 50_000),
    ("0.25", 250_000),
    ("1.0", 1_000_000),
];
