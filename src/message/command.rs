//! The table of message types: one row each, and the fast way from the 12-byte field to the row.

use super::body::Body;
use super::read::{DecodeError, Reader};
use super::{
    addr, block, bloom, body, compact, filters, headers, inventory, legacy, package, ping, recon, tx, version,
};

/// Turns a payload into a [`Body`]; the second argument is the double SHA-256 of the whole payload.
pub type Decoder = fn(&mut Reader<'_>, &[u8; 32]) -> Result<Body, DecodeError>;

/// One message type.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Name as on the wire (v1 header, BIP 324 long form).
    pub name: &'static str,
    /// Its decoder.
    pub decode: Decoder,
    /// One-byte message type on encrypted connections (BIP 324), when it has one.
    pub v2_type: Option<u8>,
    /// Where it is specified.
    pub source: &'static str,
    /// What it is for, one line.
    pub help: &'static str,
}

/// A message type: an index into [`COMMANDS`], or [`Command::UNKNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(u8);

macro_rules! commands {
    ($($constant:ident $name:literal $decode:path, $v2:expr, $source:literal, $help:literal;)+) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Row { $($constant,)+ }

        impl Command {
            $(#[doc = $help] pub const $constant: Self = Self(Row::$constant as u8);)+
        }

        /// Every message type the sensor knows by name. A new one is one row here.
        pub const COMMANDS: &[CommandSpec] = &[
            $(CommandSpec { name: $name, decode: $decode, v2_type: $v2, source: $source, help: $help },)+
        ];
    };
}

commands! {
    VERSION "version" version::decode, None, "protocol", "First message of each side: protocol version, services, user agent, height.";
    VERACK "verack" body::empty, None, "protocol", "Accepts the other side's version.";
    SENDADDRV2 "sendaddrv2" body::empty, None, "BIP 155", "Asks for addrv2 instead of addr.";
    WTXIDRELAY "wtxidrelay" body::empty, None, "BIP 339", "Asks for announcements by wtxid.";
    SENDTXRCNCL "sendtxrcncl" recon::send, None, "BIP 330", "Offers to reconcile transaction announcements.";
    SENDPACKAGES "sendpackages" package::send, None, "BIP 331", "Offers package relay.";
    FEATURE "feature" version::feature, Some(37), "BIP 434", "Offers a named feature, before verack.";
    ADDR "addr" addr::decode_v1, Some(1), "protocol", "Addresses of nodes, IPv6 form.";
    ADDRV2 "addrv2" addr::decode_v2, Some(28), "BIP 155", "Addresses of nodes on any network.";
    GETADDR "getaddr" body::empty, None, "protocol", "Asks for addresses of nodes.";
    INV "inv" inventory::decode, Some(14), "protocol", "Announces transactions and blocks by hash.";
    GETDATA "getdata" inventory::decode, Some(11), "protocol", "Asks for announced objects.";
    NOTFOUND "notfound" inventory::decode, Some(17), "protocol", "Answers a getdata for what the node does not have.";
    TX "tx" tx::decode, Some(21), "protocol", "One transaction.";
    MEMPOOL "mempool" body::empty, Some(15), "BIP 35", "Asks for an inv of the mempool.";
    FEEFILTER "feefilter" ping::fee_filter, Some(5), "BIP 133", "Lowest fee rate worth announcing, sat/kvB.";
    GETBLOCKS "getblocks" headers::locator, Some(9), "protocol", "Asks for an inv of blocks after a locator.";
    GETHEADERS "getheaders" headers::locator, Some(12), "protocol", "Asks for headers after a locator.";
    HEADERS "headers" headers::decode, Some(13), "protocol", "Block headers: an answer, or an announcement.";
    SENDHEADERS "sendheaders" body::empty, None, "BIP 130", "Asks for announcements by headers.";
    BLOCK "block" block::decode, Some(2), "protocol", "One block.";
    SENDCMPCT "sendcmpct" ping::send_compact, Some(20), "BIP 152", "Asks for compact blocks, announced or on request.";
    CMPCTBLOCK "cmpctblock" compact::block, Some(4), "BIP 152", "A block as short transaction ids.";
    GETBLOCKTXN "getblocktxn" compact::get_transactions, Some(10), "BIP 152", "Asks for transactions missing from a compact block.";
    BLOCKTXN "blocktxn" compact::block_transactions, Some(3), "BIP 152", "Transactions missing from a compact block.";
    PING "ping" ping::nonce, Some(18), "protocol, BIP 31", "Asks whether the peer is alive.";
    PONG "pong" ping::nonce, Some(19), "BIP 31", "Answers a ping with its nonce.";
    FILTERLOAD "filterload" bloom::load, Some(8), "BIP 37", "Sets a bloom filter.";
    FILTERADD "filteradd" bloom::add, Some(6), "BIP 37", "Adds an element to the bloom filter.";
    FILTERCLEAR "filterclear" body::empty, Some(7), "BIP 37", "Removes the bloom filter.";
    MERKLEBLOCK "merkleblock" bloom::merkle_block, Some(16), "BIP 37", "A block filtered by a bloom filter.";
    GETCFILTERS "getcfilters" filters::range, Some(22), "BIP 157", "Asks for compact filters of blocks.";
    CFILTER "cfilter" filters::filter, Some(23), "BIP 157", "The compact filter of a block.";
    GETCFHEADERS "getcfheaders" filters::range, Some(24), "BIP 157", "Asks for filter headers.";
    CFHEADERS "cfheaders" filters::headers, Some(25), "BIP 157", "Filter headers, as filter hashes.";
    GETCFCHECKPT "getcfcheckpt" filters::get_checkpoints, Some(26), "BIP 157", "Asks for filter headers at intervals.";
    CFCHECKPT "cfcheckpt" filters::checkpoints, Some(27), "BIP 157", "Filter headers at intervals.";
    REQRECON "reqrecon" recon::request, None, "BIP 330", "Starts a reconciliation round.";
    SKETCH "sketch" recon::sketch, None, "BIP 330", "Sketch of a reconciliation set.";
    REQSKETCHEXT "reqsketchext" body::empty, None, "BIP 330", "Asks for an extension of the sketch.";
    RECONCILDIFF "reconcildiff" recon::difference, None, "BIP 330", "Ends a reconciliation round; asks by short id.";
    ANCPKGINFO "ancpkginfo" package::info, None, "BIP 331", "The wtxids of a transaction's unconfirmed ancestors.";
    GETPKGTXNS "getpkgtxns" package::get_transactions, None, "BIP 331", "Asks for a package of transactions.";
    PKGTXNS "pkgtxns" package::transactions, None, "BIP 331", "A package of transactions.";
    GETUTXOS "getutxos" legacy::get_utxos, None, "BIP 64", "Asks for unspent outputs.";
    UTXOS "utxos" legacy::utxos, None, "BIP 64", "Unspent outputs.";
    REJECT "reject" legacy::reject, None, "BIP 61", "Says why a message was rejected; gone from Bitcoin Core since 0.20.";
    ALERT "alert" body::bytes, None, "protocol, until 2016", "A signed alert to all users; retired.";
    CHECKORDER "checkorder" body::bytes, None, "protocol, until 2012", "Payment to an IP address, first step; retired.";
    SUBMITORDER "submitorder" body::bytes, None, "protocol, until 2012", "Payment to an IP address, second step; retired.";
    REPLY "reply" body::bytes, None, "protocol, until 2012", "Answers checkorder and submitorder; retired.";
}

const ROWS: usize = COMMANDS.len();
const SLOT_BITS: u32 = 9;
const EMPTY: u8 = u8::MAX;

/// The 12-byte field as two words: what the fast lookup compares.
const fn words(field: &[u8; 12]) -> (u64, u32) {
    match (field.first_chunk(), field.last_chunk()) {
        (Some(low), Some(high)) => (u64::from_le_bytes(*low), u32::from_le_bytes(*high)),
        // Twelve bytes have both.
        _ => (0, 0),
    }
}

const fn slot(key: (u64, u32), multiplier: u64) -> usize {
    let mixed = key.0 ^ (key.1 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed.wrapping_mul(multiplier) >> (64 - SLOT_BITS)) as usize
}

const fn keys() -> [(u64, u32); ROWS] {
    let mut keys = [(0, 0); ROWS];
    let mut row = 0;
    while row < ROWS {
        let name = COMMANDS[row].name.as_bytes();
        let mut field = [0; 12];
        let mut i = 0;
        while i < name.len() {
            field[i] = name[i];
            i += 1;
        }
        keys[row] = words(&field);
        row += 1;
    }
    keys
}

/// A perfect hash found by trial at compile time: no two rows share a slot.
struct Perfect {
    multiplier: u64,
    slots: [u8; 1 << SLOT_BITS],
}

const fn perfect() -> Perfect {
    let mut multiplier = 0x2545_f491_4f6c_dd1d_u64;
    let mut tries = 0;
    while tries < 2000 {
        let mut slots = [EMPTY; 1 << SLOT_BITS];
        let mut row = 0;
        while row < ROWS && slots[slot(KEYS[row], multiplier)] == EMPTY {
            slots[slot(KEYS[row], multiplier)] = row as u8;
            row += 1;
        }
        if row == ROWS {
            return Perfect { multiplier, slots };
        }
        // Any sequence of odd numbers will do (Knuth's MMIX generator, made odd).
        multiplier = multiplier.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) | 1;
        tries += 1;
    }
    // Reached only while compiling: raise SLOT_BITS when the table has outgrown it.
    assert!(tries < 2000, "no perfect hash for the command table");
    Perfect { multiplier, slots: [EMPTY; 1 << SLOT_BITS] }
}

const KEYS: [(u64, u32); ROWS] = keys();
static KEY_TABLE: [(u64, u32); ROWS] = KEYS;
static PERFECT: Perfect = perfect();

impl Command {
    /// A message type that has no row.
    pub const UNKNOWN: Self = Self(u8::MAX);

    /// The message type of a 12-byte field; [`Command::UNKNOWN`] when it has no row, or when the field
    /// is not [valid](field_name). Once for each message on the hot path: one multiplication, one
    /// load, one comparison.
    #[inline]
    pub fn from_field(field: &[u8; 12]) -> Self {
        let key = words(field);
        let row = PERFECT.slots[slot(key, PERFECT.multiplier)];
        match KEY_TABLE.get(usize::from(row)) {
            Some(&known) if known == key => Self(row),
            _ => Self::UNKNOWN,
        }
    }

    /// The message type named `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|c| c.name() == name)
    }

    /// The message type of a BIP 324 one-byte type.
    pub fn from_v2_type(v2_type: u8) -> Option<Self> {
        Self::all().find(|c| c.spec().is_some_and(|s| s.v2_type == Some(v2_type)))
    }

    /// Every message type with a row, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS as u8).map(Self)
    }

    /// Its row; none for [`Command::UNKNOWN`].
    #[inline]
    pub fn spec(self) -> Option<&'static CommandSpec> {
        COMMANDS.get(usize::from(self.0))
    }

    /// Name as on the wire, `unknown` without a row.
    pub fn name(self) -> &'static str {
        self.spec().map_or("unknown", |s| s.name)
    }

    /// Index for a table of `COMMANDS.len() + 1` counters, the last for unknown ones.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0).min(ROWS)
    }

    /// Whether it has a row.
    #[inline]
    pub const fn is_known(self) -> bool {
        self.0 != u8::MAX
    }
}

/// The name in a 12-byte field, when the field is valid: printable ASCII, at least one character,
/// then NULs up to the end (Bitcoin Core `CMessageHeader::IsMessageTypeValid`).
pub fn field_name(field: &[u8; 12]) -> Option<&str> {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    let (name, padding) = field.split_at(end);
    let valid = !name.is_empty() && name.iter().all(|b| (b' '..=b'~').contains(b)) && padding.iter().all(|&b| b == 0);
    if valid { std::str::from_utf8(name).ok() } else { None }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
