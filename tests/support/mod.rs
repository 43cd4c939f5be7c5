//! What integration tests put around the proxy: an app that plays a script, a client that records,
//! and the proxy itself, in this process or as the built program.
//!
//! A suite takes it in with `#[path = "../support/mod.rs"] mod support;`. Nothing here sleeps, and
//! every wait gives up after [`PATIENCE`], so that a bug fails a test rather than hanging it.

#![expect(dead_code, reason = "each suite uses a part of it")]

pub(crate) mod app;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod scenario;
pub(crate) mod script;

use std::time::Duration;

/// How long anything may take before it is taken for a bug; far more than it needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
