# SPDX-License-Identifier: Apache-2.0
"""./run as a user starts and ends it, in this checkout; on a bare system it is tried by tests/fresh."""

import json
import re
import shlex
import signal
import socket
import stat
import subprocess

import pytest
from runner import LIMIT, ROOT, Run, processes_of


@pytest.fixture
def run(tmp_path):
    made = []

    def start(*words, data="data", port=None):
        (tmp_path / data).mkdir(exist_ok=True)
        made.append(Run(tmp_path / data, *words, port=port))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def test_from_start_to_end_and_once_more(run, tmp_path):
    before = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, check=True).stdout
    first = run()
    first.until("Ctrl-C ends it")
    assert 'Output: ["hello", " there,", " friend"]' in first.lines and "succeeded" in first.lines
    assert stat.S_IMODE((tmp_path / "data/token").stat().st_mode) == 0o600
    assert (tmp_path / "data/berth.yaml").read_text() == (ROOT / "examples/berth.yaml").read_text()
    line = first.until("^  curl -s ")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=LIMIT)
    assert json.loads(done.stdout)["output"] == ["hello", " there,", " friend"], shlex.split(line)
    assert first.end(signal.SIGINT) == 130
    assert processes_of(tmp_path / "data") == []
    token = (tmp_path / "data/token").read_text()

    second = run()
    second.until("Ctrl-C ends it")
    assert "Made the account" not in second.text() and "Using the deployment" in second.text()
    assert second.end(signal.SIGTERM) == 0
    assert processes_of(tmp_path / "data") == []
    assert (tmp_path / "data/token").read_text() == token
    assert subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, check=True).stdout == before


def test_another_example(run):
    other = run("image")
    other.until("^succeeded$")
    assert re.search(r"Output: .*(data:image/png|/files/)", other.text())
    assert other.end(signal.SIGTERM) == 0


def test_an_end_in_the_middle(run, tmp_path):
    early = run()
    early.until("^Pushing ")
    assert early.end(signal.SIGTERM) == 0
    assert processes_of(tmp_path / "data") == []


def test_a_port_that_is_taken(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = run(port=other.getsockname()[1])
        assert refused.wait() == 1
        assert f"something already listens on 127.0.0.1:{refused.port}" in refused.text()


def test_a_folder_that_is_taken(run):
    first = run()
    first.until("^succeeded$")
    second = run()
    assert second.wait() == 1
    assert "another server is running on " in second.text()
    assert first.end(signal.SIGTERM) == 0


def test_a_model_that_fails(run, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "cog.yaml").write_text('predict: "predict.py:Predictor"\n')
    (folder / "predict.py").write_text("from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
                                       "    def predict(self) -> str:\n        raise ValueError('on purpose')\n")
    broken = run(str(folder))
    assert broken.wait() == 1
    assert "on purpose" in broken.text() and "succeeded" not in broken.lines
    assert processes_of(tmp_path / "data") == []
