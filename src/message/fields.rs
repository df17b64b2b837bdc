//! What a message says as fields, for JSON.
//!
//! Hashes are in display order, amounts integer satoshi, 64-bit nonces and
//! salts hex text (JSON readers lose digits above 2^53). A field that is not
//! known is absent. Text made by peers is escaped.

use super::addr::AddressNetwork;
use super::body::Body;
use super::hash::Hash256;
use super::inventory::Kind;
use super::text::escape;
use super::tx::Tx;
use super::version::{Version, services_text};
use serde_json::{Map, Value};

/// Fields of one message.
struct Fields<'m>(&'m mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn hash(&mut self, name: &str, hash: Hash256) {
        self.put(name, hash.to_string());
    }

    fn maybe_hash(&mut self, name: &str, hash: Option<Hash256>) {
        self.maybe(name, hash.map(|h| h.to_string()));
    }

    fn hex(&mut self, name: &str, number: u64) {
        self.put(name, format!("{number:016x}"));
    }

    fn counts(&mut self, total: u32, counts: impl Iterator<Item = (u32, &'static str)>) {
        self.put("count", total);
        for (count, name) in counts.filter(|c| c.0 > 0) {
            self.put(name, count);
        }
    }
}

/// Adds the fields of `body` to `map`: `txid`, `wtxid`, `block`, `nonce`, `count`, `user_agent`, …
pub fn fields(body: &Body, map: &mut Map<String, Value>) {
    let mut f = Fields(map);
    match body {
        Body::Empty | Body::Unknown | Body::Nonce(None) => {}
        Body::Version(v) => version(&mut f, v),
        Body::Feature(feature) => {
            f.put("feature", escape(&feature.id));
            f.put("data_bytes", feature.data_bytes);
        }
        Body::Inventory(i) => f.counts(i.total(), Kind::ALL.iter().map(|k| (i.get(*k), k.name()))),
        Body::Addresses(a) => f.counts(a.total(), AddressNetwork::ALL.iter().map(|n| (a.get(*n), n.name()))),
        Body::Tx(t) => tx(&mut f, t),
        Body::Block(b) => {
            f.hash("block", b.hash);
            f.hash("prev", b.prev);
            f.put("block_version", b.version);
            f.put("block_time", b.time);
            f.put("tx_count", b.tx_count);
            f.put("size", b.size);
            f.put("stripped_size", b.stripped_size);
            f.put("weight", b.weight);
            f.maybe("height", b.height);
        }
        Body::Headers(h) => {
            f.put("count", h.count);
            f.maybe_hash("first", h.first);
            f.maybe_hash("last", h.last);
        }
        Body::Locator(l) => {
            f.put("version", l.version);
            f.put("count", l.count);
            f.maybe_hash("first", l.first);
            f.hash("stop", l.stop);
        }
        Body::Nonce(Some(nonce)) => f.hex("nonce", *nonce),
        Body::FeeFilter(rate) => f.put("fee_rate", *rate),
        Body::SendCompact { announce, version } => {
            f.put("announce", *announce);
            f.put("version", *version);
        }
        Body::CompactBlock(c) => {
            f.hash("block", c.hash);
            f.hash("prev", c.prev);
            f.put("block_version", c.version);
            f.put("block_time", c.time);
            f.hex("nonce", c.nonce);
            f.put("tx_count", c.tx_count());
            f.put("short_ids", c.short_ids);
            f.put("prefilled", c.prefilled);
            f.maybe("height", c.height);
        }
        Body::BlockTransactions(b) => {
            f.hash("block", b.block);
            f.put("count", b.count);
            f.maybe("tx_bytes", Some(b.bytes).filter(|&n| n > 0));
        }
        Body::MerkleBlock(m) => {
            f.hash("block", m.hash);
            f.hash("prev", m.prev);
            f.put("block_time", m.time);
            f.put("tx_count", m.tx_count);
            f.put("count", m.hashes);
        }
        Body::FilterLoad(l) => {
            f.put("filter_bytes", l.bytes);
            f.put("hash_functions", l.hash_functions);
            f.put("tweak", l.tweak);
            f.put("flags", l.flags);
        }
        Body::CompactFilter(c) => {
            f.put("filter_type", c.filter_type);
            f.maybe("start_height", c.start_height);
            f.hash("block", c.block);
            f.maybe("count", c.count);
            f.maybe("filter_bytes", c.filter_bytes);
        }
        Body::SendReconciliation { version, salt } => {
            f.put("version", *version);
            f.hex("salt", *salt);
        }
        Body::RequestReconciliation { set_size, q } => {
            f.put("set_size", *set_size);
            f.put("q", *q);
        }
        Body::ReconciliationDifference { success, count } => {
            f.put("success", *success);
            f.put("count", *count);
        }
        Body::SendPackages(versions) => f.hex("versions", *versions),
        Body::Wtxids { count, last } => {
            f.put("count", *count);
            f.maybe_hash("last", *last);
        }
        Body::Transactions { count, bytes } => {
            f.put("count", *count);
            f.put("tx_bytes", *bytes);
        }
        Body::GetUtxos { mempool, count } => {
            f.put("mempool", *mempool);
            f.put("count", *count);
        }
        Body::Utxos { height, tip, count } => {
            f.put("height", *height);
            f.hash("tip", *tip);
            f.put("count", *count);
        }
        Body::Reject(r) => {
            f.put("message", escape(&r.message));
            f.put("code", r.code);
            f.put("code_name", r.code_name());
            f.put("reason", escape(&r.reason));
            f.maybe_hash("hash", r.hash);
        }
        Body::Bytes(bytes) => f.put("data_bytes", *bytes),
    }
}

fn version(f: &mut Fields<'_>, v: &Version) {
    f.put("version", v.version);
    f.hex("services", v.services);
    f.put("services_names", services_text(v.services));
    f.put("sender_time", v.time);
    f.put("receiver", v.receiver.address.to_string());
    f.maybe("sender", v.sender.map(|s| s.address.to_string()));
    if let Some(nonce) = v.nonce {
        f.hex("nonce", nonce);
    }
    f.maybe("user_agent", v.user_agent.as_ref().map(|_| v.user_agent_text()));
    f.maybe("start_height", v.start_height);
    f.maybe("relay", v.relay);
}

fn tx(f: &mut Fields<'_>, t: &Tx) {
    f.hash("txid", t.txid);
    f.hash("wtxid", t.wtxid);
    f.put("tx_version", t.version);
    f.put("size", t.size);
    f.put("stripped_size", t.stripped_size);
    f.put("vsize", t.vsize());
    f.put("weight", t.weight);
    f.put("inputs", t.inputs);
    f.put("outputs", t.outputs);
    f.put("lock_time", t.lock_time);
    f.put("has_witness", t.has_witness);
}
