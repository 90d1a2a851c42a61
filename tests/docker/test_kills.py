# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server, of the engine, of a container and of the registry, in each phase of an instance. Whatever was accepted
ends as it was promised, and what is left at the engine is what the server knows. The phases of a push are in test_push.py."""

import contextlib
import io
import os
import signal
import sqlite3
import tarfile
from pathlib import Path

import distribution
import pytest
from between import Between
from berth import wait_for
from test_docker import containers, none_left, push
from test_life import touch


def varied(engine, name, path, data):
    """An image of its own: ctl:v1 with one more file. Only that layer is its own."""
    made = engine.ask("POST", "/containers/create", {"Image": "ctl:v1"})["Id"]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as opened:
        entry = tarfile.TarInfo(path)
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    tar.seek(0)
    engine.fetch(f"/containers/{made}/archive?path=/", "PUT", tar, {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"})
    repository, _, tag = name.rpartition(":")
    engine.ask("POST", f"/commit?container={made}&repo={repository}&tag={tag}")
    engine.ask("DELETE", f"/containers/{made}?force=1")


@pytest.fixture(scope="module")
def slow(engine, images):
    """An image whose setup waits for a file."""
    varied(engine, "slow:v1", "src/setup.txt", b"wait")
    yield "slow:v1"
    engine.ask("DELETE", "/images/slow:v1")


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    why = distribution.missing()
    if why:
        pytest.skip(why)
    made = distribution.Distribution(tmp_path_factory.mktemp("registry")).start()
    try:
        yield made
    finally:
        made.kill()


class Case:
    """A server with a deployment, and what the engine had of it before there was an instance."""

    def __init__(self, engine, between, new_server, image, registry=None):
        self.engine, self.between, self.held, self.registry = engine, between, None, registry
        self.server = new_server("--docker-socket", between.socket, *(["--registry", registry.url] if registry else []))
        self.client = self.server.account("acme")
        version = self.push_to_registry(image) if registry else push(self.server, image)
        self.path = self.client.deploy("boxed", "acme/model", version)
        self.keep_for("10m")
        self.owner = self.server.records("the container engine is ready")[0]["container_owner"]
        self.before = self.networks(), self.images()

    def push_to_registry(self, image):
        """As `docker push` does: the engine knows it by another name than the one that it is pulled by."""
        repository = f"127.0.0.1:{self.server.port}/acme/model"
        self.engine.ask("POST", f"/images/{image}/tag?repo={repository}&tag=v1")
        said = self.engine.ask("POST", f"/images/{repository}/push?tag=v1", {}, auth={"username": "acme", "password": self.client.token})
        assert "error" not in str(said), said
        return self.client.get("/models/acme/model").json["latest_version"]["id"]

    def networks(self):
        return {one["Name"] for one in self.engine.ask("GET", "/networks") if self.owner in str(one["Labels"])}

    def images(self):
        return {tag for one in self.engine.ask("GET", "/images/json") for tag in one["RepoTags"] or [] if self.owner in tag}

    def predict(self, **values):
        return self.client.predict(self.path, values, wait=False)

    def ready(self):
        """Its instance is there, and has nothing to do."""
        assert self.client.ended(self.predict(text="first"))["output"] == ["first"]

    def running(self):
        return containers(self.engine, self.server, running=True)

    def hold(self, when, method, pattern, first=lambda: None):
        """The next such request of the server is held when this returns; `first` is what leads to it."""
        self.held = self.between.hold(when, method, pattern)
        made = first()
        wait_for(self.held.reached.is_set, lambda: f"{method} {pattern}: {self.between.seen} {self.server.log()}")
        return made

    def keep_for(self, time):
        assert self.client.patch(self.path, {"scaling": {"keep_alive": time}}).status == 200

    def state(self):
        return sorted(one["state"] for one in self.client.get(f"{self.path}/instances").json["results"])

    def difference(self):
        """What the database says and the engine does not, or the other way round; None: nothing."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data}/berth.db?mode=ro", uri=True)) as base:
            stored = {row[0] for row in base.execute("SELECT id FROM instance WHERE ended_at = 0")}
        there = {one["Labels"]["berth.instance"]: one["State"] for one in self.engine.containers(f"berth.server={self.owner}")}
        if stored == set(there) and set(there.values()) <= {"running"} and set(self.state()) <= {"idle"}:
            return None
        return f"stored {stored}, there {there}, states {self.state()}"

    def without_containers(self):
        """Containers' processes that the engine does not know, which a crash may leave."""
        known = {one["Id"] for one in self.engine.containers()}
        found = set()
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = command.read_bytes().decode(errors="replace").split("\0")
                if "containerd-shim" in words[0] and f"{self.engine.folder}/containerd.sock" in words:
                    found.add(words[words.index("-id") + 1])
        return found - known


# --- the phases: each leads a case to it, and gives back the prediction that was accepted meanwhile ---


def pulling(case):
    made = case.predict(text="kept")
    wait_for(lambda: [path for _, path in case.between.seen if "/images/create" in path], "the engine's pull")
    return made


def creating(case):
    return case.hold("before", "POST", "/containers/create", lambda: case.predict(text="kept"))


def created(case):
    return case.hold("before", "POST", "/start$", lambda: case.predict(text="kept"))


def started(case):
    return case.hold("after", "POST", "/start$", lambda: case.predict(text="kept"))


def setup(case):
    made = case.predict(text="kept")
    wait_for(lambda: "loading the weights" in str(case.client.get(f"{case.path}/instances").json["results"]), "its setup")
    return made


def idle(case):
    case.ready()
    wait_for(lambda: case.state() == ["idle"], "an idle instance")
    return None


def predicting(case):
    made = case.predict(mode="wait", file="/tmp/go")
    wait_for(lambda: "waiting" in (case.client.prediction(made)["logs"] or ""), "its first lines")
    return made


def replaced(case):
    made = predicting(case)
    assert case.client.patch(case.path, {"version": push(case.server, "ctl:v2"), "min_instances": 1, "max_instances": 2}).status == 200
    assert case.client.ended(case.predict(text="another"))["output"] == ["another"]
    wait_for(lambda: case.state() == ["active", "idle"], lambda: f"the first beside its successor: {case.state()}")
    case.before = case.before[0], case.images()
    return made


def ending(case, when, method, pattern):
    case.ready()
    case.hold(when, method, pattern, lambda: case.keep_for("1s"))
    case.keep_for("10m")
    return case.predict(text="kept")


def stopping(case):
    return ending(case, "before", "POST", "/kill[?]")


def removing(case):
    return ending(case, "before", "DELETE", "/containers/")


def removed(case):
    return ending(case, "after", "DELETE", "/containers/")


# --- the victims ---


def kill_server(case):
    case.server.kill()
    if case.held and case.held.when == "after":
        case.held.go(is_lost=True)
    case.server.start()


def kill_engine(case):
    case.engine.kill()
    if case.held:
        case.held.go(is_lost=True)
    case.engine.start()


def kill_container(case):
    """The oldest of them, with all that runs in it. What is given to it before the server knows has run, as far as anybody can
    tell, and fails: this waits until it is known."""
    oldest = min(case.running(), key=lambda one: one["Created"])
    ended = len(case.server.records("instance ended"))
    os.kill(case.engine.inspect(oldest["Id"])["State"]["Pid"], signal.SIGKILL)
    if case.held:
        case.held.go()
    wait_for(lambda: len(case.server.records("instance ended")) > ended, lambda: f"its end: {case.server.log()}")


def kill_registry(case):
    case.registry.kill()
    case.registry.start()


KILLS = [(phase, kill) for phase, kills in {
    creating: (kill_server, kill_engine),
    created: (kill_server, kill_engine),
    started: (kill_server, kill_engine, kill_container),
    setup: (kill_server, kill_engine, kill_container),
    idle: (kill_server, kill_engine, kill_container),
    predicting: (kill_server, kill_engine, kill_container),
    replaced: (kill_server, kill_engine, kill_container),
    stopping: (kill_server, kill_engine, kill_container),
    removing: (kill_server, kill_engine),
    removed: (kill_server, kill_engine),
}.items() for kill in kills]


@pytest.fixture
def between(engine, images):
    made = Between(engine)
    yield made
    made.end()


@pytest.mark.parametrize(("phase", "kill"), KILLS, ids=lambda one: one.__name__.removeprefix("kill_"))
def test_a_kill_in_each_phase(request, engine, between, new_server, phase, kill):
    case = Case(engine, between, new_server, request.getfixturevalue("slow") if phase is setup else "ctl:v1")
    made = phase(case)
    kill(case)
    is_lost = phase in (predicting, replaced) and kill is kill_container
    comes_to_its_end(case, made, is_lost)


@pytest.mark.parametrize("kill", [kill_server, kill_engine, kill_registry], ids=lambda one: one.__name__.removeprefix("kill_"))
def test_a_kill_while_the_image_is_pulled(engine, between, behind, new_server, kill):
    image = f"far-{kill.__name__}:v1"
    varied(engine, image, "src/noise", os.urandom(1000))
    case = Case(engine, between, new_server, image, registry=behind)
    with behind.stopped() if kill is not kill_registry else contextlib.nullcontext():
        if kill is kill_registry:
            behind.process.send_signal(signal.SIGSTOP)  # until it is killed
        made = pulling(case)
        kill(case)
    comes_to_its_end(case, made)


def comes_to_its_end(case, made, is_lost=False):
    done = {}

    def has_ended():
        for container in case.running():  # whatever a model waits for
            with contextlib.suppress(Exception):
                touch(case.engine, container, "/tmp/go")
                touch(case.engine, container, "/tmp/setup")
        done.update(case.client.prediction(made))
        return done["completed_at"]

    if made:
        wait_for(has_ended, lambda: f"the end of {done} {case.server.log()}")
    if is_lost:
        assert done["status"] == "failed" and "ended by signal 9" in done["error"], done
    elif made:
        assert done["status"] == "succeeded" and done["output"][-1] in ("kept", "end"), (done, case.server.log())
    if case.held:
        case.held.go()  # what a server that is gone had asked for comes now
    again = case.predict(text="again")
    assert case.client.ended(again)["output"] == ["again"], case.server.log()
    wait_for(lambda: case.difference() is None, lambda: f"agreement: {case.difference()} {case.server.log()}")
    assert (case.networks(), case.images()) == case.before
    wait_for(lambda: not case.without_containers(), lambda: f"the end of {case.without_containers()}")
    case.server.stop()
    none_left(case.engine, case.server)
    assert case.networks() <= case.before[0]
