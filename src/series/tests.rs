//! The list of series, and the points made of transactions.

use super::tx_inputs::Prevout;
use super::{SERIES, Value, id, tx, tx_fees, tx_inputs, tx_outputs};
use crate::message::digest::{self, TxDigest};
use crate::message::hash::sha256d;
use crate::message::script::ScriptType;
use bitcoin::consensus::encode::serialize;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute, transaction};
use std::collections::HashMap;

#[test]
fn ids_are_places_in_the_list() {
    let named = [
        (id::BANDWIDTH, "bandwidth"),
        (id::BLOCKS, "blocks"),
        (id::PROCESSED_BLOCKS, "processed_blocks"),
        (id::MEMPOOL, "mempool"),
        (id::MSG_RECV, "msg_recv"),
        (id::MSG_RECV_BYTES, "msg_recv_bytes"),
        (id::MSG_SENT, "msg_sent"),
        (id::MSG_SENT_BYTES, "msg_sent_bytes"),
        (id::PEERS, "peers"),
        (id::TX, "tx"),
        (id::TX_INPUTS, "tx_inputs"),
        (id::TX_OUTPUTS, "tx_outputs"),
        (id::TX_FEES, "tx_fees"),
        (id::TX_FEE_COVERAGE, "tx_fee_coverage"),
        (id::VISIBILITY, "visibility"),
        (id::SENSOR, "sensor"),
        (id::ANNOUNCEMENTS, "announcements"),
        (id::PING, "ping"),
        (id::MATCHES, "matches"),
    ];
    assert_eq!(named.len(), SERIES.len());
    for (place, name) in named {
        assert_eq!(SERIES[place].name, name);
        let mut plain = SERIES[place].columns.iter().skip_while(|c| c.tag);
        assert!(plain.all(|c| !c.tag), "{name}: tags first");
    }
}

/// The values by the names of their columns.
fn named(series: usize, values: &[Value]) -> HashMap<&'static str, Value> {
    assert_eq!(SERIES[series].columns.len(), values.len());
    let columns = SERIES[series].columns.iter();
    let pairs = columns.zip(values).map(|(c, v)| {
        use super::Type;
        let fits = match v {
            Value::Absent => !c.tag,
            Value::Integer(_) => c.kind_of_value == Type::Integer,
            Value::Float(_) => c.kind_of_value == Type::Float,
            Value::Boolean(_) => c.kind_of_value == Type::Boolean,
            Value::Text(_) => c.kind_of_value == Type::Text,
        };
        assert!(fits, "{}.{}: {v:?}", SERIES[series].name, c.name);
        (c.name, v.clone())
    });
    pairs.collect()
}

fn text(s: &str) -> Value {
    Value::Text(s.into())
}

/// Two inputs, the first with a witness of 3 + 1 bytes and one with a scriptSig of `OP_NOP`; P2WPKH of 293 satoshi,
/// bare multisig 1 of 2, nulldata.
fn example() -> (Transaction, TxDigest) {
    let key = [&[33, 2][..], &[7; 32]].concat();
    let multisig = [&[0x51][..], &key, &key, &[0x52, 0xae]].concat();
    let input = |n, script: &[u8], witness: &[&[u8]]| TxIn {
        previous_output: OutPoint { vout: n, ..OutPoint::default() },
        script_sig: ScriptBuf::from_bytes(script.to_vec()),
        sequence: Sequence(0xffff_fffd - n),
        witness: Witness::from_slice(witness),
    };
    let output = |value, script: &[u8]| TxOut {
        value: Amount::from_sat(value),
        script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
    };
    let tx = Transaction {
        version: transaction::Version(2),
        lock_time: absolute::LockTime::ZERO,
        input: vec![input(0, &[], &[&[1, 2, 3], &[]]), input(1, &[0x61], &[])],
        output: vec![
            output(293, &[&[0, 20][..], &[9; 20]].concat()),
            output(1_000_000, &multisig),
            output(0, &[0x6a, 1, 0xff]),
        ],
    };
    let bytes = serialize(&tx);
    let digest = digest::tx(&bytes, &sha256d(&bytes).0).unwrap();
    (tx, digest)
}

#[test]
fn points_of_a_transaction() {
    let (tx, digest) = example();
    let txid = text(&tx.compute_txid().to_string());
    let p = named(id::TX, &tx::values("v1", &digest));
    assert_eq!((&p["txid"], &p["transport"]), (&txid, &text("v1")));
    for (column, n) in [
        ("version_num", 2),
        ("tx_size", tx.total_size()),
        ("vsize", tx.vsize()),
        ("weight", tx.weight().to_wu() as usize),
        ("num_inputs", 2),
        ("num_outputs", 3),
        ("num_op_return_outs", 1),
    ] {
        assert_eq!(p[column], Value::Integer(n as i64), "{column}");
    }
    assert_eq!(p["is_standard"], Value::Boolean(false));
    assert_eq!(p["non_standard_reason"], text("non_canonical_data_push"));
}

#[test]
fn points_of_inputs() {
    let (tx, digest) = example();
    let spent = |n| (n == 1).then_some(Prevout { value: 5000, kind: ScriptType::ScriptHash });
    let points: Vec<_> = tx_inputs::points("v1", &digest, spent).map(|v| named(id::TX_INPUTS, &v)).collect();
    assert_eq!(points.len(), 2);
    // The items, a length and three bytes, a length of zero.
    let expected = [(0, 0xffff_fffd_u32, 2, 6), (1, 0xffff_fffc, 0, 1)];
    for (n, (p, (script, sequence, items, bytes))) in points.iter().zip(expected).enumerate() {
        assert_eq!(p["txid"], text(&tx.compute_txid().to_string()));
        assert_eq!(p["n"], Value::Integer(n as i64));
        assert_eq!(p["sig_script_len"], Value::Integer(script));
        assert_eq!(p["sequence_num"], Value::Integer(sequence.into()));
        assert_eq!(p["witness_items"], Value::Integer(items));
        assert_eq!(p["witness_bytes"], Value::Integer(bytes));
        assert_eq!(p["is_standard"], Value::Boolean(n == 0));
    }
    let (p, q) = (&points[0], &points[1]);
    assert_eq!(
        (&p["non_standard_reason"], &p["prevout_value"], &p["prevout_type"]),
        (&Value::Absent, &Value::Absent, &Value::Absent)
    );
    assert_eq!(q["non_standard_reason"], text("non_canonical_data_push"));
    assert_eq!((&q["prevout_value"], &q["prevout_type"]), (&Value::Integer(5000), &text("scripthash")));
}

#[test]
fn points_of_outputs() {
    let (_, digest) = example();
    let points: Vec<_> = tx_outputs::points("v1", &digest).map(|v| named(id::TX_OUTPUTS, &v)).collect();
    let expected =
        [("witness_v0_keyhash", 22, 293, true), ("multisig", 71, 1_000_000, false), ("nulldata", 3, 0, false)];
    assert_eq!(points.len(), expected.len());
    for (n, (p, (kind, size, value, dust))) in points.iter().zip(expected).enumerate() {
        assert_eq!(p["script_type"], text(kind));
        assert_eq!(
            (&p["n"], &p["size"], &p["value"]),
            (&Value::Integer(n as i64), &Value::Integer(size), &Value::Integer(value))
        );
        assert_eq!((&p["is_dust"], &p["is_standard"]), (&Value::Boolean(dust), &Value::Boolean(true)));
        let keys = if n == 1 { (Value::Integer(2), Value::Integer(1)) } else { (Value::Absent, Value::Absent) };
        assert_eq!((p["num_pubkeys"].clone(), p["num_keys"].clone()), keys);
    }
}

#[test]
fn points_of_fees() {
    let (tx, digest) = example();
    let vsize = tx.vsize() as u64;
    let p = named(id::TX_FEES, &tx_fees::values("v1", &digest, 1234, Some(1000)));
    assert_eq!((&p["tx_fee"], &p["min_fee"]), (&Value::Integer(1234), &Value::Integer(vsize as i64)));
    assert_eq!(p["fee_ratio"], Value::Float(1234.0 / vsize as f64));
    assert_eq!(p["fee_rate"], p["fee_ratio"], "at 1 sat/vB both are the same");
    assert_eq!(p["vsize"], Value::Integer(vsize as i64));
    let p = named(id::TX_FEES, &tx_fees::values("v1", &digest, 1234, None));
    assert_eq!((&p["min_fee"], &p["fee_ratio"]), (&Value::Absent, &Value::Absent));
    assert_eq!(tx_fees::min_fee(0, 141), 15, "0.1 sat/vB at least, rounded up");
    assert_eq!(tx_fees::min_fee(u64::MAX, u32::MAX), u64::MAX.div_ceil(1000));
    let p = named(id::TX_FEE_COVERAGE, &tx_fees::coverage("v1", [3, 4, 0]));
    assert_eq!((&p["known"], &p["unknown"]), (&Value::Integer(3), &Value::Integer(4)));
}

#[test]
fn points_of_encrypted_connections_hold_what_is_estimated_and_nothing_else() {
    use super::processed_blocks::{self, Arrival};
    use super::{matches, peers};
    let known = |series: usize, values: &[Value]| {
        let all = named(series, values).into_iter();
        let mut names: Vec<&str> = all.filter(|(_, v)| *v != Value::Absent).map(|(n, _)| n).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let p = tx::estimated(400, 987);
    assert_eq!(known(id::TX, &p), "confidence transport tx_size");
    assert_eq!(named(id::TX, &p)["tx_size"], Value::Integer(400));
    assert_eq!(named(id::TX, &p)["confidence"], Value::Float(0.987));
    let compact = Arrival {
        compact_size: Some(700),
        via: "cmpctblock+blocktxn",
        missing: Some((3, 900)),
        relay_time: Some(41),
        confidence: 1,
        ..Arrival::default()
    };
    let p = processed_blocks::estimated(&compact);
    let columns = "compact_size confidence missing_bytes missing_tx relay_time transport via";
    assert_eq!(known(id::PROCESSED_BLOCKS, &p), columns);
    assert_eq!(named(id::PROCESSED_BLOCKS, &p)["missing_bytes"], Value::Integer(900));
    assert_eq!(named(id::PROCESSED_BLOCKS, &p)["transport"], text("v2"));
    let p = peers::encrypted("inbound", Some("core"), "wtxidrelay", 7);
    assert_eq!(known(id::PEERS, &p), "connection direction features implementation user_agent");
    assert_eq!(named(id::PEERS, &p)["features"], text("wtxidrelay"));
    let found = matches::Match {
        direction: "recv",
        message: "tx",
        id: "ab".into(),
        size: 400,
        peer: "1.2.3.4:8333".into(),
        connection: 7,
        candidates: 2,
        confidence: 0.4,
        delay: -5,
    };
    let p = named(id::MATCHES, &matches::values(&found));
    assert_eq!((&p["delay"], &p["candidates"]), (&Value::Integer(-5), &Value::Integer(2)));
}

#[test]
fn round_trips_have_least_mean_and_most() {
    use super::ping::{self, RoundTrips};
    let mut r = RoundTrips::default();
    let p = named(id::PING, &ping::values("v1", "sent", &r));
    assert_eq!((&p["answered"], &p["rtt_min"], &p["rtt_mean"]), (&Value::Integer(0), &Value::Absent, &Value::Absent));
    for us in [300, 100, 500] {
        r.count(us);
    }
    let mut all = RoundTrips::default();
    all.merge(&r);
    all.merge(&RoundTrips::default());
    let p = named(id::PING, &ping::values("v2", "recv", &all));
    let times = ["answered", "rtt_min", "rtt_mean", "rtt_max"].map(|c| p[c].clone());
    assert_eq!(times, [3, 100, 300, 500].map(Value::Integer));
}
