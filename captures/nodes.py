"""Nodes in network namespaces, what their RPC says, and tcpdump beside them."""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import bitcoin

RPC_PORT = 18334
PREFIX = "btcdmon-"  # of the namespaces record.sh makes
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def namespace(name):
    """Sockets made inside belong to the namespace; only this thread is moved."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{PREFIX}{name}") as there:
        for_thread(there)
        try:
            yield
        finally:
            for_thread(home)


def for_thread(handle):
    if LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def run_in(name, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", PREFIX + name, *command], **options)


class RpcError(Exception):
    pass


class Log:
    """actions.jsonl: what the script did, with the time it began to do it."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.lock = threading.Lock()
        self.quiet = True  # until the recording starts

    def __call__(self, node, action, **facts):
        if self.quiet:
            return
        with self.lock:
            row = {"time": round(time.time(), 6), "node": node, "action": action, **facts}
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
            print(f"  {node} {action} {facts.get('txid', facts.get('what', ''))}", flush=True)


class Node:
    """One btcd in namespace `name`. It talks RPC on the namespace's loopback only."""

    def __init__(self, name, address, work, log):
        self.name, self.address, self.log = name, address, log
        self.folder = os.path.join(work, name)
        self.process = None

    def host_port(self):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{bitcoin.REGTEST_PORT}"

    def start(self, connect=(), v2=False, listen=()):
        """`listen`: further addresses, with their ports."""
        command = [
            "btcd", "--regtest", "--nodnsseed", "--nobanning",
            "--configfile=/dev/null", f"--datadir={self.folder}", f"--logdir={self.folder}",
            f"--listen={self.host_port()}", f"--rpclisten=127.0.0.1:{RPC_PORT}", "--notls",
            "--rpcuser=recorder", "--rpcpass=recorder", "--trickleinterval=2s",
        ]
        command += [f"--miningaddr={address}" for address in bitcoin.MINING_ADDRESSES]
        command += [f"--listen={address}" for address in listen]
        command += [f"--connect={peer.host_port()}" for peer in connect]
        command += ["--v2transport", "--debuglevel=PEER=debug,V2TR=debug"] if v2 else []
        self.log(self.name, "start", command=[c for c in command if self.folder not in c])
        os.makedirs(self.folder, exist_ok=True)
        output = open(os.path.join(self.folder, "output"), "a")
        self.process = run_in(self.name, *command, stdout=output, stderr=output)
        wait_for(f"RPC of {self.name}", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"btcd of {self.name} ended; see {self.folder}")
        try:
            self.rpc("getblockcount")
            return True
        except OSError:
            return False

    def rpc(self, method, *params):
        with namespace(self.name):
            plain = socket.create_connection(("127.0.0.1", RPC_PORT), timeout=20)
        connection = http.client.HTTPConnection("127.0.0.1", RPC_PORT)
        connection.sock = plain
        try:
            login = base64.b64encode(b"recorder:recorder").decode()
            body = json.dumps({"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
            connection.request("POST", "/", body, {"Authorization": "Basic " + login})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer.get("error"):
            raise RpcError(f"{self.name} {method}: {answer['error']}")
        return answer["result"]

    def height(self):
        return self.rpc("getblockcount")

    def tip(self):
        return self.rpc("getbestblockhash")

    def mine(self, count):
        hashes = self.rpc("generate", count)
        # A node tells nothing of a block that it has left, so note its size while it can.
        if not self.log.quiet:
            self.log(self.name, "generate", blocks=[block_row(self, h) for h in hashes])
        return hashes

    def send(self, tx):
        self.log(
            self.name, "sendrawtransaction", txid=tx.txid, wtxid=tx.wtxid,
            size=len(tx.raw), weight=tx.weight, fee=tx.fee,
        )
        answer = self.rpc("sendrawtransaction", tx.raw.hex(), True)
        assert answer == tx.txid, (answer, tx.txid)

    def connect(self, other):
        self.log(self.name, "connect", what=other.host_port())
        self.rpc("node", "connect", other.host_port(), "temp")

    def ping(self):
        self.log(self.name, "ping")
        self.rpc("ping")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)


def wait_for(what, condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.1)


def wait_same_tip(nodes):
    wait_for("one best block on " + " ".join(n.name for n in nodes),
             lambda: len({n.tip() for n in nodes}) == 1)


# --- what the watched node says ------------------------------------------------

PEER_FIELDS = (
    "id", "addr", "addrlocal", "inbound", "version", "subver", "startingheight", "currentheight",
    "bytessent", "bytesrecv", "pingtime", "v2_connection",
)


def poll(node):
    # getnettotals first: the order matters to whoever compares it with the packets.
    row = {"time": round(time.time(), 6), "getnettotals": node.rpc("getnettotals")}
    row["getconnectioncount"] = node.rpc("getconnectioncount")
    row["getpeerinfo"] = [
        {field: peer[field] for field in PEER_FIELDS if field in peer}
        for peer in node.rpc("getpeerinfo")
    ]
    row["getblockcount"] = node.height()
    row["getmempoolinfo"] = node.rpc("getmempoolinfo")
    return row


class Poller(threading.Thread):
    """polls.jsonl: one line a second."""

    def __init__(self, node, path):
        super().__init__(daemon=True)
        self.node, self.file, self.done, self.failure = node, open(path, "w"), threading.Event(), None

    def run(self):
        following = time.monotonic()
        while not self.done.is_set():
            try:
                self.file.write(json.dumps(poll(self.node)) + "\n")
            except Exception as failure:  # the recording is worthless then
                self.failure = failure
                return
            following += 1
            self.done.wait(max(0, following - time.monotonic()))

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
        self.file.write(json.dumps(poll(self.node)) + "\n")
        self.file.close()


def block_row(node, block_hash):
    block = node.rpc("getblock", block_hash, 1)
    return {
        "height": block["height"], "hash": block_hash, "size": block["size"],
        "num_tx": len(block["tx"]), "weight": block["weight"],
        "previousblockhash": block["previousblockhash"],
    }


def final_state(node):
    """Everything of node.json that the node itself says; it must be at rest."""
    def totals():
        answer = node.rpc("getnettotals")
        return answer["totalbytesrecv"], answer["totalbytessent"]

    last, since = totals(), time.monotonic()
    while time.monotonic() - since < 5:  # longer than two inventory trickles
        time.sleep(0.2)
        if totals() != last:
            last, since = totals(), time.monotonic()
    state = {
        call: node.rpc(call)
        for call in ("getnettotals", "getpeerinfo", "getinfo", "getblockcount",
                     "getconnectioncount", "getrawmempool", "getchaintips")
    }
    state["chain"] = [
        block_row(node, node.rpc("getblockhash", height))
        for height in range(1, state["getblockcount"] + 1)
    ]
    assert totals() == last, "the node was not at rest"
    return state


class Tcpdump:
    """Whole frames with nanoseconds, both directions, on an interface of the node's namespace."""

    def __init__(self, node, path, interface="eth0", *expression):
        # Immediate mode: nothing waits in the kernel when tcpdump is told to stop.
        self.command = ["tcpdump", "-i", interface, "-p", "-n", "-s", "0", "-U", "--immediate-mode",
                        "-B", "16384", "--time-stamp-precision=nano", "-Z", "root", "-w", path, *expression]
        self.process = run_in(node.name, *self.command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                return
        raise RuntimeError("tcpdump did not start")

    def stop(self):
        time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=20)[1]
        counts = {name: int(n) for n, name in re.findall(
            r"(\d+) packets? (captured|received by filter|dropped by kernel)", said)}
        if counts.get("dropped by kernel") != 0:
            raise RuntimeError("tcpdump lost packets: " + said)
        return counts
