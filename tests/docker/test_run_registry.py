# SPDX-License-Identifier: Apache-2.0
"""./run --registry: a registry that begins and ends with the server, and keeps what was pushed."""

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import distribution
import pytest
from berth import Client, wait_for

sys.path.append(str(Path(__file__).resolve().parents[1] / "run"))

from registry import MANIFEST, ask, digest_of, push  # noqa: E402
from runner import Run, free_port, processes_of  # noqa: E402


@pytest.fixture
def run(tmp_path):
    why = distribution.missing()
    if why:
        pytest.skip(why)
    made = []

    def start(*words):
        (tmp_path / "data").mkdir(exist_ok=True)
        made.append(Run(tmp_path / "data", *words))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


class There:
    """Where the clients' requests go."""

    def __init__(self, run):
        self.port, self.url = run.port, f"http://127.0.0.1:{run.port}"


def client_of(run):
    account = Client(There(run), None, (run.data / "token").read_text().strip())
    account.account = account.get("/account").json["username"]
    return account


def pids_of(*words):
    """Of the processes whose command line has them all."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if all((word if isinstance(word, bytes) else str(word).encode()) in entry.read_bytes() for word in words):
                found.append(int(entry.parent.name))
    return found


def test_a_registry_beside_the_server(run, tmp_path):
    port = free_port()
    first = run(f"--registry={port}")
    first.until("Ctrl-C ends it")
    client = client_of(first)
    layer = os.urandom(100000)
    text, answer = push(client, f"{client.account}/pushed", layers=(layer,))
    assert answer[0] == 201, answer
    assert client.get(f"/models/{client.account}/pushed").json["latest_version"]["id"] == digest_of(text).removeprefix("sha256:")
    assert first.end(signal.SIGINT) == 130
    assert processes_of(tmp_path / "data") == []
    assert (tmp_path / "data/registry/config.yml").stat().st_mode & 0o077 == 0

    moved = run(f"--registry={free_port()}")
    assert moved.wait() == 1 and f"are at 127.0.0.1:{port}" in moved.text()
    with socket.create_server(("127.0.0.1", port)):
        taken = run("--registry")
        assert taken.wait() == 1 and f"something already listens on 127.0.0.1:{port}" in taken.text()
    assert processes_of(tmp_path / "data") == []

    second = run("--registry")
    second.until("Ctrl-C ends it")
    client = client_of(second)
    status, _, body = ask(client, "GET", f"/v2/{client.account}/pushed/manifests/v1", Accept=MANIFEST)
    assert status == 200 and body == text
    assert ask(client, "GET", f"/v2/{client.account}/pushed/blobs/{digest_of(layer)}")[2] == layer
    os.kill(second.process.pid, signal.SIGKILL)
    wait_for(lambda: not pids_of(b"docker-registry", tmp_path / "data"), "the registry's end with the ./run that was killed")
    for pid in pids_of(b"serve", tmp_path / "data"):  # the server goes on
        os.kill(pid, signal.SIGTERM)
    assert second.wait() == -signal.SIGKILL
    assert processes_of(tmp_path / "data") == []
