"""The machine's clock is set back while the sensor runs, and forward again."""

import os
import subprocess
import time

from rights import two
from sensor import Sensor, equal, folder, identity, messages, plain_capture, replay

NODE = "10.88.0.2"
FRAMES = 2379  # of TCP in the recording
BACK = 40  # seconds


class Clock:
    """Sets the machine's clock, and back to what it would be at the end, by the clock that nobody sets."""

    def __init__(self):
        self.real, self.steady = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)

    def set(self, off):
        now = self.real + time.clock_gettime(time.CLOCK_BOOTTIME) - self.steady
        time.clock_settime(time.CLOCK_REALTIME, now + off)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.set(0)


def test_clock_set_back(program, network, work):
    two(network)
    capture = plain_capture(work)
    sensor = Sensor(program, network, work, "s", "b", "-i", "eth0", "--json", "--interval", "1s",
                    "--write", os.path.join(folder(work, "s"), "kept.pcapng"), node=NODE)
    with Clock() as clock:
        sending = network.start("a", "tcpreplay", "-q", "-i", "eth0", "-x", "4", capture,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        clock.set(-BACK)
        time.sleep(3)
    sending.wait()
    time.sleep(1.5)
    report = sensor.stop()
    equal("frames", report["capture"]["frames"], FRAMES)
    equal("what was odd", report["capture"]["gaps"], {})
    truth = [identity(m)[:-1] for m in messages(program, capture, "--node", NODE)]
    seen = [identity(m)[:-1] for m in messages(program, sensor.kept, "--node", NODE)]
    equal("messages", sorted(map(str, seen)), sorted(map(str, truth)))
    calm = replay(program, capture, "--node", NODE)
    equal("messages of the node", report["nodes"][0]["messages"], calm["nodes"][0]["messages"])
    points = sensor.rows("select time, frames, gap_bytes_acked as gaps from sensor order by frames")
    equal("frames in the last point", points[-1]["frames"], FRAMES)
    times = [p["time"] for p in points]
    equal("points of one time", len(times) - len(set(times)), 0)
    span = (max(times) - min(times)) / 1e9
    assert span > BACK / 2, f"the points span {span} s: was the clock set at all?"
    return f"{len(seen)} messages, {len(points)} points of the sensor, none wrong"
