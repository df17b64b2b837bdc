"""Many who look at one sensor: crowd.py HOST:PORT STREAMS MESSAGES SQL...

Holds STREAMS event streams and MESSAGES streams of all messages open, runs each SQL again and again, and asks for the pages' other data, until standard
input closes; then tells on one line of JSON what came. Runs in the sensor's namespace.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter
from urllib.parse import quote

OTHERS = ("status", "config", "peers", "blocks?limit=5", "series", "series/sensor?columns=frames&points=10")
BETWEEN = 0.25  # s from one of the others to the next: far from the limit of requests a second
PATIENCE = 60


class Crowd:
    def __init__(self, address, streams, messages, statements):
        self.address, self.over = address, False
        self.events = [Counter() for _ in range(streams)]
        self.counted = [0] * streams
        self.messages = [Counter() for _ in range(messages)]
        self.statements = [Counter() for _ in statements]
        self.others = Counter()
        self.failed = []
        self.work = [(self.listen, n) for n in range(streams)]
        self.work += [(self.hear, n) for n in range(messages)]
        self.work += [(self.query, n, sql) for n, sql in enumerate(statements)] + [(self.ask,)]
        for job in self.work:
            threading.Thread(target=self.guarded, args=job, daemon=True).start()

    def guarded(self, job, *arguments):
        try:
            job(*arguments)
        except Exception as e:
            if not self.over:
                self.failed.append(f"{job.__name__}{arguments[:1]}: {e!r}")

    def open(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        connection.request("GET", f"/api/v1/{path}")
        return connection, connection.getresponse()

    def stream(self, path, opened=None):
        """Name and data of each event; the stream must not end."""
        _, response = self.open(path)
        if response.status != 200:
            raise RuntimeError(f"status {response.status}")
        if opened:
            opened()
        name = None
        while line := response.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, value
        raise RuntimeError("the stream ended")

    def listen(self, n):
        """The events, and the frames that the newest status counts, captured or lost."""
        for name, value in self.stream("events"):
            self.events[n][name] += 1
            if name == "status":
                figures = json.loads(value)["sensor_figures"]
                self.counted[n] = figures["frames"] + figures["dropped_by_kernel"]

    def hear(self, n):
        """The messages that came, and those that are told to have been left out. As the page asks, and without fields."""
        mine = self.messages[n]
        for name, value in self.stream(f"messages?fields={'true' if n % 2 else 'false'}", lambda: mine.update(opened=1)):
            mine[name] += json.loads(value)["count"] if name == "skipped" else 1

    def answer(self, path):
        connection, response = self.open(path)
        body = response.read()
        connection.close()
        return response.status, json.loads(body)

    def query(self, n, sql):
        while not self.over:
            status, body = self.answer(f"query?sql={quote(sql)}")
            self.statements[n]["answered" if status == 200 else body["error"]["code"]] += 1

    def ask(self):
        while not self.over:
            for path in OTHERS:
                status, _ = self.answer(path)
                self.others[f"{path} {status}"] += 1
                time.sleep(BETWEEN)

    def told(self):
        return {"events": [sum(e.values()) for e in self.events], "counted": self.counted,
                "messages": [dict(m) for m in self.messages], "failed": self.failed,
                "statements": [dict(s) for s in self.statements], "others": dict(self.others)}


if __name__ == "__main__":
    crowd = Crowd(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    for line in sys.stdin:
        print(json.dumps(crowd.told()), flush=True)
    crowd.over = True
