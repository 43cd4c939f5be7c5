//! Shows the one recording under the names that other systems' dashboards and checks ask for.
//!
//! A dialect is a pure view of a `Recording`: it adds nothing, forgets nothing and knows no bytes.
//! To add one, write a file here that ends in a `BuiltIn`, and name it in `BUILT_IN`: that one
//! line makes it known to `--dialect`, and has the meter count over its bounds.
//!
//! The meter counts over the bounds of all dialects, asked for or not, so what a request costs does
//! not depend on who asks.

mod buckets;
mod built_in;
mod custom;
mod dated;
mod envoy;
mod http;
mod istio;
mod linkerd;
mod osm;
mod otel;
mod own;
mod pod;
mod service;

pub use built_in::{Dialect, Subject};
pub use own::Vitals;

use crate::clock::Nanos;
use crate::config::CustomDialect;
use crate::exposition::{Family, Kind, Syntax};
use crate::meter::{Bounds, Detail, Extras, Layout, Route, RouteId, Side, Snapshot};
use crate::observe::host::HostId;
use buckets::Buckets;
use built_in::{BuiltIn, Recording, Show};
use std::collections::HashSet;
use std::time::Duration;

/// Every dialect that is built in, in the order in which they are shown.
const BUILT_IN: &[BuiltIn] =
    &[istio::DIALECT, envoy::DIALECT, linkerd::DIALECT, osm::DIALECT, http::DIALECT, otel::DIALECT];

/// The dialects that were asked for (`--dialect`), and podmeter's own families.
#[derive(Debug)]
pub struct Dialects {
    layout: Layout,
    asked: Vec<Box<dyn Show>>,
    /// How long a series may stand still before it is left out.
    idle_timeout: Option<Duration>,
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
            idle_timeout: None,
            envoy: (envoy::DIALECT.make)(subject),
        }
    }

    /// The same, and those that the configuration defines.
    #[must_use]
    pub fn and(mut self, custom: &[CustomDialect], subject: &Subject<'_>) -> Self {
        for dialect in custom {
            self.asked.push(Box::new(custom::Custom::new(dialect, subject)));
        }
        self
    }

    /// The same, without exchanges of a kind that there was none of for so long.
    #[must_use]
    pub fn forgetting(mut self, idle_timeout: Option<Duration>) -> Self {
        self.idle_timeout = idle_timeout;
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
        let layout = self.layout.showing(self.extras(syntax));
        let recording = self.recording(&layout, snapshot, vitals);
        let mut families = Vec::new();
        for dialect in &self.asked {
            dialect.show(&recording, &mut families);
        }
        own::show(&recording, &mut families);
        self.date(&mut families, syntax);
        families
    }

    /// Says of what counts since when it does, which is since the proxy started unless it says
    /// otherwise; to a reader who can tell that from a number.
    pub fn date(&self, families: &mut [Family<'_>], syntax: Syntax) {
        let Some(epoch) = self.extras(syntax).epoch else {
            families.iter_mut().for_each(Family::undate);
            return;
        };
        let names: HashSet<String> =
            families.iter().map(|family| family.name().to_owned()).collect();
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

    /// The same for an operator's eye: name and value, under the names that Envoy's own admin
    /// listener has for them.
    pub fn statistics(&self, snapshot: &Snapshot, vitals: &Vitals) -> Vec<(String, String)> {
        let layout = self.layout.showing(Extras::default());
        let recording = self.recording(&layout, snapshot, vitals);
        let mut families = Vec::new();
        self.envoy.show(&recording, &mut families);
        own::show(&recording, &mut families);
        envoy::dotted(&families)
    }

    /// What a reader of this syntax can take.
    fn extras(&self, syntax: Syntax) -> Extras {
        let all = self.layout.extras;
        match syntax {
            Syntax::Text | Syntax::QuotedText => Extras::default(),
            Syntax::OpenMetrics => Extras { natives: None, ..all },
            Syntax::Protobuf => all,
        }
    }

    fn recording<'a>(
        &self,
        layout: &'a Layout,
        snapshot: &'a Snapshot,
        vitals: &'a Vitals,
    ) -> Recording<'a> {
        let since = self.idle_timeout.and_then(|idle| {
            let idle = u64::try_from(idle.as_nanos()).ok()?;
            vitals.now.0.checked_sub(idle).map(Nanos)
        });
        Recording { layout, snapshot, vitals, since }
    }
}

/// What the dialects of these names tell apart of the exchanges of one side.
fn detail(names: &[Dialect], side: Side) -> Detail {
    let asked = BUILT_IN.iter().filter(|known| names.iter().any(|name| name.is(known)));
    let details = asked.map(|dialect| match side {
        Side::Inbound => dialect.inbound,
        Side::Outbound => dialect.outbound,
    });
    details.fold(Detail::NONE, Detail::or)
}

/// How a meter is laid out for these dialects and ports: in one shard, counting over the bounds of
/// every dialect, up to the usual number of series, and with nothing to show beside them.
pub fn layout(names: &[Dialect], routes: Vec<Route>) -> Layout {
    Layout {
        routes,
        first_host: HostId::UNKNOWN,
        inbound: detail(names, Side::Inbound),
        outbound: detail(names, Side::Outbound),
        durations: duration_bounds(),
        sizes: size_bounds(),
        held: Bounds::union([Buckets::HELD_SECONDS.bounds()]),
        shards: 1,
        max_series: 10_000,
        extras: Extras::default(),
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
    let dialects = BUILT_IN.iter().flat_map(|dialect| dialect.durations);
    Bounds::union(dialects.chain(own::DURATIONS).map(|buckets| buckets.bounds()))
}

/// The same for sizes, in bytes.
pub fn size_bounds() -> Bounds {
    let dialects = BUILT_IN.iter().flat_map(|dialect| dialect.sizes);
    Bounds::union(dialects.map(|buckets| buckets.bounds()))
}

/// The side of a port; what overflowed belongs to none, and counts as coming in, like most of it.
fn port_side(snapshot: &Snapshot, route: RouteId) -> Side {
    snapshot.ports.get(usize::from(route.0)).map_or(Side::Inbound, |port| port.side)
}

/// What labels say where nobody knows.
const UNKNOWN: &str = "unknown";
/// The units of latencies, in nanoseconds.
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
