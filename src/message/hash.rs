//! 256-bit hashes as the protocol has them, and double SHA-256.

use bitcoin_hashes::{HashEngine as _, sha256d};
use std::fmt;

/// A double SHA-256 in wire byte order; printed in display order (reversed hex), as every explorer does.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash256(pub [u8; 32]);

impl fmt::Display for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0.iter().rev()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of SHA-256 of `data`.
#[inline]
pub fn sha256d(data: &[u8]) -> Hash256 {
    Hash256(sha256d::Hash::hash(data).to_byte_array())
}

/// SHA-256 of SHA-256 of the concatenation of `parts`.
#[inline]
pub fn sha256d_of_parts(parts: [&[u8]; 3]) -> Hash256 {
    let mut engine = sha256d::Hash::engine();
    for part in parts {
        engine.input(part);
    }
    Hash256(engine.finalize().to_byte_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_string_has_the_checksum_every_verack_carries() {
        assert_eq!(sha256d(&[]).0[..4], [0x5d, 0xf6, 0xe0, 0xe2]);
        assert_eq!(sha256d_of_parts([b"a", b"", b"bc"]), sha256d(b"abc"));
    }

    #[test]
    fn prints_reversed() {
        let mut h = Hash256::default();
        h.0[31] = 0xab;
        assert_eq!(h.to_string(), format!("ab{}", "0".repeat(62)));
    }
}
