//! Transformations of packets.

use super::corpus::packet::{self, FIN, PSH, RST, SYN, map_tcp, split, tcp, with_ip, with_tcp};
use super::corpus::run::{assert_same, run, run_with, settings};
use super::corpus::{Packet, Random};
use super::{baselines, same};
use btcdmon::decode::testkit::{TcpPacket, Wrap, fragment};
use btcdmon::flow::Checksums;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Longest IP packet that still fits a tunnel's 16-bit lengths.
const FITS: usize = 65_000;
/// Longest IP packet in an IEEE 802.3 frame: a longer one would need a length that is an `EtherType`.
const FITS_SNAP: usize = 1492;

#[test]
fn encapsulations() {
    for wrap in Wrap::ALL {
        same(&format!("{wrap:?}"), |packets| packets.iter().map(|p| wrapped(p, *wrap)).collect());
    }
}

fn wrapped(p: &Packet, wrap: Wrap) -> Packet {
    match packet::ip(p) {
        Some(ip) if ip.len() <= if wrap == Wrap::Snap { FITS_SNAP } else { FITS } => {
            let (link, data) = wrap.frame(ip);
            Packet { time: p.time, link: link.0, wire_len: data.len() as u32, data }
        }
        _ => p.clone(),
    }
}

#[test]
fn a_different_encapsulation_for_each_frame() {
    same("mixed encapsulations", |packets| {
        let mut random = Random(7);
        packets.iter().map(|p| wrapped(p, Wrap::ALL[random.below(Wrap::ALL.len())])).collect()
    });
}

#[test]
fn ip_fragments() {
    for mtu in [576, 1280] {
        same(&format!("fragments of {mtu}"), |packets| fragments(packets, mtu).concat());
        same(&format!("fragments of {mtu}, last first"), |packets| {
            fragments(packets, mtu).into_iter().flat_map(|f| f.into_iter().rev()).collect()
        });
    }
}

fn fragments(packets: &[Packet], mtu: usize) -> Vec<Vec<Packet>> {
    let fragments = |p: &Packet| match packet::ip(p) {
        Some(ip) if ip.len() > mtu => fragment(ip, mtu).iter().map(|f| with_ip(p, f)).collect(),
        _ => vec![p.clone()],
    };
    packets.iter().map(fragments).collect()
}

#[test]
fn duplicated_frames() {
    let twice = |packets: &[Packet], which: &mut dyn FnMut() -> bool| {
        let mut out = Vec::new();
        for p in packets {
            out.push(p.clone());
            if which() {
                out.push(Packet { time: p.time + 1000, ..p.clone() });
            }
        }
        out
    };
    same("all frames twice", |packets| twice(packets, &mut || true));
    for seed in 0..10 {
        let mut random = Random(seed);
        let random = std::cell::RefCell::new(&mut random);
        same(&format!("some frames twice, seed {seed}"), |packets| {
            twice(packets, &mut || random.borrow_mut().one_in(3))
        });
    }
    // And the bytes of the node are the same, too.
    for (capture, _) in baselines() {
        let (once, twice) = (run(&capture.packets), run(&twice(&capture.packets, &mut || true)));
        let (a, b) = (once.report.nodes[0].bandwidth, twice.report.nodes[0].bandwidth);
        assert_eq!((a.bytes_recv, a.bytes_sent), (b.bytes_recv, b.bytes_sent), "{}", capture.name);
        assert_eq!((a.wire_bytes_recv, a.wire_bytes_sent), (b.wire_bytes_recv, b.wire_bytes_sent), "{}", capture.name);
        let segments = capture.packets.iter().filter(|p| tcp(p).is_some()).count() as u64;
        assert_eq!(twice.anomaly("duplicate_frame"), segments, "{}", capture.name);
    }
}

/// Exchanges the contents of two frames; the times stay where they are.
fn swap(packets: &mut [Packet], i: usize) {
    packets.swap(i, i + 1);
    let (a, b) = packets.split_at_mut(i + 1);
    std::mem::swap(&mut a[i].time, &mut b[0].time);
}

/// Frames farther apart than this are not exchanged, ns: a capture is out of order by the lengths of buffers, and
/// after 250 ms an acknowledged hole is given up.
const BUFFERS: i64 = 10_000_000;

/// Whether the order of the two makes no difference: a real RST comes after all that its sender has to say.
fn may_swap(a: &Packet, b: &Packet) -> bool {
    let reset = [a, b].iter().any(|p| tcp(p).is_some_and(|s| s.flags & RST != 0));
    !reset && (a.time - b.time).abs() < BUFFERS
}

#[test]
fn neighbours_swapped() {
    for phase in [0, 1] {
        same(&format!("all pairs from {phase} on swapped"), |packets| {
            let mut out = packets.to_vec();
            for i in (phase..out.len() - 1).step_by(2) {
                if may_swap(&out[i], &out[i + 1]) {
                    swap(&mut out, i);
                }
            }
            out
        });
    }
    for seed in 0..40 {
        same(&format!("random neighbours swapped, seed {seed}"), |packets| {
            let (mut out, mut random) = (packets.to_vec(), Random(seed));
            let mut i = 0;
            while i + 1 < out.len() {
                if random.one_in(3) && may_swap(&out[i], &out[i + 1]) {
                    // Every other time each frame keeps its own time, as when two rings are merged badly.
                    if random.one_in(2) {
                        swap(&mut out, i);
                    } else {
                        out.swap(i, i + 1);
                    }
                    i += 1;
                }
                i += 1;
            }
            out
        });
    }
}

#[test]
fn smaller_segments() {
    same("segments of 536 bytes", |packets| map_tcp(packets, |s| split(&s, 536)));
    same("segments of 100 bytes", |packets| map_tcp(packets, |s| split(&s, 100)));
    for seed in 0..3 {
        let random = std::cell::RefCell::new(Random(seed));
        same(&format!("one byte a segment, seed {seed}"), |packets| {
            map_tcp(packets, |s| {
                let few = s.payload.len() < 200 || random.borrow_mut().one_in(20);
                split(&s, if few && random.borrow_mut().one_in(3) { 1 } else { usize::MAX })
            })
        });
    }
}

#[test]
fn larger_segments() {
    let coalesced = |packets: &[Packet]| {
        let mut out: Vec<Packet> = Vec::with_capacity(packets.len());
        // By sender and receiver: the place of the last segment, which may still grow.
        let mut open: BTreeMap<(SocketAddr, SocketAddr), (usize, TcpPacket)> = BTreeMap::new();
        let mut merged = 0;
        for p in packets {
            let Some(s) = tcp(p) else {
                out.push(p.clone());
                continue;
            };
            open.remove(&(s.dst, s.src));
            if let Some((at, held)) = open.get_mut(&(s.src, s.dst)) {
                let follows = held.seq.wrapping_add(held.payload.len() as u32) == s.seq;
                let plain = s.flags & (SYN | RST) == 0 && held.flags & (SYN | FIN | RST) == 0;
                let fits = !s.payload.is_empty() && held.payload.len() + s.payload.len() <= 60_000;
                if follows && plain && fits {
                    held.payload.extend(&s.payload);
                    held.flags |= s.flags & (FIN | PSH);
                    held.ack = s.ack;
                    out[*at] = with_tcp(p, held);
                    merged += 1;
                    continue;
                }
            }
            // With right checksums all of them: half of them wrong would be damage.
            out.push(with_tcp(p, &s));
            open.insert((s.src, s.dst), (out.len() - 1, s));
        }
        assert!(merged > 10, "{merged}");
        out
    };
    same("segments coalesced", coalesced);
    same("segments coalesced and cut anew", |packets| map_tcp(&coalesced(packets), |s| split(&s, 700)));
}

/// With offloading the host captures segments whose IP length the card is still to fill in.
#[test]
fn total_length_zero() {
    same("length 0", |packets| {
        let zeroed = |p: &Packet| {
            let mut p = p.clone();
            if tcp(&p).is_some_and(|s| !s.payload.is_empty()) {
                let at = if p.data[12] == 8 { 16 } else { 18 };
                p.data[at..at + 2].fill(0);
            }
            p
        };
        packets.iter().map(zeroed).collect()
    });
}

#[test]
fn shifted_times() {
    for shift in [1, 123_456_789, -987_654_321, 86_400 * 1_000_000_000 * 365, -1_795_000_000 * 1_000_000_000] {
        same(&format!("times shifted by {shift} ns"), |packets| {
            packets.iter().map(|p| Packet { time: p.time + shift, ..p.clone() }).collect()
        });
    }
}

#[test]
fn wrapping_sequence_numbers() {
    same("sequence numbers that wrap", |packets| {
        let oracle = super::Oracle::new(packets);
        // In the middle of each stream the number is 0.
        let shift: BTreeMap<_, u32> = (oracle.streams.iter())
            .map(|(key, s)| (*key, 0_u32.wrapping_sub(s.origin).wrapping_sub(s.bytes.len() as u32 / 2)))
            .collect();
        let mut frame = 0..;
        let moved = |p: &Packet| {
            let key = oracle.of_frame[frame.next().unwrap()];
            let (Some(mut s), Some((from, to, n))) = (tcp(p), key) else { return p.clone() };
            s.seq = s.seq.wrapping_add(shift.get(&(from, to, n)).copied().unwrap_or(0));
            if s.flags & packet::ACK != 0 {
                s.ack = s.ack.wrapping_add(shift.get(&(to, from, n)).copied().unwrap_or(0));
            }
            with_tcp(p, &s)
        };
        packets.iter().map(moved).collect()
    });
}

#[test]
fn mirrored_addresses() {
    // Complements the last byte: what was the lower address is the higher one.
    let mirror = |ip: IpAddr| match ip {
        IpAddr::V4(a) => IpAddr::from((u32::from(a) ^ 0xff).to_be_bytes()),
        IpAddr::V6(a) => IpAddr::from((u128::from(a) ^ 0xff).to_be_bytes()),
    };
    for (capture, expected) in baselines() {
        let changed = map_tcp(&capture.packets, |mut s| {
            s.src.set_ip(mirror(s.src.ip()));
            s.dst.set_ip(mirror(s.dst.ip()));
            vec![s]
        });
        let back = |mut end: SocketAddr| {
            end.set_ip(mirror(end.ip()));
            end
        };
        let found = run(&changed).directions();
        let found = (found.into_iter())
            .map(|((node, peer, n, recv), m)| ((back(node.parse().unwrap()).to_string(), back(peer), n, recv), m))
            .collect();
        assert_same(&format!("{}, mirrored", capture.name), expected, &found);
    }
}

/// Padding of short frames, and a trailing frame check sequence as some cards keep it.
#[test]
fn ethernet_padding() {
    for (pad, fcs) in [(60, 0), (60, 4), (0, 4), (200, 37)] {
        same(&format!("padded to {pad} and {fcs} bytes"), |packets| {
            let padded = |p: &Packet| {
                let mut data = p.data.clone();
                data.resize(data.len().max(pad) + fcs, 0xfa);
                Packet { wire_len: data.len() as u32, data, ..*p }
            };
            packets.iter().map(padded).collect()
        });
    }
}

#[test]
fn checksum_policies() {
    for (capture, expected) in baselines() {
        let off = run_with(&capture.packets, &settings(None, Checksums::Off));
        assert_same(&format!("{}, checksums off", capture.name), expected, &off.directions());
        // Put together again all checksums are right, so none may be refused.
        let right = map_tcp(&capture.packets, |s| vec![s]);
        let on = run_with(&right, &settings(None, Checksums::On));
        assert_same(&format!("{}, checksums right", capture.name), expected, &on.directions());
        assert_eq!(on.anomaly("bad_checksum"), 0);
    }
}

/// A copy of a segment with other bytes in it and a wrong checksum, shortly before the right one.
#[test]
fn damaged_copies_are_ignored() {
    for (capture, expected) in baselines() {
        let mut random = Random(11);
        let mut damaged = 0;
        let changed = map_tcp(&capture.packets, |s| {
            if s.payload.is_empty() || !random.one_in(5) {
                return vec![s];
            }
            let mut bad = s.clone();
            let at = random.below(bad.payload.len());
            bad.payload[at] ^= 0x20;
            bad.checksum_error = 1;
            damaged += 1;
            vec![bad, s]
        });
        let found = run_with(&changed, &settings(None, Checksums::On));
        assert_same(&format!("{}, damaged copies", capture.name), expected, &found.directions());
        assert_eq!(found.anomaly("bad_checksum"), damaged, "{}", capture.name);
    }
}
