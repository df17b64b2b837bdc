//! Chain, mempool and transactions of a node.

use super::{Style, bytes, indent, list, number, time};
use crate::node::report::NodeReport;
use crate::node::report::ledger::{BlockReport, Histogram};
use crate::sink::table::plain_table;
use std::io::{self, Write};

pub(super) fn print(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    let (chain, pool) = (&n.chain, &n.mempool);
    if let Some(height) = chain.best_height {
        let blocks: u64 = chain.status.values().sum();
        let ways =
            if blocks > 0 { format!("; {} received: {}", number(blocks), list(&chain.via)) } else { String::new() };
        writeln!(out, "  {:<16} height {}{ways}", "Chain", number(u64::from(height)))?;
    }
    if pool.transactions > 0 || pool.num_tx > 0 {
        let known = pool
            .coverage
            .map_or(String::new(), |c| format!("; it had {:.1} % of the transactions of the last blocks", c * 100.0));
        let orphans =
            if pool.num_orphans > 0 { format!(", {} orphans", number(pool.num_orphans)) } else { String::new() };
        writeln!(
            out,
            "  {:<16} {} transactions, {} vB{orphans} at the end (inferred{known})",
            "Mempool",
            number(pool.num_tx),
            number(pool.vsize)
        )?;
        writeln!(
            out,
            "  {:<16} {} seen, fees of {} known, {} not standard, {} double spends",
            "Transactions",
            number(pool.transactions),
            number(pool.fees_known),
            number(pool.non_standard),
            number(pool.double_spends)
        )?;
        distribution(out, "Fee rates", "sat/vB", &pool.fee_rates)?;
        distribution(out, "Sizes", "vB", &pool.sizes)?;
    }
    if n.gossiped_addresses > 0 {
        writeln!(out, "  {:<16} {} gossiped in 24 h (estimated)", "Addresses", number(n.gossiped_addresses))?;
    }
    if chain.blocks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {}", style.heading(&format!("Last {} blocks", chain.blocks.len())))?;
    let rows: Vec<Vec<String>> = chain.blocks.iter().map(row).collect();
    let head =
        ["complete at", "height", "size", "tx", "status", "came as", "asked for", "announced first by", "shown after"];
    let right = [false, true, true, true, false, false, true, false, true];
    write!(out, "{}", indent(&plain_table(&head, &rows, &right, style.room())))
}

fn row(b: &BlockReport) -> Vec<String> {
    vec![
        time(b.time),
        b.height.map_or_else(|| "-".into(), |h| number(u64::from(h))),
        b.size.map_or_else(|| "-".into(), |s| bytes(u64::from(s))),
        number(u64::from(b.num_tx)),
        b.status.into(),
        b.via.into(),
        b.missing_tx.map_or_else(String::new, |n| number(u64::from(n))),
        b.first_announcer.clone().unwrap_or_default(),
        b.process_time.map_or_else(String::new, |us| format!("{:.1} ms", us as f64 / 1000.0)),
    ]
}

/// The classes of a histogram that hold something, with their shares.
fn distribution(out: &mut impl Write, what: &str, unit: &str, h: &Histogram) -> io::Result<()> {
    let all: u64 = h.counts.iter().sum();
    if all == 0 {
        return Ok(());
    }
    let class = |i: usize| match (i.checked_sub(1).and_then(|i| h.below.get(i)), h.below.get(i)) {
        (None, Some(to)) => format!("<{}", number(*to)),
        (Some(from), Some(to)) => format!("{}-{}", number(*from), number(*to)),
        (Some(from), None) => format!("{}+", number(*from)),
        (None, None) => "all".into(),
    };
    let shares = (h.counts.iter().enumerate()).filter(|(_, n)| **n > 0);
    let shares: Vec<String> =
        shares.map(|(i, n)| format!("{} {:.0} %", class(i), 100.0 * *n as f64 / all as f64)).collect();
    writeln!(out, "  {what:<16} {} ({unit})", shares.join(", "))
}
