//! What the benchmarks and the test of memory read: 10 MB, 100,000 series.

use std::fmt::Write as _;

/// Half counters, half histograms, labels as web services have them.
pub(crate) fn body() -> Vec<u8> {
    // At once: what growing it took at most would count as memory that was there before.
    let mut text = String::with_capacity(11 << 20);
    for family in 0..50 {
        let _ = writeln!(text, "# HELP app_requests_{family}_total Requests of handler {family}.");
        let _ = writeln!(text, "# TYPE app_requests_{family}_total counter");
        for series in 0..1000 {
            let _ = writeln!(
                text,
                "app_requests_{family}_total{{method=\"GET\",path=\"/api/v1/items/{series}\",\
                 status=\"200\",instance=\"10.0.{family}.7:8080\"}} {}",
                series * 7919
            );
        }
        let _ = writeln!(text, "# TYPE app_latency_{family}_seconds histogram");
        for series in 0..100 {
            let labels =
                format!("method=\"GET\",path=\"/api/v1/items/{series}\",zone=\"eu-{family}\"");
            for (bound, le) in
                ["0.005", "0.05", "0.1", "0.5", "1", "2.5", "5", "+Inf"].iter().enumerate()
            {
                let _ = writeln!(
                    text,
                    "app_latency_{family}_seconds_bucket{{{labels},le=\"{le}\"}} {}",
                    bound * 10
                );
            }
            let _ = writeln!(text, "app_latency_{family}_seconds_sum{{{labels}}} 12.0625");
            let _ = writeln!(text, "app_latency_{family}_seconds_count{{{labels}}} 70");
        }
    }
    text.into_bytes()
}
