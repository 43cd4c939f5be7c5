//! Asks one source for its exposition, and keeps the connection for the next time.

use super::connect::Address;
use super::error::{Cause, shown};
use super::intake::{ByteLimit, Intake};
use super::line::Line;
use super::request::Requests;
use super::{Body, Scraper};
use crate::config::{AppMetrics, SourceMode};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

/// The way to one source.
#[derive(Debug)]
pub(super) struct Client {
    address: Address,
    requests: Requests,
    limit: ByteLimit,
    /// Whether a connection may be used again: not where the next is to reach another process.
    keeps: bool,
    /// A connection for the next request. Scrapes at the same time open further ones, of which
    /// one stays.
    idle: Mutex<Option<Line>>,
}

impl Client {
    /// A client that has not connected. `most` is the limit of all sources, which the source's
    /// own goes before.
    pub(super) fn new(source: &AppMetrics, most: ByteLimit) -> Self {
        let own = source.limits.max_bytes.map(|bytes| ByteLimit { bytes, setting: "max-bytes=" });
        Self {
            address: Address::new(source),
            requests: Requests::new(source),
            limit: own.unwrap_or(most),
            keeps: !matches!(&source.mode, SourceMode::Sum(rules) if rules.workers > 1),
            idle: Mutex::new(None),
        }
    }

    /// Whether the files that the options name are of use now.
    pub(super) fn check(&self) -> Result<(), Cause> {
        self.address.check()?;
        self.requests.head(&Scraper::at(Instant::now())).map(|_| ())
    }

    /// Asks for the exposition and waits for all of it, until the deadline.
    pub(super) async fn fetch(&self, scraper: &Scraper<'_>) -> Result<Body, Cause> {
        let asked = Instant::now();
        let mut progress = Progress::Connecting;
        let outcome = timeout_at(scraper.deadline, self.get(scraper, &mut progress)).await;
        outcome.unwrap_or_else(|_| {
            Err(progress.too_late(scraper.deadline.saturating_duration_since(asked)))
        })
    }

    async fn get(&self, scraper: &Scraper<'_>, progress: &mut Progress) -> Result<Body, Cause> {
        let head = self.requests.head(scraper)?;
        let request = || self.requests.request(&head, scraper.deadline);
        if let Some(mut line) = self.kept().await {
            *progress = Progress::Waiting;
            // The app may close an idle connection at any time, also just as we ask. Asking again
            // is safe for a GET (RFC 9110, 9.2.2), and once is enough: the next line is new.
            if let Ok(answer) = line.ask(request()).await {
                return self.read(line, answer, scraper, progress).await;
            }
            *progress = Progress::Connecting;
        }
        let stream = self.address.connect(scraper.deadline).await?;
        let mut line = Line::new(stream).await?;
        *progress = Progress::Waiting;
        let answer = line.ask(request()).await.map_err(|error| Cause::of_asking(&error))?;
        self.read(line, answer, scraper, progress).await
    }

    /// Reads the body, and keeps the line if it can be used again.
    async fn read(
        &self,
        mut line: Line,
        answer: Response<Incoming>,
        scraper: &Scraper<'_>,
        progress: &mut Progress,
    ) -> Result<Body, Cause> {
        let (head, mut body) = answer.into_parts();
        self.check_status(head.status, &head.headers, scraper)?;
        let announced = body.size_hint().lower();
        let mut intake = Intake::new(&head.headers, announced, self.limit)?;
        *progress = Progress::Receiving(0);
        while let Some(frame) = line.frame(&mut body).await {
            // One read can bring thousands of chunks, and the deadline is to be looked at, too.
            consume_budget().await;
            let frame = frame.map_err(|error| Cause::of_reading(&error, intake.received()))?;
            if let Some(data) = frame.data_ref() {
                intake.push(data)?;
                *progress = Progress::Receiving(intake.received());
            }
        }
        let received = intake.received();
        let bytes = intake.finish()?;
        self.keep(line).await;
        Ok(Body {
            content_type: text(&head.headers, CONTENT_TYPE.as_str()),
            content_encoding: text(&head.headers, CONTENT_ENCODING.as_str()),
            bytes,
            received,
        })
    }

    fn check_status(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        scraper: &Scraper<'_>,
    ) -> Result<(), Cause> {
        if status == StatusCode::OK {
            return Ok(());
        }
        if let Some(location) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
            return Err(Cause::Redirect { status, location: shown(location.as_bytes()) });
        }
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let advice = if refused { self.requests.advice(scraper) } else { "" };
        Err(Cause::Status { status, advice })
    }

    async fn kept(&self) -> Option<Line> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        idle?.if_reusable().await
    }

    async fn keep(&self, line: Line) {
        if !self.keeps {
            return;
        }
        if let Some(line) = line.if_reusable().await {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        }
    }
}

/// How far a fetch has come.
enum Progress {
    Connecting,
    Waiting,
    /// With so many bytes of the body, before decompression.
    Receiving(u64),
}

impl Progress {
    /// What the deadline cut short.
    fn too_late(self, within: Duration) -> Cause {
        match self {
            Self::Connecting => Cause::NoConnection(within),
            Self::Waiting => Cause::NoAnswer(within),
            Self::Receiving(received) => Cause::TooSlow { received, within },
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value: &HeaderValue = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
