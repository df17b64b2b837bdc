//! Transactions and blocks.

use super::{int, recording, text};
use btcdmon::message::body::Body;
use btcdmon::message::tx::Tx;
use std::collections::{BTreeMap, BTreeSet};

/// The `tx` messages by txid.
fn transactions(r: &super::Recording) -> BTreeMap<String, Tx> {
    (r.run.messages.iter())
        .filter_map(|m| match &m.content.body {
            Ok(Body::Tx(tx)) => Some((tx.txid.to_string(), *tx)),
            _ => None,
        })
        .collect()
}

#[test]
fn transactions_have_the_ids_and_sizes_that_the_node_gave_them() {
    for (name, readable) in [("btcd-v1", 74), ("btcd-ipv6", 11), ("btcd-v2", 20)] {
        let r = recording(name);
        let seen = transactions(&r);
        let mut found = 0;
        let mut known = BTreeSet::new();
        for action in r.actions.iter().filter(|a| a["txid"].is_string()) {
            let txid = text(&action["txid"]);
            known.insert(txid);
            let Some(tx) = seen.get(txid) else { continue };
            found += 1;
            assert_eq!(tx.wtxid.to_string(), text(&action["wtxid"]), "{name}: {txid}");
            if action["size"].is_i64() {
                let said = (int(&action["size"]), int(&action["weight"]));
                assert_eq!((i64::from(tx.size), i64::from(tx.weight)), said, "{name}: {txid}");
            }
        }
        // In btcd-v2 the encrypted connections carry the rest.
        assert!(found >= readable, "{name}: {found} of {} transactions", known.len());
        if name != "btcd-v2" {
            assert_eq!(found, known.len(), "{name}: every transaction was seen");
        }
        assert!(seen.keys().all(|txid| known.contains(txid.as_str())), "{name}: a transaction that nobody sent");
    }
}

/// What waits in the node's mempool at the end was seen, each on its way in or out.
#[test]
fn the_mempool_was_seen() {
    for name in ["btcd-v1", "btcd-ipv6"] {
        let r = recording(name);
        let seen = transactions(&r);
        let mempool = r.node["getrawmempool"].as_array().unwrap();
        assert!(mempool.iter().all(|txid| seen.contains_key(text(txid))), "{name}");
    }
}

#[test]
fn blocks_are_those_of_the_chain() {
    for (name, complete) in [("btcd-v1", true), ("btcd-ipv6", true), ("btcd-v2", false)] {
        let r = recording(name);
        let mut chain: BTreeMap<&str, &serde_json::Value> = BTreeMap::new();
        for b in r.node["chain"].as_array().unwrap() {
            chain.insert(text(&b["hash"]), b);
        }
        // Stale ones, too.
        for b in r.actions.iter().filter_map(|a| a["blocks"].as_array()).flatten() {
            chain.insert(text(&b["hash"]), b);
        }
        let mut seen = BTreeSet::new();
        for m in &r.run.messages {
            let Ok(Body::Block(b)) = &m.content.body else { continue };
            let hash = b.hash.to_string();
            let said = chain.get(hash.as_str()).unwrap_or_else(|| panic!("{name}: block {hash} is of no chain"));
            let found = [b.size.into(), b.weight.into(), b.tx_count.into(), i64::from(b.height.unwrap())];
            assert_eq!(found, ["size", "weight", "num_tx", "height"].map(|f| int(&said[f])), "{name}: {hash}");
            assert_eq!(b.prev.to_string(), text(&said["previousblockhash"]), "{name}: {hash}");
            assert_eq!(b.size, m.content.payload_bytes, "{name}: {hash}");
            seen.insert(hash);
        }
        if complete {
            let missing: Vec<_> = chain.keys().filter(|h| !seen.contains(**h)).collect();
            assert!(missing.is_empty(), "{name}: never seen: {missing:?}");
        } else {
            assert!(!seen.is_empty(), "{name}");
        }
    }
}

/// `ping` of the node's RPC: one to each readable peer, and each is answered with its nonce.
#[test]
fn pings_are_answered() {
    for name in ["btcd-v1", "btcd-ipv6", "btcd-v2"] {
        let r = recording(name);
        let nonces = |command: &str, recv: bool| -> Vec<_> {
            let of = |m: &&super::corpus::run::Seen| m.recv == recv && m.content.command == command;
            (r.run.messages.iter().filter(of))
                .filter_map(|m| match m.content.body {
                    // The client with the wrong checksum is not answered.
                    Ok(Body::Nonce(Some(n))) if m.content.checksum_valid => Some((m.peer, n)),
                    _ => None,
                })
                .collect()
        };
        let (sent, pongs) = (nonces("ping", false), nonces("pong", true));
        assert!(!sent.is_empty(), "{name}");
        let unanswered: Vec<_> = sent.iter().filter(|p| !pongs.contains(p)).collect();
        // A client that is no node answers nothing.
        assert!(unanswered.iter().all(|p| p.0.ip().to_string() == "10.88.0.9"), "{name}: {unanswered:?}");
        assert!(nonces("ping", true).iter().all(|p| nonces("pong", false).contains(p)), "{name}");
    }
}
