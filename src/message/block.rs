//! `block`.

use super::body::Body;
use super::digest::add_money;
use super::hash::{Hash256, sha256d_of_parts};
use super::headers::{Header, HeaderView};
use super::read::{DecodeError, MAX_SIZE, Reader, compact_len};
use super::tx::{Input, MIN_TX, Output, Transactions, TxSink, Witness, scan};

/// The `block` message. Its transactions are walked by [`transactions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Hash of the block.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev: Hash256,
    /// Block version.
    pub version: i32,
    /// Header time, seconds since 1970.
    pub time: u32,
    /// Number of transactions.
    pub tx_count: u32,
    /// Size in bytes.
    pub size: u32,
    /// Size without witnesses, in bytes.
    pub stripped_size: u32,
    /// Weight units (BIP 141).
    pub weight: u32,
    /// Height in the coinbase (BIP 34).
    pub height: Option<u32>,
    /// Compact form of the target.
    pub bits: u32,
    /// What the coinbase pays, satoshi: subsidy and fees.
    pub coinbase_value: Option<i64>,
    /// It came without the witnesses that its coinbase commits to (BIP 141): its real size is unknown.
    pub stripped: bool,
}

impl Block {
    /// Its header.
    pub const fn header(&self) -> Header {
        Header { hash: self.hash, prev: self.prev, time: self.time, bits: self.bits }
    }
}

/// The header at the start of the `payload` of a `block`, `cmpctblock` or `merkleblock`.
pub fn header(payload: &[u8]) -> Option<HeaderView<'_>> {
    payload.first_chunk().map(HeaderView)
}

/// The transactions of the `payload` of a `block` that decoded.
pub fn transactions(payload: &[u8]) -> Transactions<'_> {
    let mut reader = Reader::new(payload);
    begin(&mut reader).map_or(Transactions::NONE, |(_, left)| Transactions { reader, left })
}

fn begin<'a>(r: &mut Reader<'a>) -> Result<(HeaderView<'a>, usize), DecodeError> {
    let header = HeaderView(r.array("block header")?);
    Ok((header, r.count(MAX_SIZE as usize, MIN_TX, "transactions")?))
}

/// Keeps of a coinbase the script of its input and the sum of its outputs.
#[derive(Default)]
pub(super) struct Coinbase<'a> {
    script: Option<&'a [u8]>,
    value: Option<i64>,
    invalid: bool,
    commitment: Option<[u8; 32]>,
    witness: Option<Witness<'a>>,
}

/// How the output script starts that commits to the witnesses of a block (BIP 141).
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

impl<'a> TxSink<'a> for Coinbase<'a> {
    #[inline]
    fn input(&mut self, index: u32, input: Input<'a>) {
        if index == 0 && input.is_null() {
            self.script = Some(input.script);
        }
    }

    #[inline]
    fn output(&mut self, _: u32, output: Output<'a>) {
        if let Some(hash) = output.script.strip_prefix(&COMMITMENT).and_then(<[u8]>::first_chunk) {
            // The last one counts.
            self.commitment = Some(*hash);
        }
        match add_money(self.value.unwrap_or(0), output.value) {
            Some(sum) => self.value = Some(sum),
            None => self.invalid = true,
        }
    }

    #[inline]
    fn witness(&mut self, index: u32, witness: Witness<'a>) {
        if index == 0 && witness.items > 0 {
            self.witness = Some(witness);
        }
    }
}

impl Coinbase<'_> {
    /// What it pays, satoshi; none for a transaction that is no coinbase or pays what cannot be.
    pub(super) fn value(&self) -> Option<i64> {
        self.value.filter(|_| self.script.is_some() && !self.invalid)
    }

    /// Whether its block came without the witnesses that it commits to: it always has one of its own then.
    pub(super) const fn is_stripped(&self) -> bool {
        self.commitment.is_some() && self.witness.is_none()
    }

    /// Whether it commits to witnesses that it came with.
    pub(super) const fn commits(&self) -> bool {
        self.commitment.is_some() && self.witness.is_some()
    }

    /// Whether the witnesses of the block, whose wtxids have `root`, are those that it commits to (BIP 141);
    /// true when it commits to none.
    pub(super) fn commits_to(&self, root: impl FnOnce() -> Hash256) -> bool {
        let (Some(expected), Some(witness)) = (self.commitment, self.witness) else { return true };
        // One item of 32 bytes.
        let Some(reserved) = witness.bytes.strip_prefix(&[1, 32]).filter(|b| b.len() == 32) else { return false };
        sha256d_of_parts([&root().0, reserved, &[]]).0 == expected
    }

    /// The height it starts with, for blocks of version 2 and above (BIP 34).
    ///
    /// Below height 227 931 of the main network the rule was not yet enforced, and a version 2 block
    /// may start with another number: there the parent's height must confirm it.
    pub(super) fn height(&self, block_version: i32) -> Option<u32> {
        if block_version < 2 {
            return None;
        }
        bip34_height(self.script?)
    }
}

/// The number pushed first by a coinbase `script`, when it is one that BIP 34 can make.
pub fn bip34_height(script: &[u8]) -> Option<u32> {
    let (&opcode, rest) = script.split_first()?;
    match opcode {
        // OP_1 to OP_16: heights 1 to 16, on test networks only.
        0x51..=0x60 => Some(u32::from(opcode - 0x50)),
        1..=5 => {
            let bytes = rest.get(..usize::from(opcode))?;
            let (&top, low) = bytes.split_last()?;
            // Minimal and not negative: the sign bit is clear, and no superfluous zero byte on top.
            let padded = top == 0 && low.last().is_none_or(|b| b & 0x80 == 0);
            if top & 0x80 != 0 || padded {
                return None;
            }
            let value = bytes.iter().rev().fold(0_u64, |n, &b| n << 8 | u64::from(b));
            u32::try_from(value).ok().filter(|&n| n > 16)
        }
        _ => None,
    }
}

/// `block`: walks all transactions, so that a malformed one is an error with its offset.
pub(super) fn decode(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let start = r.offset();
    let (header, count) = begin(r)?;
    let mut stripped = 80 + compact_len(count as u64);
    let mut coinbase = Coinbase::default();
    for index in 0..count {
        let tx = if index == 0 { scan(r, &mut coinbase)? } else { scan(r, &mut ())? };
        stripped += tx.stripped_size();
    }
    let size = r.offset() - start;
    Ok(Body::Block(Block {
        hash: header.hash(),
        prev: header.prev(),
        version: header.version(),
        time: header.time(),
        tx_count: count as u32,
        size: size as u32,
        stripped_size: stripped as u32,
        weight: (stripped * 3 + size) as u32,
        height: coinbase.height(header.version()),
        bits: header.bits(),
        coinbase_value: coinbase.value(),
        stripped: coinbase.is_stripped(),
    }))
}
