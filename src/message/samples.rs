//! One payload or more for every command: by crate `bitcoin` where it knows the message, else by hand
//! from the text of the BIP.

use super::command::{COMMANDS, Command};
use bitcoin::absolute::LockTime;
use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::block::Header;
use bitcoin::consensus::encode::{deserialize_hex, serialize};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::p2p::address::{AddrV2, AddrV2Message, Address};
use bitcoin::p2p::message::{NetworkMessage as M, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage, Inventory};
use bitcoin::p2p::message_bloom::{BloomFlags, FilterAdd, FilterLoad};
use bitcoin::p2p::message_compact_blocks as cmpct;
use bitcoin::p2p::message_filter as filter;
use bitcoin::p2p::message_network::{Reject, RejectReason, VersionMessage};
use bitcoin::p2p::{Magic, ServiceFlags};
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, MerkleBlock, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, transaction,
};

/// The signed P2WPKH example of BIP 143: one legacy and one segwit input.
const BIP_143: &str = "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f\
00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f92\
81a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287\
d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988a\
c9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bf\
a610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67\
eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000";

pub(super) fn segwit_tx() -> Transaction {
    deserialize_hex(BIP_143).unwrap()
}

pub(super) fn legacy_tx() -> Transaction {
    let mut tx = segwit_tx();
    tx.input.iter_mut().for_each(|i| i.witness.clear());
    tx.version = transaction::Version::TWO;
    tx
}

fn coinbase(height: i64) -> Transaction {
    let script_sig = bitcoin::script::Builder::new().push_int(height).push_slice(b"/miner/").into_script();
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig,
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[0; 32]]),
    };
    let output = TxOut { value: Amount::from_sat(312_500_000), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    }
}

/// A block at `height` of a coinbase, a segwit and a legacy transaction.
pub(super) fn block_at(height: i64) -> Block {
    let header = Header {
        version: bitcoin::block::Version::from_consensus(0x2000_0000),
        prev_blockhash: BlockHash::from_byte_array([7; 32]),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1_700_000_000,
        bits: CompactTarget::from_consensus(0x1703_4219),
        nonce: 42,
    };
    let mut block = Block { header, txdata: vec![coinbase(height), segwit_tx(), legacy_tx()] };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}

pub(super) fn version() -> VersionMessage {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS | ServiceFlags::NETWORK_LIMITED;
    VersionMessage {
        version: 70016,
        services,
        timestamp: 1_700_000_001,
        receiver: Address::new(&"10.77.0.1:18444".parse().unwrap(), ServiceFlags::NONE),
        sender: Address::new(&"[fd77::2]:0".parse().unwrap(), services),
        nonce: 0x0123_4567_89ab_cdef,
        user_agent: "/Satoshi:31.0.0/".to_owned(),
        start_height: 143,
        relay: true,
    }
}

pub(super) fn addresses() -> Vec<AddrV2Message> {
    let of = |addr, port| AddrV2Message { time: 1_700_000_002, services: ServiceFlags::from(0xc09), addr, port };
    vec![
        of(AddrV2::Ipv4("203.0.113.7".parse().unwrap()), 8333),
        of(AddrV2::Ipv6("2001:db8::1".parse().unwrap()), 8334),
        of(AddrV2::TorV2([1; 10]), 8333),
        of(AddrV2::TorV3([2; 32]), 8333),
        of(AddrV2::I2p([3; 32]), 0),
        of(AddrV2::Cjdns("fc00::1".parse().unwrap()), 8333),
        of(AddrV2::Unknown(7, vec![2; 16]), 8333),
        of(AddrV2::Unknown(99, vec![4; 5]), 1),
        of(AddrV2::Ipv4("203.0.113.8".parse().unwrap()), 8333),
    ]
}

pub(super) fn inventory() -> Vec<Inventory> {
    use bitcoin::{Txid, Wtxid};
    let (block, txid) = (BlockHash::from_byte_array([9; 32]), Txid::from_byte_array([8; 32]));
    vec![
        Inventory::Transaction(txid),
        Inventory::Block(block),
        Inventory::CompactBlock(block),
        Inventory::WTx(Wtxid::from_byte_array([5; 32])),
        Inventory::WTx(Wtxid::from_byte_array([6; 32])),
        Inventory::WitnessTransaction(txid),
        Inventory::WitnessBlock(block),
        Inventory::Unknown { inv_type: 3, hash: [1; 32] },
        Inventory::Unknown { inv_type: 6, hash: [2; 32] },
        Inventory::Error,
    ]
}

pub(super) fn locator() -> Vec<BlockHash> {
    (1..=3).map(|n| BlockHash::from_byte_array([n; 32])).collect()
}

pub(super) fn compact_block() -> HeaderAndShortIds {
    HeaderAndShortIds::from_block(&block_at(500_000), 77, 2, &[2]).unwrap()
}

/// `message` as crate `bitcoin` encodes it, without the header.
pub(super) fn payload(message: M) -> (Command, Vec<u8>) {
    let raw = serialize(&RawNetworkMessage::new(Magic::REGTEST, message));
    let field: [u8; 12] = raw[4..16].try_into().unwrap();
    (Command::from_field(&field), raw[24..].to_vec())
}

/// Concatenates.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn known_to_the_crate() -> Vec<M> {
    let block = block_at(500_000);
    let hash = block.block_hash();
    let headers = (0..3).map(|n| Header { nonce: n, ..block.header }).collect();
    let transactions = vec![segwit_tx(), legacy_tx()];
    let filter_hash = |n| bitcoin::bip158::FilterHash::from_byte_array([n; 32]);
    let filter_header = |n| bitcoin::bip158::FilterHeader::from_byte_array([n; 32]);
    let v1 = ["203.0.113.7:8333", "[2001:db8::1]:8334", "[fd87:d87e:eb43::1]:8333"];
    let v1 = v1.iter().map(|a| (1_700_000_002, Address::new(&a.parse().unwrap(), ServiceFlags::NETWORK))).collect();
    vec![
        M::Version(version()),
        M::Verack,
        M::SendAddrV2,
        M::WtxidRelay,
        M::Addr(v1),
        M::AddrV2(addresses()),
        M::GetAddr,
        M::Inv(inventory()),
        M::GetData(vec![Inventory::WitnessBlock(hash)]),
        M::NotFound(vec![]),
        M::Tx(segwit_tx()),
        M::Tx(legacy_tx()),
        M::MemPool,
        M::FeeFilter(1000),
        M::GetBlocks(GetBlocksMessage { version: 70016, locator_hashes: locator(), stop_hash: hash }),
        M::GetHeaders(GetHeadersMessage {
            version: 70016,
            locator_hashes: locator(),
            stop_hash: BlockHash::all_zeros(),
        }),
        M::Headers(headers),
        M::SendHeaders,
        M::Block(block.clone()),
        M::SendCmpct(cmpct::SendCmpct { send_compact: true, version: 2 }),
        M::CmpctBlock(cmpct::CmpctBlock { compact_block: compact_block() }),
        M::GetBlockTxn(cmpct::GetBlockTxn {
            txs_request: BlockTransactionsRequest { block_hash: hash, indexes: vec![1, 2, 300] },
        }),
        M::BlockTxn(cmpct::BlockTxn { transactions: BlockTransactions { block_hash: hash, transactions } }),
        M::Ping(0x0102_0304_0506_0708),
        M::Pong(0x0102_0304_0506_0708),
        M::FilterLoad(FilterLoad { filter: vec![0xff; 20], hash_funcs: 11, tweak: 5, flags: BloomFlags::All }),
        M::FilterAdd(FilterAdd { data: vec![1; 33] }),
        M::FilterClear,
        M::MerkleBlock(MerkleBlock::from_block_with_predicate(&block, |t| *t == segwit_tx().compute_txid())),
        M::GetCFilters(filter::GetCFilters { filter_type: 0, start_height: 100, stop_hash: hash }),
        M::CFilter(filter::CFilter { filter_type: 0, block_hash: hash, filter: vec![3; 300] }),
        M::GetCFHeaders(filter::GetCFHeaders { filter_type: 0, start_height: 101, stop_hash: hash }),
        M::CFHeaders(filter::CFHeaders {
            filter_type: 0,
            stop_hash: hash,
            previous_filter_header: filter_header(1),
            filter_hashes: vec![filter_hash(2), filter_hash(3)],
        }),
        M::GetCFCheckpt(filter::GetCFCheckpt { filter_type: 0, stop_hash: hash }),
        M::CFCheckpt(filter::CFCheckpt { filter_type: 0, stop_hash: hash, filter_headers: vec![filter_header(4)] }),
        M::Alert(vec![0xaa; 9]),
        M::Reject(Reject {
            message: "tx".into(),
            ccode: RejectReason::Fee,
            reason: "min relay fee not met".into(),
            hash: sha256d::Hash::from_byte_array([4; 32]),
        }),
    ]
}

fn by_hand() -> Vec<(Command, Vec<u8>)> {
    let txs = [serialize(&segwit_tx()), serialize(&legacy_tx())].concat();
    vec![
        (Command::SENDTXRCNCL, join(&[&1_u32.to_le_bytes(), &0xdead_beef_u64.to_le_bytes()])),
        (Command::SENDPACKAGES, 3_u64.to_le_bytes().to_vec()),
        (Command::FEATURE, join(&[&[6], b"BIP434", &[3, 1, 2, 3]])),
        (Command::REQRECON, vec![30, 0, 0x99, 0x01]),
        (Command::SKETCH, join(&[&[8], &[0x5a; 8]])),
        (Command::REQSKETCHEXT, vec![]),
        (Command::RECONCILDIFF, join(&[&[1, 2], &[0x11; 8]])),
        (Command::ANCPKGINFO, join(&[&[2], &[1; 32], &[2; 32]])),
        (Command::GETPKGTXNS, join(&[&[1], &[3; 32]])),
        (Command::PKGTXNS, join(&[&[2], &txs])),
        (Command::GETUTXOS, join(&[&[1, 2], &[7; 72]])),
        (Command::UTXOS, join(&[&840_000_u32.to_le_bytes(), &[6; 32], &[1, 0x80], &[1], &[0; 16], &[2, 0x51, 0x52]])),
        (Command::CHECKORDER, vec![1; 40]),
        (Command::SUBMITORDER, vec![2; 41]),
        (Command::REPLY, vec![0; 4]),
        // What old or terse nodes send.
        (Command::PING, vec![]),
        (Command::REJECT, join(&[&[7], b"version", &[0x11, 4], b"old\n"])),
        (Command::ADDR, join(&[&[1], &[1, 0, 0, 0, 0, 0, 0, 0], &[0; 10], &[0xff, 0xff, 192, 0, 2, 1, 0x20, 0x8d]])),
    ]
}

/// At least one payload for every row of the table.
pub(super) fn samples() -> Vec<(Command, Vec<u8>)> {
    let mut all: Vec<_> = known_to_the_crate().into_iter().map(payload).collect();
    all.extend(by_hand());
    for (command, spec) in Command::all().zip(COMMANDS) {
        assert!(all.iter().any(|(c, _)| *c == command), "no sample of {}", spec.name);
    }
    all
}
