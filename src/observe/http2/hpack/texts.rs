//! The templates that entries of a table name, each kept for as long as its entry.

/// Texts by number. There are never more than entries.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// An empty one is free.
    kept: Vec<Box<str>>,
    free: Vec<u16>,
}

impl Texts {
    pub(super) fn keep(&mut self, text: Box<str>) -> u16 {
        if let Some(number) = self.free.pop() {
            self.kept[usize::from(number - FIRST)] = text;
            return number;
        }
        // The largest table has room for fewer entries than there are numbers.
        let number = u16::try_from(self.kept.len()).map_or(u16::MAX, |n| n.saturating_add(FIRST));
        self.kept.push(text);
        number
    }

    pub(super) fn get(&self, number: u16) -> &str {
        match number {
            ROOT => "/",
            INDEX => "/index.html",
            number => self.kept.get(usize::from(number - FIRST)).map_or("", |text| text),
        }
    }

    pub(super) fn forget(&mut self, number: u16) {
        let Some(index) = number.checked_sub(FIRST) else { return };
        if let Some(text) = self.kept.get_mut(usize::from(index)) {
            *text = Box::default();
            self.free.push(number);
        }
        if self.free.len() == self.kept.len() {
            *self = Self::default();
        }
    }

    /// Bytes of memory on the heap.
    pub(super) fn kept_bytes(&self) -> usize {
        let texts: usize = self.kept.iter().map(|text| text.len()).sum();
        texts + self.kept.capacity() * size_of::<Box<str>>() + self.free.capacity() * 2
    }
}

/// The static table's paths (RFC 7541, appendix A).
pub(super) const ROOT: u16 = 0;
pub(super) const INDEX: u16 = 1;
const FIRST: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_until_it_is_forgotten_and_its_number_is_used_again() {
        let mut texts = Texts::default();
        let (one, two) = (texts.keep("/one".into()), texts.keep("/two".into()));
        assert_eq!((texts.get(one), texts.get(two), texts.get(ROOT)), ("/one", "/two", "/"));
        texts.forget(one);
        texts.forget(ROOT);
        assert_eq!(texts.keep("/three".into()), one);
        assert_eq!((texts.get(one), texts.get(two)), ("/three", "/two"));
        texts.forget(one);
        texts.forget(two);
        assert_eq!(texts.kept_bytes(), 0);
    }
}
