//! Every command's sample says what was put into it; crate `bitcoin` is the oracle of hashes and sizes.

use super::addr::{self, AddressNetwork};
use super::body::{Body, decode};
use super::command::Command;
use super::hash::{Hash256, sha256d};
use super::inventory::{self, Kind};
use super::read::{DecodeError, Reason};
use super::samples::{self, join, payload, samples};
use super::{block, compact, headers, package};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage as M;

fn try_body(command: Command, payload: &[u8]) -> Result<(Body, u32), DecodeError> {
    decode(command, payload, &sha256d(payload).0)
}

fn body(command: Command, payload: &[u8]) -> Body {
    let (body, trailing) = try_body(command, payload).unwrap();
    assert_eq!(trailing, 0, "{}", command.name());
    body
}

fn sample(command: Command) -> Vec<u8> {
    samples().into_iter().find(|(c, _)| *c == command).unwrap().1
}

fn reason(command: Command, payload: &[u8]) -> Reason {
    try_body(command, payload).unwrap_err().reason
}

#[test]
fn every_sample_decodes_whole_and_with_trailing_bytes() {
    for (command, mut payload) in samples() {
        let whole = body(command, &payload);
        let takes_all = matches!(whole, Body::Bytes(_)) && !matches!(command, Command::FILTERADD | Command::SKETCH);
        // An empty ping, a terse reject and an untimed addr would become other messages.
        if takes_all || matches!(whole, Body::Nonce(None)) || (command == Command::ADDR && payload.len() == 27) {
            continue;
        }
        payload.extend([0xee; 5]);
        assert_eq!(try_body(command, &payload), Ok((whole, 5)), "{}", command.name());
    }
}

#[test]
fn body_stays_small() {
    assert!(size_of::<Body>() <= 120, "{}", size_of::<Body>());
}

#[test]
fn transactions_agree_with_the_bitcoin_crate() {
    for tx in [samples::segwit_tx(), samples::legacy_tx()] {
        let Body::Tx(t) = body(Command::TX, &serialize(&tx)) else { panic!() };
        assert_eq!(t.txid.0, tx.compute_txid().to_byte_array());
        assert_eq!(t.wtxid.0, tx.compute_wtxid().to_byte_array());
        assert_eq!(t.txid.to_string(), tx.compute_txid().to_string());
        assert_eq!((t.size as usize, t.stripped_size as usize), (tx.total_size(), tx.base_size()));
        assert_eq!((u64::from(t.weight), t.vsize() as usize), (tx.weight().to_wu(), tx.vsize()));
        assert_eq!((t.inputs, t.outputs), (2, 2));
        assert_eq!(t.version as i32, tx.version.0);
        assert_eq!(t.lock_time, tx.lock_time.to_consensus_u32());
        assert_eq!(t.has_witness, tx.compute_txid().to_byte_array() != tx.compute_wtxid().to_byte_array());
    }
}

#[test]
fn wtxid_is_of_the_transaction_not_of_trailing_bytes() {
    let tx = samples::segwit_tx();
    let payload = join(&[&serialize(&tx), &[1]]);
    let (Body::Tx(t), 1) = try_body(Command::TX, &payload).unwrap() else { panic!() };
    assert_eq!(t.wtxid.0, tx.compute_wtxid().to_byte_array());
}

#[test]
fn odd_transactions_as_the_nodes_have_them() {
    // No inputs and no outputs: ten bytes, valid to read.
    let Body::Tx(t) = body(Command::TX, &[1, 0, 0, 0, 0, 0, 9, 0, 0, 0]) else { panic!() };
    assert_eq!((t.inputs, t.outputs, t.lock_time, t.weight, t.has_witness), (0, 0, 9, 40, false));
    let mut superfluous = serialize(&samples::legacy_tx());
    let end = superfluous.len() - 4;
    superfluous.splice(end..end, [0, 0]);
    superfluous.splice(4..4, [0, 1]);
    assert_eq!(reason(Command::TX, &superfluous), Reason::BadValue);
    let mut flag = serialize(&samples::segwit_tx());
    flag[5] = 2;
    let error = DecodeError { what: "segwit flag", offset: 5, needed: 1, had: 2, reason: Reason::BadValue };
    assert_eq!(try_body(Command::TX, &flag), Err(error));
}

#[test]
fn block() {
    for height in [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 500_000, 8_388_608] {
        let b = samples::block_at(height);
        let bytes = serialize(&b);
        let Body::Block(d) = body(Command::BLOCK, &bytes) else { panic!() };
        assert_eq!(d.hash.0, b.block_hash().to_byte_array());
        assert_eq!(d.prev, Hash256([7; 32]));
        assert_eq!((d.version, d.time, d.tx_count), (0x2000_0000, 1_700_000_000, 3));
        assert_eq!((d.size as usize, u64::from(d.weight)), (b.total_size(), b.weight().to_wu()));
        assert_eq!(d.weight, d.stripped_size * 3 + d.size);
        assert_eq!(d.height.map(i64::from), Some(height));
        let txids: Vec<_> = block::transactions(&bytes).map(|t| t.txid().0).collect();
        let expected: Vec<_> = b.txdata.iter().map(|t| t.compute_txid().to_byte_array()).collect();
        assert_eq!(txids, expected);
        let header = block::header(&bytes).unwrap();
        assert_eq!((header.bits(), header.nonce()), (0x1703_4219, 42));
        assert_eq!(header.merkle_root().0, b.header.merkle_root.to_byte_array());
    }
}

#[test]
fn genesis_has_its_well_known_hash_and_no_height() {
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Bitcoin);
    let Body::Block(d) = body(Command::BLOCK, &serialize(&genesis)) else { panic!() };
    assert_eq!(d.hash.to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!((d.size, d.weight, d.height, d.tx_count), (285, 1140, None, 1));
}

#[test]
fn malformed_transaction_in_a_block_is_an_error_at_its_offset() {
    let mut bytes = serialize(&samples::block_at(500_000));
    let second = 81 + samples::block_at(500_000).txdata[0].total_size();
    bytes[second + 5] = 9;
    let error = DecodeError { what: "segwit flag", offset: second + 5, needed: 1, had: 9, reason: Reason::BadValue };
    assert_eq!(try_body(Command::BLOCK, &bytes), Err(error));
    assert_eq!(block::transactions(&bytes).count(), 1);
}

#[test]
fn bip_34_heights_that_are_none() {
    for script in [&[][..], &[0], &[3, 1, 2], &[3, 0, 0, 0x80], &[2, 0x10, 0], &[1, 5], &[0x4c, 1, 20], &[6; 7]] {
        assert_eq!(block::bip34_height(script), None, "{script:?}");
    }
    // Block 227 931, where the rule became mandatory.
    assert_eq!(block::bip34_height(&[3, 0x5b, 0x7a, 0x03, 0x14]), Some(227_931));
}

#[test]
fn inventory_by_kind() {
    let bytes = sample(Command::INV);
    let Body::Inventory(i) = body(Command::INV, &bytes) else { panic!() };
    assert_eq!(i.counts, [1, 1, 1, 1, 2, 1, 1, 2]);
    assert_eq!((i.total(), i.get(Kind::Wtx)), (10, 2));
    let wtx: Vec<_> = inventory::entries(&bytes).filter(|e| e.kind == Kind::Wtx).map(|e| e.hash.0[0]).collect();
    assert_eq!(wtx, [5, 6]);
    assert_eq!(inventory::entries(&bytes[..bytes.len() - 1]).len(), 0);
    assert_eq!(reason(Command::INV, &[0xfd, 0x51, 0xc3]), Reason::TooMany, "50 001 entries");
    assert_eq!(reason(Command::INV, &[0xfd, 0x50, 0xc3]), Reason::Truncated, "50 000 entries");
    let Body::Inventory(i) = body(Command::NOTFOUND, &[0]) else { panic!() };
    assert_eq!(i.total(), 0);
}

#[test]
fn headers_and_locators() {
    let bytes = sample(Command::HEADERS);
    let Body::Headers(h) = body(Command::HEADERS, &bytes) else { panic!() };
    let hashes: Vec<_> = headers::entries(&bytes).map(headers::HeaderView::hash).collect();
    assert_eq!((h.count, h.first, h.last), (3, Some(hashes[0]), Some(hashes[2])));
    let expected = bitcoin::block::Header { nonce: 2, ..samples::block_at(500_000).header };
    assert_eq!(hashes[2].0, expected.block_hash().to_byte_array());
    assert_eq!(reason(Command::HEADERS, &[0xfd, 0xd1, 0x07]), Reason::TooMany, "2001 headers");

    let bytes = sample(Command::GETHEADERS);
    let Body::Locator(l) = body(Command::GETHEADERS, &bytes) else { panic!() };
    assert_eq!((l.version, l.count, l.first, l.stop), (70016, 3, Some(Hash256([1; 32])), Hash256([0; 32])));
    assert_eq!(headers::locator_hashes(&bytes).map(|h| h.0[0]).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(reason(Command::GETBLOCKS, &[0, 0, 0, 0, 102]), Reason::TooMany);
}

#[test]
fn version_of_a_current_node() {
    let Body::Version(v) = body(Command::VERSION, &sample(Command::VERSION)) else { panic!() };
    assert_eq!((v.version, v.services, v.time), (70016, 0x409, 1_700_000_001));
    assert_eq!(v.receiver.address.to_string(), "10.77.0.1:18444");
    assert_eq!(v.sender.unwrap().address.to_string(), "[fd77::2]:0");
    assert_eq!(v.nonce, Some(0x0123_4567_89ab_cdef));
    assert_eq!(v.user_agent_text(), "/Satoshi:31.0.0/");
    assert_eq!((v.start_height, v.relay), (Some(143), Some(true)));
}

#[test]
fn version_of_old_nodes() {
    let whole = sample(Command::VERSION);
    let version = |bytes: &[u8]| match body(Command::VERSION, bytes) {
        Body::Version(v) => v,
        other => panic!("{other:?}"),
    };
    let v = version(&whole[..whole.len() - 1]);
    assert_eq!((v.start_height, v.relay, v.wants_transactions()), (Some(143), None, true));
    let v = version(&whole[..whole.len() - 5]);
    assert_eq!((v.start_height, v.user_agent_text()), (None, "/Satoshi:31.0.0/".to_owned()));
    let v = version(&whole[..80]);
    assert_eq!((v.user_agent, v.nonce), (None, Some(0x0123_4567_89ab_cdef)));
    let v = version(&whole[..46]);
    assert_eq!((v.sender, v.nonce), (None, None));

    let agent = |agent: &[u8]| {
        let size = if agent.len() < 253 { vec![agent.len() as u8] } else { vec![0xfd, agent.len() as u8, 1] };
        try_body(Command::VERSION, &join(&[&whole[..80], &size, agent]))
    };
    let (Body::Version(v), 0) = agent(b"\x1b[31m\xff").unwrap() else { panic!() };
    assert_eq!(v.user_agent_text(), "\\u{1b}[31m\\xff");
    assert!(agent(&[b'a'; 256]).is_ok());
    assert_eq!(agent(&[b'a'; 257]).unwrap_err().reason, Reason::TooMany);
}

#[test]
fn gossiped_addresses() {
    let bytes = sample(Command::ADDRV2);
    let Body::Addresses(a) = body(Command::ADDRV2, &bytes) else { panic!() };
    assert_eq!(a.counts, [2, 1, 1, 1, 1, 1, 1, 1]);
    let first = addr::entries(&bytes, true).next().unwrap();
    assert_eq!((first.time, first.services, first.port), (Some(1_700_000_002), 0xc09, 8333));
    assert_eq!((first.network, first.address), (AddressNetwork::Ipv4, &[203, 0, 113, 7][..]));
    assert_eq!(addr::entries(&bytes, true).count(), 9);

    let bytes = sample(Command::ADDR);
    let Body::Addresses(a) = body(Command::ADDR, &bytes) else { panic!() };
    assert_eq!((a.total(), a.get(AddressNetwork::Ipv6), a.get(AddressNetwork::TorV2)), (3, 1, 1));
    let ports: Vec<_> = addr::entries(&bytes, false).map(|e| e.port).collect();
    assert_eq!(ports, [8333, 8334, 8333]);

    let untimed = samples().pop().unwrap().1;
    let entry = addr::entries(&untimed, false).next().unwrap();
    assert_eq!((entry.time, entry.address, entry.port), (None, &[192, 0, 2, 1][..], 8333));
}

#[test]
fn addresses_of_wrong_length() {
    let one = |id: u8, len: u8| join(&[&[1], &[0; 4], &[1, id, len], &vec![0x20; len.into()], &[0, 0]]);
    let error = DecodeError { what: "address length", offset: 6, needed: 4, had: 5, reason: Reason::BadValue };
    assert_eq!(try_body(Command::ADDRV2, &one(1, 5)), Err(error));
    for id in [2, 4, 5, 6] {
        assert_eq!(reason(Command::ADDRV2, &one(id, 10)), Reason::BadValue, "id {id}");
    }
    for (id, len) in [(3, 11), (7, 15), (8, 0)] {
        let Body::Addresses(a) = body(Command::ADDRV2, &one(id, len)) else { panic!() };
        assert_eq!(a.get(AddressNetwork::Other), 1, "id {id}");
    }
    let long = join(&[&[1], &[0; 4], &[1, 200, 0xfd, 0x01, 0x02], &[0; 515]]);
    assert_eq!(reason(Command::ADDRV2, &long), Reason::TooMany, "513 bytes");
    assert_eq!(reason(Command::ADDR, &[0xfd, 0xe9, 0x03]), Reason::TooMany, "1001 addresses");
}

#[test]
fn compact_blocks() {
    let bytes = sample(Command::CMPCTBLOCK);
    let Body::CompactBlock(c) = body(Command::CMPCTBLOCK, &bytes) else { panic!() };
    let b = samples::block_at(500_000);
    assert_eq!(c.hash.0, b.block_hash().to_byte_array());
    assert_eq!((c.nonce, c.short_ids, c.prefilled, c.tx_count(), c.height), (77, 1, 2, 3, Some(500_000)));
    let given: Vec<_> = compact::prefilled(&bytes).map(|(n, t)| (n, t.txid().0)).collect();
    let expected = [0, 2].map(|n| (n as u16, b.txdata[n].compute_txid().to_byte_array()));
    assert_eq!(given, expected);
    let original = samples::compact_block();
    let id: &[u8] = original.short_ids[0].as_ref();
    let id = id.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    assert_eq!(compact::short_ids(&bytes).collect::<Vec<_>>(), [id]);

    let bytes = sample(Command::GETBLOCKTXN);
    let Body::BlockTransactions(g) = body(Command::GETBLOCKTXN, &bytes) else { panic!() };
    assert_eq!((g.block, g.count, g.bytes), (c.hash, 3, 0));
    assert_eq!(compact::requested(&bytes).collect::<Vec<_>>(), [1, 2, 300]);

    let bytes = sample(Command::BLOCKTXN);
    let Body::BlockTransactions(t) = body(Command::BLOCKTXN, &bytes) else { panic!() };
    assert_eq!((t.block, t.count, t.bytes as usize), (c.hash, 2, bytes.len() - 33));
    assert_eq!(compact::transactions(&bytes).count(), 2);
}

#[test]
fn indexes_that_run_over() {
    let request = |indexes: &[u8]| reason(Command::GETBLOCKTXN, &join(&[&[0; 32], indexes]));
    assert_eq!(request(&[2, 0xfd, 0xff, 0xff, 0]), Reason::BadValue, "65 535, then 65 536");
    assert_eq!(request(&[1, 0xfe, 0, 0, 1, 0]), Reason::TooMany, "65 536");
    let tx = serialize(&samples::legacy_tx());
    let cmpct = |index: u8| join(&[&[0; 80], &[0; 8], &[1], &[9; 6], &[1, index], &tx]);
    assert!(try_body(Command::CMPCTBLOCK, &cmpct(1)).is_ok(), "behind the one short id");
    assert_eq!(reason(Command::CMPCTBLOCK, &cmpct(2)), Reason::BadValue);
}

#[test]
fn numbers() {
    assert_eq!(body(Command::PING, &sample(Command::PING)), Body::Nonce(Some(0x0102_0304_0506_0708)));
    assert_eq!(body(Command::PONG, &[]), Body::Nonce(None));
    assert_eq!(body(Command::FEEFILTER, &sample(Command::FEEFILTER)), Body::FeeFilter(1000));
    assert_eq!(body(Command::FEEFILTER, &[0xff; 8]), Body::FeeFilter(-1));
    let announce = Body::SendCompact { announce: true, version: 2 };
    assert_eq!(body(Command::SENDCMPCT, &sample(Command::SENDCMPCT)), announce);
    assert_eq!(body(Command::SENDCMPCT, &[7, 2, 0, 0, 0, 0, 0, 0, 0]), announce, "any byte but 0");
    let salt = Body::SendReconciliation { version: 1, salt: 0xdead_beef };
    assert_eq!(body(Command::SENDTXRCNCL, &sample(Command::SENDTXRCNCL)), salt);
    let request = Body::RequestReconciliation { set_size: 30, q: 409 };
    assert_eq!(body(Command::REQRECON, &sample(Command::REQRECON)), request);
    let difference = Body::ReconciliationDifference { success: true, count: 2 };
    assert_eq!(body(Command::RECONCILDIFF, &sample(Command::RECONCILDIFF)), difference);
    assert_eq!(body(Command::SKETCH, &sample(Command::SKETCH)), Body::Bytes(8));
    assert_eq!(body(Command::SENDPACKAGES, &sample(Command::SENDPACKAGES)), Body::SendPackages(3));
    assert_eq!(body(Command::ALERT, &sample(Command::ALERT)), Body::Bytes(10), "9 bytes and their length");
    assert_eq!(body(Command::CHECKORDER, &sample(Command::CHECKORDER)), Body::Bytes(40));
    assert_eq!(body(Command::FILTERADD, &sample(Command::FILTERADD)), Body::Bytes(33));
    for empty in [Command::VERACK, Command::GETADDR, Command::MEMPOOL, Command::WTXIDRELAY, Command::FILTERCLEAR] {
        assert_eq!(body(empty, &[]), Body::Empty);
    }
    assert_eq!(try_body(Command::UNKNOWN, &[1, 2, 3]), Ok((Body::Unknown, 0)));
}

#[test]
fn filters() {
    let Body::FilterLoad(f) = body(Command::FILTERLOAD, &sample(Command::FILTERLOAD)) else { panic!() };
    assert_eq!((f.bytes, f.hash_functions, f.tweak, f.flags), (20, 11, 5, 1));
    assert_eq!(reason(Command::FILTERLOAD, &[0, 51, 0, 0, 0, 0, 0, 0, 0, 0]), Reason::TooMany);
    assert_eq!(reason(Command::FILTERLOAD, &[0xfd, 0xa1, 0x8c]), Reason::TooMany, "36 001 bytes");
    assert_eq!(reason(Command::FILTERADD, &[0xfd, 0x09, 0x02]), Reason::TooMany, "521 bytes");
    let hash = Hash256(samples::block_at(500_000).block_hash().to_byte_array());
    let Body::MerkleBlock(m) = body(Command::MERKLEBLOCK, &sample(Command::MERKLEBLOCK)) else { panic!() };
    assert_eq!((m.hash, m.tx_count, m.hashes), (hash, 3, 3));

    let expected = [
        (Command::GETCFILTERS, Some(100), None, None),
        (Command::GETCFHEADERS, Some(101), None, None),
        (Command::CFILTER, None, None, Some(300)),
        (Command::CFHEADERS, None, Some(2), None),
        (Command::GETCFCHECKPT, None, None, None),
        (Command::CFCHECKPT, None, Some(1), None),
    ];
    for (command, height, count, bytes) in expected {
        let Body::CompactFilter(f) = body(command, &sample(command)) else { panic!() };
        assert_eq!((f.filter_type, f.start_height, f.count, f.filter_bytes), (0, height, count, bytes));
        assert_eq!(f.block, hash);
    }
}

#[test]
fn reject_with_and_without_hash() {
    let Body::Reject(r) = body(Command::REJECT, &sample(Command::REJECT)) else { panic!() };
    assert_eq!(
        (&*r.message, r.code_name(), &*r.reason),
        (&b"tx"[..], "insufficient_fee", &b"min relay fee not met"[..])
    );
    assert_eq!(r.hash, Some(Hash256([4; 32])));
    let terse = samples().into_iter().rfind(|(c, _)| *c == Command::REJECT).unwrap().1;
    let Body::Reject(r) = body(Command::REJECT, &terse) else { panic!() };
    assert_eq!((r.code_name(), r.hash), ("obsolete", None));
    assert_eq!(reason(Command::REJECT, &[13]), Reason::TooMany);
}

#[test]
fn packages_and_utxos() {
    let last = |n| Some(Hash256([n; 32]));
    let info = Body::Wtxids { count: 2, last: last(2) };
    assert_eq!(body(Command::ANCPKGINFO, &sample(Command::ANCPKGINFO)), info);
    assert_eq!(body(Command::GETPKGTXNS, &sample(Command::GETPKGTXNS)), Body::Wtxids { count: 1, last: last(3) });
    assert_eq!(reason(Command::GETPKGTXNS, &[101]), Reason::TooMany);
    let bytes = sample(Command::PKGTXNS);
    let whole = Body::Transactions { count: 2, bytes: bytes.len() as u32 - 1 };
    assert_eq!(body(Command::PKGTXNS, &bytes), whole);
    assert_eq!(package::entries(&bytes).count(), 2);
    assert_eq!(body(Command::GETUTXOS, &sample(Command::GETUTXOS)), Body::GetUtxos { mempool: true, count: 2 });
    let utxos = Body::Utxos { height: 840_000, tip: Hash256([6; 32]), count: 1 };
    assert_eq!(body(Command::UTXOS, &sample(Command::UTXOS)), utxos);
    let Body::Feature(f) = body(Command::FEATURE, &sample(Command::FEATURE)) else { panic!() };
    assert_eq!((&*f.id, f.data_bytes), (&b"BIP434"[..], 3));
}

#[test]
fn messages_of_the_crate_have_rows() {
    assert_eq!(payload(M::SendHeaders), (Command::SENDHEADERS, vec![]));
    assert_eq!(payload(M::SendAddrV2).0, Command::SENDADDRV2);
}
