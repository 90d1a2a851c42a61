# SPDX-License-Identifier: Apache-2.0
"""Benchmarks on a real model server: what Berth adds to it."""

import json
import os
import re
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import SECONDS, Row, benchmark, below, nginx_server
from harness import TEXT, WORK, Server, body, load, wait_for


def address_of_model(server):
    """Where the model server of the one instance listens."""
    for path in (server.data / "instances").glob("*/state.json"):
        state = json.loads(path.read_text())
        if state["port"] > 0 and not state["ended"]:
            return f"127.0.0.1:{state['port']}"
    return None


def warm(server, *flags):
    path = server.deploy("real", server.push(), hardware="whole", low=1)
    server.predict(path, {"text": "warm"})
    # A hundred runs are what the server chooses the way of a prediction by.
    load(server.address, path, *server.fields, "-n", 300, "-c", 4, "-d", body(text=TEXT), "-H", "Prefer: wait")
    return path, address_of_model(server)


def straight(model, clients, text, seconds):
    """The model server alone. It frees a slot a moment after its answer, so that now and then it has none for one of many clients and
    says 409; through the server such a request is sent again."""
    words = ("-c", clients, "-t", seconds, "-w", 0.3, "-d", text, "-H", "Content-Type: application/json")
    return load(model, "/predictions", *words, refused=0.01)


def beside(server, path, model, clients, text, seconds=SECONDS):
    """The same call straight to the model server and through Berth, by turns."""
    direct, through = [], []
    for _ in range(2):
        direct.append(straight(model, clients, text, seconds / 2))
        through.append(load(server.address, path, *server.fields, "-c", clients, "-t", seconds / 2, "-w", 0.3, "-d", text, "-H", "Prefer: wait"))
    return min(one["p50_us"] for one in direct), min(one["p50_us"] for one in through)


def disk_sync(folder):
    """How long the disk takes for what makes a commit durable: a page written and fdatasync; p50 in µs."""
    took = []
    with open(folder / "sync-alone", "wb", buffering=0) as file:
        for _ in range(500):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took)


@benchmark("A waited-for prediction on real Cog, beside the same call straight to its model server")
def sync():
    rows = [Row("the disk alone: a page of 4 KiB made durable, p50", disk_sync(WORK) / 1000, "ms")]
    with Server("sync") as server:
        path, model = warm(server)
        for clients in (1, 16):
            direct, through = beside(server, path, model, clients, body(text=TEXT))
            name = f"{clients} client{'s'[:clients > 1]}"
            rows += [Row(f"{name}: model server alone, p50", direct / 1000, "ms"), Row(f"{name}: through Berth, durable, p50", through / 1000, "ms"),
                     below(f"{name}: what Berth adds at p50", through - direct, 300, "µs")]
    with Server("sync-long", "--max-attempts", "1") as server:  # then every run goes the long way
        path, model = warm(server)
        _, through = beside(server, path, model, 1, body(text=TEXT))
        with nginx_server("sync-nginx") as receiver:
            itself = long_way(model, receiver, SECONDS)
    return rows + [
        Row("the long way: coglet itself (created with a webhook, then joined), p50", itself / 1000, "ms"),
        Row("the long way: through Berth, p50", through / 1000, "ms"),
        below("the long way: what Berth adds to that at p50", through - itself, 500, "µs"),
    ]


def answer_of(link):
    """One whole answer: its head, and its body as it came. The model server sends a stream's end only when what it sent before
    is acknowledged, which the kernel would put off by 40 ms."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(link)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.I)
    while len(rest) < int(length[1]) if length else not rest.endswith(b"0\r\n\r\n"):
        rest += received(link)
    return head + rest


def received(link):
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    piece = link.recv(65536)
    if not piece:
        raise RuntimeError("the model server closed the connection")
    return piece


def long_way(model, receiver, seconds):
    """What coglet needs when it is asked as Berth asks on the long way; p50 in µs."""
    host, port = model.split(":")
    took, deadline, n = [], time.monotonic() + seconds, 0
    with socket.create_connection((host, int(port))) as create, socket.create_connection((host, int(port))) as join:
        for link in (create, join):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(10)
        while time.monotonic() < deadline:
            n += 1
            first = json.dumps({"input": {"text": TEXT}, "webhook": f"http://{receiver}/", "webhook_events_filter": ["completed"]})
            head = f"PUT /predictions/bench{n:020d} HTTP/1.1\r\nHost: {model}\r\nContent-Type: application/json\r\n"
            began = time.perf_counter()
            create.sendall(f"{head}Prefer: respond-async\r\nContent-Length: {len(first)}\r\n\r\n{first}".encode())
            answer_of(create)
            join.sendall(f'{head}Accept: text/event-stream\r\nContent-Length: 11\r\n\r\n{{"input":0}}'.encode())
            said = answer_of(join)
            took.append((time.perf_counter() - began) * 1e6)
            if b"succeeded" not in said and b"422" not in said[:20]:  # 422: it has ended before it was joined
                raise RuntimeError(f"the model server said {said[-500:]}")
    return statistics.median(took)


@benchmark("From zero: what Berth adds to the model's own boot")
def zero():
    added, boots = [], []
    with Server("zero", "--idle-timeout", "1s") as server:
        path = server.deploy("real", server.push(), hardware="whole")
        server.predict(path, {"text": "its files are in the page cache now"})
        for _ in range(5):
            wait_for(lambda: not address_of_model(server), "the end of the instance")
            one, boot = cold_start(server, path)
            added.append(one)
            boots.append(boot)
    return [
        Row("the model's own boot, from its start until it says that it is ready", statistics.median(boots), "ms"),
        below("added: from the create to that start, and from ready to the answer", statistics.median(added), 50, "ms"),
    ]


def cold_start(server, path):
    """One create without an instance: added and boot in ms."""
    text, ready = body(text="x"), None
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nPrefer: wait\r\nAuthorization: Bearer {server.token}\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        sent = time.clock_gettime(time.CLOCK_BOOTTIME)
        link.sendall(request.encode())
        model = wait_for(lambda: address_of_model(server), "an instance")
        began = start_of_model(server)
        link.setblocking(False)
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not ready and is_ready(model):
                ready = time.clock_gettime(time.CLOCK_BOOTTIME)
            try:
                answer += link.recv(65536)
            except BlockingIOError:
                time.sleep(0.0005)
        ended = time.clock_gettime(time.CLOCK_BOOTTIME)
    if b" 201 " not in answer[:20]:
        raise RuntimeError(f"the create was answered with {answer[:500]}")
    ready = ready or ended
    return (began - sent + ended - ready) * 1000, (ready - began) * 1000


def start_of_model(server):
    """When its process began, in seconds of the boot clock (to a hundredth)."""
    for path in (server.data / "instances").glob("*/state.json"):
        state = json.loads(path.read_text())
        if not state["ended"] and state["model_pid"] > 0:
            fields = Path(f"/proc/{state['model_pid']}/stat").read_text().rpartition(") ")[2].split()
            return int(fields[19]) / 100
    raise RuntimeError("the instance has gone")


def is_ready(model):
    host, port = model.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.2) as link:
            link.sendall(b"GET /health-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b"READY" in link.recv(65536)
    except OSError:
        return False


@benchmark("A data URI of 1 MB to the model and back")
def big():
    uri = "data:application/octet-stream;base64," + "QUJD" * 262144
    with Server("big", "--max-input", "64MiB") as server:
        path, model = warm(server)
        where = server.data / "body"
        where.write_text(body(text=uri))
        direct, through = beside(server, path, model, 1, f"@{where}")
        other = meanwhile(server, path, f"@{where}")
    return [
        Row("model server alone, p50", direct / 1000, "ms"),
        Row("through Berth, p50", through / 1000, "ms"),
        Row("added", (through - direct) / 1000, "ms"),
        Row("another client's small request meanwhile, p50", other["p50_us"] / 1000, "ms"),
        Row("another client's small request meanwhile, p99", other["p99_us"] / 1000, "ms"),
        below("worst lag of the loop: that request's longest time", other["max_us"] / 1000, 2, "ms"),
    ]


def meanwhile(server, path, text):
    """A client that asks for what the loop has at hand, while another one sends and gets the megabyte."""
    words = (*server.fields, "-t", SECONDS)
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(load, server.address, path, *words, "-w", 0.5, "-d", text, "-H", "Prefer: wait")
        small = load(server.address, "/v1/account", *words, "-w", 0.5)
        large.result()
    return small
