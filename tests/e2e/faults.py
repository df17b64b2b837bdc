"""Interfaces that go, disks that fill up, processes that stand still or die."""

import os
import signal
import sqlite3
import subprocess
import time

from net import run
from rights import two
from sensor import (NOBODY, Sensor, equal, folder, identity, messages, plain_capture, replay, rows, send, wait_for)

NODE = "10.88.0.2"
FRAMES = 2379  # of TCP in the recording
SECOND = 1_000_000_000  # ns


def test_interface_down_and_up(program, network, work):
    two(network)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--log-interval", "1s")
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1)
    network.ip("b", "link", "set", "eth0", "down")
    time.sleep(1)
    before = cpu(sensor)
    time.sleep(2)
    busy = cpu(sensor) - before
    assert busy < 0.5, f"{busy} s of processor time in 2 s with the interface down"
    network.ip("b", "link", "set", "eth0", "up")
    network.ip("a", "link", "set", "eth0", "up")
    time.sleep(1)
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1)
    equal("frames", sensor.stop()["capture"]["frames"], 2 * FRAMES)
    return f"{busy:.2f} s of processor time in 2 s while it was down"


def cpu(sensor):
    with open(f"/proc/{sensor.pid()}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_interface_removed(program, network, work):
    two(network)
    network.link("a", "eth1", "b", "eth1")
    both = Sensor(program, network, work, "both", "b", "-i", "eth0,eth1", "--json")
    one = Sensor(program, network, work, "one", "b", "-i", "eth0", "--interval", "1s")
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1)
    network.ip("b", "link", "del", "eth0")
    both.said_soon("warning: eth0: no longer captured on .*start again when the interface is back")
    equal("status when nothing is left", one.process.wait(20), 1)
    assert "nothing is left to capture on" in one.said(), one.said()
    equal("frames in the store", one.rows("select max(frames) as n from sensor")[0]["n"], FRAMES)
    send("a", "eth1", plain_capture(work), "-t")
    time.sleep(1)
    equal("frames", both.stop()["capture"]["frames"], 2 * FRAMES)


def has_points(store):
    try:
        return rows(store, "select time from sensor limit 1")
    except sqlite3.OperationalError:  # no table yet
        return []


def test_disk_full(program, network, work):
    two(network)
    disk = folder(work, "disk")
    run("mount", "-t", "tmpfs", "-o", f"size=2m,uid={NOBODY.pw_uid}", "tmpfs", disk)
    try:
        store = os.path.join(disk, "x.db")
        sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--interval", "1s", "--json",
                        "--log-interval", "1s", "--store", store,
                        "--write", os.path.join(disk, "kept.pcapng"), store=False)
        filler = os.path.join(disk, "filler")
        wait_for("a point in the store", lambda: has_points(store))
        filled = time.time_ns()
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
        send("a", "eth0", plain_capture(work), "-x", "10")
        sensor.said_soon("the store is not written: .*disk is full")
        sensor.said_soon("frames are not kept: ")
        sensor.said_soon("STORE NOT WRITTEN; [0-9,]+ points lost")
        full = time.time_ns()
        time.sleep(2)
        os.remove(filler)
        sensor.said_soon("the store is written again")
        send("a", "eth0", plain_capture(work), "-t")
        sensor.said_soon("frames are kept again")
        time.sleep(1)
        report = sensor.stop()
        equal("frames while the disk was full, and after", report["capture"]["frames"], 2 * FRAMES)
        points = rows(store, "select time, frames from sensor order by time")
        before = [p for p in points if p["time"] < filled]
        after = [p for p in points if p["time"] > full + 2_000_000_000]
        assert before and after, points
        equal("frames in the last point", points[-1]["frames"], 2 * FRAMES)
        lost = [b["time"] - a["time"] for a, b in zip(points, points[1:]) if b["time"] - a["time"] > 1_500_000_000]
        assert lost, "no interval is missing: was the disk full at all?"
        # What is in the files is whole.
        replay(program, os.path.join(disk, "kept.pcapng"))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    return f"{sum(lost) / 1e9:.0f} s are missing in the store"


def test_stopped_for_ten_seconds(program, network, work):
    two(network)
    capture = plain_capture(work)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--buffer", "1M",
                    "--write", os.path.join(folder(work, "s"), "kept.pcapng"), node=NODE)
    sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "2.5", capture,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    sensor.process.send_signal(signal.SIGSTOP)
    time.sleep(10)
    sensor.process.send_signal(signal.SIGCONT)
    sending.wait()
    time.sleep(1)
    live = sensor.stop()
    report = live["capture"]
    assert report["dropped"] > 0, report
    equal("frames captured and dropped", report["frames"] + report["dropped"], FRAMES)
    # What it told is what the frames say that it got, and among their messages is none that was not sent.
    (told,), (calm,) = live["nodes"], replay(program, sensor.kept, "--node", NODE)["nodes"]
    for figures in ("messages", "bandwidth", "transports", "faulty_messages", "user_agents"):
        equal(f"{figures} told, and of the frames kept", told[figures], calm[figures])
    truth = {identity(m)[:-1] for m in messages(program, capture, "--node", NODE)}
    seen = [m for m in messages(program, sensor.kept, "--node", NODE) if not m["truncated"]]
    strange = [m for m in seen if identity(m)[:-1] not in truth]
    assert seen and not strange, strange[:3]
    return f"{report['dropped']} of {FRAMES} frames dropped, {len(seen)} messages seen, none wrong"


def last_of(sensor, count, after=0):
    """The newest point in the store, when there are `count` and it is newer."""
    if not has_points(sensor.store):
        return None
    (found,) = sensor.rows("select count(*) as n, max(time) as t from sensor")
    return found["t"] if found["n"] >= count and found["t"] > after else None


def test_kill_9(program, network, work):
    two(network)
    capture = plain_capture(work)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--interval", "1s", node=NODE)
    sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "5", capture,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # An interval is over with the first frame behind it (or after a second without any) and written at once. So the
    # newest one is there soon after its end; in the middle of the next, death takes that one only.
    stored = wait_for("some intervals", lambda: last_of(sensor, 3))
    stored = wait_for("one more", lambda: last_of(sensor, 4, after=stored))
    time.sleep(0.5)
    killed = time.time_ns()
    sensor.stop(signal.SIGKILL)
    times = [p["time"] for p in sensor.rows("select time from sensor order by time")]
    over = killed // SECOND * SECOND
    # When this machine stood still meanwhile, the last interval that was over may have been on its way.
    assert times[-1] >= max(stored, over - SECOND), f"at {killed} the store ends with {times}; it had {stored}"
    equal("points of consecutive intervals", times, list(range(times[0], times[-1] + 1, SECOND)))
    equal("integrity", [list(row.values()) for row in sensor.rows("pragma integrity_check")], [["ok"]])
    behind = (killed - times[-1]) / SECOND
    asked = subprocess.run([program, "query", "--store", sensor.store, "--json", "select count(*) as n from peers"],
                           capture_output=True, text=True, check=True)
    assert '"n"' in asked.stdout, asked.stdout
    sending.wait()
    again = Sensor(program, network, work, "s", "b", "-i", "eth0", "--interval", "1s", "--json", node=NODE)
    wait_for("points after the death", lambda: again.rows(f"select 1 from sensor where time > {killed}"))
    again.stop()
    return f"the store ended {behind:.1f} s before the death (interval 1 s)"


def test_rotation(program, network, work):
    two(network)
    capture = plain_capture(work)
    where = folder(work, "files")
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--rotate", "1M", "--keep", "3",
                    "--write", os.path.join(where, "node.pcapng"), node=NODE)
    for _ in range(4):
        send("a", "eth0", capture, "-x", "40")
    time.sleep(1)
    equal("frames", sensor.stop()["capture"]["frames"], 4 * FRAMES)
    names = sorted(os.listdir(where))
    equal(f"files: {names}", len(names), 3)
    sizes = [os.path.getsize(os.path.join(where, n)) for n in names]
    assert all(size <= 1 << 20 for size in sizes), sizes
    kept = replay(program, where)["capture"]["frames"]
    assert FRAMES <= kept < 4 * FRAMES, kept
