//! Tells whether label sets differ from one another, by keyed hashes of their texts.
//!
//! Texts that are alike have hashes that are alike, so no repetition goes unnoticed. The reverse need
//! not hold: who asks must take "not all differ" for "have a closer look".

use std::hash::{BuildHasher, RandomState};

/// The hashes of the label sets of one family.
pub(super) struct Seen {
    /// Drawn anew for each exposition, so that nobody can prepare texts that meet.
    keys: [u64; 4],
    hashes: Vec<u64>,
    table: Vec<u32>,
}

impl Seen {
    pub(super) fn new() -> Self {
        let state = RandomState::new();
        let keys = [1_u8, 2, 3, 4].map(|n| state.hash_one(n));
        Self { keys, hashes: Vec::new(), table: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.hashes.clear();
    }

    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        self.hashes.push(hash(&self.keys, text));
    }

    /// Whether all texts certainly differ.
    pub(super) fn all_differ(&mut self) -> bool {
        let hashes = &*self.hashes;
        if hashes.len() <= FEW {
            return (1..hashes.len()).all(|at| !hashes[..at].contains(&hashes[at]));
        }
        // Half empty at least, so that looking for a place ends soon.
        let size = (2 * hashes.len()).next_power_of_two();
        self.table.clear();
        self.table.resize(size, 0);
        hashes.iter().all(|hash| {
            let (low, high) = halves(*hash);
            let tag = high | 1;
            let mut at = low as usize & (size - 1);
            while self.table[at] != 0 {
                if self.table[at] == tag {
                    return false;
                }
                at = (at + 1) & (size - 1);
            }
            self.table[at] = tag;
            true
        })
    }
}

/// Up to here comparing each with each is quicker.
const FEW: usize = 12;

#[expect(clippy::cast_possible_truncation, reason = "this is what halves are")]
fn halves(hash: u64) -> (u32, u32) {
    (hash as u32, (hash >> 32) as u32)
}

/// Two lanes of multiply-and-fold; the length keeps the last words, which overlap, apart.
#[inline]
fn hash(keys: &[u64; 4], text: &[u8]) -> u64 {
    let length = text.len() as u64;
    let (mut one, mut two) = (keys[0] ^ length, keys[1]);
    let (chunks, rest) = text.as_chunks::<32>();
    for chunk in chunks {
        one = fold(one ^ word(chunk, 0), keys[2] ^ word(chunk, 8));
        two = fold(two ^ word(chunk, 16), keys[3] ^ word(chunk, 24));
    }
    if let Some(last) = text.last_chunk::<32>() {
        if !rest.is_empty() {
            one = fold(one ^ word(last, 0), keys[2] ^ word(last, 8));
            two = fold(two ^ word(last, 16), keys[3] ^ word(last, 24));
        }
    } else if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        one = fold(one ^ word(first, 0), keys[2] ^ word(first, 8));
        two = fold(two ^ word(last, 0), keys[3] ^ word(last, 8));
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        one = fold(one ^ word(first, 0), keys[2] ^ word(last, 0));
    } else {
        let word = rest.iter().fold(0, |word, b| word << 8 | u64::from(*b));
        one = fold(one ^ word, keys[2]);
    }
    fold(one ^ two.rotate_left(32), keys[3] ^ length)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are folded")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_text_is_noticed_among_any_number_of_others() {
        for count in [0, 1, 2, 11, 12, 13, 500, 5000] {
            let mut seen = Seen::new();
            let text = |n: usize| format!("path=\"/{}{n}\"", "x".repeat(n % 90));
            (0..count).for_each(|n| seen.push(text(n).as_bytes()));
            assert!(seen.all_differ(), "{count}");
            if count > 0 {
                seen.push(text(count / 2).as_bytes());
                assert!(!seen.all_differ(), "{count}");
            }
        }
    }

    #[test]
    fn every_byte_of_a_text_counts() {
        let keys = Seen::new().keys;
        for length in 0..140 {
            let text = vec![b'a'; length];
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'b';
                assert_ne!(hash(&keys, &text), hash(&keys, &other), "{at} of {length}");
            }
            assert_ne!(hash(&keys, &text), hash(&keys, &vec![b'a'; length + 1]));
        }
    }
}
