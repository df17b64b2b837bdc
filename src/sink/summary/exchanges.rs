//! Announcements and pings, and what encrypted connections tell beside their messages.

use super::{bytes, number};
use crate::node::report::NodeReport;
use crate::node::report::encrypted::ExchangeReport;
use std::io::{self, Write};

/// Two lines a transport; estimated figures stand apart and say so.
pub(super) fn print(out: &mut impl Write, n: &NodeReport) -> io::Result<()> {
    for (transport, e) in &n.exchanges {
        let name = if e.estimated { format!("{transport}, estimated") } else { (*transport).to_owned() };
        if e.announced_recv + e.announced_sent + e.requested_recv + e.requested_sent > 0 {
            writeln!(
                out,
                "  {:<16} transactions: {} received, {} sent; {} asked for by the node, {} by peers ({name})",
                "Announcements",
                number(e.announced_recv),
                number(e.announced_sent),
                number(e.requested_sent),
                number(e.requested_recv)
            )?;
        }
        pings(out, e, &name)?;
    }
    Ok(())
}

fn pings(out: &mut impl Write, e: &ExchangeReport, name: &str) -> io::Result<()> {
    let took = |mean: Option<u64>| mean.map_or(String::new(), |us| format!(" in {:.1} ms", us as f64 / 1000.0));
    if e.pings_recv + e.pings_sent == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "  {:<16} {} answered by peers{}, {} by the node{}, on average ({name})",
        "Pings",
        number(e.pings_sent),
        took(e.ping_sent_mean),
        number(e.pings_recv),
        took(e.ping_recv_mean)
    )
}

/// What the inferred messages add up to.
pub(super) fn encrypted(out: &mut impl Write, n: &NodeReport) -> io::Result<()> {
    let e = &n.encrypted;
    let blocks: Vec<String> = e.blocks.iter().map(|(via, n)| format!("{via} {}", number(*n))).collect();
    let blocks = if blocks.is_empty() { "none".to_owned() } else { blocks.join(", ") };
    writeln!(
        out,
        "  received: {} transactions ({}), blocks: {blocks}; handshakes complete at the end: {}",
        number(e.transactions),
        bytes(e.tx_bytes),
        number(e.handshakes)
    )?;
    if e.matched_transactions + e.matched_blocks > 0 {
        writeln!(
            out,
            "  recognised by what was seen in the clear: {} transfers of transactions, {} of blocks",
            number(e.matched_transactions),
            number(e.matched_blocks)
        )?;
    }
    Ok(())
}
