//! What the events of connections add up to.

use super::super::learn::EVENTS;
use super::*;
use crate::flow::Side;
use crate::flow::handler::RoleEvidence;
use crate::message::network::Network;
use crate::message::version::{Endpoint, Version};
use crate::node::watch::tests::connection;
use crate::series::{SERIES, Value};

const NODE: &str = "10.0.0.5:8333";

/// A view and what came out of it.
struct Lab {
    view: View,
    out: Out,
    n: u64,
}

#[derive(Default)]
struct Out {
    /// Node, peer, direction, network.
    messages: Vec<(String, String, Direction, Option<Network>)>,
    events: Vec<Point>,
    intervals: Vec<Vec<Point>>,
}

impl Output for Out {
    fn message(&mut self, m: &SeenMessage<'_>) {
        self.messages.push((m.node.to_owned(), m.peer.to_string(), m.direction, m.network));
    }

    fn point(&mut self, point: Point) {
        self.events.push(point);
    }

    fn interval(&mut self, points: Vec<Point>) {
        self.intervals.push(points);
    }
}

fn seconds(s: f64) -> Timestamp {
    Timestamp::from_nanos((s * 1e9) as i64)
}

fn stats(payload: u64) -> DirectionStats {
    DirectionStats { packets: payload / 100, wire_bytes: payload + 40, payload_bytes: payload, ..Default::default() }
}

/// The integer in a column of the only point of a series (with this tag).
fn value(points: &[Point], series: &str, tag: Option<&str>, column: &str) -> i64 {
    let i = SERIES.iter().position(|s| s.name == series).unwrap();
    let c = SERIES[i].columns.iter().position(|c| c.name == column).unwrap();
    let fits = |p: &&Point| p.series == i && tag.is_none_or(|t| p.values[0] == Value::Text(t.into()));
    let found: Vec<_> = points.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{series} {tag:?}");
    match &found[0].values[c] {
        Value::Integer(n) => *n,
        other => panic!("{series}.{column} is {other:?}"),
    }
}

impl Lab {
    fn new(nodes: &[&str]) -> Self {
        let config = Config {
            nodes: nodes.iter().map(|n| n.parse().unwrap()).collect(),
            interval: 10 * SECOND,
            ports: [8333, 18_444].into(),
            learn: LEARN_FILES,
        };
        Self { view: View::new(config), out: Out::default(), n: 0 }
    }

    /// An event of connection `id` at `time` seconds.
    fn event(&mut self, time: f64, id: u64, what: What) -> &mut Self {
        self.n += 1;
        let at = At { index: PacketIndex(self.n), time: seconds(time) };
        self.view.event(&mut Event { at, connection: PacketIndex(id), what }, &mut self.out);
        self
    }

    fn open(&mut self, time: f64, id: u64, from: &str, to: &str) -> &mut Self {
        self.event(time, id, What::Established(Box::new(connection(id, from, to))))
    }

    /// A connection opened by the node to peer `id`.
    fn outbound(&mut self, time: f64, id: u64) -> &mut Self {
        self.open(time, id, "10.0.0.5:40000", &format!("203.0.113.{id}:8333"))
    }

    fn v1(&mut self, time: f64, id: u64) -> &mut Self {
        self.event(time, id, What::Transport(Transport::V1(Network::Mainnet)))
    }

    fn message(&mut self, time: f64, id: u64, side: Side, command: Command, body: Body) -> &mut Self {
        let message = Message {
            side,
            command,
            unknown_name: (command == Command::UNKNOWN).then(|| format!("odd{}", self.n).into()),
            payload_bytes: 100,
            header_bytes: 24,
            checksum: Some([0; 4]),
            checksum_valid: true,
            truncated: false,
            missing: 0,
            first: seconds(time),
            offset: 0,
            body: Ok(body),
            trailing: 0,
            digest: None,
        };
        self.event(time, id, What::Message(message))
    }

    fn version(&mut self, time: f64, id: u64, side: Side, agent: &str, services: u64, relay: bool) -> &mut Self {
        let nobody = Endpoint { services: 0, address: "0.0.0.0:0".parse().unwrap() };
        let version = Version {
            version: 70_016,
            services,
            time: 0,
            receiver: nobody,
            sender: None,
            nonce: None,
            user_agent: Some(agent.as_bytes().into()),
            start_height: Some(5),
            relay: Some(relay),
        };
        self.message(time, id, side, Command::VERSION, Body::Version(Box::new(version)))
    }

    fn progress(&mut self, time: f64, id: u64, low: u64, high: u64) -> &mut Self {
        self.event(time, id, What::Progress([stats(low), stats(high)], Box::default()))
    }

    fn tick(&mut self, time: f64) -> &mut Self {
        self.view.tick(seconds(time), Some(Counters::default()), &mut self.out);
        self
    }

    /// The points of the interval that ends now.
    fn interval(&mut self) -> Vec<Point> {
        self.view.finish(seconds(1e6), Counters::default(), &mut self.out);
        self.out.intervals.pop().unwrap()
    }

    fn gauge(&mut self, column: &str) -> i64 {
        let points = self.interval();
        value(&points, "peers", None, column)
    }

    fn gauges(&mut self) -> [i64; 6] {
        let points = self.interval();
        ["total_connected", "inbound", "outbound", "fullnode", "spv", "readable"]
            .map(|c| value(&points, "peers", None, c))
    }

    fn share(&mut self, transport: &str) -> [i64; 6] {
        let points = self.interval();
        ["connections", "connections_seen", "bytes_recv", "bytes_sent", "packets_recv", "packets_sent"]
            .map(|c| value(&points, "visibility", Some(transport), c))
    }
}

#[test]
fn gauges_follow_established_half_closed_revived_and_closed() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    lab.outbound(1.0, 1).open(1.0, 2, "198.51.100.9:50000", NODE);
    assert_eq!(lab.gauges(), [2, 1, 1, 0, 0, 0]);
    lab.v1(2.0, 1).event(3.0, 2, What::HalfClosed(Side::Low));
    assert_eq!(lab.gauges(), [1, 0, 1, 0, 0, 1]);
    lab.event(4.0, 2, What::Closed(CloseReason::Fin));
    assert_eq!(lab.gauges(), [1, 0, 1, 0, 0, 1]);
    lab.event(5.0, 1, What::Closed(CloseReason::Rst));
    assert_eq!(lab.gauges(), [0; 6]);
    lab.event(6.0, 1, What::Revived);
    assert_eq!(lab.gauges(), [1, 0, 1, 0, 0, 1]);
    // What is open when the capture ends stays open.
    lab.event(7.0, 1, What::Closed(CloseReason::EndOfCapture));
    assert_eq!((lab.gauges()[0], lab.share("v1")[..2].to_vec()), (1, vec![1, 1]));
    assert_eq!(lab.share("unknown")[..2], [0, 1]);
}

#[test]
fn full_nodes_and_light_clients_are_told_by_what_they_say() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    for id in 1..=6 {
        lab.outbound(1.0, id).v1(1.0, id);
    }
    // The node is the low end of its connections. NETWORK; NETWORK_LIMITED; neither and no relay; neither with relay.
    lab.version(2.0, 1, Side::High, "/a/", 1, true).version(2.0, 2, Side::High, "/a/", 1 << 10, false);
    lab.version(2.0, 3, Side::High, "/a/", 8, false).version(2.0, 4, Side::High, "/a/", 8, true);
    // Asks for filters; and what the node says of itself counts for nobody.
    lab.message(2.0, 5, Side::High, Command::FILTERLOAD, Body::Empty).version(2.0, 6, Side::Low, "/node/", 1, true);
    assert_eq!(lab.gauges(), [6, 0, 6, 2, 2, 6]);
    lab.event(3.0, 1, What::Closed(CloseReason::Fin)).event(3.0, 5, What::Closed(CloseReason::Fin));
    assert_eq!(lab.gauges(), [4, 0, 4, 1, 1, 4]);
}

#[test]
fn who_opened_a_connection_is_told_by_the_first_version_when_nothing_else_tells() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    let guessed = |evidence| Conversation { evidence, ..connection(1, "10.0.0.5:40000", "203.0.113.1:8333") };
    lab.event(1.0, 1, What::Established(Box::new(guessed(RoleEvidence::FirstPacket))));
    lab.event(1.0, 2, What::Established(Box::new(Conversation { id: PacketIndex(2), ..guessed(RoleEvidence::Port) })));
    assert_eq!(lab.gauges()[..3], [2, 0, 2]);
    for id in [1, 2] {
        lab.version(2.0, id, Side::High, "/peer/", 1, true).version(2.1, id, Side::Low, "/node/", 1, true);
    }
    assert_eq!(lab.gauges()[..3], [2, 1, 1]);
    let versions = lab.out.events.iter().filter(|p| p.series == id::PEERS);
    let directions: Vec<_> = versions.map(|p| p.values[0].clone()).collect();
    assert_eq!(directions, ["inbound", "outbound"].map(|d| Value::Text(d.into())));
}

#[test]
fn bandwidth_counts_what_was_carried_before_the_transport_was_known() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    // On a port of its own: nothing counts until it is v1, then all of it.
    lab.open(1.0, 1, "10.0.0.5:40000", "203.0.113.1:9999").progress(2.0, 1, 500, 3000);
    assert_eq!(value(&lab.interval(), "bandwidth", None, "bytes_recv"), 0);
    assert_eq!(lab.share("unknown"), [1, 1, 3000, 500, 30, 5]);
    lab.v1(3.0, 1).progress(4.0, 1, 600, 3300);
    let points = lab.interval();
    let bandwidth = ["bytes_recv", "bytes_sent", "wire_bytes_recv"].map(|c| value(&points, "bandwidth", None, c));
    assert_eq!(bandwidth, [3300, 600, 3340]);
    // It moves between the transports, and each byte is under one.
    assert_eq!((lab.share("unknown"), lab.share("v1")), ([0; 6], [1, 1, 3300, 600, 33, 6]));
    // On a Bitcoin port it counts from the start, and once.
    lab.outbound(5.0, 2).progress(6.0, 2, 100, 200);
    lab.event(7.0, 2, What::Transport(Transport::V2)).progress(8.0, 2, 1000, 2000);
    assert_eq!(value(&lab.interval(), "bandwidth", None, "bytes_recv"), 5300);
    assert_eq!(lab.share("v2"), [1, 1, 2000, 1000, 20, 10]);
    // A guess that is taken back.
    lab.v1(9.0, 2);
    assert_eq!((lab.share("v2"), lab.share("v1")), ([0; 6], [2, 2, 5300, 1600, 53, 16]));
    assert_eq!(value(&lab.interval(), "bandwidth", None, "bytes_recv"), 5300);
}

#[test]
fn a_connection_between_two_nodes_counts_for_both_each_from_its_side() {
    let mut lab = Lab::new(&["a=10.0.0.5", "b=10.0.0.6"]);
    lab.open(1.0, 1, "10.0.0.5:40000", "10.0.0.6:8333").v1(1.0, 1);
    lab.message(2.0, 1, Side::Low, Command::PING, Body::Nonce(None)).progress(3.0, 1, 124, 0);
    let expected = [("a", "10.0.0.6:8333", Direction::Sent), ("b", "10.0.0.5:40000", Direction::Recv)];
    let got: Vec<_> = lab.out.messages.iter().map(|m| (m.0.as_str(), m.1.as_str(), m.2)).collect();
    assert_eq!(got, expected);
    let points = lab.interval();
    let of = |node: &str| points.iter().filter(|p| &*p.node == node).cloned().collect::<Vec<_>>();
    for (node, inbound, recv) in [("a", 0, 0), ("b", 1, 124)] {
        assert_eq!(value(&of(node), "peers", None, "inbound"), inbound);
        assert_eq!(value(&of(node), "bandwidth", None, "bytes_recv"), recv);
        assert_eq!(value(&of(node), "msg_recv", None, "ping"), inbound);
        assert_eq!(value(&of(node), "msg_recv_bytes", None, "ping"), recv);
    }
}

#[test]
fn a_v2_attempt_without_answer_and_a_v1_connection_within_a_minute_are_a_fallback() {
    for (after, answered, expected) in [(59.0, 0, 1), (61.0, 0, 0), (5.0, 10, 0)] {
        let mut lab = Lab::new(&["10.0.0.5"]);
        lab.outbound(1.0, 1).event(1.0, 1, What::Transport(Transport::V2));
        lab.progress(2.0, 1, 100, answered).event(2.0, 1, What::Closed(CloseReason::Fin));
        // To another peer; then to the same, twice.
        lab.outbound(2.0, 2).v1(2.5, 2);
        for id in [3, 4] {
            lab.open(2.0 + after, id, "10.0.0.5:41000", "203.0.113.1:8333").v1(2.0 + after, id);
        }
        assert_eq!(value(&lab.interval(), "visibility", Some("v2"), "fallbacks"), expected, "{after} {answered}");
    }
}

#[test]
fn events_of_a_node_are_a_nanosecond_apart_at_least() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    for (id, time) in [(1, 2.0), (2, 2.0), (3, 2.0), (4, 2.0 - 1e-6), (5, 3.0), (6, 1e9), (7, 4.0)] {
        lab.outbound(1.0, id).v1(1.0, id).version(time, id, Side::High, "/same/", 1, true);
        // Nodes ignore a second version, and so do the series.
        lab.version(time, id, Side::High, "/other/", 1, true);
    }
    let times: Vec<_> = lab.out.events.iter().map(|p| p.time.nanos() - 2 * SECOND).collect();
    // Whole seconds are left to the points of intervals; a wild time drags none behind it along.
    assert_eq!(times, [1, 2, 3, 4, SECOND + 1, 999_999_998 * SECOND + 1, 2 * SECOND + 1]);
}

#[test]
fn user_agents_are_tags_up_to_500_a_day() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    let mut say = |time: f64, id: u64, agent: &str| {
        lab.open(1.0, id, "10.0.0.5:40000", &format!("203.0.{}.{}:8333", id / 250, id % 250));
        lab.v1(1.0, id).version(time, id, Side::High, agent, 1, true);
    };
    for n in 0..510 {
        say(2.0, n, &format!("/agent{n}/"));
    }
    say(3.0, 510, "/agent7/");
    say(86_401.0, 511, "/tomorrow\n/");
    let agents: Vec<_> = lab.out.events.iter().map(|p| p.values[1].clone()).collect();
    let text = |t: &str| Value::Text(t.into());
    assert_eq!((&agents[499], &agents[500], &agents[509]), (&text("/agent499/"), &text("other"), &text("other")));
    assert_eq!((&agents[510], &agents[511]), (&text("/agent7/"), &text("/tomorrow\\u{a}/")));
    let report = lab.view.report();
    assert!(report.nodes[0].user_agents.len() <= 501);
    assert_eq!(report.nodes[0].user_agents["other"], 11);
    assert_eq!(report.nodes[0].user_agents["/agent7/"], 2);
}

#[test]
fn r64_names_of_unknown_commands_are_bounded() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    lab.outbound(1.0, 1).v1(1.0, 1);
    for _ in 0..100 {
        lab.message(2.0, 1, Side::High, Command::UNKNOWN, Body::Unknown);
    }
    let points = lab.interval();
    assert_eq!(value(&points, "msg_recv", None, "unknown"), 100);
    let unknown = &lab.view.report().nodes[0].unknown_commands;
    assert_eq!((unknown.len(), unknown["other"], unknown.values().sum::<u64>()), (65, 36, 100));
}

#[test]
fn intervals_close_at_multiples_of_their_length_and_at_the_end() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    lab.outbound(3.0, 1).v1(3.0, 1).message(4.0, 1, Side::High, Command::PING, Body::Nonce(None));
    for t in 4..=25 {
        lab.tick(f64::from(t));
        if t == 12 {
            lab.message(12.5, 1, Side::High, Command::PONG, Body::Nonce(None));
        }
    }
    lab.view.finish(seconds(25.5), Counters::default(), &mut lab.out);
    let times: Vec<_> = lab.out.intervals.iter().map(|p| p[0].time.nanos()).collect();
    assert_eq!(times, [10, 20, 25].map(|s| s * SECOND + if s == 25 { SECOND / 2 } else { 0 }));
    let counts: Vec<_> = (lab.out.intervals.iter())
        .map(|p| [value(p, "msg_recv", None, "ping"), value(p, "msg_recv", None, "pong")])
        .collect();
    assert_eq!(counts, [[1, 0], [0, 1], [0, 0]]);
    assert!(lab.out.intervals.iter().all(|p| p.iter().filter(|p| p.series == id::SENSOR).count() == 1));
}

#[test]
fn nodes_are_found_after_their_time_and_nothing_before_is_lost() {
    let mut lab = Lab::new(&[]);
    for id in 1..=3 {
        lab.outbound(1.0, id).v1(1.0, id);
    }
    lab.message(2.0, 1, Side::High, Command::PING, Body::Nonce(None)).tick(10.0).tick(60.0);
    assert!(lab.out.messages.is_empty() && lab.out.intervals.is_empty());
    // 60 s after the first event, told by an event; the interval at 10 s comes out with what was before it.
    lab.message(61.0, 2, Side::Low, Command::PONG, Body::Nonce(None));
    assert_eq!(lab.out.messages.len(), 2);
    assert_eq!(lab.out.messages[0], (NODE.into(), "203.0.113.1:8333".into(), Direction::Recv, Some(Network::Mainnet)));
    assert_eq!(lab.out.intervals.iter().map(|p| p[0].time).collect::<Vec<_>>(), [seconds(10.0), seconds(20.0)]);
    assert_eq!(value(&lab.out.intervals[0], "msg_recv", None, "ping"), 1);
    // Told by a tick when no event comes.
    let mut lab = Lab::new(&[]);
    lab.outbound(1.0, 1).v1(1.0, 1).message(2.0, 1, Side::High, Command::PING, Body::Nonce(None)).tick(60.0);
    assert!(lab.out.messages.is_empty());
    lab.tick(61.0);
    assert_eq!(lab.out.messages.len(), 1);
    // At the end of the capture.
    let mut lab = Lab::new(&[]);
    lab.outbound(1.0, 1).v1(1.0, 1).message(2.0, 1, Side::High, Command::PING, Body::Nonce(None));
    assert_eq!(value(&lab.interval(), "msg_recv", None, "ping"), 0, "the node is the end that was opened to");
    assert_eq!(lab.out.messages[0].2, Direction::Sent);
}

#[test]
fn nodes_are_found_after_100_000_events() {
    let mut lab = Lab::new(&[]);
    lab.outbound(1.0, 1).v1(1.0, 1);
    for _ in 0..EVENTS - 3 {
        lab.progress(1.0, 1, 0, 0);
    }
    lab.message(1.0, 1, Side::High, Command::PING, Body::Nonce(None));
    assert_eq!(lab.out.messages.len(), 1);
    // Ticks alone, before anything was seen, are not kept.
    let mut lab = Lab::new(&[]);
    for t in 1..100 {
        lab.tick(f64::from(t) * 10.0);
    }
    assert_eq!(lab.out.intervals.len(), 99);
}

#[test]
fn what_speaks_no_bitcoin_on_its_port_makes_no_node() {
    let mut lab = Lab::new(&[]);
    for id in 1..=5 {
        lab.open(1.0, id, &format!("10.0.0.{id}:40000"), "10.0.0.99:8333");
        lab.event(1.0, id, What::Transport(Transport::NotBitcoin));
    }
    lab.open(1.0, 6, "10.0.0.7:40000", "10.0.0.8:9999").v1(1.0, 6);
    lab.message(2.0, 6, Side::High, Command::PING, Body::Nonce(None));
    lab.interval();
    assert_eq!(lab.out.messages.iter().map(|m| m.0.as_str()).collect::<Vec<_>>(), ["10.0.0.8:9999"]);
    // One that comes later on a port of its own waits as long, then its responder is a node.
    lab.open(70.0, 7, "192.0.2.1:40000", "192.0.2.2:9999").v1(70.0, 7);
    lab.message(71.0, 7, Side::Low, Command::PING, Body::Nonce(None)).tick(129.0);
    assert_eq!(lab.out.messages.len(), 1);
    lab.tick(130.0);
    assert_eq!(lab.out.messages.last().map(|m| (m.0.as_str(), m.2)), Some(("192.0.2.2:9999", Direction::Recv)));
}

#[test]
fn an_ended_connection_takes_its_last_figures_and_is_forgotten_later() {
    let mut lab = Lab::new(&["10.0.0.5"]);
    lab.outbound(1.0, 1).v1(1.0, 1).event(2.0, 1, What::Closed(CloseReason::Fin)).progress(3.0, 1, 100, 300);
    assert_eq!(value(&lab.interval(), "bandwidth", None, "bytes_recv"), 300);
    // Known for 30 s more, then no longer: figures that came even later would have no place.
    lab.tick(32.0).progress(32.5, 1, 200, 400).tick(33.0).progress(34.0, 1, 900, 900);
    assert_eq!(lab.share("v1"), [0, 1, 400, 200, 4, 2]);
    assert_eq!(lab.gauge("total_connected"), 0);
    let report = lab.view.report();
    let listed: Vec<_> = report.nodes[0].connections.iter().map(|c| (c.bytes_recv, c.bytes_sent, c.open)).collect();
    assert_eq!(listed, [(400, 200, false)]);
}
