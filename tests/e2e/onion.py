"""Takes connections at one address and hands them on to another of this host, as a Tor daemon does for an onion
service: onion.py ADDRESS:PORT ADDRESS:PORT
"""

import socket
import sys
import threading


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def pour(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # either end is gone
        source.close()
        target.close()


def main():
    outer, inner = map(address, sys.argv[1:])
    with socket.create_server(outer) as listening:
        print("handing on", flush=True)
        while True:
            client, _ = listening.accept()
            node = socket.create_connection(inner)
            for pair in ((client, node), (node, client)):
                threading.Thread(target=pour, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
