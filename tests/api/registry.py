# SPDX-License-Identifier: Apache-2.0
"""A registry in memory, of the size that tests need, and what clients push to one. tests/docker has a real one."""

import hashlib
import http.client
import json
import os
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from berth import LIMIT

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
PATH = re.compile(r"/v2/([a-z0-9/._-]+?)/(blobs|manifests|tags)/(.*?)(?:\?(.*))?$")
ARCHITECTURE = "arm64" if os.uname().machine == "aarch64" else "amd64"
SCHEMA = {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"}, "paths": {}, "components": {"schemas": {
    "Input": {"type": "object", "title": "Input", "properties": {"text": {"type": "string", "title": "Text"}}},
    "Output": {"type": "string", "title": "Output"}}}}
HARDWARE = "hardware:\n  - {sku: cpu-small, price: 0.000025, cpus: 1, memory: 512MB, runtimes: [process, docker]}\n"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """`gate`, where it is set, is waited for before each piece of a body is read or written: 64 KiB each. `moments` are what
    happens once when such a request has come, or when it was done and is not yet answered: {("before" or "after", method,
    "uploads", "blobs" or "manifests"): function}."""

    def __init__(self):
        self.blobs, self.manifests, self.uploads, self.seen, self.moments = {}, {}, {}, [], {}
        self.gate, self.broken = None, False
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def pieces(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        yield self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return
                left = int(self.headers.get("Content-Length") or 0)
                while left:
                    if registry.gate:
                        registry.gate.acquire()
                    piece = self.rfile.read(min(left, 65536))
                    if not piece:
                        raise ConnectionError("cut off")
                    left -= len(piece)
                    yield piece

            def meet(self, moment):
                happens = registry.moments.pop((moment, self.command, self.kind), None)
                if happens:
                    happens()

            def answer(self, status, body=b"", **fields):
                self.meet("after")
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for at in range(0, 0 if self.command == "HEAD" else len(body), 65536):
                    if registry.gate:
                        registry.gate.acquire()
                    self.wfile.write(body[at:at + 65536])

            def handle_one(self):
                registry.seen.append((self.command, self.path, dict(self.headers)))
                found = PATH.match(self.path)
                self.kind = "uploads" if found and found[3].startswith("uploads/") else found and found[2]
                self.meet("before")
                if registry.broken:
                    return self.answer(500)
                if not found:
                    return self.answer(404)
                repository, kind, rest, query = found.groups()
                return getattr(self, kind)(repository, rest, query or "")

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one

            def tags(self, repository, _, __):
                tags = [tag for name, tag in registry.manifests if name == repository and ":" not in tag]
                return self.answer(200, json.dumps({"name": repository, "tags": sorted(tags)}).encode())

            def manifests_put(self, repository, reference):
                body = b"".join(self.pieces())
                digest = digest_of(body)
                for one in (reference, digest):
                    registry.manifests[repository, one] = (self.headers["Content-Type"], body)
                return self.answer(201, Docker_Content_Digest=digest, Location=self.own(f"/v2/{repository}/manifests/{digest}"))

            def manifests(self, repository, reference, _):
                if self.command == "PUT":
                    return self.manifests_put(repository, reference)
                if (repository, reference) not in registry.manifests:
                    return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
                content_type, body = registry.manifests[repository, reference]
                return self.answer(200, body, Content_Type=content_type, Docker_Content_Digest=digest_of(body))

            def own(self, path):
                return f"http://{self.headers['Host']}{path}"

            def blobs(self, repository, rest, query):
                if rest.startswith("uploads/"):
                    return self.upload(repository, rest[8:], query)
                if (repository, rest) not in registry.blobs:
                    return self.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
                return self.answer(200, registry.blobs[repository, rest], Docker_Content_Digest=rest)

            def upload(self, repository, name, query):
                mounted = re.search(r"mount=([^&]+)&from=([^&]+)", query.replace("%3A", ":").replace("%2F", "/"))
                if self.command == "POST" and mounted and (mounted[2], mounted[1]) in registry.blobs:
                    registry.blobs[repository, mounted[1]] = registry.blobs[mounted[2], mounted[1]]
                    return self.answer(201, Location=self.own(f"/v2/{repository}/blobs/{mounted[1]}"))
                if self.command == "POST":
                    name = str(uuid.uuid4())
                    registry.uploads[name] = b""
                if name not in registry.uploads:
                    return self.answer(404)
                for piece in self.pieces():
                    registry.uploads[name] += piece
                if self.command == "PUT":
                    data = registry.uploads.pop(name)
                    digest = re.search(r"digest=([^&]+)", query.replace("%3A", ":"))[1]
                    if digest_of(data) != digest:
                        return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
                    registry.blobs[repository, digest] = data
                    return self.answer(201, Docker_Content_Digest=digest, Location=self.own(f"/v2/{repository}/blobs/{digest}"))
                where = self.own(f"/v2/{repository}/blobs/uploads/{name}?_state=a%2Fb%3D")
                return self.answer(202, Location=where, Docker_Upload_UUID=name, Range=f"0-{len(registry.uploads[name]) - 1}")

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # tests break connections off

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def image_config(schema, labels=True, architecture="amd64", **config):
    made = {"run.cog.config": json.dumps({"predict": "predict.py:Predictor", **config}), "run.cog.version": "0.23.1",
            "run.cog.openapi_schema": json.dumps(schema)}
    return json.dumps({"architecture": architecture, "os": "linux", "config": {"Labels": made if labels else {}}}).encode()


def manifest(config, layers):
    def part(kind, data):
        return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}

    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, config),
                       "layers": [part(LAYER, layer) for layer in layers]}).encode()


def index(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data), **more} for data, more in entries]}).encode()


# --- a client ---

def ask(client, method, path, body=None, **fields):
    """Without the JSON type that other calls have."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=LIMIT)
    try:
        sent = {"Authorization": f"Bearer {client.token}", **{k.replace("_", "-"): v for k, v in fields.items()}}
        connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None},
                           encode_chunked="Transfer-Encoding" in sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def path_of(server, location):
    assert location.startswith(server.url + "/"), location
    return location.removeprefix(server.url)


def upload(client, data, repository="acme/shout", chunks=1):
    """As clients do: begin, go on, end."""
    status, fields, _ = ask(client, "POST", f"/v2/{repository}/blobs/uploads/")
    assert status == 202, status
    size = max(1, -(-len(data) // chunks))
    for at in range(0, len(data), size):
        status, fields, _ = ask(client, "PATCH", path_of(client.server, fields["Location"]), data[at:at + size],
                                Content_Type="application/octet-stream", Content_Range=f"{at}-{min(at + size, len(data)) - 1}")
        assert status == 202, status
    where = path_of(client.server, fields["Location"])
    status, fields, _ = ask(client, "PUT", f"{where}&digest={digest_of(data)}", b"")
    assert status == 201 and fields["Docker-Content-Digest"] == digest_of(data)


def push(client, repository="acme/shout", tag="v1", config=None, layers=(b"layer",), text=None):
    config = config if config is not None else image_config(SCHEMA, architecture=ARCHITECTURE)
    for data in (*layers, config):
        upload(client, data, repository)
    text = text or manifest(config, layers)
    return text, ask(client, "PUT", f"/v2/{repository}/manifests/{tag}", text, Content_Type=MANIFEST)
