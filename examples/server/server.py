# SPDX-License-Identifier: Apache-2.0
"""A server of its own making: JSON by POST, as model.yaml says. It needs nothing but Python."""

import json
import os
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(200 if self.path == "/up" else 404, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not asked["text"].strip():
            self.answer(422, {"error": "text is empty: say what to break into lines"})
            return
        self.answer(200, {"lines": textwrap.fill(asked["text"], asked["width"])})


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
