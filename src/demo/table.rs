//! The demo's table and the sentence that is drawn from it.

use super::reading::Traffic;
use std::fmt::Write;

/// What the table shows of one workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// What the workload is to the release.
    pub(super) role: &'a str,
    /// Requests since the start.
    pub(super) requests: f64,
    /// What passed in the time that the table is about.
    pub(super) traffic: &'a Traffic,
}

/// The table, each line ended.
pub(super) fn table(rows: &[Row<'_>]) -> String {
    let mut table = format!(
        "{:<9}{:>10}{:>11}{:>11}{:>11}{:>11}\n",
        "", "requests", "rate", "success", "p50", "p99"
    );
    for row in rows {
        let traffic = row.traffic;
        // A string takes whatever is written to it.
        let _ = writeln!(
            table,
            "{:<9}{:>10.0}{:>11}{:>11}{:>11}{:>11}",
            row.role,
            row.requests,
            with_unit(traffic.rate(), "/s"),
            with_unit(traffic.success(), " %"),
            with_unit(traffic.latency(0.5), " ms"),
            with_unit(traffic.latency(0.99), " ms"),
        );
    }
    table
}

/// What a release controller would make of it, in one sentence.
pub(super) fn verdict(primary: &Traffic, canary: &Traffic) -> String {
    if primary.requests.min(canary.requests) < ENOUGH {
        return format!(
            "Too few requests to tell the canary from the primary: {:.0} and {:.0}, and {ENOUGH} \
             of each are wanted.",
            canary.requests, primary.requests
        );
    }
    let failing = canary.success() < LEAST_SUCCESS;
    let slow = canary.latency(0.99) > MOST_MILLIS;
    let found = format!(
        "The canary answers {:.1} % of its requests with 5xx, the primary {:.1} %, and its 99th \
         percentile is {:.0} ms, the primary's {:.0} ms",
        canary.failed(),
        primary.failed(),
        canary.latency(0.99),
        primary.latency(0.99)
    );
    let asked = match (failing, slow) {
        (true, true) => {
            format!("{LEAST_SUCCESS} % of success and {MOST_MILLIS} ms would roll it back")
        }
        (true, false) => format!("{LEAST_SUCCESS} % of success would roll it back"),
        (false, true) => format!("{MOST_MILLIS} ms would roll it back"),
        (false, false) => {
            format!("{LEAST_SUCCESS} % of success and {MOST_MILLIS} ms would go on with it")
        }
    };
    format!("{found}: a release controller that asks for {asked}.")
}

/// A number with one digit behind the point; `-` where there is none to tell.
fn with_unit(value: f64, unit: &str) -> String {
    if value.is_finite() { format!("{value:.1}{unit}") } else { "-".to_owned() }
}

/// Requests of each before anything is concluded from them.
const ENOUGH: f64 = 50.0;
/// The thresholds of Flagger's own examples: success in per cent, and the 99th percentile.
const LEAST_SUCCESS: f64 = 99.0;
const MOST_MILLIS: f64 = 500.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(requests: f64, failures: f64, millis: f64) -> Traffic {
        Traffic::new(10.0, requests, failures, vec![(millis, requests), (f64::INFINITY, requests)])
    }

    #[test]
    fn the_table_says_rate_success_and_percentiles() {
        let (primary, canary) = (traffic(2000.0, 0.0, 10.0), traffic(1000.0, 32.0, 100.0));
        let rows = [
            Row { role: "primary", requests: 4000.0, traffic: &primary },
            Row { role: "canary", requests: 2000.0, traffic: &canary },
        ];
        assert_eq!(
            table(&rows),
            "           requests       rate    success        p50        p99\n\
             primary        4000    200.0/s    100.0 %     5.0 ms     9.9 ms\n\
             canary         2000    100.0/s     96.8 %    50.0 ms    99.0 ms\n"
        );
    }

    #[test]
    fn without_requests_there_is_nothing_to_tell() {
        let nothing = Traffic::default();
        let rows = [Row { role: "canary", requests: 0.0, traffic: &nothing }];
        let row = "canary            0          -          -          -          -\n";
        assert!(table(&rows).ends_with(row), "{}", table(&rows));
    }

    #[test]
    fn the_verdict_names_what_would_roll_the_canary_back() {
        let primary = traffic(2000.0, 0.0, 10.0);
        for (canary, end) in [
            (traffic(1000.0, 32.0, 100.0), "asks for 99 % of success would roll it back."),
            (traffic(1000.0, 1.0, 1000.0), "asks for 500 ms would roll it back."),
            (
                traffic(1000.0, 32.0, 1000.0),
                "asks for 99 % of success and 500 ms would roll it back.",
            ),
            (
                traffic(1000.0, 1.0, 100.0),
                "asks for 99 % of success and 500 ms would go on with it.",
            ),
        ] {
            let verdict = verdict(&primary, &canary);
            assert!(verdict.ends_with(end), "{verdict}");
            assert!(!verdict.contains('\n'), "{verdict}");
        }
        let verdict = verdict(&primary, &traffic(1000.0, 32.0, 100.0));
        let found = "The canary answers 3.2 % of its requests with 5xx, the primary 0.0 %, and its \
                     99th percentile is 99 ms, the primary's 10 ms";
        assert!(verdict.starts_with(found), "{verdict}");
    }

    #[test]
    fn of_a_handful_of_requests_nothing_is_concluded() {
        let verdict = verdict(&traffic(2000.0, 0.0, 10.0), &traffic(7.0, 7.0, 10.0));
        let start = "Too few requests to tell the canary from the primary: 7 and 2000";
        assert!(verdict.starts_with(start), "{verdict}");
    }
}
