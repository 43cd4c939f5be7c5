//! Answers HTTP: the scrape on the stats listener, operators on the admin listener, the kubelet on
//! the health listener.
//!
//! The listeners share one loop ([`http`]) and differ in their routes: [`stats`], [`admin`] and
//! [`health`] each turn a request into a [`Reply`], which goes out compressed and in
//! parts ([`outgoing`]). A scrape's answer is written while it is being sent ([`exposed`]); [`room`]
//! and [`readers`] bound what answers on their way may hold.

mod admin;
mod app_probes;
mod coding;
mod connections;
mod exposed;
mod health;
mod http;
mod outgoing;
mod readers;
pub(crate) mod reply;
mod room;
mod selection;
mod stats;
mod sums;

pub(crate) use self::http::{Routes, serve, values};
pub(crate) use admin::Admin;
pub(crate) use connections::accept;
pub(crate) use health::Health;
pub(crate) use reply::Reply;
pub(crate) use room::Room;
pub(crate) use stats::Stats;
pub(crate) use sums::gauge_rules;

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Where the proxy is in its life, and who wants to know or to change it.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    draining: AtomicBool,
    /// Somebody asked the proxy to end (`/quitquitquit`).
    pub(crate) quit: CancellationToken,
    /// The stats were scraped once more.
    pub(crate) scraped: Notify,
}

impl Lifecycle {
    /// From now on the proxy is not ready for more traffic.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
