//! An exposition on its way to a reader: what it is made of, and how far it has been written.
//!
//! The merged exposition borrows from the bodies that the apps sent, and is written part by part as
//! its reader takes it. So the largest answer costs its bodies once, what was read of them, and
//! one part; it never stands in memory as a whole.

use super::Lifecycle;
use super::room::Share;
use crate::exposition::{Format, Merged, Rendering, Sample};
use crate::scrape::Fetched;
use bytes::Bytes;
use self_cell::self_cell;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// The texts that an exposition borrows from.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) fetched: Vec<Fetched>,
    /// The instruments' families, whose text is made once the bodies have been read.
    pub(super) instruments: OnceLock<String>,
}

impl Gathered {
    pub(super) fn new(fetched: Vec<Fetched>) -> Self {
        Self { fetched, instruments: OnceLock::new() }
    }

    /// Bytes of the apps' bodies.
    pub(super) fn bytes(&self) -> u64 {
        self.fetched.iter().map(Fetched::bytes).sum()
    }
}

self_cell! {
    struct Text {
        owner: Gathered,
        #[covariant]
        dependent: Merged,
    }

    impl { Debug }
}

/// An exposition that is being written.
#[derive(Debug)]
pub(crate) struct Exposed {
    text: Text,
    rendering: Rendering,
    /// What has been written already.
    start: Vec<u8>,
    more: bool,
    share: Share,
    lifecycle: Arc<Lifecycle>,
}

impl Exposed {
    /// Reads and merges what was gathered, and writes the beginning.
    pub(super) fn begin(
        gathered: Gathered,
        merge: impl for<'g> FnOnce(&'g Gathered) -> Merged<'g>,
        format: Format,
        share: Share,
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        let text = Text::new(gathered, merge);
        let rendering = Rendering::new(format);
        let mut this = Self { text, rendering, start: Vec::new(), more: true, share, lifecycle };
        let mut start = Vec::new();
        this.advance(START, &mut start);
        this.start = start;
        this
    }

    /// All of it, if it is so short that the beginning is all.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        (!self.more).then(|| std::mem::take(&mut self.start).into())
    }

    /// Appends more to `out`, until there are so many bytes in it; false at the end.
    pub(super) fn advance(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        self.share.taken();
        if out.is_empty() {
            *out = std::mem::take(&mut self.start);
        } else {
            out.append(&mut self.start);
        }
        while self.more && out.len() < bytes {
            self.more = self.rendering.advance(self.text.borrow_dependent(), out);
            if !self.more {
                self.lifecycle.scraped.notify_waiters();
            }
        }
        self.more
    }

    /// Bytes that it holds beyond its share of the room.
    pub(super) fn held(&self) -> usize {
        if self.share.counts() {
            return 0;
        }
        let bodies = usize::try_from(self.text.borrow_owner().bytes()).unwrap_or(usize::MAX);
        let samples = self.text.borrow_dependent().samples();
        bodies.saturating_add(samples.saturating_mul(size_of::<Sample<'_>>()))
    }

    /// From now on its reader may take it, until the token says that this takes too long.
    pub(super) fn give(&mut self, recalled: CancellationToken) {
        self.share.give(recalled);
    }
}

/// What is written at once. Most answers are no longer than this: they are whole, hold nothing
/// of what they were made of, and have a Content-Length.
const START: usize = 256 * 1024;
