//! Proof of work: what a header has to show before anything is believed of it.
//!
//! A header names its own target, so meeting that alone costs nothing: the target has to be one that the
//! network allows there. Where a network changes its difficulty every 2016 blocks and only then, the parent
//! tells it, within a factor of four at a change (the times that tell it exactly may not be known).

use crate::message::headers::Header;
use crate::message::network::Network;
use bitcoin::{CompactTarget, Target, Work};

/// Blocks between changes of the difficulty (Bitcoin Core `DifficultyAdjustmentInterval`).
const PERIOD: u32 = 2016;

/// The target that a header names.
pub fn target(header: &Header) -> Target {
    Target::from_compact(CompactTarget::from_consensus(header.bits))
}

/// The work that a header proves, if it meets its target.
pub fn work(header: &Header) -> Work {
    target(header).to_work()
}

/// The largest target that a network allows (Bitcoin Core `powLimit`, btcd `PowLimit`), in compact form.
const fn limit(network: Network) -> u32 {
    match network {
        Network::Mainnet | Network::Testnet3 | Network::Testnet4 => 0x1d00_ffff,
        Network::Signet => 0x1e03_77ae,
        // A network without a name is somebody's own: whatever there is.
        Network::Regtest | Network::Simnet | Network::Custom(_) => 0x207f_ffff,
    }
}

/// Whether `header` proves work that counts on `network`; `parent` is the header it builds on and the height
/// of that, where they are sure.
pub fn proves_work(header: &Header, network: Network, parent: Option<(&Header, u32)>) -> bool {
    let own = target(header);
    let allowed = Target::from_compact(CompactTarget::from_consensus(limit(network)));
    if own > allowed || own == Target::ZERO || Target::from_le_bytes(header.hash.0) > own {
        return false;
    }
    let Some((parent, height)) = parent.filter(|_| matches!(network, Network::Mainnet | Network::Signet)) else {
        return true;
    };
    if !(height + 1).is_multiple_of(PERIOD) {
        return header.bits == parent.bits;
    }
    let before = target(parent);
    own <= before.max_transition_threshold_unchecked() && own >= before.min_transition_threshold()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::hash::Hash256;

    fn header(bits: u32, top: u8) -> Header {
        // Little endian: the last bytes are the highest.
        let mut hash = [0; 32];
        hash[32 - 8] = top;
        Header { hash: Hash256(hash), prev: Hash256::default(), time: 0, bits }
    }

    #[test]
    fn an_easy_target_of_its_own_proves_nothing_where_it_is_not_allowed() {
        let easy = header(0x207f_ffff, 1);
        assert!(proves_work(&easy, Network::Regtest, None) && proves_work(&easy, Network::Custom([1; 4]), None));
        assert!(!proves_work(&easy, Network::Mainnet, None) && !proves_work(&easy, Network::Signet, None));
        assert!(proves_work(&header(0x1b00_ffff, 0), Network::Mainnet, None));
        assert!(!proves_work(&header(0x1800_ffff, 1), Network::Mainnet, None), "misses its target");
        assert!(!proves_work(&header(0, 0), Network::Regtest, None), "no target at all");
    }

    #[test]
    fn difficulty_changes_every_2016_blocks_and_by_a_factor_of_four_at_most() {
        let (parent, same) = (header(0x1b00_ffff, 0), header(0x1b00_ffff, 0));
        let (easier, far) = (header(0x1b03_fffc, 0), header(0x1b04_0000, 0));
        for (child, inside, at_change) in [(same, true, true), (easier, false, true), (far, false, false)] {
            assert_eq!(proves_work(&child, Network::Mainnet, Some((&parent, 2016))), inside);
            assert_eq!(proves_work(&child, Network::Mainnet, Some((&parent, 4031))), at_change);
            // There a block after 20 minutes may be easy.
            assert!(proves_work(&child, Network::Testnet4, Some((&parent, 2016))));
        }
    }
}
