# SPDX-License-Identifier: Apache-2.0
"""Real models under load: from nothing to a burst and back, updates while requests come, two deployments and one GPU.

./test makes short versions of the long ones; ./test long (BERTH_TEST_LONG) all of them. Times are told (pytest -s shows
them), not judged, because machines differ: only what is promised is, by the machine's own measure."""

import http.client
import json
import os
import re
import select
import shutil
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from berth import LIMIT, MODELS, instance_processes, wait_for

LONG = bool(os.environ.get("BERTH_TEST_LONG"))
SENTENCE = re.compile(r"^\d+ → \d+: .{10,}$")


@pytest.fixture
def paced(tmp_path):
    """A copy of the model that takes so long to boot and to serve."""

    def make(boot, serve, how=""):
        folder = tmp_path / f"paced-{boot}-{serve}-{how}"
        shutil.copytree(MODELS / "paced", folder)
        (folder / "pace.txt").write_text(f"{boot} {serve} {how}")
        return folder

    return make


def waited(prediction):
    """Seconds from its creation to its start."""
    began, made = (datetime.fromisoformat(prediction[key].replace("Z", "+00:00")) for key in ("started_at", "created_at"))
    return (began - made).total_seconds()


def share(values, q):
    return sorted(values)[min(int(len(values) * q), len(values) - 1)] if values else 0


class Lifetimes:
    """Follows the instances of a server from outside of it. The ledger has an instance's time from the decision to boot
    until the server hears that nothing of it runs any more. Nobody outside sees these two moments, but two intervals
    between which it lies:

    - the shorter, from the beginning of its supervisor, which the kernel says, to the end of the last process below that,
      which its descriptor tells;
    - the longer, from a look at all processes at which nothing of it was there to the end of its supervisor, which stays
      until the server lets it go. It has the start of the supervisor by another process (a sanitizer looks for leaks at the
      end of both) and the way of the news.
    """

    def __init__(self, server):
        self.server, self.over = server, threading.Event()
        self.lives = {}  # by folder: the longer one's beginning and end, and the shorter one's
        self.folders, self.open = {}, {}  # of each process below a supervisor, and its own; processes by their descriptors
        self.poll = select.epoll()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._look, self._follow)]
        for one in self.threads:
            one.start()

    def _meet(self, pid, all_of_them, before):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        parent, session, began = int(stat[1]), int(stat[3]), int(stat[19]) / os.sysconf("SC_CLK_TCK")
        folder = self.folders.get(parent)
        if not folder:
            if b"init" not in words[:2]:
                return  # its parent is not known yet: it is met the next time
            folder = words[words.index(b"init") + 1]
            life = self.lives.setdefault(folder, {"longer": [before, None], "shorter": [None, None], "supervisor": None})
            if session != pid or parent in (self.server.process.pid, *all_of_them):
                return  # it starts the supervisor, or was just started by that
            life["shorter"][0], life["supervisor"] = began, pid
        fd = os.pidfd_open(pid)
        self.folders[pid], self.open[fd] = folder, pid
        self.poll.register(fd, select.EPOLLIN)

    def _look(self):
        before = now()
        while not self.over.wait(0.05):
            this = now()
            found = instance_processes(self.server.data)
            for pid in found:
                try:
                    if pid not in self.folders:
                        self._meet(pid, found, before)
                except OSError:
                    continue
            before = this

    def _follow(self):
        while not self.over.is_set() or self.open:
            for fd, _ in self.poll.poll(0.1):
                pid = self.open.pop(fd)
                life = self.lives[self.folders[pid]]
                life["longer" if life["supervisor"] == pid else "shorter"][1] = now()
                self.poll.unregister(fd)
                os.close(fd)

    def total(self):
        """Of all, the shorter and the longer."""
        self.over.set()
        for one in self.threads:
            one.join(LIMIT)
        return [sum(end - begin for begin, end in (life[which] for life in self.lives.values())) for which in ("shorter", "longer")]


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_burst_from_nothing_and_back(new_server, paced):
    server = new_server()
    me = server.account("me")
    version = server.push(me, paced(2, 0.5), "paced")
    path = me.deploy("burst", "me/paced", version, high=4)
    me.patch(path, {"scaling": {"target_wait": 5, "keep_alive": 2}})
    lifetimes = Lifetimes(server)
    made = [me.predict(path, {"text": str(n)}, wait=False) for n in range(50)]
    ended = [me.ended(one) for one in made]
    assert [(one["status"], one["output"]) for one in ended] == [("succeeded", str(n)) for n in range(50)]
    wait_for(lambda: not me.get(path + "/instances").json["results"], "that it stops again")
    shorter, longer = lifetimes.total()
    cost = me.get(path + "/cost").json
    decisions = me.get(path + "/decisions").json["results"][::-1]
    assert decisions[0]["instances_before"] == 0 and decisions[-1]["instances_after"] == 0
    for one in decisions:
        assert SENTENCE.match(one["sentence"]), one
        print(one["sentence"])
    waits = [waited(one) for one in ended]
    print(f"waits: median {share(waits, 0.5):.1f} s, longest {max(waits):.1f} s; instance-seconds: {cost['seconds']:.3f} in the "
          f"ledger, {shorter:.3f} to {longer:.3f} of processes ({(cost['seconds'] / shorter - 1) * 100:+.2f} and "
          f"{(cost['seconds'] / longer - 1) * 100:+.2f} %)")
    assert 0.99 * shorter <= cost["seconds"] <= 1.01 * longer


class Load:
    """Requests at a steady rate, whatever becomes of them; the ids of what was made, and all that went wrong."""

    def __init__(self, client, path, rate, threads=4):
        self.client, self.path, self.made, self.wrong = client, f"/v1{path}/predictions", [], []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(n, threads / rate), daemon=True) for n in range(threads)]
        self.began = time.monotonic()
        for one in self.threads:
            one.start()

    def _send(self, index, period):
        link = http.client.HTTPConnection("127.0.0.1", self.client.server.port, timeout=LIMIT)
        headers = {"Authorization": f"Bearer {self.client.token}", "Content-Type": "application/json"}
        due, n = time.monotonic(), 0
        while not self.over.wait(max(due - time.monotonic(), 0)):
            due, n = due + period, n + 1
            text = f"{index}-{n}"
            link.request("POST", self.path, json.dumps({"input": {"text": text}}).encode(), headers)
            answer = link.getresponse()
            body = answer.read()
            if answer.status == 201:
                self.made.append((json.loads(body)["id"], text))
            else:
                self.wrong.append((answer.status, body[:500]))
        link.close()

    def stop(self):
        self.over.set()
        for one in self.threads:
            one.join(LIMIT)
        return len(self.made) / (time.monotonic() - self.began)


def test_updates_under_load(new_server, paced):
    rate, updates = (100, 10) if LONG else (15, 3)
    server = new_server()
    me = server.account("me")
    good = [server.push(me, paced(1, pace), "paced") for pace in (0.001, 0.002)]
    bad = server.push(me, paced(0, 0, "broken"), "paced")
    path = me.deploy("updated", "me/paced", good[0], low=1, high=3)
    target = 5
    me.patch(path, {"scaling": {"target_wait": target}})
    assert me.predict(path, {"text": "first"})["status"] == "succeeded"
    load = Load(me, path, rate)

    def newest():
        return me.get(path + "/releases").json["results"][0]

    states, boots = [], []
    for n in range(updates):
        broken = n == updates // 2
        began = time.monotonic()
        answer = me.patch(path, {"version": bad if broken else good[(n + 1) % 2]})
        assert answer.status == 200, answer
        number = answer.json["current_release"]["number"]
        wait_for(lambda: newest()["state"] != "new", lambda: f"release {number} is {newest()}, {server.log()[-3000:]}")
        assert newest()["release"]["number"] == number
        states.append(newest()["state"])
        if not broken:
            boots.append(time.monotonic() - began)
    reached = load.stop()
    assert states == ["failed" if n == updates // 2 else "ready" for n in range(updates)]
    assert not load.wrong, load.wrong[:3]
    ended = [(me.ended(one), text) for one, text in load.made]
    lost = [one for one, text in ended if (one["status"], one["output"]) != ("succeeded", text)]
    assert not lost, lost[:3]
    waits = [waited(one) for one, _ in ended]
    versions = {one["version"] for one, _ in ended}
    assert versions == set(good)
    print(f"{len(ended)} predictions at {reached:.0f}/s through {updates} updates, one of which failed: none lost; waits: median "
          f"{share(waits, 0.5) * 1000:.0f} ms, 99 % {share(waits, 0.99):.2f} s, longest {max(waits):.2f} s; target {target} s + boot of "
          f"{max(boots):.1f} s at most")
    if LONG:  # what is promised, measured in boots of this machine at this time
        assert max(waits) <= target + max(boots)


ONE_GPU = """gpus:
  - name: Tesla T4
    memory: 16GB
hardware:
  - sku: gpu
    name: The GPU
    price: 0.001
    cpus: 0.5
    memory: 1GB
    gpus: 1
"""


@pytest.fixture
def one_gpu(new_server):
    server = new_server(start=False)
    (server.data / "berth.yaml").write_text(ONE_GPU)
    return server.start()


def test_two_deployments_take_turns_on_one_gpu(one_gpu, paced):
    """Each has more to do than it could get done while the other waits."""
    me = one_gpu.account("me")
    version = one_gpu.push(me, paced(0.2, 0.3), "paced")
    paths = [me.deploy(name, "me/paced", version, hardware="gpu") for name in ("left", "right")]
    n = 150 if LONG else 45
    for path in paths:
        me.patch(path, {"scaling": {"target_wait": 3, "keep_alive": 60}})
    made = [(path, me.predict(path, {"text": str(i)}, wait=False)) for i in range(n) for path in paths]
    told(me, made[1][1])
    order, most = [], 0
    for path, one in made:
        done = me.ended(one, limit=LIMIT * 3)
        most = max(most, sum(pool["instances"] for pool in me.get("/capacity").json["pools"]))
        assert done["status"] == "succeeded", done
        order.append((done["started_at"], path, waited(done)))
    assert most == 1
    order.sort()
    turns = 1 + sum(a[1] != b[1] for a, b in zip(order, order[1:]))
    for path in paths:
        waits = [row[2] for row in order if row[1] == path]
        print(f"{path}: first after {min(waits):.1f} s, median {share(waits, 0.5):.1f} s, longest {max(waits):.1f} s")
    # Each has work for longer than a turn: neither gets all of it done before the other has begun.
    assert turns >= 4
    causes = [one["sentence"] for one in me.get(paths[0] + "/decisions").json["results"] if one["cause"] == "capacity"]
    assert causes and all("gives up its place for me/right, of which" in one for one in causes)
    assert any("had its turn" in one for one in causes)
    print(*causes, f"{turns} turns", sep="\n")


def told(me, waiting):
    """What waits says for what, and who has it."""
    pools = {}

    def look():
        pools.update({pool["name"]: pool for pool in me.get("/capacity").json["pools"]})
        return "right" in pools and pools["right"]["waits_for"] and pools["left"]["instances"]

    wait_for(look, lambda: f"that one waits for the other: {pools}")
    assert pools["right"]["waits_for"] == "needs 1 GPU; 1 of 1 are taken"
    assert pools["right"]["held_by"] == [{"owner": "me", "name": "left", "hardware": "gpu", "instances": 1}]
    assert pools["right"]["waiting_predictions"] > 0
    assert pools["right"]["weight"] == 1 and pools["right"]["waiting_since"]
    assert pools["left"]["waits_for"] is None and pools["left"]["held_by"] == []
    reason = me.prediction(waiting)["queue"]["reason"]
    assert reason == "needs 1 GPU; 1 of 1 are taken; held by me/left (1 instance)"


def test_an_idle_instance_gives_up_its_place(one_gpu, paced):
    """At once, however long it would be kept; not where the minimum wants it."""
    me, other = one_gpu.account("me"), one_gpu.account("other")
    version = one_gpu.push(me, paced(0.1, 0.01), "paced", "--public")
    mine = me.deploy("mine", "me/paced", version, hardware="gpu")
    me.patch(mine, {"scaling": {"keep_alive": "1h"}})
    theirs = other.deploy("theirs", "me/paced", version, hardware="gpu")
    assert me.predict(mine, {"text": "a"})["status"] == "succeeded"
    assert other.ended(other.predict(theirs, {"text": "b"}, wait=False))["output"] == "b"
    last = me.get(mine + "/decisions").json["results"][0]
    assert last["cause"] == "capacity" and "gives up its place for somebody else's" in last["sentence"]
    assert SENTENCE.match(last["sentence"]) and last["instances_after"] == 0
    other.patch(theirs, {"min_instances": 1})
    made = me.predict(mine, {"text": "c"}, wait=False)
    held = wait_for(lambda: me.prediction(made)["queue"]["reason"], "a reason")
    assert held == "needs 1 GPU; 1 of 1 are taken; held by somebody else's (1 instance)"
    assert [(pool["owner"], pool["name"]) for pool in me.get("/capacity").json["pools"] if pool["instances"]] == [(None, None)]
    other.patch(theirs, {"min_instances": 0})
    assert me.ended(made)["output"] == "c"
