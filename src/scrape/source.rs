//! One source among the others of a scrape: asked with the patience that it deserves, and kept
//! account of.

use super::client::Client;
use super::error::{Cause, FetchError};
use super::health::{Families, Health, Ledger};
use super::intake::ByteLimit;
use super::patience::Patience;
use super::workers::Workers;
use super::{Body, Scraper, Wants, Words};
use crate::config::{AppMetrics, SourceMode};
use std::time::Duration;
use tokio::time::Instant;

/// One exposition of the app.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) mode: SourceMode,
    /// The processes that answer, where they are to be added up.
    pub(super) workers: Option<Workers>,
    pub(super) max_samples: Option<usize>,
    pub(super) ledger: Ledger,
    timeout: Option<Duration>,
    patience: Patience,
    client: Client,
}

impl Source {
    pub(super) fn new(source: &AppMetrics, most: ByteLimit, families: &Families) -> Self {
        let max_bytes = source.limits.max_bytes.unwrap_or(most.bytes);
        let workers = match &source.mode {
            SourceMode::Sum(rules) => {
                Some(Workers::new(rules.workers, source.limits.max_samples, max_bytes))
            }
            SourceMode::Plain | SourceMode::Label => None,
        };
        Self {
            mode: source.mode.clone(),
            workers,
            max_samples: source.limits.max_samples,
            ledger: Ledger::new(source, families),
            timeout: source.limits.timeout,
            patience: Patience::default(),
            client: Client::new(source, most),
        }
    }

    /// Asks for the exposition and waits for all of it, until the deadline at the latest. Of
    /// several processes that are added up, asks for all of theirs.
    pub(super) async fn fetch(
        &self,
        scraper: &Scraper<'_>,
    ) -> (Result<Body, FetchError>, Option<Words>) {
        let asked = Instant::now();
        let own = self.timeout.map_or(scraper.deadline, |timeout| asked + timeout);
        let waiting = self.patience.wait(asked, scraper.deadline.min(own));
        let scraper = Scraper { deadline: waiting.until, ..*scraper };
        let (outcome, words) = match &self.workers {
            None => (self.client.fetch(&scraper).await, None),
            Some(workers) => {
                // What they count is compared from scrape to scrape, so it is asked for in the
                // same format whoever scrapes: the one that can say the most.
                let scraper = Scraper { wants: Wants::Protobuf, ..scraper };
                let ask = |deadline| async move {
                    self.client.fetch(&Scraper { deadline, ..scraper }).await
                };
                let (outcome, words) = workers.fetch(scraper.deadline, ask).await;
                (outcome, Some(words))
            }
        };
        waiting.end(outcome.as_ref().is_err_and(Cause::is_a_hang));
        let outcome =
            outcome.map_err(|cause| FetchError { url: self.ledger.url().to_owned(), cause });
        self.ledger.fetched(&outcome, asked.elapsed(), self.patience.impatient_for());
        if let Some(words) = &words {
            self.ledger.all_sent(words.sent());
        }
        (outcome, words)
    }

    /// How it is doing.
    pub(super) fn health(&self) -> Health {
        let workers = self.workers.as_ref().map(Workers::muster);
        Health { workers, ..self.ledger.health(self.patience.impatient_for()) }
    }
}
