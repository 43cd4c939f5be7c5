//! Keeps those who read from us from costing the pod its memory or others their answers.
//!
//! The listeners of scrapers and of the kubelet are open to the whole cluster. Whoever only holds
//! connections open, or asks for large answers and does not take them, is told to go: when places
//! or memory run short the oldest first, and in any case after [`TAKE_WITHIN`].

use super::outgoing::Outgoing;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The connections of one listener that are open, oldest first.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<VecDeque<Weak<Reader>>>);

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    gone: CancellationToken,
    answer: Mutex<Outstanding>,
    handed_out: Notify,
}

/// The answer that a reader was given last.
#[derive(Debug, Default)]
struct Outstanding {
    bytes: usize,
    /// Dropped once the reader has taken nearly all of it.
    mark: Weak<()>,
}

impl Readers {
    /// One more; if places run short, the oldest is told to go.
    pub(super) fn welcome(&self) -> Arc<Reader> {
        let reader = Arc::new(Reader::default());
        // Whatever panicked, the list is still one of connections.
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| reader.strong_count() > 0);
        if readers.len() >= MAX_AT_EASE
            && let Some(oldest) = readers.pop_front().as_ref().and_then(Weak::upgrade)
        {
            oldest.gone.cancel();
        }
        readers.push_back(Arc::downgrade(&reader));
        reader
    }

    /// Hands an answer to a reader; if there is too much that others have not taken, the oldest of
    /// those are told to go.
    pub(super) fn hand_out(&self, reader: &Reader, answer: Outgoing) -> Handed {
        let handed = reader.hand_out(answer);
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untaken: Vec<_> = readers
            .iter()
            .filter_map(Weak::upgrade)
            .map(|reader| (reader.untaken(), reader))
            .filter(|(bytes, reader)| *bytes > 0 && !reader.gone.is_cancelled())
            .collect();
        let mut all: usize = untaken.iter().map(|(bytes, _)| bytes).sum();
        // The newest is the one that was just asked for.
        for (bytes, reader) in untaken.iter().take(untaken.len().saturating_sub(1)) {
            if all <= MAX_UNTAKEN {
                break;
            }
            reader.gone.cancel();
            all -= bytes;
        }
        handed
    }
}

impl Reader {
    /// Ready when the reader has to go.
    pub(super) async fn has_to_go(&self) {
        let takes_too_long = async {
            loop {
                self.handed_out.notified().await;
                let mark = self.outstanding(|answer| answer.mark.clone());
                tokio::time::sleep(TAKE_WITHIN).await;
                if mark.strong_count() > 0 {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = takes_too_long => {}
        }
    }

    fn hand_out(&self, mut answer: Outgoing) -> Handed {
        let mark = Arc::new(());
        answer.give(self.gone.clone());
        self.outstanding(|outstanding| {
            *outstanding = Outstanding { bytes: answer.held(), mark: Arc::downgrade(&mark) };
        });
        self.handed_out.notify_one();
        Handed { answer, _mark: mark }
    }

    /// Bytes of the answer, if it has not been taken.
    fn untaken(&self) -> usize {
        self.outstanding(|answer| if answer.mark.strong_count() > 0 { answer.bytes } else { 0 })
    }

    fn outstanding<T>(&self, look: impl FnOnce(&mut Outstanding) -> T) -> T {
        look(&mut self.answer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An answer that was handed out, and is known of until the reader has taken it.
#[derive(Debug)]
pub(super) struct Handed {
    answer: Outgoing,
    _mark: Arc<()>,
}

impl Body for Handed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.answer).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

/// From so many connections on the oldest has to go for the next.
const MAX_AT_EASE: usize = 192;
/// Bytes of answers, over all readers of a listener, that may wait to be taken. Those that have a
/// share of the room for large ones ([`Room`](super::room::Room)) are bounded there.
const MAX_UNTAKEN: usize = 64 * 1024 * 1024;
/// How long an answer may wait to be taken; a scraper has given up long before.
const TAKE_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_places_run_short_the_oldest_goes() {
        let readers = Readers::default();
        let held: Vec<_> = (0..=MAX_AT_EASE).map(|_| readers.welcome()).collect();
        assert!(held[0].gone.is_cancelled());
        assert!(held[1..].iter().all(|reader| !reader.gone.is_cancelled()));
    }

    #[test]
    fn places_that_were_left_are_not_counted() {
        let readers = Readers::default();
        let first = readers.welcome();
        for _ in 0..2 * MAX_AT_EASE {
            drop(readers.welcome());
        }
        assert!(!first.gone.is_cancelled());
    }

    #[test]
    fn when_too_much_was_not_taken_the_oldest_of_those_goes() {
        let readers = Readers::default();
        let large = || Outgoing::Whole(Bytes::from(vec![0; MAX_UNTAKEN / 2]));
        let (idle, one, two, three) =
            (readers.welcome(), readers.welcome(), readers.welcome(), readers.welcome());
        let _one = readers.hand_out(&one, large());
        let taken = readers.hand_out(&two, large());
        assert!(!one.gone.is_cancelled());
        drop(taken);
        let _again = readers.hand_out(&two, large());
        assert!(!one.gone.is_cancelled(), "what was taken does not count");
        let _three = readers.hand_out(&three, large());
        assert!(one.gone.is_cancelled());
        assert!([idle, two, three].iter().all(|reader| !reader.gone.is_cancelled()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_in_time_ends_its_connection() {
        let readers = Readers::default();
        let (slow, quick) = (readers.welcome(), readers.welcome());
        let _untaken = readers.hand_out(&slow, Outgoing::Whole(Bytes::from_static(b"answer")));
        drop(readers.hand_out(&quick, Outgoing::Whole(Bytes::from_static(b"answer"))));
        slow.has_to_go().await;
        let longer = tokio::time::timeout(10 * TAKE_WITHIN, quick.has_to_go()).await;
        assert!(longer.is_err(), "it took its answer and may stay");
    }
}
