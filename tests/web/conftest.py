# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser, against a real server: each script here is one test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "api"))

from berth import EXAMPLES, MODELS, ROOT, Server, wait_for  # noqa: E402

SHOTS = ROOT / "build/screenshots"
LIMIT = 900


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """One server for all: what takes longest is to make models ready."""
    server = Server(tmp_path_factory.mktemp("house") / "data", "--delete-after", "0s", "--rate-limit-sign-ins", "0").start()
    try:
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture
def drive(house):
    """Runs a script in the browser; what it knows of the world is given by name."""

    def run(script, client, **more):
        world = {"url": house.url, "token": client.token, "shots": str(SHOTS), **more}
        done = subprocess.run(["node", str(HERE / script)], capture_output=True, text=True, check=False, timeout=LIMIT,
                              env={**os.environ, "BERTH_WORLD": json.dumps(world)})
        print(done.stdout)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{house.log()[-3000:]}"

    return run


@pytest.fixture(scope="session")
def hello(house, tmp_path_factory):
    """The example in two versions, the older first."""
    acme = house.account("acme", "organization", "--full-name", "Acme Corp")
    other = tmp_path_factory.mktemp("other")
    for one in (EXAMPLES / "hello").iterdir():
        (other / one.name).write_bytes(one.read_bytes())
    (other / "predict.py").write_text((EXAMPLES / "hello/predict.py").read_text() + "\n# An older one.\n")
    old = house.push(acme, other, "hello")
    return {"client": acme, "old": old, "version": house.push(acme, EXAMPLES / "hello", "hello")}
