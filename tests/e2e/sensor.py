"""A sensor under test, and what it found."""

import json
import os
import pwd
import re
import signal
import sqlite3
import subprocess
import time

from net import enter

NOBODY = pwd.getpwnam("nobody")


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def folder(work, name):
    """One that the sensor, which is root no longer, may write into."""
    path = os.path.join(work, name)
    os.makedirs(path, exist_ok=True)
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    return path


class Sensor:
    """`btcdmon live` in a namespace; its files lie in a folder of their own."""

    def __init__(self, program, network, work, name, place, *options, node=None, store=True,
                 environment=None, before=()):
        self.program, self.name = program, name
        self.folder = folder(work, name)
        self.errors, self.out = (os.path.join(self.folder, n) for n in ("stderr", "stdout"))
        self.kept, self.store = (os.path.join(self.folder, n) for n in ("kept.pcapng", "btcdmon.db"))
        command = [*before, program, "live", *options]
        command += ["--store", self.store] if store else []
        command += ["--node", node] if node else []
        self.process = network.start(place, *command, stdout=open(self.out, "w"), stderr=open(self.errors, "w"),
                                     env={**os.environ, **(environment or {})})
        wait_for(f"{name} to capture", self.captures)

    def captures(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.said()}")
        return "capturing on" in self.said()

    def said(self):
        with open(self.errors) as file:
            return file.read()

    def said_soon(self, pattern, seconds=20):
        return wait_for(f"{self.name} to say {pattern}", lambda: re.search(pattern, self.said()), seconds)

    def pid(self):
        """Of the program itself: `ip netns exec` becomes the command, setpriv does too."""
        return self.process.pid

    def status(self):
        with open(f"/proc/{self.pid()}/status") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        if how != signal.SIGKILL and code != 0:
            raise RuntimeError(f"{self.name} ended with {code}: {self.said()}")
        with open(self.out) as file:
            text = file.read()
        return json.loads(text) if text.startswith("{") else None

    def rows(self, sql):
        return rows(self.store, sql)


def rows(store, sql):
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(sql)]
    finally:
        connection.close()


def replay(program, capture, *options):
    said = subprocess.run([program, "replay", "--quiet", "--json", *options, capture],
                          capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def messages(program, capture, *options):
    said = subprocess.run([program, "messages", "--quiet", *options, capture],
                          capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def identity(message):
    """What makes a message the same one in another capture of the same traffic."""
    return tuple(message.get(k) for k in
                 ("node", "peer", "direction", "command", "payload_bytes", "checksum", "stream_offset"))


def plain_capture(work):
    path = os.path.join(work, "replayed.pcap")
    if not os.path.exists(path):
        from net import CAPTURE
        subprocess.run(["zstd", "-dqf", CAPTURE, "-o", path], check=True)
    return path


def send(place, interface, capture, *options):
    """Puts a recording on the wire."""
    subprocess.run(enter(place, "tcpreplay", "-q", "-i", interface, *options, capture),
                   capture_output=True, text=True, check=True)


def equal(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}:\n  got    {got}\n  wanted {wanted}")
