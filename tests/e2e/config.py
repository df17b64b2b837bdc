"""Configuration: errors with their line, layers, SIGHUP."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from net import enter
from rights import two
from sensor import Sensor, equal, folder, plain_capture, send, wait_for


def test_config_errors_and_layers(program, network, work):
    path = os.path.join(work, "btcdmon.toml")

    def shown(text, *command, **variables):
        with open(path, "w") as file:
            file.write(text)
        return subprocess.run([program, "--config", path, *command], capture_output=True, text=True,
                              env={**os.environ, **variables})

    done = shown("[live]\nbufer = '1M'\n", "live")
    equal("status", done.returncode, 1)
    equal("error", done.stderr, f"btcdmon: {path}:2: unknown key `bufer` in [live]; did you mean `buffer`?\n")
    done = shown("[live]\nbuffer = '3 loaves'\n", "live")
    assert f"{path}:2: bad value 3 loaves for `buffer`" in done.stderr and done.returncode == 1, done.stderr
    done = shown("[live]\nbuffer = '2M'\nquiet = true\n", "config", "live", BTCDMON_KEEP="3", BTCDMON_BUFFER="4M")
    for line in ('buffer = "4M"  # from BTCDMON_BUFFER', f"quiet = true  # from {path}:3", 'keep = "3"  # from BTCDMON_KEEP'):
        assert line in done.stdout.splitlines(), done.stdout + done.stderr
    again = shown(done.stdout, "config", "live")
    assert 'buffer = "4M"' in again.stdout, again.stdout + again.stderr


def test_reload(program, network, work):
    two(network)
    files = folder(work, "files")
    path, kept = os.path.join(work, "btcdmon.toml"), os.path.join(files, "kept.pcapng")

    def write(more):
        # As editors do it: another file takes its place.
        with open(path + ".new", "w") as file:
            file.write(f'[live]\ninterface = ["eth0"]\nwrite = "{kept}"\n{more}')
        os.replace(path + ".new", path)

    write('filter = "tcp port 9"\n')
    sensor = Sensor(program, network, work, "s", "b", "--config", path, "--json")
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1)
    write('filter = "tcp"\ninterval = "1m"\n')
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said_soon("filter is changed")
    sensor.said_soon("interval is another one in the configuration; it changes at the next start")
    wait_for("another file", lambda: len(glob.glob(os.path.join(files, "kept*"))) == 2)
    send("a", "eth0", plain_capture(work), "-t")
    time.sleep(1)
    write('filter = "tcp prot"\n')
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said_soon("the filter stays: ")
    equal("changes of the filter that are told", len(re.findall("filter is changed", sensor.said())), 1)
    # A port that the running sensor does not know is not captured either.
    write('port = [4242]\n')
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said_soon("port is another one in the configuration; it changes at the next start")
    write('filtre = "tcp"\n')
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said_soon("nothing was reloaded: .*btcdmon.toml:4: unknown key `filtre`.*`filter`")
    time.sleep(0.5)
    equal("frames since the filter lets them through", sensor.stop()["capture"]["frames"], 2379)


def test_reload_of_a_file_that_only_root_reads(program, network, work):
    two(network)
    # In a mount namespace of its own another folder is /etc, with the users and the file at its usual place.
    etc = os.path.join(work, "etc")
    os.makedirs(os.path.join(etc, "btcdmon"))
    for name in ("passwd", "group"):
        shutil.copy(os.path.join("/etc", name), etc)
    usual = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', etc)
    named = os.path.join(work, "btcdmon.toml")
    for name, path, shown, before, options, words in (
        ("usual", os.path.join(etc, "btcdmon", "btcdmon.toml"), "/etc/btcdmon/btcdmon.toml", usual, (),
         " was read at the start and cannot be read now; let this user read it"),
        ("named", named, named, (), ("--config", named), ": cannot read the configuration: Permission denied"),
    ):
        with open(path, "w") as file:
            file.write('[live]\ninterface = ["eth0"]\n')
        os.chmod(path, 0o600)
        sensor = Sensor(program, network, work, name, "b", "--json", *options, before=before)
        with open(path, "a") as file:
            file.write('filter = "tcp port 9"\n')
        said = sensor.said()
        sensor.process.send_signal(signal.SIGHUP)
        sensor.said_soon("nothing was reloaded")
        send("a", "eth0", plain_capture(work), "-t")
        time.sleep(1)
        equal(f"{name}: frames, with the filter of the start", sensor.stop()["capture"]["frames"], 2379)
        told = sensor.said().removeprefix(said).splitlines()
        equal(f"{name}: lines: {told}", len(told), 1)
        assert f"nothing was reloaded: {shown}{words}" in told[0], told


def test_doctor(program, network, work):
    two(network)
    network.ip("b", "address", "add", "10.88.0.2/24", "dev", "eth0")
    store = os.path.join(folder(work, "doctor"), "x.db")
    forbidden = os.path.join(work, "root only")
    os.mkdir(forbidden, 0o700)

    def examined(*options):
        return subprocess.run(enter("b", program, "doctor", "-i", "eth0", *options), capture_output=True, text=True)

    done = examined("--wait", "1s", "--store", os.path.join(forbidden, "x.db"))
    equal("status without packets", done.returncode, 1)
    assert "FAIL  bitcoin     no packet at all in 1 s" in done.stdout, done.stdout + done.stderr
    # It is the user that the sensor would become who has to write there.
    assert re.search("FAIL  disk        the user (nobody|btcdmon) may not write", done.stdout), done.stdout + done.stderr
    # Where nobody takes the points is told.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    done = examined("--wait", "1s", "--store", store, "--influx", f"http://{nobody}/btcdmon", "--alert-webhook", f"http://{nobody}/hook",
                    "--prometheus", "127.0.0.1:0")
    for words in (f"FAIL  sink        .*{nobody}", f"FAIL  sink        alerts cannot be posted: {nobody}", "ok    sink        127.0.0.1:0 is free"):
        assert re.search(words, done.stdout), f"{words}\n{done.stdout}{done.stderr}"
    sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "12", plain_capture(work),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = examined("--wait", "5s", "--store", store)
    sending.wait()
    equal(f"status with packets\n{done.stdout}", done.returncode, 0)
    for words in ("ok    interface   eth0: up, 10.88.0.2", "ok    rights", "ok    bitcoin", "10.88.0.2:18444",
                  "% of the connections are encrypted", "v2transport=0", "ok    drops", "free, the store"):
        assert words in done.stdout, f"{words}\n{done.stdout}{done.stderr}"
