//! Fetches the app's own expositions, all at once, and remembers which of them could be had.
//!
//! A scrape asks every source side by side under one deadline ([`Sources::fetch`]), so two slow
//! sources cost the slower one's time. What comes back are whole bodies, already decompressed, or
//! a sentence. The caller reads the bodies and says what it found in them ([`Sources::parsed`]);
//! from both comes the health that `/sources` shows and the `podmeter_app_*` families.
//!
//! A body is whole or it is dropped. One that broke off is not used up to its last line, because
//! nobody can tell whether `requests_total 12` was on its way to `1234`, and because families that
//! come and go with the luck of the network are worse than a source that is plainly down.
//!
//! Nothing is spawned: whoever drops the future of a scrape closes its connections.

mod accept;
mod client;
mod connect;
mod crew;
mod deadline;
mod error;
mod file;
mod health;
mod intake;
mod line;
mod patience;
mod request;
mod sip;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

pub(crate) use accept::Wants;
pub(crate) use connect::Stream;
pub(crate) use crew::{Muster, Words};
pub(crate) use deadline::{TIMEOUT, deadline};
pub(crate) use error::{Cause, FetchError};
pub(crate) use health::{Dropped, Health};
pub(crate) use line::Line;
pub(crate) use tls::Tls;

use crate::config::{AppMetrics, ConfigError, SourceMode};
use crate::exposition::{self, Apart, Escaping, Exposition, Format, InputFormat, Limits, Scanned};
use bytes::Bytes;
use client::Client;
use health::Families;
use http::HeaderValue;
use intake::ByteLimit;
use prometheus_client::registry::Registry;
use source::Source;
use std::future::poll_fn;
use std::task::Poll;
use tokio::time::Instant;

/// What a scrape of ours asks of the sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scraper<'a> {
    /// When the sources must have answered.
    pub(crate) deadline: Instant,
    /// Which formats are of use.
    pub(crate) wants: Wants,
    /// The scraper's own `Authorization`, for the sources that it is to be passed on to.
    pub(crate) authorization: Option<&'a HeaderValue>,
}

impl Scraper<'_> {
    /// Nobody in particular, who waits until then.
    pub(crate) fn at(deadline: Instant) -> Self {
        Self { deadline, wants: Wants::Text, authorization: None }
    }
}

/// Refuses a source whose options name a file that is of no use: no certificate, no password, or
/// nothing at all. To be asked before anything is started.
pub(crate) fn check(sources: &[AppMetrics]) -> Result<(), ConfigError> {
    for source in sources {
        let most = ByteLimit { bytes: u64::MAX, setting: MAX_BYTES };
        let useful = Client::new(source, most).check();
        useful.map_err(|cause| source.refused(cause.to_string()))?;
    }
    Ok(())
}

/// Asks one source for its exposition once, for a command. It may send `max_bytes`, before
/// decompression and after it, and its own time-out goes before the scraper's deadline.
pub(crate) async fn fetch_once(
    source: &AppMetrics,
    max_bytes: u64,
    scraper: &Scraper<'_>,
) -> Result<Body, FetchError> {
    let own = source.limits.timeout.map(|timeout| Instant::now() + timeout);
    let deadline = own.map_or(scraper.deadline, |own| own.min(scraper.deadline));
    let most = ByteLimit { bytes: max_bytes, setting: "--max-bytes" };
    let outcome = Client::new(source, most).fetch(&Scraper { deadline, ..*scraper }).await;
    outcome.map_err(|cause| FetchError { url: source.url.to_string(), cause })
}

/// The app's expositions, in the order of the configuration.
///
/// Shared by everything that serves a scrape; each source keeps at most one idle connection.
#[derive(Debug)]
pub(crate) struct Sources {
    sources: Vec<Source>,
}

impl Sources {
    /// Sources that were never asked, each of which may send `max_bytes`, before decompression and
    /// after it. Registers the `podmeter_app_*` families, in which each source is down so far.
    pub(crate) fn new(sources: &[AppMetrics], max_bytes: u64, registry: &mut Registry) -> Self {
        let families = Families::register(registry);
        let most = ByteLimit { bytes: max_bytes, setting: MAX_BYTES };
        let source = |source| Source::new(source, most, &families);
        Self { sources: sources.iter().map(source).collect() }
    }

    /// What the sources are called, in the order of the configuration.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.sources.iter().map(|source| source.ledger.name()).collect()
    }

    /// Asks every source whose name is wanted, side by side, and waits for the last of them or for
    /// the deadline. The answers are in the order of the configuration, one for each source.
    ///
    /// Each body must then be told of with [`Sources::parsed`]: a source is up when there were
    /// samples in what it sent, which only its reader knows.
    pub(crate) async fn fetch(
        &self,
        scraper: &Scraper<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Fetched> {
        let fetch = |(index, source)| Box::pin(Self::fetch_one(index, source, scraper));
        side_by_side(self.wanted(wanted).map(fetch).collect()).await
    }

    /// Tells what was found in the body of the source at `index`: how many samples could be read,
    /// the first thing that was wrong, if any, and which samples were dropped. With no sample, but
    /// something wrong, the source is down: it sent something else than an exposition, such as an
    /// HTML page. An empty exposition is none the worse for it.
    ///
    /// To be called once for each body of a [`Sources::fetch`], before the families are shown.
    /// Whether the body may be merged: not with more samples than the source may have.
    #[must_use]
    pub(crate) fn parsed(
        &self,
        index: usize,
        samples: u64,
        problem: Option<&str>,
        dropped: &[Dropped<'_>],
    ) -> bool {
        let Some(source) = self.sources.get(index) else { return false };
        // Processes that are added up were looked at one by one.
        let most = source.max_samples.filter(|_| source.workers.is_none());
        if let Some(most) = most.filter(|most| samples > *most as u64) {
            source.ledger.refused(Cause::TooManySamples(most));
            return false;
        }
        source.ledger.parsed(samples, problem, dropped);
        true
    }

    /// Counts samples that were read from the source at `index`, but dropped later: a series that
    /// another source has sent, too. Logs the first of each reason.
    pub(crate) fn dropped(&self, index: usize, dropped: &[Dropped<'_>]) {
        if let Some(source) = self.sources.get(index) {
            source.ledger.dropped(dropped);
        }
    }

    /// Notes which of a source's families could not keep their type.
    pub(crate) fn taken_apart(&self, index: usize, apart: &Apart) {
        if let Some(source) = self.sources.get(index) {
            source.ledger.taken_apart(apart);
        }
    }

    /// Bytes of the last bodies of the wanted sources, which the next ones will be much like.
    pub(crate) fn bytes(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        self.wanted(wanted).map(|(_, source)| source.ledger.bytes()).sum()
    }

    /// Notes that the sources' bodies could not be used, because other scrapes' answers hold all
    /// the memory that there is for them.
    pub(crate) fn turned_away(&self, wanted: impl Fn(&str) -> bool) {
        self.wanted(wanted).for_each(|(_, source)| source.ledger.refused(Cause::NoRoom));
    }

    /// Notes that the sources' bodies could not be used, because of a fault of ours.
    pub(crate) fn failed(&self, wanted: impl Fn(&str) -> bool) {
        self.wanted(wanted).for_each(|(_, source)| source.ledger.refused(Cause::Mishap));
    }

    /// How each source is doing, for `/sources`.
    pub(crate) fn health(&self) -> Vec<Health> {
        let health = |source: &Source| source.health();
        self.sources.iter().map(health).collect()
    }

    fn wanted(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &Source)> {
        let all = self.sources.iter().enumerate();
        all.filter(move |(_, source)| wanted(source.ledger.name()))
    }

    async fn fetch_one(index: usize, source: &Source, scraper: &Scraper<'_>) -> Fetched {
        let (outcome, words) = source.fetch(scraper).await;
        Fetched {
            index,
            name: source.ledger.name().to_owned(),
            mode: source.mode.clone(),
            max_samples: source.max_samples,
            outcome,
            words,
        }
    }
}

/// What one source answered.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where the source stands in the configuration.
    pub(crate) index: usize,
    /// What the source is called.
    pub(crate) name: String,
    /// What becomes of its samples among those of the others.
    pub(crate) mode: SourceMode,
    /// The most samples that it may have; no more than one beyond need be read.
    pub(crate) max_samples: Option<usize>,
    /// Its exposition, or why there is none; of several processes, one of theirs.
    pub(crate) outcome: Result<Body, FetchError>,
    /// What its processes said, where they are to be added up.
    pub(crate) words: Option<Words>,
}

impl Fetched {
    /// How much of each of its bodies is to be read.
    pub(crate) fn limits(&self) -> Limits {
        limits(self.max_samples)
    }

    /// Bytes of what it has to say.
    pub(crate) fn bytes(&self) -> u64 {
        match (&self.words, &self.outcome) {
            (Some(words), _) => words.bytes(),
            (None, Ok(body)) => body.bytes.len() as u64,
            (None, Err(_)) => 0,
        }
    }
}

fn limits(max_samples: Option<usize>) -> Limits {
    let usual = Limits::default();
    let samples = max_samples.map_or(usual.samples, |most| most.saturating_add(1));
    // Who scrapes us would lose everything for one of these.
    Limits { samples, native_below_zero: false, ..usual }
}

/// One exposition as it was sent, whole and decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// What the source called it, true or not.
    pub(crate) content_type: Option<String>,
    /// How it said it was compressed.
    pub(crate) content_encoding: Option<String>,
    /// The exposition itself.
    pub(crate) bytes: Bytes,
    /// How many bytes were sent, before decompression.
    pub(crate) received: u64,
}

impl Body {
    /// Reads it sample by sample; with the names that were meant, where it says how they are spelt.
    pub(crate) fn read(&self, limits: &Limits) -> Exposition<'_> {
        let read = exposition::parse_with(&self.bytes, self.format(), limits);
        if self.has_escaped_names() { read.unescaped() } else { read }
    }

    /// As [`Self::read`], for an answer in this format.
    pub(crate) fn scan(&self, to: Format, limits: &Limits) -> Scanned<'_> {
        let read = exposition::scan_for(to, &self.bytes, self.format(), limits);
        if self.has_escaped_names() { read.unescaped() } else { read }
    }

    fn format(&self) -> InputFormat {
        InputFormat::from_content_type(self.content_type.as_deref())
    }

    /// Of what the other escapings made of a name nobody can tell what it was.
    fn has_escaped_names(&self) -> bool {
        Escaping::from_content_type(self.content_type.as_deref()) == Some(Escaping::Values)
    }
}

/// Does all the work at once in the task of the caller; dropped with the caller.
pub(crate) async fn side_by_side<F: Future + Unpin>(work: Vec<F>) -> Vec<F::Output> {
    let mut work: Vec<(F, Option<F::Output>)> = work.into_iter().map(|f| (f, None)).collect();
    poll_fn(|cx| {
        let mut all_done = true;
        for (future, done) in work.iter_mut().filter(|(_, done)| done.is_none()) {
            match std::pin::Pin::new(future).poll(cx) {
                Poll::Ready(output) => *done = Some(output),
                Poll::Pending => all_done = false,
            }
        }
        if all_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    work.into_iter().filter_map(|(_, done)| done).collect()
}

/// The setting that limits every source.
const MAX_BYTES: &str = "--app-metrics-max-bytes";
