//! Every sample that traffic moves, held against the account of the traffic.

use std::collections::BTreeMap;

use podmeter::exposition::Format;

use crate::account::account;
use crate::expected::Series;
use crate::process::eventually;
use crate::scrape::Scrape;
use crate::traffic::{Carried, carry};

#[test]
fn every_sample_of_every_dialect_is_what_the_traffic_came_to() {
    let carried = carry("");
    let scrape = when_drained(&carried);
    let mut expected = account(&carried).0;
    let mut wrong = Vec::new();
    for line in scrape.lines().iter().filter(|line| is_of_traffic(&line.name)) {
        let labels: BTreeMap<_, _> = line.labels.clone().into_iter().collect();
        let series: Series = (line.name.clone(), labels);
        match expected.remove(&series) {
            Some(range) if range.contains(line.value) => {}
            Some(range) => wrong.push(format!("{series:?} is {}, not {range:?}", line.value)),
            None => wrong.push(format!("{series:?} is there: {}", line.value)),
        }
    }
    wrong.extend(expected.keys().map(|series| format!("{series:?} is not there")));
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// The stats once no connection is carried any more.
pub(crate) fn when_drained(carried: &Carried) -> Scrape {
    let stats = carried.proxy.stats.expect("the stats are on");
    eventually("everything has drained", || {
        let scrape = Scrape::of(stats, Format::TEXT);
        match scrape.sum("podmeter_connections_active", &[]) {
            0.0 => Ok(scrape),
            busy => Err(format!("{busy} connections are open")),
        }
    })
}

/// What depends on the process rather than on what passed.
fn is_of_traffic(name: &str) -> bool {
    ![
        "istio_build",
        "envoy_server_",
        "podmeter_build_info",
        "podmeter_process_",
        "podmeter_app_",
        "podmeter_websocket_",
        "podmeter_loops_refused_total",
        "podmeter_series_overflow_total",
    ]
    .iter()
    .any(|other| name.starts_with(other))
}
