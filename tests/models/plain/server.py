# SPDX-License-Identifier: Apache-2.0
"""A server of nobody's protocol: JSON by POST, and an answer of the kind that is asked for."""

import json
import os
import struct
import time
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def picture():
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0\x10\x20\x30")) + part(b"IEND", b"")


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, kind, body):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200 if self.path == "/up" else 404, "text/plain", "well")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/run"
        getattr(self, "do_" + asked["kind"])(asked)

    def do_json(self, asked):
        given = {k: v for k, v in asked.items() if k != "image"}
        if "image" in asked:
            with urllib.request.urlopen(asked["image"]) as got:
                given["image"] = len(got.read())
        self.answer(200, "application/json", json.dumps({"greeting": os.environ["GREETING"], "given": given}))

    def do_text(self, asked):
        self.answer(200, "text/plain; charset=utf-8", f"{os.environ['GREETING']} {asked['name']}")

    def do_picture(self, asked):
        self.answer(200, "image/png", picture())

    def do_stream(self, asked):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in ("one", "two"):
            self.wfile.write(f'data: {{"word": "{word}"}}\n\n'.encode())

    def do_words(self, asked):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: a\n\nevent: error\ndata: no more words\n\n")

    def do_slow(self, asked):
        while not Path(asked["gate"]).exists():
            time.sleep(0.01)
        self.do_text(asked)

    def do_fail(self, asked):
        self.answer(500, "text/plain", "no idea")

    def do_detail(self, asked):
        self.answer(422, "application/json", json.dumps({"detail": [{"loc": ["body"], "msg": "name is odd"}]}))

    def do_slam(self, asked):
        raise RuntimeError("a bug of the server")

    def do_page(self, asked):
        self.answer(404, "text/html", "<html>nothing here</html>")

    def do_big(self, asked):
        self.answer(200, "application/json", json.dumps("x" * asked["count"]))


HTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler).serve_forever()
