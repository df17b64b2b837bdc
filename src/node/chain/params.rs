//! What a network's rules say of its chain: where it starts, what a block creates.

use crate::message::headers::{Header, HeaderView};
use crate::message::network::Network;
use bitcoin::Network as Rules;
use bitcoin::consensus::encode::serialize;
use bitcoin::constants::genesis_block;

/// Satoshi of a bitcoin.
const COIN: i64 = 100_000_000;
/// Bytes of a serialized header.
const HEADER: usize = crate::message::headers::HEADER_BYTES;

/// btcd's simulation network differs from Bitcoin Core's genesis blocks in time, target and nonce
/// only (btcd `chaincfg/genesis.go`, `simNetGenesisBlock`).
const SIMNET_TIME: u32 = 1_401_292_357;
const SIMNET_BITS: u32 = 0x207f_ffff;
const SIMNET_NONCE: u32 = 2;

/// The header of height 0 on `network`.
///
/// A network without a name is most likely a signet of somebody's own: all of them start with the
/// block of the default one (BIP 325), and a chain that starts elsewhere never links to it.
pub fn genesis(network: Network) -> Option<Header> {
    let (rules, simnet) = match network {
        Network::Mainnet => (Rules::Bitcoin, false),
        Network::Testnet3 => (Rules::Testnet, false),
        Network::Testnet4 => (Rules::Testnet4, false),
        Network::Signet | Network::Custom(_) => (Rules::Signet, false),
        Network::Regtest => (Rules::Regtest, false),
        Network::Simnet => (Rules::Bitcoin, true),
    };
    let mut bytes: [u8; HEADER] = serialize(&genesis_block(rules).header).try_into().ok()?;
    if simnet {
        for (at, word) in [(68, SIMNET_TIME), (72, SIMNET_BITS), (76, SIMNET_NONCE)] {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
    Some(HeaderView(&bytes).into())
}

/// What the block at `height` creates, satoshi: 50 BTC, halved every 210 000 blocks, on regtest every 150
/// (Bitcoin Core `GetBlockSubsidy`, btcd `CalcBlockSubsidy`; btcd's regtest has 150 too, its simnet 210 000).
pub const fn subsidy(height: u32, network: Network) -> i64 {
    let interval = if matches!(network, Network::Regtest) { 150 } else { 210_000 };
    let halvings = height / interval;
    if halvings < 64 { (50 * COIN) >> halvings } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::hash::Hash256;

    #[test]
    fn chains_start_where_everybody_says() {
        let known = [
            "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
            "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
            "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
            "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
            "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
            "683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6",
        ];
        for (network, hash) in Network::NAMED.into_iter().zip(known) {
            let header = genesis(network).unwrap();
            assert_eq!(header.hash.to_string(), hash, "{network}");
            assert_eq!(header.prev, Hash256::default());
        }
        assert_eq!(genesis(Network::Mainnet).unwrap().time, 1_231_006_505);
        assert_eq!(genesis(Network::Custom([1, 2, 3, 4])), genesis(Network::Signet));
    }

    #[test]
    fn subsidy_halves() {
        let main = |height| subsidy(height, Network::Mainnet);
        assert_eq!([0, 209_999, 210_000].map(main), [5_000_000_000, 5_000_000_000, 2_500_000_000]);
        // Blocks 629 999 and 840 000: the last of the second and the first of the fourth halving.
        assert_eq!([629_999, 630_000, 840_000].map(main), [1_250_000_000, 625_000_000, 312_500_000]);
        assert_eq!(main(32 * 210_000), 1);
        assert_eq!([33 * 210_000, 64 * 210_000, u32::MAX].map(main), [0; 3]);
        let test = |height| subsidy(height, Network::Regtest);
        assert_eq!([149, 150, 300].map(test), [5_000_000_000, 2_500_000_000, 1_250_000_000]);
        assert_eq!(subsidy(150, Network::Simnet), 5_000_000_000);
    }

    #[test]
    fn all_that_is_ever_mined() {
        // 20 999 999.9769 BTC, a figure anybody can look up.
        let total: i64 = (0..40).map(|n| subsidy(n * 210_000, Network::Mainnet) * 210_000).sum();
        assert_eq!(total, 2_099_999_997_690_000);
    }
}
