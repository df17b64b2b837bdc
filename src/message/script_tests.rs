//! Against crate `bitcoin`'s predicates, and its own cases where Bitcoin Core is stricter than they are.

use super::*;
use crate::health::Vocabulary as _;
use bitcoin::Script;
use proptest::prelude::*;

fn kind(script: &[u8]) -> &'static str {
    classify(script).kind.name()
}

fn key(length: usize, first: u8) -> Vec<u8> {
    let mut key = vec![length as u8];
    key.resize(length + 1, 0x5a);
    key[1] = first;
    key
}

/// `m` of the `keys`, numbers up to 16 as opcodes.
fn multisig_of(m: u8, keys: &[Vec<u8>]) -> Vec<u8> {
    let number = |n: u8| if n <= 16 { vec![0x50 + n] } else { vec![1, n] };
    [number(m), keys.concat(), number(keys.len() as u8), vec![0xae]].concat()
}

/// The start of a script and how many bytes of `0x5a` follow, then its end.
fn made(start: &[u8], fill: usize, end: &[u8]) -> Vec<u8> {
    [start, &vec![0x5a; fill], end].concat()
}

/// One of each common type and of its neighbours.
fn templates() -> Vec<Vec<u8>> {
    vec![
        vec![],
        made(&[0x76, 0xa9, 0x14], 20, &[0x88, 0xac]),
        made(&[0xa9, 0x14], 20, &[0x87]),
        made(&[0, 0x14], 20, &[]),
        made(&[0, 0x20], 32, &[]),
        made(&[0x51, 0x20], 32, &[]),
        vec![0x51, 0x02, 0x4e, 0x73],
        made(&[0x51, 0x02], 2, &[]),
        made(&[0x60, 0x28], 40, &[]),
        made(&[0, 0x28], 40, &[]),
        made(&[0, 2], 2, &[]),
        [key(33, 2), vec![0xac]].concat(),
        [key(65, 4), vec![0xac]].concat(),
        made(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], 32, &[]),
        vec![0x6a],
        multisig_of(1, &[key(33, 2), key(65, 4)]),
        multisig_of(2, &[key(33, 3), key(33, 2), key(33, 3)]),
    ]
}

/// By the crate's predicates in the order of `Solver`; none for the types where those say less than it does.
fn by_the_crate(bytes: &[u8]) -> Option<&'static str> {
    let s = Script::from_bytes(bytes);
    if s.is_p2sh() {
        return Some("scripthash");
    }
    if s.is_witness_program() {
        return Some(match (s.is_p2wpkh(), s.is_p2wsh(), s.is_p2tr()) {
            (true, ..) => "witness_v0_keyhash",
            (_, true, _) => "witness_v0_scripthash",
            (_, _, true) => "witness_v1_taproot",
            _ if bytes == [0x51, 0x02, 0x4e, 0x73] => "anchor",
            _ if bytes[0] == 0 => "nonstandard",
            _ => "witness_unknown",
        });
    }
    if s.is_op_return() {
        let data = Script::from_bytes(&bytes[1..]);
        return Some(if data.is_push_only() { "nulldata" } else { "nonstandard" });
    }
    // Any key of the right length is one to the crate.
    if s.is_p2pk() {
        let valid = matches!((bytes.len(), bytes[1]), (35, 2 | 3) | (67, 4 | 6 | 7));
        return Some(if valid { "pubkey" } else { "nonstandard" });
    }
    if s.is_p2pkh() {
        return Some("pubkeyhash");
    }
    // Any push is a key to the crate, and numbers over 16 are none.
    if bytes.last() == Some(&0xae) { None } else { Some("nonstandard") }
}

fn agree(bytes: &[u8]) {
    let ours = classify(bytes);
    if let Some(theirs) = by_the_crate(bytes) {
        assert_eq!(ours.kind.name(), theirs, "{}", Script::from_bytes(bytes));
    } else {
        assert!(matches!(ours.kind, ScriptType::Multisig | ScriptType::NonStandard));
        if ours.kind == ScriptType::Multisig && ours.num_pubkeys <= 16 {
            assert!(Script::from_bytes(bytes).is_multisig(), "{}", Script::from_bytes(bytes));
        }
    }
    assert_eq!(ours.num_pubkeys > 0, ours.kind == ScriptType::Multisig);
    assert!(ours.num_keys <= ours.num_pubkeys && ours.num_pubkeys <= MAX_KEYS);
    assert_eq!(is_push_only(bytes), Script::from_bytes(bytes).is_push_only());
    if bytes.len() <= MAX_SCRIPT {
        let theirs = Script::from_bytes(bytes).minimal_non_dust().to_sat();
        assert_eq!(dust_threshold(bytes, ours.kind), theirs, "{}", Script::from_bytes(bytes));
    }
}

#[test]
fn every_byte_of_every_template_changed() {
    for template in templates() {
        agree(&template);
        for at in 0..template.len() {
            for byte in 0..=255 {
                let mut changed = template.clone();
                changed[at] = byte;
                agree(&changed);
            }
            agree(&template[..at]);
            agree(&template[at..]);
        }
        for byte in 0..=255 {
            agree(&[&template[..], &[byte]].concat());
            agree(&[&[byte], &template[..]].concat());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_scripts(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        agree(&bytes);
    }

    #[test]
    fn random_scripts_of_likely_opcodes(ops in prop::collection::vec(prop_oneof![
        Just(vec![0x51]), Just(vec![0x52]), Just(vec![0xae]), Just(vec![0x6a]), Just(vec![0]), Just(vec![0x50]),
        Just(key(33, 2)), Just(key(65, 6)), Just(key(33, 4)), Just(vec![0x4c, 1, 9]), Just(vec![0x4d, 2, 0, 9, 9]),
        Just(vec![0x4e, 1, 0, 0, 0, 9]), Just(vec![0x4c]), Just(vec![0x4e, 0xff, 0xff, 0xff, 0xff]),
    ], 0..8)) {
        agree(&ops.concat());
    }
}

#[test]
fn each_type_by_hand() {
    let names: Vec<_> = templates().iter().map(|t| kind(t)).collect();
    let expected = [
        "nonstandard",
        "pubkeyhash",
        "scripthash",
        "witness_v0_keyhash",
        "witness_v0_scripthash",
        "witness_v1_taproot",
        "anchor",
        "witness_unknown",
        "witness_unknown",
        "nonstandard",
        "nonstandard",
        "pubkey",
        "pubkey",
        "nulldata",
        "nulldata",
        "multisig",
        "multisig",
    ];
    assert_eq!(names, expected);
    assert_eq!(kind(&made(&[0x52, 0x20], 32, &[])), "witness_unknown");
    assert_eq!(kind(&made(&[0x51, 0x29], 41, &[])), "nonstandard", "41 bytes are no program");
    assert_eq!(kind(&[0x51, 1, 9]), "nonstandard", "1 byte is none either");
    assert_eq!(kind(&[0x6a, 0x4c]), "nonstandard", "a push that runs over the end");
    assert_eq!(kind(&[0x6a, 0x60, 0x50, 0x4f]), "nulldata", "numbers and OP_RESERVED are pushes");
    assert_eq!(kind(&[0x6a, 0x61]), "nonstandard", "OP_NOP is none");
    assert_eq!(kind(&[&[0x6a, 0x4d, 0x10, 0x27][..], &[0; 10_000]].concat()), "nulldata", "of any size");
}

#[test]
fn keys_need_a_valid_first_byte() {
    for first in 0..=255 {
        let script = |length| [key(length, first), vec![0xac]].concat();
        assert_eq!(kind(&script(33)) == "pubkey", [2, 3].contains(&first), "{first}");
        assert_eq!(kind(&script(65)) == "pubkey", [4, 6, 7].contains(&first), "{first}");
        let is_multisig = kind(&multisig_of(1, &[key(33, first)])) == "multisig";
        assert_eq!(is_multisig, [2, 3].contains(&first), "{first}");
    }
}

#[test]
fn multisig_of_every_size() {
    for n in 1..=25_u8 {
        let keys: Vec<_> = (0..n).map(|i| if i % 3 == 0 { key(65, 7) } else { key(33, 3) }).collect();
        for m in 0..=25_u8 {
            let script = if m == 0 { [&[0], &multisig_of(1, &keys)[1..]].concat() } else { multisig_of(m, &keys) };
            let found = classify(&script);
            let expected = if (1..=20).contains(&m) && m <= n && n <= 20 { (n, m) } else { (0, 0) };
            assert_eq!((found.num_pubkeys, found.num_keys), expected, "{m} of {n}");
        }
    }
}

#[test]
fn multisig_by_core() {
    let keys = [key(33, 2), key(33, 3)];
    let k = keys.concat();
    let script = |parts: &[&[u8]]| kind(&parts.concat());
    assert_eq!(script(&[&[0x52], &k, &[0x52, 0xae]]), "multisig");
    assert_eq!(script(&[&[1, 2], &k, &[0x52, 0xae]]), "nonstandard", "2 is OP_2, not a push");
    assert_eq!(script(&[&[0x52], &k, &[0x53, 0xae]]), "nonstandard", "another number of keys");
    assert_eq!(script(&[&[0x52], &k, &[0x52, 0x61, 0xae]]), "nonstandard", "something behind the number");
    assert_eq!(script(&[&[0x52], &k, &[0x52, 0xaf]]), "nonstandard", "OP_CHECKMULTISIGVERIFY");
    assert_eq!(script(&[&[0x52], &k, &[0xae]]), "nonstandard", "no number");
    assert_eq!(script(&[&[0x51, 0x51, 0xae]]), "nonstandard", "no keys");
    assert_eq!(script(&[&[0xae]]), "nonstandard");
    // Bitcoin Core looks at the length of a key, not at how it is pushed.
    let long_push = [&[0x4c, 33][..], &keys[0][1..]].concat();
    assert_eq!(script(&[&[0x51], &long_push, &[0x51, 0xae]]), "multisig");
    // 300 keys: the count does not wrap to a number that fits.
    let many = vec![key(33, 2); 300].concat();
    assert_eq!(script(&[&[0x51], &many, &[1, 20, 0xae]]), "nonstandard");
}

#[test]
fn dust_thresholds() {
    let of = |script: &[u8]| dust_threshold(script, classify(script).kind);
    let t = templates();
    assert_eq!([of(&t[1]), of(&t[2]), of(&t[3]), of(&t[4]), of(&t[5]), of(&t[6])], [546, 540, 294, 330, 330, 240]);
    assert_eq!(of(&t[11]), 576, "compressed P2PK");
    assert_eq!((of(&t[13]), of(&[0x6a, 0x61])), (0, 0), "OP_RETURN, whatever follows");
    assert_eq!((of(&[0x61; 10_000]), of(&[0x61; 10_001])), (3 * (8 + 3 + 10_000 + 148), 0), "too long to be spent");
    assert_eq!(of(&[0x61; 253]), 3 * (8 + 3 + 253 + 148), "a length of three bytes");
}
