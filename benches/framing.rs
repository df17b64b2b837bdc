//! Bytes per second through the framer and the message decoder: `cargo bench --bench framing`.

#[allow(unused_imports, reason = "the other parts are for the benchmark `replay`")]
mod generate;

use anyhow::{Result, ensure};
use bitcoin::Wtxid;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::Inventory;
use btcdmon::flow::{At, PacketIndex};
use btcdmon::message::body::decode;
use btcdmon::message::command::Command;
use btcdmon::message::framer::{Framer, MessageSink, Place, RawMessage};
use btcdmon::message::gather::{GATHER_CAP, GatherPool};
use btcdmon::message::trouble::Trouble;
use btcdmon::time::Timestamp;
use generate::rng::Rng;
use std::hint::black_box;
use std::time::Instant;

/// Bytes a round, at least.
const ROUND: usize = 200_000_000;
/// Rounds, of which the fastest counts.
const ROUNDS: u32 = 3;

/// Counts messages, and decodes them if asked to.
struct Count {
    decoded: bool,
    messages: u64,
    wrong: u64,
}

impl MessageSink for Count {
    #[inline]
    fn message(&mut self, _: At, m: RawMessage<'_>) {
        self.messages += 1;
        self.wrong += u64::from(!m.checksum_valid);
        if self.decoded {
            let body = decode(Command::from_field(&m.header.command), m.payload, &m.hash.0);
            self.wrong += u64::from(black_box(body).is_err());
        }
    }

    fn trouble(&mut self, _: Trouble, n: u64) {
        self.wrong += n;
    }
}

/// MB/s of `stream`, which has `messages` messages, in chunks of `chunk` bytes.
fn round(stream: &[u8], messages: u64, chunk: usize, decoded: bool) -> Result<f64> {
    let mut framer = Framer::at_start(Magic::BITCOIN.to_bytes());
    let mut pool = GatherPool::new(GATHER_CAP);
    let mut sink = Count { decoded, messages: 0, wrong: 0 };
    let turns = ROUND.div_ceil(stream.len());
    let (mut offset, time) = (0, Timestamp::from_nanos(0));
    let start = Instant::now();
    for _ in 0..turns {
        for bytes in stream.chunks(chunk) {
            let place = Place { offset, at: At { index: PacketIndex(offset), time }, time };
            framer.data(bytes, place, &[], &mut pool, &mut sink);
            offset += bytes.len() as u64;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(sink.messages == messages * turns as u64, "{} messages of {}", sink.messages, messages * turns as u64);
    ensure!(sink.wrong == 0, "{} troubles", sink.wrong);
    Ok((turns * stream.len()) as f64 / seconds / 1e6)
}

/// Eight blocks.
fn blocks() -> Result<(Vec<u8>, u64)> {
    let blocks = generate::block::Blocks::open(None)?.take(8)?;
    let mut stream = Vec::new();
    for block in &blocks {
        generate::p2p::MAIN.raw("block", block, &mut stream);
    }
    Ok((stream, blocks.len() as u64))
}

/// What is relayed: `inv`, `getdata`, `tx`.
fn relay() -> (Vec<u8>, u64) {
    let mut rng = Rng::new(1);
    let mut writer = generate::tx::TxWriter::default();
    let (mut stream, mut messages) = (Vec::new(), 0);
    for _ in 0..2000 {
        let (mut txs, mut inventory) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut tx = Vec::new();
            inventory.push(Inventory::WTx(Wtxid::from_byte_array(writer.write(&mut rng, &mut tx).wtxid)));
            if tx.len() < 1000 {
                txs.push(tx);
            }
        }
        stream.extend(generate::p2p::MAIN.message(NetworkMessage::Inv(inventory.repeat(8))));
        stream.extend(generate::p2p::MAIN.message(NetworkMessage::GetData(inventory)));
        for tx in &txs {
            generate::p2p::MAIN.raw("tx", tx, &mut stream);
        }
        messages += 2 + txs.len() as u64;
    }
    (stream, messages)
}

fn main() -> Result<()> {
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !std::env::args().any(|a| a == "--bench") {
        return Ok(());
    }
    println!("MB/s; the fastest of {ROUNDS} rounds of {} MB\n", ROUND / 1_000_000);
    let (blocks, relay) = (blocks()?, relay());
    for (name, (stream, messages), chunk) in [
        ("blocks in segments of 1448 bytes", &blocks, 1448),
        ("inv, getdata, tx in segments of 1448 bytes", &relay, 1448),
        ("inv, getdata, tx in segments of 150 bytes", &relay, 150),
    ] {
        for decoded in [false, true] {
            let mut best = 0.0_f64;
            for _ in 0..ROUNDS {
                best = best.max(round(stream, *messages, chunk, decoded)?);
            }
            println!("{best:8.0}  {name}: framed{}", if decoded { " and decoded" } else { "" });
        }
    }
    Ok(())
}
