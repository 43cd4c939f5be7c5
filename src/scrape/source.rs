//! One source: how it is asked, and the connection that is kept for the next time.

use super::Body;
use super::deadline::TIMEOUT;
use super::error::{Cause, FetchError, shown};
use super::health::{Families, Ledger};
use super::intake::Intake;
use super::line::Line;
use super::workers::Workers;
use crate::config::{AppMetrics, Place, SourceMode, SourceUrl};
use crate::exposition::Limits;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// One exposition of the app.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) mode: SourceMode,
    /// The processes that answer, where they are to be added up.
    pub(super) workers: Option<Workers>,
    pub(super) ledger: Ledger,
    place: Place,
    /// Path and query.
    path: Uri,
    /// What every request says.
    headers: HeaderMap,
    /// A connection for the next request. Scrapes at the same time open further ones, of which
    /// one stays.
    idle: Mutex<Option<Line>>,
}

impl Source {
    pub(super) fn new(source: &AppMetrics, max_bytes: u64, families: &Families) -> Self {
        let AppMetrics { url, name, mode, .. } = source;
        Self {
            mode: mode.clone(),
            workers: match mode {
                SourceMode::Sum(rules) => {
                    Some(Workers::new(rules.workers, Limits::default(), max_bytes))
                }
                SourceMode::Plain | SourceMode::Label => None,
            },
            ledger: Ledger::new(url.to_string(), name.clone(), families),
            place: url.place().clone(),
            path: url.path_and_query().clone().into(),
            headers: headers(url),
            idle: Mutex::new(None),
        }
    }

    /// Asks for the exposition and waits for all of it, until the deadline.
    pub(super) async fn fetch(
        &self,
        max_bytes: u64,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let asked = Instant::now();
        let mut progress = Progress::Connecting;
        let outcome = match timeout_at(deadline, self.get(max_bytes, deadline, &mut progress)).await
        {
            Ok(outcome) => outcome,
            Err(_) => Err(progress.too_late(deadline.saturating_duration_since(asked))),
        };
        outcome.map_err(|cause| FetchError { url: self.ledger.url().to_owned(), cause })
    }

    /// That there was no turn to ask within so long.
    pub(super) fn late(&self, within: Duration) -> FetchError {
        FetchError { url: self.ledger.url().to_owned(), cause: Cause::NoAnswer(within) }
    }

    async fn get(
        &self,
        max_bytes: u64,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Body, Cause> {
        if let Some(mut line) = self.kept().await {
            *progress = Progress::Waiting;
            // The app may close an idle connection at any time, also just as we ask. Asking again
            // is safe for a GET (RFC 9110, 9.2.2), and once is enough: the next line is new.
            if let Ok(answer) = line.ask(self.request(deadline)).await {
                return self.read(line, answer, max_bytes, progress).await;
            }
            *progress = Progress::Connecting;
        }
        let mut line = Line::open(&self.place).await?;
        *progress = Progress::Waiting;
        let answer = line.ask(self.request(deadline)).await;
        let answer = answer.map_err(|error| Cause::of_asking(&error))?;
        self.read(line, answer, max_bytes, progress).await
    }

    /// Reads the body, and keeps the line if it can be used again.
    async fn read(
        &self,
        mut line: Line,
        answer: Response<Incoming>,
        max_bytes: u64,
        progress: &mut Progress,
    ) -> Result<Body, Cause> {
        let (head, mut body) = answer.into_parts();
        check_status(head.status, &head.headers)?;
        let mut intake = Intake::new(&head.headers, max_bytes)?;
        // A body that says beforehand that it is too large need not be read.
        intake.check(body.size_hint().lower())?;
        *progress = Progress::Receiving(0);
        while let Some(frame) = line.frame(&mut body).await {
            let frame = frame.map_err(|error| Cause::of_reading(&error, intake.received()))?;
            if let Some(data) = frame.data_ref() {
                intake.push(data)?;
                *progress = Progress::Receiving(intake.received());
            }
        }
        let bytes = intake.finish()?;
        self.keep(line).await;
        let content_type = head.headers.get(CONTENT_TYPE);
        let content_type =
            content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Body { content_type, bytes })
    }

    fn request(&self, deadline: Instant) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        if let Ok(left) = HeaderValue::try_from(format!("{left:.3}")) {
            request.headers_mut().insert(TIMEOUT, left);
        }
        request
    }

    async fn kept(&self) -> Option<Line> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        idle?.if_reusable().await
    }

    async fn keep(&self, line: Line) {
        // The next connection may lead to another process; this one never does.
        if self.workers.as_ref().is_some_and(|workers| workers.muster().workers > 1) {
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

fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), Cause> {
    match headers.get(LOCATION) {
        _ if status == StatusCode::OK => Ok(()),
        Some(location) if status.is_redirection() => {
            Err(Cause::Redirect { status, location: shown(location.as_bytes()) })
        }
        _ => Err(Cause::Status(status)),
    }
}

fn headers(url: &SourceUrl) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(host) = HeaderValue::try_from(url.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
    headers.insert(ACCEPT, HeaderValue::from_static(FORMATS));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}

const OURSELVES: &str = concat!("podmeter/", env!("CARGO_PKG_VERSION"));
/// OpenMetrics can say more, so it comes first; whatever else an app has is better than nothing.
const FORMATS: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
