//! Where the webhook is in its life: whether it is ready, and what is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::measures::Measures;
use super::pair::Pair;
use super::served::Served;

/// What all parts of the webhook know of each other.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) served: Arc<Served>,
    pub(super) measures: Measures,
    /// The API servers do not know yet whom to trust.
    untrusted: AtomicBool,
    stopping: AtomicBool,
}

impl State {
    /// Serves a certificate from now on, if it is another one.
    pub(super) fn serve(&self, pair: Pair, now: u64) {
        let expires = pair.expires;
        if self.served.set(pair) {
            self.measures.loaded(true);
            if let Some(left) = expires.checked_sub(now) {
                tracing::info!("serving a certificate that is valid for {}", Left(left));
            } else {
                tracing::warn!("serving a certificate that has expired");
            }
        }
    }

    pub(super) fn set_trusted(&self, is: bool) {
        self.untrusted.store(!is, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Why reviews should go elsewhere, if they should.
    pub(super) fn unready(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Relaxed) {
            Some("stopping")
        } else if self.served.expires().is_none() {
            Some("no certificate yet")
        } else if self.untrusted.load(Ordering::Relaxed) {
            Some("the webhook configuration does not trust our certificate yet")
        } else {
            None
        }
    }
}

/// A number of seconds for people.
struct Left(u64);

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            seconds @ ..600 => write!(f, "{seconds} s"),
            seconds @ ..172_800 => write!(f, "{} h", seconds / 3_600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}
