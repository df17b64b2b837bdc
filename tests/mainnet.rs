//! Real blocks of the main network, sent to a made-up node: what the sensor tells of them against the crate
//! `bitcoin`. The blocks lie below the folder that `BTCDMON_SHARED` names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;
mod wire;

use bitcoin::consensus::deserialize;
use bitcoin::p2p::Magic;
use bitcoin::{Block, Script};
use btcdmon::flow::Checksums;
use btcdmon::message::block_digest;
use btcdmon::message::network::Network;
use btcdmon::message::script::ScriptType;
use btcdmon::node::chain::subsidy;
use btcdmon::series::{SERIES, Value};
use corpus::run::{run_with, settings};
use std::collections::BTreeMap;
use std::path::Path;
use wire::{NODE, Wire};

fn blocks() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("BTCDMON_SHARED") else {
        eprintln!("SKIPPED: real blocks; set BTCDMON_SHARED to the folder that holds blocks/");
        return Vec::new();
    };
    let files = std::fs::read_dir(Path::new(&folder).join("blocks")).unwrap().map(|f| f.unwrap().path());
    let mut files: Vec<_> = files.filter(|f| f.to_string_lossy().ends_with(".blk.zst")).collect();
    files.sort();
    assert!(!files.is_empty());
    let read = |f: &Path| zstd::decode_all(std::fs::File::open(f).unwrap()).unwrap();
    files.iter().map(|f| (f.file_name().unwrap().to_string_lossy().into_owned(), read(f))).collect()
}

/// A script's type by the crate's own predicates, of those that it has.
fn kind(script: &Script) -> Option<ScriptType> {
    Some(match () {
        () if script.is_op_return() => ScriptType::NullData,
        () if script.is_p2pkh() => ScriptType::PubkeyHash,
        () if script.is_p2sh() => ScriptType::ScriptHash,
        () if script.is_p2wpkh() => ScriptType::WitnessV0KeyHash,
        () if script.is_p2wsh() => ScriptType::WitnessV0ScriptHash,
        () if script.is_p2tr() => ScriptType::WitnessV1Taproot,
        () if script.is_p2pk() => ScriptType::Pubkey,
        () => return None,
    })
}

#[test]
fn real_blocks_add_up() {
    for (name, bytes) in blocks() {
        let block: Block = deserialize(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let digest = block_digest::block(&bytes).unwrap();
        let ids: Vec<_> = block.txdata.iter().map(|tx| tx.compute_txid().to_string()).collect();
        assert_eq!(digest.transactions().map(|tx| tx.txid.to_string()).collect::<Vec<_>>(), ids, "{name}");
        assert_eq!(block.compute_merkle_root().unwrap().to_string(), digest.merkle_root.to_string(), "{name}");
        let (mut ours, mut theirs) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
        for (tx, theirs_tx) in digest.transactions().zip(&block.txdata) {
            for (o, script) in tx.outputs.iter().zip(theirs_tx.output.iter().map(|o| &o.script_pubkey)) {
                if let Some(kind) = kind(script) {
                    *ours.entry(format!("{:?}", o.kind)).or_default() += 1;
                    *theirs.entry(format!("{kind:?}")).or_default() += 1;
                }
            }
        }
        // An OP_RETURN that does more than push is nonstandard to nodes, and one to the crate.
        assert_eq!(theirs.values().sum::<u64>(), ours.values().sum::<u64>());
        let odd = ours.remove("NonStandard").unwrap_or(0);
        *ours.entry("NullData".into()).or_default() += odd;
        theirs.entry("NullData".into()).or_default();
        assert_eq!(ours, theirs, "{name}");

        let mut wire = Wire::new(Magic::BITCOIN, 8333, block.header.time + 5);
        let peer = wire.peer();
        wire.block(peer, &block);
        wire.wait(1000);
        wire.announce(peer, &block);
        let run = run_with(&wire.packets, &settings(Some(NODE), Checksums::Auto));
        let s = SERIES.iter().find(|s| s.name == "processed_blocks").unwrap();
        let points: Vec<_> = run.points.iter().filter(|p| SERIES[p.series].name == s.name).collect();
        let at = |column: &str| s.columns.iter().position(|c| c.name == column).unwrap();
        let value = |column: &str| points.last().unwrap().values[at(column)].clone();
        assert_eq!(value("sha"), Value::Text(block.block_hash().to_string().into()), "{name}");
        assert_eq!(value("size"), Value::Integer(bytes.len() as i64), "{name}");
        assert_eq!(value("weight"), Value::Integer(block.weight().to_wu() as i64), "{name}");
        assert_eq!(value("num_tx"), Value::Integer(block.txdata.len() as i64), "{name}");
        assert_eq!(value("status"), Value::Text("accepted".into()), "{name}");
        let height = block.bip34_block_height().unwrap() as u32;
        assert_eq!(value("height"), Value::Integer(height.into()), "{name}");
        let paid: u64 = block.txdata[0].output.iter().map(|o| o.value.to_sat()).sum();
        let Value::Integer(fees) = value("total_tx_fees") else { panic!("{name}: no fees") };
        assert_eq!(fees + subsidy(height, Network::Mainnet), paid as i64, "{name}");
    }
}
