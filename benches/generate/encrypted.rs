//! Very many encrypted connections (BIP 324) of one node, as a tap sees them: lengths, order and time are those of
//! Bitcoin Core, the bytes are random.

use super::net::{Link, Tap};
use super::rng::Rng;
use anyhow::Result;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::path::Path;

/// What is written.
#[derive(Clone, Copy)]
pub struct Encrypted {
    /// Connections that stay open.
    pub connections: u32,
    /// Relays of transactions over each: `inv`, `getdata`, some `tx`.
    pub rounds: u32,
    /// The node's port: on one of Bitcoin's the lengths are read, on another the bytes are only counted.
    pub port: u16,
}

/// `wtxidrelay` and others without contents.
const EMPTY: usize = 33;
/// `ping`, `pong`, `feefilter`.
const NUMBER: usize = 29;
/// Between two new connections, ns.
const CALL: i64 = 5_000_000;
/// Between two announcements on a connection, ns.
const PERIOD: i64 = 5_000_000_000;
/// How soon the node answers, ns.
const AT_ONCE: i64 = 500_000;

/// Sends packets of these lengths, each by itself.
fn send(tap: &mut Tap, rng: &mut Rng, link: &mut Link, from: usize, lengths: &[usize]) -> Result<()> {
    let mut bytes = Vec::new();
    for n in lengths {
        bytes.clear();
        rng.bytes(&mut bytes, *n);
        link.send(tap, from, &bytes)?;
    }
    Ok(())
}

fn handshake(tap: &mut Tap, rng: &mut Rng, link: &mut Link) -> Result<()> {
    let garbage = [rng.range(0, 4095) as usize, rng.range(0, 4095) as usize];
    send(tap, rng, link, 0, &[64 + garbage[0]])?;
    send(tap, rng, link, 1, &[64 + garbage[1] + 36])?;
    send(tap, rng, link, 0, &[36, 140])?;
    send(tap, rng, link, 1, &[141, EMPTY, EMPTY, EMPTY])?;
    send(tap, rng, link, 0, &[EMPTY, EMPTY, EMPTY, EMPTY, 30, NUMBER, 1050, NUMBER])?;
    send(tap, rng, link, 1, &[30, NUMBER, 1050, NUMBER, NUMBER, 22])?;
    send(tap, rng, link, 0, &[NUMBER, 22])
}

/// What comes next on a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// One end announces transactions.
    Announce,
    /// The other asks `from` for so many of them.
    Ask {
        from: usize,
        transactions: usize,
    },
    /// `from` sends them.
    Send {
        from: usize,
        transactions: usize,
    },
    Ping,
    Pong,
}

/// Takes a step; returns those that follow, each with the time until then, ns.
fn step(tap: &mut Tap, rng: &mut Rng, link: &mut Link, rtt: i64, step: Step) -> Result<[Option<(i64, Step)>; 2]> {
    // The tap is at the node, which is end 1: it answers at once, the peer after a round trip.
    let answer = |by: usize| if by == 0 { rtt } else { AT_ONCE };
    Ok(match step {
        Step::Announce => {
            let (from, announced) = (usize::from(rng.percent(40)), rng.range(1, 12) as usize);
            send(tap, rng, link, from, &[22 + 36 * announced])?;
            let transactions = rng.range(0, announced as u64) as usize;
            let asked = (transactions > 0).then_some((answer(1 - from), Step::Ask { from, transactions }));
            [asked, rng.percent(5).then_some((AT_ONCE, Step::Ping))]
        }
        Step::Ask { from, transactions } => {
            send(tap, rng, link, 1 - from, &[22 + 36 * transactions])?;
            [Some((answer(from), Step::Send { from, transactions })), None]
        }
        Step::Send { from, transactions } => {
            let sizes: Vec<usize> = (0..transactions).map(|_| 21 + rng.range(190, 700) as usize).collect();
            send(tap, rng, link, from, &sizes)?;
            [None, None]
        }
        Step::Ping => {
            send(tap, rng, link, 1, &[NUMBER])?;
            [Some((rtt, Step::Pong)), None]
        }
        Step::Pong => {
            send(tap, rng, link, 0, &[NUMBER])?;
            [None, None]
        }
    })
}

/// Writes the capture.
pub fn write(path: &Path, what: Encrypted) -> Result<()> {
    let rng = &mut Rng::new(0x6f70_6171_7565);
    let mut tap = Tap::create(path, super::START)?;
    let node = SocketAddr::from(([192, 0, 2, 7], what.port));
    let mut links = Vec::new();
    for n in 0..what.connections {
        tap.wait_until(super::START + i64::from(n) * CALL);
        let [_, a, b, c] = n.to_be_bytes();
        let ends = [SocketAddr::from(([10, a, b, c], 40_000 + (n % 20_000) as u16)), node];
        let mut link = Link::open(&mut tap, ends, [rng.next() as u32, rng.next() as u32])?;
        handshake(&mut tap, rng, &mut link)?;
        links.push((link, rng.range(8, 240) as i64 * 1_000_000));
    }
    let mut due = BinaryHeap::new();
    let all_there = super::START + i64::from(what.connections) * CALL;
    for round in 0..what.rounds {
        // A connection is heard of every 5 s.
        let begin = all_there + i64::from(round + 1) * PERIOD;
        for n in 0..links.len() {
            due.push(Reverse((begin + n as i64 * PERIOD / links.len() as i64, n, Step::Announce)));
        }
    }
    while let Some(Reverse((time, n, what))) = due.pop() {
        tap.wait_until(time);
        let (link, rtt) = &mut links[n];
        let next = step(&mut tap, rng, link, *rtt, what)?;
        due.extend(next.into_iter().flatten().map(|(wait, what)| Reverse((time + wait, n, what))));
    }
    tap.finish()
}
