//! Bitcoin networks: magic bytes, default ports, names.

use bitcoin::p2p::Magic;
use std::fmt;
use std::str::FromStr;

/// btcd's simulation network (`wire.SimNet`, 0x12141c16 little endian), unknown to crate `bitcoin`.
const SIMNET_MAGIC: [u8; 4] = [0x16, 0x1c, 0x14, 0x12];

/// A network, told by the four bytes that start each of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The main network.
    Mainnet,
    /// Test network 3.
    Testnet3,
    /// Test network 4 (BIP 94).
    Testnet4,
    /// The default signet (BIP 325).
    Signet,
    /// Local regression test network, of Bitcoin Core and of btcd.
    Regtest,
    /// btcd's simulation network.
    Simnet,
    /// Any other, for example a custom signet.
    Custom([u8; 4]),
}

impl Network {
    /// The networks with a name.
    pub const NAMED: [Self; 6] =
        [Self::Mainnet, Self::Testnet3, Self::Testnet4, Self::Signet, Self::Regtest, Self::Simnet];

    /// The four bytes that start each message.
    pub fn magic(self) -> [u8; 4] {
        match self {
            Self::Mainnet => Magic::BITCOIN.to_bytes(),
            Self::Testnet3 => Magic::TESTNET3.to_bytes(),
            Self::Testnet4 => Magic::TESTNET4.to_bytes(),
            Self::Signet => Magic::SIGNET.to_bytes(),
            Self::Regtest => Magic::REGTEST.to_bytes(),
            Self::Simnet => SIMNET_MAGIC,
            Self::Custom(magic) => magic,
        }
    }

    /// The network whose messages start with `magic`, [`Network::Custom`] when none has a name for it.
    pub fn from_magic(magic: [u8; 4]) -> Self {
        Self::NAMED.into_iter().find(|n| n.magic() == magic).unwrap_or(Self::Custom(magic))
    }

    /// The TCP port nodes listen on by default; Bitcoin Core and btcd agree on all of them.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Mainnet => Some(8333),
            Self::Testnet3 => Some(18333),
            Self::Testnet4 => Some(48333),
            Self::Signet => Some(38333),
            Self::Regtest => Some(18444),
            Self::Simnet => Some(18555),
            Self::Custom(_) => None,
        }
    }

    /// The network whose nodes listen on `port` by default.
    pub fn from_port(port: u16) -> Option<Self> {
        Self::NAMED.into_iter().find(|n| n.default_port() == Some(port))
    }

    /// Name, lower case; `custom` for a network without one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet3 => "testnet3",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
            Self::Simnet => "simnet",
            Self::Custom(_) => "custom",
        }
    }
}

impl fmt::Display for Network {
    /// The name, or the magic bytes of a custom network as eight hex digits: what [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(magic) => write!(f, "{:08x}", u32::from_be_bytes(*magic)),
            named => f.write_str(named.name()),
        }
    }
}

/// The text is neither the name of a network nor eight hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown network {0:?}: expected mainnet, testnet3, testnet4, signet, regtest, simnet or 4 magic bytes in hex")]
pub struct UnknownNetwork(String);

impl FromStr for Network {
    type Err = UnknownNetwork;

    /// Reads a name (also Bitcoin Core's `main` and `test`) or magic bytes as eight hex digits, in wire order.
    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        match text {
            "main" => return Ok(Self::Mainnet),
            "test" | "testnet" => return Ok(Self::Testnet3),
            _ => {}
        }
        if let Some(named) = Self::NAMED.into_iter().find(|n| n.name() == text) {
            return Ok(named);
        }
        let hex = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u32::from_str_radix(text, 16) {
            Ok(magic) if hex => Ok(Self::from_magic(magic.to_be_bytes())),
            _ => Err(UnknownNetwork(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_bytes_as_on_the_wire() {
        let hex = ["f9beb4d9", "0b110907", "1c163f28", "0a03cf40", "fabfb5da", "161c1412"];
        for (network, hex) in Network::NAMED.into_iter().zip(hex) {
            assert_eq!(Network::Custom(network.magic()).to_string(), hex);
            assert_eq!(hex.parse(), Ok(network));
            assert_eq!(network.to_string().parse(), Ok(network));
            assert_eq!(network.default_port().and_then(Network::from_port), Some(network));
        }
    }

    #[test]
    fn other_text() {
        assert_eq!("01020304".parse(), Ok(Network::Custom([1, 2, 3, 4])));
        assert_eq!("main".parse(), Ok(Network::Mainnet));
        for bad in ["", "+1234567", "bitcoincash", "0102030", "010203045", "€€"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
