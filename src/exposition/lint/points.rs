//! Judges what the parts of a histogram say together.

use std::collections::HashMap;

use super::rule::Rule;
use super::{Place, Report};
use crate::exposition::model::{Kind, Suffix};

/// One sample as a part of a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) suffix: Suffix,
    /// The number in `le` or `quantile`.
    pub(super) bound: Option<f64>,
    pub(super) value: f64,
    pub(super) place: Place,
}

/// The points of one family, by label set and time.
#[derive(Debug, Default)]
pub(super) struct Points(HashMap<u64, Point>);

#[derive(Debug)]
struct Point {
    place: Place,
    /// Bound and value of the last bucket.
    bucket: Option<(f64, f64)>,
    negative: bool,
    count: Option<(f64, Place)>,
    sum: Option<(f64, Place)>,
}

impl Points {
    /// Takes in a part of the point that `key` stands for.
    pub(super) fn add(&mut self, key: u64, part: Part, name: &str, report: &mut Report) {
        let Part { suffix, bound, value, place } = part;
        let fresh = Point { place, bucket: None, negative: false, count: None, sum: None };
        let point = self.0.entry(key).or_insert(fresh);
        match (suffix, bound) {
            (Suffix::Bucket, Some(bound)) => {
                if let Some((last, counted)) = point.bucket {
                    if bound <= last {
                        report.add(place, Rule::BucketOrder, Some(name.to_owned()));
                    } else if value < counted {
                        report.add(place, Rule::FallingBuckets, Some(name.to_owned()));
                    }
                }
                point.bucket = Some((bound, value));
                point.negative |= bound < 0.0;
                point.place = place;
            }
            (Suffix::Count | Suffix::GaugeCount, _) => point.count = Some((value, place)),
            (Suffix::Sum | Suffix::GaugeSum, _) => point.sum = Some((value, place)),
            _ => {}
        }
    }

    /// Judges what can be judged once all parts are there.
    #[expect(clippy::float_cmp, reason = "readers compare exactly")]
    pub(super) fn finish(
        &mut self,
        kind: Kind,
        name: &str,
        openmetrics: bool,
        report: &mut Report,
    ) {
        if !matches!(kind, Kind::Histogram | Kind::GaugeHistogram) {
            return;
        }
        let mut points: Vec<_> = std::mem::take(&mut self.0).into_values().collect();
        points.sort_unstable_by_key(|point| point.place);
        for point in points {
            let mut say = |place, rule| report.add(place, rule, Some(name.to_owned()));
            let last = point.bucket.filter(|(bound, _)| *bound == f64::INFINITY);
            match (last, point.count) {
                // A point of which nothing but its creation is told has no buckets either.
                (None, count) if openmetrics || point.bucket.is_some() || count.is_some() => {
                    say(point.place, Rule::MissingInfinity);
                }
                (Some((_, value)), Some((count, place))) if value != count => {
                    say(place, Rule::CountMismatch);
                }
                _ => {}
            }
            if !openmetrics {
                continue;
            }
            match (point.sum, point.count) {
                (Some((_, place)), None) | (None, Some((_, place))) => say(place, Rule::SumAlone),
                _ => {}
            }
            if let Some((sum, place)) = point.sum {
                let gauge = kind == Kind::GaugeHistogram;
                if !gauge && point.negative || gauge && !point.negative && sum < 0.0 {
                    say(place, Rule::NegativeSum);
                }
            }
        }
    }
}
