//! Remembers how each source is doing: for `/sources`, for our own families, and for the log, which
//! hears of it once when something changes and never per scrape.

mod families;
mod notes;

pub(super) use families::Families;

use super::{Body, Cause, FetchError, Muster};
use crate::config::{AppMetrics, Trust};
use crate::exposition::Apart;
use families::{OfReason, OfSource};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
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
    /// The same as they were sent.
    pub(crate) wire_bytes: u64,
    /// What the last answer called its format.
    pub(crate) content_type: Option<String>,
    /// How the last answer said it was compressed.
    pub(crate) content_encoding: Option<String>,
    /// What last went wrong, also when all is well again.
    pub(crate) last_error: Option<String>,
    /// How long ago that was, in seconds.
    pub(crate) last_error_seconds_ago: Option<f64>,
    /// For how many seconds scrapes will wait for it less than they could, because it hung.
    pub(crate) hurried_for_seconds: Option<f64>,
    /// What to know of how it is asked, above all where that is not safe.
    pub(crate) notes: Vec<&'static str>,
    /// What was dropped since the program began, by reason.
    pub(crate) dropped: BTreeMap<&'static str, DroppedSoFar>,
    /// How many histograms and summaries the last scrape shows as their parts.
    pub(crate) taken_apart: u64,
    /// The first of them.
    pub(crate) taken_apart_first: Option<String>,
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

/// What is known of one source.
#[derive(Debug)]
pub(super) struct Ledger {
    url: String,
    name: String,
    up: Gauge,
    duration: Gauge<f64, AtomicU64>,
    samples: Gauge,
    bytes: Gauge,
    wire_bytes: Gauge,
    failures: Family<OfReason, Counter>,
    dropped: Family<OfReason, Counter>,
    taken_apart: Gauge,
    notes: Vec<&'static str>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    standing: Standing,
    scraped: Option<(Instant, Duration)>,
    error: Option<(Instant, String)>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// The log knows that it is not waited for as long as it could be.
    hurried: bool,
    dropped: BTreeMap<&'static str, DroppedSoFar>,
    taken_apart: Option<String>,
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
    pub(super) fn new(source: &AppMetrics, families: &Families) -> Self {
        let (url, name) = (source.url.to_string(), source.name.clone());
        let notes = notes::of(source);
        if source.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Anybody) {
            tracing::warn!(source = %name, "{}: {url}", notes::ANYBODY);
        }
        let of = OfSource { source: name.clone() };
        Self {
            up: families.up.get_or_create_owned(&of),
            duration: families.duration.get_or_create_owned(&of),
            samples: families.samples.get_or_create_owned(&of),
            bytes: families.bytes.get_or_create_owned(&of),
            wire_bytes: families.wire_bytes.get_or_create_owned(&of),
            failures: families.failures.clone(),
            dropped: families.dropped.clone(),
            taken_apart: families.apart.get_or_create_owned(&of),
            notes,
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

    /// Notes what a fetch came to, and for how long the next ones are hurried, if they are.
    /// Whether a body is any good is known only later.
    pub(super) fn fetched(
        &self,
        outcome: &Result<Body, FetchError>,
        took: Duration,
        hurried_for: Option<Duration>,
    ) {
        self.duration.set(took.as_secs_f64());
        let mut known = self.known();
        known.scraped = Some((Instant::now(), took));
        match outcome {
            Ok(body) => {
                self.bytes.set(gauged(body.bytes.len() as u64));
                self.wire_bytes.set(gauged(body.received));
                let short = |text: &Option<String>| {
                    text.as_ref().map(|text| text.chars().take(SHOWN_CHARS).collect())
                };
                known.content_type = short(&body.content_type);
                known.content_encoding = short(&body.content_encoding);
                known.hurried = false;
            }
            Err(error) => {
                known.content_type = None;
                known.content_encoding = None;
                self.fail(&mut known, error);
                if hurried_for.is_some() && !known.hurried {
                    known.hurried = true;
                    let url = &self.url;
                    tracing::warn!(
                        source = %self.name,
                        "app metrics hang, so that scrapes wait for them a tenth of their time \
                         from here on, and all of it once a minute: {url}"
                    );
                }
            }
        }
    }

    /// Notes what several processes have sent together: bytes, and bytes before decompression.
    pub(super) fn all_sent(&self, (bytes, received): (u64, u64)) {
        self.bytes.set(gauged(bytes));
        self.wire_bytes.set(gauged(received));
    }

    /// Notes that a body is of no use for this cause.
    pub(super) fn refused(&self, cause: Cause) {
        self.fail(&mut self.known(), &FetchError { url: self.url.clone(), cause });
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

    /// Notes what of it is shown as its parts.
    pub(super) fn taken_apart(&self, apart: &Apart) {
        self.taken_apart.set(gauged(apart.families));
        self.known().taken_apart.clone_from(&apart.first);
    }

    /// How the source is doing.
    pub(super) fn health(&self, hurried_for: Option<Duration>) -> Health {
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
            wire_bytes: self.wire_bytes.get().unsigned_abs(),
            content_type: known.content_type.clone(),
            content_encoding: known.content_encoding.clone(),
            last_error: known.error.as_ref().map(|(_, error)| error.clone()),
            last_error_seconds_ago: known.error.as_ref().map(|(then, _)| ago(*then)),
            hurried_for_seconds: hurried_for.map(|left| left.as_secs_f64()),
            notes: self.notes.clone(),
            dropped: known.dropped.clone(),
            taken_apart: self.taken_apart.get().unsigned_abs(),
            taken_apart_first: known.taken_apart.clone(),
            workers: None,
        }
    }

    fn fail(&self, known: &mut Known, error: &FetchError) {
        self.up.set(0);
        self.samples.set(0);
        self.bytes.set(0);
        self.wire_bytes.set(0);
        self.taken_apart.set(0);
        known.taken_apart = None;
        let of = OfReason { source: self.name.clone(), reason: error.cause.reason() };
        self.failures.get_or_create(&of).inc();
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

/// What is shown of a header that a source has written; a true one is shorter.
const SHOWN_CHARS: usize = 200;
