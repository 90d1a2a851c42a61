# SPDX-License-Identifier: Apache-2.0
"""The benchmarks. Each is a function that gives rows (what, value, unit, goal) and the command that repeats its main figure."""

import contextlib
import http.client
import json
import os
import shutil
import sqlite3
import time

from harness import BUILD, ROOT, TEXT, Missing, Process, Server, body, cpu_seconds, free_port, fresh, load, run, wait_for

BENCHMARKS = {}
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))


def benchmark(title):
    def add(function):
        BENCHMARKS[function.__name__.replace("_", "-")] = (title, function)
        return function

    return add


class Row:
    def __init__(self, what, value, unit="", goal=None, ok=None):
        self.what, self.value, self.unit, self.goal, self.ok = what, value, unit, goal, ok


def at_least(what, value, goal, unit="/s"):
    return Row(what, value, unit, f"≥ {goal:,}", value >= goal)


def below(what, value, goal, unit):
    return Row(what, value, unit, f"< {goal:,}", value < goal)


def fake_server(name, *options):
    return Server(name, "--enable-fake", "--surge", "0", *options)


@contextlib.contextmanager
def nginx_server(name):
    """nginx with one worker that answers 200 to everything; gives its address."""
    if not shutil.which("nginx"):
        raise Missing("nginx is not installed")
    folder, port = fresh(name), free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}
}}
""")
    with Process("nginx", "-p", folder, "-c", folder / "nginx.conf"):
        wait_for((folder / "pid").exists, "nginx")
        yield f"127.0.0.1:{port}"


def nginx(name, clients, text):
    with nginx_server(name) as address:
        return load(address, "/", "-c", clients, "-t", SECONDS, "-w", 0.5, "-d", text)


def server_cost(server, cpu, done):
    return (cpu_seconds(server.pid) - cpu) * 1e6 / max(done["requests"], 1)


@benchmark("Durable creates, 32 clients")
def creates():
    text = body(text=TEXT)
    with Server("creates") as server:
        version = server.push()
        path = server.deploy("waits", version, hardware="absent")
        load(server.address, path, *server.fields, "-n", 1000, "-c", 8, "-d", text)
        cpu = cpu_seconds(server.pid)
        done = load(server.address, path, *server.fields, "-c", 32, "-t", SECONDS, "-d", text)
        cost = server_cost(server, cpu, done)
    other = fresh("creates-limit")
    database = sqlite3.connect(server.data / "berth.db", isolation_level=None)
    database.execute("DELETE FROM prediction")
    database.execute("VACUUM")
    database.close()
    shutil.copy(server.data / "berth.db", other / "limit.db")
    shutil.rmtree(server.data)
    limit = json.loads(run(BUILD / "bench/sqlite_limit", other / "limit.db", 32, SECONDS))
    plain = nginx("creates-nginx", 32, text)
    return [
        at_least("creates per second, each answered after its commit", done["per_second"], 20000),
        Row("time of one, p50", done["p50_us"] / 1000, "ms"),
        Row("time of one, p99", done["p99_us"] / 1000, "ms"),
        Row("processor time of the server for one", cost, "µs"),
        Row("SQLite alone, the same rows in groups of 32", limit["per_second"], "/s"),
        Row("nginx, return 200 to the same requests", plain["per_second"], "/s"),
    ]


@benchmark("Whole life cycles, on instant fake instances")
def cycles():
    text = body(text=TEXT)
    with fake_server("cycles") as server:
        path = server.deploy("fake", server.push(), low=1)
        server.predict(path, {"text": "warm"})
        load(server.address, path, *server.fields, "-n", 1000, "-c", 8, "-d", text, "-H", "Prefer: wait")
        cpu = cpu_seconds(server.pid)
        done = load(server.address, path, *server.fields, "-c", 32, "-t", SECONDS, "-d", text, "-H", "Prefer: wait")
        cost = server_cost(server, cpu, done)
    return [
        at_least("life cycles per second, 32 clients that wait for the end", done["per_second"], 8000),
        Row("time of one, p50", done["p50_us"] / 1000, "ms"),
        Row("time of one, p99", done["p99_us"] / 1000, "ms"),
        Row("processor time of the server for one", cost, "µs"),
        *bullmq(done["per_second"], text),
    ]


def bullmq(ours, text):
    """Jobs that are added one by one, by 32 adders, and done by a worker that does nothing."""
    if not shutil.which("redis-server") or not shutil.which("node") or not (ROOT / "bench/node_modules/bullmq").exists():
        print("  left out: Redis or BullMQ is not installed")
        return []
    folder = fresh("cycles-redis")
    with Process("redis-server", "--port", 0, "--unixsocket", folder / "socket", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always",
                 "--save", ""):
        wait_for((folder / "socket").exists, "Redis")
        rates = [json.loads(run("node", ROOT / "bench/bullmq.mjs", folder / "socket", SECONDS, text, how))["per_second"] for how in ("wait", "add")]
    return [
        Row("BullMQ on Redis (appendfsync always), 32 adders that wait for the end", rates[0], "/s"),
        Row("BullMQ likewise, adders that wait for nothing but the adding", rates[1], "/s"),
        Row("ours to the better of the two", ours / max(rates), "×", "> 1", ours > max(rates)),
    ]


@benchmark("From create to start, on a warm instance")
def starts():
    text = body(clock=True)
    rows = []
    with fake_server("starts") as server:
        path = server.deploy("fake", server.push(), low=1)
        server.predict(path, {"text": "warm"})
        for clients in (1, 8):
            done = load(server.address, path, *server.fields, "-c", clients, "-t", SECONDS, "-w", 0.5, "-d", text, "-s", "-H", "Prefer: wait")
            rows += [
                below(f"sent to started, {clients} client{'s'[:clients > 1]}, p50", done["start_p50_us"] / 1000, 1, "ms"),
                below(f"sent to started, {clients} client{'s'[:clients > 1]}, p99", done["start_p99_us"] / 1000, 4, "ms"),
            ]
        took = plain_starts(server, path, text)
    return [
        *rows,
        below("sent to started, a create that is not waited for, p50", took[len(took) // 2], 1, "ms"),
        below("sent to started, a create that is not waited for, p99", took[len(took) * 99 // 100], 4, "ms"),
    ]


def plain_starts(server, path, text):
    """One create after the other, answered after its commit; the run's begin is read afterwards. In ms, sorted."""
    link = http.client.HTTPConnection("127.0.0.1", server.port)
    fields = {"Authorization": f"Bearer {server.token}"}
    made = []
    for _ in range(500):
        sent = time.time()
        link.request("POST", path, text, fields)
        made.append((sent, json.loads(link.getresponse().read())["id"]))
    link.close()
    wait_for(lambda: server.call("GET", f"/predictions/{made[-1][1]}")["status"] == "succeeded", "the last run")
    return sorted(server.call("GET", f"/predictions/{one}")["output"] / 1e3 - sent * 1e3 for sent, one in made)
