//! The tree of txids in a block.

use super::hash::Hash256;
use bitcoin_hashes::sha256d;

/// Whether the transactions of a block are those of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MerkleCheck {
    /// The txids hash to the root in the header.
    Valid,
    /// They hash to another.
    Mismatch,
    /// They do, but their witnesses are not those that the coinbase commits to (BIP 141): whoever passed the
    /// block on may have changed them, and nodes do not hold that against the hash either.
    OtherWitnesses,
    /// They hash to it, but so would they without a repetition at the end (CVE-2012-2459): nodes drop such a
    /// block without holding it against the hash.
    Repeated,
}

/// Root of the tree over `leaves`, and whether two neighbours in it are equal; zero without leaves
/// (Bitcoin Core `ComputeMerkleRoot`).
pub fn root(leaves: impl IntoIterator<Item = Hash256>) -> (Hash256, bool) {
    let mut level: Vec<[u8; 32]> = leaves.into_iter().map(|h| h.0).collect();
    let mut above = Vec::new();
    let mut repeated = false;
    while level.len() > 1 {
        repeated |= level.chunks_exact(2).any(|pair| pair[0] == pair[1]);
        if level.len() % 2 == 1 {
            level.extend_from_within(level.len() - 1..);
        }
        // An even number of hashes of 32 bytes: whole pairs.
        let (pairs, _) = level.as_flattened().as_chunks::<64>();
        above.resize(pairs.len(), [0; 32]);
        sha256d::Hash::hash_64_many(&mut above, pairs);
        std::mem::swap(&mut level, &mut above);
    }
    (Hash256(level.first().copied().unwrap_or_default()), repeated)
}

/// Holds the `txids` of a block against the root in its header.
pub fn check(expected: Hash256, txids: impl IntoIterator<Item = Hash256>) -> MerkleCheck {
    match root(txids) {
        (root, _) if root != expected => MerkleCheck::Mismatch,
        (_, true) => MerkleCheck::Repeated,
        _ => MerkleCheck::Valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::hash::sha256d_of_parts;

    fn leaves(n: u8) -> Vec<Hash256> {
        (1..=n).map(|b| Hash256([b; 32])).collect()
    }

    fn pair(a: Hash256, b: Hash256) -> Hash256 {
        sha256d_of_parts([&a.0, &b.0, &[]])
    }

    #[test]
    fn small_trees_by_hand() {
        let l = leaves(5);
        assert_eq!(root([]), (Hash256::default(), false));
        assert_eq!(root(l[..1].iter().copied()), (l[0], false));
        assert_eq!(root(l[..2].iter().copied()), (pair(l[0], l[1]), false));
        let five = pair(pair(pair(l[0], l[1]), pair(l[2], l[3])), pair(pair(l[4], l[4]), pair(l[4], l[4])));
        assert_eq!(root(l), (five, false));
    }

    #[test]
    fn every_number_of_leaves_as_the_crate_has_it() {
        use bitcoin::hashes::{Hash as _, sha256d};
        for n in 1..70 {
            let theirs = leaves(n).into_iter().map(|h| sha256d::Hash::from_byte_array(h.0));
            let theirs = bitcoin::merkle_tree::calculate_root(theirs).unwrap();
            assert_eq!(root(leaves(n)), (Hash256(theirs.to_byte_array()), false), "{n} leaves");
        }
    }

    #[test]
    fn repetition_at_the_end_has_the_same_root() {
        let three = leaves(3);
        let expected = root(three.clone()).0;
        let four = [&three[..], &three[2..]].concat();
        assert_eq!(check(expected, three.clone()), MerkleCheck::Valid);
        assert_eq!(check(expected, four), MerkleCheck::Repeated);
        // The repetition of a whole subtree: 6 leaves, then 5 and 6 again.
        let six = leaves(6);
        let eight = [&six[..], &six[4..]].concat();
        assert_eq!(check(root(six).0, eight), MerkleCheck::Repeated);
        assert_eq!(check(expected, leaves(4)), MerkleCheck::Mismatch);
        assert_eq!(check(expected, []), MerkleCheck::Mismatch);
        // Equal neighbours across two pairs do not repeat a pair.
        let l = leaves(3);
        assert!(!root([l[0], l[1], l[1], l[2]]).1);
    }
}
