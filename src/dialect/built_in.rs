//! What makes a dialect: a name, the bounds it needs, and a view of the recording.

use super::BUILT_IN;
use super::buckets::Buckets;
use super::own::Vitals;
use crate::config::{EnvoyNames, Identity};
use crate::exposition::Family;
use crate::meter::{Layout, Snapshot};
use crate::observe::host::SeenHosts;
use std::fmt;
use std::sync::Arc;

/// A dialect that is built in.
#[derive(Debug)]
pub(super) struct BuiltIn {
    /// What `--dialect` calls it.
    pub(super) name: &'static str,
    /// The bounds of its latencies.
    pub(super) durations: &'static [&'static Buckets],
    /// The bounds of its sizes.
    pub(super) sizes: &'static [&'static Buckets],
    /// Makes the view for one pod.
    pub(super) make: fn(&Subject<'_>) -> Box<dyn Show>,
}

/// A view of the recording.
pub(super) trait Show: fmt::Debug + Send + Sync {
    /// Adds its families to those shown so far.
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>);
}

/// All that there is to show at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recording<'a> {
    /// What histograms were counted over.
    pub(super) layout: &'a Layout,
    /// What was counted.
    pub(super) snapshot: &'a Snapshot,
    /// How the proxy itself does.
    pub(super) vitals: &'a Vitals,
}

/// Whom the families are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who this pod is.
    pub identity: &'a Identity,
    /// The names of the hosts that the pod itself asks.
    pub seen: Option<&'a Arc<SeenHosts>>,
    /// What Envoy's families call the app's ports, if not as Istio does.
    pub envoy: Option<&'a EnvoyNames>,
}

impl<'a> Subject<'a> {
    /// A pod that asks nobody, under the usual names.
    pub fn new(identity: &'a Identity) -> Self {
        Self { identity, seen: None, envoy: None }
    }
}

/// The name of a dialect that there is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dialect(&'static str);

impl Dialect {
    /// The dialect that `--dialect` calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|dialect| dialect.0 == name)
    }

    /// Every dialect that is built in.
    pub fn all() -> impl Iterator<Item = Self> {
        BUILT_IN.iter().map(|dialect| Self(dialect.name))
    }

    /// The name that `--dialect` takes.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    pub(super) fn is(self, dialect: &BuiltIn) -> bool {
        self.0 == dialect.name
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
