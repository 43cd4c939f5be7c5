//! podmeter shows what a pod does without touching its code.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
mod demo;
pub mod dialect;
mod drain;
pub mod exposition;
mod listen;
pub mod logging;
pub mod meter;
pub mod observe;
pub mod process;
mod pump;
mod scrape;
mod serve;
