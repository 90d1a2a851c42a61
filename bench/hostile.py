# SPDX-License-Identifier: Apache-2.0
"""What a crowd of hostile connections costs those who behave."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from figures import Row, at_least, benchmark
from harness import LIMIT, Server, die_with_parent, load, memory_mb

CROWD, ROUNDS, ROUND_SECONDS = 1000, 5, 3


@contextlib.contextmanager
def crowd(server):
    child = subprocess.Popen([sys.executable, str(Path(__file__).with_name("crowd.py")), str(server.port), str(CROWD)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
                             env={**os.environ, "BERTH_TOKEN": server.token})
    try:
        line = child.stdout.readline()
        if not line or json.loads(line)["open"] != CROWD:
            raise RuntimeError(f"the crowd did not come: {line}")
        yield
    finally:
        child.stdin.close()
        child.wait(LIMIT)


@benchmark("Throughput with 1,000 hostile connections held open")
def hostile():
    """By turns without and with them, so that a machine that changes meanwhile changes both. Where they beset another
    server on the same machine, what is lost is what the crowd itself takes of the two cores."""
    rates, slow = {"none": [], "elsewhere": [], "here": []}, []
    with Server("hostile") as server, Server("hostile-other") as other:
        def measure(where):
            done = load(server.address, "/v1/account", *server.fields, "-c", 32, "-t", ROUND_SECONDS, "-w", 0.5)
            rates[where].append(done["per_second"])
            return done

        load(server.address, "/v1/account", *server.fields, "-c", 32, "-t", ROUND_SECONDS, "-w", 0.5)
        before = memory_mb(server.pid)
        for _ in range(ROUNDS):
            measure("none")
            with crowd(other):
                measure("elsewhere")
            with crowd(server):
                slow.append(measure("here")["p99_us"] / 1000)
                after = memory_mb(server.pid)
    ratios = [b / a for a, b in zip(rates["none"], rates["here"])]
    elsewhere = [b / a for a, b in zip(rates["none"], rates["elsewhere"])]
    return [
        Row("GETs per second without them, 32 clients", statistics.median(rates["none"]), "/s"),
        Row("GETs per second among them", statistics.median(rates["here"]), "/s"),
        Row("time of one among them, p99", statistics.median(slow), "ms"),
        at_least(f"with to without, median of {ROUNDS} pairs", statistics.median(ratios), 0.9, "×"),
        Row("lowest and highest of the pairs", f"{min(ratios):.3f} – {max(ratios):.3f}"),
        Row("the same while the crowd besets another server of this machine", statistics.median(elsewhere), "×"),
        Row("memory that they took", max(after - before, 0), "MB"),
    ]
