"""Makes messages.jsonl.gz of a recording of encrypted btcd connections: every message in order, with its length.

truth.py LOG CAPTURE NODE_ADDRESS OUTPUT

LOG is that of the watched node with --debuglevel=PEER=debug: it names each message, and says how many entries
lists have. btcd writes each message by itself, so that a TCP segment with PSH ends each: the lengths come from
CAPTURE. A stream is told only when both agree on every message and add up to all its bytes.
"""

import calendar
import collections
import gzip
import ipaddress
import json
import re
import struct
import subprocess
import sys
import time

PACKET = 20  # BIP 324: length, header and tag of a packet
# BIP 324: message types of one byte; the others have 13.
SHORT = set("addr block blocktxn cmpctblock feefilter filteradd filterclear filterload getblocks getblocktxn getdata "
            "getheaders headers inv mempool merkleblock notfound ping pong sendcmpct tx getcfilters cfilter "
            "getcfheaders cfheaders getcfcheckpt cfcheckpt addrv2".split())
FIXED = {"verack": 0, "sendaddrv2": 0, "wtxidrelay": 0, "sendheaders": 0, "getaddr": 0, "mempool": 0,
         "ping": 8, "pong": 8, "feefilter": 8}
ENTRY = {"inv": 36, "getdata": 36, "notfound": 36, "headers": 81}
MESSAGE = re.compile(r"(\S+ \S+) \[DBG\] PEER: (Received|Sending) (\w+)(?: \((.*)\))? (?:from|to) (\S+) \((?:in|out)bound\)")


def logged(path):
    """Messages by peer and direction."""
    streams = collections.defaultdict(list)
    with open(path, errors="replace") as lines:
        for line in lines:
            m = MESSAGE.match(line)
            if m:
                when, verb, command, summary, peer = m.groups()
                streams[peer, "recv" if verb == "Received" else "sent"].append((when, command, summary or ""))
    return streams


def writes(path, node):
    """Lengths between the ends of segments with PSH, by peer and direction."""
    raw = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    at, first, segments = 24, {}, collections.defaultdict(dict)
    while at + 16 <= len(raw):
        captured = struct.unpack_from("<I", raw, at + 8)[0]
        frame = raw[at + 16:at + 16 + captured]
        at += 16 + captured
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        tcp = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack_from(">H", frame, 16)[0]
        source, target = (str(ipaddress.ip_address(frame[n:n + 4])) for n in (26, 30))
        sport, dport, seq, _, offset, flags = struct.unpack_from(">HHIIBB", frame, tcp)
        size = end - tcp - (offset >> 4) * 4
        key = (f"{source}:{sport}", "recv") if target == node else (f"{target}:{dport}", "sent")
        if flags & 2:
            first[key] = seq + 1 & 0xFFFFFFFF
        elif size > 0 and key in first:
            start = seq - first[key] & 0xFFFFFFFF
            segments[key].setdefault(start, (size, flags & 8))
    runs = {}
    for key, parts in segments.items():
        runs[key], run = [], 0
        for start, (size, push) in sorted(parts.items()):
            run += size
            if push:
                runs[key].append(run)
                run = 0
    return runs


def payload(command, length):
    return length - PACKET - (1 if command in SHORT else 13)


def agrees(command, summary, size):
    if command in FIXED:
        return size == FIXED[command]
    count = re.match(r"(?:size|num) (\d+)", summary)
    if command in ENTRY and count:
        n = int(count.group(1))
        return size == n * ENTRY[command] + (1 if n < 253 else 3)
    return size > 32


def main():
    log, capture, node, output = sys.argv[1:]
    runs, told = writes(capture, node), 0
    with gzip.open(output, "wt") as file:
        for key, messages in logged(log).items():
            lengths = runs.get(key, [])[-len(messages):]
            sizes = [payload(command, n) for (_, command, _), n in zip(messages, lengths)]
            wrong = [m for m, n in zip(messages, sizes) if not agrees(m[1], m[2], n)]
            if len(lengths) != len(messages) or wrong:
                print(f"{key}: not told, the first that does not fit is {wrong[:1]}")
                continue
            for (when, command, _), size in zip(messages, sizes):
                whole, fraction = when.split(".")
                seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%d %H:%M:%S"))
                t_us = seconds * 1_000_000 + int(fraction.ljust(6, "0"))
                row = {"peer": key[0], "dir": key[1], "t_us": t_us, "command": command, "len": size}
                file.write(json.dumps(row) + "\n")
                told += 1
    print(f"{told} messages told")


if __name__ == "__main__":
    main()
