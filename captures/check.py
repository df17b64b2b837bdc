"""Compares a recording with what the node said: check.py FOLDER...

Counts the unique TCP payload bytes of the node's connections on the Bitcoin port and
sets them beside getnettotals and getpeerinfo. Only the standard library (and zstd).
"""

import collections
import ipaddress
import json
import os
import struct
import subprocess
import sys


def frames(folder):
    plain = os.path.join(folder, "capture.pcap")
    if os.path.exists(plain):
        data = open(plain, "rb").read()
    else:
        data = subprocess.run(["zstd", "-dc", plain + ".zst"], capture_output=True, check=True).stdout
    magic, link = struct.unpack("<I", data[:4])[0], struct.unpack("<I", data[20:24])[0]
    assert magic == 0xA1B23C4D and link == 1, "expected nanoseconds and Ethernet"
    at = 24
    while at < len(data):
        captured, length = struct.unpack("<II", data[at + 8:at + 16])
        assert captured == length, "cut frame"
        yield data[at + 16:at + 16 + captured]
        at += 16 + captured
    assert at == len(data), "cut file"


def segments(folder):
    """(source, source port, destination, destination port, seq, flags, payload)"""
    for frame in frames(folder):
        kind = frame[12:14]
        if kind == b"\x08\x00" and frame[23] == 6:
            start, total = 14 + 4 * (frame[14] & 15), 14 + struct.unpack(">H", frame[16:18])[0]
            source, destination = frame[26:30], frame[30:34]
        elif kind == b"\x86\xdd" and frame[20] == 6:
            start, total = 54, 54 + struct.unpack(">H", frame[18:20])[0]
            source, destination = frame[22:38], frame[38:54]
        else:
            continue
        sport, dport, seq = struct.unpack(">HHI", frame[start:start + 8])
        payload = frame[start + 4 * (frame[start + 12] >> 4):total]
        yield (str(ipaddress.ip_address(source)), sport, str(ipaddress.ip_address(destination)),
               dport, seq, frame[start + 13], payload)


def check(folder):
    node = json.load(open(os.path.join(folder, "node.json")))
    address, port = node["node"]["address"], node["node"]["port"]
    isn, covered, packets, again, larger = {}, collections.defaultdict(set), 0, 0, 0
    for source, sport, destination, dport, seq, flags, payload in segments(folder):
        packets += 1
        larger += len(payload) > 1460
        if port not in (sport, dport):
            continue
        flow = (source, sport, destination, dport)
        if flags & 2:
            isn[flow] = seq + 1
        if payload:
            first = (seq - isn[flow]) & 0xFFFFFFFF
            span = range(first, first + len(payload))
            again += len(covered[flow].intersection(span))
            covered[flow].update(span)
    holes = sum(max(span) + 1 - len(span) for span in covered.values())
    out, into = collections.Counter(), collections.Counter()
    for (source, sport, destination, dport), span in covered.items():
        if source == address:
            out[end(destination, dport), end(source, sport)] += len(span)
        else:
            into[end(source, sport), end(destination, dport)] += len(span)
    said = node["getnettotals"]
    print(f"{node['recording']}: {packets} TCP segments, {again} payload bytes sent again, "
          f"{holes} missing, {larger} segments larger than 1460")
    print(f"  received: wire {sum(into.values())}, node {said['totalbytesrecv']}, "
          f"difference {sum(into.values()) - said['totalbytesrecv']}")
    print(f"  sent:     wire {sum(out.values())}, node {said['totalbytessent']}, "
          f"difference {sum(out.values()) - said['totalbytessent']}")
    open_now = {(peer["addr"], peer["addrlocal"]): peer for peer in node["getpeerinfo"]}
    for peer in sorted(set(into) | set(out)):
        words = "closed before the end"
        if row := open_now.get(peer):
            more = into[peer] - row["bytesrecv"], out[peer] - row["bytessent"]
            words = f"{'v2' if row['v2_connection'] else 'v1'}, difference {more[0]}/{more[1]}"
            assert row["v2_connection"] or more == (0, 0), f"{peer}: {more}"
        print(f"  {peer[0]}: wire {into[peer]}/{out[peer]} received/sent, {words}")
    assert holes == 0, "payload bytes are missing from the recording"


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        check(name)
