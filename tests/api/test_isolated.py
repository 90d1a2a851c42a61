# SPDX-License-Identifier: Apache-2.0
"""instance_network: isolated. Each instance has a network of its own, and reaches nothing but what the server gives it.
Other tests run again with such instances: BERTH_TEST_NETWORK, in ./test."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile

import pytest
from berth import MODELS, Server, binary, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks of their own need root")


def ports(server):
    """Of the instances' model servers, each on its own loopback."""
    states = [json.loads(one.read_text()) for one in (server.data / "instances").glob("*/state.json")]
    return [state["port"] for state in states if not state["ended"]]


def attempt(server, what, **more):
    values = {"attempt": what, "data": str(server.data), "pid": server.process.pid, "port": server.port, **more}
    made = server.me.ended(server.me.predict(server.path, values, wait=False))
    assert made["status"] == "succeeded", made
    return made["output"]


@pytest.fixture(scope="module", params=["isolated", "host"])
def pair(request, tmp_path_factory):
    """Two instances of the model that escapes; what listens in the machine's network beside them."""
    if request.param == "isolated" and os.geteuid() != 0:
        pytest.skip("networks of their own need root")
    server = Server(tmp_path_factory.mktemp("net") / "data", f"--instance-network={request.param}")
    server.network = lambda: []
    server.start()
    abstract = socket.socket(socket.AF_UNIX)
    try:
        server.me = server.account("me")
        version = server.push(server.me, MODELS / "escape", "escape")
        other = server.me.deploy("other", "me/escape", version, low=1)
        wait_for(lambda: len(ports(server)) == 1 and ports(server)[0], "the other instance's port")
        server.other = ports(server)[0]
        server.path = server.me.deploy("one", "me/escape", version)
        server.is_isolated = request.param == "isolated"
        abstract.bind(f"\0berth-escape-{server.process.pid}")
        abstract.listen()
        wait_for(lambda: server.me.get(other).json["current_release"], "the release")
        yield server
        server.stop()
    finally:
        abstract.close()
        server.end()


def test_another_instance_is_out_of_reach(pair):
    wait_for(lambda: len(ports(pair)) == 2 or attempt(pair, "way_out"), "both instances")
    said = attempt(pair, "other_instance", other=pair.other)
    assert said.startswith("could not: " if pair.is_isolated else "did: b'HTTP/1.1"), said


@pytest.mark.parametrize("what", ["way_out", "machine_sockets", "call_server"])
def test_there_is_no_way_out(pair, what):
    said = attempt(pair, what)
    if pair.is_isolated:
        assert said.startswith("could not: "), said


def test_the_internal_listener_wants_the_own_secret(pair):
    with sqlite3.connect(f"file:{pair.data}/berth.db?mode=ro", uri=True) as db:
        address = db.execute("SELECT value FROM setting WHERE name = 'internal_listen'").fetchone()[0]
    said = attempt(pair, "other_secret", port=int(address.rpartition(":")[2]))
    assert said.startswith("could not: ") and "HTTP/1.1 40" in said, said


def test_it_is_told(pair):
    capacity = pair.me.get("/capacity").json
    assert capacity["isolation"]["own_network"] == pair.is_isolated
    assert any("share the server's network" in one for one in capacity["not_enforced"]) != pair.is_isolated


def refused(tmp_path, *options, prefix=()):
    done = subprocess.run([*prefix, binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"),
                           "--instance-network=isolated", *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    return done.stderr


def test_it_is_refused_where_it_cannot_be(tmp_path):
    said = refused(tmp_path, "--instance-uids=off")
    assert 'instance_network is "isolated"' in said and "instance_uids" in said and "Set instance_network to host" in said
    assert not (tmp_path / "data").exists(), "nothing is left"


@needs_root
def test_it_is_refused_without_root():
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        shutil.copy(binary(), f"{place}/berth")
        os.chmod(place, 0o777)
        os.chmod(f"{place}/berth", 0o755)
        said = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"{place}/berth", "serve",
                               "--listen=127.0.0.1:0", f"--data={place}/data", "--instance-network=isolated"], timeout=60,
                              capture_output=True, text=True, check=False, cwd="/")
        assert said.returncode == 1 and "the server is not root" in said.stderr, said
        assert os.listdir(place) == ["berth"]


def test_other_words_are_refused(tmp_path):
    assert '"none" is not one of host and isolated' in refused(tmp_path, "--instance-network=none")
