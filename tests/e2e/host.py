"""On the node's own host: loopback, where the connections of an onion service arrive, all interfaces at once, and two
nodes watched by one sensor."""

import os
import subprocess
import sys

from nodes import Tcpdump, final_state

from agree import A, W, Traffic, carried, check_state, counted, kept
from sensor import Sensor, equal, identity, messages, replay

T = "t"  # calls the onion service
HOSTS = {W: 2, A: 3, T: 5}
SERVICE = "10.88.0.2:9050"  # a stranger's port: the sensor sees those connections on loopback only
INNER_PORT = "18445"  # no port of Bitcoin's: the sensor has to be told
INNER = f"127.0.0.1:{INNER_PORT}"


def test_loopback_and_several_nodes(program, network, work):
    network.lan(HOSTS)
    traffic = Traffic(work, "10.88.0.", bulk=100, hosts=HOSTS)
    watched, seed = traffic.node[W], traffic.node[A]
    try:
        traffic.begin()
        # Before the sensors, which are to find it by its sockets; it has no connection yet.
        watched.start(listen=[INNER])
        onion = network.start(W, sys.executable, os.path.join(os.path.dirname(__file__), "onion.py"), SERVICE, INNER,
                              stdout=subprocess.PIPE, text=True)
        equal("the onion service", onion.stdout.readline(), "handing on\n")
        # Of the ports, as plain connections are found on any port of a file: those to the service too, and RPC.
        ports = {"eth0": "port 18444", "lo": f"port {INNER_PORT}"}
        references = {name: os.path.join(work, f"{name}.pcap") for name in ports}
        tcpdumps = [Tcpdump(watched, path, name, f"tcp {ports[name]}") for name, path in references.items()]
        sensors = {name: Sensor(program, network, work, name, W, "-i", interfaces, "--json", "--port", INNER_PORT,
                                *kept(work, name))
                   for name, interfaces in (("both", "eth0,lo"), ("any", "any"), ("lo", "lo"))}
        several = Sensor(program, network, work, "several", W, "-i", "eth0", "--json", "--node", seed.address,
                         node=watched.address)
        watched.connect(seed)
        traffic.settle(W, A)
        traffic.node[T].start()
        traffic.node[T].rpc("node", "connect", SERVICE, "temp")
        traffic.settle(W, A, T)
        traffic.wave(9, A, T, W)
        seed.mine(1)
        traffic.settle(W, A, T)
        said = final_state(watched)
        of_seed = seed.rpc("getnettotals")
        reports = {name: sensor.stop() for name, sensor in sensors.items()}
        of_two = several.stop()
        for tcpdump in tcpdumps:
            tcpdump.stop()
    finally:
        traffic.stop()

    # tcpdump sees each frame of loopback once; the node has another address there, so names are left out.
    watching = {"eth0": ("--node", watched.address), "lo": ("--node", INNER)}
    wanted = {name: replay(program, path, *watching[name]) for name, path in references.items()}
    seen = {name: [identity(m)[1:] for m in messages(program, path, *watching[name])] for name, path in references.items()}
    assert all(seen.values()), seen
    (onions,) = [p for p in said["getpeerinfo"] if p["addr"].startswith("127.0.0.1:")]
    everywhere = "--node", f"{watched.address},{INNER}"
    for name, parts in (("both", ("eth0", "lo")), ("any", ("eth0", "lo")), ("lo", ("lo",))):
        report = reports[name]
        equal(f"{name}: frames seen twice", report["capture"]["tcp_anomalies"].get("duplicate_frame", 0), 0)
        equal(f"{name}: messages counted", counted(report), together([counted(wanted[p]) for p in parts]))
        found = [identity(m)[1:] for m in messages(program, sensors[name].kept, *everywhere)]
        equal(f"{name}: messages", sorted(found, key=str), sorted([m for p in parts for m in seen[p]], key=str))
        peers = said["getpeerinfo"] if len(parts) == 2 else [onions]
        equal(f"{name}: peers", open_peers(report), sorted((p["addr"], p["inbound"]) for p in peers))
        equal(f"{name}: drops", report["capture"]["dropped"], 0)
    for name in ("both", "any"):
        check_state(name, reports[name], said)
        totals = said["getnettotals"]["totalbytesrecv"], said["getnettotals"]["totalbytessent"]
        equal(f"{name}: bytes", carried(reports[name]), totals)
    equal("lo: bytes", carried(reports["lo"]), (onions["bytesrecv"], onions["bytessent"]))

    nodes = {node["node"].rsplit(":", 1)[0]: node for node in of_two["nodes"]}
    equal("nodes of the sensor that watches two", sorted(nodes), [watched.address, seed.address])
    for address, node in nodes.items():
        (alone,) = replay(program, references["eth0"], "--node", address)["nodes"]
        for key in ("messages", "bandwidth", "transports", "open"):
            equal(f"of two: {key} of {address}", node[key], alone[key])
        equal(f"of two: peers of {address}", open_peers({"nodes": [node]}), open_peers({"nodes": [alone]}))
    equal("of two: bytes of the seed", carried({"nodes": [nodes[seed.address]]}),
          (of_seed["totalbytesrecv"], of_seed["totalbytessent"]))
    return f"{len(seen['eth0'])} messages on eth0, {len(seen['lo'])} on lo, {len(nodes)} nodes at once"


def together(counts):
    """The sums, command by command."""
    return {command: tuple(map(sum, zip(*(c[command] for c in counts if command in c))))
            for command in sorted({name for c in counts for name in c})}


def open_peers(report):
    (node,) = report["nodes"]
    return sorted((c["peer"], c["direction"] == "inbound") for c in node["connections"] if c["open"])
