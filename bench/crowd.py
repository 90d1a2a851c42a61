#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd.py PORT COUNT: connections that mean no good, held open until the input ends. Those that the server cuts come
again. Prints {"open": COUNT} once all are there; at the end, how often each kind was cut."""

import collections
import json
import os
import select
import selectors
import socket
import sys
import time

TICK_S = 1.0
GREETING = b"GET /v1/account HTTP/1.1\r\nHost: x\r\n"
FLOOD = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 900 + b"\r\n\r\n"


class Silent:
    """Says nothing at all."""

    def begin(self, link):
        pass

    def tick(self, link):
        pass


class HalfHead(Silent):
    """Begins a head, then falls silent."""

    def begin(self, link):
        link.send(GREETING)


class HeadDrip(HalfHead):
    """A head that goes on without end, a byte a second."""

    def tick(self, link):
        link.send(b"z")


class BodyDrip(Silent):
    """A body that does; without a token there would be no body to wait for."""

    def begin(self, link):
        token = os.environ["BERTH_TOKEN"].encode()
        link.send(b"POST /v1/deployments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token +
                  b"\r\nContent-Length: 100000\r\n\r\n")

    def tick(self, link):
        link.send(b" ")


class Flood(Silent):
    """Asks for large answers as fast as it can, and reads none of them."""

    def begin(self, link):
        self.tick(link)

    def tick(self, link):
        for _ in range(20):
            link.send(FLOOD)


KINDS = [Silent, HalfHead, HeadDrip, BodyDrip, Flood]


def connect(port, kind):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect(("127.0.0.1", port))
    link.setblocking(False)
    try:
        kind.begin(link)
    except OSError:
        pass
    return link


def main(port, count):
    watch, cut = selectors.DefaultSelector(), collections.Counter()
    links = {}

    def add(kind):
        link = connect(port, kind)
        links[link] = kind
        if not isinstance(kind, Flood):  # it does not want to know
            watch.register(link, selectors.EVENT_READ)

    def drop(link):
        kind = links.pop(link)
        cut[type(kind).__name__] += 1
        if not isinstance(kind, Flood):
            watch.unregister(link)
        link.close()
        add(kind)

    for index in range(count):
        add(KINDS[index % len(KINDS)]())
    print(json.dumps({"open": len(links)}), flush=True)
    due = time.monotonic() + TICK_S
    while not select.select([sys.stdin], [], [], 0)[0]:
        for key, _ in watch.select(max(0.0, due - time.monotonic())):
            try:
                if key.fileobj.recv(65536):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            drop(key.fileobj)
        if time.monotonic() < due:
            continue
        due += TICK_S
        for link, kind in list(links.items()):
            try:
                kind.tick(link)
            except BlockingIOError:
                pass
            except OSError:
                drop(link)
    print(json.dumps(cut), flush=True)


main(int(sys.argv[1]), int(sys.argv[2]))
