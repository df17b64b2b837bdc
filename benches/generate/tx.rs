//! Transactions with mainnet's mix of scripts: as many bytes, of the same kinds, as real ones.
//!
//! They parse, their hashes are right, and they pay no more than they spend; no signature verifies.
//! The mix lies between those of the main network's blocks 722 010 (2022) and 866 342 (2024), as counted in them.

use super::rng::Rng;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};

/// What an output pays to.
#[derive(Clone, Copy)]
enum Pay {
    P2pkh,
    P2sh,
    P2wpkh,
    P2wsh,
    P2tr,
    OpReturn,
}

/// What coins pay to that were made before all that is written.
const OLD: &[(u32, Pay)] = &[(48, Pay::P2wpkh), (16, Pay::P2sh), (16, Pay::P2tr), (14, Pay::P2pkh), (6, Pay::P2wsh)];
const PAYS: &[(u32, Pay)] =
    &[(32, Pay::P2wpkh), (20, Pay::P2sh), (16, Pay::P2tr), (16, Pay::OpReturn), (12, Pay::P2pkh), (4, Pay::P2wsh)];
/// Numbers of inputs and of outputs: ranges, by weight.
const INPUTS: &[(u32, (u64, u64))] = &[(840, (1, 1)), (90, (2, 2)), (50, (3, 5)), (16, (6, 20)), (4, (21, 150))];
const OUTPUTS: &[(u32, (u64, u64))] = &[(160, (1, 1)), (740, (2, 2)), (70, (3, 5)), (30, (6, 40))];
/// Fee rates, sat/vB: above what the least willing node of the relay asks for. Inputs and outputs count as the largest.
const RATES: (u64, u64) = (11, 100);
const INPUT: u64 = 150;
const OUTPUT: u64 = 43;
/// Spends of pay-to-taproot by a script, percent.
const BY_SCRIPT: u64 = 12;

/// Hashes and sizes of a transaction that was written.
#[derive(Clone, Copy)]
pub struct Ids {
    /// Hash without witness.
    pub txid: [u8; 32],
    /// Hash with witness.
    pub wtxid: [u8; 32],
    /// Weight units.
    pub weight: usize,
}

/// An output that can be spent.
#[derive(Clone, Copy)]
pub struct Coin {
    txid: [u8; 32],
    index: u32,
    /// Satoshi.
    pub value: u64,
    pay: Pay,
}

impl Coin {
    /// One that was made before all that is written.
    pub fn old(rng: &mut Rng) -> Self {
        let mut txid = [0; 32];
        txid.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&rng.next().to_le_bytes()));
        let index = rng.next() as u32 % 4;
        Self { txid, index, value: rng.range(1_000_000, 1_000_000_000), pay: rng.weighted(OLD) }
    }
}

/// How many coins a transaction spends.
pub fn inputs(rng: &mut Rng) -> usize {
    let (low, high) = rng.weighted(INPUTS);
    rng.range(low, high) as usize
}

/// Writes transactions; keeps its buffers.
#[derive(Default)]
pub struct TxWriter {
    core: Vec<u8>,
    witness: Vec<u8>,
    /// The outputs of the newest transaction that can be spent.
    pub made: Vec<Coin>,
    /// Its fee, satoshi.
    pub fee: u64,
}

impl TxWriter {
    /// Appends a transaction that spends old coins to `out`.
    pub fn write(&mut self, rng: &mut Rng, out: &mut Vec<u8>) -> Ids {
        let coins: Vec<Coin> = (0..inputs(rng)).map(|_| Coin::old(rng)).collect();
        self.spend(rng, &coins, out)
    }

    /// Appends a transaction that spends `coins` to `out`.
    pub fn spend(&mut self, rng: &mut Rng, coins: &[Coin], out: &mut Vec<u8>) -> Ids {
        self.core.clear();
        self.witness.clear();
        self.made.clear();
        compact(&mut self.core, coins.len() as u64);
        let mut segwit = false;
        for coin in coins {
            segwit |= self.input(rng, coin);
        }
        let (low, high) = rng.weighted(OUTPUTS);
        let mut pays: Vec<Pay> = (0..rng.range(low, high)).map(|_| rng.weighted(PAYS)).collect();
        if pays.iter().all(|p| matches!(p, Pay::OpReturn)) {
            pays[0] = Pay::P2wpkh;
        }
        let sum: u64 = coins.iter().map(|c| c.value).sum();
        let size = INPUT * coins.len() as u64 + OUTPUT * pays.len() as u64;
        self.fee = sum.min(size * rng.range(RATES.0, RATES.1));
        let mut left = sum - self.fee;
        let mut paid = pays.iter().filter(|p| !matches!(p, Pay::OpReturn)).count() as u64;
        compact(&mut self.core, pays.len() as u64);
        for (index, pay) in (0..).zip(pays) {
            let value = match (pay, paid) {
                (Pay::OpReturn, _) => 0,
                (_, 1) => left,
                _ => left * rng.range(50, 150) / (100 * paid),
            };
            if !matches!(pay, Pay::OpReturn) {
                (left, paid) = (left - value, paid - 1);
                self.made.push(Coin { txid: [0; 32], index, value, pay });
            }
            self.output(rng, pay, value);
        }
        let lock_time = if rng.percent(30) { 866_000 + rng.next() as u32 % 300 } else { 0 };
        let ids = finish(&self.core, segwit.then_some(&self.witness[..]), lock_time, out);
        self.made.iter_mut().for_each(|coin| coin.txid = ids.txid);
        ids
    }

    /// Writes an input and its witness; whether the witness is not empty.
    fn input(&mut self, rng: &mut Rng, coin: &Coin) -> bool {
        let (core, w) = (&mut self.core, &mut self.witness);
        core.extend(coin.txid);
        core.extend(coin.index.to_le_bytes());
        match coin.pay {
            Pay::P2pkh => {
                let at = core.len();
                core.push(0);
                signature(rng, core);
                key(rng, core);
                core[at] = (core.len() - at - 1) as u8;
                w.push(0);
            }
            Pay::P2sh | Pay::P2wpkh => {
                if matches!(coin.pay, Pay::P2wpkh) {
                    core.push(0);
                } else {
                    core.extend([23, 22, 0, 20]);
                    rng.bytes(core, 20);
                }
                w.push(2);
                signature(rng, w);
                key(rng, w);
            }
            Pay::P2wsh => {
                // 2 of 3
                core.push(0);
                w.extend([4, 0]);
                signature(rng, w);
                signature(rng, w);
                w.extend([105, 0x52]);
                (0..3).for_each(|_| key(rng, w));
                w.extend([0x53, 0xae]);
            }
            Pay::P2tr if rng.percent(BY_SCRIPT) => {
                core.push(0);
                w.extend([3, 64]);
                rng.bytes(w, 64);
                // Mostly a small script, sometimes an inscription.
                let script = if rng.percent(4) { rng.range(1000, 20_000) } else { rng.range(36, 250) };
                compact(w, script);
                rng.bytes(w, script as usize);
                w.push(33);
                w.push(0xc0);
                rng.bytes(w, 32);
            }
            Pay::P2tr => {
                core.push(0);
                w.extend([1, 64]);
                rng.bytes(w, 64);
            }
            // Nobody can spend that.
            Pay::OpReturn => {}
        }
        core.extend(0xffff_fffd_u32.to_le_bytes());
        !matches!(coin.pay, Pay::P2pkh)
    }

    fn output(&mut self, rng: &mut Rng, pay: Pay, value: u64) {
        let core = &mut self.core;
        core.extend(value.to_le_bytes());
        let (before, random, after): (&[u8], usize, &[u8]) = match pay {
            Pay::P2pkh => (&[25, 0x76, 0xa9, 20], 20, &[0x88, 0xac]),
            Pay::P2sh => (&[23, 0xa9, 20], 20, &[0x87]),
            Pay::P2wpkh => (&[22, 0, 20], 20, &[]),
            Pay::P2wsh => (&[34, 0, 32], 32, &[]),
            Pay::P2tr => (&[34, 0x51, 32], 32, &[]),
            Pay::OpReturn => (&[13, 0x6a, 0x5d, 10], 10, &[]),
        };
        core.extend_from_slice(before);
        rng.bytes(core, random);
        core.extend_from_slice(after);
    }
}

/// A DER signature with the byte of its hash type, pushed.
fn signature(rng: &mut Rng, out: &mut Vec<u8>) {
    if rng.percent(50) {
        out.extend([71, 0x30, 0x44, 2, 0x20]);
    } else {
        out.extend([72, 0x30, 0x45, 2, 0x21, 0]);
    }
    rng.bytes(out, 32);
    out.extend([2, 0x20]);
    rng.bytes(out, 32);
    out.push(1);
}

/// A compressed public key, pushed.
fn key(rng: &mut Rng, out: &mut Vec<u8>) {
    out.extend([33, 2 + (rng.next() & 1) as u8]);
    rng.bytes(out, 32);
}

/// The number `n` as a compact size.
pub fn compact(out: &mut Vec<u8>, n: u64) {
    match n {
        0..=0xfc => out.push(n as u8),
        0xfd..=0xffff => {
            out.push(0xfd);
            out.extend((n as u16).to_le_bytes());
        }
        _ => {
            out.push(0xfe);
            out.extend((n as u32).to_le_bytes());
        }
    }
}

/// Appends a transaction of version 2 of its inputs and outputs (`core`) and its witness to `out`.
pub fn finish(core: &[u8], witness: Option<&[u8]>, lock_time: u32, out: &mut Vec<u8>) -> Ids {
    let (start, lock_time) = (out.len(), lock_time.to_le_bytes());
    let version = 2_u32.to_le_bytes();
    out.extend(version);
    if witness.is_some() {
        out.extend([0, 1]);
    }
    out.extend_from_slice(core);
    out.extend_from_slice(witness.unwrap_or_default());
    out.extend(lock_time);
    let wtxid = hash(&[&out[start..]]);
    let txid = if witness.is_some() { hash(&[&version, core, &lock_time]) } else { wtxid };
    let stripped = 8 + core.len();
    Ids { txid, wtxid, weight: stripped * 3 + out.len() - start }
}

/// SHA-256 of SHA-256 of the concatenated parts.
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    for part in parts {
        engine.input(part);
    }
    sha256d::Hash::from_engine(engine).to_byte_array()
}
