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

mod crew;
mod deadline;
mod error;
mod health;
mod intake;
mod line;
mod source;
#[cfg(test)]
mod tests;
mod workers;

pub(crate) use crew::{Muster, Words};
pub(crate) use deadline::{TIMEOUT, deadline};
pub(crate) use error::{Cause, FetchError};
pub(crate) use health::{Dropped, Health};

use crate::config::{AppMetrics, SourceMode};
use bytes::Bytes;
use health::Families;
use prometheus_client::registry::Registry;
use source::Source;
use std::future::poll_fn;
use std::task::Poll;
use tokio::time::Instant;

/// The app's expositions, in the order of the configuration.
///
/// Shared by everything that serves a scrape; each source keeps at most one idle connection.
#[derive(Debug)]
pub(crate) struct Sources {
    sources: Vec<Source>,
    max_bytes: u64,
}

impl Sources {
    /// Sources that were never asked, each of which may send `max_bytes`, before decompression and
    /// after it. Registers the `podmeter_app_*` families, in which each source is down so far.
    pub(crate) fn new(sources: &[AppMetrics], max_bytes: u64, registry: &mut Registry) -> Self {
        let families = Families::register(registry);
        let source = |source| Source::new(source, max_bytes, &families);
        let sources = sources.iter().map(source).collect();
        Self { sources, max_bytes }
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
        deadline: Instant,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Fetched> {
        let fetch = |(index, source)| Box::pin(self.fetch_one(index, source, deadline));
        side_by_side(self.wanted(wanted).map(fetch).collect()).await
    }

    /// Tells what was found in the body of the source at `index`: how many samples could be read,
    /// the first thing that was wrong, if any, and which samples were dropped. With no sample, but
    /// something wrong, the source is down: it sent something else than an exposition, such as an
    /// HTML page. An empty exposition is none the worse for it.
    ///
    /// To be called once for each body of a [`Sources::fetch`], before the families are shown.
    pub(crate) fn parsed(
        &self,
        index: usize,
        samples: u64,
        problem: Option<&str>,
        dropped: &[Dropped<'_>],
    ) {
        if let Some(source) = self.sources.get(index) {
            source.ledger.parsed(samples, problem, dropped);
        }
    }

    /// Counts samples that were read from the source at `index`, but dropped later: a series that
    /// another source has sent, too. Logs the first of each reason.
    pub(crate) fn dropped(&self, index: usize, dropped: &[Dropped<'_>]) {
        if let Some(source) = self.sources.get(index) {
            source.ledger.dropped(dropped);
        }
    }

    /// Bytes of the last bodies of the wanted sources, which the next ones will be much like.
    pub(crate) fn bytes(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let processes = |source: &Source| {
            source.workers.as_ref().map_or(1, |workers| workers.muster().workers as u64)
        };
        self.wanted(wanted).map(|(_, source)| source.ledger.bytes() * processes(source)).sum()
    }

    /// Notes that the sources' bodies could not be used, because other scrapes' answers hold all
    /// the memory that there is for them.
    pub(crate) fn turned_away(&self, wanted: impl Fn(&str) -> bool) {
        for (_, source) in self.wanted(wanted) {
            source.ledger.turned_away();
        }
    }

    /// How each source is doing, for `/sources`.
    pub(crate) fn health(&self) -> Vec<Health> {
        let health = |source: &Source| {
            let workers = source.workers.as_ref().map(workers::Workers::muster);
            Health { workers, ..source.ledger.health() }
        };
        self.sources.iter().map(health).collect()
    }

    fn wanted(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &Source)> {
        let all = self.sources.iter().enumerate();
        all.filter(move |(_, source)| wanted(source.ledger.name()))
    }

    async fn fetch_one(&self, index: usize, source: &Source, deadline: Instant) -> Fetched {
        let asked = Instant::now();
        let ask = |until| source.fetch(self.max_bytes, until);
        let (outcome, words) = match &source.workers {
            None => (ask(deadline).await, None),
            Some(workers) => {
                let late = || source.late(deadline.saturating_duration_since(asked));
                let (outcome, words) = workers.fetch(deadline, ask, late).await;
                (outcome, Some(words))
            }
        };
        source.ledger.fetched(&outcome, asked.elapsed());
        let name = source.ledger.name().to_owned();
        Fetched { index, name, mode: source.mode.clone(), outcome, words }
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
    /// Its exposition, or why there is none; of several processes, one of theirs.
    pub(crate) outcome: Result<Body, FetchError>,
    /// What its processes said, where they are to be added up.
    pub(crate) words: Option<Words>,
}

impl Fetched {
    /// Bytes of the bodies.
    pub(crate) fn bytes(&self) -> u64 {
        match (&self.words, &self.outcome) {
            (Some(words), _) => {
                words.processes.iter().map(|word| word.body.bytes.len() as u64).sum()
            }
            (None, Ok(body)) => body.bytes.len() as u64,
            (None, Err(_)) => 0,
        }
    }
}

/// One exposition as it was sent, whole and decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// What the source called it, true or not.
    pub(crate) content_type: Option<String>,
    /// The text.
    pub(crate) bytes: Bytes,
}

/// Does all the work at once in the task of the caller; dropped with the caller.
async fn side_by_side<F: Future + Unpin>(work: Vec<F>) -> Vec<F::Output> {
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
