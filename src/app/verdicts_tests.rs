use super::*;
use crate::capture::LinkType;

fn frame(time: i64, wire_len: u32, interface: u32) -> Frame<'static> {
    Frame { time: Timestamp::from_nanos(time), link: LinkType(1), interface, wire_len, data: &[] }
}

fn seen(frames: &[Frame<'_>], now: i64, mtu: Option<u32>) -> Seen {
    let mut seen = Seen::default();
    for frame in frames {
        seen.frame(frame, Timestamp::from_nanos(now), mtu);
    }
    seen
}

fn line(verdict: Option<Verdict>) -> (Mark, &'static str, String) {
    verdict.map(|v| (v.mark, v.what, v.text)).expect("a verdict")
}

#[test]
fn segments_beyond_the_wire_are_told_with_the_largest_and_its_interface() {
    let names = ["eth0", "eth1"];
    let large = seen(&[frame(0, 1514, 0), frame(0, 64_014, 1), frame(0, 2_962, 0)], 0, Some(1500));
    let (mark, what, text) = line(large.offloads(&names));
    assert_eq!((mark, what), (Mark::Ok, "offloads"));
    assert!(text.starts_with("eth1 shows segments of up to 64,014 bytes (GRO, TSO)"), "{text}");
    // Ethernet and two VLAN tags are no offload; one byte more is.
    assert!(line(seen(&[frame(0, 1522, 0)], 0, Some(1500)).offloads(&names)).2.starts_with("no segment larger"));
    assert!(line(seen(&[frame(0, 1523, 0)], 0, Some(1500)).offloads(&names)).2.starts_with("eth0 shows"));
    // Without an MTU (`any`) nothing can be said against a size.
    assert!(line(seen(&[frame(0, 64_014, 0)], 0, None).offloads(&names)).2.starts_with("no segment larger"));
    assert!(Seen::default().offloads(&names).is_none());
}

#[test]
fn times_far_from_the_clock_are_told_on_either_side() {
    let now = 100 * SECOND;
    for (time, right) in [(98, true), (102, true), (97, false), (103, false)] {
        let (mark, what, text) = line(seen(&[frame(now, 60, 0), frame(time * SECOND, 60, 0)], now, None).clock());
        assert_eq!((mark, what), (if right { Mark::Ok } else { Mark::Warn }, "clock"), "{time}: {text}");
        assert!(right || text.contains("up to 3.0 s from this machine's clock"), "{text}");
    }
    assert!(Seen::default().clock().is_none());
}

#[test]
fn drops_are_summed_and_the_remedy_named() {
    let none = drops(Dropped::default());
    assert_eq!((none.mark, none.text.as_str()), (Mark::Ok, "none"));
    let some = drops(Dropped { system: 1200, interface: 34 });
    assert_eq!((some.mark, some.what), (Mark::Warn, "drops"));
    assert_eq!(some.text, "1,234 packets were dropped; give the ring more with --buffer");
}

fn traffic(v1: u64, v2: u64, received: u64, sent: u64) -> Traffic {
    Traffic { nodes: vec!["10.0.0.1:8333".into()], v1, v2, open: 0, packets: received + sent, received, sent }
}

fn verdicts(traffic: &Traffic) -> Vec<Verdict> {
    traffic.verdicts(&Seen { frames: 50, ..Seen::default() }, Duration::from_secs(10))
}

#[test]
fn a_missing_direction_is_told_by_its_name() {
    for (received, sent, missing) in [(30, 20, None), (30, 0, Some("sent")), (0, 20, Some("received"))] {
        let all = verdicts(&traffic(2, 0, received, sent));
        let told: Vec<_> = all.iter().filter(|v| v.what == "directions").collect();
        assert_eq!(told.len(), usize::from(missing.is_some()), "{all:?}");
        if let (Some(missing), [v]) = (missing, &told[..]) {
            assert_eq!(v.mark, Mark::Warn);
            assert!(v.text.starts_with(&format!("nothing that the node {missing} is seen")), "{}", v.text);
            assert!(v.text.contains("ingress and egress"), "{}", v.text);
        }
        assert!(all.iter().any(|v| v.what == "bitcoin" && v.mark == Mark::Ok), "{all:?}");
    }
}

#[test]
fn nothing_of_bitcoin_is_a_failure_that_says_which_of_two() {
    let none = Traffic::default();
    for (frames, words) in [(0, "no packet at all in 10 s"), (7000, "7,000 packets in 10 s, but no Bitcoin connection")]
    {
        let all = none.verdicts(&Seen { frames, ..Seen::default() }, Duration::from_secs(10));
        assert!(matches!(&all[..], [v] if v.mark == Mark::Fail && v.text.starts_with(words)), "{all:?}");
    }
}

#[test]
fn the_encrypted_share_is_told_with_the_switch_that_ends_it() {
    for (v1, v2, mark, words) in [
        (0, 0, Mark::Warn, "nothing was said yet"),
        (4, 0, Mark::Ok, "all connections are plain (v1)"),
        (3, 1, Mark::Warn, "25 % of the connections are encrypted"),
        (0, 5, Mark::Warn, "100 % of the connections are encrypted"),
    ] {
        let all = verdicts(&traffic(v1, v2, 9, 9));
        let v = all.iter().find(|v| v.what == "readable").expect("a verdict");
        assert_eq!(v.mark, mark, "{}", v.text);
        assert!(v.text.starts_with(words), "{}", v.text);
        assert_eq!(v.text.contains("v2transport=0"), v2 > 0, "{}", v.text);
    }
}
