"""Enough of Bitcoin to make traffic without a wallet: scripts anyone can spend,
their addresses, unsigned transactions, and version 1 messages.

Only the standard library. Nothing here is meant for money.
"""

import hashlib
import random
import socket
import struct
import time

REGTEST_MAGIC = bytes.fromhex("fabfb5da")
REGTEST_PORT = 18444
GENERATOR = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")

OP_TRUE, OP_RETURN, OP_2DROP, OP_CHECKSIG, OP_CHECKMULTISIG = 0x51, 0x6A, 0x6D, 0xAC, 0xAE
TRUE = bytes([OP_TRUE])
# HASH160 written out: hashlib has RIPEMD-160 only where OpenSSL still offers it.
# A wrong value would be refused by the node at the first spend.
HASH160_TRUE = bytes.fromhex("da1745e9b549bd0bfa1a569971c77eba30cd5a4b")
HASH160_TRUE_P2WSH = bytes.fromhex("72c44f957fc011d97e3406667dca5b1c930c4026")


def sha256(data):
    return hashlib.sha256(data).digest()


def double_sha256(data):
    return sha256(sha256(data))


def compact_size(n):
    if n < 0xFD:
        return bytes([n])
    if n <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", n)
    return b"\xfe" + struct.pack("<I", n)


def push(data):
    if len(data) < 0x4C:
        return bytes([len(data)]) + data
    return b"\x4c" + bytes([len(data)]) + data


# --- scripts -----------------------------------------------------------------

# Witness script that drops `pairs` pairs of items before OP_TRUE: its spends carry bulk.
def bulk_script(pairs):
    return bytes([OP_2DROP] * pairs + [OP_TRUE])


BULK_PAIRS = 8


def p2wsh(script):
    return b"\x00\x20" + sha256(script)


OURS = {  # scripts that whoever reads this may spend
    "p2wsh": p2wsh(TRUE),
    "p2wsh-bulk": p2wsh(bulk_script(BULK_PAIRS)),
    "p2sh": b"\xa9\x14" + HASH160_TRUE + b"\x87",
    "p2sh-p2wsh": b"\xa9\x14" + HASH160_TRUE_P2WSH + b"\x87",
    "p2a": bytes.fromhex("51024e73"),
}


def foreign_script(kind, rng):
    """An output script of `kind` that is never spent here."""
    key = b"\x02" + GENERATOR
    return {
        "p2pkh": lambda: b"\x76\xa9\x14" + rng.randbytes(20) + b"\x88\xac",
        "p2wpkh": lambda: b"\x00\x14" + rng.randbytes(20),
        "p2tr": lambda: b"\x51\x20" + GENERATOR,
        "p2pk": lambda: push(key) + bytes([OP_CHECKSIG]),
        "multisig": lambda: b"\x51" + push(key) + b"\x51" + bytes([OP_CHECKMULTISIG]),
        "op_return": lambda: bytes([OP_RETURN]) + push(rng.randbytes(rng.randrange(4, 76))),
    }[kind]()


# --- addresses ---------------------------------------------------------------

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def bech32_polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= g if (top >> i) & 1 else 0
    return check


def segwit_v0_address(program, hrp="bcrt"):
    """BIP 173."""
    bits = int.from_bytes(program, "big")
    pad = -len(program) * 8 % 5
    groups = (len(program) * 8 + pad) // 5
    data = [0] + [(bits << pad) >> 5 * (groups - 1 - i) & 31 for i in range(groups)]
    expanded = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]
    check = bech32_polymod(expanded + data + [0] * 6) ^ 1
    data += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return hrp + "1" + "".join(BECH32[d] for d in data)


def script_hash_address(hash160, version=0xC4):
    raw = bytes([version]) + hash160
    n = int.from_bytes(raw + double_sha256(raw)[:4], "big")
    text = ""
    while n:
        n, digit = divmod(n, 58)
        text = BASE58[digit] + text
    return text


MINING_ADDRESSES = [
    segwit_v0_address(sha256(TRUE)),
    script_hash_address(HASH160_TRUE),
    script_hash_address(HASH160_TRUE_P2WSH),
]


# --- transactions ------------------------------------------------------------


class Coin:
    """An output of one of OURS."""

    def __init__(self, txid, vout, value, kind):
        self.txid, self.vout, self.value, self.kind = txid, vout, value, kind


class Tx:
    """`inputs`: coins; `outputs`: (value in satoshi, script)."""

    def __init__(self, inputs, outputs, rng, sequence=0xFFFFFFFF, bulk=500):
        self.inputs, self.outputs = inputs, outputs
        body_in, witnesses = b"", []
        for coin in inputs:
            script_sig, witness = unlock(coin.kind, rng, bulk)
            witnesses.append(witness)
            body_in += bytes.fromhex(coin.txid)[::-1] + struct.pack("<I", coin.vout)
            body_in += compact_size(len(script_sig)) + script_sig + struct.pack("<I", sequence)
        body_out = b"".join(
            struct.pack("<q", value) + compact_size(len(script)) + script for value, script in outputs
        )
        body = compact_size(len(inputs)) + body_in + compact_size(len(outputs)) + body_out
        version, lock_time = struct.pack("<i", 2), struct.pack("<I", 0)
        stripped = version + body + lock_time
        self.raw = stripped
        if any(witnesses):
            self.raw = version + b"\x00\x01" + body
            for witness in witnesses:
                self.raw += compact_size(len(witness))
                self.raw += b"".join(compact_size(len(item)) + item for item in witness)
            self.raw += lock_time
        self.txid = double_sha256(stripped)[::-1].hex()
        self.wtxid = double_sha256(self.raw)[::-1].hex()
        self.weight = 3 * len(stripped) + len(self.raw)
        self.fee = sum(c.value for c in inputs) - sum(v for v, _ in outputs)

    def coins(self):
        """The outputs that can be spent again."""
        kinds = {script: kind for kind, script in OURS.items()}
        return [
            Coin(self.txid, n, value, kinds[script])
            for n, (value, script) in enumerate(self.outputs)
            if script in kinds
        ]


def unlock(kind, rng, bulk):
    """(signature script, witness) that spends an output of `kind`."""
    if kind == "p2wsh":
        return b"", [TRUE]
    if kind == "p2wsh-bulk":
        items = [rng.randbytes(bulk) for _ in range(2 * BULK_PAIRS)]
        return b"", items + [bulk_script(BULK_PAIRS)]
    if kind == "p2sh":
        return push(TRUE), []
    if kind == "p2sh-p2wsh":
        return push(p2wsh(TRUE)), [TRUE]
    return b"", []  # p2a: BIP 433 wants both empty


def pay(inputs, scripts, fee_rate, rng, **options):
    """A transaction that splits the inputs evenly over `scripts`; OP_RETURN gets nothing.

    `fee_rate` in satoshi per virtual byte.
    """
    total = sum(coin.value for coin in inputs)
    paid = [script for script in scripts if script[0] != OP_RETURN]
    weight = Tx(inputs, [(0, script) for script in scripts], random.Random(0), **options).weight
    share = (total - fee_rate * (weight + 3) // 4) // len(paid)
    outputs = [(0 if script[0] == OP_RETURN else share, script) for script in scripts]
    return Tx(inputs, outputs, rng, **options)


# --- version 1 messages ------------------------------------------------------


def message(command, payload=b"", magic=REGTEST_MAGIC):
    header = magic + command.encode().ljust(12, b"\x00") + struct.pack("<I", len(payload))
    return header + double_sha256(payload)[:4] + payload


def version_message():
    address = struct.pack("<Q", 8) + bytes(16) + b"\x00\x00"
    agent = b"/recorder:1/"
    payload = struct.pack("<iQq", 70016, 8, int(time.time())) + address + address
    payload += random.randbytes(8) + compact_size(len(agent)) + agent + struct.pack("<i?", 0, True)
    return message("version", payload)


def inventory(command, items):
    """`items`: (type, hash as shown)."""
    rows = b"".join(struct.pack("<I", kind) + bytes.fromhex(h)[::-1] for kind, h in items)
    return message(command, compact_size(len(items)) + rows)


def read_message(connection):
    """(command, payload); raises ConnectionError at the end of the stream."""
    header = read_exactly(connection, 24)
    length = struct.unpack("<I", header[16:20])[0]
    return header[4:16].rstrip(b"\x00").decode(), read_exactly(connection, length)


def read_until(connection, wanted):
    while True:
        command, payload = read_message(connection)
        if command == wanted:
            return payload


def read_exactly(connection, length):
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise ConnectionError("closed by the other side")
        data += piece
    return data


def handshake(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(version_message())
    read_until(connection, "version")
    connection.sendall(message("verack"))
    read_until(connection, "verack")


def reset(connection):
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
