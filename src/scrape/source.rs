//! One source among the others of a scrape: asked with the patience that it deserves, and kept
//! account of.

use super::client::Client;
use super::error::FetchError;
use super::health::{Families, Ledger};
use super::intake::ByteLimit;
use super::patience::Patience;
use super::{Body, Scraper};
use crate::config::{AppMetrics, SourceMode};
use std::time::Duration;
use tokio::time::Instant;

/// One exposition of the app.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) mode: SourceMode,
    pub(super) max_samples: Option<usize>,
    pub(super) ledger: Ledger,
    timeout: Option<Duration>,
    patience: Patience,
    client: Client,
}

impl Source {
    pub(super) fn new(source: &AppMetrics, most: ByteLimit, families: &Families) -> Self {
        Self {
            mode: source.mode.clone(),
            max_samples: source.limits.max_samples,
            ledger: Ledger::new(source, families),
            timeout: source.limits.timeout,
            patience: Patience::default(),
            client: Client::new(source, most),
        }
    }

    /// Asks for the exposition and waits for all of it, until the deadline at the latest.
    pub(super) async fn fetch(&self, scraper: &Scraper<'_>) -> Result<Body, FetchError> {
        let asked = Instant::now();
        let own = self.timeout.map_or(scraper.deadline, |timeout| asked + timeout);
        let waiting = self.patience.wait(asked, scraper.deadline.min(own));
        let outcome = self.client.fetch(&Scraper { deadline: waiting.until, ..*scraper }).await;
        waiting.end(outcome.as_ref().is_err_and(super::error::Cause::is_a_hang));
        let outcome =
            outcome.map_err(|cause| FetchError { url: self.ledger.url().to_owned(), cause });
        self.ledger.fetched(&outcome, asked.elapsed(), self.patience.impatient_for());
        outcome
    }

    /// How long scrapes wait less than they could.
    pub(super) fn impatient_for(&self) -> Option<Duration> {
        self.patience.impatient_for()
    }
}
