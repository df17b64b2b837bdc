//! Connections and what the peers say of themselves.

use super::{Recording, int, recording, text, time};
use btcdmon::message::body::Body;
use std::net::SocketAddr;

const ALL: [&str; 3] = ["btcd-v1", "btcd-ipv6", "btcd-v2"];

/// Every peer of `getpeerinfo` is an open connection of the report, and the other way round.
#[test]
fn open_connections_are_the_nodes_peers() {
    for name in ALL {
        let r = recording(name);
        let peers = r.node["getpeerinfo"].as_array().unwrap();
        let node = &r.run.report.nodes[0];
        assert_eq!(r.run.report.nodes.len(), 1, "{name}: one node");
        assert_eq!(node.open.total as i64, int(&r.node["getconnectioncount"]), "{name}");
        let inbound = peers.iter().filter(|p| p["inbound"].as_bool().unwrap()).count() as u64;
        assert_eq!((node.open.inbound, node.open.outbound), (inbound, peers.len() as u64 - inbound), "{name}");
        assert_eq!(node.connections.iter().filter(|c| c.open).count(), peers.len(), "{name}");
        for peer in peers {
            let open = |c: &&btcdmon::node::report::ConnectionReport| c.open && c.peer == text(&peer["addr"]);
            let c = node.connections.iter().find(open).unwrap_or_else(|| panic!("{name}: {peer}"));
            let v2 = peer["v2_connection"].as_bool().unwrap();
            assert_eq!(c.transport, if v2 { "v2" } else { "v1" }, "{name}: {peer}");
            assert_eq!(c.direction, if peer["inbound"].as_bool().unwrap() { "inbound" } else { "outbound" });
            if !v2 {
                let said = (int(&peer["bytesrecv"]), int(&peer["bytessent"]));
                assert_eq!((c.bytes_recv as i64, c.bytes_sent as i64), said, "{name}: {peer}");
            }
            let conntime = int(&peer["conntime"]);
            assert!((c.since / 1_000_000_000 - conntime).abs() <= 1, "{name}: {} and {conntime}", c.since);
        }
    }
}

/// Every readable peer's `version` message says what `getpeerinfo` repeats.
#[test]
fn versions_are_what_the_node_understood() {
    for name in ALL {
        let r = recording(name);
        let mut compared = 0;
        for peer in r.node["getpeerinfo"].as_array().unwrap() {
            if peer["v2_connection"].as_bool().unwrap() {
                continue;
            }
            let addr: SocketAddr = text(&peer["addr"]).parse().unwrap();
            let versions: Vec<_> = (r.run.messages.iter().filter(|m| m.recv && m.peer == addr))
                .filter_map(|m| match &m.content.body {
                    Ok(Body::Version(v)) => Some(v),
                    _ => None,
                })
                .collect();
            assert_eq!(versions.len(), 1, "{name}: {peer}");
            let v = versions[0];
            // btcd agrees on the lower of both protocol versions, which is the peer's here.
            assert_eq!(i64::from(v.version), int(&peer["version"]), "{name}");
            assert_eq!(v.user_agent_text(), text(&peer["subver"]), "{name}");
            assert_eq!(v.services, text(&peer["services"]).parse::<u64>().unwrap(), "{name}");
            assert_eq!(v.start_height.map(i64::from), peer["startingheight"].as_i64(), "{name}");
            assert_eq!(v.wants_transactions(), peer["relaytxes"].as_bool().unwrap(), "{name}");
            compared += 1;
        }
        assert_eq!(compared, if name == "btcd-v1" { 3 } else { 2 }, "{name}");
    }
}

/// The event series has one row a `version` message received, with the direction of its connection.
#[test]
fn version_events() {
    let r = recording("btcd-v1");
    let agents = |direction: &str, agent: &str| r.column("peers", &[direction, agent], "version");
    let btcd = text(&r.node["getpeerinfo"][0]["subver"]);
    // `a` is called; `b` calls twice, `c` and two clients once each.
    assert_eq!(agents("outbound", btcd).len(), 1);
    assert_eq!(agents("inbound", btcd).len(), 3);
    assert_eq!(agents("inbound", "/recorder:1/").len(), 2);
    assert_eq!(r.run.report.nodes[0].user_agents.get("/recorder:1/"), Some(&2));
}

/// Peers over time: the node lists a peer from its `version` on, the sensor counts readable connections.
#[test]
fn number_of_connections_over_time() {
    for name in ["btcd-v1", "btcd-ipv6"] {
        let r = recording(name);
        let readable = r.column("peers", &[], "readable");
        let end = readable.last().unwrap().0;
        let mut exact = 0;
        for poll in &r.polls {
            let (at, said) = (time(&poll["time"]), int(&poll["getconnectioncount"]));
            let before = readable.iter().rev().find(|p| p.0 <= at).map_or(0, |p| p.1);
            let after = readable.iter().find(|p| p.0 > at).map_or(before, |p| p.1);
            assert!(
                (before.min(after)..=before.max(after)).contains(&said),
                "{name}: {said} at {poll}: {before}, {after}"
            );
            exact += usize::from(before == after && at < end);
        }
        assert!(exact * 3 > r.polls.len() * 2, "{name}: most polls fall where nothing changes: {exact}");
    }
}

/// Encrypted connections count as peers, and so does, while it lasts, the client that sends 700 random bytes.
#[test]
fn number_of_encrypted_connections_over_time() {
    let r = recording("btcd-v2");
    let transports = ["v1", "v2"].map(|t| r.column("visibility", &[t], "connections"));
    for poll in &r.polls {
        let (at, said) = (time(&poll["time"]), int(&poll["getconnectioncount"]));
        let bounds = transports.each_ref().map(|points| Recording::around(points, at));
        let (low, high) = (bounds[0].0 + bounds[1].0, bounds[0].1 + bounds[1].1);
        assert!((low - 1..=high).contains(&said), "{said} at {poll} not in {low}..={high}");
    }
    let last = |t: &str| r.last("visibility", &[t], "connections");
    assert_eq!((last("v1"), last("v2"), last("unknown"), last("not_bitcoin")), (2, 2, 0, 0));
}

#[test]
fn transports_and_the_fallback() {
    let r = recording("btcd-v2");
    let seen = |t: &str| r.last("visibility", &[t], "connections_seen");
    // `a`, `b`, the attempt that `c` refused, the client with random bytes; `c` twice; the silent client.
    assert_eq!((seen("v2"), seen("v1"), seen("unknown"), seen("not_bitcoin")), (4, 2, 1, 0));
    assert_eq!(r.last("visibility", &["v2"], "fallbacks"), 1);
    assert_eq!(r.run.report.nodes[0].v2_fallbacks, 1);
    // Every readable message belongs to `c`.
    assert!(r.run.messages.iter().all(|m| m.peer.ip().to_string() == "10.88.0.5"));

    let r = recording("btcd-v1");
    let seen = |t: &str| r.last("visibility", &[t], "connections_seen");
    // 3 nodes, one of them twice; the client with a wrong checksum and the one that leaves by RST. HTTP is not
    // Bitcoin, random bytes look like a key, the silent client says nothing.
    assert_eq!((seen("v1"), seen("not_bitcoin"), seen("v2"), seen("unknown")), (6, 1, 1, 1));
}
