//! Which messages may have a given length on the wire (BIP 324 framing included).
//!
//! A packet is 3 bytes of length, 1 of header and 16 of tag around its
//! contents: 20 bytes. Contents are a 1-byte type, or a zero and 12 bytes of
//! name, and the payload. So an empty named message has 33 bytes, a `ping` 29,
//! an `inv` of n entries 22 + 36 n, and so on.

use super::kind::Kind;

/// BIP 324 framing of a packet, bytes.
pub const PACKET: u32 = 20;
/// Framing and a 1-byte type: the shortest message.
pub const SHORTEST: u32 = PACKET + 1;
/// Framing and a 13-byte type.
const LONG: u32 = PACKET + 13;
/// Longest message of the protocol.
pub const LONGEST: u32 = LONG + 4_000_000;
/// `version` with an empty user agent, and with the longest (256).
pub const VERSION: std::ops::RangeInclusive<u32> = LONG + 86..=LONG + 86 + 258;
/// `version` with Core's user agent and a few words more: `/Satoshi:31.0.0/` has 16 characters. That of what Core sends to
/// broadcast privately has 14, and btcd's has 26 or more, as `/btcwire:0.5.0/btcd:0.26.0/`.
pub const VERSION_CORE: std::ops::Range<u32> = LONG + 86 + 16..LONG + 86 + 26;
/// Largest transaction that is relayed (400 000 weight units, all of it witness).
const LARGEST_TX: u32 = SHORTEST + 400_000;

/// A list of `n` entries of `entry` bytes behind a count of 1, 3 or 5 bytes.
#[inline]
fn list(payload: u32, entry: u32, most: u32) -> Option<u32> {
    // Up to 252 entries have a count of one byte.
    let count = if payload <= 1 + 252 * entry { 1 } else { 3 };
    let rest = payload.checked_sub(count)?;
    let n = rest / entry;
    (n * entry == rest && n <= most && (count == 1 || (253..=0xffff).contains(&n))).then_some(n)
}

/// Block locator of `getheaders` and `getblocks`: version, hashes, stop.
fn locator(payload: u32) -> Option<u32> {
    list(payload.checked_sub(36)?, 32, 101).filter(|n| *n > 0)
}

/// Sums of up to three `addrv2` entries: 9 bytes and services (1, 3, 5 or 9) around an address of 4, 16 or 32 bytes
/// each. A bit for each sum below [`ANY_SUM`].
const ADDRESSES: u128 = {
    const ENTRY: [u32; 6] = [13, 15, 25, 27, 41, 43];
    let mut sums = 0_u128;
    let mut i = 0;
    // Which of 0 (none) to 6 is each of the three.
    while i < 7 * 7 * 7 {
        let (mut rest, mut sum) = (i, 0);
        while rest > 0 {
            sum += if rest % 7 > 0 { ENTRY[rest % 7 - 1] } else { 0 };
            rest /= 7;
        }
        if i > 0 && sum < ANY_SUM {
            sums |= 1 << sum;
        }
        i += 1;
    }
    sums
};
/// Nearly every sum from here on can be made with more entries.
const ANY_SUM: u32 = 70;

/// Whether `addrv2` entries can add up to `payload`.
#[inline]
fn addresses(payload: u32) -> bool {
    let Some(rest) = payload.checked_sub(1) else { return false };
    if rest < ANY_SUM { ADDRESSES >> rest & 1 == 1 } else { payload < 50_000 }
}

/// The messages that may have `len` bytes, each with the number of its entries (or 1, when it has none).
#[inline]
pub fn candidates(len: u32, mut each: impl FnMut(Kind, u32)) {
    if !(SHORTEST..=LONGEST).contains(&len) {
        return;
    }
    let payload = len - SHORTEST;
    match payload {
        0 => return each(Kind::Mempool, 1),
        8 => [Kind::Ping, Kind::Pong, Kind::FeeFilter].into_iter().for_each(|k| each(k, 1)),
        9 => return each(Kind::SendCmpct, 1),
        12 => [Kind::Verack, Kind::WtxidRelay, Kind::SendAddrV2, Kind::SendHeaders, Kind::GetAddr]
            .into_iter()
            .for_each(|k| each(k, 1)),
        24 => each(Kind::SendTxRcncl, 1),
        _ => {}
    }
    if let Some(n) = list(payload, 36, 50_000).filter(|n| *n > 0) {
        for k in [Kind::Inv, Kind::GetDataTx, Kind::GetDataBlock, Kind::NotFound] {
            each(k, n);
        }
    }
    if let Some(n) = list(payload, 81, 2000) {
        each(Kind::Headers, n);
    }
    if let Some(n) = locator(payload) {
        each(Kind::GetHeaders, n);
        each(Kind::GetBlocks, n);
    }
    if let Some(n) = list(payload, 30, 1000).filter(|n| *n > 0) {
        each(Kind::Addr, n);
    }
    if addresses(payload) {
        each(Kind::AddrV2, 1);
    }
    if (34..=60_000).contains(&payload) {
        each(Kind::GetBlockTxn, 1);
    }
    if payload >= 60 && len <= LARGEST_TX {
        each(Kind::Tx, 1);
    }
    if payload >= 33 + 60 {
        each(Kind::BlockTxn, 1);
    }
    if payload >= 81 + 60 {
        each(Kind::Block, 1);
        each(Kind::CmpctBlock, 1);
    }
}

/// How improbable a length is when nothing is known of it: even over the logarithm of the length.
#[inline(never)] // or the logarithm is taken ahead of the look-up that avoids it
pub fn noise(len: u32) -> f32 {
    (len.max(1) as f32).ln() + 2.4
}

/// Messages of one length, and their entries, that may stand before others in one write, for writes that hold several.
pub const FIXED: [(u32, u32, &[Kind]); 9] = [
    (33, 1, &[Kind::Verack, Kind::WtxidRelay, Kind::SendAddrV2, Kind::SendHeaders, Kind::GetAddr]),
    (30, 1, &[Kind::SendCmpct]),
    (29, 1, &[Kind::Ping, Kind::Pong, Kind::FeeFilter]),
    (22, 0, &[Kind::Headers]),
    (90, 1, &[Kind::GetHeaders]),
    (103, 1, &[Kind::Headers]),
    (58, 1, &[Kind::Inv, Kind::GetDataTx, Kind::GetDataBlock]),
    (94, 2, &[Kind::Inv, Kind::GetDataTx]),
    (130, 3, &[Kind::Inv, Kind::GetDataTx]),
];

/// Number of the bin of `x`, four an octave.
pub fn bin(x: u32) -> usize {
    let x = x.max(1);
    let octave = x.ilog2();
    let quarter = if octave >= 2 { (x >> (octave - 2)) & 3 } else { (x << (2 - octave)) & 3 };
    (octave * 4 + quarter) as usize
}

/// Number of bins.
pub const BINS: usize = 24 * 4;

/// Integers in a bin.
pub fn width(bin: usize) -> f32 {
    let octave = bin / 4;
    if octave >= 2 { (1u32 << (octave - 2)) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(len: u32) -> Vec<(Kind, u32)> {
        let mut all = Vec::new();
        candidates(len, |k, n| all.push((k, n)));
        all
    }

    #[test]
    fn lengths_of_the_specification() {
        assert_eq!(kinds(20), []);
        assert_eq!(kinds(29), [(Kind::Ping, 1), (Kind::Pong, 1), (Kind::FeeFilter, 1)]);
        assert_eq!(kinds(22), [(Kind::Headers, 0)]);
        assert_eq!(kinds(30), [(Kind::SendCmpct, 1)]);
        assert!(kinds(58).contains(&(Kind::Inv, 1)));
        assert!(kinds(22 + 36 * 252).contains(&(Kind::GetDataTx, 252)));
        assert!(kinds(24 + 36 * 253).contains(&(Kind::GetDataTx, 253)));
        assert!(!kinds(22 + 36 * 253).iter().any(|k| k.0 == Kind::Inv));
        assert!(kinds(24 + 81 * 2000).contains(&(Kind::Headers, 2000)));
        assert!(kinds(90).contains(&(Kind::GetHeaders, 1)));
        assert!(kinds(21 + 60).contains(&(Kind::Tx, 1)));
        assert!(kinds(LONGEST + 1).is_empty());
        for (len, entries, all) in FIXED {
            assert!(all.iter().all(|k| kinds(len).contains(&(*k, entries))), "{len}");
        }
        // Sums of entries, and some that are none.
        for (rest, may) in
            [(12, false), (13, true), (14, false), (26, true), (68, true), (44, false), (52, true), (56, true)]
        {
            assert_eq!(kinds(22 + rest).contains(&(Kind::AddrV2, 1)), may, "{rest}");
        }
    }

    #[test]
    fn no_kind_twice() {
        // A length longer than all counts of entries, and some that differ in the bytes of the count.
        for len in (0..30_000).chain(900_000..901_000) {
            let all = kinds(len);
            assert!(all.iter().enumerate().all(|(i, k)| all[..i].iter().all(|e| e.0 != k.0)), "{len}: {all:?}");
        }
    }

    #[test]
    fn bins_grow() {
        let mut last = 0;
        for x in 1..100_000 {
            let b = bin(x);
            assert!(b >= last && b < BINS);
            last = b;
        }
        for x in [4u32, 5, 16, 17, 100, 1000, 65_536] {
            let same = (1..200_000).filter(|y| bin(*y) == bin(x)).count();
            assert!((same as f32 - width(bin(x))).abs() < 0.5, "{x}");
        }
    }
}
