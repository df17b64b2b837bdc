//! A map of what was seen lately, within a cap.
//!
//! Two generations: new keys go to the young one; when that is full it becomes the old one, and the one
//! before it is forgotten. A key that is used while it is in the old one moves back to the young one, so
//! at least the half of the capacity used last is known at any time.
//!
//! A key is 64 bits of a keyed hash. That a new one passes for one of n known has probability n / 2^64,
//! 2.5e-14 for 458 752, and without the key nobody can raise it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not used: keys are `u64`.
        self.0 = bytes.iter().fold(self.0, |n, &b| n << 8 | u64::from(b));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

type Generation<V> = HashMap<u64, V, BuildHasherDefault<Identity>>;

/// The map.
#[derive(Clone, Debug)]
pub struct Recent<V> {
    half: usize,
    young: Generation<V>,
    old: Generation<V>,
    forgotten: u64,
}

impl<V> Recent<V> {
    /// Empty; `capacity` keys at most, in both generations together.
    pub fn new(capacity: usize) -> Self {
        let half = (capacity / 2).max(1);
        Self { half, young: Generation::default(), old: Generation::default(), forgotten: 0 }
    }

    /// The value of `key`, which is used.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            self.insert(key, value);
        }
        self.young.get_mut(&key)
    }

    /// The value of `key`, which is not used by that.
    pub fn get(&self, key: u64) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// Puts in a key that is not known.
    pub fn insert(&mut self, key: u64, value: V) {
        if self.young.len() >= self.half {
            std::mem::swap(&mut self.young, &mut self.old);
            self.forgotten += self.young.len() as u64;
            // Keeps its memory, or takes as much at once: the generation will be full again.
            self.young.clear();
            self.young.reserve(self.half);
        }
        self.young.insert(key, value);
    }

    /// All values, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.young.values_mut().chain(self.old.values_mut())
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        self.young.remove(&key).or_else(|| self.old.remove(&key))
    }

    /// Keys known.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys forgotten for others since they were last taken: used again, they pass for new.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Keys forgotten for others since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Heap memory in bytes, within 1 %.
    pub fn memory_bytes(&self) -> usize {
        // `capacity` is 7/8 of the places, and each place has a byte of metadata.
        let bytes = |g: &Generation<V>| g.capacity() * 8 / 7 * (size_of::<(u64, V)>() + 1);
        bytes(&self.young) + bytes(&self.old)
    }
}
