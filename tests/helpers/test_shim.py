# SPDX-License-Identifier: Apache-2.0
"""The traceback shim, under the real model server: what it is for cannot be seen anywhere else."""

import re
import shutil
from pathlib import Path

import pytest
from coglet import HELPERS, make_environment, serving

MODEL = '''
import functools
import os
import sys
import time

from cog import BasePredictor, AsyncConcatenateIterator, ConcatenateIterator, Input

HOW = os.environ.get("HOW", "")
if HOW == "import":
    print("about to import")
    import there_is_no_such_module


def deco(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner


def broken(text):
    raise ValueError("broken on " + text)


class Base(BasePredictor):
    def setup(self):
        print("loading on stdout")
        print("loading on stderr", file=sys.stderr)
        if HOW == "setup":
            raise ValueError("no weights")
        if HOW == "exit":
            sys.exit(5)


class Plain(Base):
    def predict(self, text: str = Input(default="x")) -> str:
        print("working")
        return broken(text)


class Words(Base):
    def predict(self, text: str = Input(default="x")) -> ConcatenateIterator[str]:
        yield "one"
        broken(text)


class Coroutine(Base):
    async def setup(self):
        print("loading on stdout")
        if HOW == "setup":
            raise ValueError("no weights")

    async def predict(self, text: str = Input(default="x")) -> str:
        return broken(text)


class AsyncWords(Base):
    async def predict(self, text: str = Input(default="x")) -> AsyncConcatenateIterator[str]:
        yield "one"
        broken(text)


class Decorated(Base):
    @deco
    @deco
    def predict(self, text: str = Input(default="the default"), count: int = Input(default=2)) -> str:
        return f"{text} {count}"


class Slow(Base):
    def predict(self, text: str = Input(default="x")) -> ConcatenateIterator[str]:
        while True:
            time.sleep(0.01)
            yield text


class Exits(Base):
    def predict(self, text: str = Input(default="x")) -> str:
        sys.exit(3)


class Runs(Base):
    def run(self, text: str = Input(default="x")) -> str:
        return broken(text)


class Inherits(Plain):
    pass


def function(text: str = Input(default="x")) -> str:
    return broken(text)
'''


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A folder with the shim alone, as the server lays it out."""
    folder = tmp_path_factory.mktemp("shim")
    shutil.copy(HELPERS / "sitecustomize.py", folder)
    return folder


@pytest.fixture
def serve(venv, shim, tmp_path):
    """Start the model above with one of its classes."""
    (tmp_path / "predict.py").write_text(MODEL)

    def start(name, how="", shim=shim):
        return serving(venv, tmp_path, f"predict.py:{name}", shim=shim, environment={"HOW": how})

    return start


def traceback_in(text):
    """The traceback says where, in the model's own file, and shows nothing of the shim."""
    assert "Traceback (most recent call last)" in text
    assert re.search(r'predict\.py", line \d+, in broken', text)
    assert "ValueError: broken on me" in text
    assert "sitecustomize" not in text


@pytest.mark.parametrize("name", ["Plain", "Words", "Coroutine", "AsyncWords", "Runs", "Inherits", "function"])
def test_a_failing_run_has_its_traceback_in_the_logs(serve, name):
    with serve(name) as server:
        assert server.settled_health()["status"] == "READY"
        events = server.stream("/predictions/a1", {"input": {"text": "me"}})
        final = dict(events)["completed"]
        assert final["status"] == "failed"
        assert "broken on me" in final["error"]
        traceback_in(final["logs"])


def test_without_the_shim_there_is_none(serve):
    with serve("Plain", shim=None) as server:
        server.settled_health()
        final = dict(server.stream("/predictions/a1", {"input": {"text": "me"}}))["completed"]
        assert "Traceback" not in final["logs"]


@pytest.mark.parametrize("name", ["Plain", "Coroutine"])
def test_a_failing_setup_has_its_prints_and_its_traceback_on_stderr(serve, name):
    with serve(name, "setup") as server:
        assert server.settled_health()["status"] == "SETUP_FAILED"
        server.wait_for(lambda: any("ValueError: no weights" in line and "coglet::setup" in line
                                    for line in server.lines), "traceback")
        text = server.messages("coglet::setup")
        assert "loading on stdout" in text
        assert "Traceback (most recent call last)" in text
        assert "in setup" in text
        assert "sitecustomize" not in text


def test_a_failing_import_has_its_traceback_on_stderr(serve):
    with serve("Plain", "import") as server:
        assert server.settled_health()["status"] == "SETUP_FAILED"
        server.wait_for(lambda: any("ModuleNotFoundError: No module" in line and "coglet::setup" in line
                                    for line in server.lines), "traceback")
        text = server.messages("coglet::setup")
        assert "about to import" in text
        assert "import there_is_no_such_module" in text


def test_an_exit_in_setup_keeps_its_prints_and_has_no_traceback(serve):
    with serve("Plain", "exit") as server:
        assert server.settled_health()["status"] == "SETUP_FAILED"
        text = server.messages("coglet::setup")
        assert "loading on stdout" in text
        assert "Traceback" not in text


@pytest.mark.parametrize("name", ["Plain", "Coroutine"])
def test_the_prints_of_a_fast_setup_are_in_its_logs(serve, name):
    with serve(name) as server:
        health = server.settled_health()
        assert health["status"] == "READY"
        assert "[coglet::setup] loading on stdout" in health["setup"]["logs"]


def test_defaults_reach_a_decorated_model(serve):
    with serve("Decorated") as server:
        server.settled_health()
        status, answer = server.call("PUT", "/predictions/a1", {"input": {}})
        assert (status, answer["status"], answer["output"]) == (200, "succeeded", "the default 2")


def test_an_exit_is_no_mistake_to_report(serve):
    with serve("Exits") as server:
        server.settled_health()
        final = dict(server.stream("/predictions/a1", {"input": {}}))["completed"]
        assert final["status"] == "failed"
        assert "Traceback" not in final["logs"]


def test_a_cancellation_is_no_mistake_to_report(serve):
    with serve("Slow") as server:
        server.settled_health()
        asked = []

        def cancel_once(name, _data):
            if name == "output" and not asked:
                asked.append(server.call("POST", "/predictions/a1/cancel")[0])

        final = dict(server.stream("/predictions/a1", {"input": {}}, cancel_once))["completed"]
        assert asked == [200]
        assert final["status"] == "canceled"
        assert "Traceback" not in final["logs"]


def test_a_shim_that_does_not_fit_does_no_harm(serve, shim, tmp_path):
    """A Cog that looks different inside must run as without the shim."""
    folder = tmp_path / "shim"
    folder.mkdir()
    source = (Path(shim) / "sitecustomize.py").read_text()
    broken = source.replace("module.load_predictor_from_ref\n", "module.some_other_name\n")
    assert broken != source
    (folder / "sitecustomize.py").write_text(broken)
    with serve("Decorated", shim=folder) as server:
        assert server.settled_health()["status"] == "READY"
        answer = server.call("PUT", "/predictions/a1", {"input": {"text": "given", "count": 1}})[1]
        assert answer["output"] == "given 1"
