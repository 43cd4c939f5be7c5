//! What a scrape says of a workload, and what passed between two scrapes.
//!
//! The series are chosen as Flagger's queries choose them: `reporter="destination"`, the workload
//! and its namespace; a failure is a `response_code` that begins with 5.

use super::quantile::quantile;
use crate::clock::Nanos;
use crate::exposition::{Exposition, Suffix};

/// A workload's counters at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// When the scrape was answered.
    pub(super) at: Nanos,
    /// Requests since the sidecar started.
    pub(super) requests: f64,
    failures: f64,
    /// Cumulative: milliseconds and how many took at most so long, ascending.
    buckets: Vec<(f64, f64)>,
    /// What the worker beside the app says of itself, if it says anything.
    pub(super) jobs: Option<f64>,
}

/// What passed between two readings.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// Time between them.
    pub(super) seconds: f64,
    /// Requests.
    pub(super) requests: f64,
    /// Of these, how many were answered with 5xx.
    pub(super) failures: f64,
    buckets: Vec<(f64, f64)>,
}

impl Reading {
    /// Picks what is said of `workload` in `namespace`.
    pub(super) fn of(
        exposition: &Exposition<'_>,
        namespace: &str,
        workload: &str,
        at: Nanos,
    ) -> Self {
        let mut reading = Self { at, ..Self::default() };
        for family in &exposition.families {
            for sample in family.samples() {
                let labels = family.labels(sample);
                let label = |name: &str| {
                    labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
                };
                let is_ours = || {
                    label("reporter") == "destination"
                        && label("destination_workload") == workload
                        && label("destination_workload_namespace") == namespace
                };
                let value = sample.value().as_f64();
                match (family.name(), sample.suffix()) {
                    (REQUESTS, Suffix::Bare) if is_ours() => {
                        reading.requests += value;
                        if label("response_code").starts_with('5') {
                            reading.failures += value;
                        }
                    }
                    (DURATIONS, Suffix::Bucket) if is_ours() => {
                        if let Ok(bound) = label("le").parse() {
                            reading.add_bucket(bound, value);
                        }
                    }
                    (JOBS, Suffix::Bare) => *reading.jobs.get_or_insert(0.0) += value,
                    _ => {}
                }
            }
        }
        reading
    }

    fn add_bucket(&mut self, bound: f64, count: f64) {
        match self.buckets.binary_search_by(|(known, _)| known.total_cmp(&bound)) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (bound, count)),
        }
    }

    /// What passed since an `earlier` reading.
    pub(super) fn since(&self, earlier: &Self) -> Traffic {
        let before = |bound: f64| {
            let same = |(known, _): &&(f64, f64)| known.total_cmp(&bound).is_eq();
            earlier.buckets.iter().find(same).map_or(0.0, |&(_, count)| count)
        };
        Traffic {
            seconds: self.at.since(earlier.at) as f64 / 1e9,
            requests: self.requests - earlier.requests,
            failures: self.failures - earlier.failures,
            buckets: self.buckets.iter().map(|&(b, count)| (b, count - before(b))).collect(),
        }
    }
}

impl Traffic {
    /// Traffic of known numbers.
    #[cfg(test)]
    pub(super) fn new(
        seconds: f64,
        requests: f64,
        failures: f64,
        buckets: Vec<(f64, f64)>,
    ) -> Self {
        Self { seconds, requests, failures, buckets }
    }

    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.requests / self.seconds
    }

    /// The share of requests that were not answered with 5xx, in per cent.
    pub(super) fn success(&self) -> f64 {
        100.0 - self.failed()
    }

    /// The share of requests that were, in per cent.
    pub(super) fn failed(&self) -> f64 {
        self.failures / self.requests * 100.0
    }

    /// The latency in milliseconds that a share `q` of the requests kept to.
    pub(super) fn latency(&self, q: f64) -> f64 {
        quantile(q, &self.buckets)
    }
}

const REQUESTS: &str = "istio_requests_total";
const DURATIONS: &str = "istio_request_duration_milliseconds";
/// What the worker counts, see [`super::worker`].
pub(super) const JOBS: &str = "worker_jobs_total";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{InputFormat, parse};

    const SCRAPE: &str = r#"
# TYPE istio_requests_total counter
istio_requests_total{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="200"} 95
istio_requests_total{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="503"} 5
istio_requests_total{reporter="destination",destination_workload="podinfo-primary",destination_workload_namespace="demo",response_code="500"} 7
istio_requests_total{reporter="source",destination_workload="podinfo",destination_workload_namespace="demo",response_code="500"} 7
# TYPE istio_request_duration_milliseconds histogram
istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="200",le="10"} 45
istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="200",le="+Inf"} 95
istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="503",le="10"} 5
istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload="podinfo",destination_workload_namespace="demo",response_code="503",le="+Inf"} 5
# TYPE worker_jobs_total counter
worker_jobs_total{queue="mail"} 3
"#;

    fn reading(seconds: u64, text: &str) -> Reading {
        let exposition = parse(text.as_bytes(), InputFormat::Text);
        Reading::of(&exposition, "demo", "podinfo", Nanos(seconds * 1_000_000_000))
    }

    #[test]
    fn a_reading_adds_up_the_series_of_its_workload_alone() {
        let traffic = reading(12, SCRAPE).since(&reading(2, ""));
        assert!((traffic.requests - 100.0).abs() < 1e-9, "{traffic:?}");
        assert!((traffic.success() - 95.0).abs() < 1e-9, "{traffic:?}");
        assert!((traffic.failed() - 5.0).abs() < 1e-9, "{traffic:?}");
        assert!((traffic.rate() - 10.0).abs() < 1e-9, "{traffic:?}");
        assert!((traffic.latency(0.25) - 5.0).abs() < 1e-9, "{traffic:?}");
        assert_eq!(reading(0, SCRAPE).jobs, Some(3.0));
        assert_eq!(reading(0, "").jobs, None);
    }

    #[test]
    fn what_was_there_before_does_not_count() {
        let traffic = reading(12, SCRAPE).since(&reading(11, SCRAPE));
        assert!(traffic.requests.abs() < 1e-9, "{traffic:?}");
        assert!(traffic.success().is_nan() && traffic.latency(0.99).is_nan(), "{traffic:?}");
    }
}
