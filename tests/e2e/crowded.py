"""Whoever looks cannot slow the capture: fifty event streams and statements that read everything, beside traffic."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from rights import two
from sensor import Sensor, equal, plain_capture, send, wait_for

FRAMES = 2379  # of TCP in the recording
LOOPS, MBITS = 50, 50  # about 10 s: below what a busy machine of two cores can capture
STREAMS = 50
# Four tables of a hundred rows and more, each with each: no machine is through before the limit of 5 s.
SCAN = ("SELECT count(*) FROM processed_blocks a, processed_blocks b, processed_blocks c, processed_blocks d, "
        "tx e WHERE a.size + b.size < c.size + d.size + e.vsize")
PATIENCE = 60


class Crowd:
    """crowd.py, asked what came so far."""

    def __init__(self, network, place, address):
        command = [sys.executable, os.path.join(os.path.dirname(__file__), "crowd.py"), address, str(STREAMS), SCAN, SCAN]
        self.process = network.start(place, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        equal("trouble of the crowd", told["failed"], [])
        return told

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)


def test_lookers_cost_no_packet(program, network, work):
    two(network)
    capture = plain_capture(work)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s",
                    "--web", "127.0.0.1:0", node="10.88.0.2")
    address = sensor.said_soon(r"http://(127\.0\.0\.1:\d+)").group(1)
    beside = network.start("b", "tcpdump", "-i", "eth0", "-n", "-s", "0", "-B", "65536", "-w", "/dev/null", "tcp",
                           stderr=subprocess.PIPE, text=True)
    # Something to scan.
    send("a", "eth0", capture, "-t")
    rows = "SELECT (SELECT count(*) FROM processed_blocks) AS blocks, (SELECT count(*) FROM tx) AS txs"
    wait_for("blocks and transactions in the store", lambda: min(sensor.rows(rows)[0].values()) >= 50)
    crowd = Crowd(network, "b", address)
    wait_for("the streams", lambda: min(crowd.told()["events"]) > 0, PATIENCE)
    send("a", "eth0", capture, "-K", "--mbps", str(MBITS), "--loop", str(LOOPS))
    sent = FRAMES * (1 + LOOPS)
    # Everybody is told of the traffic that came while he looked, to its end; and each scan has met its limit.
    wait_for("the newest status on each stream", lambda: set(crowd.told()["counted"]) == {sent}, PATIENCE)
    wait_for("the ends of scans", lambda: all(sum(s.values()) >= 2 for s in crowd.told()["statements"]), PATIENCE)
    told = crowd.told()
    crowd.close()
    beside.send_signal(signal.SIGINT)
    theirs = int(re.search(r"(\d+) packets? dropped by kernel", beside.communicate(timeout=PATIENCE)[1]).group(1))
    ours = sensor.stop()["capture"]
    equal("packets captured and lost", ours["frames"] + ours["dropped"], sent)
    if ours["dropped"] and not theirs:
        raise AssertionError(f"the sensor lost {ours['dropped']} of {sent} packets, tcpdump beside it none")
    for statement in told["statements"]:
        equal("how a scan ends", set(statement), {"time_limit"})
    equal("answers to all else", {name.rsplit(" ", 1)[1] for name in told["others"]}, {"200"})
    events, others = sum(told["events"]), sum(told["others"].values())
    scans = sum(sum(s.values()) for s in told["statements"])
    lost = f"{ours['dropped']} lost by the sensor, {theirs} by tcpdump" if ours["dropped"] or theirs else "none lost"
    return f"{sent} packets, {lost}; {events} events to {STREAMS} streams, {scans} scans stopped, {others} other answers"
