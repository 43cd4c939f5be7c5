//! Shows the one recording under the names that other systems' dashboards and checks ask for.
//!
//! A dialect is a pure view of a [`Snapshot`]: it adds nothing, forgets nothing and knows no bytes.
//! Each says what it [`Wants`] to be recorded, and the meter records what any of them wants. To add
//! a dialect, write one file here that has a [`View`], and name it in [`view`].

mod buckets;
mod envoy;
mod istio;
mod own;

pub use own::Vitals;

use crate::clock::Nanos;
use crate::config::{Dialect, Identity};
use crate::exposition::Family;
use crate::meter::{Bounds, Detail, HttpTotals, Layout, Side, Snapshot};
use crate::observe::host::SeenHosts;
use crate::observe::path::Paths;
use buckets::Buckets;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// The dialects that were asked for (`--dialect`), and podmeter's own families.
#[derive(Debug)]
pub struct Dialects {
    views: Vec<Box<dyn View>>,
    names: Names,
    /// How long a series may stand still before it is left out.
    idle_timeout: Option<Duration>,
}

/// One dialect.
trait View: Debug + Send + Sync {
    /// What must be recorded for it to be exact.
    fn wants(&self) -> Wants;

    /// Adds its families.
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>);
}

/// What a dialect needs of the recording.
#[derive(Clone, Debug, Default)]
struct Wants {
    /// Bounds of its latencies, in nanoseconds.
    durations: Vec<u64>,
    /// Bounds of its sizes, in bytes.
    sizes: Vec<u64>,
    /// What it tells apart of the requests of clients.
    inbound: Detail,
    /// The same of what the pod asks of others.
    outbound: Detail,
}

/// What there is to show.
#[derive(Clone, Copy, Debug)]
struct Recording<'a> {
    layout: &'a Layout,
    snapshot: &'a Snapshot,
    vitals: &'a Vitals,
    names: &'a Names,
    /// What has not changed since then is left out.
    since: Option<Nanos>,
}

/// The texts that numbers in keys stand for.
#[derive(Clone, Debug, Default)]
struct Names {
    /// The hosts that the pod asks.
    seen: Option<Arc<SeenHosts>>,
    /// The templates of paths.
    paths: Option<Arc<Paths>>,
}

/// The view of a dialect.
fn view(dialect: Dialect, identity: &Identity) -> Box<dyn View> {
    match dialect {
        Dialect::Istio => Box::new(istio::Istio::new(identity)),
        Dialect::Envoy => Box::new(envoy::Envoy),
    }
}

impl Dialects {
    /// The dialects of these names, each once.
    pub fn new(names: &[Dialect], identity: &Identity) -> Self {
        let views = names.iter().map(|name| view(*name, identity)).collect();
        Self { views, names: Names::default(), idle_timeout: None }
    }

    /// The same, with the names of the hosts that the pod itself asks.
    #[must_use]
    pub fn naming(mut self, seen: &Arc<SeenHosts>) -> Self {
        self.names.seen = Some(Arc::clone(seen));
        self
    }

    /// The same, with the templates of paths.
    #[must_use]
    pub fn with_paths(mut self, paths: Option<&Arc<Paths>>) -> Self {
        self.names.paths = paths.map(Arc::clone);
        self
    }

    /// The same, without exchanges of a kind that there was none of for so long.
    #[must_use]
    pub fn forgetting(mut self, idle_timeout: Option<Duration>) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// The bounds that latencies must be counted over, in nanoseconds, for every dialect to be
    /// exact.
    pub fn duration_bounds(&self) -> Bounds {
        // What podmeter counts of each port is shown over Envoy's bounds.
        let always = Buckets::MILLISECONDS.bounds;
        let wanted: Vec<Vec<u64>> = self.wants().map(|wants| wants.durations).collect();
        Bounds::union([always].into_iter().chain(wanted.iter().map(Vec::as_slice)))
    }

    /// The same for sizes, in bytes.
    pub fn size_bounds(&self) -> Bounds {
        let wanted: Vec<Vec<u64>> = self.wants().map(|wants| wants.sizes).collect();
        Bounds::union(wanted.iter().map(Vec::as_slice))
    }

    /// The same for the time that exchanges spend inside podmeter, in nanoseconds.
    pub fn held_bounds(&self) -> Bounds {
        Bounds::union([Buckets::HELD_SECONDS.bounds])
    }

    /// What must be told apart of the exchanges of one side.
    pub fn detail(&self, side: Side) -> Detail {
        let of_side = |wants: Wants| match side {
            Side::Inbound => wants.inbound,
            Side::Outbound => wants.outbound,
        };
        self.wants().map(of_side).fold(Detail::default(), Detail::or)
    }

    /// The templates of paths, if any dialect tells paths of that side apart.
    pub fn paths(&self, side: Side) -> Option<Arc<Paths>> {
        self.names.paths.clone().filter(|_| self.detail(side).path)
    }

    fn wants(&self) -> impl Iterator<Item = Wants> {
        self.views.iter().map(|view| view.wants())
    }

    /// Everything that was recorded, family by family.
    pub fn families(
        &self,
        layout: &Layout,
        snapshot: &Snapshot,
        vitals: &Vitals,
    ) -> Vec<Family<'static>> {
        let mut families = Vec::new();
        let recording = self.recording(layout, snapshot, vitals);
        for view in &self.views {
            view.show(&recording, &mut families);
        }
        own::show(layout, snapshot, vitals, &mut families);
        families
    }

    /// The same for an operator's eye: name and value, under the names that Envoy's own admin
    /// listener has for them, whether or not Prometheus is shown these.
    pub fn statistics(
        &self,
        layout: &Layout,
        snapshot: &Snapshot,
        vitals: &Vitals,
    ) -> Vec<(String, String)> {
        let mut families = Vec::new();
        envoy::Envoy.show(&self.recording(layout, snapshot, vitals), &mut families);
        own::show(layout, snapshot, vitals, &mut families);
        envoy::dotted(&families)
    }

    fn recording<'a>(
        &'a self,
        layout: &'a Layout,
        snapshot: &'a Snapshot,
        vitals: &'a Vitals,
    ) -> Recording<'a> {
        let since = self.idle_timeout.and_then(|idle| {
            let idle = u64::try_from(idle.as_nanos()).ok()?;
            vitals.now.0.checked_sub(idle).map(Nanos)
        });
        Recording { layout, snapshot, vitals, names: &self.names, since }
    }
}

impl Recording<'_> {
    /// Whether there were such exchanges lately, or they are always shown. To be asked of what is
    /// shown as one series: what comes back comes back with all that was ever counted.
    fn is_live(&self, totals: &HttpTotals) -> bool {
        match (self.since, totals.latest) {
            (Some(since), Some(latest)) => latest >= since,
            _ => true,
        }
    }
}
