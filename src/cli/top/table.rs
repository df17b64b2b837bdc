//! The columns of the tables, and how figures are written.

use super::snapshot::{Block, ESTIMATED, Peer};
use crate::sink::escape::escape;
use crate::sink::summary::{bytes, number};
use std::cmp::Ordering;

/// A column of a table of `T`.
pub struct Column<T> {
    /// Its head.
    pub name: &'static str,
    /// Width in characters.
    pub width: u16,
    /// Shown first: columns with the greatest numbers go when there is no room.
    pub rank: u8,
    /// Numbers stand at the right.
    pub right: bool,
    /// The cell; `now` is the capture's time, µs.
    pub cell: fn(&T, Option<i64>) -> String,
    /// Which of two comes first.
    pub order: fn(&T, &T) -> Ordering,
}

/// Place of the column by which peers are sorted at first.
pub const BYTES: usize = 4;

/// Of the peers.
pub const PEER_COLUMNS: [Column<Peer>; 11] = [
    column("ADDRESS", 24, 0, |p, _| p.address.clone(), |a, b| a.address.cmp(&b.address)),
    column(
        "DIR",
        4,
        2,
        |p, _| p.direction.get(..3).unwrap_or_default().to_owned(),
        |a, b| a.direction.cmp(&b.direction),
    ),
    column(
        "VIA",
        4,
        3,
        |p, _| p.transport.get(..2).unwrap_or_default().to_owned(),
        |a, b| a.transport.cmp(&b.transport),
    ),
    column("USER AGENT", 26, 1, |p, _| escape(&p.user_agent).into_owned(), |a, b| a.user_agent.cmp(&b.user_agent)),
    number_column("RECEIVED", 10, 2, |p, _| size(p.bytes_recv), |a, b| a.bytes_recv.cmp(&b.bytes_recv)),
    number_column("SENT", 10, 2, |p, _| size(p.bytes_sent), |a, b| a.bytes_sent.cmp(&b.bytes_sent)),
    number_column("MSGS", 9, 4, |p, _| count(p.messages), |a, b| a.messages.cmp(&b.messages)),
    number_column("PING", 8, 3, |p, _| span(p.ping), |a, b| a.ping.cmp(&b.ping)),
    number_column("BLK1ST", 7, 6, |p, _| count(p.first_blocks), |a, b| a.first_blocks.cmp(&b.first_blocks)),
    number_column("TX1ST", 8, 6, |p, _| count(p.first_txs), |a, b| a.first_txs.cmp(&b.first_txs)),
    // Sorted by the length of time, as it is shown.
    number_column("SINCE", 7, 5, |p, now| ago(p.since, now), |a, b| b.since.cmp(&a.since)),
];

/// Of the blocks.
pub const BLOCK_COLUMNS: [Column<Block>; 10] = [
    number_column("HEIGHT", 8, 0, |b, _| b.height.map_or_else(unknown, |h| h.to_string()), unsorted),
    number_column("AGE", 7, 1, |b, now| ago(b.time, now), unsorted),
    number_column("SIZE", 8, 2, |b, _| size(b.size), unsorted),
    number_column("TXS", 6, 2, |b, _| count(b.num_tx), unsorted),
    number_column(
        "FEES BTC",
        11,
        3,
        |b, _| b.fees.map_or_else(unknown, |f| format!("{:.8}", f as f64 / 1e8)),
        unsorted,
    ),
    number_column("PROCESS", 8, 4, |b, _| span(b.process_time), unsorted),
    column("VIA", 19, 3, |b, _| format!("{}{}", if b.estimated { ESTIMATED } else { "" }, escape(&b.via)), unsorted),
    column("FIRST ANNOUNCER", 22, 4, |b, _| escape(&b.first_announcer).into_owned(), unsorted),
    column("STATUS", 11, 5, |b, _| escape(&b.status).into_owned(), unsorted),
    column("HASH", 64, 6, |b, _| escape(&b.hash).into_owned(), unsorted),
];

type Cell<T> = fn(&T, Option<i64>) -> String;
type Order<T> = fn(&T, &T) -> Ordering;

const fn column<T>(name: &'static str, width: u16, rank: u8, cell: Cell<T>, order: Order<T>) -> Column<T> {
    Column { name, width, rank, right: false, cell, order }
}

const fn number_column<T>(name: &'static str, width: u16, rank: u8, cell: Cell<T>, order: Order<T>) -> Column<T> {
    Column { name, width, rank, right: true, cell, order }
}

fn unsorted(_: &Block, _: &Block) -> Ordering {
    Ordering::Equal
}

/// The places of the columns for which there is room in `width`, with one space between two.
pub fn fitting<T>(columns: &[Column<T>], width: u16) -> Vec<usize> {
    let mut all: Vec<usize> = (0..columns.len()).collect();
    let needs = |all: &[usize]| all.iter().map(|&i| columns[i].width + 1).sum::<u16>().saturating_sub(1);
    while all.len() > 1 && needs(&all) > width {
        // The least wanted one, from the right.
        let least = (0..all.len()).max_by_key(|&i| (columns[all[i]].rank, i)).unwrap_or(0);
        all.remove(least);
    }
    all
}

/// What is not known.
pub fn unknown() -> String {
    "-".to_owned()
}

/// Bytes.
pub fn size(n: Option<i64>) -> String {
    n.and_then(|n| u64::try_from(n).ok()).map_or_else(unknown, bytes)
}

/// A number.
pub fn count(n: Option<i64>) -> String {
    n.and_then(|n| u64::try_from(n).ok()).map_or_else(unknown, number)
}

/// A length of time, given in µs.
pub fn span(us: Option<i64>) -> String {
    match us {
        None => unknown(),
        Some(us) if us < 1000 => format!("{us} µs"),
        Some(us) if us < 1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        Some(us) => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// How long `time` is past at `now`, both µs since 1970.
pub fn ago(time: Option<i64>, now: Option<i64>) -> String {
    let Some((time, now)) = time.zip(now) else { return unknown() };
    match now.saturating_sub(time).max(0) / 1_000_000 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s @ 3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        s => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_by_rank_when_there_is_no_room() {
        let names = |width| {
            let fit = fitting(&PEER_COLUMNS, width);
            fit.iter().map(|&i| PEER_COLUMNS[i].name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(200).split(' ').count(), 12); // USER AGENT is two words
        assert_eq!(names(80), "ADDRESS DIR USER AGENT RECEIVED SENT");
        assert_eq!(names(60), "ADDRESS DIR USER AGENT");
        assert_eq!(names(55), "ADDRESS USER AGENT");
        assert_eq!(names(1), "ADDRESS");
    }

    #[test]
    fn lengths_of_time() {
        let s = 1_000_000;
        assert_eq!(ago(Some(0), Some(59 * s)), "59s");
        assert_eq!(ago(Some(0), Some(61 * s)), "1m01s");
        assert_eq!(ago(Some(0), Some(3700 * s)), "1h01m");
        assert_eq!(ago(Some(0), Some(90_000 * s)), "1d01h");
        assert_eq!(ago(Some(5), Some(0)), "0s");
        assert_eq!(ago(None, Some(0)), "-");
        assert_eq!(
            (span(Some(999)), span(Some(1500)), span(Some(2_500_000))),
            ("999 µs".into(), "1.5 ms".into(), "2.5 s".into())
        );
    }
}
