# SPDX-License-Identifier: Apache-2.0
"""Figures, not a test: what receivers of webhooks that misbehave cost, and what open streams cost.

    BERTH_TEST_BIN=build/src/berth build/venv/bin/python tests/api/load.py
"""

import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(__file__))
from berth import MODELS, Server, wait_for  # noqa: E402
from receiver import Receiver  # noqa: E402
from sse import Stream  # noqa: E402

COUNT = 1000
ECHO = {"mode": "echo", "text": "x"}
EVENTS = os.environ.get("BERTH_TEST_EVENTS", "output,completed").split(",")


def memory(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def throughput(client, path, urls):
    """Predictions a second, and what was made."""
    def one(index):
        body = {"input": ECHO}
        if urls:
            body |= {"webhook": urls[index % len(urls)], "webhook_events_filter": EVENTS}
        answer = client.post(path + "/predictions", body, headers={"Prefer": "wait"})
        assert answer.status == 201 and answer.json["status"] == "succeeded", answer
        return answer.json

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(one, range(COUNT)))
    return COUNT / (time.monotonic() - began), made


def webhooks(client, path):
    hooks = [Receiver(manner) for manner in ("hang", "drip", 302, 500)]
    refused = Receiver()
    refused.stop()  # nobody listens there any more
    urls = [hook.url() for hook in hooks] + [refused.url()]
    without, with_hooks = [], []
    made = []
    for _ in range(3):
        without.append(throughput(client, path, [])[0])
        rate, some = throughput(client, path, urls)
        with_hooks.append(rate)
        made += some
    print(f"predictions a second without webhooks {[round(x) for x in without]}, with receivers that misbehave "
          f"{[round(x) for x in with_hooks]}: ratio of medians "
          f"{statistics.median(with_hooks) / statistics.median(without):.3f}")
    began = time.monotonic()
    for hook in hooks:
        hook.manner = 200
        hook.released.set()
    waiting = {each["id"]: each for index, each in enumerate(made) if index % COUNT % len(urls) < len(hooks)}

    def all_told():
        told = set()
        for hook in hooks:
            with hook.lock:
                told |= {one.json["id"] for one in hook.got if one.json["status"] == "succeeded"}
        return waiting.keys() <= told

    wait_for(all_told, "the last webhook", 1200)
    print(f"{len(waiting)} ends arrived {time.monotonic() - began:.1f} s after the receivers recovered")
    for hook in hooks:
        ids = {}
        for one in hook.got:
            ids.setdefault((one.json["id"], one.json["status"]), set()).add(one.id)
        assert all(len(each) == 1 for (_, status), each in ids.items() if status == "succeeded")
        hook.stop()


def streams(server, client, path):
    folder = tempfile.mkdtemp()
    go = os.path.join(folder, "go")
    made = client.predict(path, {"mode": "wait", "file": go}, wait=False)
    before = memory(server)
    opened = [Stream(made["urls"]["stream"]) for _ in range(COUNT)]
    for stream in opened:
        assert stream.next()[2] == "begin "
    print(f"{COUNT} streams of one prediction: {memory(server) - before:.1f} MB more, {before:.1f} before")
    open(go, "w").close()
    began = time.monotonic()
    assert all([event[0] for event in stream.rest()] == ["output", "done"] for stream in opened)
    print(f"its end reached all of them within {time.monotonic() - began:.2f} s")
    many = [client.predict(path, {"mode": "words", "text": "w", "steps": 5}, wait=False) for _ in range(COUNT)]
    before = memory(server)
    opened = [Stream(each["urls"]["stream"]) for each in many]
    print(f"{COUNT} streams of {COUNT} predictions: {memory(server) - before:.1f} MB more, {before:.1f} before")
    whole = ["output"] * 5 + ["done"]
    assert all([event[0] for event in stream.rest()] == whole for stream in opened)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))
    threading.stack_size(256 * 1024)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(os.path.join(folder, "data"), "--webhook-private-targets", "--webhook-timeout", "2s").start()
        try:
            client = server.account("acme")
            path = client.deploy("d", "acme/model", server.push(client, MODELS / "ctl", "model"), 1, 1)
            throughput(client, path, [])
            webhooks(client, path)
            streams(server, client, path)
            server.stop()
        finally:
            server.end()


if __name__ == "__main__":
    main()
