# SPDX-License-Identifier: Apache-2.0
"""Models and instances that misbehave: each prediction ends as it should, with its logs, and the next one works."""

import os
import signal

from pathlib import Path

import pytest
from berth import MODELS, instance_processes, wait_for


@pytest.fixture
def place(new_server):
    """A server with short times, the test model, and a deployment of it."""
    server = new_server("--cancel-grace", "1s", "--idle-timeout", "10m")
    me = server.account("me")
    server.version = server.push(me, MODELS / "ctl", "ctl")
    return server, me, me.deploy("d", "me/ctl", server.version)


def works(me, path):
    made = me.predict(path, {"text": "next"})
    assert (made["status"], made["output"]) == ("succeeded", ["next"]), made


def model_processes(server):
    """Those of the model server and its worker, not our supervisor."""
    found = []
    for pid in instance_processes(server.data):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if b"init" not in words:
            found.append(pid)
    return found


def test_one_that_raises(place):
    _, me, path = place
    made = me.predict(path, {"mode": "raise", "text": "purpose"})
    assert (made["status"], made["error"], made["output"]) == \
        ("failed", "ValueError: broken on purpose", ["before "])
    assert made["logs"].startswith("mode raise\n")
    assert "Traceback" in made["logs"] and "ValueError: broken on purpose" in made["logs"]
    works(me, path)


@pytest.mark.parametrize("mode", ["crash", "exit"])
def test_one_whose_process_ends(place, mode, tmp_path):
    _, me, path = place
    works(me, path)
    made = me.predict(path, {"mode": mode, "file": str(tmp_path / "go")}, wait=False)
    wait_for(lambda: me.prediction(made)["output"] and me.prediction(made)["logs"], "what it says first")
    (tmp_path / "go").touch()
    ended = me.ended(made)
    assert ended["status"] == "failed" and ended["error"], ended
    assert f"mode {mode}\n" in ended["logs"] and ended["output"] == ["before "]
    assert len([row for row in me.get("/predictions").json["results"] if row["status"] == "failed"]) == 1
    works(me, path)


def test_an_instance_that_is_killed_in_the_middle(place, tmp_path):
    server, me, path = place
    made = me.predict(path, {"mode": "wait", "file": str(tmp_path / "never")}, wait=False)
    wait_for(lambda: "waiting" in me.prediction(made)["logs"], "the start")
    victims = model_processes(server)
    assert victims
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    ended = me.ended(made)
    assert ended["status"] == "failed" and ended["error"], ended
    assert ended["logs"].startswith("mode wait\nwaiting\n") and ended["output"] == ["begin "]
    works(me, path)


def test_one_that_prints_without_end(place):
    _, me, path = place
    made = me.predict(path, {"mode": "print", "steps": 30000})
    assert (made["status"], made["output"]) == ("succeeded", ["printed"])
    logs = made["logs"]
    assert logs.startswith("mode print\nline 0 xxx") and logs.endswith("x\n") and "line 29999 " in logs[-200:]
    assert 1 << 19 < len(logs) < (1 << 20) + 1000, "the middle is cut out"
    assert "line 15000 " not in logs
    works(me, path)


def test_one_that_ignores_cancel(place, tmp_path):
    _, me, path = place
    made = me.predict(path, {"mode": "stubborn", "file": str(tmp_path / "never")}, wait=False)
    wait_for(lambda: "mode stubborn" in me.prediction(made)["logs"], "the start")
    assert me.post(f"/predictions/{made['id']}/cancel").status == 200
    ended = me.ended(made)
    assert ended["status"] == "canceled" and ended["logs"].startswith("mode stubborn\n")
    works(me, path)


def test_one_that_takes_too_long(new_server, tmp_path):
    server = new_server("--run-timeout", "2s", "--cancel-grace", "1s")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
    made = me.predict(path, {"mode": "wait", "file": str(tmp_path / "never")})
    assert made["status"] == "failed" and "2s" in made["error"] and "waiting\n" in made["logs"]
    works(me, path)


@pytest.mark.parametrize("how, words", [("raise", "the weights are broken"), ("exit", ""), ("hang", "")])
def test_a_setup_that_fails(new_server, variant, how, words):
    server = new_server("--setup-timeout", "3s")
    me = server.account("me")
    path = me.deploy("d", "me/bad", server.push(me, variant(how), "bad"))
    made = [me.predict(path, {}, wait=False) for _ in range(3)]
    for one in made:
        ended = me.ended(one)
        assert ended["status"] == "failed" and ended["error"] and words in ended["error"] + ended["logs"], ended
    release = me.get(path + "/releases").json["results"][0]
    assert release["state"] == "failed" and words in release["failure"]
    refused = me.post(path + "/predictions", {"input": {}})
    assert (refused.status, refused.type) == (422, "application/problem+json") and words in refused.json["detail"]
    assert len(server.records("instance boots")) == 3
    good = server.push(me, MODELS / "ctl", "bad")
    assert me.patch(path, {"version": good}).status == 200
    works(me, path)


def test_enable_lets_a_failed_release_try_again(new_server, variant):
    server = new_server()
    me = server.account("me")
    path = me.deploy("d", "me/bad", server.push(me, variant("raise"), "bad"))
    assert me.ended(me.predict(path, {}, wait=False))["status"] == "failed"
    assert me.post(path + "/predictions", {"input": {}}).status == 422
    assert me.post(path + "/enable").status == 200
    assert me.ended(me.predict(path, {}, wait=False))["status"] == "failed"


def test_an_update_that_fails_leaves_the_old_release_at_work(place, variant):
    server, me, path = place
    works(me, path)
    bad = server.push(me, variant("raise"), "ctl")
    assert me.patch(path, {"version": bad}).status == 200
    wait_for(lambda: any(row["state"] == "failed" for row in me.get(path + "/releases").json["results"]), "the failure")
    made = me.predict(path, {"text": "old"})
    assert (made["status"], made["version"], made["output"]) == ("succeeded", server.version, ["old"])


def test_as_many_instances_as_allowed_and_then_none(new_server, tmp_path):
    server = new_server("--idle-timeout", "1s")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), high=2)
    made = [me.predict(path, {"mode": "wait", "file": str(tmp_path / "go")}, wait=False) for _ in range(4)]

    def running():
        return [me.prediction(one)["status"] for one in made].count("processing")

    wait_for(lambda: running() == 2, "two at once")
    assert len(me.get(path + "/instances").json["results"]) == 2
    assert me.get(path + "/instances").json["waiting_predictions"] == 2
    (tmp_path / "go").touch()
    assert [me.ended(one)["output"] for one in made] == [["begin ", "end"]] * 4
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "the end of idle instances")
    wait_for(lambda: not instance_processes(server.data) or not model_processes(server), "the end of their processes")
    assert len(server.records("instance boots")) == 2


def test_a_minimum_is_kept_ready(new_server):
    server = new_server("--idle-timeout", "0s")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), low=1, high=1)
    states = wait_for(lambda: [row["state"] for row in me.get(path + "/instances").json["results"]] == ["idle"], "one")
    assert states
    works(me, path)
    assert [row["state"] for row in me.get(path + "/instances").json["results"]] == ["idle"]
    assert me.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "its end")


def test_two_large_instances_run_side_by_side_on_a_small_machine(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    made = []
    for name in ("one", "two"):
        path = me.deploy(name, "me/ctl", version, hardware="cpu")
        made.append(me.predict(path, {"mode": "wait", "file": str(tmp_path / "go")}, wait=False))
    wait_for(lambda: [me.prediction(one)["status"] for one in made] == ["processing"] * 2, "both")
    (tmp_path / "go").touch()
    assert [me.ended(one)["status"] for one in made] == ["succeeded"] * 2
