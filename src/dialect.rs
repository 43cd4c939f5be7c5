//! Shows the one recording under the names that other systems' dashboards and checks ask for.
//!
//! A dialect is a pure view of a [`Recording`]: it adds nothing, forgets nothing and knows no bytes.
//! To add one, write a file here that ends in a [`BuiltIn`], and name it in [`BUILT_IN`]: that one
//! line makes it known to `--dialect`, and has the meter count over its bounds.
//!
//! The meter counts over the bounds of all dialects, asked for or not, so what a request costs does
//! not depend on who asks.

mod buckets;
mod built_in;
mod envoy;
mod istio;
mod linkerd;
mod osm;
mod own;
mod service;

pub use built_in::{Dialect, Subject};
pub use own::Vitals;

use crate::exposition::Family;
use crate::meter::{Bounds, Layout, RouteId, Side, Snapshot};
use buckets::Buckets;
use built_in::{BuiltIn, Recording, Show};

/// Every dialect that is built in, in the order in which they are shown.
const BUILT_IN: &[BuiltIn] = &[istio::DIALECT, envoy::DIALECT, linkerd::DIALECT, osm::DIALECT];

/// The dialects that were asked for (`--dialect`), and podmeter's own families.
#[derive(Debug)]
pub struct Dialects {
    layout: Layout,
    asked: Vec<Box<dyn Show>>,
    /// For an operator's eye, whether or not Prometheus is shown it.
    envoy: Box<dyn Show>,
}

impl Dialects {
    /// Dialects about `subject` over recordings of the given layout.
    pub fn new(names: &[Dialect], subject: &Subject<'_>, layout: &Layout) -> Self {
        let asked = BUILT_IN.iter().filter(|known| names.iter().any(|name| name.is(known)));
        Self {
            layout: layout.clone(),
            asked: asked.map(|dialect| (dialect.make)(subject)).collect(),
            envoy: (envoy::DIALECT.make)(subject),
        }
    }

    /// Everything that was recorded, family by family.
    pub fn families(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<Family<'static>> {
        let recording = Recording { layout: &self.layout, snapshot, vitals };
        let mut families = Vec::new();
        for dialect in &self.asked {
            dialect.show(&recording, &mut families);
        }
        own::show(&recording, &mut families);
        families
    }

    /// The same for an operator's eye: name and value, under the names that Envoy's own admin
    /// listener has for them.
    pub fn statistics(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<(String, String)> {
        let recording = Recording { layout: &self.layout, snapshot, vitals };
        let mut families = Vec::new();
        self.envoy.show(&recording, &mut families);
        own::show(&recording, &mut families);
        envoy::dotted(&families)
    }
}

/// The bounds that latencies must be counted over, in nanoseconds, for every dialect to be exact.
pub fn duration_bounds() -> Bounds {
    let dialects = BUILT_IN.iter().flat_map(|dialect| dialect.durations);
    Bounds::union(dialects.chain(own::DURATIONS).map(|buckets| buckets.bounds))
}

/// The same for sizes, in bytes.
pub fn size_bounds() -> Bounds {
    let dialects = BUILT_IN.iter().flat_map(|dialect| dialect.sizes);
    Bounds::union(dialects.map(|buckets| buckets.bounds))
}

/// The same for the time that exchanges spend inside podmeter, in nanoseconds.
pub fn held_bounds() -> Bounds {
    Bounds::union([Buckets::HELD_SECONDS.bounds])
}

/// The side of a port; what overflowed belongs to none, and counts as coming in, like most of it.
fn port_side(snapshot: &Snapshot, route: RouteId) -> Side {
    snapshot.ports.get(usize::from(route.0)).map_or(Side::Inbound, |port| port.side)
}

/// What labels say where nobody knows.
const UNKNOWN: &str = "unknown";
