"""The dashboard beside a running node: what is new appears by itself."""

import json
import os
import queue
import re
import statistics
import subprocess
import threading
import time

from net import enter
from sensor import Sensor, equal, wait_for

from agree import A, HOSTS, Traffic, W

BROWSER = os.path.join(os.path.dirname(__file__), "..", "browser")
# Much longer than the two seconds in which a new block is to show: the machine may be busy. The time is told, not tested.
PATIENCE = 30
PAYMENTS = 5


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
    """Pages of the dashboard in a browser of the sensor's namespace."""

    def __init__(self, place, url):
        self.asked = 0
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
        return self.seen(wanted, lambda: next((at for at, line in self.lines if line == wanted), None))

    def find(self, beginning, nth):
        """The nth line that begins like that."""
        def there():
            found = [line for _, line in self.lines if line.startswith(beginning)]
            return found[nth - 1] if len(found) >= nth else None
        return self.seen(beginning, there)

    def seen(self, wanted, look):
        end = time.monotonic() + PATIENCE
        while True:
            if (found := look()) is not None:
                return found
            try:
                self.lines.append(self.said.get(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                raise TimeoutError(f"waited for {wanted!r}; the page said {[line for _, line in self.lines]}") from None
            if self.lines[-1][1] == "closed":
                raise RuntimeError(f"the browser is gone; the page said {[line for _, line in self.lines]}")

    def figures(self):
        """What all pages show now."""
        self.asked += 1
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.find("figures ", self.asked).removeprefix("figures "))

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=PATIENCE)
        while not self.said.empty():
            self.lines.append(self.said.get())
        return [line for _, line in self.lines if line.startswith("wrong")]


def hold(page, sensor, frames, node, height):
    """Every page shows what the node and the store hold, once all is at rest and an interval has been written."""
    counts = ("SELECT (SELECT count(*) FROM blocks) AS blocks, (SELECT count(*) FROM tx) AS txs, "
              "(SELECT max(best_height) FROM blocks) AS height, (SELECT max(time) FROM bandwidth) AS interval")
    since = sensor.rows(counts)[0]["interval"] or 0
    wait_for("another interval", lambda: (sensor.rows(counts)[0]["interval"] or 0) > since)
    have = sensor.rows(counts)[0]
    before = frames()
    shown = page.figures()
    after = frames()
    equal("height in the store", have["height"], height)
    equal("overview", shown["overview"], {"tip": height, "peers": node.rpc("getconnectioncount"),
                                          "mempool": len(node.rpc("getrawmempool"))})
    equal("peers", sorted(shown["peers"]), sorted(peer["addr"] for peer in node.rpc("getpeerinfo")))
    listed = sensor.rows("SELECT height, max(time) AS t FROM processed_blocks GROUP BY sha ORDER BY t DESC LIMIT 100")
    equal("heights of blocks", sorted(shown["blocks"])[-100:], sorted(row["height"] for row in listed)[-100:])
    if have["txs"] < PAYMENTS:
        raise AssertionError(f"{have['txs']} transactions are in the store, {PAYMENTS} were sent")
    equal("transactions", shown["transactions"], have["txs"])
    equal("query", shown["query"], [have["blocks"], have["height"]])
    # The blocks that were mined meanwhile came as one message each, of the size in the store, and 24 bytes of header.
    sizes = sensor.rows(f"SELECT DISTINCT sha, size FROM processed_blocks WHERE height > {height - 3}")
    came = [size for _, command, size in shown["messages"] if command == "block"]
    equal("messages of blocks", sorted(came), sorted(row["size"] + 24 for row in sizes))
    # Frames never rest.
    if not before <= int(shown["sensor"]["Frames"]) <= after:
        raise AssertionError(f"{shown['sensor']['Frames']} frames on the page, {before} before that and {after} after")


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

        # Something for the pages of transactions and for the mempool.
        for _ in range(PAYMENTS):
            traffic.node[A].send(traffic.wallet.payment())
        wait_for("the payments", lambda: len(watched.rpc("getrawmempool")) == PAYMENTS)

        def frames():
            status = json.loads(network.inside(W, "curl", "-s", f"{url}/api/v1/status"))
            return status["sensor_figures"]["frames"]

        hold(page, sensor, frames, watched, height)
        wrong = page.close()
        if wrong:
            raise AssertionError(f"in the page: {wrong}")
    finally:
        if page:
            page.process.kill()
        traffic.stop()
    tip, row = (statistics.median(d[i] for d in delays) for i in (0, 1))
    return f"a new block showed after {tip:.1f} s, in the list after {row:.1f} s (medians of {len(delays)})"
