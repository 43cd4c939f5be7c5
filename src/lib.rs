//! podmeter shows what a pod does without touching its code.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
mod drain;
mod listen;
pub mod logging;
pub mod meter;
pub mod observe;
mod pump;
