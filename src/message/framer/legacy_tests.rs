//! The 20-byte header of before 20 February 2012.

use super::*;

/// A `version` payload of 2011: 31900, `NODE_NETWORK`, a time of that year, two addresses, nonce, no user agent, height.
fn old_version(time: u64) -> Vec<u8> {
    let mut p = 31_900_u32.to_le_bytes().to_vec();
    p.extend(1_u64.to_le_bytes());
    p.extend(time.to_le_bytes());
    for last in [1, 2] {
        p.extend(1_u64.to_le_bytes());
        p.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last, 0x20, 0x8d]);
    }
    p.extend(0x1122_3344_5566_7788_u64.to_le_bytes());
    p.push(0);
    p.extend(134_000_i32.to_le_bytes());
    assert_eq!(p.len(), 85);
    p
}

fn without_checksum(name: &str, payload: &[u8]) -> Vec<u8> {
    [&header(name, payload.len() as u32, [0; 4])[..20], payload].concat()
}

/// A `version` payload of today whose checksum, read as a number, is a protocol version.
fn unlucky_version() -> Vec<u8> {
    let payload = |nonce: u64| {
        let mut p = 70_016_u32.to_le_bytes().to_vec();
        p.extend(9_u64.to_le_bytes());
        p.extend(1_700_000_000_u64.to_le_bytes());
        p.extend([0; 52]);
        p.extend(nonce.to_le_bytes());
        p.extend([0, 0, 0, 0, 0, 1]);
        p
    };
    let unlucky = |p: &Vec<u8>| (1..100_000).contains(&u32::from_le_bytes(*sha256d(p).0.first_chunk().unwrap()));
    (0..2_000_000).map(payload).find(unlucky).unwrap()
}

#[test]
fn legacy_handshake_in_every_cut() {
    let stream = [
        without_checksum("version", &old_version(1_312_000_000)),
        without_checksum("verack", &[]),
        message("getaddr", &[]),
        message("inv", &filler(3, 1)),
    ]
    .concat();
    for new in [start, middle] {
        let out = every_cut(new, &stream);
        assert_eq!(out.names(), ["version", "verack", "getaddr", "inv"]);
        assert_eq!(out.messages.iter().map(|m| m.offset).collect::<Vec<_>>(), [0, 105, 125, 149]);
        assert_eq!(out.messages.iter().map(|m| m.header_bytes).collect::<Vec<_>>(), [20, 20, 24, 24]);
        assert_eq!(out.messages[0].payload, old_version(1_312_000_000));
        assert_eq!(out.count(Trouble::LegacyHeader), 2);
    }
}

#[test]
fn legacy_verack_ends_a_stream_and_comes_alone() {
    // Nothing follows: the version before tells its form.
    let stream = [without_checksum("version", &old_version(1_312_000_000)), without_checksum("verack", &[])].concat();
    let out = every_cut(start, &stream);
    assert_eq!((out.names(), out.count(Trouble::UnfinishedMessage)), (vec!["version", "verack"], 0));
    // The version was not seen: the magic that follows tells its form.
    let stream = [without_checksum("verack", &[]), message("getaddr", &[])].concat();
    for new in [start, middle] {
        assert_eq!(every_cut(new, &stream).names(), ["verack", "getaddr"]);
    }
}

#[test]
fn a_modern_version_whose_checksum_looks_like_a_protocol_version() {
    let version = unlucky_version();
    let stream = [message("version", &version), message("verack", &[])].concat();
    for new in [start, middle] {
        let out = every_cut(new, &stream);
        assert_eq!(out.names(), ["version", "verack"]);
        assert_eq!((out.messages[0].header_bytes, out.messages[0].valid), (24, true));
        assert_eq!((out.messages[0].payload.clone(), out.count(Trouble::LegacyHeader)), (version.clone(), 0));
    }
    // A gap behind its header, before and after its form is clear: the next message is where it should be.
    for from in 24..stream.len() - 24 {
        for len in [1, 5] {
            let to = (from + len).min(stream.len() - 24);
            let out =
                run(start(), [Step::Data(&stream[..from]), Step::Gap((to - from) as u64), Step::Data(&stream[to..])]);
            assert_eq!(out.names(), ["version", "verack"], "gap {from}..{to}");
            assert_eq!(out.messages[0].truncated, Some((to - from) as u32), "gap {from}..{to}");
            assert_eq!(out.count(Trouble::LostHeader), 0);
        }
    }
}

#[test]
fn a_version_too_short_for_its_fields_does_not_wait_or_overflow() {
    for length in 0..24 {
        let stream = [
            header("version", length, 31_900_u32.to_le_bytes()),
            filler(length as usize, 1),
            message("ping", &filler(8, 1)),
        ]
        .concat();
        let out = every_cut(start, &stream);
        assert_eq!(out.names(), ["version", "ping"], "length {length}");
        assert_eq!(out.messages[0].length, length);
    }
}

#[test]
fn legacy_gap_in_the_old_version_leaves_the_next_message_in_place() {
    let stream = [
        without_checksum("version", &old_version(1_312_000_000)),
        without_checksum("verack", &[]),
        message("getaddr", &[]),
    ]
    .concat();
    for from in 40..104 {
        let out = run(start(), [Step::Data(&stream[..from]), Step::Gap(1), Step::Data(&stream[from + 1..])]);
        assert_eq!(out.names(), ["version", "verack", "getaddr"], "gap at {from}");
        assert_eq!((out.messages[0].truncated, out.messages[1].offset), (Some(1), 105));
    }
}
