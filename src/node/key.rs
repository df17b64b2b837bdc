//! Secret keys of the tables whose entries the network chooses.
//!
//! With a key that nobody else knows, nobody can make two entries fall together. `SipHash-2-4`: the
//! same on every machine, so that with a fixed key a replay gives the same result everywhere.

use crate::message::hash::Hash256;
use bitcoin_hashes::siphash24;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// A key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    k0: u64,
    k1: u64,
}

impl Key {
    /// The same every time: for replay.
    pub const fn fixed(seed: u64) -> Self {
        Self { k0: seed, k1: seed.rotate_left(32) ^ 0x6274_6364_6d6f_6e2e }
    }

    /// A new one from the randomness of the operating system: for live capture.
    pub fn random() -> Self {
        let source = RandomState::new();
        Self { k0: source.hash_one(0_u8), k1: source.hash_one(1_u8) }
    }

    /// Another key made from this one.
    #[must_use]
    pub fn derive(self, use_of_it: u64) -> Self {
        let part = |n: u64| {
            siphash24::Hash::hash_to_u64_with_keys(self.k0, self.k1, &[use_of_it, n].map(u64::to_le_bytes).concat())
        };
        Self { k0: part(0), k1: part(1) }
    }

    /// 64 bits of `hash`.
    #[inline]
    pub fn of_hash(self, hash: &Hash256) -> u64 {
        siphash24::Hash::hash_to_u64_with_keys(self.k0, self.k1, &hash.0)
    }

    /// 64 bits of an outpoint.
    #[inline]
    pub fn of_outpoint(self, txid: &Hash256, vout: u32) -> u64 {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(&txid.0);
        bytes[32..].copy_from_slice(&vout.to_le_bytes());
        siphash24::Hash::hash_to_u64_with_keys(self.k0, self.k1, &bytes)
    }
}

/// Keys are secret, also in logs.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_inputs_make_a_difference() {
        let (key, hash) = (Key::fixed(7), Hash256([3; 32]));
        let mut other = hash;
        other.0[31] ^= 1;
        assert_eq!(key.of_hash(&hash), Key::fixed(7).of_hash(&hash));
        let values = [
            key.of_hash(&hash),
            key.of_hash(&other),
            Key::fixed(8).of_hash(&hash),
            key.derive(0).of_hash(&hash),
            key.derive(1).of_hash(&hash),
            key.of_outpoint(&hash, 0),
            key.of_outpoint(&hash, 1),
            key.of_outpoint(&other, 0),
            Key::random().of_hash(&hash),
            Key::random().of_hash(&hash),
        ];
        let distinct: std::collections::HashSet<_> = values.into_iter().collect();
        assert_eq!(distinct.len(), values.len());
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
