# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks that keeps what it gets and answers as it is told, or badly."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from berth import wait_for


class Delivery:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.json = json.loads(body)
        self.id = headers["webhook-id"]

    def __repr__(self):
        return f"{self.id} {self.json['status']} {self.json['output']}"


class Receiver:
    """`manner` decides how each request is answered: a status, or hang, drip, cut or a function of the delivery. With
    refuse its port is its own, and nobody listens there until it recovers."""

    def __init__(self, manner=200):
        self.manner, self.got, self.good, self.open = manner, [], [], 0
        self.most_open = 0
        self.lock, self.released = threading.Lock(), threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._take(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()
        self.port = self.server.server_address[1]
        self.is_up = False
        if manner != "refuse":
            self._listen()

    def _listen(self):
        self.is_up = True
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def recover(self):
        """From now on every request is answered with 200."""
        self.manner = 200
        self.released.set()
        if not self.is_up:
            self._listen()

    def url(self, path="/hook?a=b"):
        return f"http://127.0.0.1:{self.port}{path}"

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        delivery = Delivery(handler.path, handler.headers, body)
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            self.got.append(delivery)
        try:
            self._answer(handler, delivery)
        finally:
            with self.lock:
                self.open -= 1

    def _answer(self, handler, delivery):
        manner = self.manner(delivery) if callable(self.manner) else self.manner
        if manner == "hang":
            self.released.wait(60)
        elif manner == "cut":
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif manner == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n":
                handler.wfile.write(bytes([byte]))
                if self.released.wait(0.2):
                    break
        else:
            handler.send_response(manner)
            if 300 <= manner < 400:
                handler.send_header("Location", self.url("/elsewhere"))
            handler.send_header("Content-Length", "2")
            handler.end_headers()
            handler.wfile.write(b"ok")
            if manner == 200:
                with self.lock:
                    self.good.append(delivery)
            return
        handler.close_connection = True

    def of(self, made):
        with self.lock:
            return [delivery for delivery in self.got if delivery.json["id"] == made["id"]]

    def until(self, made, count=1, limit=90):
        """The first so many messages about a prediction."""
        wait_for(lambda: len(self.of(made)) >= count, lambda: f"{count} messages in {self.of(made)}", limit)
        return self.of(made)

    def stop(self):
        self.released.set()
        if self.is_up:
            self.server.shutdown()
        self.server.server_close()
