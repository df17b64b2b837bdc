"""What the sensor may still do once it captures; what it says when it may not capture."""

import os
import shutil
import socket
import subprocess
import time

from net import enter
from sensor import NOBODY, Sensor, equal, folder, plain_capture, send, wait_for

ONLY_NET_RAW = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
                "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw")
UNPRIVILEGED = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")


def two(network):
    network.add("a")
    network.add("b")
    network.link("a", "eth0", "b", "eth0")


def check_harmless(sensor, bounding):
    """Nothing is left, in any thread."""
    user = str(NOBODY.pw_uid)
    threads = os.listdir(f"/proc/{sensor.pid()}/task")
    assert len(threads) >= 4, threads
    for thread in threads:
        with open(f"/proc/{sensor.pid()}/task/{thread}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        equal(f"users of {status['Name']}", status["Uid"].split(), [user] * 4)
        equal(f"groups of {status['Name']}", status["Gid"].split(), [str(NOBODY.pw_gid)] * 4)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            equal(f"{kind} of {status['Name']}", int(status[kind], 16), 0)
        equal(f"CapBnd of {status['Name']}", int(status["CapBnd"], 16), bounding)
        equal(f"NoNewPrivs of {status['Name']}", status["NoNewPrivs"], "1")
        equal(f"Seccomp of {status['Name']}", status["Seccomp"], "2")


def captured(sensor, work):
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1.5)
    return sensor.stop()["capture"]["frames"]


def test_root_becomes_nobody(program, network, work):
    two(network)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json")
    check_harmless(sensor, bounding=0)
    equal("frames", captured(sensor, work), 2379)
    equal("owner of the store", os.stat(sensor.store).st_uid, NOBODY.pw_uid)


def test_only_net_raw(program, network, work):
    two(network)
    state = folder(work, "state")
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", store=False,
                    environment={"XDG_STATE_HOME": state}, before=ONLY_NET_RAW)
    check_harmless(sensor, bounding=1 << 13)
    equal("frames", captured(sensor, work), 2379)
    assert os.path.exists(os.path.join(state, "btcdmon", "btcdmon.db"))


def test_setcap_and_without_any_right(program, network, work):
    two(network)
    copy = os.path.join(work, "btcdmon")
    shutil.copy(program, copy)
    done = subprocess.run(enter("b", *UNPRIVILEGED, copy, "live", "-i", "eth0", "--no-store"),
                          capture_output=True, text=True)
    equal("status without a right", done.returncode, 1)
    equal("lines", len(done.stderr.splitlines()), 1)
    assert f"sudo setcap cap_net_raw+ep {copy}" in done.stderr and "systemd" in done.stderr, done.stderr
    subprocess.run(["setcap", "cap_net_raw+ep", copy], check=True)
    sensor = Sensor(copy, network, work, "s", "b", "-i", "eth0", "--json", before=UNPRIVILEGED)
    for kind in ("CapPrm", "CapEff"):
        equal(kind, int(sensor.status()[kind], 16), 0)
    equal("frames", captured(sensor, work), 2379)


def test_wrong_interfaces_and_folders(program, network, work):
    two(network)
    network.link("a", "eth1", "b", "eth1")
    network.address("b", "eth0", "10.88.0.2/24")
    network.address("b", "eth1", "10.88.1.2/24")
    roots = os.path.join(work, "roots")
    os.mkdir(roots, 0o755)
    for options, words in (
        (("-i", "eth7"), ("no network interface `eth7`", "eth0", "any")),
        ((), ("no default route", "-i", "eth0", "eth1")),
        (("-i", "eth0", "--filter", "tcp prot 8333"), ("filter `tcp prot 8333`", "syntax error")),
        (("-i", "eth0", "--store", "/nonexistent/x.db"), ("/nonexistent does not exist",)),
        (("-i", "eth0", "--store", f"{roots}/x.db"), (f"may not write into {roots}", "--user")),
        (("-i", "eth0", "--user", "who?"), ("no user `who?`",)),
    ):
        done = subprocess.run(enter("b", program, "live", "--duration", "1s", *options), capture_output=True, text=True,
                              env={**os.environ, "STATE_DIRECTORY": folder(work, "state")})
        equal(f"status of {options}", done.returncode, 1)
        equal(f"lines of {options}: {done.stderr}", len(done.stderr.splitlines()), 1)
        assert all(word in done.stderr for word in words), done.stderr


def test_systemd_protocol(program, network, work):
    two(network)
    path = os.path.join(folder(work, "run"), "notify")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(path)
    os.chmod(path, 0o777)
    listening.settimeout(20)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--log-interval", "1s",
                    environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"})
    told, end = [], time.monotonic() + 5
    while time.monotonic() < end:
        told.append(listening.recv(4096).decode())
    lines = [line for text in told for line in text.split("\n")]
    equal("first", lines[0], "READY=1")
    assert 4 <= lines.count("WATCHDOG=1") <= 12, lines
    assert any(line.startswith("STATUS=no Bitcoin node seen yet on eth0") for line in lines), lines
    # A sensor that stands still gives no sign of life.
    sensor.process.send_signal(19)
    listening.settimeout(2)
    try:
        while True:
            listening.recv(4096)
    except TimeoutError:
        pass
    sensor.process.send_signal(18)
    listening.settimeout(20)
    wait_for("a sign of life", lambda: "WATCHDOG=1" in listening.recv(4096).decode())
    sensor.stop(15)
    told = []
    while "STOPPING=1" not in told:
        told += listening.recv(4096).decode().split("\n")


def test_systemd_unit(program, network, work):
    unit = os.path.join(os.path.dirname(__file__), "..", "..", "deploy", "systemd", "btcdmon.service")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=19", "--no-pager", unit],
                          capture_output=True, text=True)
    line = [line for line in done.stdout.splitlines() if "Overall exposure level" in line]
    assert done.returncode == 0 and line, done.stdout + done.stderr
    return line[0].strip(" →\n")
