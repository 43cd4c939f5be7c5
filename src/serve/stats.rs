//! The scrape: what was recorded and what the apps say of themselves, as one valid exposition.

use super::exposed::{Exposed, Gathered};
use super::health::ready;
use super::http::{Routes, values};
use super::reply::{self, Content, Reply};
use super::selection::Selection;
use super::sums::Sums;
use super::{Lifecycle, Room};
use crate::app_process::AppProcesses;
use crate::aside::{Aside, attempt};
use crate::clock::Clock;
use crate::config::SourceMode;
use crate::dialect::{Dialects, Vitals};
use crate::exposition::{
    self, Counts, Exposition, Format, InputFormat, Merged, Problems, Source, Syntax,
};
use crate::listen::Settler;
use crate::meter::Meter;
use crate::process::Process;
use crate::scrape::{self, Dropped, Scraper, Sources, Wants};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, VARY};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::time::Instant;

/// Everything that a scrape needs.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) meter: Arc<Meter>,
    pub(crate) dialects: Dialects,
    pub(crate) sources: Arc<Sources>,
    pub(crate) processes: Arc<AppProcesses>,
    /// The instruments of the code around the recording.
    pub(crate) registry: Registry,
    pub(crate) settler: Settler,
    pub(crate) room: Arc<Room>,
    pub(crate) aside: Aside,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The clock of the recording.
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
}

impl Routes for Stats {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Reply {
        match request.uri().path() {
            "/stats/prometheus" | "/metrics" => self.scraped(&request).await,
            "/ready" => ready(&request, &self.lifecycle),
            _ => reply::not_found(&["/stats/prometheus", "/metrics", "/ready"]),
        }
    }
}

impl Stats {
    /// Answers a scrape: always 200, always valid, within the scraper's deadline.
    pub(super) async fn scraped<B>(self: &Arc<Self>, request: &Request<B>) -> Reply {
        if let Some(refusal) = reply::unless_read(request.method()) {
            return refusal;
        }
        let selection = Selection::read(request.uri().query(), &self.sources.names());
        let selection = match selection {
            Ok(selection) => selection,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let format = exposition::negotiate(values(request.headers(), ACCEPT));
        let content = if request.method() == Method::HEAD {
            Content::Unmade
        } else {
            let scraper = Scraper {
                deadline: scrape::deadline(request.headers().get(scrape::TIMEOUT), Instant::now()),
                wants: match format.syntax() {
                    Syntax::Protobuf => Wants::Protobuf,
                    Syntax::Text | Syntax::QuotedText | Syntax::OpenMetrics => Wants::Text,
                },
                authorization: request.headers().get(AUTHORIZATION),
            };
            match self.expose(&scraper, format, selection).await {
                Some(content) => content,
                None => return reply::text(StatusCode::INTERNAL_SERVER_ERROR, MISHAP),
            }
        };
        let mut reply = reply::content(StatusCode::OK, format.content_type(), content);
        reply.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        reply
    }

    /// Asks the sources and begins the answer; `None` if something panicked on the way.
    async fn expose(
        self: &Arc<Self>,
        scraper: &Scraper<'_>,
        format: Format,
        selection: Selection,
    ) -> Option<Content> {
        let deadline = scraper.deadline;
        let wanted = |name: &str| selection.wants_source(name);
        let asked = async {
            let expected = self.sources.bytes(wanted);
            let mut share = self.room.take(expected, deadline).await?;
            let gathered = Gathered::new(self.sources.fetch(scraper, wanted).await);
            let bytes = gathered.bytes();
            if !share.fit(bytes, deadline).await {
                return None;
            }
            let turn = match bytes {
                ..=AT_ONCE => None,
                _ => Some(self.aside.turn(deadline).await?),
            };
            Some((share, gathered, turn))
        };
        let processes = self.processes.read(self.meter.targets());
        // What is not read in time is as it was.
        let processes = tokio::time::timeout_at(deadline, processes);
        let (asked, (), _) = tokio::join!(asked, self.settler.settle(), processes);
        let (share, gathered, turn) = if let Some(asked) = asked {
            asked
        } else {
            // Without the apps' families there is always room, and no wait.
            self.sources.turned_away(wanted);
            (self.room.take(0, deadline).await?, Gathered::new(Vec::new()), None)
        };
        let begin = |gathered, share| {
            let (stats, selection) = (Arc::clone(self), selection.clone());
            move || {
                let lifecycle = Arc::clone(&stats.lifecycle);
                Exposed::begin(
                    gathered,
                    |gathered| stats.merge(gathered, format, &selection),
                    format,
                    share,
                    lifecycle,
                )
            }
        };
        let made = match turn {
            Some(turn) => turn.work(begin(gathered, share)).await,
            None => attempt(begin(gathered, share)),
        };
        let mut exposed = if let Some(exposed) = made {
            exposed
        } else {
            // Whatever a body has done to us, our own families are there.
            self.sources.failed(wanted);
            let share = self.room.take(0, deadline).await?;
            attempt(begin(Gathered::new(Vec::new()), share))?
        };
        let whole = exposed.whole().map(Content::Whole);
        Some(whole.unwrap_or_else(|| Content::Parts(Box::new(exposed))))
    }

    fn merge<'g>(
        &self,
        gathered: &'g Gathered,
        format: Format,
        selection: &Selection,
    ) -> Merged<'g> {
        let mut sources = Vec::new();
        let mut read = Vec::new();
        let mut sums = Sums::default();
        // Of each group of sources that are added up, its place among the sources.
        let mut places = Vec::new();
        for fetched in &gathered.fetched {
            let index = fetched.index;
            if let (SourceMode::Sum(rules), Some(words)) = (&fetched.mode, &fetched.words) {
                let (group, heard) = sums.add(index, fetched, rules, words);
                if group == places.len() {
                    places.push(sources.len());
                    read.push((index, Counts::default()));
                    sources.push(Source::new(fetched.name.as_str(), Exposition::default()));
                }
                if fetched.outcome.is_ok() {
                    self.note_read(index, heard.samples, &heard.problems);
                }
                continue;
            }
            let Ok(body) = &fetched.outcome else { continue };
            let exposition = body.scan(format, &fetched.limits());
            let problems = std::slice::from_ref(&exposition.problems);
            if !self.note_read(index, exposition.samples() as u64, problems) {
                continue;
            }
            read.push((index, *exposition.problems.dropped()));
            self.processes.heard(index, |name| exposition.has_family(name));
            let source = Source::new(fetched.name.as_str(), exposition);
            sources.push(match fetched.mode {
                SourceMode::Label => source.labelled(),
                SourceMode::Plain | SourceMode::Sum(_) => source,
            });
        }
        for (sum, place) in sums.finish().into_iter().zip(places) {
            for (index, dropped) in &sum.dropped {
                self.note_merged(*index, dropped, &Counts::default());
                self.processes.heard(*index, |name| sum.exposition.has_family(name));
            }
            sources[place].replace(sum.exposition);
        }
        let mut own = Vec::new();
        if selection.wants_own() {
            let (snapshot, vitals) = (self.meter.snapshot(), self.vitals());
            own = self.dialects.families_for(format.syntax(), &snapshot, &vitals);
            let recorded = own.len();
            let text = gathered.instruments.get_or_init(|| self.instruments());
            own.extend(exposition::parse(text.as_bytes(), InputFormat::OpenMetrics).families);
            self.processes.show(&mut own);
            self.dialects.date(&mut own[recorded..], format.syntax());
        }
        if selection.used_only() {
            exposition::keep_used(&mut own);
        }
        let mut merged = exposition::merge_for(format, own, sources);
        for (outcome, (index, unread)) in merged.outcomes().iter().zip(&read) {
            self.note_merged(*index, &outcome.dropped, unread);
            self.sources.taken_apart(*index, &outcome.apart);
        }
        if selection.has_filter() {
            merged.keep_named(|name| selection.wants_name(name));
        }
        merged
    }

    /// Tells a source's ledger what was read of its body, or of the bodies of its processes.
    /// Whether it may be merged.
    fn note_read(&self, index: usize, samples: u64, problems: &[Problems]) -> bool {
        let first = || problems.iter().flat_map(Problems::first);
        let mut lost = Counts::default();
        for (reason, samples) in problems.iter().flat_map(|problems| problems.dropped().iter()) {
            lost.add(reason, samples);
        }
        let sentences: Vec<_> = lost
            .iter()
            .map(|(reason, samples)| {
                let first = first().find(|problem| problem.reason == reason);
                (
                    reason,
                    samples,
                    first.map_or_else(|| reason.sentence().to_owned(), ToString::to_string),
                )
            })
            .collect();
        let dropped: Vec<_> = sentences
            .iter()
            .map(|(reason, samples, first)| Dropped {
                reason: reason.as_str(),
                samples: *samples,
                first,
            })
            .collect();
        // A page of HTML costs no sample, and is wrong all the same.
        let problem = first().next().map(ToString::to_string);
        self.sources.parsed(index, samples, problem.as_deref(), &dropped)
    }

    /// Tells it what was dropped on the way into the answer, beyond what could not be read. The
    /// instruments show that from the next scrape on, as their text is part of this answer.
    fn note_merged(&self, index: usize, dropped: &Counts, unread: &Counts) {
        let dropped: Vec<_> = dropped
            .iter()
            .map(|(reason, samples)| (reason, samples.saturating_sub(unread.get(reason))))
            .filter(|(_, samples)| *samples > 0)
            .map(|(reason, samples)| Dropped {
                reason: reason.as_str(),
                samples,
                first: reason.sentence(),
            })
            .collect();
        self.sources.dropped(index, &dropped);
    }

    /// The instruments' families as text.
    fn instruments(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "cannot write the instruments");
        }
        text
    }

    /// What was recorded, for an operator's eye.
    pub(super) async fn statistics(&self) -> Vec<(String, String)> {
        self.settler.settle().await;
        self.dialects.statistics(&self.meter.snapshot(), &self.vitals())
    }

    pub(super) fn vitals(&self) -> Vitals {
        Vitals {
            draining: self.lifecycle.is_draining(),
            uptime: self.started.elapsed(),
            now: self.clock.now(),
            workers: self.meter.layout().shards,
            process: Process::read(),
        }
    }
}

/// Bodies of so many bytes are read and merged within a few milliseconds; for more, the control
/// thread is not kept.
const AT_ONCE: u64 = 256 * 1024;
const MISHAP: &str = "the exposition could not be put together; the log says why";
