//! `addr` and `addrv2` (BIP 155): gossiped addresses.

use super::body::Body;
use super::read::{DecodeError, Reader, Reason};

/// Most addresses of a message (Bitcoin Core `MAX_ADDR_TO_SEND`, BIP 155).
pub const MAX_ADDRESSES: usize = 1000;
/// Longest address, in bytes (BIP 155).
pub const MAX_ADDRESS_BYTES: usize = 512;
/// Bytes of an `addr` entry with and (before protocol version 31402) without its time.
const V1_ENTRY: usize = 30;
const V1_ENTRY_UNTIMED: usize = 26;
/// Fewest bytes of an `addrv2` entry.
const V2_ENTRY: usize = 4 + 1 + 1 + 1 + 2;
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
/// Prefix of Tor v2 services in IPv6 form (`OnionCat`, `fd87:d87e:eb43::/48`).
const ONION_CAT: [u8; 6] = [0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43];

/// The network an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AddressNetwork {
    /// IPv4, BIP 155 id 1.
    Ipv4,
    /// IPv6, id 2.
    Ipv6,
    /// Tor v2, id 3, no longer used.
    TorV2,
    /// Tor v3, id 4.
    TorV3,
    /// I2P, id 5.
    I2p,
    /// CJDNS, id 6.
    Cjdns,
    /// Yggdrasil, id 7.
    Yggdrasil,
    /// An id of the future, or an address that every node ignores.
    Other,
}

impl AddressNetwork {
    /// Every network, in the order of [`Addresses::counts`].
    pub const ALL: [Self; 8] =
        [Self::Ipv4, Self::Ipv6, Self::TorV2, Self::TorV3, Self::I2p, Self::Cjdns, Self::Yggdrasil, Self::Other];

    /// Name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::TorV2 => "torv2",
            Self::TorV3 => "torv3",
            Self::I2p => "i2p",
            Self::Cjdns => "cjdns",
            Self::Yggdrasil => "yggdrasil",
            Self::Other => "other",
        }
    }
}

/// How many addresses of each network a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Addresses by network, in the order of [`AddressNetwork::ALL`].
    pub counts: [u32; 8],
}

impl Addresses {
    /// Addresses of one network.
    pub const fn get(&self, network: AddressNetwork) -> u32 {
        self.counts[network as usize]
    }

    /// All addresses.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// One gossiped address, borrowed from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was last seen, seconds since 1970, as sent; none in the oldest `addr`.
    pub time: Option<u32>,
    /// Service bits.
    pub services: u64,
    /// Network.
    pub network: AddressNetwork,
    /// The address bytes as BIP 155 has them: 4 for IPv4, 16 for IPv6, 32 for Tor v3, …
    pub address: &'a [u8],
    /// Port.
    pub port: u16,
}

/// How the entries of a message are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `addr`.
    V1,
    /// `addr` without times.
    V1Untimed,
    /// `addrv2`.
    V2,
}

/// Entries of a payload, up to the first that does not decode.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    format: Format,
    left: usize,
}

/// The addresses of the `payload` of an `addr` (`v2` false) or `addrv2` (true) that decoded.
pub fn entries(payload: &[u8], v2: bool) -> Entries<'_> {
    let mut reader = Reader::new(payload);
    let (format, left) = begin(&mut reader, v2).unwrap_or((Format::V1, 0));
    Entries { reader, format, left }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        entry(&mut self.reader, self.format).ok()
    }
}

fn begin(r: &mut Reader<'_>, v2: bool) -> Result<(Format, usize), DecodeError> {
    let mut probe = *r;
    if v2 {
        return Ok((Format::V2, r.count(MAX_ADDRESSES, V2_ENTRY, "addresses")?));
    }
    // The message does not tell its form: without times exactly when only that fits.
    let count = probe.size(MAX_ADDRESSES, "addresses")?;
    if count > 0 && probe.remaining() == count * V1_ENTRY_UNTIMED {
        *r = probe;
        return Ok((Format::V1Untimed, count));
    }
    Ok((Format::V1, r.count(MAX_ADDRESSES, V1_ENTRY, "addresses")?))
}

fn entry<'a>(r: &mut Reader<'a>, format: Format) -> Result<Entry<'a>, DecodeError> {
    let time = if format == Format::V1Untimed { None } else { Some(r.u32("address time")?) };
    if format == Format::V2 {
        let services = r.compact("address services")?;
        let start = r.offset();
        let id = r.u8("network id")?;
        let address = r.bytes(MAX_ADDRESS_BYTES, "address")?;
        let network = network_of(id, address, start)?;
        return Ok(Entry { time, services, network, address, port: r.u16_be("port")? });
    }
    let services = r.u64("address services")?;
    let ip = r.array::<16>("address")?;
    let (network, address) = if ip.starts_with(&IPV4_MAPPED) {
        (AddressNetwork::Ipv4, &ip[12..])
    } else if ip.starts_with(&ONION_CAT) {
        (AddressNetwork::TorV2, &ip[6..])
    } else {
        (AddressNetwork::Ipv6, &ip[..])
    };
    Ok(Entry { time, services, network, address, port: r.u16_be("port")? })
}

/// The network of a BIP 155 id. A wrong length of the networks in use is an error, as in the nodes;
/// of Tor v2 and Yggdrasil, which Bitcoin Core takes for unknown ids, it is merely no such address.
fn network_of(id: u8, address: &[u8], offset: usize) -> Result<AddressNetwork, DecodeError> {
    let (network, length) = match id {
        1 => (AddressNetwork::Ipv4, 4),
        2 => (AddressNetwork::Ipv6, 16),
        3 => (AddressNetwork::TorV2, 10),
        4 => (AddressNetwork::TorV3, 32),
        5 => (AddressNetwork::I2p, 32),
        6 => (AddressNetwork::Cjdns, 16),
        7 => (AddressNetwork::Yggdrasil, 16),
        _ => return Ok(AddressNetwork::Other),
    };
    // Addresses of other networks in IPv6 clothes are ignored on receipt (BIP 155 appendix A, Core).
    let wrapped = id == 2 && (address.starts_with(&IPV4_MAPPED) || address.starts_with(&ONION_CAT));
    match (address.len() == length, network) {
        (true, _) if wrapped => Ok(AddressNetwork::Other),
        (true, network) => Ok(network),
        (false, AddressNetwork::TorV2 | AddressNetwork::Yggdrasil) => Ok(AddressNetwork::Other),
        (false, _) => Err(Reader::error("address length", offset, length, address.len(), Reason::BadValue)),
    }
}

fn count(r: &mut Reader<'_>, v2: bool) -> Result<Body, DecodeError> {
    let (format, count) = begin(r, v2)?;
    let mut addresses = Addresses::default();
    for _ in 0..count {
        addresses.counts[entry(r, format)?.network as usize] += 1;
    }
    Ok(Body::Addresses(addresses))
}

/// `addr`.
pub(super) fn decode_v1(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    count(r, false)
}

/// `addrv2`.
pub(super) fn decode_v2(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    count(r, true)
}
