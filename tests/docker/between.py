# SPDX-License-Identifier: Apache-2.0
"""A socket between the server and its engine, at which a request can be held: before the engine gets it, or when the engine has
answered and the server does not know yet."""

import re
import select
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path

from berth import LIMIT

HEAD = re.compile(rb"(\w+) (\S+) HTTP/1\.1\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Held:
    """The first request that matches; reached is set when it is there, and what it waits for is `go`."""

    def __init__(self, when, method, pattern):
        self.when, self.method, self.pattern = when, method, re.compile(pattern)
        self.reached, self.over, self.is_lost = threading.Event(), threading.Event(), False

    def go(self, is_lost=False):
        """It goes on; is_lost: its answer does not."""
        self.is_lost = is_lost
        self.over.set()


class Between:
    def __init__(self, engine):
        self.engine, self.seen, self.holds, self.lock = engine, [], [], threading.Lock()
        self.folder = tempfile.mkdtemp(prefix="berth-")  # a socket's path is short
        self.socket = f"{self.folder}/s"
        between = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    between.serve(self.request)
                except OSError:
                    pass  # either end may die

        class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads, request_queue_size = True, 100

        self.listener = Listener(self.socket, Handler)
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def end(self):
        for held in self.holds:
            held.go(is_lost=True)
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()
        shutil.rmtree(self.folder)

    def hold(self, when, method, pattern):
        held = Held(when, method, pattern)
        with self.lock:
            self.holds.append(held)
        return held

    def meet(self, when, method, path):
        """False: that was its end."""
        with self.lock:
            found = [one for one in self.holds if (one.when, one.method) == (when, method) and one.pattern.search(path)
                     and not one.reached.is_set()]
            if found:
                found[0].reached.set()
        if not found:
            return True
        found[0].over.wait(4 * LIMIT)
        return when == "before" or not found[0].is_lost

    def serve(self, client):
        """One request: the engine closes behind its answer."""
        head, body = read_head(client)
        parts = HEAD.match(head)
        if not parts:
            return
        method, path = parts[1].decode(), parts[2].decode()
        need = int(found[1]) if (found := LENGTH.search(head)) else 0
        while len(body) < need and (piece := client.recv(65536)):
            body += piece
        if not self.meet("before", method, path):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(str(self.engine.socket))
            engine.sendall(head[:-2] + b"Connection: close\r\n\r\n" + body)
            with self.lock:
                self.seen.append((method, path))
            piece = engine.recv(65536)
            if not self.meet("after", method, path):
                return
            while piece:
                client.sendall(piece)
                if client in select.select([client, engine], [], [])[0]:
                    return  # its caller is gone
                piece = engine.recv(65536)


def read_head(link):
    data = b""
    while b"\r\n\r\n" not in data and (piece := link.recv(65536)):
        data += piece
    head, end, rest = data.partition(b"\r\n\r\n")
    return head + end, rest
