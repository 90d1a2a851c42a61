# SPDX-License-Identifier: Apache-2.0
"""A stand-in for vLLM's server: its routes, its answers, its errors, and what it does when a client hangs up.

It loads for a moment, in which /health answers 503. Words come from the messages; each but the first waits for the
file `gate`, where one is given. Beside the gate stand the files that say what happened: <gate>.running while it is
answered, <gate>.gone when the client hung up."""

import argparse
import json
import os
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "stand-in/words-1b"
READY_AT = time.monotonic() + 0.2


class Gone(Exception):
    """The client hung up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, status, message, kind="BadRequestError"):
        self.answer(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})

    def do_GET(self):
        if self.path == "/health":
            self.answer(200 if time.monotonic() > READY_AT else 503, {})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": NAME, "object": "model", "owned_by": "vllm"}]})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            self.answer(404, {"detail": "Not Found"})
        elif asked.get("model") != NAME:
            self.refuse(404, f"The model `{asked.get('model')}` does not exist.", "NotFoundError")
        elif asked.get("how") == "long":
            self.refuse(400, "This model's maximum context length is 8 tokens.")
        elif asked.get("how") == "crash":
            os._exit(3)
        elif asked.get("how") == "slam":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.complete(asked)

    def look(self):
        """Whether the client is there still, as uvicorn tells vLLM."""
        if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
            raise Gone

    def chunk(self, text):
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def words_of(self, asked):
        said = asked.get("prompt") or " ".join(f"{m['role']}: {m['content']}" for m in asked["messages"])
        words = [word + " " for word in f"{said} ({asked.get('temperature')})".split(" ")]
        stops = asked.get("stop") or []
        return words[:next((i for i, word in enumerate(words) if word.strip() in stops), len(words))][:asked.get("max_tokens")]

    def complete(self, asked):
        gate = asked.get("gate")
        mark = Path(f"{gate}.running") if gate else None
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            if mark:
                mark.write_text("")
            self.stream(asked, gate)
        except (Gone, OSError):
            self.close_connection = True
            if gate:
                Path(f"{gate}.gone").write_text("")
        finally:
            if mark:
                mark.unlink()

    def stream(self, asked, gate):
        chat, words = "messages" in asked, self.words_of(asked)
        common = {"id": "cmpl-1", "created": 1, "model": NAME, "object": "chat.completion.chunk" if chat else "text_completion"}

        def tell(part, reason=None):
            choice = {"index": 0, "finish_reason": reason, **({"delta": part} if chat else {"text": part.get("content", "")})}
            self.chunk(json.dumps({**common, "choices": [choice], "usage": None}))

        if chat:
            tell({"role": "assistant", "content": ""})
        for index, word in enumerate(words):
            while gate and index and not Path(gate).exists():
                self.look()
                time.sleep(0.01)
            if asked.get("how") == "break" and index == 1:
                self.chunk(json.dumps({"error": {"message": "the engine has no more memory", "type": "InternalServerError", "code": 500}}))
                break
            if asked.get("how") == "cut" and index == 1:
                self.connection.shutdown(socket.SHUT_RDWR)
                raise Gone
            tell({"content": word})
        else:
            tell({}, "length" if len(words) == asked.get("max_tokens") else "stop")
            if asked.get("stream_options", {}).get("include_usage"):
                usage = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 7 + len(words)}
                self.chunk(json.dumps({**common, "choices": [], "usage": usage}))
        self.chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--host", default="127.0.0.1")
port = parser.parse_args().port
assert port == int(os.environ["PORT"])
print("loading", NAME, file=sys.stderr)
server = ThreadingHTTPServer((parser.parse_args().host, port), Handler)
threading.Thread(target=server.serve_forever).start()
