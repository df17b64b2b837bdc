//! `inv`, `getdata`, `notfound`: lists of object hashes.

use super::body::Body;
use super::hash::Hash256;
use super::read::{DecodeError, Reader};

/// Most entries of a list (Bitcoin Core `MAX_INV_SZ`).
pub const MAX_ENTRIES: usize = 50_000;
/// Bytes of an entry.
const ENTRY: usize = 36;
/// Bit of a type that asks for the object with its witnesses (BIP 144).
const WITNESS: u32 = 1 << 30;

/// What an inventory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A transaction by txid.
    Tx,
    /// A block.
    Block,
    /// A block as `merkleblock` (BIP 37).
    FilteredBlock,
    /// A block as `cmpctblock` (BIP 152).
    CompactBlock,
    /// A transaction by wtxid (BIP 339).
    Wtx,
    /// A transaction by txid, with witnesses (BIP 144).
    WitnessTx,
    /// A block, with witnesses (BIP 144).
    WitnessBlock,
    /// Anything else: packages (BIP 331, types 6 and 7), errors (0), types of other networks.
    Other,
}

impl Kind {
    /// Every kind, in the order of [`Inventory::counts`].
    pub const ALL: [Self; 8] = [
        Self::Tx,
        Self::Block,
        Self::FilteredBlock,
        Self::CompactBlock,
        Self::Wtx,
        Self::WitnessTx,
        Self::WitnessBlock,
        Self::Other,
    ];

    /// The kind of a type number as on the wire.
    #[inline]
    pub const fn from_type(number: u32) -> Self {
        const WITNESS_TX: u32 = WITNESS | 1;
        const WITNESS_BLOCK: u32 = WITNESS | 2;
        match number {
            1 => Self::Tx,
            2 => Self::Block,
            3 => Self::FilteredBlock,
            4 => Self::CompactBlock,
            5 => Self::Wtx,
            WITNESS_TX => Self::WitnessTx,
            WITNESS_BLOCK => Self::WitnessBlock,
            _ => Self::Other,
        }
    }

    /// Name, `snake_case`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tx => "tx",
            Self::Block => "block",
            Self::FilteredBlock => "filtered_block",
            Self::CompactBlock => "compact_block",
            Self::Wtx => "wtx",
            Self::WitnessTx => "witness_tx",
            Self::WitnessBlock => "witness_block",
            Self::Other => "other",
        }
    }

    /// Whether it names a transaction.
    pub const fn is_tx(self) -> bool {
        matches!(self, Self::Tx | Self::Wtx | Self::WitnessTx)
    }

    /// Whether it names a block, in any form.
    pub const fn is_block(self) -> bool {
        matches!(self, Self::Block | Self::FilteredBlock | Self::CompactBlock | Self::WitnessBlock)
    }
}

/// How many entries of each kind a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Entries by kind, in the order of [`Kind::ALL`].
    pub counts: [u32; 8],
}

impl Inventory {
    /// Entries of one kind.
    pub const fn get(&self, kind: Kind) -> u32 {
        self.counts[kind as usize]
    }

    /// All entries.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Kind.
    pub kind: Kind,
    /// The object: txid, wtxid or block hash.
    pub hash: Hash256,
}

/// The entries of the `payload` of an `inv`, `getdata` or `notfound` that decoded; none of one that did not.
pub fn entries(payload: &[u8]) -> impl ExactSizeIterator<Item = Entry> + '_ {
    let list = list(&mut Reader::new(payload)).unwrap_or_default();
    list.chunks_exact(ENTRY).map(|entry| {
        let mut hash = Hash256::default();
        hash.0.copy_from_slice(&entry[4..]);
        Entry { kind: kind(entry), hash }
    })
}

fn list<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let count = r.count(MAX_ENTRIES, ENTRY, "inventory")?;
    r.take(count * ENTRY, "inventory")
}

#[inline]
fn kind(entry: &[u8]) -> Kind {
    Kind::from_type(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]))
}

/// `inv`, `getdata`, `notfound`.
pub(super) fn decode(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let mut inventory = Inventory::default();
    for entry in list(r)?.chunks_exact(ENTRY) {
        inventory.counts[kind(entry) as usize] += 1;
    }
    Ok(Body::Inventory(inventory))
}
