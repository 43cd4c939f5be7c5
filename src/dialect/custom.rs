//! The recording as the families that the configuration defines.

use super::buckets::Buckets;
use super::built_in::{Recording, Show, Subject};
use super::{UNKNOWN, pod};
use crate::config::{CustomDialect, CustomFamily, CustomKind, Fact, Identity, Measure};
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::{HttpKey, HttpTotals, Route, Side, Totals};
use crate::observe::grpc::Call;
use crate::observe::host::SeenHosts;
use crate::observe::path::Paths;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

/// Shows one dialect of the configuration.
#[derive(Debug)]
pub(super) struct Custom {
    facts: Facts,
    families: Vec<Shown>,
}

/// One family, and how it is shown.
#[derive(Debug)]
struct Shown {
    family: CustomFamily,
    /// A counter has none.
    buckets: Option<Buckets>,
    known: Mutex<Known>,
}

/// What is known of exchanges and of the pod, as text.
#[derive(Debug)]
struct Facts {
    identity: Identity,
    seen: Option<Arc<SeenHosts>>,
    paths: Option<Arc<Paths>>,
}

/// What has been shown of a family, so that a key's labels are made once.
#[derive(Debug, Default)]
struct Known {
    /// The label set of each key, unless the family leaves it out.
    keys: HashMap<HttpKey, Option<usize>>,
    places: HashMap<Labels, usize>,
    sets: Vec<Labels>,
}

impl Custom {
    pub(super) fn new(dialect: &CustomDialect, subject: &Subject<'_>) -> Self {
        let facts = Facts {
            identity: subject.identity.clone(),
            seen: subject.seen.map(Arc::clone),
            paths: subject.paths.map(Arc::clone),
        };
        Self { facts, families: dialect.families.iter().map(Shown::new).collect() }
    }
}

impl Show for Custom {
    fn show(&self, recording: &Recording<'_>, families: &mut Vec<Family<'static>>) {
        for Shown { family, buckets, known } in &self.families {
            // A poisoned cache of label texts is still a cache of label texts.
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            for key in recording.snapshot.http.keys() {
                let port = recording.snapshot.ports.get(usize::from(key.route.0));
                known.meet(*key, || self.facts.labels(family, key, port));
            }
            let shown = recording.exchanges(|key, _| known.keys.get(key).copied().flatten());
            let kind = if buckets.is_some() { Kind::Histogram } else { Kind::Counter };
            let mut builder = FamilyBuilder::new(family.name.clone(), kind, family.help.clone());
            for (place, totals) in &shown {
                let labels = &known.sets[*place];
                let Some(measured) = measured(family, totals) else {
                    builder.counter(labels, totals.requests());
                    continue;
                };
                let layout = recording.layout;
                let is_duration = family.measure.is_duration();
                let counted = if is_duration { &layout.durations } else { &layout.sizes };
                match buckets {
                    Some(buckets) => buckets.show(&mut builder, labels, counted, measured),
                    // That it is a counter is said already; this one may be a fraction.
                    None => {
                        builder.gauge(labels, measured.sum() as f64 / family.unit as f64);
                    }
                }
            }
            if !shown.is_empty() {
                families.push(builder.build());
            }
        }
    }
}

/// What a family adds up of exchanges; `None` where it counts them.
fn measured<'a>(family: &CustomFamily, totals: &'a HttpTotals) -> Option<&'a Totals> {
    Some(match family.measure {
        Measure::Requests => return None,
        Measure::Duration => &totals.durations,
        Measure::FirstByte => &totals.answer_times,
        Measure::RequestBytes => &totals.request_bytes,
        Measure::ResponseBytes => &totals.response_bytes,
    })
}

impl Shown {
    fn new(family: &CustomFamily) -> Self {
        let buckets = match &family.kind {
            CustomKind::Counter => None,
            CustomKind::Histogram(bounds) => Some(Buckets::of(bounds, family.unit)),
        };
        Self { family: family.clone(), buckets, known: Mutex::default() }
    }
}

impl Known {
    fn meet(&mut self, key: HttpKey, labels: impl FnOnce() -> Option<Labels>) {
        let Entry::Vacant(unknown) = self.keys.entry(key) else { return };
        let sets = &mut self.sets;
        let place = labels().map(|labels| {
            *self.places.entry(labels.clone()).or_insert_with(|| {
                sets.push(labels);
                sets.len() - 1
            })
        });
        unknown.insert(place);
    }
}

impl Facts {
    /// The labels of a key; `None` where the family is not about it.
    fn labels(&self, family: &CustomFamily, key: &HttpKey, port: Option<&Route>) -> Option<Labels> {
        let side = port.map_or(Side::Inbound, |port| port.side);
        let say = |fact| self.say(fact, key, side, port);
        let is_about = family.of.takes(side)
            && family.only.iter().all(|condition| condition.holds(say))
            && !family.without.iter().any(|condition| condition.holds(say));
        let labels = family.labels.iter().map(|(name, text)| (name.as_str(), text.fill(say)));
        // An empty label is an absent one.
        is_about.then(|| Labels::from_pairs(labels.filter(|(_, value)| !value.is_empty())))
    }

    fn say(&self, fact: Fact, key: &HttpKey, side: Side, port: Option<&Route>) -> String {
        let who = &self.identity;
        let overflowed = key.status == HttpKey::OVERFLOW_STATUS;
        let name = match fact {
            Fact::Status | Fact::StatusClass if overflowed => return "overflow".to_owned(),
            Fact::Method => return key.method.name().unwrap_or("OTHER").to_owned(),
            Fact::Path => {
                let name = self.paths.as_ref().and_then(|paths| paths.name(key.path));
                return name.unwrap_or_else(|| "other".to_owned());
            }
            Fact::Status => return key.status.to_string(),
            Fact::StatusClass => return format!("{}xx", key.status / 100),
            Fact::Protocol => return key.call.protocol().to_owned(),
            Fact::HttpVersion => return key.version.as_str().to_owned(),
            Fact::GrpcStatus => match key.call {
                Call::Http => return String::new(),
                Call::Grpc(status) => return status.as_str().to_owned(),
            },
            Fact::Flags => return key.flags.as_str().to_owned(),
            Fact::Direction => return side.as_str().to_owned(),
            Fact::Port => {
                return port.map(|port| port.target.port().to_string()).unwrap_or_default();
            }
            Fact::Host => match side {
                Side::Inbound => who.services.get(usize::from(key.host.0)).cloned(),
                Side::Outbound => self.seen.as_ref().and_then(|seen| seen.name(key.host)),
            },
            Fact::Pod(name) => return pod::say(who, name),
        };
        name.unwrap_or_else(|| UNKNOWN.to_owned())
    }
}
