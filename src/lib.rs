//! podmeter shows what a pod does without touching its code.
//!
//! It sits beside an app, carries the app's TCP connections unchanged, reads along, and answers
//! Prometheus with request counts, status codes and latencies, and with the app's own metrics.
//!
//! # A connection
//!
//! A worker of `listen` accepts it, and `pump` connects to the app and moves bytes both ways. Each
//! chunk is shown to the connection's [`observe::Watcher`], which tells protocols apart and hands
//! the bytes to the protocol's observer: a state machine without I/O that says which
//! [exchanges](observe::Exchange) happened. The connection's [`meter::Recorder`] adds them to its
//! thread's shard of the [`meter::Meter`].
//!
//! In a pod it comes from anywhere: [`redirect`] has put rules into the kernel that bring it, and
//! it is carried to where it was going.
//!
//! # A scrape
//!
//! `serve` answers it. `scrape` fetches the app's own expositions side by side under the scraper's
//! deadline; [`exposition::parse()`] reads them; [`dialect::Dialects`] shows a
//! [snapshot](meter::Snapshot) of the meter as Istio's and Envoy's families;
//! [`exposition::merge()`] makes one exposition of all, and [`exposition::render()`] writes it in the
//! [format](exposition::Format) that was negotiated, which names the Content-Type, too.
//!
//! # From start to end
//!
//! [`cli`] reads the command line, [`config`] turns flags, variables and a file into a
//! [`config::Config`] that cannot contradict itself, and [`app::App`] binds, runs until told to stop,
//! and drains.

pub mod app;
mod app_process;
mod aside;
pub mod cli;
pub mod clock;
pub mod config;
mod demo;
pub mod dialect;
mod drain;
pub mod exposition;
pub mod inject;
pub mod injector;
mod listen;
pub mod logging;
pub mod meter;
pub mod observe;
pub mod process;
mod pump;
pub mod redirect;
mod scrape;
mod serve;
