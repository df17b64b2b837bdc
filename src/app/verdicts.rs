//! What the doctor makes of what it saw. Nothing is looked at here, only judged.

use crate::capture::{Dropped, Frame};
use crate::node::Report;
use crate::node::report::{NodeReport, TransportReport};
use crate::sink::summary::number;
use crate::time::{SECOND, Timestamp};
use std::time::Duration;

/// A frame's time further from the clock than this is told, ns. The ring hands frames over within 10 ms.
const CLOCK: i64 = 2 * SECOND;
/// Ethernet with two VLAN tags; what is larger than that and the MTU was not on the wire like that.
const ENVELOPE: u32 = 22;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing to do.
    Ok,
    /// Works, but shows less than it could.
    Warn,
    /// Does not work.
    Fail,
}

/// One line of the doctor's.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) mark: Mark,
    /// On what.
    pub(super) what: &'static str,
    pub(super) text: String,
}

impl Verdict {
    pub(super) fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Mark::Ok, what, text: text.into() }
    }

    pub(super) fn warn(what: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Mark::Warn, what, text: text.into() }
    }

    pub(super) fn fail(what: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Mark::Fail, what, text: text.into() }
    }
}

/// Frames of a while of capturing.
#[derive(Default)]
pub(super) struct Seen {
    frames: u64,
    /// Largest frame beyond what its interface may send, and on which.
    larger: Option<(u32, u32)>,
    /// Largest distance of a frame's time from the clock, ns.
    off: i64,
}

impl Seen {
    /// `mtu` is that of the frame's interface, where it has one.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, now: Timestamp, mtu: Option<u32>) {
        self.frames += 1;
        self.off = self.off.max(now.since(frame.time).saturating_abs());
        let beyond = mtu.is_some_and(|mtu| frame.wire_len > mtu.saturating_add(ENVELOPE));
        if beyond && self.larger.is_none_or(|(n, _)| n < frame.wire_len) {
            self.larger = Some((frame.wire_len, frame.interface));
        }
    }

    pub(super) fn offloads(&self, names: &[&str]) -> Option<Verdict> {
        let Some((size, interface)) = self.larger else {
            return (self.frames > 0).then(|| Verdict::ok("offloads", "no segment larger than on the wire"));
        };
        let name = names.get(interface as usize).unwrap_or(&"?");
        let text = format!(
            "{name} shows segments of up to {} bytes (GRO, TSO): they are read as they are; checksums that the card fills in are not looked at",
            number(u64::from(size))
        );
        Some(Verdict::ok("offloads", text))
    }

    pub(super) fn clock(&self) -> Option<Verdict> {
        if self.off > CLOCK {
            let seconds = self.off as f64 / 1e9;
            let text = format!("the times of packets are up to {seconds:.1} s from this machine's clock");
            return Some(Verdict::warn("clock", text));
        }
        (self.frames > 0).then(|| Verdict::ok("clock", "the times of packets agree with this machine's clock"))
    }
}

/// On what the kernel and the card could not hand over.
pub(super) fn drops(dropped: Dropped) -> Verdict {
    match dropped.system + dropped.interface {
        0 => Verdict::ok("drops", "none"),
        n => Verdict::warn("drops", format!("{} packets were dropped; give the ring more with --buffer", number(n))),
    }
}

/// What of it was Bitcoin.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Names of the nodes.
    nodes: Vec<String>,
    /// Connections that are plain, encrypted, and still without a word.
    v1: u64,
    v2: u64,
    open: u64,
    /// Their packets.
    packets: u64,
    /// Packets to the nodes and from them, those of other connections to their ports too.
    received: u64,
    sent: u64,
}

impl Traffic {
    pub(super) fn of(report: &Report) -> Self {
        let carried = |n: &NodeReport, name: &str| {
            n.transports.get(name).map_or((0, 0), |t| (t.connections, t.packets_recv + t.packets_sent))
        };
        let sum = |name| report.nodes.iter().map(|n| carried(n, name)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let (v1, v2, open) = (sum("v1"), sum("v2"), sum("unknown"));
        let way = |f: fn(&TransportReport) -> u64| {
            report.nodes.iter().flat_map(|n| n.transports.values()).map(f).sum::<u64>()
        };
        Self {
            nodes: report.nodes.iter().map(|n| n.node.clone()).collect(),
            v1: v1.0,
            v2: v2.0,
            open: open.0,
            packets: v1.1 + v2.1 + open.1,
            received: way(|t| t.packets_recv),
            sent: way(|t| t.packets_sent),
        }
    }

    pub(super) fn verdicts(&self, seen: &Seen, wait: Duration) -> Vec<Verdict> {
        if self.packets == 0 {
            return vec![nothing(seen.frames, wait.as_secs())];
        }
        let missing =
            [(self.received, "received"), (self.sent, "sent")].into_iter().filter(|(packets, _)| *packets == 0);
        let mut all: Vec<_> = missing
            .map(|(_, what)| Verdict::warn("directions", format!("nothing that the node {what} is seen, so half of the messages are missing: let the mirror copy both directions (ingress and egress)")))
            .collect();
        let connections = self.v1 + self.v2 + self.open;
        let text =
            format!("{} packets of {connections} connections of {}", number(self.packets), self.nodes.join(", "));
        all.push(Verdict::ok("bitcoin", text));
        all.push(self.readable());
        all
    }

    fn readable(&self) -> Verdict {
        match (100 * self.v2).checked_div(self.v1 + self.v2) {
            None => Verdict::warn("readable", "nothing was said yet that tells plain connections from encrypted ones"),
            Some(_) if self.v2 == 0 => Verdict::ok("readable", "all connections are plain (v1): every message is seen"),
            Some(share) => Verdict::warn(
                "readable",
                format!(
                    "{share} % of the connections are encrypted (v2, BIP 324): of those only sizes and times are seen; to see all, set v2transport=0 in the node's bitcoin.conf (btcd: leave out --v2transport)"
                ),
            ),
        }
    }
}

fn nothing(frames: u64, seconds: u64) -> Verdict {
    let text = match frames {
        0 => format!(
            "no packet at all in {seconds} s: is this the node's interface (-i), does the mirror send, is the port right (--port)?"
        ),
        n => format!(
            "{} packets in {seconds} s, but no Bitcoin connection of a node among them: name the node with --node, its port with --port",
            number(n)
        ),
    };
    Verdict::fail("bitcoin", text)
}

#[cfg(test)]
#[path = "verdicts_tests.rs"]
mod tests;
