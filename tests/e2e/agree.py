"""Real btcd nodes, sensors beside the watched one and on mirror ports: all see the same, and what the node says."""

import collections
import os
import random
import re
import signal
import time

import bitcoin
import nodes
from nodes import Node, Tcpdump, final_state, wait_for, wait_same_tip
from record import Wallet
from truth import logged

from sensor import Sensor, equal, folder, identity, messages, replay, rows
from wrapped import KINDS, envelopes

W, A, B = "w", "a", "b"
HOSTS = {W: 2, A: 3, B: 4}
LATER = 20  # s from the watched node's start to that of the later sensor


class Traffic:
    """Nodes on one bridge, and coins to spend."""

    def __init__(self, work, prefix, bulk, hosts=HOSTS):
        log = nodes.Log(os.path.join(work, "actions.jsonl"))
        chains = os.path.join(work, "nodes")
        self.node = {name: Node(name, f"{prefix}{number}", chains, log) for name, number in hosts.items()}
        self.wallet = Wallet(random.Random(5))
        self.wallet.bulk = bulk

    def begin(self, **options):
        """A chain with coins, at the seed."""
        seed = self.node[A]
        seed.start(**options)
        seed.mine(104)
        self.wallet.scan_coinbases(seed)
        spread = self.wallet.fan_out(90)
        seed.send(spread)
        seed.mine(1)
        self.wallet.coins = spread.coins()
        for count in (3, 6):
            for _ in range(count):
                seed.send(self.wallet.payment())
            seed.mine(1)

    def settle(self, *names):
        wait_same_tip([self.node[name] for name in names])

    def wave(self, count, *at):
        for n in range(count):
            self.node[at[n % len(at)]].send(self.wallet.payment())
            time.sleep(0.1)
        wait_for("equal mempools", lambda: len(
            {tuple(sorted(node.rpc("getrawmempool"))) for node in self.node.values()}) == 1)

    def rest(self):
        """The node's totals, when they have stood still for longer than two inventory trickles."""
        last, since = self.totals(), time.monotonic()
        while time.monotonic() - since < 5:
            time.sleep(0.2)
            if self.totals() != last:
                last, since = self.totals(), time.monotonic()
        return last

    def totals(self):
        said = self.node[W].rpc("getnettotals")
        return said["totalbytesrecv"], said["totalbytessent"]

    def stop(self):
        for node in self.node.values():
            node.stop()


def counted(report):
    """Messages of each command, as both directions count them."""
    (node,) = report["nodes"]
    return {name: (m["recv"], m["recv_bytes"], m["sent"], m["sent_bytes"]) for name, m in node["messages"].items()}


def carried(report):
    bandwidth = report["nodes"][0]["bandwidth"]
    return bandwidth["bytes_recv"], bandwidth["bytes_sent"]


def kept(work, name):
    return "--write", os.path.join(folder(work, name), "kept.pcapng")


def check_state(what, report, said):
    (node,) = report["nodes"]
    equal(f"{what}: peers", node["open"]["total"], said["getconnectioncount"])
    equal(f"{what}: inbound", node["open"]["inbound"], sum(p["inbound"] for p in said["getpeerinfo"]))
    equal(f"{what}: height", node["chain"]["best_height"], said["getblockcount"])
    equal(f"{what}: mempool", node["mempool"]["num_tx"], len(said["getrawmempool"]))
    equal(f"{what}: drops", report["capture"]["dropped"], 0)


def test_plain_nodes_and_mirrors(program, network, work):
    network.lan(HOSTS)
    envelopes(network)
    for name, interfaces in (("mirror", ["eth0"]), ("split", ["in", "out"]), ("twice", ["eth0"])):
        network.add(name)
        for interface in interfaces:
            network.link("lan", f"{name}-{interface}", name, interface)
    network.mirror("lan", "to-w", "mirror-eth0", "split-in", "twice-eth0", "twice-eth0", "tap", "vx0",
                   directions=("egress",))
    network.mirror("lan", "to-w", "mirror-eth0", "split-out", "twice-eth0", "twice-eth0", "tap", "vx0",
                   directions=("ingress",))
    traffic = Traffic(work, "10.88.0.", bulk=500)
    watched = traffic.node[W]
    node = watched.address
    try:
        traffic.begin()
        reference = os.path.join(work, "reference.pcap")
        tcpdump = Tcpdump(watched, reference)
        places = {"host": (W, "eth0"), "mirror": ("mirror", "eth0"), "split": ("split", "in,out"),
                  "twice": ("twice", "eth0"), **{kind: (kind, "eth0") for kind in KINDS}}
        sensors = {name: Sensor(program, network, work, name, place, "-i", interface, "--json", *kept(work, name),
                                node=node) for name, (place, interface) in places.items()}
        watched.start(connect=[traffic.node[A]])
        began = time.monotonic()
        traffic.settle(W, A)
        traffic.node[B].start(connect=[watched])
        traffic.settle(W, B)
        traffic.wave(10, A, B, W)
        traffic.node[A].mine(1)
        traffic.settle(W, A, B)
        time.sleep(1)

        # A second sensor, later than the nodes, with nothing said to it but where the host keeps state.
        before = traffic.rest()
        time.sleep(max(0, LATER - (time.monotonic() - began)))
        network.ip(W, "route", "add", "default", "dev", "eth0")
        state = folder(work, "late-state")
        late = Sensor(program, network, work, "late", W, store=False, environment={"STATE_DIRECTORY": state})
        assert f"capturing on eth0, watching {node}, " in late.said(), late.said()
        since = time.time_ns()
        equal("totals while it started", traffic.totals(), before)
        watched.ping()
        traffic.wave(10, B, A, W)
        traffic.node[B].mine(2)
        traffic.settle(W, A, B)
        traffic.wave(4, A, W)
        said = final_state(watched)
        reports = {name: sensor.stop() for name, sensor in sensors.items()}
        late.stop(signal.SIGTERM)
        tcpdump.stop()
    finally:
        traffic.stop()

    wanted = replay(program, reference, "--node", node)
    totals = said["getnettotals"]["totalbytesrecv"], said["getnettotals"]["totalbytessent"]
    equal("bytes in the reference", carried(wanted), totals)
    everything = messages(program, reference, "--node", node)
    identities = sorted(map(identity, everything))
    for name, report in reports.items():
        check_state(name, report, said)
        equal(f"{name}: bytes", carried(report), totals)
        equal(f"{name}: messages counted", counted(report), counted(wanted))
        equal(f"{name}: messages", sorted(map(identity, messages(program, sensors[name].kept, "--node", node))), identities)
    doubled = reports["twice"]["capture"]["tcp_anomalies"].get("duplicate_frame", 0)
    equal("duplicated frames counted", doubled, reports["mirror"]["capture"]["frames_used"])
    check_late(os.path.join(state, "btcdmon.db"), everything, since, before, totals, said)
    return f"{len(everything)} messages, {sum(totals)} bytes, {len(reports) + 1} sensors"


def check_late(store, everything, since, before, totals, said):
    """From its start on it agrees with the node and with what was on the wire."""
    last = rows(store, "select * from bandwidth order by time")[-1]
    equal("late: bytes", (last["bytes_recv"], last["bytes_sent"]), (totals[0] - before[0], totals[1] - before[1]))
    peers = [p for p in rows(store, "select * from peers order by time") if p["total_connected"] is not None][-1]
    equal("late: peers", peers["total_connected"], said["getconnectioncount"])
    equal("late: inbound", peers["inbound"], sum(p["inbound"] for p in said["getpeerinfo"]))
    heights = rows(store, "select best_height from blocks where best_height is not null order by time")
    equal("late: height", heights[-1]["best_height"], said["getblockcount"])
    wanted = collections.Counter((m["direction"], m["command"]) for m in everything if m["time"] > since)
    seen = collections.Counter()
    for direction in ("recv", "sent"):
        for row in rows(store, f"select * from msg_{direction}"):
            for command, n in row.items():
                if command not in ("time", "sensor", "node", "transport", "inv_known") and n:
                    seen[direction, command] += n
    equal("late: messages", dict(seen), dict(wanted))


def test_encrypted_and_ipv6(program, network, work):
    # A bridge that forgets every address at once is a hub: each port sees all frames.
    network.lan({**HOSTS, "hub": 8})
    network.ip("lan", "link", "set", "br0", "type", "bridge", "ageing_time", "0")
    network.add("mirror")
    network.link("lan", "mirror-eth0", "mirror", "eth0")
    network.mirror("lan", "to-w", "mirror-eth0")
    traffic = Traffic(work, "fd88::", bulk=100)
    watched = traffic.node[W]
    try:
        traffic.begin(v2=True)
        reference = os.path.join(work, "reference.pcap")
        tcpdump = Tcpdump(watched, reference)
        sensors = {name: Sensor(program, network, work, name, place, "-i", "eth0", "--json", *kept(work, name),
                                node=watched.address)
                   for name, place in (("host", W), ("mirror", "mirror"), ("hub", "hub"))}
        watched.start(connect=[traffic.node[A]], v2=True)
        traffic.settle(W, A)
        traffic.node[B].start(connect=[watched])
        traffic.settle(W, B)
        traffic.wave(9, A, B, W)
        traffic.node[A].mine(1)
        traffic.settle(W, A, B)
        said = final_state(watched)
        reports = {name: sensor.stop() for name, sensor in sensors.items()}
        tcpdump.stop()
    finally:
        traffic.stop()
    wanted = replay(program, reference, "--node", watched.address)
    identities = sorted(map(identity, messages(program, reference, "--node", watched.address)))
    assert identities
    versions = collections.Counter("v2" if p["v2_connection"] else "v1" for p in said["getpeerinfo"])
    equal("connections of the node", versions, {"v1": 1, "v2": 1})
    (plain,) = [p for p in said["getpeerinfo"] if not p["v2_connection"]]
    (secret,) = [p for p in said["getpeerinfo"] if p["v2_connection"]]
    secret_bytes = on_the_wire(watched, secret)
    for name, report in reports.items():
        (node,) = report["nodes"]
        equal(f"{name}: transports", {k: node["transports"][k]["open"] for k in ("v1", "v2")}, {"v1": 1, "v2": 1})
        equal(f"{name}: peers", node["open"]["total"], said["getconnectioncount"])
        equal(f"{name}: height", node["chain"]["best_height"], said["getblockcount"])
        (v1,) = [c for c in node["connections"] if c["transport"] == "v1"]
        equal(f"{name}: bytes of the plain connection", (v1["bytes_recv"], v1["bytes_sent"]),
              (plain["bytesrecv"], plain["bytessent"]))
        (v2,) = [c for c in node["connections"] if c["transport"] == "v2"]
        equal(f"{name}: bytes of the encrypted connection", (v2["bytes_recv"], v2["bytes_sent"]), secret_bytes)
        equal(f"{name}: messages counted", counted(report), counted(wanted))
        equal(f"{name}: bytes", carried(report), carried(wanted))
        seen = messages(program, sensors[name].kept, "--node", watched.address)
        equal(f"{name}: messages", sorted(map(identity, seen)), identities)
        equal(f"{name}: drops", report["capture"]["dropped"], 0)
    return f"{len(identities)} readable messages, {sum(carried(wanted))} bytes"


# Of BIP 324: what each side sends once besides its garbage (its key, the terminator of the garbage, and a version
# packet without contents), and what a packet is longer than its contents (length, header, tag).
KEY, TERMINATOR, PACKET = 64, 16, 3 + 1 + 16
ONCE = KEY + TERMINATOR + PACKET


def on_the_wire(node, peer):
    """Bytes received and sent of an encrypted connection that `node` has opened, from what btcd counts.

    It leaves the handshake out of both, and counts whole packets that it sends but of those that it receives only the
    contents. Its log tells what is missing: how long each side's garbage was, and how many messages came.
    """
    path = os.path.join(node.folder, "output")
    with open(path) as file:
        log = file.read()
    (garbage_sent,) = map(int, re.findall(r"V2TR: Initiating v2 handshake \(garbageLen=(\d+)\)", log))
    (garbage_ended,) = map(int, re.findall(r"V2TR: Found garbage terminator after (\d+) total bytes", log))
    received = logged(path)[peer["addr"], "recv"]
    assert received, "the log names no message of the peer"
    return (peer["bytesrecv"] + PACKET * len(received) + ONCE + garbage_ended - TERMINATOR,
            peer["bytessent"] + ONCE + garbage_sent)
