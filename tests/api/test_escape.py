# SPDX-License-Identifier: Apache-2.0
"""A model that tries to get at what is not its own: docs/security.md says what stops each try."""

import os
import re
from pathlib import Path

import pytest
from berth import MODELS, ROOT, Server, wait_for

HARDWARE = """
hardware:
  - {sku: cpu-small, price: "0.000025", cpus: 1, memory: 500MB, disk: 100MB, processes: 100, open_files: 256}
"""


@pytest.fixture(scope="module")
def prison(tmp_path_factory):
    """A server with one small hardware, and two deployments of the model that escapes."""
    data = tmp_path_factory.mktemp("escape") / "data"
    data.mkdir(mode=0o700)
    (data / "berth.yaml").write_text(HARDWARE)
    server = Server(data)
    server.shared_folders = lambda: []
    server.start()
    try:
        server.me = server.account("me")
        version = server.push(server.me, MODELS / "escape", "escape")
        server.push(server.me, MODELS / "ctl", "ctl")  # there is another version
        server.path = server.me.deploy("one", "me/escape", version)
        server.other = server.me.deploy("two", "me/escape", version)
        server.missing = server.me.get("/capacity").json["not_enforced"]
        assert attempt(server, "capabilities", server.other)[0] == "succeeded"  # there is another instance
        yield server
        server.stop()
    finally:
        server.end()


def test_capacity_says_what_holds(prison):
    isolation = prison.me.get("/capacity").json["isolation"]
    assert isolation["own_user"] == (os.geteuid() == 0 and not any("server's own user" in one for one in prison.missing))
    assert isolation["files_hidden"] == (not any("mount namespaces" in one for one in prison.missing))
    assert isolation["memory_limited"] == (not any("group for memory" in one for one in prison.missing))
    assert isolation["cpus_limited"] == (not any("group for cpus" in one for one in prison.missing))


def attempt(server, what, path=None):
    made = server.me.predict(path or server.path, {"attempt": what, "data": str(server.data), "pid": server.process.pid,
                                                   "port": server.port}, wait=False)
    made = server.me.ended(made)
    return made["status"], made["output"], made["error"]


def needs_users(server):
    if os.geteuid() != 0 or any("server's own user" in one for one in server.missing):
        pytest.skip("instances are no users of their own here: the server is not root")


def needs_mounts(server):
    if any("mount namespaces" in one for one in server.missing):
        pytest.skip("mount namespaces are refused here")


@pytest.mark.parametrize("what", ["database", "key", "configuration", "other_instances", "other_versions", "own_record",
                                  "admin_socket", "uncover", "shared_memory", "write_environment", "write_version",
                                  "write_machine", "become_root", "bind_port"])
def test_what_the_view_hides(prison, what):
    needs_mounts(prison)
    status, said, _ = attempt(prison, what)
    assert status == "succeeded" and said.startswith("could not: "), said


@pytest.mark.parametrize("what", ["server_environment", "server_root", "server_memory", "trace_server"])
def test_nobody_looks_into_the_server(prison, what):
    if os.geteuid() == 0:
        needs_users(prison)
    status, said, _ = attempt(prison, what)
    assert status == "succeeded" and said.startswith("could not: "), said


@pytest.mark.parametrize("what", ["signal_server", "signal_supervisor", "capabilities", "processes_of_others", "call_server"])
def test_what_its_user_may_not(prison, what):
    needs_users(prison)
    status, said, _ = attempt(prison, what)
    assert status == "succeeded" and said.startswith("could not: "), said
    assert prison.process.poll() is None


def test_processes_and_descriptors_have_an_end(prison):
    needs_users(prison)
    said = attempt(prison, "fork")[1]
    assert int(re.fullmatch(r"did: (\d+) and then .*", said)[1]) < 100, said
    said = attempt(prison, "descriptors")[1]
    assert int(re.fullmatch(r"did: (\d+) and then .*", said)[1]) < 256, said


@pytest.mark.parametrize("what", ["disk", "nameless_disk"])
def test_the_disk_has_an_end(prison, what):
    status, _, error = attempt(prison, what)
    assert status == "failed" and "more disk than its hardware has" in error, error
    assert attempt(prison, "capabilities")[0] == "succeeded", "the next one works"


def test_output_without_end_stays_small(prison):
    assert attempt(prison, "output")[0] == "succeeded"
    for log in (prison.data / "instances").glob("*/log"):
        assert log.stat().st_size < 2_000_000


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_what_left_the_group_ends_too(prison):
    pid = int(attempt(prison, "leave")[1].removeprefix("did: "))
    assert alive(pid)
    stopped = [row["id"] for row in prison.me.get(prison.path + "/instances").json["results"]]
    assert stopped
    assert prison.me.patch(prison.path, {"max_instances": 0}).status == 200
    wait_for(lambda: not alive(pid), "the end of what left its group")


def test_each_is_in_the_document():
    text = (ROOT / "docs/security.md").read_text()
    tries = re.findall(r"^def (\w+)\(", (MODELS / "escape/predict.py").read_text(), re.MULTILINE)
    for name in set(tries) - {"called", "fill", "predict"}:
        assert f"`{name}`" in text, f"docs/security.md does not say what stops {name}"
