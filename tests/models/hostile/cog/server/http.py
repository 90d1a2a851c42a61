# SPDX-License-Identifier: Apache-2.0
"""A model server that answers wrongly: what each prediction's input names. docs/security.md says what becomes of it.

`health.txt` in the model's folder names what it answers to its health check instead."""

import contextlib
import json
import socket
import struct
import threading
import time
import urllib.request
from pathlib import Path

MB = 1 << 20
READY = {"status": "READY", "setup": {"status": "succeeded"}, "version": {"coglet": "0.23.1"}}
HEALTH = Path("health.txt").read_text().strip() if Path("health.txt").exists() else ""
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
DEEP = b"[" * 100_000 + b"]" * 100_000
given = {}  # of each prediction: what to answer, and to which request
broken = set()  # predictions whose first connection was broken


class Request:
    def __init__(self, line, fields, body):
        self.method, self.path = line.split(" ")[:2]
        self.fields, self.body = fields, body
        self.id = self.path.split("/")[2] if self.path.count("/") > 1 else ""
        self.streams = "event-stream" in fields.get("accept", "")

    @property
    def input(self):
        return json.loads(self.body)["input"] if self.body else 0

    @property
    def webhook(self):
        return json.loads(self.body).get("webhook")


def read(link):
    """The next request, or None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    while len(body) < int(fields.get("content-length", 0)):
        body += link.recv(65536)
    return Request(line, fields, body)


def head(status="200 OK", kind="application/json", *more):
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *more, ""]).encode()


def answer(link, body, status="200 OK", kind="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    link.sendall(head(status, kind, f"Content-Length: {len(body)}") + b"\r\n" + body)


def begin(link, request):
    """Where events are expected: their beginning; else that of an answer which was not asked for."""
    link.sendall(head(kind="text/event-stream" if request.streams else "application/json") + CHUNKED)


def chunk(link, data):
    link.sendall(b"%x\r\n%s\r\n" % (len(data), data))


def event(link, name, data):
    if not isinstance(data, bytes):
        data = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    chunk(link, b"event: %s\ndata: %s\n\n" % (name.encode(), data))


def final(request, **more):
    return {"id": request.id, "status": "succeeded", "output": "honest", "logs": "", "metrics": {"predict_time": 0.1}, **more}


def told(link, request, body):
    """The end, in the words that the request expects. As HTTP it is right: the connection stays, since one that closed would
    race with the next request."""
    if request.streams:
        begin(link, request)
        event(link, "completed", body)
        link.sendall(b"0\r\n\r\n")
    else:
        answer(link, body)
    return True


def break_first(request):
    if request.id not in broken:
        broken.add(request.id)
        raise ConnectionError("before a word was said")


def often(link, piece, size=10_000 * MB):
    """The piece, again and again: 10 GB in all."""
    piece *= max(1, 65536 // len(piece))
    for _ in range(size // len(piece)):
        link.sendall(piece)


# What the server may meet

TRIES = {}


def attempt(function):
    TRIES[function.__name__] = function
    return function


@attempt
def honest(link, request):
    return told(link, request, final(request))


@attempt
def endless_head(link, request):
    link.sendall(b"HTTP/1.1 200 OK\r\n")
    often(link, b"X: " + b"x" * 1000 + b"\r\n")


@attempt
def endless_line(link, request):
    link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    often(link, b"x")


@attempt
def endless_interim(link, request):
    often(link, b"HTTP/1.1 100 Continue\r\nX: " + b"x" * 1000 + b"\r\n\r\n")


@attempt
def endless_trailers(link, request):
    begin(link, request)
    link.sendall(b"0\r\n")
    often(link, b"X: " + b"x" * 1000 + b"\r\n")


@attempt
def endless_body(link, request):
    link.sendall(head("202 Accepted") + CHUNKED)
    often(link, b"1000\r\n" + b" " * 4096 + b"\r\n")


@attempt
def endless_refusal(link, request):
    link.sendall(head("422 Unprocessable Entity", "text/html") + CHUNKED)
    often(link, b"1000\r\n" + b"<" * 4096 + b"\r\n")


@attempt
def endless_comments(link, request):
    begin(link, request)
    often(link, b"6\r\n: hi\n\n\r\n")


@attempt
def large_output(link, request):
    """10 GB, as one piece of output."""
    begin(link, request)
    chunk(link, b'event: output\ndata: {"index": 0, "chunk": "' if request.streams else b'{"status": "succeeded", "output": "')
    often(link, b"10000\r\n" + b"y" * 65536 + b"\r\n")


@attempt
def many_outputs(link, request):
    """10 GB, as many pieces of output."""
    begin(link, request)
    for index in range(100_000):
        event(link, "output", {"index": index, "chunk": "y" * 100_000})


@attempt
def some_outputs(link, request):
    """Several pieces, although its schema has one value; and no end."""
    begin(link, request)
    for index in range(3):
        event(link, "output", {"index": index, "chunk": {"piece": index}})
    time.sleep(3600)


@attempt
def large_logs(link, request):
    """300 MB, as one line of a log, and a failure."""
    begin(link, request)
    chunk(link, b'event: log\ndata: {"data": "')
    often(link, b"10000\r\n" + b"l" * 65536 + b"\r\n", 300 * MB)
    chunk(link, b'"}\n\n')
    event(link, "completed", final(request, status="failed", error="large"))
    link.sendall(b"0\r\n\r\n")


@attempt
def large_error(link, request):
    return told(link, request, final(request, status="failed", output=None, error="e" * 8 * MB))


@attempt
def large_metrics(link, request):
    return told(link, request, final(request, metrics={"predict_time": 0.1, "m": "m" * 8 * MB}))


@attempt
def many_values(link, request):
    """Small in bytes, and 4 million values."""
    body = json.dumps(final(request, output=0)).encode()
    return told(link, request, body.replace(b'"output": 0', b'"output": [' + b"0," * 4_000_000 + b"0]"))


@attempt
def deep_json(link, request):
    body = json.dumps(final(request, output=0)).encode()
    return told(link, request, body.replace(b'"output": 0', b'"output": ' + DEEP))


@attempt
def deep_metrics(link, request):
    body = json.dumps(final(request, metrics=0)).encode()
    return told(link, request, body.replace(b'"metrics": 0', b'"metrics": {"m": ' + b"[" * 120 + b"]" * 120 + b"}"))


@attempt
def wrong_json(link, request):
    return told(link, request, b'{"status": "succeeded", "output": nothing]')


@attempt
def wrong_text(link, request):
    """Not UTF-8."""
    return told(link, request, b'{"status": "succeeded", "output": "\xff\xfe"}')


@attempt
def no_json(link, request):
    return told(link, request, b"\x00\x01\x02" * 1000)


@attempt
def wrong_words(link, request):
    return told(link, request, {"id": request.id, "status": ["succeeded"], "output": {}, "logs": {"a": 1}, "metrics": "many", "error": 1})


@attempt
def wrong_id(link, request):
    return told(link, request, final(request, id="x" * 1000))


@attempt
def wrong_type(link, request):
    answer(link, b"<html>" + b"x" * 100_000 + b"</html>", kind="text/html")


@attempt
def wrong_status(link, request):
    answer(link, {"detail": "what is that?"}, "999 Strange")


@attempt
def status_of_nothing(link, request):
    answer(link, {}, "000 None")


@attempt
def no_status(link, request):
    answer(link, {}, "-12 Minus")


@attempt
def switching(link, request):
    link.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    often(link, b"no HTTP any more\r\n")


@attempt
def no_http(link, request):
    often(link, b"220 this is a server of mail\r\n")


@attempt
def two_lengths(link, request):
    link.sendall(head("200 OK", "application/json", "Content-Length: 2", "Content-Length: 20000") + b"\r\n{}")
    often(link, b"{}")


@attempt
def negative_length(link, request):
    link.sendall(head("200 OK", "application/json", "Content-Length: -1") + b"\r\n{}")
    often(link, b"{}")


@attempt
def large_length(link, request):
    link.sendall(head("200 OK", "application/json", "Content-Length: 99999999999999999999999999") + b"\r\n")
    often(link, b"{}")


@attempt
def wrong_chunks(link, request):
    begin(link, request)
    often(link, b"what size is this?\r\n")


@attempt
def large_chunk(link, request):
    begin(link, request)
    link.sendall(b"ffffffffffffffffff\r\n")
    often(link, b"x")


@attempt
def two_answers(link, request):
    """The second is for whoever asks next."""
    body = json.dumps(final(request, output="stolen")).encode()
    second = head("200 OK", "application/json", f"Content-Length: {len(body)}") + b"\r\n" + body
    link.sendall(head("422 Unprocessable Entity", "application/json", "Content-Length: 2") + b"\r\n{}" + second * 3)


@attempt
def close_at_once(link, request):
    pass


@attempt
def close_hard(link, request):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@attempt
def close_in_head(link, request):
    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")


@attempt
def close_in_body(link, request):
    link.sendall(head("200 OK", "application/json", "Content-Length: 1000") + b"\r\n" + b'{"status": "succ')


@attempt
def close_in_event(link, request):
    begin(link, request)
    chunk(link, b'event: completed\ndata: {"status": "succ')


@attempt
def drip_head(link, request):
    drip(link, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000)


@attempt
def drip_events(link, request):
    begin(link, request)
    drip(link, b"1\r\n:\r\n" * 10_000)


@attempt
def silence(link, request):
    time.sleep(3600)


def drip(link, data):
    for byte in data:
        link.sendall(bytes([byte]))
        time.sleep(0.05)


@attempt
def lost_at_first(link, request):
    """The connection ends before the request was read. It is not known then, and all goes well when it is sent again."""
    break_first(request)
    if request.input:
        return honest(link, request)
    answer(link, {"detail": "the input must be an object"}, "422 Unprocessable Entity")
    return True


@attempt
def lost_at_the_answer(link, request):
    """It runs, and the connection ends before that was said. Whoever sends it again runs it twice."""
    break_first(request)
    return told(link, request, final(request, output="twice" if request.input else "once"))


@attempt
def webhooks(link, request):
    """What it tells the server by itself: too much, too deep, nothing at all, and of others."""
    target = request.webhook
    for body in (b" " * 8 * MB, DEEP, b"", b"nonsense", b'{"status": "succeeded", "id": "other"}', b'"x"', b"[0," * 1000):
        for url in (target, target + "x"):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=30)
    answer(link, {"detail": "no"}, "422 Unprocessable Entity")


def health(link, request):
    if not HEALTH:
        answer(link, READY)
    elif HEALTH == "much":
        answer(link, {**READY, "setup": {"status": "succeeded", "logs": "[coglet::setup] " + "a line of a log\n" * 500_000}})
    else:
        TRIES[HEALTH](link, request)
        raise ConnectionError("nothing follows")


def create(link, request):
    if request.input:
        given[request.id] = request.input["attempt"], request.input.get("at", "create")
    what, at = given.get(request.id, ("honest", "create"))
    if at == "join" and request.input and not request.streams:
        answer(link, {"id": request.id, "status": "processing"}, "202 Accepted")
        return
    if not TRIES[what](link, request) and what != "two_answers":
        raise ConnectionError("nothing follows")


def serve(link):
    with link, contextlib.suppress(OSError):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (request := read(link)) is not None:
            if request.path == "/health-check":
                health(link, request)
            elif request.method == "PUT":
                create(link, request)
            else:
                answer(link, {})


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(f"Starting coglet server on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        link, _ = listener.accept()
        threading.Thread(target=serve, args=(link,), daemon=True).start()


if __name__ == "__main__":
    main()
