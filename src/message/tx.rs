//! Transactions: one scanner for `tx`, `block`, `cmpctblock`, `blocktxn`, `pkgtxns`.
//!
//! [`scan`] reads what Bitcoin Core's `UnserializeTransaction` reads and
//! rejects what it rejects, allocates nothing, and hands inputs, outputs and
//! witnesses to a [`TxSink`] as it goes.

use super::body::Body;
use super::hash::{Hash256, sha256d, sha256d_of_parts};
use super::read::{DecodeError, MAX_SIZE, Reader, Reason};

/// Fewest bytes of an input: outpoint, empty script, sequence.
pub(super) const MIN_INPUT: usize = 36 + 1 + 4;
/// Fewest bytes of an output: value, empty script.
pub(super) const MIN_OUTPUT: usize = 8 + 1;
/// Fewest bytes of a transaction.
pub(super) const MIN_TX: usize = 4 + 1 + 1 + 4;
const LIMIT: usize = MAX_SIZE as usize;

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// Transaction whose output it spends.
    pub prev_txid: Hash256,
    /// Which of its outputs.
    pub prev_index: u32,
    /// scriptSig.
    pub script: &'a [u8],
    /// Sequence number.
    pub sequence: u32,
}

impl Input<'_> {
    /// Whether it spends nothing: the input of a coinbase.
    pub fn is_null(&self) -> bool {
        self.prev_index == u32::MAX && self.prev_txid.0 == [0; 32]
    }
}

/// One output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// Value in satoshi, as sent.
    pub value: i64,
    /// scriptPubKey.
    pub script: &'a [u8],
}

/// The witness of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness<'a> {
    /// Elements of the stack.
    pub items: u32,
    /// Its serialization, count and lengths included.
    pub bytes: &'a [u8],
}

/// Takes the parts of a transaction in order of the wire.
///
/// Parts arrive before the transaction is known to be whole: whoever keeps them drops them when
/// [`scan`] returns an error.
pub trait TxSink<'a> {
    /// Input `index`.
    fn input(&mut self, index: u32, input: Input<'a>) {
        let _ = (index, input);
    }
    /// Output `index`.
    fn output(&mut self, index: u32, output: Output<'a>) {
        let _ = (index, output);
    }
    /// Witness of input `index`; called only for transactions in segwit form.
    fn witness(&mut self, index: u32, witness: Witness<'a>) {
        let _ = (index, witness);
    }
}

/// Takes nothing.
impl TxSink<'_> for () {}

/// A transaction in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTx<'a> {
    /// Its serialization, with witnesses.
    pub bytes: &'a [u8],
    /// Version number.
    pub version: u32,
    /// Number of inputs.
    pub inputs: u32,
    /// Number of outputs.
    pub outputs: u32,
    /// Lock time.
    pub lock_time: u32,
    /// Whether it is in segwit form (BIP 144).
    pub has_witness: bool,
    /// Bytes of inputs and outputs with their counts.
    middle: usize,
}

impl RawTx<'_> {
    /// Size in bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Size without witnesses, in bytes (BIP 141 base size).
    pub const fn stripped_size(&self) -> usize {
        4 + self.middle + 4
    }

    /// Weight units (BIP 141).
    pub const fn weight(&self) -> usize {
        self.stripped_size() * 3 + self.size()
    }

    /// Hash of all bytes; one double SHA-256 each call.
    pub fn wtxid(&self) -> Hash256 {
        sha256d(self.bytes)
    }

    /// Hash without witnesses; one double SHA-256 each call.
    pub fn txid(&self) -> Hash256 {
        if !self.has_witness {
            return self.wtxid();
        }
        let (head, rest) = self.bytes.split_at(4);
        // Marker and flag stand between the version and the inputs.
        sha256d_of_parts([head, &rest[2..2 + self.middle], &self.bytes[self.bytes.len() - 4..]])
    }
}

/// Reads one transaction.
#[inline]
pub fn scan<'a, S: TxSink<'a>>(r: &mut Reader<'a>, sink: &mut S) -> Result<RawTx<'a>, DecodeError> {
    let start = r.offset();
    let version = r.u32("transaction version")?;
    let mut middle_start = r.offset();
    let mut inputs = r.count(LIMIT, MIN_INPUT, "inputs")?;
    let mut flag = 0;
    if inputs == 0 {
        // No inputs: the marker of the segwit form, unless the flag after it is zero too, which
        // then is the count of outputs of an empty transaction.
        let flag_at = r.offset();
        flag = r.u8("segwit flag")?;
        if flag > 1 {
            return Err(Reader::error("segwit flag", flag_at, 1, usize::from(flag), Reason::BadValue));
        }
        if flag == 1 {
            middle_start = r.offset();
            inputs = r.count(LIMIT, MIN_INPUT, "inputs")?;
        }
    }
    for index in 0..inputs {
        let prev_txid = Hash256(*r.array("outpoint")?);
        let prev_index = r.u32("outpoint")?;
        let script = r.bytes(LIMIT, "input script")?;
        let sequence = r.u32("sequence")?;
        sink.input(index as u32, Input { prev_txid, prev_index, script, sequence });
    }
    let is_empty_form = inputs == 0 && flag == 0;
    let outputs = if is_empty_form { 0 } else { r.count(LIMIT, MIN_OUTPUT, "outputs")? };
    for index in 0..outputs {
        let value = r.i64("output value")?;
        let script = r.bytes(LIMIT, "output script")?;
        sink.output(index as u32, Output { value, script });
    }
    let middle = r.offset() - middle_start;
    if flag == 1 {
        witnesses(r, inputs, sink)?;
    }
    let lock_time = r.u32("lock time")?;
    Ok(RawTx {
        bytes: r.since(start),
        version,
        inputs: inputs as u32,
        outputs: outputs as u32,
        lock_time,
        has_witness: flag == 1,
        middle,
    })
}

#[inline]
fn witnesses<'a, S: TxSink<'a>>(r: &mut Reader<'a>, inputs: usize, sink: &mut S) -> Result<(), DecodeError> {
    let first = r.offset();
    let mut any = false;
    for index in 0..inputs {
        let start = r.offset();
        let items = r.count(LIMIT, 1, "witness")?;
        for _ in 0..items {
            r.bytes(LIMIT, "witness element")?;
        }
        any |= items > 0;
        sink.witness(index as u32, Witness { items: items as u32, bytes: r.since(start) });
    }
    // Core's "Superfluous witness record": the same transaction has a shorter form.
    if any { Ok(()) } else { Err(Reader::error("witness", first, 1, 0, Reason::BadValue)) }
}

/// Transactions one after the other, up to the first that does not decode.
#[derive(Clone, Debug)]
pub struct Transactions<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) left: usize,
}

impl<'a> Transactions<'a> {
    /// None.
    pub(super) const NONE: Self = Self { reader: Reader::new(&[]), left: 0 };

    /// Reads the next one and hands its parts to `sink`.
    pub fn next_into<S: TxSink<'a>>(&mut self, sink: &mut S) -> Option<RawTx<'a>> {
        self.left = self.left.checked_sub(1)?;
        let tx = scan(&mut self.reader, sink).ok();
        if tx.is_none() {
            self.left = 0;
        }
        tx
    }
}

impl<'a> Iterator for Transactions<'a> {
    type Item = RawTx<'a>;

    fn next(&mut self) -> Option<RawTx<'a>> {
        self.next_into(&mut ())
    }
}

/// The `tx` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tx {
    /// Hash without witnesses.
    pub txid: Hash256,
    /// Hash with witnesses.
    pub wtxid: Hash256,
    /// Version number.
    pub version: u32,
    /// Size in bytes.
    pub size: u32,
    /// Size without witnesses, in bytes.
    pub stripped_size: u32,
    /// Weight units (BIP 141).
    pub weight: u32,
    /// Number of inputs.
    pub inputs: u32,
    /// Number of outputs.
    pub outputs: u32,
    /// Lock time.
    pub lock_time: u32,
    /// Whether it has witnesses.
    pub has_witness: bool,
}

impl Tx {
    /// Virtual size in vbytes: weight / 4, rounded up (BIP 141).
    pub const fn vsize(&self) -> u32 {
        self.weight.div_ceil(4)
    }
}

/// Decodes the `payload` of a `tx` and hands its parts to `sink`; `payload_hash` as in [`super::body::decode`].
#[inline]
pub fn decode_into<'a, S: TxSink<'a>>(
    r: &mut Reader<'a>,
    payload_hash: &[u8; 32],
    sink: &mut S,
) -> Result<Tx, DecodeError> {
    let tx = scan(r, sink)?;
    // With bytes after the transaction the payload's hash is of more than the transaction.
    let wtxid = if r.is_empty() { Hash256(*payload_hash) } else { tx.wtxid() };
    let txid = if tx.has_witness { tx.txid() } else { wtxid };
    Ok(Tx {
        txid,
        wtxid,
        version: tx.version,
        size: tx.size() as u32,
        stripped_size: tx.stripped_size() as u32,
        weight: tx.weight() as u32,
        inputs: tx.inputs,
        outputs: tx.outputs,
        lock_time: tx.lock_time,
        has_witness: tx.has_witness,
    })
}

/// `tx`.
pub(super) fn decode(r: &mut Reader<'_>, payload_hash: &[u8; 32]) -> Result<Body, DecodeError> {
    decode_into(r, payload_hash, &mut ()).map(Body::Tx)
}
