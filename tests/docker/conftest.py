# SPDX-License-Identifier: Apache-2.0
"""One engine for all of these tests, with two images; servers of their own for each."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "api")]

import engine as engines  # noqa: E402
from berth import MODELS, Server, wait_for  # noqa: E402

HARDWARE = """
hardware:
  - {sku: cpu-small, price: 0.000025, cpus: 1, memory: 512MB, processes: 200, runtimes: [process, docker]}
  - {sku: folders, price: 0.00001, cpus: 1, memory: 512MB}
  - {sku: wide, price: 0.001, cpus: 8, memory: 512MB, runtimes: [docker]}
"""


def pytest_collection_modifyitems(items):
    """What compares the machine before and after an engine goes before what has one."""
    items.sort(key=lambda one: one.path.name != "test_clean.py")


# In one line: the engine's import takes a label as a Dockerfile has it.
CHAT = ('{protocol: openai, port: 8000, command: [python3, server.py, --host, 0.0.0.0, --port, "{port}"], concurrency: {max: 3}, '
        "input: {prompt: {type: string, optional: true}, messages: {type: array, optional: true}, gate: {type: string, optional: true}}}")


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    why = engines.missing()
    if why:
        pytest.skip(why)
    made = engines.Engine(tmp_path_factory.mktemp("engine"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def base(engine, tmp_path_factory):
    """The files that all images begin with."""
    return engines.make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def images(engine, base):
    """The names of the images there are, and the ids the engine gave them."""
    return {"ctl:v1": engines.make_image(engine, base, MODELS / "ctl", "ctl:v1"),
            "ctl:v2": engines.make_image(engine, base, MODELS / "ctl", "ctl:v2", config={"image": "another"}),
            "files:v1": engines.make_image(engine, base, MODELS / "files", "files:v1", ref="predict.py:One"),
            "look:v1": engines.make_image(engine, base, MODELS / "files", "look:v1", ref="predict.py:Look"),
            "escape:v1": engines.make_image(engine, base, MODELS / "escape", "escape:v1"),
            "escape-image:v1": engines.make_image(engine, base, MODELS / "escape_image", "escape-image:v1"),
            "chat:v1": engines.make_server_image(engine, base, MODELS / "vllm", "chat:v1", CHAT),
            "plain:v1": engines.make_server_image(engine, base, MODELS / "plain", "plain:v1"),
            "bare:v1": engines.make_image(engine, base, MODELS / "ctl", "bare:v1", labels=False)}


@pytest.fixture
def new_server(tmp_path, engine, images):
    """Makes servers that use the engine: new_server(option, ...)."""
    made = []

    def make(*options):
        data = tmp_path / f"data{len(made)}"
        data.mkdir()
        (data / "berth.yaml").write_text(HARDWARE)
        server = Server(data, "--docker-socket", str(engine.socket), "--cpu-overcommit", "40", *options)
        made.append(server)
        server.start()
        wait_for(lambda: server.records("the container engine is ready"), "that it has found the engine")
        server.account("acme")
        return server

    yield make
    try:
        for server in made:
            if server.process.poll() is None:
                server.stop()
    finally:
        for server in made:
            server.end()
            engine.forget(server)
