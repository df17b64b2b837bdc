use super::body::{Body, decode};
use super::command::Command;
use super::fields::fields;
use super::hash::sha256d;
use super::info::line;
use super::samples::{self, samples};
use super::version::services_text;
use serde_json::{Map, Value, json};

fn of(command: Command) -> (Body, Map<String, Value>) {
    let payload = samples().into_iter().find(|(c, _)| *c == command).unwrap().1;
    let body = decode(command, &payload, &sha256d(&payload).0).unwrap().0;
    let mut map = Map::new();
    fields(&body, &mut map);
    (body, map)
}

fn line_of(command: Command) -> String {
    line(command.name(), &of(command).0)
}

#[test]
fn lines() {
    let txid = samples::segwit_tx().compute_txid();
    let hash = samples::block_at(500_000).block_hash();
    let size = samples::block_at(500_000).total_size();
    let all = [
        (Command::VERACK, "verack".to_owned()),
        (
            Command::VERSION,
            "version 70016 /Satoshi:31.0.0/ height 143 services NETWORK|WITNESS|NETWORK_LIMITED".to_owned(),
        ),
        (
            Command::INV,
            "inv 1 tx 1 block 1 filtered_block 1 compact_block 2 wtx 1 witness_tx 1 witness_block 2 other".to_owned(),
        ),
        (Command::NOTFOUND, "notfound 0".to_owned()),
        // 343 bytes, 233 stripped: weight 3 * 233 + 343 = 1042.
        (Command::TX, format!("tx {txid} 2 in 2 out 261 vB")),
        (Command::BLOCK, format!("block {hash} height 500000 3 tx {size} B")),
        (Command::PING, "ping 0102030405060708".to_owned()),
        (Command::FEEFILTER, "feefilter 1000 sat/kvB".to_owned()),
        (Command::CMPCTBLOCK, format!("cmpctblock {hash} height 500000 1 short ids 2 prefilled")),
        (Command::GETBLOCKTXN, format!("getblocktxn {hash} 3 tx")),
        (Command::CFHEADERS, format!("cfheaders type 0 {hash} 2 hashes")),
        (Command::GETHEADERS, format!("getheaders 3 hashes from {}", "01".repeat(32))),
        (Command::REJECT, format!("reject tx insufficient_fee min relay fee not met {}", "04".repeat(32))),
    ];
    for (command, expected) in all {
        assert_eq!(line_of(command), expected);
    }
    assert_eq!(line("we\nird", &Body::Unknown), "we\\u{a}ird");
}

#[test]
fn json_fields() {
    let tx = samples::segwit_tx();
    let (_, map) = of(Command::TX);
    assert_eq!(map["txid"], json!(tx.compute_txid().to_string()));
    assert_eq!(map["wtxid"], json!(tx.compute_wtxid().to_string()));
    assert_eq!((&map["size"], &map["weight"], &map["has_witness"]), (&json!(343), &json!(1042), &json!(true)));
    let (_, map) = of(Command::BLOCK);
    assert_eq!(map["block"], json!(samples::block_at(500_000).block_hash().to_string()));
    assert_eq!((&map["height"], &map["tx_count"]), (&json!(500_000), &json!(3)));
    let (_, map) = of(Command::VERSION);
    let expected = json!({
        "version": 70016, "services": "0000000000000409", "services_names": "NETWORK|WITNESS|NETWORK_LIMITED",
        "sender_time": 1_700_000_001, "receiver": "10.77.0.1:18444", "sender": "[fd77::2]:0",
        "nonce": "0123456789abcdef", "user_agent": "/Satoshi:31.0.0/", "start_height": 143, "relay": true,
    });
    assert_eq!(Value::Object(map), expected);
    let (_, map) = of(Command::INV);
    assert_eq!((&map["count"], &map["wtx"]), (&json!(10), &json!(2)));
    let (_, map) = of(Command::NOTFOUND);
    assert_eq!(Value::Object(map), json!({"count": 0}));
}

#[test]
fn fields_keep_clear_of_the_names_every_message_line_has() {
    let taken = [
        "time",
        "packet",
        "node",
        "peer",
        "direction",
        "command",
        "payload_bytes",
        "checksum",
        "checksum_valid",
        "truncated",
        "trailing",
    ];
    for command in Command::all() {
        let (_, map) = of(command);
        assert!(!taken.iter().any(|name| map.contains_key(*name)), "{}", command.name());
    }
}

#[test]
fn service_names() {
    assert_eq!(services_text(0), "NONE");
    assert_eq!(services_text(1 << 63 | 1 << 11 | 1), "NETWORK|P2P_V2|bit63");
}
