//! Of each bucket of latencies, the newest request whose trace is recorded: what stands behind a
//! number, for who wants to see one.
//!
//! One thread writes, any thread reads. The words of an entry belong together, so a reader that
//! comes while they are written looks again (a sequence lock); the writer waits for nobody. Nothing
//! is kept of a series until a sampled request comes.

use super::bounds::Bounds;
use crate::clock::Nanos;
use crate::observe::trace::{Trace, TraceId};
use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// One request that stands for a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What was measured, in nanoseconds.
    pub value: u64,
    /// When it was over.
    pub at: Nanos,
    /// The trace.
    pub trace: Trace,
}

impl Example {
    /// Whether it was over later; of two at one time, readers see the same.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        let key = |this: &Self| (this.at, this.value, this.trace.id.low(), this.trace.span());
        key(self) > key(other)
    }
}

/// The newest of each bucket.
#[derive(Debug, Default)]
pub(super) struct Traces(OnceLock<Box<[OnceLock<Box<Entry>>]>>);

#[derive(Debug, Default)]
struct Entry {
    /// Odd while the words are written.
    version: AtomicU64,
    words: [AtomicU64; 6],
}

impl Traces {
    /// Keeps a request; only the one writer of the histogram may call this.
    pub(super) fn keep(&self, bounds: &Bounds, example: Example) {
        let entries =
            self.0.get_or_init(|| (0..=bounds.classic().len()).map(|_| OnceLock::new()).collect());
        let bucket = bounds.classic().partition_point(|&bound| bound < example.value);
        if let Some(entry) = entries.get(bucket) {
            entry.get_or_init(Box::default).write(example);
        }
    }

    /// All that are kept, by their buckets.
    pub(super) fn iter(&self) -> impl Iterator<Item = Example> {
        let entries = self.0.get().into_iter().flatten();
        entries.filter_map(OnceLock::get).filter_map(|entry| entry.read())
    }
}

impl Entry {
    fn write(&self, example: Example) {
        let Example { value, at, trace } = example;
        let (id, span) = (trace.id, trace.span());
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
        // Nobody sees the words change before the version has.
        fence(Release);
        let words = [value, at.0, id.high(), id.low(), id.is_short().into(), span];
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Relaxed);
        }
        self.version.store(version.wrapping_add(2), Release);
    }

    /// What is kept; nothing if it is written too often to be read.
    fn read(&self) -> Option<Example> {
        for _ in 0..ATTEMPTS {
            let before = self.version.load(Acquire);
            let [value, at, high, low, is_short, span] =
                self.words.each_ref().map(|word| word.load(Relaxed));
            fence(Acquire);
            if before.is_multiple_of(2) && self.version.load(Relaxed) == before {
                let id = match is_short {
                    0 => TraceId::long(high, low),
                    _ => TraceId::short(low),
                };
                let trace = Trace::new(id, NonZeroU64::new(span)?);
                return Some(Example { value, at: Nanos(at), trace });
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// How often a reader looks at words that are being written. An example that is missing once is
/// there in the next scrape.
const ATTEMPTS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn example(value: u64) -> Example {
        let is_short = value.is_multiple_of(2);
        let id = if is_short { TraceId::short(!value) } else { TraceId::long(value, !value) };
        let trace = Trace::new(id, NonZeroU64::new(value + 1).unwrap());
        Example { value, at: Nanos(value), trace }
    }

    #[test]
    fn the_newest_of_each_bucket_is_kept() {
        let bounds = Bounds::union([[10, 20].as_slice()]).with_native(3, &[1]);
        let traces = Traces::default();
        assert_eq!(traces.iter().count(), 0);
        for value in [3, 10, 4, 25, 11, 21, 5] {
            traces.keep(&bounds, example(value));
        }
        assert!(traces.iter().eq([5, 11, 21].map(example)));
    }

    #[test]
    fn a_reader_sees_one_request_and_never_parts_of_two() {
        let bounds = Bounds::union([]);
        let traces = Traces::default();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for value in 0..200_000 {
                    traces.keep(&bounds, example(value));
                }
            });
            let mut last = 0;
            while !writer.is_finished() {
                for seen in traces.iter() {
                    assert_eq!(seen, example(seen.value));
                    assert!(seen.value >= last);
                    last = seen.value;
                }
            }
        });
        assert!(traces.iter().eq([example(199_999)]));
    }
}
