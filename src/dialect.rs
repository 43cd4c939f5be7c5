//! Shows the one recording under the names that other systems' dashboards and checks ask for.
//!
//! A dialect is a pure view of a [`Snapshot`]: it adds nothing, forgets nothing and knows no bytes.
//! Each keeps the label text of a series once it has been shown, so that a scrape escapes nothing
//! twice. To add a dialect, write one file here and name it in [`Dialects::new`].

mod buckets;
mod envoy;
mod istio;
mod own;

pub use own::Vitals;

use crate::config::{Dialect, Identity};
use crate::exposition::Family;
use crate::meter::{Bounds, Layout, Snapshot};
use crate::observe::host::SeenHosts;
use buckets::Buckets;
use std::sync::Arc;

/// The dialects that were asked for (`--dialect`), and podmeter's own families.
#[derive(Debug)]
pub struct Dialects {
    layout: Layout,
    istio: Option<istio::Istio>,
    shows_envoy: bool,
}

impl Dialects {
    /// Dialects over recordings of the given layout.
    pub fn new(names: &[Dialect], identity: &Identity, layout: &Layout) -> Self {
        let asked = |name| names.contains(&name);
        Self {
            layout: layout.clone(),
            istio: asked(Dialect::Istio).then(|| istio::Istio::new(identity)),
            shows_envoy: asked(Dialect::Envoy),
        }
    }

    /// The same, with the names of the hosts that the pod itself asks.
    #[must_use]
    pub fn naming(mut self, seen: &Arc<SeenHosts>) -> Self {
        self.istio = self.istio.map(|istio| istio.naming(seen));
        self
    }

    /// Everything that was recorded, family by family.
    pub fn families(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<Family<'static>> {
        let mut families = Vec::new();
        if let Some(istio) = &self.istio {
            istio.show(&self.layout, snapshot, &mut families);
        }
        if self.shows_envoy {
            envoy::show(&self.layout, snapshot, vitals, &mut families);
        }
        own::show(&self.layout, snapshot, vitals, &mut families);
        families
    }

    /// The same for an operator's eye: name and value, under the names that Envoy's own admin
    /// listener has for them, whether or not Prometheus is shown these.
    pub fn statistics(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<(String, String)> {
        let mut families = Vec::new();
        envoy::show(&self.layout, snapshot, vitals, &mut families);
        own::show(&self.layout, snapshot, vitals, &mut families);
        envoy::dotted(&families)
    }
}

/// The bounds that latencies must be counted over, in nanoseconds, for every dialect to be exact.
pub fn duration_bounds() -> Bounds {
    Bounds::union([Buckets::MILLISECONDS.bounds])
}

/// The same for sizes, in bytes.
pub fn size_bounds() -> Bounds {
    Bounds::union([Buckets::BYTES.bounds])
}

/// The same for the time that exchanges spend inside podmeter, in nanoseconds.
pub fn held_bounds() -> Bounds {
    Bounds::union([Buckets::HELD_SECONDS.bounds])
}
