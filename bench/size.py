# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of how large things get: memory, and a million predictions."""

import random
import sqlite3
import time

from figures import SECONDS, Row, benchmark, below, fake_server
from harness import TEXT, Server, body, held, load, memory_mb, wait_for

OPEN = 10000
MILLION = 1000000


def options_that_exist(server_help, *pairs):
    return [word for pair in pairs if pair[0] in server_help for word in pair]


@benchmark("Memory of the server")
def memory():
    rows = []
    with Server("memory") as server:
        version = server.push()
        for n in range(100):
            server.deploy(f"idle{n}", version)
        rows.append(below("idle, with 100 deployments", memory_mb(server.pid), 25, "MB"))
    with Server("memory-waits") as server:
        path = server.deploy("waits", server.push(), hardware="absent")
        with held(server.address, path, OPEN, "-o", *server.fields, "-H", "Prefer: wait=60", "-d", body(text=TEXT)):
            wait_for(lambda: server.call("GET", "/deployments/bench/waits") and count(server) >= OPEN, "the waits", 55)
            rows.append(below("with 10,000 open waits", memory_mb(server.pid), 150, "MB"))
    with Server("memory-streams") as server:
        path = server.deploy("streams", server.push("stream"), model="stream", hardware="absent")
        load(server.address, path, *server.fields, "-c", 8, "-n", OPEN, "-d", body(text=TEXT))
        addresses = server.data / "streams"
        with sqlite3.connect(server.data / "berth.db") as database:
            secrets = [row[0] for row in database.execute("SELECT stream_secret FROM prediction")]
        addresses.write_text("".join(f"/v1/streams/{secret}\n" for secret in secrets))
        with held(server.address, "/", OPEN, "-O", *server.fields, "-l", addresses):
            rows.append(below("with 10,000 open streams, each of a prediction of its own", memory_mb(server.pid), 150, "MB"))
    return rows


def count(server):
    with sqlite3.connect(server.data / "berth.db") as database:
        return database.execute("SELECT COUNT(*) FROM prediction").fetchone()[0]


def fill(server):
    """A million ended predictions and 10,000 that wait, as copies of one."""
    database = sqlite3.connect(server.data / "berth.db", isolation_level=None)
    columns = [row[1] for row in database.execute("PRAGMA table_info(prediction)")]
    other = {"id": "substr(p.id, 1, 10) || printf('%016d', n)", "created_at": "p.created_at - 1100000 + n", "status": f"CASE WHEN n <= {MILLION} THEN 2 ELSE 0 END",
             "completed_at": f"CASE WHEN n <= {MILLION} THEN p.created_at - 1100000 + n ELSE 0 END"}
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -400000")
    database.execute(
        f"WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {MILLION + 10000}) "
        f"INSERT INTO prediction ({', '.join(columns)}) SELECT {', '.join(other.get(name, 'p.' + name) for name in columns)} "
        f"FROM count, (SELECT * FROM prediction LIMIT 1) p")
    ids = [row[0] for row in database.execute("SELECT id FROM prediction WHERE rowid % 500 = 0")]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    random.shuffle(ids)
    return ids


@benchmark("A million predictions")
def million():
    with Server("million") as server:
        path = server.deploy("waits", server.push(), hardware="absent")
        server.predict(path, {"text": TEXT}, wait=False)
    ids = fill(server)
    (server.data / "gets").write_text("".join(f"/v1/predictions/{one}\n" for one in ids))
    with Server("million", "--retention", "0", data=server.data) as server:
        rows = [below("start with a million predictions and 10,000 that wait", server.started_s, 1, "s")]
        get = load(server.address, None, *server.fields, "-c", 4, "-t", SECONDS, "-w", 0.5, "-l", server.data / "gets")
        page = load(server.address, "/v1/predictions", *server.fields, "-c", 4, "-t", SECONDS, "-w", 0.5)
        return [
            *rows,
            Row("GET by id, 4 clients", get["per_second"], "/s"),
            below("GET by id, p99", get["p99_us"] / 1000, 2, "ms"),
            Row("first page of the list (100 predictions), 4 clients", page["per_second"], "/s"),
            below("first page of the list, p99", page["p99_us"] / 1000, 10, "ms"),
        ]
