//! Output scripts: their types as Bitcoin Core's `Solver` tells them, pushes, dust.
//!
//! Contract: nothing here allocates or fails; every function looks at each
//! byte of a script a bounded number of times, and at most scripts only at
//! their length and a few bytes.

use super::read::compact_len;
use crate::vocabulary;

const OP_PUSHDATA1: u8 = 0x4c;
const OP_PUSHDATA2: u8 = 0x4d;
const OP_PUSHDATA4: u8 = 0x4e;
const OP_1: u8 = 0x51;
const OP_16: u8 = 0x60;
const OP_RETURN: u8 = 0x6a;
const OP_DUP: u8 = 0x76;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_HASH160: u8 = 0xa9;
const OP_CHECKSIG: u8 = 0xac;
const OP_CHECKMULTISIG: u8 = 0xae;

/// Most keys of a bare multisig (Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`).
pub const MAX_KEYS: u8 = 20;
/// Longest script that can be executed, bytes (Bitcoin Core `MAX_SCRIPT_SIZE`).
pub const MAX_SCRIPT: usize = 10_000;
/// Fee rate below which an output is not worth spending, sat/vB (Bitcoin Core `DUST_RELAY_TX_FEE`).
pub const DUST_RATE: u64 = 3;
/// Bytes of the input that spends an output, by dust's reckoning (Bitcoin Core `GetDustThreshold`).
const SPEND_LEGACY: u64 = 32 + 4 + 1 + 107 + 4;
/// The same for witness programs: the witness counts a quarter.
const SPEND_WITNESS: u64 = 32 + 4 + 1 + 107 / 4 + 4;

vocabulary! {
    /// Type of an output script, named as Bitcoin Core names it (`GetTxnOutputType`).
    pub enum ScriptType {
        Pubkey = "pubkey": "A public key of 33 or 65 bytes and the opcode that checks its signature.",
        PubkeyHash = "pubkeyhash": "Pay to the hash of a public key.",
        ScriptHash = "scripthash": "Pay to the hash of a script (BIP 16).",
        Multisig = "multisig": "Bare multisig, m of n keys, up to 20.",
        NullData = "nulldata": "`OP_RETURN` and pushes only: carries data, cannot be spent.",
        NonStandard = "nonstandard": "None of the others.",
        WitnessV0KeyHash = "witness_v0_keyhash": "Version 0 witness program of 20 bytes (BIP 141).",
        WitnessV0ScriptHash = "witness_v0_scripthash": "Version 0 witness program of 32 bytes (BIP 141).",
        WitnessV1Taproot = "witness_v1_taproot": "Version 1 witness program of 32 bytes (BIP 341).",
        Anchor = "anchor": "Pay to anchor: the version 1 witness program 4e73, which anybody can spend (BIP 433).",
        WitnessUnknown = "witness_unknown": "Any other witness program of version 1 to 16.",
    }
}

/// What kind of output a script makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputScript {
    /// Type.
    pub kind: ScriptType,
    /// Public keys of a bare multisig; 0 for all others.
    pub num_pubkeys: u8,
    /// Signatures that a bare multisig needs; 0 for all others.
    pub num_keys: u8,
}

impl OutputScript {
    const fn of(kind: ScriptType) -> Self {
        Self { kind, num_pubkeys: 0, num_keys: 0 }
    }
}

/// Tells the type of `script`, as Bitcoin Core's `Solver` does.
#[inline]
pub fn classify(script: &[u8]) -> OutputScript {
    common(script).map_or_else(|| rare(script), OutputScript::of)
}

/// The types that are told by their length and a few bytes: nearly all outputs there are.
#[inline]
fn common(script: &[u8]) -> Option<ScriptType> {
    match *script {
        [0, 20, ..] if script.len() == 22 => Some(ScriptType::WitnessV0KeyHash),
        [0, 32, ..] if script.len() == 34 => Some(ScriptType::WitnessV0ScriptHash),
        [OP_1, 32, ..] if script.len() == 34 => Some(ScriptType::WitnessV1Taproot),
        [OP_HASH160, 20, .., OP_EQUAL] if script.len() == 23 => Some(ScriptType::ScriptHash),
        [OP_DUP, OP_HASH160, 20, .., OP_EQUALVERIFY, OP_CHECKSIG] if script.len() == 25 => Some(ScriptType::PubkeyHash),
        [OP_1, 2, 0x4e, 0x73] => Some(ScriptType::Anchor),
        [33, first, .., OP_CHECKSIG] if script.len() == 35 && key_length(first) == 33 => Some(ScriptType::Pubkey),
        [65, first, .., OP_CHECKSIG] if script.len() == 67 && key_length(first) == 65 => Some(ScriptType::Pubkey),
        _ => None,
    }
}

fn rare(script: &[u8]) -> OutputScript {
    OutputScript::of(match (script.first(), script.last()) {
        _ if witness_version(script).is_some_and(|v| v > 0) => ScriptType::WitnessUnknown,
        (Some(&OP_RETURN), _) if is_push_only(&script[1..]) => ScriptType::NullData,
        (_, Some(&OP_CHECKMULTISIG)) => match multisig(script) {
            Some((num_keys, num_pubkeys)) => {
                return OutputScript { kind: ScriptType::Multisig, num_pubkeys, num_keys };
            }
            None => ScriptType::NonStandard,
        },
        _ => ScriptType::NonStandard,
    })
}

/// Version of the witness program that `script` is, if it is one (BIP 141): 0 to 16.
#[inline]
pub fn witness_version(script: &[u8]) -> Option<u8> {
    match *script {
        [version @ (0 | OP_1..=OP_16), length @ 2..=40, ..] if script.len() == usize::from(length) + 2 => {
            Some(if version == 0 { 0 } else { version - OP_1 + 1 })
        }
        _ => None,
    }
}

/// Length of a public key that starts with `first`, 0 if none does (Bitcoin Core `CPubKey::GetLen`).
const fn key_length(first: u8) -> usize {
    match first {
        2 | 3 => 33,
        4 | 6 | 7 => 65,
        _ => 0,
    }
}

/// One operation of a script.
struct Operation<'a> {
    opcode: u8,
    data: &'a [u8],
    rest: &'a [u8],
}

/// The first operation of `script`; none at its end and where a push runs over it.
#[inline]
fn operation(script: &[u8]) -> Option<Operation<'_>> {
    let (&opcode, rest) = script.split_first()?;
    let (length, rest) = match opcode {
        0..OP_PUSHDATA1 => (usize::from(opcode), rest),
        OP_PUSHDATA1 => rest.split_first().map(|(&n, rest)| (usize::from(n), rest))?,
        OP_PUSHDATA2 => rest.split_first_chunk().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest))?,
        OP_PUSHDATA4 => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest))?,
        _ => (0, rest),
    };
    let (data, rest) = rest.split_at_checked(length)?;
    Some(Operation { opcode, data, rest })
}

/// Whether `script` does nothing but push (Bitcoin Core `CScript::IsPushOnly`, which takes `OP_RESERVED` too).
#[inline]
pub fn is_push_only(mut script: &[u8]) -> bool {
    while !script.is_empty() {
        match operation(script) {
            Some(op) if op.opcode <= OP_16 => script = op.rest,
            _ => return false,
        }
    }
    true
}

/// Signatures needed and public keys of the bare multisig that `script` is.
fn multisig(script: &[u8]) -> Option<(u8, u8)> {
    let first = operation(script)?;
    let needed = number(&first).filter(|&n| n >= 1)?;
    let mut keys = 0_u8;
    let mut next = operation(first.rest)?;
    while next.data.first().is_some_and(|&b| key_length(b) == next.data.len()) {
        // Saturated, the count is over the largest number there can be behind the keys.
        keys = keys.saturating_add(1);
        next = operation(next.rest)?;
    }
    let is_whole = number(&next) == Some(keys) && next.rest == [OP_CHECKMULTISIG];
    (is_whole && needed <= keys).then_some((needed, keys))
}

/// The number from 1 to 20 that `op` pushes in its shortest form (Bitcoin Core `GetScriptNumber`).
const fn number(op: &Operation<'_>) -> Option<u8> {
    match (op.opcode, op.data) {
        (OP_1..=OP_16, _) => Some(op.opcode - OP_1 + 1),
        (1, &[n @ 17..=MAX_KEYS]) => Some(n),
        _ => None,
    }
}

/// Least value in satoshi at which an output with `script`, of type `kind`, is not dust; 0 for what can never
/// be spent: `OP_RETURN`, and scripts over [`MAX_SCRIPT`] (Bitcoin Core `GetDustThreshold`).
#[inline]
pub fn dust_threshold(script: &[u8], kind: ScriptType) -> u64 {
    let spend = match kind {
        ScriptType::NullData => return 0,
        ScriptType::NonStandard if script.first() == Some(&OP_RETURN) || script.len() > MAX_SCRIPT => return 0,
        // A version 0 program of a length without meaning is one all the same.
        ScriptType::NonStandard if witness_version(script).is_some() => SPEND_WITNESS,
        ScriptType::WitnessV0KeyHash
        | ScriptType::WitnessV0ScriptHash
        | ScriptType::WitnessV1Taproot
        | ScriptType::Anchor
        | ScriptType::WitnessUnknown => SPEND_WITNESS,
        _ => SPEND_LEGACY,
    };
    let length = script.len() as u64;
    DUST_RATE * (8 + compact_len(length) as u64 + length + spend)
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
