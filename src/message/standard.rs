//! The static rules of standardness: what a node of default policy says of a transaction without looking
//! at anything else (Bitcoin Core `IsStandardTx`, and `MIN_STANDARD_TX_NONWITNESS_SIZE` of its `PreChecks`).

use super::digest::{TxInput, TxOutput, value_of};
use super::script::{self, ScriptType};
use super::tx::Tx;
use crate::vocabulary;

/// Versions of transactions that are relayed (Bitcoin Core `TX_MIN_STANDARD_VERSION`, `TX_MAX_STANDARD_VERSION`).
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=3;
/// Largest weight, WU (Bitcoin Core `MAX_STANDARD_TX_WEIGHT`).
const MAX_WEIGHT: u32 = 400_000;
/// Largest weight of a block, WU (Bitcoin Core `MAX_BLOCK_WEIGHT`).
const MAX_BLOCK_WEIGHT: u32 = 4_000_000;
/// Smallest size without witnesses, bytes (Bitcoin Core `MIN_STANDARD_TX_NONWITNESS_SIZE`).
const MIN_STRIPPED: u32 = 65;
/// Longest scriptSig, bytes (Bitcoin Core `MAX_STANDARD_SCRIPTSIG_SIZE`).
const MAX_SCRIPT_SIG: u32 = 1650;
/// Most keys of a bare multisig (Bitcoin Core `IsStandard`).
const MAX_BARE_KEYS: u8 = 3;
/// Dust outputs of a transaction (Bitcoin Core `MAX_DUST_OUTPUTS_PER_TX`).
const MAX_DUST: usize = 1;

vocabulary! {
    /// Why a transaction, an input or an output is not standard; in the order in which the rules are tried.
    pub enum NonStandard {
        Version = "invalid_version_number": "The version of the transaction is not 1, 2 or 3.",
        TooLarge = "size_too_large": "The transaction weighs more than 400 000 WU.",
        TooSmall = "size_too_small": "The transaction has less than 65 bytes without witnesses.",
        ScriptSigTooLarge = "script_sig_too_large": "A scriptSig has more than 1650 bytes.",
        NotPushOnly = "non_canonical_data_push": "A scriptSig does more than push data.",
        ScriptPubkey = "scriptpubkey": "An output script is of no known type.",
        BareMultisig = "bare_multisig": "A bare multisig has more than 3 keys.",
        Dust = "dust": "More than one output is dust.",
    }
}

/// Whether a scriptSig of `length` bytes is standard.
#[inline]
pub(super) const fn script_sig(length: u32, is_push_only: bool) -> Option<NonStandard> {
    if length > MAX_SCRIPT_SIG {
        Some(NonStandard::ScriptSigTooLarge)
    } else if is_push_only {
        None
    } else {
        Some(NonStandard::NotPushOnly)
    }
}

/// Whether a script of this kind is standard in an output.
#[inline]
pub(super) const fn output(kind: ScriptType, num_pubkeys: u8) -> Option<NonStandard> {
    match kind {
        ScriptType::NonStandard => Some(NonStandard::ScriptPubkey),
        ScriptType::Multisig if num_pubkeys > MAX_BARE_KEYS => Some(NonStandard::BareMultisig),
        _ => None,
    }
}

/// The first rule that a transaction breaks.
pub(super) fn transaction(tx: &Tx, inputs: &[TxInput], outputs: &[TxOutput]) -> Option<NonStandard> {
    if !VERSIONS.contains(&tx.version) {
        return Some(NonStandard::Version);
    }
    if tx.weight > MAX_WEIGHT {
        return Some(NonStandard::TooLarge);
    }
    if tx.stripped_size < MIN_STRIPPED {
        return Some(NonStandard::TooSmall);
    }
    let parts = inputs.iter().find_map(TxInput::non_standard_reason);
    let parts = parts.or_else(|| outputs.iter().find_map(TxOutput::non_standard_reason));
    let is_dusty = || outputs.iter().filter(|o| o.is_dust).count() > MAX_DUST;
    parts.or_else(|| is_dusty().then_some(NonStandard::Dust))
}

/// Whether a transaction can be valid (Bitcoin Core `CheckTransaction`).
pub(super) fn is_possible(tx: &Tx, inputs: &[TxInput], outputs: &[TxOutput]) -> bool {
    let sound = !inputs.is_empty() && !outputs.is_empty() && tx.stripped_size <= MAX_BLOCK_WEIGHT / 4;
    let nothing = || match inputs {
        [only] => only.prevout.is_null() && !(2..=100).contains(&only.sig_script_len()),
        all => all.iter().any(|i| i.prevout.is_null()),
    };
    sound && value_of(outputs).is_some() && !nothing() && !repeats(inputs)
}

/// Whether two inputs spend one output (CVE-2018-17144).
fn repeats(inputs: &[TxInput]) -> bool {
    /// Up to here comparing all pairs is cheaper than sorting.
    const FEW: usize = 8;
    if inputs.len() <= FEW {
        return inputs.iter().enumerate().any(|(n, i)| inputs[..n].iter().any(|other| other.prevout == i.prevout));
    }
    let mut all: Vec<_> = inputs.iter().map(|i| &i.prevout).collect();
    all.sort_unstable();
    all.windows(2).any(|pair| pair[0] == pair[1])
}

/// Whether an output of `value` satoshi with `script` of type `kind` is dust.
#[inline]
pub(super) fn is_dust(value: i64, script: &[u8], kind: ScriptType) -> bool {
    // Thresholds are far below i64::MAX: scripts are shorter than a payload.
    value < script::dust_threshold(script, kind) as i64
}
