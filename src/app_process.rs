//! What the app's processes use, told for an app that does not say so itself.
//!
//! Where the pod's containers see each other's processes (`shareProcessNamespace`), the kernel says
//! of each what it has used. Read for a scrape and beside it, kept for a moment, and the same for
//! all scrapers. A family that the app exports is the app's: once it has been seen, ours is silent for
//! good, so that no series ever has two meanings in turn.

mod choose;
mod proc;
mod shown;
mod tally;

use crate::aside::aside;
use crate::config::AppProcess;
use crate::exposition::Family;
use crate::process::{boot_time, ticks_per_second};
use choose::{Look, choose};
use proc::{Has, Proc, Task};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tally::Tally;
use tokio::time::Instant;

/// The app's processes, as far as they can be seen.
#[derive(Debug)]
pub(crate) struct AppProcesses {
    mode: AppProcess,
    proc: Proc,
    /// Our own number among them.
    own: u32,
    /// When the machine started, read once: the kernel's word for it moves with the date.
    boot: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    tally: Tally,
    /// When the first process of the app that was seen began, since 1970.
    since: Option<Duration>,
    /// The last reading, and when it was.
    last: Option<(Instant, Result<Reading, String>)>,
    /// Somebody is at it.
    is_being_read: bool,
    /// What the log was told of it.
    logged: Option<String>,
    /// Families that a source of the app has.
    the_apps: BTreeSet<String>,
    /// Sources that have been heard, by their numbers.
    heard: BTreeSet<usize>,
    sources: usize,
}

/// The app's processes at one moment.
#[derive(Debug)]
struct Reading {
    tasks: Vec<AppTask>,
    /// CPU time of all of them and of those that are gone.
    cpu_seconds: f64,
    /// Since when they have used it, since 1970.
    since: Option<Duration>,
}

/// One of them.
#[derive(Debug)]
struct AppTask {
    pid: u32,
    name: String,
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
    started: Duration,
}

/// What `/sources` says of them.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ProcessHealth {
    name: &'static str,
    url: String,
    /// Whether anything is shown.
    up: bool,
    /// How many processes were seen.
    processes: usize,
    /// Families that are left to the app, which exports them.
    left_to_the_app: Vec<String>,
    /// Why nothing is shown.
    last_error: Option<String>,
}

impl AppProcesses {
    /// Nothing has been read so far. The app has so many expositions of its own.
    pub(crate) fn new(mode: AppProcess, sources: usize) -> Self {
        Self::at("/proc", std::process::id(), mode, sources)
    }

    fn at(root: &str, own: u32, mode: AppProcess, sources: usize) -> Self {
        let known = Mutex::new(Known { sources, ..Known::default() });
        let boot = boot_time().unwrap_or_default();
        Self { mode, proc: Proc::at(root), own, boot, known }
    }

    /// Reads what there is to be read of who listens on these ports, unless that was just done.
    pub(crate) async fn read(self: &Arc<Self>, ports: Vec<SocketAddr>) {
        let now = Instant::now();
        if self.mode == AppProcess::Off || !self.known().begins_at(now) {
            return;
        }
        let this = Arc::clone(self);
        // Hundreds of small files are no work for the thread that answers.
        aside(move || this.read_now(&ports, now)).await;
    }

    fn read_now(&self, ports: &[SocketAddr], now: Instant) {
        let tasks = self.proc.tasks();
        let listeners = self.proc.listeners();
        let chosen = choose(&tasks, &listeners, ports, self.own, &self.proc);
        let mut known = self.known();
        let reading = match chosen {
            Ok(chosen) => Ok(self.reading(&tasks, &chosen, &mut known)),
            Err(unseen) => Err(unseen.to_string()),
        };
        // Where it cannot be seen it never is, in most pods; so that is nothing to be warned of.
        let state = reading.as_ref().err().map_or(SEEN, String::as_str);
        if known.logged.as_deref() != Some(state) {
            tracing::debug!("the app's processes: {state}");
            known.logged = Some(state.to_owned());
        }
        known.last = Some((now, reading));
        known.is_being_read = false;
    }

    fn reading(&self, tasks: &[Task], chosen: &BTreeSet<u32>, known: &mut Known) -> Reading {
        let per_second = ticks_per_second();
        let seconds = |ticks: u64| ticks as f64 / per_second as f64;
        let of_app = tasks.iter().filter(|task| chosen.contains(&task.pid)).take(MOST_TOLD);
        let told = of_app.map(|task| AppTask {
            pid: task.pid,
            name: task.name.clone(),
            cpu_seconds: seconds(task.ticks),
            resident_bytes: task.resident_bytes,
            virtual_bytes: task.virtual_bytes,
            open_fds: self.proc.open_fds(task.pid),
            max_fds: self.proc.max_fds(task.pid),
            started: self.boot + Duration::from_secs_f64(seconds(task.started)),
        });
        let tasks_told: Vec<AppTask> = told.collect();
        // One that comes later has begun later, so this stays as it is; were it to move, what was
        // used before would look like used again.
        let first = tasks_told.iter().map(|task| task.started).min();
        known.since = known.since.or(first);
        let cpu_seconds = seconds(known.tally.ticks(tasks, chosen));
        Reading { tasks: tasks_told, cpu_seconds, since: known.since }
    }

    /// Source `index` of the app was heard, and has a family of each name for which `has` says so.
    pub(crate) fn heard(&self, index: usize, has: impl Fn(&str) -> bool) {
        let mut known = self.known();
        known.heard.insert(index);
        known.the_apps.extend(shown::NAMES.into_iter().filter(|name| has(name)).map(str::to_owned));
    }

    /// Adds the families that no source of the app has.
    pub(crate) fn show(&self, families: &mut Vec<Family<'_>>) {
        let known = self.known();
        let Some((_, Ok(reading))) = &known.last else { return };
        if known.is_all_heard() {
            let wanted = |name: &str| !known.the_apps.contains(name);
            shown::show(reading, self.mode, wanted, families);
        }
    }

    /// What `/sources` says.
    pub(crate) fn health(&self) -> Option<ProcessHealth> {
        if self.mode == AppProcess::Off {
            return None;
        }
        let known = self.known();
        let (processes, last_error) = match &known.last {
            None => (0, Some("nobody has asked yet".to_owned())),
            Some((_, Err(why))) => (0, Some(why.clone())),
            Some((_, Ok(reading))) => {
                let waits = (!known.is_all_heard()).then(|| WAITS.to_owned());
                (reading.tasks.len(), waits)
            }
        };
        Some(ProcessHealth {
            name: "app process",
            url: self.proc.root(),
            up: last_error.is_none(),
            processes,
            left_to_the_app: known.the_apps.iter().cloned().collect(),
            last_error,
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether it is time to read, and nobody does.
    fn begins_at(&mut self, now: Instant) -> bool {
        let is_fresh = self.last.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < KEPT);
        let begins = !is_fresh && !self.is_being_read;
        self.is_being_read |= begins;
        begins
    }

    /// Whether it is known of every source which families it has.
    fn is_all_heard(&self) -> bool {
        self.heard.len() >= self.sources
    }
}

impl Look for Proc {
    fn has(&self, pid: u32, inodes: &[u64]) -> Has {
        self.has(pid, inodes)
    }

    fn uid(&self, pid: u32) -> Option<u32> {
        self.uid(pid)
    }

    fn container(&self, pid: u32) -> Option<String> {
        self.container(pid)
    }
}

/// How long a reading holds: two scrapers that come together cost as much as one.
const KEPT: Duration = Duration::from_secs(1);
/// Processes that are told of; who has more is added up or left out beyond them.
const MOST_TOLD: usize = 1000;
const SEEN: &str = "they are seen";
const WAITS: &str = "a source of the app has not answered yet, which may say it itself";
