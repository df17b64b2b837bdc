"""Makes one recording; called by record.sh, which makes the namespaces.

record.py NAME WORK_FOLDER OUTPUT_FOLDER
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import bitcoin
import nodes
from nodes import Node, wait_for, wait_same_tip

WATCHED, SEED, INBOUND, LATE, CLIENTS = "w", "a", "b", "c", "x"
HOST = {WATCHED: 2, SEED: 3, INBOUND: 4, LATE: 5, CLIENTS: 9}
FOREIGN = ("p2pkh", "p2wpkh", "p2tr", "p2pk", "multisig", "op_return")


class Wallet:
    """Coins anyone can spend, found in the blocks of a node or made by our own transactions."""

    def __init__(self, rng):
        self.rng, self.coins, self.seen = rng, [], set()
        self.bulk = 500  # bytes an item of a bulky witness

    def scan_coinbases(self, node):
        kinds = {script.hex(): kind for kind, script in bitcoin.OURS.items()}
        for height in range(1, node.height() - 99):
            coinbase = node.rpc("getblock", node.rpc("getblockhash", height), 2)["rawtx"][0]
            output = coinbase["vout"][0]
            if coinbase["txid"] in self.seen:
                continue
            self.seen.add(coinbase["txid"])
            value = round(output["value"] * 100_000_000)
            kind = kinds[output["scriptPubKey"]["hex"]]
            self.coins.append(bitcoin.Coin(coinbase["txid"], 0, value, kind))

    def take(self, kind=None):
        for n, coin in enumerate(self.coins):
            if kind in (None, coin.kind):
                return self.coins.pop(n)
        raise LookupError(f"no coin of kind {kind}")

    def fan_out(self, count):
        """One coinbase becomes `count` coins of all kinds, every sixth a bulky one."""
        kinds = ["p2wsh", "p2sh", "p2sh-p2wsh", "p2a", "p2sh", "p2wsh-bulk"]
        scripts = [bitcoin.OURS[kinds[n % len(kinds)]] for n in range(count)]
        return bitcoin.pay([self.take()], scripts, 2, self.rng)

    def payment(self, coins=None, fee_rate=None, **options):
        """To two to four outputs; the first is ours again."""
        coins = coins or [self.take() for _ in range(self.rng.choice((1, 1, 1, 2, 3)))]
        scripts = [bitcoin.OURS[self.rng.choice(("p2wsh", "p2sh", "p2sh-p2wsh"))]]
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            scripts.append(bitcoin.foreign_script(self.rng.choice(FOREIGN), self.rng))
        return bitcoin.pay(coins, scripts, fee_rate or self.rng.randrange(2, 60), self.rng,
                           bulk=self.bulk, **options)


class Recording:
    def __init__(self, name, work, out, ipv6=False):
        self.name, self.out = name, out
        self.rng = random.Random(name)
        self.log = nodes.Log(os.path.join(out, "actions.jsonl"))
        prefix = "fd88::" if ipv6 else "10.88.0."
        self.node = {n: Node(n, prefix + str(h), work, self.log) for n, h in HOST.items() if n != CLIENTS}
        self.watched, self.seed = self.node[WATCHED], self.node[SEED]
        self.wallet = Wallet(self.rng)
        self.threads = []

    # --- before the recording ---

    def prepare_chain(self, coins, busy_blocks, v2=False):
        """The seed mines a chain with `coins` spendable coins and some blocks with transactions."""
        self.seed.start(v2=v2)
        self.seed.mine(104)
        self.wallet.scan_coinbases(self.seed)
        spread = self.wallet.fan_out(coins)
        self.seed.send(spread)
        self.seed.mine(1)
        self.wallet.coins = spread.coins()
        for n in range(busy_blocks):
            for _ in range(2 + n):
                self.seed.send(self.wallet.payment())
            self.seed.mine(1)
        self.wallet.rng.shuffle(self.wallet.coins)

    # --- the recording ---

    def begin(self, connect, v2=False):
        self.started = time.time()
        self.log.quiet = False
        self.tcpdump = nodes.Tcpdump(self.watched, os.path.join(self.out, "capture.pcap"))
        self.watched.start(connect=connect, v2=v2)
        self.poller = nodes.Poller(self.watched, os.path.join(self.out, "polls.jsonl"))
        self.poller.start()

    def in_background(self, task, *arguments):
        thread = Failing(target=task, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)

    def wave(self, count, at, pause):
        """`count` payments, entering the network in turn at the nodes `at`."""
        for n in range(count):
            self.node[at[n % len(at)]].send(self.wallet.payment())
            time.sleep(self.rng.uniform(0, 2 * pause))

    def chain_of(self, length, at):
        """Every transaction spends the one before, all unconfirmed."""
        tx = self.wallet.payment()
        for _ in range(length):
            self.node[at].send(tx)
            tx = self.wallet.payment([tx.coins()[0]], sequence=0xFFFFFFFE)
        self.node[at].send(tx)

    def replace(self, at):
        """BIP 125: the same coin again with a higher fee."""
        coin = self.wallet.take("p2wsh")
        self.node[at].send(self.wallet.payment([coin], fee_rate=3, sequence=0xFFFFFFFD))
        time.sleep(5)
        self.node[at].send(self.wallet.payment([coin], fee_rate=40, sequence=0xFFFFFFFD))

    def settle(self, names):
        wait_same_tip([self.node[n] for n in names])

    def spread(self, names):
        """Wait until the nodes have the same transactions waiting."""
        wait_for("equal mempools", lambda: len(
            {tuple(sorted(self.node[n].rpc("getrawmempool"))) for n in names}) == 1)

    def finish(self):
        for thread in self.threads:
            thread.finish()
        state = nodes.final_state(self.watched)
        ended = time.time()
        self.poller.finish()
        counts = self.tcpdump.stop()
        after = self.watched.rpc("getnettotals")
        for key in ("totalbytesrecv", "totalbytessent"):
            assert after[key] == state["getnettotals"][key], "traffic between the last poll and the end"
        write_json(os.path.join(self.out, "node.json"), {
            "recording": self.name,
            "date": time.strftime("%Y-%m-%d", time.gmtime(self.started)),
            "software": {"btcd": first_line("btcd", "--version"),
                         "tcpdump": first_line("tcpdump", "--version"),
                         "kernel": os.uname().release},
            "network": "regtest", "magic": bitcoin.REGTEST_MAGIC.hex(),
            "node": {"address": self.watched.address, "port": bitcoin.REGTEST_PORT},
            "began": self.started, "asked": ended, "tcpdump": counts, **state,
        })

    def stop(self):
        for node in self.node.values():
            node.stop()

    # --- clients that are no nodes ---

    def dial(self, what):
        with nodes.namespace(CLIENTS):
            family = socket.AF_INET6 if ":" in self.watched.address else socket.AF_INET
            connection = socket.socket(family)
        connection.settimeout(60)
        connection.connect((self.watched.address, bitcoin.REGTEST_PORT))
        self.log(CLIENTS, "client", what=what, port=connection.getsockname()[1])
        return connection

    def silent_client(self):
        """Says nothing; btcd hangs up after 30 s."""
        connection = self.dial("silent")
        connection.recv(1)
        connection.close()

    def noisy_client(self, what, data):
        """Says something that is not Bitcoin and waits for the end."""
        connection = self.dial(what)
        connection.sendall(data)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
        connection.close()

    def corrupt_client(self):
        """A handshake, then a message whose checksum is wrong."""
        connection = self.dial("wrong checksum")
        bitcoin.handshake(connection)
        ping = bytearray(bitcoin.message("ping", bytes(8)))
        ping[20] ^= 0xFF
        connection.sendall(ping)
        try:
            while True:
                bitcoin.read_message(connection)
        except ConnectionError:
            connection.close()

    def leaving_client(self):
        """Asks and offers a little, then is gone by RST."""
        connection = self.dial("leaves by RST")
        bitcoin.handshake(connection)
        for byte in bitcoin.message("ping", b"onebyone"):
            connection.sendall(bytes([byte]))  # a segment each
            time.sleep(0.01)
        bitcoin.read_until(connection, "pong")
        unknown = random.randbytes(32).hex()
        connection.sendall(  # two messages in a segment
            bitcoin.inventory("getdata", [(1, unknown)]) + bitcoin.message("mempool"))
        bitcoin.read_until(connection, "notfound")
        parent = self.wallet.payment([self.wallet.take("p2sh")])
        child = self.wallet.payment([parent.coins()[0]])
        double = self.wallet.payment(parent.inputs, fee_rate=1)
        for tx, what in ((child, "orphan"), (parent, "its parent"), (double, "double spend")):
            self.log(CLIENTS, "tx", what=what, txid=tx.txid, wtxid=tx.wtxid)
            connection.sendall(bitcoin.message("tx", tx.raw))
            time.sleep(0.5)
        bitcoin.read_until(connection, "reject")
        tip = self.watched.tip()
        connection.sendall(bitcoin.inventory("getdata", [(0x40000002, tip)]))
        bitcoin.read_until(connection, "block")
        time.sleep(3)
        bitcoin.reset(connection)
        self.log(CLIENTS, "reset", what="RST")


class Failing(threading.Thread):
    """A thread whose failure is not forgotten."""

    failure = None

    def run(self):
        try:
            super().run()
        except Exception as failure:
            self.failure = failure

    def finish(self):
        self.join(timeout=60)
        if self.failure or self.is_alive():
            raise RuntimeError("a background task failed") from self.failure


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


# --- the recordings --------------------------------------------------------


def two_blocks(r):
    """One from the node with the chain, one from a peer, with what was sent before each."""
    w, a, b, c = WATCHED, SEED, INBOUND, LATE
    time.sleep(6)
    r.node[a].mine(1)
    r.settle([a, w, b, c])
    r.wave(16, (b, a, w), 0.25)
    r.chain_of(4, b)
    time.sleep(5)
    r.node[b].mine(1)
    r.settle([a, w, b, c])
    r.watched.ping()


def btcd_v1(r):
    w, a, b, c = WATCHED, SEED, INBOUND, LATE
    r.prepare_chain(coins=170, busy_blocks=7)
    r.node[c].start(connect=[r.seed, r.watched])
    r.settle([a, c])

    r.begin(connect=[r.seed])
    r.settle([a, w])
    r.in_background(r.silent_client)
    r.node[b].start()
    r.node[b].connect(r.watched)
    r.settle([w, b])
    wait_for("the late peer", lambda: r.watched.rpc("getconnectioncount") >= 3)
    r.in_background(r.noisy_client, "http", b"GET / HTTP/1.1\r\nHost: 10.88.0.2\r\n\r\n")
    r.in_background(r.noisy_client, "garbage", r.rng.randbytes(700))
    r.in_background(r.corrupt_client)
    r.watched.ping()

    r.in_background(r.replace, w)
    r.wave(28, (a, b, c, w), 0.25)
    r.chain_of(5, a)
    r.in_background(r.leaving_client)
    two_blocks(r)

    # Reorganisation: b is cut off and mines the longer branch.
    r.spread([a, b, c, w])
    for peer in r.watched.rpc("getpeerinfo"):
        if peer["addr"].startswith(r.node[b].address + ":"):
            r.log(w, "disconnect", what=peer["addr"])
            r.watched.rpc("node", "disconnect", str(peer["id"]))
    wait_for("b alone", lambda: r.node[b].rpc("getconnectioncount") == 0)
    r.wave(8, (a, w), 0.1)
    time.sleep(4)
    r.node[a].mine(1)
    r.settle([a, w, c])
    r.node[a].mine(1)
    r.settle([a, w, c])
    r.node[b].mine(3)
    r.node[b].connect(r.watched)
    wait_for("b back", lambda: r.node[b].rpc("getconnectioncount") == 1)
    time.sleep(2)
    r.node[b].mine(1)
    r.settle([a, w, b, c])
    time.sleep(3)
    r.node[a].mine(1)
    r.settle([a, w, b, c])

    r.wave(6, (a, b, w), 0.2)  # these stay in the mempool
    r.seed.ping()
    r.spread([a, w, c])


def btcd_ipv6(r):
    w, a, b = WATCHED, SEED, INBOUND
    r.prepare_chain(coins=40, busy_blocks=3)
    r.begin(connect=[r.seed])
    r.settle([a, w])
    r.node[b].start(connect=[r.watched])
    r.settle([w, b])
    r.watched.ping()
    r.wave(8, (a, b, w), 0.3)
    r.spread([a, b, w])
    r.node[a].mine(1)
    r.settle([a, w, b])
    r.wave(3, (b, a), 0.3)
    r.spread([a, b, w])


def btcd_v2(r):
    """b speaks v2 and comes in. c knows only v1: it comes in as v1, and when the watched
    node calls it by v2 it hangs up, and the watched node comes back by v1."""
    w, a, b, c = WATCHED, SEED, INBOUND, LATE
    r.wallet.bulk = 100  # what is encrypted does not compress
    r.prepare_chain(coins=90, busy_blocks=4, v2=True)
    r.node[c].start(connect=[r.seed])
    r.settle([a, c])
    r.begin(connect=[r.seed], v2=True)
    r.settle([a, w])
    r.in_background(r.silent_client)
    r.in_background(r.noisy_client, "garbage", r.rng.randbytes(700))
    r.node[b].start(connect=[r.watched], v2=True)
    r.settle([w, b])
    r.watched.connect(r.node[c])  # fails as v2, comes back as v1
    r.settle([w, c])
    r.node[c].connect(r.watched)  # v1 on a port that also takes v2
    r.watched.ping()
    r.wave(20, (a, b, w, c), 0.3)
    r.chain_of(4, a)
    r.spread([a, b, c, w])
    r.node[a].mine(1)
    r.settle([a, w, b, c])
    r.wave(12, (b, c, a), 0.3)
    r.spread([a, b, c, w])
    r.node[b].mine(1)
    r.settle([a, w, b, c])
    r.wave(4, (a, w), 0.3)
    r.spread([a, b, c, w])
    r.watched.ping()


def btcd_v2_messages(r):
    """All connections encrypted, and every message of the watched node logged. Its peers have the chain already: long
    runs of small blocks fill the send buffer, and then segments do not end where messages do."""
    w, a, b, c = WATCHED, SEED, INBOUND, LATE
    r.wallet.bulk = 300
    r.prepare_chain(coins=230, busy_blocks=5, v2=True)
    for late in (c, b):
        r.node[late].start(connect=[r.seed], v2=True)
        r.settle([a, late])
    r.node[b].stop()
    r.begin(connect=[r.seed], v2=True)
    r.settle([a, w])
    r.node[b].start(connect=[r.watched], v2=True)
    r.settle([w, b])
    r.node[c].connect(r.watched)
    time.sleep(3)
    r.watched.ping()
    r.wave(28, (a, b, c, w), 0.25)
    r.chain_of(5, a)
    two_blocks(r)
    r.wave(30, (a, b, c, w), 0.4)
    r.node[c].mine(2)
    r.settle([a, w, b, c])
    r.wave(6, (a, b, w), 0.2)
    r.seed.ping()
    r.spread([a, b, c, w])


SCENARIOS = {"btcd-v2-messages": btcd_v2_messages, "btcd-v1": btcd_v1, "btcd-ipv6": btcd_ipv6, "btcd-v2": btcd_v2}


def main():
    name, work, out = sys.argv[1:]
    # record.sh ends us by SIGTERM; turn it into an exception so that `finally` runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    recording = Recording(name, work, out, ipv6=name == "btcd-ipv6")
    try:
        SCENARIOS[name](recording)
        recording.finish()
    finally:
        recording.stop()


if __name__ == "__main__":
    main()
