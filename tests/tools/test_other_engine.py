# SPDX-License-Identifier: Apache-2.0
"""tools/other-engine where there is no second engine to be had: it says why, and takes nothing."""

import os
import subprocess
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/other-engine"


def run(tmp_path, **programs):
    """With these programs before the machine's own."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for name, text in {"dockerd": "exit 1", "runc": "exit 1", "dpkg": "exit 1", **programs}.items():
        (fakes / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (fakes / name.replace("_", "-")).chmod(0o755)
    done = subprocess.run([TOOL, str(tmp_path / "engine")], capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": f"{fakes}:/usr/bin:/bin"})
    assert done.returncode == 77, done
    assert not (tmp_path / "engine/bin").exists()
    why = (tmp_path / "engine/why").read_text().strip()
    assert done.stdout.strip() == why
    return why


MIRROR = 'case "$*" in *indextargets*) echo "http://127.0.0.1:9/debian/" ;;'


@pytest.mark.parametrize("apt, why", [
    ("exit 0", "not those of Debian 12"),
    (f"{MIRROR} *) echo 'E: Failed to fetch it'; exit 100 ;; esac", "could not be fetched: E: Failed to fetch it"),
    (f"{MIRROR} *) echo 'nothing said'; exit 100 ;; esac", "could not be fetched: nothing said"),
    (f"{MIRROR} *) exit 0 ;; esac", "could not be fetched"),
])
def test_why_there_is_none(tmp_path, apt, why):
    assert why in run(tmp_path, apt_get=apt)
