# SPDX-License-Identifier: Apache-2.0
"""A container engine in memory: what the driver asks for, and what no real one does when a test wants it (tests/docker has a
real one). Its containers run nothing."""

import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from registry import ARCHITECTURE, SCHEMA, image_config

ID = "sha256:" + "ab" * 32


class Engine:
    """`answers` are asked first: functions of (method, path without the version) that give None, a status (with the body to
    it) or raise. `seen` are (method, path) of all that came."""

    def __init__(self, folder):
        self.socket = Path(folder) / "engine.sock"
        self.containers, self.seen, self.answers, self.changed = {}, [], [], threading.Condition()
        self.gateway, self.subnet = "127.0.0.1", "127.77.0.0/16"
        self.labels = json.loads(image_config(SCHEMA, architecture=ARCHITECTURE))["config"]["Labels"]
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def address_string(self):
                return "server"

            def handle_one(self):
                url = urlparse(self.path)
                path = re.sub(r"^/v1\.\d+", "", url.path)
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with engine.changed:
                    engine.seen.append((self.command, path))
                    engine.changed.notify_all()
                found = next(filter(None, (one(self.command, path) for one in engine.answers)), None)
                status, said = found or engine.answer(self.command, path, parse_qs(url.query), json.loads(text or "{}"))
                body = json.dumps(said).encode() if said is not None else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = handle_one

        class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # tests break connections off

        self.server = Unix(str(self.socket), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        with self.changed:
            for one in self.containers.values():
                one["ended"] = True
            self.changed.notify_all()

    def count(self, method, path):
        with self.changed:
            return sum(one[0] == method and bool(re.fullmatch(path, one[1])) for one in self.seen)

    def answer(self, method, path, query, body):
        words = path.strip("/").split("/")
        if path == "/version":
            return 200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24", "Arch": ARCHITECTURE}
        if path == "/info":
            return 200, {"NCPU": 2}
        if words[0] == "networks":
            return 200, {"IPAM": {"Config": [{"Subnet": self.subnet, "Gateway": self.gateway}]}}
        if words[0] == "images":
            return 200, {"Id": ID, "RepoDigests": [], "Os": "linux", "Architecture": ARCHITECTURE, "Config": {"Labels": self.labels}}
        if path == "/containers/json":
            return 200, [{"Id": name, "Labels": one["Labels"]} for name, one in self.containers.items()]
        if path == "/containers/create":
            self.containers[query["name"][0]] = {"Labels": body["Labels"], "ended": False}
            return 201, {"Id": query["name"][0]}
        return self.container(method, words[1], words[-1])

    def container(self, method, name, what):
        with self.changed:
            one = self.containers.get(name)
            if not one:
                return 404, {"message": f"No such container: {name}"}
            if method == "DELETE":
                del self.containers[name]
                one["ended"] = True
            if what == "kill":
                one["ended"] = True
            self.changed.notify_all()
            if what in ("wait", "logs"):
                self.changed.wait_for(lambda: one["ended"])
                return 200, {"StatusCode": 137} if what == "wait" else None
            if what == "json":
                return 200, {"Id": name, "Config": {"Labels": one["Labels"]}, "State": {
                    "Status": "exited" if one["ended"] else "running", "ExitCode": 137 if one["ended"] else 0}}
        return 204, None
