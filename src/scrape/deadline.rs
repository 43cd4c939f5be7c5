//! Reads how long a scraper will wait, and leaves time to answer it.

use http::HeaderValue;
use std::time::Duration;
use tokio::time::Instant;

/// The header in which a scraper says how many seconds it will wait, and in which we tell the
/// sources how long we will.
pub(crate) const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// When the sources must have answered, by the value of a scraper's [`TIMEOUT`] that was read at
/// `now`.
///
/// Half a second of it is kept for merging and sending the answer, as `blackbox_exporter` keeps it,
/// but never more than a tenth: of 10 s the sources get 9.5 s, of 1 s they get 0.9 s. Without the
/// header, or with a value that no scraper means (not a number, not above zero, beyond an hour),
/// Prometheus's default of 10 s is taken. Below 100 ms nothing would ever answer, so that is the
/// least.
pub(crate) fn deadline(timeout: Option<&HeaderValue>, now: Instant) -> Instant {
    let timeout = timeout.and_then(read).unwrap_or(DEFAULT).max(LEAST);
    now + timeout.saturating_sub(MARGIN.min(timeout / 10))
}

fn read(timeout: &HeaderValue) -> Option<Duration> {
    let seconds: f64 = timeout.to_str().ok()?.trim().parse().ok()?;
    let timeout = Duration::try_from_secs_f64(seconds).ok()?;
    (seconds > 0.0 && timeout <= MOST).then_some(timeout)
}

const DEFAULT: Duration = Duration::from_secs(10);
const MARGIN: Duration = Duration::from_millis(500);
const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn given(timeout: &str) -> Duration {
        let now = Instant::now();
        deadline(Some(&HeaderValue::from_str(timeout).unwrap()), now) - now
    }

    #[test]
    fn half_a_second_is_kept_but_never_more_than_a_tenth() {
        assert_eq!(given("10"), Duration::from_millis(9_500));
        assert_eq!(given("60.5"), Duration::from_secs(60));
        assert_eq!(given("5.000000"), Duration::from_millis(4_500));
        assert_eq!(given("1"), Duration::from_millis(900));
        assert_eq!(given(" 2e0 "), Duration::from_millis(1_800));
        assert_eq!(given("3600"), Duration::from_millis(3_599_500));
    }

    #[test]
    fn nonsense_is_ten_seconds() {
        let values = [
            "", "0", "-0", "-1", "NaN", "inf", "-inf", "1e300", "3601", "10s", "1,5", "\u{ff}",
            "ten",
        ];
        for value in values {
            assert_eq!(given(value), Duration::from_millis(9_500), "{value:?}");
        }
        let now = Instant::now();
        assert_eq!(deadline(None, now) - now, Duration::from_millis(9_500));
    }

    #[test]
    fn less_than_a_tenth_of_a_second_is_a_tenth_of_a_second() {
        for value in ["0.1", "0.01", "1e-300"] {
            assert_eq!(given(value), Duration::from_millis(90), "{value:?}");
        }
    }
}
