//! A node and its peers, made up: messages of the crate `bitcoin` as packets on a wire.

#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::corpus::Packet;
use bitcoin::bip152::HeaderAndShortIds;
use bitcoin::blockdata::constants::genesis_block;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::address::Address;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::message_compact_blocks::CmpctBlock;
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Magic, ServiceFlags};
use bitcoin::{
    Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    absolute, transaction,
};
use btcdmon::decode::testkit::{TcpPacket, ethernet};
use std::net::{Ipv4Addr, SocketAddr};

const MS: i64 = 1_000_000;
const SYN: u8 = 2;
const FIN: u8 = 1;
const ACK: u8 = 16;
const PSH: u8 = 8;
/// Payload of the largest segment.
const SEGMENT: usize = 60_000;

/// The node: peers connect to it.
pub const NODE: &str = "10.0.0.1";

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToNode,
    FromNode,
}
pub use Way::{FromNode, ToNode};

/// The wire.
#[derive(Clone)]
pub struct Wire {
    pub packets: Vec<Packet>,
    pub now: i64,
    magic: Magic,
    port: u16,
    seq: Vec<[u32; 2]>,
}

impl Wire {
    /// Nothing on it yet; the time is that of the test chain's first block.
    pub fn new(magic: Magic, port: u16, seconds: u32) -> Self {
        Self { packets: Vec::new(), now: i64::from(seconds) * 1000 * MS, magic, port, seq: Vec::new() }
    }

    pub fn regtest() -> Self {
        Self::new(Magic::REGTEST, 18444, genesis_block(Network::Regtest).header.time + 600)
    }

    pub fn wait(&mut self, ms: i64) {
        self.now += ms * MS;
    }

    fn segment(&mut self, peer: usize, way: Way, flags: u8, payload: &[u8]) {
        let node = SocketAddr::new(NODE.parse().unwrap(), self.port);
        let other = SocketAddr::new(Ipv4Addr::new(10, 0, 1, peer as u8 + 1).into(), 40_000);
        let (src, dst) = if way == ToNode { (other, node) } else { (node, other) };
        let mut p = TcpPacket::new(src, dst).data(self.seq[peer][way as usize], payload);
        (p.flags, p.ack) = (flags, self.seq[peer][1 - way as usize]);
        self.seq[peer][way as usize] += payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let data = ethernet(0x800, &p.ip());
        self.packets.push(Packet { time: self.now, link: 1, wire_len: data.len() as u32, data });
        self.now += MS / 10;
    }

    /// A new peer connects and shakes hands; returns its number.
    pub fn peer(&mut self) -> usize {
        self.peer_at(0)
    }

    /// A peer whose connection is older than the capture; returns its number.
    pub fn joined(&mut self) -> usize {
        self.seq.push([1000, 2000]);
        let peer = self.seq.len() - 1;
        self.say(peer, ToNode, NetworkMessage::Ping(1));
        self.say(peer, FromNode, NetworkMessage::Pong(1));
        peer
    }

    /// A peer connects: only the handshake of TCP; returns its number.
    pub fn connects(&mut self) -> usize {
        let peer = self.seq.len();
        self.seq.push([1000, 2000]);
        self.segment(peer, ToNode, SYN, &[]);
        self.segment(peer, FromNode, SYN | ACK, &[]);
        self.segment(peer, ToNode, ACK, &[]);
        peer
    }

    /// A new peer; both ends say that they are at `height`.
    pub fn peer_at(&mut self, height: i32) -> usize {
        self.peer_as(height, "/test/")
    }

    /// The same with a user agent of its own.
    pub fn peer_as(&mut self, height: i32, agent: &str) -> usize {
        let peer = self.connects();
        for way in [ToNode, FromNode] {
            let address = Address::new(&SocketAddr::new(NODE.parse().unwrap(), self.port), ServiceFlags::NETWORK);
            let mut version = VersionMessage::new(
                ServiceFlags::NETWORK | ServiceFlags::WITNESS,
                self.now / 1_000_000_000,
                address.clone(),
                address,
                peer as u64,
                agent.into(),
                height,
            );
            (version.version, version.relay) = (70016, true);
            self.say(peer, way, NetworkMessage::Version(version));
        }
        self.say(peer, FromNode, NetworkMessage::Verack);
        self.say(peer, ToNode, NetworkMessage::Verack);
        peer
    }

    /// A message.
    pub fn say(&mut self, peer: usize, way: Way, message: NetworkMessage) {
        let bytes = serialize(&RawNetworkMessage::new(self.magic, message));
        for piece in bytes.chunks(SEGMENT) {
            self.segment(peer, way, ACK | PSH, piece);
        }
    }

    /// A message of another network.
    pub fn say_as(&mut self, magic: Magic, peer: usize, way: Way, message: NetworkMessage) {
        let own = std::mem::replace(&mut self.magic, magic);
        self.say(peer, way, message);
        self.magic = own;
    }

    /// One end closes the connection.
    pub fn close(&mut self, peer: usize, way: Way) {
        self.segment(peer, way, FIN | ACK, &[]);
        let other = if way == ToNode { FromNode } else { ToNode };
        self.segment(peer, other, FIN | ACK, &[]);
    }

    /// A source connects and the node closes at once; `n` tells sources apart.
    pub fn refused(&mut self, n: usize) {
        self.seq.resize(self.seq.len().max(n + 1), [1000, 2000]);
        self.segment(n, ToNode, SYN, &[]);
        self.segment(n, FromNode, SYN | ACK, &[]);
        self.segment(n, ToNode, ACK, &[]);
        self.close(n, FromNode);
    }

    /// A peer announces a block, the node asks for it, it comes.
    pub fn block(&mut self, peer: usize, block: &Block) {
        self.say(peer, ToNode, NetworkMessage::Headers(vec![block.header]));
        self.say(peer, FromNode, NetworkMessage::GetData(vec![Inventory::WitnessBlock(block.block_hash())]));
        self.say(peer, ToNode, NetworkMessage::Block(block.clone()));
    }

    /// The node announces its tip.
    pub fn announce(&mut self, peer: usize, block: &Block) {
        self.say(peer, FromNode, NetworkMessage::Headers(vec![block.header]));
    }

    /// A compact block without being asked for.
    pub fn compact(&mut self, peer: usize, way: Way, block: &Block) {
        let compact_block = HeaderAndShortIds::from_block(block, 7, 2, &[]).unwrap();
        self.say(peer, way, NetworkMessage::CmpctBlock(CmpctBlock { compact_block }));
    }

    /// A peer sends a transaction.
    pub fn tx(&mut self, peer: usize, tx: &Transaction) {
        self.say(peer, ToNode, NetworkMessage::Tx(tx.clone()));
    }
}

/// A transaction that spends `prevouts` into outputs of `values`.
pub fn spend(prevouts: &[OutPoint], values: &[u64]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[7; 71], [8; 71]]),
    };
    let script_pubkey = || ScriptBuf::from_bytes([&[0, 20][..], &[9; 20]].concat());
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: prevouts.iter().map(input).collect(),
        output: values.iter().map(|v| TxOut { value: Amount::from_sat(*v), script_pubkey: script_pubkey() }).collect(),
    }
}

/// Output `n` of a transaction.
pub fn out(tx: &Transaction, n: u32) -> OutPoint {
    OutPoint::new(tx.compute_txid(), n)
}

/// A block on top of `parent` at `height`; its coinbase pays the subsidy, `fees`, and differs by `salt`.
pub fn mine(parent: &Block, height: u32, txs: &[Transaction], fees: u64, salt: u8) -> Block {
    let script_sig = bitcoin::script::Builder::new().push_int(height.into()).push_slice([salt; 8]).into_script();
    let mut coinbase = spend(&[OutPoint::null()], &[5_000_000_000 + fees]);
    coinbase.input[0].script_sig = script_sig;
    coinbase.input[0].witness = Witness::from_slice(&[[0; 32]]);
    let mut block = Block { header: parent.header, txdata: [&[coinbase], txs].concat() };
    block.header.version = bitcoin::block::Version::from_consensus(0x2000_0000);
    block.header.prev_blockhash = parent.block_hash();
    block.header.time = parent.header.time + 1;
    again(block)
}

/// A block whose parts were changed, with the merkle root and the proof of work that it needs then.
pub fn again(mut block: Block) -> Block {
    block.header.merkle_root = block.compute_merkle_root().unwrap_or(TxMerkleNode::all_zeros());
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

pub fn genesis() -> Block {
    genesis_block(Network::Regtest)
}

pub fn hash(block: &Block) -> BlockHash {
    block.block_hash()
}
