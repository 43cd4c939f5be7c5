//! Remembers how each source is doing: for `/sources`, for our own families, and for the log, which
//! hears of it once when something changes and never per scrape.

use super::{Body, Cause, FetchError, Muster};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How one source is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Health {
    /// What it is called.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: String,
    /// Whether the last scrape found samples there, or an empty exposition.
    pub(crate) up: bool,
    /// How long ago it was asked last, in seconds; `None` is never.
    pub(crate) scraped_seconds_ago: Option<f64>,
    /// How long the last answer took, in seconds.
    pub(crate) duration_seconds: Option<f64>,
    /// Samples of the last scrape; 0 when it is down.
    pub(crate) samples: u64,
    /// Bytes of the last scrape, after decompression; 0 when it is down.
    pub(crate) bytes: u64,
    /// What last went wrong, also when all is well again.
    pub(crate) last_error: Option<String>,
    /// How long ago that was, in seconds.
    pub(crate) last_error_seconds_ago: Option<f64>,
    /// What was dropped since the program began, by reason.
    pub(crate) dropped: BTreeMap<&'static str, DroppedSoFar>,
    /// Of the processes that are added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workers: Option<Muster>,
}

/// Samples that were dropped for one reason since the program began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DroppedSoFar {
    /// How many, over all scrapes.
    pub(crate) samples: u64,
    /// What was wrong with the first.
    pub(crate) first: String,
}

/// Samples of one body that were dropped for one reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped<'a> {
    /// Why, as a label says it.
    pub(crate) reason: &'static str,
    /// How many samples it cost.
    pub(crate) samples: u64,
    /// What was wrong with the first, as a sentence.
    pub(crate) first: &'a str,
}

/// Our own families on sources.
#[derive(Debug)]
pub(super) struct Families {
    up: Family<OfSource, Gauge>,
    duration: Family<OfSource, Gauge<f64, AtomicU64>>,
    samples: Family<OfSource, Gauge>,
    bytes: Family<OfSource, Gauge>,
    dropped: Family<OfReason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    source: String,
    reason: &'static str,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            up: Family::default(),
            duration: Family::default(),
            samples: Family::default(),
            bytes: Family::default(),
            dropped: Family::default(),
        };
        registry.register(
            "podmeter_app_scrape_up",
            "Whether the app's exposition could be had at the last scrape",
            families.up.clone(),
        );
        registry.register(
            "podmeter_app_scrape_duration_seconds",
            "How long the app's exposition took at the last scrape",
            families.duration.clone(),
        );
        registry.register(
            "podmeter_app_scrape_samples",
            "Samples in the app's exposition at the last scrape",
            families.samples.clone(),
        );
        registry.register(
            "podmeter_app_scrape_bytes",
            "Bytes of the app's exposition at the last scrape, after decompression",
            families.bytes.clone(),
        );
        // The encoder writes `_total` behind the name of a counter.
        registry.register(
            "podmeter_app_dropped_samples",
            "Samples of the app's exposition that could not be passed on",
            families.dropped.clone(),
        );
        families
    }
}

/// What is known of one source.
#[derive(Debug)]
pub(super) struct Ledger {
    url: String,
    name: String,
    up: Gauge,
    duration: Gauge<f64, AtomicU64>,
    samples: Gauge,
    bytes: Gauge,
    dropped: Family<OfReason, Counter>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    standing: Standing,
    scraped: Option<(Instant, Duration)>,
    error: Option<(Instant, String)>,
    dropped: BTreeMap<&'static str, DroppedSoFar>,
}

/// What the log was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Untried,
    Up,
    Down,
}

impl Ledger {
    /// A source that was never asked, and is down so far.
    pub(super) fn new(url: String, name: String, families: &Families) -> Self {
        let of = OfSource { source: name.clone() };
        Self {
            up: families.up.get_or_create_owned(&of),
            duration: families.duration.get_or_create_owned(&of),
            samples: families.samples.get_or_create_owned(&of),
            bytes: families.bytes.get_or_create_owned(&of),
            dropped: families.dropped.clone(),
            known: Mutex::default(),
            url,
            name,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Notes what a fetch came to. Whether a body is any good is known only later.
    pub(super) fn fetched(&self, outcome: &Result<Body, FetchError>, took: Duration) {
        self.duration.set(took.as_secs_f64());
        let mut known = self.known();
        known.scraped = Some((Instant::now(), took));
        match outcome {
            Ok(body) => {
                self.bytes.set(gauged(body.bytes.len() as u64));
            }
            Err(error) => self.fail(&mut known, error),
        }
    }

    /// Notes that there was no room for a body.
    pub(super) fn turned_away(&self) {
        let error = FetchError { url: self.url.clone(), cause: Cause::NoRoom };
        self.fail(&mut self.known(), &error);
    }

    /// Bytes of the last body.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get().unsigned_abs()
    }

    /// Notes what was in a body.
    pub(super) fn parsed(&self, samples: u64, problem: Option<&str>, dropped: &[Dropped<'_>]) {
        self.dropped(dropped);
        let mut known = self.known();
        match problem {
            Some(problem) if samples == 0 => {
                let cause = Cause::NoSample(problem.to_owned());
                self.fail(&mut known, &FetchError { url: self.url.clone(), cause });
            }
            _ => {
                self.up.set(1);
                self.samples.set(gauged(samples));
                if known.standing == Standing::Down {
                    tracing::info!(source = %self.name, "app metrics are back: {}", self.url);
                }
                known.standing = Standing::Up;
            }
        }
    }

    /// Counts what was dropped, and logs the first of each reason.
    pub(super) fn dropped(&self, dropped: &[Dropped<'_>]) {
        let mut known = self.known();
        for &Dropped { reason, samples, first } in dropped.iter().filter(|d| d.samples > 0) {
            let of = OfReason { source: self.name.clone(), reason };
            self.dropped.get_or_create(&of).inc_by(samples);
            let so_far = known.dropped.entry(reason).or_insert_with(|| {
                let url = &self.url;
                tracing::warn!(
                    source = %self.name, reason,
                    "app metrics are dropped, and counted from here on: {url}: {first}"
                );
                DroppedSoFar { samples: 0, first: first.to_owned() }
            });
            so_far.samples += samples;
        }
    }

    /// How the source is doing.
    pub(super) fn health(&self) -> Health {
        let known = self.known();
        let ago = |then: Instant| then.elapsed().as_secs_f64();
        Health {
            name: self.name.clone(),
            url: self.url.clone(),
            up: self.up.get() == 1,
            scraped_seconds_ago: known.scraped.map(|(then, _)| ago(then)),
            duration_seconds: known.scraped.map(|(_, took)| took.as_secs_f64()),
            samples: self.samples.get().unsigned_abs(),
            bytes: self.bytes.get().unsigned_abs(),
            last_error: known.error.as_ref().map(|(_, error)| error.clone()),
            last_error_seconds_ago: known.error.as_ref().map(|(then, _)| ago(*then)),
            dropped: known.dropped.clone(),
            workers: None,
        }
    }

    fn fail(&self, known: &mut Known, error: &FetchError) {
        self.up.set(0);
        self.samples.set(0);
        self.bytes.set(0);
        let error = error.to_string();
        if known.standing == Standing::Down {
            tracing::debug!(source = %self.name, "app metrics are still missing: {error}");
        } else {
            tracing::warn!(source = %self.name, "app metrics are missing: {error}");
        }
        known.standing = Standing::Down;
        known.error = Some((Instant::now(), error));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count as a gauge holds it.
fn gauged(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
