//! One short line for people about a message.

use super::body::Body;
use super::filters::CompactFilter;
use super::inventory::Kind;
use super::text::escape;
use super::version::{Version, services_text};
use super::{addr::AddressNetwork, compact::BlockTransactions};
use std::fmt::{self, Write};

/// The line about a message named `name` (as on the wire) that says `body`, without control characters.
pub fn line(name: &str, body: &Body) -> String {
    let mut out = escape(name.as_bytes());
    // Writing to a String cannot fail.
    let _ = write_body(&mut out, body);
    out
}

fn write_body(w: &mut String, body: &Body) -> fmt::Result {
    match body {
        Body::Empty | Body::Unknown | Body::Nonce(None) => Ok(()),
        Body::Version(v) => version(w, v),
        Body::Feature(f) => write!(w, " {} {} B", escape(&f.id), f.data_bytes),
        Body::Inventory(i) => counts(w, Kind::ALL.iter().map(|k| (i.get(*k), k.name()))),
        Body::Addresses(a) => counts(w, AddressNetwork::ALL.iter().map(|n| (a.get(*n), n.name()))),
        Body::Tx(t) => {
            write!(w, " {} {} in {} out {} vB", t.txid, t.inputs, t.outputs, t.vsize())
        }
        Body::Block(b) => {
            write!(w, " {}", b.hash)?;
            height(w, b.height)?;
            write!(w, " {} tx {} B", b.tx_count, b.size)
        }
        Body::Headers(h) => match (h.first, h.last) {
            (Some(first), Some(last)) if h.count > 1 => write!(w, " {} {first} to {last}", h.count),
            (Some(first), _) => write!(w, " {} {first}", h.count),
            _ => write!(w, " {}", h.count),
        },
        Body::Locator(l) => {
            write!(w, " {} hashes", l.count)?;
            if let Some(first) = l.first {
                write!(w, " from {first}")?;
            }
            if l.stop.0 == [0; 32] { Ok(()) } else { write!(w, " to {}", l.stop) }
        }
        Body::Nonce(Some(nonce)) => write!(w, " {nonce:016x}"),
        Body::FeeFilter(rate) => write!(w, " {rate} sat/kvB"),
        Body::SendCompact { announce, version } => {
            write!(w, " version {version} {}", if *announce { "announce" } else { "on request" })
        }
        Body::CompactBlock(c) => {
            write!(w, " {}", c.hash)?;
            height(w, c.height)?;
            write!(w, " {} short ids {} prefilled", c.short_ids, c.prefilled)
        }
        Body::BlockTransactions(BlockTransactions { block, count, bytes }) => {
            write!(w, " {block} {count} tx")?;
            if *bytes > 0 { write!(w, " {bytes} B") } else { Ok(()) }
        }
        Body::MerkleBlock(m) => write!(w, " {} {} tx {} hashes", m.hash, m.tx_count, m.hashes),
        Body::FilterLoad(f) => write!(w, " {} B {} hash functions flags {}", f.bytes, f.hash_functions, f.flags),
        Body::CompactFilter(f) => compact_filter(w, f),
        Body::SendReconciliation { version, salt } => write!(w, " version {version} salt {salt:016x}"),
        Body::RequestReconciliation { set_size, q } => write!(w, " set {set_size} q {q}"),
        Body::ReconciliationDifference { success, count } => {
            write!(w, " {} {count} short ids", if *success { "success" } else { "failure" })
        }
        Body::SendPackages(versions) => write!(w, " versions {versions:#x}"),
        Body::Wtxids { count, last } => {
            write!(w, " {count} wtxids")?;
            last.map_or(Ok(()), |last| write!(w, " last {last}"))
        }
        Body::Transactions { count, bytes } => write!(w, " {count} tx {bytes} B"),
        Body::GetUtxos { mempool, count } => {
            write!(w, " {count} outpoints{}", if *mempool { " with mempool" } else { "" })
        }
        Body::Utxos { height, tip, count } => write!(w, " {count} outputs at {tip} height {height}"),
        Body::Reject(r) => {
            write!(w, " {} {} {}", escape(&r.message), r.code_name(), escape(&r.reason))?;
            r.hash.map_or(Ok(()), |hash| write!(w, " {hash}"))
        }
        Body::Bytes(bytes) => write!(w, " {bytes} B"),
    }
}

fn version(w: &mut String, v: &Version) -> fmt::Result {
    write!(w, " {}", v.version)?;
    if v.user_agent.is_some() {
        write!(w, " {}", v.user_agent_text())?;
    }
    if let Some(start_height) = v.start_height {
        write!(w, " height {start_height}")?;
    }
    write!(w, " services {}", services_text(v.services))?;
    if v.wants_transactions() { Ok(()) } else { w.write_str(" no tx relay") }
}

fn height(w: &mut String, height: Option<u32>) -> fmt::Result {
    height.map_or(Ok(()), |height| write!(w, " height {height}"))
}

/// ` 3 wtx 1 block`, or ` 0`.
fn counts(w: &mut String, counts: impl Iterator<Item = (u32, &'static str)>) -> fmt::Result {
    let before = w.len();
    for (count, name) in counts.filter(|c| c.0 > 0) {
        write!(w, " {count} {name}")?;
    }
    if w.len() == before { w.write_str(" 0") } else { Ok(()) }
}

fn compact_filter(w: &mut String, f: &CompactFilter) -> fmt::Result {
    write!(w, " type {}", f.filter_type)?;
    if let Some(start) = f.start_height {
        write!(w, " from height {start}")?;
    }
    write!(w, " {}", f.block)?;
    if let Some(count) = f.count {
        write!(w, " {count} hashes")?;
    }
    f.filter_bytes.map_or(Ok(()), |bytes| write!(w, " {bytes} B"))
}
