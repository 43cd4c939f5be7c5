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
use crate::exposition::{Family, Kind, Syntax};
use crate::meter::{Bounds, Extras, Layout, Snapshot};
use crate::observe::host::SeenHosts;
use buckets::Buckets;
use std::collections::HashSet;
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

    /// Everything that was recorded, family by family, as every reader can take it.
    pub fn families(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<Family<'static>> {
        self.families_for(Syntax::Text, snapshot, vitals)
    }

    /// The same, and what a reader of this syntax can take besides.
    pub fn families_for(
        &self,
        syntax: Syntax,
        snapshot: &Snapshot,
        vitals: &Vitals,
    ) -> Vec<Family<'static>> {
        let all = self.layout.extras;
        let layout = self.layout.showing(match syntax {
            Syntax::Text | Syntax::QuotedText => Extras::default(),
            Syntax::OpenMetrics => Extras { natives: None, ..all },
            Syntax::Protobuf => all,
        });
        let mut families = Vec::new();
        if let Some(istio) = &self.istio {
            istio.show(&layout, snapshot, &mut families);
        }
        if self.shows_envoy {
            envoy::show(&layout, snapshot, vitals, &mut families);
        }
        own::show(&layout, snapshot, vitals, &mut families);
        date(&mut families, &layout, syntax);
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

/// Says of what counts since when it does, which is since the proxy started unless it says otherwise.
fn date(families: &mut [Family<'static>], layout: &Layout, syntax: Syntax) {
    let Some(epoch) = layout.extras.epoch else { return };
    let names: HashSet<String> = families.iter().map(|family| family.name().to_owned()).collect();
    for family in families {
        // What OpenMetrics does not know for a counter would have a family of its own for that.
        let stem = family.name().strip_suffix("_total");
        let is_counter = stem.is_some_and(|stem| !names.contains(stem));
        if family.kind() == Kind::Counter && syntax == Syntax::OpenMetrics && !is_counter {
            family.undate();
        } else {
            family.date(epoch);
        }
    }
}

/// The same layout, with what native histograms of this resolution are counted over: in all units
/// that a dialect has, whichever are asked for.
pub fn with_native(layout: Layout, schema: u8) -> Layout {
    Layout {
        durations: layout.durations.with_native(schema, &[MILLISECOND, SECOND]),
        sizes: layout.sizes.with_native(schema, &[1]),
        held: layout.held.with_native(schema, &[SECOND]),
        ..layout
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

/// The units of latencies, in nanoseconds.
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
