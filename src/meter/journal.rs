//! A list that one thread appends to while others read it, without a lock.

use std::sync::{Arc, OnceLock};

/// The readers' end: every entry appended so far, oldest first.
#[derive(Debug)]
pub(super) struct Journal<T> {
    first: Arc<Page<T>>,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Writer<T> {
    last: Arc<Page<T>>,
    used: usize,
}

/// Pages, so that dropping a long list does not recurse once per entry.
#[derive(Debug)]
struct Page<T> {
    entries: [OnceLock<T>; PAGE],
    next: OnceLock<Arc<Page<T>>>,
}

impl<T> Journal<T> {
    pub(super) fn new() -> (Self, Writer<T>) {
        let first = Arc::new(Page::new());
        (Self { first: Arc::clone(&first) }, Writer { last: first, used: 0 })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let pages = std::iter::successors(Some(&self.first), |page| page.next.get());
        pages.flat_map(|page| page.entries.iter().map_while(OnceLock::get))
    }
}

impl<T> Writer<T> {
    pub(super) fn append(&mut self, entry: T) {
        if self.used == PAGE {
            let next = Arc::new(Page::new());
            // There is one writer, so nobody can have set it before.
            let _ = self.last.next.set(Arc::clone(&next));
            self.last = next;
            self.used = 0;
        }
        let _ = self.last.entries[self.used].set(entry);
        self.used += 1;
    }
}

impl<T> Page<T> {
    fn new() -> Self {
        Self { entries: std::array::from_fn(|_| OnceLock::new()), next: OnceLock::new() }
    }
}

const PAGE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_everything_appended_so_far_in_order() {
        let (journal, mut writer) = Journal::new();
        assert_eq!(journal.iter().count(), 0);
        for n in 0..100 {
            writer.append(n);
            assert!(journal.iter().copied().eq(0..=n));
        }
    }
}
