//! Finds the bytes that end a label value or a line, 64 at a time.

/// A cursor over the quotes, backslashes and line ends of a text.
pub(super) struct Specials<'a> {
    bytes: &'a [u8],
    /// Where the 64 bytes begin that `mask` tells about.
    base: usize,
    /// One bit for each byte, the first one lowest.
    mask: u64,
}

impl<'a> Specials<'a> {
    pub(super) fn new(bytes: &'a [u8], from: usize) -> Self {
        Self { bytes, base: from, mask: mask_at(bytes, from) }
    }

    /// The place of the next such byte at or after `from`, or the end of the text.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> usize {
        let ahead = from.wrapping_sub(self.base);
        let mut from = from;
        if ahead < WIDTH {
            let rest = self.mask >> ahead;
            if rest != 0 {
                return from + rest.trailing_zeros() as usize;
            }
            from = self.base + WIDTH;
        }
        while from < self.bytes.len() {
            (self.base, self.mask) = (from, mask_at(self.bytes, from));
            if self.mask != 0 {
                return from + self.mask.trailing_zeros() as usize;
            }
            from += WIDTH;
        }
        self.bytes.len()
    }

    /// The quote that ends a label value which begins at `from`; `None` where the value does not end
    /// on its line, or has an escape that would be written otherwise.
    #[inline]
    pub(super) fn closing_quote(&mut self, from: usize) -> Option<usize> {
        let mut at = self.next(from);
        loop {
            match self.bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' if matches!(self.bytes.get(at + 1), Some(b'n' | b'"' | b'\\')) => {
                    at = self.next(at + 2);
                }
                _ => return None,
            }
        }
    }
}

const WIDTH: usize = 64;

fn mask_at(bytes: &[u8], from: usize) -> u64 {
    let rest = &bytes[from..];
    if let Some(chunk) = rest.first_chunk() {
        return mask(chunk);
    }
    let mut last = [0; WIDTH];
    last[..rest.len()].copy_from_slice(rest);
    mask(&last)
}

/// Written so that the compiler makes vector instructions of the comparisons, on any processor.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte is what must not be")]
fn mask(chunk: &[u8; WIDTH]) -> u64 {
    let flags = chunk.map(|b| u8::from((b == b'"') | (b == b'\\') | (b == b'\n')));
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| {
        // The product brings the lowest bit of each byte into the highest byte.
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask << 8 | bits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_special_byte_is_found_at_its_place() {
        let text: Vec<u8> = (0..1000_u32)
            .map(|n| match n.wrapping_mul(2_654_435_761) >> 24 {
                0..8 => b'"',
                8..16 => b'\\',
                16..24 => b'\n',
                other => u8::try_from(other).unwrap(),
            })
            .collect();
        let wanted: Vec<usize> =
            (0..text.len()).filter(|at| matches!(text[*at], b'"' | b'\\' | b'\n')).collect();
        for step in [1, 7, 64, 200] {
            let mut specials = Specials::new(&text, 0);
            for from in (0..=text.len()).step_by(step) {
                let next = wanted.iter().copied().find(|at| *at >= from).unwrap_or(text.len());
                assert_eq!(specials.next(from), next, "from {from}");
            }
        }
    }

    #[test]
    fn a_value_ends_at_the_quote_that_no_backslash_stands_before() {
        let closing = |text: &str| Specials::new(text.as_bytes(), 0).closing_quote(0);
        assert_eq!(closing(r#"abc" x"#), Some(3));
        assert_eq!(closing(r#"a\"\\\n" x"#), Some(7));
        assert_eq!(closing(r#"a\z""#), None);
        assert_eq!(closing("a\nb\""), None);
        assert_eq!(closing("ab"), None);
        assert_eq!(closing("ab\\"), None);
    }
}
