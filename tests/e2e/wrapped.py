"""A recording through every envelope that a mirror may use, byte for byte the messages of the recording."""

import os
import subprocess
import sys
import time

from net import enter
from sensor import Sensor, equal, identity, messages, plain_capture, send, wait_for

NODE = "10.88.0.2"
KINDS = ("vlan", "qinq", "gre", "erspan", "vxlan")


def envelopes(network):
    """In `lan`: what is sent on `tap` comes wrapped out of one interface a kind, in namespaces of that name."""
    network.link("lan", "tap", "lan", "tapped", mtu=1500)
    for kind in KINDS:
        network.add(kind)
        network.link("lan", f"to-{kind}", kind, "eth0", mtu=9000)
    network.address("lan", "to-vxlan", "10.89.0.1/24")
    network.address("vxlan", "eth0", "10.89.0.2/24")
    network.ip("lan", "link", "add", "vx0", "mtu", "8000", "type", "vxlan", "id", "42", "local", "10.89.0.1",
               "remote", "10.89.0.2", "dev", "to-vxlan", "dstport", "4789", "nolearning")
    network.ip("lan", "link", "set", "vx0", "up")
    # The cloud's side of the tunnel is known: no frame is lost while it asks for the address.
    mac = network.inside("vxlan", "cat", "/sys/class/net/eth0/address").strip()
    network.ip("lan", "neighbor", "replace", "10.89.0.2", "lladdr", mac, "dev", "to-vxlan")
    wrap = os.path.join(os.path.dirname(__file__), "wrap.py")
    wrapped = [f"{kind}=to-{kind}" for kind in KINDS if kind != "vxlan"]
    program = network.start("lan", sys.executable, wrap, "tapped", *wrapped, stdout=subprocess.PIPE, text=True)
    equal("the wrapping program", program.stdout.readline(), "wrapping\n")


def test_envelopes(program, network, work):
    network.add("lan")
    envelopes(network)
    network.link("lan", "in", "lan", "out")
    network.mirror("lan", "out", "tap", "vx0", directions=("ingress",))
    sensors = {kind: Sensor(program, network, work, kind, kind, "-i", "eth0", "--json",
                            "--write", os.path.join(work, kind, "kept.pcapng"), node=NODE) for kind in KINDS}
    capture = plain_capture(work)
    send("lan", "in", capture, "-x", "8")
    time.sleep(2)
    wanted = sorted(map(identity, messages(program, capture, "--node", NODE)))
    for kind, sensor in sensors.items():
        report = sensor.stop()
        equal(f"messages within {kind}", sorted(map(identity, messages(program, sensor.kept, "--node", NODE))), wanted)
        live = {name: m["recv"] + m["sent"] for name, m in report["nodes"][0]["messages"].items()}
        equal(f"messages counted within {kind}", sum(live.values()), len(wanted))
    return f"{len(wanted)} messages in each of {', '.join(KINDS)}"
