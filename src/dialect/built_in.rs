//! What makes a dialect: a name, the bounds it needs, and a view of the recording.

use super::BUILT_IN;
use super::buckets::Buckets;
use super::own::Vitals;
use crate::clock::Nanos;
use crate::config::{EnvoyNames, Identity};
use crate::exposition::Family;
use crate::meter::{Detail, HostKey, HostTotals, HttpKey, HttpTotals, Layout, Route, Snapshot};
use crate::observe::host::SeenHosts;
use crate::observe::path::Paths;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

/// A dialect that is built in.
#[derive(Debug)]
pub(super) struct BuiltIn {
    /// What `--dialect` calls it.
    pub(super) name: &'static str,
    /// The names of its families; one that ends in `_` is the beginning of many.
    pub(super) families: &'static [&'static str],
    /// The bounds of its latencies.
    pub(super) durations: &'static [&'static Buckets],
    /// The bounds of its sizes.
    pub(super) sizes: &'static [&'static Buckets],
    /// What it tells apart of the requests of clients besides host, status and what went wrong.
    pub(super) inbound: Detail,
    /// The same of what the pod asks of others.
    pub(super) outbound: Detail,
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
    /// Exchanges of a kind that there was none of since then are left out.
    pub(super) since: Option<Nanos>,
}

impl<'a> Recording<'a> {
    /// The exchanges of all keys that `shown` makes one series of, of which there were any lately.
    /// It is told the port, unless the key belongs to none any more.
    pub(super) fn exchanges<K: Ord>(
        &self,
        shown: impl Fn(&HttpKey, Option<&Route>) -> Option<K>,
    ) -> BTreeMap<K, Cow<'a, HttpTotals>> {
        let mut all: BTreeMap<K, Cow<'a, HttpTotals>> = BTreeMap::new();
        for (key, totals) in &self.snapshot.http {
            let port = self.snapshot.ports.get(usize::from(key.route.0));
            let Some(key) = shown(key, port) else { continue };
            match all.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(Cow::Borrowed(totals));
                }
                Entry::Occupied(mut known) => known.get_mut().to_mut().merge(totals),
            }
        }
        all.retain(|_, totals| self.is_live(totals));
        all
    }

    /// What is counted before a request is over, of all keys that `shown` makes one series of, of which
    /// any was over lately or is not over yet.
    pub(super) fn begun<K: Ord>(&self, shown: impl Fn(HostKey) -> K) -> BTreeMap<K, HostTotals> {
        let mut all: BTreeMap<K, HostTotals> = BTreeMap::new();
        for (key, totals) in &self.snapshot.hosts {
            all.entry(shown(*key)).or_default().merge(totals);
        }
        let Some(since) = self.since else { return all };
        let mut over: BTreeMap<K, (u64, Option<Nanos>)> = BTreeMap::new();
        for (HttpKey { route, host, .. }, totals) in &self.snapshot.http {
            let key = shown(HostKey { route: *route, host: *host });
            let (requests, latest) = over.entry(key).or_insert((0, Some(Nanos(0))));
            *requests += totals.requests();
            *latest = latest.zip(totals.latest).map(|(one, other)| one.max(other));
        }
        all.retain(|key, totals| match over.get(key) {
            Some((requests, Some(latest))) => *latest >= since || totals.begun > *requests,
            _ => true,
        });
        all
    }

    /// Whether there were such exchanges lately, or they are always shown. To be asked of what is
    /// shown as one series, so that what comes back comes back with all that was ever counted.
    pub(super) fn is_live(&self, totals: &HttpTotals) -> bool {
        match (self.since, totals.latest) {
            (Some(since), Some(latest)) => latest >= since,
            _ => true,
        }
    }
}

/// Whom the families are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who this pod is.
    pub identity: &'a Identity,
    /// The names of the hosts that the pod itself asks.
    pub seen: Option<&'a Arc<SeenHosts>>,
    /// The templates of paths.
    pub paths: Option<&'a Arc<Paths>>,
    /// What Envoy's families call the app's ports, if not as Istio does.
    pub envoy: Option<&'a EnvoyNames>,
}

impl<'a> Subject<'a> {
    /// A pod that asks nobody, under the usual names.
    pub fn new(identity: &'a Identity) -> Self {
        Self { identity, seen: None, paths: None, envoy: None }
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

    /// Whether a family of this name would be taken for one of the dialect's.
    pub(crate) fn claims(self, family: &str) -> bool {
        let dialect = BUILT_IN.iter().find(|dialect| self.is(dialect));
        dialect.is_some_and(|dialect| {
            let claims =
                |name: &&str| family == *name || (name.ends_with('_') && family.starts_with(*name));
            dialect.families.iter().any(claims)
        })
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
