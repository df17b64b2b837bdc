"""Wraps every frame of one interface and sends it on others, as mirrors of switches and clouds do:

wrap.py SOURCE vlan=INTERFACE qinq=INTERFACE gre=INTERFACE erspan=INTERFACE
"""

import select
import socket
import struct
import sys

OUTER_MAC = bytes.fromhex("02000000000b02000000000a")
ETH_P_ALL = 3
PACKET_OUTGOING = 4


def vlan(frame, _):
    """IEEE 802.1Q, tag 42."""
    return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]


def qinq(frame, _):
    """IEEE 802.1ad around 802.1Q."""
    return frame[:12] + b"\x88\xa8\x00\x07\x81\x00\x00\x2a" + frame[12:]


def gre(frame, _):
    """Transparent Ethernet bridging (RFC 1701, RFC 2784)."""
    return outer(47, b"\x00\x00\x65\x58" + frame)


def erspan(frame, number):
    """ERSPAN type II (draft-foschiano-erspan): GRE with a sequence number, then 8 bytes."""
    header = struct.pack(">HHI", 0x1000, 0x88BE, number & 0xFFFFFFFF) + struct.pack(">HHI", 0x1001, 0x0064, 0)
    return outer(47, header + frame)


def outer(protocol, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                         bytes([10, 89, 0, 1]), bytes([10, 89, 0, 2]))
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    check = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return OUTER_MAC + b"\x08\x00" + header[:10] + struct.pack(">H", check) + header[12:] + payload


def main():
    source = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    source.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
    source.bind((sys.argv[1], 0))
    targets = []
    for argument in sys.argv[2:]:
        kind, interface = argument.split("=")
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind((interface, 0))
        targets.append((globals()[kind], out))
    print("wrapping", flush=True)
    number = 0
    while True:
        select.select([source], [], [])
        frame, (_, _, kind, _, _) = source.recvfrom(65535)
        if kind == PACKET_OUTGOING:
            continue
        number += 1
        for wrapped, out in targets:
            out.send(wrapped(frame, number))


if __name__ == "__main__":
    main()
