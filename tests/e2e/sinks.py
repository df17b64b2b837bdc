"""A live sensor and the real servers that it sends to: InfluxDB that dies and comes back, Prometheus, a webhook."""

import collections
import glob
import json
import os
import re
import subprocess
import sys
import time

from net import run
from rights import two
from sensor import NOBODY, Sensor, equal, folder, plain_capture, rows, wait_for

NODE = "10.88.0.2"
PROMETHEUS = os.path.join(os.path.dirname(__file__), "..", "..", "deploy", "prometheus")
INFLUX = ("--influx", "http://127.0.0.1:8086")
# Recording rules without a figure in the recording that is sent, and why.
NO_FIGURE = {
    "btcdmon:block_relay_seconds:p50_1h": "the recorded btcd nodes send no compact blocks",
    "btcdmon:block_missing_transactions_sum:increase_1h": "the recorded btcd nodes speak no compact blocks",
    "btcdmon:block_missing_transactions_count:increase_1h": "the recorded btcd nodes speak no compact blocks",
}


class Influxd:
    """A server in the namespace `b`, where the sensor is."""

    def __init__(self, network, work, disk=None):
        self.network, self.folder = network, folder(work, "influxdb")
        data = disk or self.folder
        with open(os.path.join(self.folder, "influxdb.conf"), "w") as file:
            file.write(f"""reporting-disabled = true
bind-address = "127.0.0.1:8088"
[meta]
  dir = "{data}/meta"
[data]
  dir = "{data}/data"
  wal-dir = "{data}/wal"
[http]
  bind-address = "127.0.0.1:8086"
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "error"
""")

    def start(self):
        log = open(os.path.join(self.folder, "log"), "a")
        self.process = self.network.start("b", "influxd", "run", "-config", f"{self.folder}/influxdb.conf",
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def query(self, statement):
        said = self.network.inside("b", "curl", "-s", "-G", "http://127.0.0.1:8086/query", "-d", "db=btcdmon",
                                   "-d", "epoch=ns", "--data-urlencode", f"q={statement}")
        (result,) = json.loads(said)["results"]
        assert "error" not in result, result
        return result.get("series", [])

    def points(self, series):
        for found in self.query(f'SELECT * FROM "{series}"'):
            for row in found["values"]:
                yield point(zip(found["columns"], row))


def point(columns):
    """What is known of a point, in a form that both databases share: absent is no value, true is 1."""
    plain = ((name, float(v) if isinstance(v, (bool, int, float)) and name != "time" else v) for name, v in columns)
    return tuple(sorted((name, v) for name, v in plain if v not in (None, "")))


def same_points(influxd, store):
    """Every point of every series once in each."""
    tables = [r["name"] for r in rows(store, "select name from sqlite_master where type = 'table'")]
    series = [t for t in tables if not t.endswith(("_1m", "_1h")) and f"{t}_1m" in tables]
    assert len(series) > 10, tables
    total = 0
    for name in series:
        wanted = collections.Counter(point(row.items()) for row in rows(store, f'select * from "{name}"'))
        got = collections.Counter(influxd.points(name))
        lost, more = wanted - got, got - wanted
        assert not lost and not more, f"{name}: lost {list(lost)[:2]}, too many {list(more)[:2]}"
        total += sum(wanted.values())
    return total


def test_influx_killed_and_back(program, network, work):
    two(network)
    spool = folder(work, "spool")
    # The sensor is there before its server.
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s", *INFLUX,
                    "--influx-spool", spool, node=NODE)
    sensor.said_soon(r"refused.*points wait in")
    influxd = Influxd(network, work)
    influxd.start()
    sensor.said_soon("takes points again; the spool is empty")
    sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "2", plain_capture(work),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("transactions", lambda: influxd.query("SELECT count(tx_size) FROM tx"))
    time.sleep(3)
    influxd.kill()
    waiting = lambda: glob.glob(os.path.join(spool, "*", "*.lp.gz"))
    wait_for("points in the spool", lambda: len(waiting()) >= 4)
    in_spool = len(waiting())
    assert sending.poll() is None, "the server has to come back while the traffic goes on"
    influxd.start()
    wait_for("the second return", lambda: sensor.said().count("takes points again") == 2)
    assert sending.poll() is None, "the traffic ended too early"
    sending.wait()
    time.sleep(2)
    report = sensor.stop()
    equal("frames", report["capture"]["frames"], 2379)
    equal("bodies left", waiting(), [])
    total = same_points(influxd, sensor.store)
    assert total > 1000, total
    last = rows(sensor.store, "select * from sensor order by time")[-1]
    lost = {k: v for k, v in last.items() if k.startswith("sink_lost_") and v}
    equal("points lost", lost, {})
    return f"{total} points in both, {in_spool} bodies had waited on disk"


def test_spool_on_a_full_disk(program, network, work):
    two(network)
    disk = folder(work, "disk")
    run("mount", "-t", "tmpfs", "-o", f"size=64k,uid={NOBODY.pw_uid}", "tmpfs", disk)
    try:
        sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--interval", "1s", "--json", *INFLUX,
                        "--influx-spool", disk, node=NODE)
        sensor.said_soon(r"refused.*points wait in")
        filler = os.path.join(disk, "filler")
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
        sensor.said_soon("points are lost: .*write to the spool.*No space left on device")
        time.sleep(3)
        equal("told once", sensor.said().count("points are lost"), 1)
        os.remove(filler)
        sensor.said_soon("the spool is written again")
        influxd = Influxd(network, work)
        influxd.start()
        sensor.said_soon("takes points again")
        sensor.stop()
        lost = rows(sensor.store, "select max(sink_lost_spool_full) as n from sensor")[0]["n"]
        assert lost > 0, "nothing is counted"
        return f"{lost} points were lost and counted"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_influx_on_a_full_disk(program, network, work):
    """What a server answers whose disk is full is no verdict on the points: they wait, and are sent when there is room."""
    two(network)
    disk, spool = folder(work, "disk"), folder(work, "spool")
    run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk)
    try:
        influxd = Influxd(network, work, disk)
        influxd.start()
        ping = ("ip", "netns", "exec", "btcdmon-e2e-b", "curl", "-sf", "http://127.0.0.1:8086/ping")
        wait_for("the server", lambda: subprocess.run(ping, capture_output=True).returncode == 0)
        sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s", *INFLUX,
                        "--influx-spool", spool, node=NODE)
        sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "1", plain_capture(work),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("transactions", lambda: influxd.query("SELECT count(tx_size) FROM tx"))
        filler = os.path.join(disk, "filler")
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
        sensor.said_soon("no space left on device.*points wait in")
        waiting = lambda: glob.glob(os.path.join(spool, "*", "*.lp.gz"))
        wait_for("points in the spool", lambda: len(waiting()) >= 4)
        in_spool = len(waiting())
        assert sending.poll() is None, "there has to be room again while the traffic goes on"
        os.remove(filler)
        # InfluxDB 1.x repeats the error of its log until it is started again.
        influxd.kill()
        influxd.start()
        sensor.said_soon("takes points again")
        sending.wait()
        time.sleep(2)
        sensor.stop()
        equal("bodies left", waiting(), [])
        total = same_points(influxd, sensor.store)
        last = rows(sensor.store, "select * from sensor order by time")[-1]
        equal("points lost", {k: v for k, v in last.items() if k.startswith("sink_lost_") and v}, {})
        influxd.kill()
        return f"{total} points in both, {in_spool} bodies had waited on disk"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_influx_password(program, network, work):
    """A live capture whose server refuses it says so, and does not start: nobody would see its points."""
    two(network)
    influxd = Influxd(network, work)
    config = os.path.join(influxd.folder, "influxdb.conf")
    with open(config) as file:
        text = file.read()
    with open(config, "w") as file:
        file.write(text.replace("log-enabled = false", "log-enabled = false\n  auth-enabled = true"))
    influxd.start()
    post = ("curl", "-sf", "-XPOST", "http://127.0.0.1:8086/query", "--data-urlencode")
    admin = "q=CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES"
    wait_for("the server", lambda: subprocess.run(("ip", "netns", "exec", "btcdmon-e2e-b", *post, admin),
                                                  capture_output=True).returncode == 0)
    try:
        Sensor(program, network, work, "s", "b", "-i", "eth0", *INFLUX, "--influx-user", "admin", "--influx-spool",
               folder(work, "spool"), node=NODE, environment={"BTCDMON_INFLUX_PASSWORD": "wrong"})
    except RuntimeError as e:
        assert "refuses the user or the password" in str(e) and "BTCDMON_INFLUX_PASSWORD" in str(e), e
    else:
        raise AssertionError("it started with a wrong password")


HOOK = """
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.path, body.decode(), flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 9000), Hook).serve_forever()
"""


class Api:
    """A Prometheus in the namespace `b`, with the rules of the deployment, which are evaluated each second here."""

    def __init__(self, network, work):
        self.network, where = network, folder(work, "prometheus")
        for name in ("recording.yml", "alerts.yml"):
            with open(os.path.join(PROMETHEUS, name)) as file:
                text = file.read().replace("interval: 1m\n", "interval: 1s\n")
            with open(os.path.join(where, name), "w") as file:
                file.write(text)
        with open(os.path.join(where, "prometheus.yml"), "w") as file:
            file.write("global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
                       "rule_files: [recording.yml, alerts.yml]\n"
                       "scrape_configs: [{ job_name: btcdmon, static_configs: [{ targets: ['127.0.0.1:9435'] }] }]\n")
        network.start("b", "prometheus", f"--config.file={where}/prometheus.yml", f"--storage.tsdb.path={where}/data",
                      "--web.listen-address=127.0.0.1:9090", stdout=subprocess.DEVNULL,
                      stderr=open(os.path.join(where, "log"), "w"))

    def get(self, path, *more):
        done = subprocess.run(("ip", "netns", "exec", "btcdmon-e2e-b", "curl", "-s", "-G",
                               f"http://127.0.0.1:9090/api/v1/{path}", *more), capture_output=True, text=True)
        return json.loads(done.stdout)["data"] if done.stdout.startswith("{") else {}

    def query(self, q):
        found = self.get("query", "--data-urlencode", f"query={q}").get("result", [])
        return [r for r in found if r["value"][1] != "NaN"]


def test_prometheus_scrapes_a_live_run(program, network, work):
    two(network)
    told = os.path.join(work, "hook")
    network.start("b", sys.executable, "-c", HOOK, stdout=open(told, "w"))
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s", "--prometheus",
                    "127.0.0.1:9435", "--alert-webhook", "http://127.0.0.1:9000/alerts", "--alert-heartbeat",
                    "http://127.0.0.1:9000/alive", node=NODE)
    api = Api(network, work)
    wait_for("Prometheus", lambda: api.query("up == 1"))
    sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "2", plain_capture(work),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(PROMETHEUS, "recording.yml")) as file:
        records = re.findall(r"- record: (\S+)", file.read())
    assert len(records) >= 10, records
    assert NO_FIGURE.keys() <= set(records), NO_FIGURE.keys() - set(records)
    missing = set(records) - NO_FIGURE.keys()

    def all_recorded():
        missing.difference_update([r for r in missing if api.query(r)])
        return not missing

    try:
        wait_for("a figure of every recording rule", all_recorded, 60)
    except TimeoutError as e:
        raise AssertionError(f"rules without a figure: {missing}") from e
    sending.wait()
    known = {r for r in NO_FIGURE if api.query(r)}
    assert not known, f"rules that have a figure after all: {known}"
    # Figures that replays do not have.
    for name in ("btcdmon_sensor_sink_backlog", "btcdmon_sensor_sink_spool_bytes",
                 "btcdmon_sensor_sink_lost_queue_full_total", "btcdmon_sensor_kernel_drops_total"):
        wait_for(name, lambda: api.query(name))
    frames = lambda: [float(r["value"][1]) for r in api.query("btcdmon_sensor_frames_total")]
    wait_for("all frames", lambda: frames() == [2379.0])
    rules = [rule for group in api.get("rules")["groups"] for rule in group["rules"]]
    bad = [rule for rule in rules if rule["health"] != "ok"]
    assert len(rules) >= 25 and not bad, bad
    page = network.inside("b", "curl", "-sf", "http://127.0.0.1:9435/metrics")
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    equal("promtool check metrics", (checked.returncode, checked.stdout + checked.stderr), (0, ""))
    for path, word in (("healthy", "healthy"), ("ready", "ready")):
        assert word in network.inside("b", "curl", "-sf", f"http://127.0.0.1:9435/-/{path}")
    with open(told) as file:
        wait_for("a sign of life", lambda: '/alive {' in file.read() or file.seek(0))
    sensor.stop()
    return f"{len(records) - len(NO_FIGURE)} recording rules with figures, {len(rules)} rules well, {len(page.splitlines())} lines clean"
