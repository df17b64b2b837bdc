"""Namespaces, links and mirrors. Everything made here is gone at the end."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "captures"))
import nodes  # noqa: E402  (the recordings' own module: nodes in namespaces, and their RPC)

PREFIX = "btcdmon-e2e-"
nodes.PREFIX = PREFIX
CAPTURE = os.path.join(os.path.dirname(__file__), "..", "..", "captures", "btcd-v1", "capture.pcap.zst")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def enter(name, *command):
    return ("ip", "netns", "exec", PREFIX + name, *command)


class Network:
    def __init__(self):
        self.names = []
        self.processes = []

    def __enter__(self):
        for name in run("ip", "netns", "list").split():
            if name.startswith(PREFIX):
                self.names.append(name.removeprefix(PREFIX))
        self.__exit__()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for name in self.names:
            pids = run("ip", "netns", "pids", PREFIX + name).split()
            for pid in pids:
                subprocess.run(["kill", "-9", pid], capture_output=True)
            run("ip", "netns", "del", PREFIX + name)
        self.names, self.processes = [], []

    def start(self, name, *command, **options):
        process = subprocess.Popen(enter(name, *command), **options)
        self.processes.append(process)
        return process

    def add(self, name):
        run("ip", "netns", "add", PREFIX + name)
        self.names.append(name)
        self.ip(name, "link", "set", "lo", "up")

    def ip(self, name, *arguments):
        return run("ip", "-n", PREFIX + name, *arguments)

    def inside(self, name, *command):
        return run(*enter(name, *command))

    def link(self, a, a_end, b, b_end, mtu=1500, offloads=False):
        """A cable from interface `a_end` of `a` to `b_end` of `b`."""
        self.ip(a, "link", "add", a_end, "mtu", str(mtu), "type", "veth",
                "peer", "name", b_end, "mtu", str(mtu), "netns", PREFIX + b)
        for name, end in ((a, a_end), (b, b_end)):
            self.ip(name, "link", "set", end, "up")
            if not offloads:
                # As between machines: no frame beyond the MTU, every checksum filled in.
                self.inside(name, "ethtool", "-K", end, "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def address(self, name, end, *addresses):
        for address in addresses:
            more = ("nodad",) if ":" in address else ()
            self.ip(name, "address", "add", address, "dev", end, *more)

    def lan(self, hosts):
        """Hosts on a bridge, with addresses 10.88.0.N and fd88::N on eth0."""
        self.add("lan")
        self.ip("lan", "link", "add", "br0", "type", "bridge")
        self.ip("lan", "link", "set", "br0", "up")
        for name, number in hosts.items():
            self.add(name)
            self.link("lan", f"to-{name}", name, "eth0")
            self.ip("lan", "link", "set", f"to-{name}", "master", "br0")
            self.address(name, "eth0", f"10.88.0.{number}/24", f"fd88::{number}/64")

    def mirror(self, name, source, *targets, directions=("ingress", "egress")):
        """Every frame of `source` also to `targets`, as a switch's mirror port does."""
        actions = [word for target in targets for word in ("action", "mirred", "egress", "mirror", "dev", target)]
        self.inside(name, "tc", "qdisc", "replace", "dev", source, "clsact")
        for direction in directions:
            self.inside(name, "tc", "filter", "add", "dev", source, direction, "protocol", "all",
                        "u32", "match", "u32", "0", "0", *actions)
