//! Hash maps by names: quick for short texts, and keyed, so that nobody outside can prepare names that
//! meet.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use super::labels::hash_bytes;

/// A map from names.
pub(super) type ByName<K, V> = HashMap<K, V, Keyed>;

/// A set of names.
pub(super) type NameSet = HashSet<String, Keyed>;

/// A map from hashes.
pub(super) type ByHash<V> = HashMap<u64, V, BuildHasherDefault<Taken>>;

/// A set of hashes.
pub(super) type Hashes = HashSet<u64, BuildHasherDefault<Taken>>;

/// Hashes are taken already; they are their own.
#[derive(Debug, Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Makes hashers that have the key of the process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keyed;

/// Hashes with [`hash_bytes`].
#[derive(Debug, Default)]
pub(super) struct KeyedHasher(u64);

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher::default()
    }
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_bytes(&self.0.to_le_bytes(), bytes);
    }

    /// Ends a text; its length is hashed already.
    fn write_u8(&mut self, _: u8) {}
}
