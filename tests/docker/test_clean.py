# SPDX-License-Identifier: Apache-2.0
"""The tests' engine leaves nothing on the machine, however the tests end. Before the other tests, whose engine stays: two of them
write over each other's rules."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import engine as engines
import keeper
import pytest
from berth import wait_for

BEFORE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:mine - [0:0]
-A INPUT -j mine
COMMIT
"""
AFTER = """*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i br-0123456789ab -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:mine - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -j mine
-A INPUT -j mine
-A FORWARD -m comment --comment "of the engine" -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
"""


def test_what_was_added_to_iptables_is_taken_away():
    assert keeper.undo(keeper.parse_rules(BEFORE), keeper.parse_rules(AFTER)) == [
        ["-t", "nat", "-D", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER"],
        ["-t", "nat", "-F", "DOCKER"],
        ["-t", "nat", "-X", "DOCKER"],
        ["-t", "filter", "-D", "INPUT", "-j", "mine"],
        ["-t", "filter", "-D", "FORWARD", "-m", "comment", "--comment", "of the engine", "-j", "DOCKER-USER"],
        ["-t", "filter", "-F", "DOCKER-USER"],
        ["-t", "filter", "-X", "DOCKER-USER"],
        ["-t", "filter", "-P", "FORWARD", "ACCEPT"],
    ]
    assert keeper.undo(keeper.parse_rules(BEFORE), keeper.parse_rules(BEFORE)) == []


TESTS = """
import sys
sys.path[:0] = [{folder!r}, {api!r}]
import engine
made = engine.Engine(sys.argv[1]).start()
made.ask("POST", "/networks/create", {{"Name": "left", "Driver": "bridge"}})
if sys.argv[2] == "crash":
    made.kill()
print(made.keeper.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["alive", "crash"])
def test_tests_that_are_killed_leave_nothing(tmp_path, how):
    why = engines.missing()
    if why:
        pytest.skip(why)
    mounts = Path("/proc/self/mountinfo").read_text()
    before = keeper.Network()
    here = Path(__file__).resolve().parent
    program = TESTS.format(folder=str(here), api=str(here.parent / "api"))
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "engine"), how], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        pid = int(process.stdout.readline())
        assert keeper.Network().rules != before.rules
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the keeper's end")
    after = keeper.Network()
    assert after.rules == before.rules and after.links == before.links and after.forward == before.forward
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in read(one)]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
