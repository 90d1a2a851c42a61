# SPDX-License-Identifier: Apache-2.0
"""The generated Python SDK: its package has the name of the official client's, so it runs in an environment of its own. The
tests are in sdk/, each counts here."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from berth import EXAMPLES, ROOT

PROGRAM = Path(__file__).parent / "sdk/client.py"
NAMES = re.findall(r"^def (test_\w+)\(", PROGRAM.read_text(), re.M)


def python():
    given = os.environ.get("BERTH_TEST_SDK") or ROOT / "build/venv-sdk"
    path = Path(given) / "bin/python"
    assert path.exists(), f"{path} is not there: ./test makes it, or name an environment with the SDK in BERTH_TEST_SDK"
    return str(path)


@pytest.fixture(scope="module")
def report(house, tmp_path_factory):
    """What the program said, and how each test ended."""
    client = house.account("sdk-user")
    folder = tmp_path_factory.mktemp("doomed") / "model"
    shutil.copytree(EXAMPLES / "hello", folder)
    (folder / "other.txt").write_text("another version")
    given = {"url": house.url, "token": client.token, "account": "sdk-user",
             "hello": house.push(client, EXAMPLES / "hello", "hello", "--public"),
             "doomed": house.push(client, folder, "doomed"), "writer": house.push(client, EXAMPLES / "train", "writer")}
    client.deploy("hello", "sdk-user/hello", given["hello"])
    client.post("/models", {"owner": "sdk-user", "name": "trained", "visibility": "private", "hardware": "cpu-small"})
    house.admin("collection", "create", "sdk_collection", "--name", "For the SDK", "--description", "One model")
    house.admin("collection", "add", "sdk_collection", "sdk-user/hello")
    try:
        done = subprocess.run([python(), str(PROGRAM)], capture_output=True, text=True, check=False, timeout=300,
                              env={**os.environ, "BERTH_TEST_HOUSE": json.dumps(given), "REPLICATE_API_TOKEN": client.token,
                                   "REPLICATE_BASE_URL": house.url + "/v1"})
    finally:
        house.admin("collection", "delete", "sdk_collection")
    ended = {name: how == "ok" for how, name in re.findall(r"^(ok|not ok) (\w+)$", done.stdout, re.M)}
    return done.stdout + done.stderr, ended


@pytest.mark.parametrize("name", NAMES)
def test_sdk(report, name):
    text, ended = report
    assert ended.get(name), text[-10000:]
