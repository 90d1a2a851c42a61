# SPDX-License-Identifier: Apache-2.0
"""tools/compat, on a small suite of our own in the form of the Python client's."""

import re
import subprocess
import sys

import pytest
from berth import ROOT, binary

STREAM = '''
import os

import replicate
import pytest

MODEL = "replicate/canary:%s"


def test_stream():
    assert "".join(map(str, replicate.stream(MODEL, input={"text": "Hello"}))) == "hello there, Hello"


def test_whose_token_it_is():
    assert replicate.default_client.accounts.current().username == "alice"


@pytest.mark.skip(reason="not today")
def test_skipped():
    raise AssertionError
'''


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "replicate"\nversion = "1.0.7"\n')
    (folder / "tests/__init__.py").write_text("")
    (folder / "tests/conftest.py").write_text("")
    (folder / "tests/test_stream.py").write_text(STREAM % ("0" * 64))
    return folder


def compat(*words):
    return subprocess.run([str(ROOT / "tools/compat"), *map(str, words), "--binary", binary(), "--python", sys.executable],
                          capture_output=True, text=True, check=False, timeout=300)


def test_a_suite_that_passes(checkout):
    before = (checkout / "tests/test_stream.py").read_text()
    done = compat(checkout)
    assert done.returncode == 0, done
    assert "python-stream: tests/test_stream.py of the Python client 1.x, 1.0.7" in done.stdout
    assert "2 passed, 0 failed, 1 skipped" in done.stdout
    assert re.search(r"skipped, 1: not today\n +test_stream::test_skipped\n", done.stdout), done.stdout
    assert (checkout / "tests/test_stream.py").read_text() == before


def test_a_suite_that_fails(checkout):
    with (checkout / "tests/test_stream.py").open("a") as file:
        file.write("\n\ndef test_wrong():\n    assert 'this' == 'that'\n")
    done = compat(checkout)
    assert done.returncode == 1, done
    assert "2 passed, 1 failed, 1 skipped" in done.stdout
    assert re.search(r"failed, 1: AssertionError: assert 'this' == 'that'[^\0]*test_stream::test_wrong", done.stdout)


def test_what_is_no_suite(tmp_path, checkout):
    done = compat(tmp_path / "nothing")
    assert done.returncode == 1 and "is not a folder" in done.stderr
    done = compat(tmp_path)
    assert done.returncode == 1 and "python-generated: tests/api_resources" in done.stderr
    (checkout / "tests/test_stream.py").write_text("def test_nothing():\n    pass\n")
    done = compat(checkout)
    assert done.returncode == 1 and "is this another version?" in done.stderr
