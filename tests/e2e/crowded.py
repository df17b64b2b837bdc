"""Whoever looks cannot slow the capture: fifty event streams, streams of all messages, and statements that read everything, beside traffic."""

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
# Of those who look some have the page of messages open too, which is a stream more; 64 are all that there are.
MESSAGES = 6
# Four tables of a hundred rows and more, each with each: no machine is through before the limit of 5 s.
SCAN = ("SELECT count(*) FROM processed_blocks a, processed_blocks b, processed_blocks c, processed_blocks d, "
        "tx e WHERE a.size + b.size < c.size + d.size + e.vsize")
PATIENCE = 60


class Crowd:
    """crowd.py, asked what came so far."""

    def __init__(self, network, place, address):
        command = [sys.executable, os.path.join(os.path.dirname(__file__), "crowd.py"), address,
                   str(STREAMS), str(MESSAGES), SCAN, SCAN]
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


def heard(crowd):
    """Messages that came or are told to have been left out, of each stream."""
    return {m.get("message", 0) + m.get("skipped", 0) for m in crowd.told()["messages"]}


def test_lookers_cost_no_packet(program, network, work):
    two(network)
    capture = plain_capture(work)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s",
                    "--web", "127.0.0.1:0", node="10.88.0.2")
    address = sensor.said_soon(r"http://(127\.0\.0\.1:\d+)").group(1)
    beside = network.start("b", "tcpdump", "-i", "eth0", "-n", "-s", "0", "-B", "65536", "-w", "/dev/null", "tcp",
                           stderr=subprocess.PIPE, text=True)
    # Something to scan: of fifty rows each SCAN makes 3 * 10^8 combinations, too many for its 5 s. All of the recording is
    # through, so that whoever looks from now on is told of the same.
    send("a", "eth0", capture, "-t")
    rows = ("SELECT (SELECT count(*) FROM processed_blocks) AS blocks, (SELECT count(*) FROM tx) AS txs, "
            "(SELECT max(frames + kernel_drops) FROM sensor) AS counted")

    def through():
        have = sensor.rows(rows)[0]
        return have["counted"] == FRAMES and min(have["blocks"], have["txs"]) >= 50

    wait_for("blocks and transactions in the store", through)
    crowd = Crowd(network, "b", address)
    wait_for("the streams", lambda: min(crowd.told()["events"]) > 0, PATIENCE)
    wait_for("the streams of messages", lambda: all(m.get("opened") for m in crowd.told()["messages"]), PATIENCE)
    send("a", "eth0", capture, "-K", "--mbps", str(MBITS), "--loop", str(LOOPS))
    sent = FRAMES * (1 + LOOPS)
    # Everybody is told of the traffic that came while he looked, to its end; and each scan has met its limit.
    wait_for("the newest status on each stream", lambda: set(crowd.told()["counted"]) == {sent}, PATIENCE)
    # Who is too slow for the messages is told how many he missed: with those, each knows of the same.
    wait_for("all messages, or their number, on each stream", lambda: len(heard(crowd)) == 1 and min(heard(crowd)) > 0, PATIENCE)
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
    came, missed = (sum(m.get(name, 0) for m in told["messages"]) for name in ("message", "skipped"))
    lost = f"{ours['dropped']} lost by the sensor, {theirs} by tcpdump" if ours["dropped"] or theirs else "none lost"
    return (f"{sent} packets, {lost}; {events} events to {STREAMS} streams, {came} messages and the number of {missed} "
            f"more to {MESSAGES}, {scans} scans stopped, {others} other answers")
