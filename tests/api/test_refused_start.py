# SPDX-License-Identifier: Apache-2.0
"""A `berth serve` that is refused leaves the data folder as it found it."""

import hashlib
import shutil
import socket
import subprocess

import pytest
from berth import EXAMPLES, MODELS, binary

BAD = {
    "port": ["--listen=127.0.0.1:{taken}"],
    "metrics": ["--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:{taken}"],
    "uids": ["--listen=127.0.0.1:0", "--instance-uids=5"],
    "folders": ["--listen=127.0.0.1:0", "--instance-folders=relative"],
    "certificate": ["--listen=127.0.0.1:0", "--tls-cert=/nowhere/cert.pem", "--tls-key=/nowhere/key.pem"],
    "option": ["--listen=127.0.0.1:0", "--no-such-option=1"],
}


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as link:
        yield link.getsockname()[1]


def refuse(data, words, taken):
    done = subprocess.run([binary(), "serve", "--data", str(data), *[word.format(taken=taken) for word in words]],
                          capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode not in (0, -6, -11) and "berth: " in done.stderr, done


def found(folder):
    return {str(one.relative_to(folder)): one.is_file() and hashlib.sha256(one.read_bytes()).hexdigest()
            for one in folder.rglob("*")}


@pytest.mark.parametrize("how", BAD)
def test_nothing_is_made(how, tmp_path, taken):
    refuse(tmp_path / "data", BAD[how], taken)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("how", BAD)
def test_what_was_there_stays_alone(how, tmp_path, taken):
    data = tmp_path / "data"
    (data / "tools/bin").mkdir(parents=True)
    (data / "tools/bin/uv").write_text("#!/bin/sh\n")
    shutil.copy(EXAMPLES / "berth.yaml", data / "berth.yaml")
    before = found(data)
    refuse(data, BAD[how], taken)
    assert found(data) == before


def test_a_folder_in_use_is_nobody_elses(new_server, taken):
    """Of the one that runs nothing goes; of one that ran, nothing but a socket that was made."""
    server = new_server()
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    refuse(server.data, ["--listen=127.0.0.1:0"], taken)
    assert me.get("/account").status == 200 and (server.data / "admin.sock").exists()
    server.stop()
    before = set(found(server.data))
    refuse(server.data, BAD["port"], taken)
    assert {one for one in set(found(server.data)) ^ before if not one.startswith("berth.db-")} == set()
    server.start()
    assert me.get(f"/models/me/ctl/versions/{version}").status == 200
