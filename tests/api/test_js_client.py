# SPDX-License-Identifier: Apache-2.0
"""The official JavaScript client: the tests are in js/, node runs them once, each counts here."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from berth import ROOT

FILES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))
NAMES = [name for file in FILES for name in re.findall(r'^test\("([^"]+)"', file.read_text(), re.M)]


@pytest.fixture(scope="module")
def report(house, acme, tmp_path_factory):
    """What node said, as text, and how each test ended."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    assert (ROOT / "node_modules/replicate").exists(), "run npm ci first"
    meeting = tmp_path_factory.mktemp("js")
    meeting.chmod(0o777)
    given = {"url": house.url, "token": acme.token, "version": house.version, "folder": str(meeting)}
    done = subprocess.run(["node", "--test", "--test-reporter=tap", *map(str, FILES)], capture_output=True, text=True,
                          check=False, timeout=300, cwd=ROOT, env={**os.environ, "BERTH_TEST_HOUSE": json.dumps(given)})
    ended = {name: how == "ok" for how, name in re.findall(r"^ *(ok|not ok) \d+ - (.*)$", done.stdout, re.M)}
    return done.stdout + done.stderr, ended


@pytest.mark.parametrize("name", NAMES)
def test_js(report, name):
    text, ended = report
    assert ended.get(name), text[-10000:]
