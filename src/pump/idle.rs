//! Ends what does not move any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Goes off when nothing has passed for a while.
#[derive(Debug)]
pub(super) struct Idle {
    timeout: Duration,
    last_passed: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Idle {
    pub(super) fn new(timeout: Duration) -> Self {
        let alarm = Box::pin(tokio::time::sleep(timeout));
        Self { timeout, last_passed: Instant::now(), alarm }
    }

    /// Something has passed.
    pub(super) fn passed(&mut self) {
        self.last_passed = Instant::now();
    }

    /// Goes off after `timeout` at the latest from now on.
    pub(super) fn hurry(this: &mut Option<Self>, timeout: Duration) {
        if this.as_ref().is_none_or(|idle| idle.timeout > timeout) {
            *this = Some(Self::new(timeout));
        }
    }

    /// Ready once nothing has passed for as long as allowed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let due = self.last_passed + self.timeout;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(due);
        }
    }
}
