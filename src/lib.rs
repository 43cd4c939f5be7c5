//! podmeter shows what a pod does without touching its code.

pub mod cli;
pub mod config;
pub mod logging;
