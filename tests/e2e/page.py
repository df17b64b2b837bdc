"""The dashboard beside a running node: what is new appears by itself."""

import os
import queue
import re
import statistics
import subprocess
import threading
import time

from net import enter
from sensor import Sensor, wait_for

from agree import A, HOSTS, Traffic, W

BROWSER = os.path.join(os.path.dirname(__file__), "..", "browser")
# Much longer than the two seconds in which a new block is to show: the machine may be busy. The time is told, not tested.
PATIENCE = 30


class Missing(Exception):
    """Something that this test needs is not here."""


def chromium():
    ready = subprocess.run([os.path.join(BROWSER, "ready.sh")], capture_output=True, text=True)
    if ready.returncode == 3:
        raise Missing(ready.stderr.strip().removeprefix("SKIPPED: "))
    if ready.returncode != 0:
        raise RuntimeError(ready.stderr)
    return ready.stdout.strip()


class Page:
    """Two pages of the dashboard in a browser of the sensor's namespace."""

    def __init__(self, place, url):
        self.process = subprocess.Popen(
            enter(place, "node", os.path.join(BROWSER, "live.mjs"), url), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "CHROMIUM": chromium()})
        self.said, self.lines = queue.Queue(), []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said.put((time.monotonic(), line.strip()))
        self.said.put((time.monotonic(), "closed"))

    def wait(self, wanted):
        """When the page said so."""
        end = time.monotonic() + PATIENCE
        while True:
            for at, line in self.lines:
                if line == wanted:
                    return at
            try:
                self.lines.append(self.said.get(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                raise TimeoutError(f"waited for {wanted!r}; the page said {[line for _, line in self.lines]}") from None
            if self.lines[-1][1] == "closed":
                raise RuntimeError(f"the browser is gone; the page said {[line for _, line in self.lines]}")

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=PATIENCE)
        while not self.said.empty():
            self.lines.append(self.said.get())
        return [line for _, line in self.lines if line.startswith("wrong")]


def test_live_dashboard(program, network, work):
    chromium()
    network.lan(HOSTS)
    traffic = Traffic(work, "10.88.0.", bulk=100)
    watched, page = traffic.node[W], None
    try:
        traffic.begin()
        sensor = Sensor(program, network, work, "host", W, "-i", "eth0", "--web", "127.0.0.1:0", node=watched.address)
        url = wait_for("the dashboard's address", lambda: re.search(r"http://127\.0\.0\.1:\d+", sensor.said())).group()
        if 'id="app"' not in network.inside(W, "curl", "-s", url):
            raise Missing("a program that was built with the page (make ui, then build)")
        watched.start(connect=[traffic.node[A]])
        traffic.settle(W, A)
        height = watched.rpc("getblockcount")
        page = Page(W, url)
        page.wait("ready")
        page.wait(f"height {height}")
        page.wait(f"row {height}")
        delays = []
        for _ in range(3):
            height += 1
            traffic.node[A].mine(1)
            wait_for("the node to have the block", lambda: watched.rpc("getblockcount") == height)
            since = time.monotonic()
            delays.append([max(0, page.wait(f"{what} {height}") - since) for what in ("height", "row")])
        wrong = page.close()
        if wrong:
            raise AssertionError(f"in the page: {wrong}")
    finally:
        if page:
            page.process.kill()
        traffic.stop()
    tip, row = (statistics.median(d[i] for d in delays) for i in (0, 1))
    return f"a new block showed after {tip:.1f} s, in the list after {row:.1f} s (medians of {len(delays)})"
