//! Reads a percentile out of a histogram's buckets as `PromQL`'s `histogram_quantile` does.

/// The `q`-quantile of cumulative buckets `(upper bound, count)`, ascending, the infinite one last;
/// NaN where there is none to tell: no value was counted, or the last bound is not infinite.
///
/// Values are taken to lie evenly within their bucket, and the first bucket to begin at 0. What
/// lies in the infinite bucket is told as the bound below it. (Prometheus documentation, "Query
/// functions", `histogram_quantile`.)
pub(super) fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some((&(last, total), finite)) = buckets.split_last() else { return f64::NAN };
    if last != f64::INFINITY || finite.is_empty() || total.is_nan() || total <= 0.0 {
        return f64::NAN;
    }
    let rank = q.clamp(0.0, 1.0) * total;
    let at = finite.partition_point(|&(_, count)| count < rank);
    let Some(&(end, count)) = finite.get(at) else {
        return finite.last().map_or(f64::NAN, |&(bound, _)| bound);
    };
    let (start, before) = match at.checked_sub(1) {
        Some(below) => finite[below],
        None if end <= 0.0 => return end,
        None => (0.0, 0.0),
    };
    let inside = count - before;
    // Only rank 0 meets an empty bucket.
    if inside > 0.0 { start + (end - start) * (rank - before) / inside } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[track_caller]
    fn assert_quantile(q: f64, buckets: &[(f64, f64)], expected: f64) {
        let found = quantile(q, buckets);
        assert!((found - expected).abs() < 1e-9, "{q} of {buckets:?} is {found}, not {expected}");
    }

    #[test]
    fn values_lie_evenly_within_their_bucket() {
        let buckets = [(10.0, 0.0), (20.0, 100.0), (40.0, 200.0), (INF, 200.0)];
        assert_quantile(0.5, &buckets, 20.0);
        assert_quantile(0.25, &buckets, 15.0);
        assert_quantile(0.75, &buckets, 30.0);
        assert_quantile(0.99, &buckets, 39.6);
        assert_quantile(1.0, &buckets, 40.0);
    }

    #[test]
    fn the_first_bucket_begins_at_0() {
        assert_quantile(0.5, &[(10.0, 4.0), (INF, 4.0)], 5.0);
        assert_quantile(0.0, &[(10.0, 4.0), (INF, 4.0)], 0.0);
        assert_quantile(0.5, &[(0.0, 4.0), (INF, 4.0)], 0.0);
    }

    #[test]
    fn the_infinite_bucket_is_told_as_the_bound_below_it() {
        assert_quantile(0.99, &[(10.0, 1.0), (50.0, 2.0), (INF, 10.0)], 50.0);
    }

    #[test]
    fn without_values_or_without_an_infinite_bucket_there_is_none() {
        for buckets in [
            &[][..],
            &[(INF, 5.0)],
            &[(10.0, 0.0), (INF, 0.0)],
            &[(10.0, 5.0), (20.0, 5.0)],
            &[(10.0, f64::NAN), (INF, f64::NAN)],
        ] {
            assert!(quantile(0.5, buckets).is_nan(), "{buckets:?}");
        }
    }
}
