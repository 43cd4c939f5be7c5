//! What every dialect should say of the mix, by a simple account of it.

mod envoy;
mod istio;
mod linkerd;
mod osm;
mod own;
mod requests;

use crate::expected::{Expected, Labels};
use crate::support::PATIENCE;
use crate::told::{Exchange, Told};
use crate::traffic::Carried;

/// Every sample that traffic moves.
pub(crate) fn account(carried: &Carried) -> Expected {
    let mut expected = Expected::default();
    for (at, port) in carried.ports.iter().enumerate() {
        let told: Vec<&Told> = carried.told.iter().filter(|told| told.port == at).collect();
        istio::istio(&mut expected, port, &told);
        envoy::envoy(&mut expected, port, &told);
        linkerd::linkerd(&mut expected, port, &told);
        osm::osm(&mut expected, port, &told);
        requests::http(&mut expected, port, &told);
        requests::otel(&mut expected, port, &told);
        own::own(&mut expected, port, &told);
    }
    expected
}

/// The exchanges of a port, each with no less than the seconds that it took.
fn exchanges<'a>(told: &'a [&Told]) -> impl Iterator<Item = (&'a Exchange, f64)> {
    told.iter().filter_map(|told| {
        let exchange = told.exchange.as_ref()?;
        // What was broken off is over for the proxy when it learns of that.
        let is_whole = exchange.flags == "-";
        Some((exchange, if is_whole { seconds(told) } else { PATIENCE.as_secs_f64() }))
    })
}

fn seconds(told: &Told) -> f64 {
    told.took.as_secs_f64()
}

fn pairs(pairs: &[(&'static str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

const STANDARD: &[&str] = &[
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000",
];
