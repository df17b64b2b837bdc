//! Who the watched node is.

use super::*;
use crate::flow::PacketIndex;
use crate::flow::handler::RoleEvidence;
use crate::time::Timestamp;

/// A connection that `from` opened to `to`.
pub(in crate::node) fn connection(id: u64, from: &str, to: &str) -> Conversation {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let low = from <= to;
    Conversation {
        id: PacketIndex(id),
        endpoints: if low { [from, to] } else { [to, from] },
        initiator: if low { Side::Low } else { Side::High },
        evidence: RoleEvidence::Syn,
        started: Timestamp::from_nanos(0),
    }
}

fn found(connections: &[Conversation]) -> Watch {
    let mut watch = Watch::new(Vec::new());
    watch.find(connections);
    watch
}

fn names(watch: &Watch) -> Vec<String> {
    watch.nodes().iter().map(|w| w.name.to_string()).collect()
}

fn given(specs: &[&str]) -> Watch {
    Watch::new(specs.iter().map(|s| s.parse().unwrap()).collect())
}

/// The side of an address.
fn side_of(c: &Conversation, end: &str) -> Side {
    if c.endpoints[0] == end.parse().unwrap() { Side::Low } else { Side::High }
}

#[test]
fn the_endpoint_that_most_connections_share_is_the_node() {
    let connections = [
        connection(1, "10.0.0.5:40000", "203.0.113.1:8333"),
        connection(2, "10.0.0.5:40001", "203.0.113.2:8333"),
        connection(3, "198.51.100.9:50000", "10.0.0.5:8333"),
    ];
    let watch = found(&connections);
    assert_eq!(names(&watch), ["10.0.0.5:8333"]);
    for c in &connections {
        let [Some((0, side)), None] = watch.attribute(c) else { panic!("{c:?}") };
        assert_eq!(c.endpoints[side as usize].ip().to_string(), "10.0.0.5");
    }
}

#[test]
fn connections_left_over_give_further_nodes_the_larger_first() {
    let watch = found(&[
        connection(1, "10.0.0.5:40000", "203.0.113.1:8333"),
        connection(2, "10.0.0.6:40000", "203.0.113.2:8333"),
        connection(3, "10.0.0.6:40001", "203.0.113.3:8333"),
        connection(4, "10.0.0.6:40002", "203.0.113.4:8333"),
        connection(5, "10.0.0.5:40003", "203.0.113.5:8333"),
        // Between the two: touches both, makes no third.
        connection(6, "10.0.0.5:40004", "10.0.0.6:8333"),
    ]);
    assert_eq!(names(&watch), ["10.0.0.6:8333", "10.0.0.5:8333"]);
    let both = connection(7, "10.0.0.5:40005", "10.0.0.6:8333");
    let [Some(first), Some(second)] = watch.attribute(&both) else { panic!() };
    assert_eq!([first, second], [(1, Side::Low), (0, Side::High)]);
}

#[test]
fn of_a_single_connection_the_end_that_was_opened_to_is_the_node() {
    for (from, to) in [("10.0.0.5:40000", "203.0.113.1:8333"), ("203.0.113.1:40000", "10.0.0.5:8333")] {
        assert_eq!(names(&found(&[connection(1, from, to)])), [to]);
    }
    assert_eq!(names(&found(&[])), [""; 0]);
}

#[test]
fn a_node_to_which_nobody_connects_is_named_by_the_port_it_connects_to() {
    let out: Vec<_> = (1..4).map(|i| connection(i, "10.0.0.5:40000", &format!("203.0.113.{i}:18444"))).collect();
    assert_eq!(names(&found(&out)), ["10.0.0.5:18444"]);
}

#[test]
fn nodes_on_one_host_are_told_apart_by_the_port_they_listen_on() {
    let connections = [
        connection(1, "127.0.0.1:40000", "127.0.0.1:18444"),
        connection(2, "127.0.0.1:40001", "127.0.0.1:18445"),
        connection(3, "127.0.0.1:40002", "127.0.0.1:18444"),
    ];
    let watch = found(&connections);
    assert_eq!(names(&watch), ["127.0.0.1:18444", "127.0.0.1:18445"]);
    let nodes: Vec<_> = connections.iter().map(|c| watch.attribute(c)).collect();
    for (c, (node, end)) in
        connections.iter().zip([(0, "127.0.0.1:18444"), (1, "127.0.0.1:18445"), (0, "127.0.0.1:18444")])
    {
        assert_eq!(watch.attribute(c), [Some((node, side_of(c, end))), None], "{nodes:?}");
    }
}

#[test]
fn ipv6_endpoints_and_a_bound_on_nodes() {
    let many: Vec<_> = (0..MAX_NODES as u64 + 10)
        .map(|i| connection(i, &format!("[fd00::{:x}]:40000", i + 1), &format!("[fd01::{:x}]:8333", i + 1)))
        .collect();
    let watch = found(&many);
    assert_eq!(watch.nodes().len(), MAX_NODES);
    assert_eq!(names(&watch)[0], "[fd01::1]:8333");
    assert!(!watch.has_room());
    // Later connections make further nodes while there is room; those that are known stay in their place.
    let mut watch = found(&many[..1]);
    assert!(watch.has_room());
    watch.find(&[many[0], connection(99, "10.0.0.1:1", "10.0.0.2:8333")]);
    assert_eq!(names(&watch), ["[fd01::1]:8333", "10.0.0.2:8333"]);
}

#[test]
fn given_nodes_at_one_end_at_both_and_at_none() {
    let watch = given(&["home=10.0.0.5", "away=10.0.0.6"]);
    assert!(watch.is_given());
    let one = connection(1, "10.0.0.5:40000", "203.0.113.1:8333");
    assert_eq!(watch.attribute(&one), [Some((0, side_of(&one, "10.0.0.5:40000"))), None]);
    let both = connection(2, "10.0.0.6:40000", "10.0.0.5:8333");
    let [Some(low), Some(high)] = watch.attribute(&both) else { panic!() };
    assert_eq!([low, high], [(0, Side::Low), (1, Side::High)]);
    let none = connection(3, "192.0.2.1:40000", "192.0.2.2:8333");
    assert_eq!(watch.attribute(&none), [None, None]);
    // What the user did not name is not added.
    assert!(!watch.has_room());
}

#[test]
fn a_given_node_that_talks_to_itself_is_counted_once_as_the_responder() {
    let watch = given(&["127.0.0.1"]);
    for c in [connection(1, "127.0.0.1:40000", "127.0.0.1:8333"), connection(2, "127.0.0.1:50000", "127.0.0.1:48333")] {
        assert_eq!(watch.attribute(&c), [Some((0, c.initiator.other())), None]);
    }
}

#[test]
fn given_nodes_on_one_host_by_their_ports() {
    let watch = given(&["a=127.0.0.1:18444", "b=127.0.0.1:18445"]);
    let c = connection(1, "127.0.0.1:40000", "127.0.0.1:18445");
    assert_eq!(watch.attribute(&c), [Some((1, side_of(&c, "127.0.0.1:18445"))), None]);
    // Which of them opened it cannot be told: neither.
    let out = connection(2, "127.0.0.1:40000", "192.0.2.1:8333");
    assert_eq!(watch.attribute(&out), [None, None]);
    // A single one on its address owns what it opens.
    let watch = given(&["a=10.0.0.5:18444", "b=10.0.0.6:18444"]);
    let out = connection(2, "10.0.0.5:40000", "192.0.2.1:8333");
    assert_eq!(watch.attribute(&out), [Some((0, Side::Low)), None]);
    let other_service = connection(3, "192.0.2.1:40000", "10.0.0.5:8333");
    assert_eq!(watch.attribute(&other_service), [None, None]);
}

#[test]
fn a_given_node_without_name_is_named_by_its_address_and_port() {
    let is_service = |p| p == 8333;
    let named = |spec: &str, c: &Conversation, side| given(&[spec]).name_by(0, c, side, is_service).to_string();
    let inbound = connection(1, "192.0.2.1:40000", "10.0.0.5:18333");
    assert_eq!(named("10.0.0.5", &inbound, Side::Low), "10.0.0.5:18333");
    let outbound = connection(1, "10.0.0.5:40000", "192.0.2.1:18333");
    assert_eq!(named("10.0.0.5", &outbound, Side::Low), "10.0.0.5:18333");
    assert_eq!(named("10.0.0.5:48333", &outbound, Side::Low), "10.0.0.5:48333");
    assert_eq!(named("[fd00::1],10.0.0.5", &inbound, Side::Low), "[fd00::1]:18333");
    assert_eq!(named("mine=10.0.0.5", &inbound, Side::Low), "mine");
    // The first connection names it for good.
    let mut watch = given(&["10.0.0.5"]);
    assert_eq!(watch.name_by(0, &inbound, Side::Low, is_service).to_string(), "10.0.0.5:18333");
    assert_eq!(watch.name_by(0, &outbound, Side::Low, is_service).to_string(), "10.0.0.5:18333");
}
