# SPDX-License-Identifier: Apache-2.0
"""What a server leaves behind, and what the next one makes of it."""

import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from berth import MODELS, SANITIZER, binary, instance_processes, wait_for


def set_up(server, high=2):
    me = server.account("me")
    return me, me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), high=high)


def no_report(server):
    assert not SANITIZER.search("".join(server.lines)), server.log()


def ended_in_store(server):
    """Ids of the predictions whose end a server that is gone has left in its database."""
    with sqlite3.connect(f"file:{server.data}/berth.db?mode=ro", uri=True) as base:
        return {row[0] for row in base.execute("SELECT id FROM prediction WHERE status >= 2")}


def test_kill_with_200_waiting_and_2_running(new_server, tmp_path):
    server = new_server()
    me, path = set_up(server)
    starts, go = tmp_path / "starts", tmp_path / "go"
    long = [me.predict(path, {"mode": "wait", "file": str(go)}, wait=False) for _ in range(2)]
    wait_for(lambda: all("waiting\n" in me.prediction(one)["logs"] for one in long), "both running")
    queued = [me.predict(path, {"mode": "count", "text": str(index), "file": str(starts)}, wait=False)
              for index in range(200)]
    before = {row["id"] for row in me.get(path + "/instances").json["results"]}
    server.kill()
    no_report(server)
    assert not starts.exists()

    server.start()
    assert {row["id"] for row in me.get(path + "/instances").json["results"]} == before, "they went on"
    wait_for(lambda: [me.prediction(one)["status"] for one in long] == ["processing"] * 2, "both still running")
    go.touch()
    for one in long:
        ended = me.ended(one)
        assert (ended["status"], ended["output"], ended["error"]) == ("succeeded", ["begin ", "end"], None)
        assert ended["logs"] == "mode wait\nwaiting\n"
    for index, one in enumerate(queued):
        ended = me.ended(one)
        assert (ended["status"], ended["output"]) == ("succeeded", [str(index)])
    assert Counter(starts.read_text().split()) == Counter(str(index) for index in range(200)), "each ran once"
    assert len(server.records("instance boots")) == 2
    terminal = {one["id"]: me.prediction(one) for one in long + queued}
    server.stop()
    server.start()
    assert {key: me.prediction(key) for key in terminal} == terminal, "terminal states never change"


def test_a_long_one_that_ends_while_no_server_is_there(new_server, tmp_path):
    server = new_server()
    me, path = set_up(server, high=1)
    go, starts = tmp_path / "go", tmp_path / "starts"
    made = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(made)["logs"], "the start")
    server.kill()
    go.touch()
    server.start()
    ended = me.ended(made, limit=120)
    assert (ended["status"], ended["output"]) == ("succeeded", ["begin ", "end"])
    assert ended["logs"] == "mode wait\nwaiting\n"
    assert not starts.exists() and len(server.records("instance boots")) == 1


def test_kill_in_the_middle_of_many_short_ones(new_server, tmp_path):
    server = new_server()
    me, path = set_up(server)
    starts = tmp_path / "starts"
    made = [me.predict(path, {"mode": "count", "text": str(index), "file": str(starts)}, wait=False)
            for index in range(200)]
    wait_for(lambda: starts.exists() and len(starts.read_text().split()) > 50, "a quarter of them")
    server.kill()
    no_report(server)
    stored = ended_in_store(server)
    ended_before = {index for index, one in enumerate(made) if one["id"] in stored}
    assert ended_before, "some had ended"
    server.start()
    for index, one in enumerate(made):
        ended = me.ended(one)
        assert (ended["status"], ended["output"]) == ("succeeded", [str(index)]), ended
    counted = Counter(int(index) for index in starts.read_text().split())
    # Started the short way: what had not ended in stable storage may run again, once; nothing else does. Which ones those
    # are depends on how many ends one commit of the disk carries and on which of the two instances was faster.
    assert set(counted) == set(range(200))
    assert max(counted.values()) <= 2
    assert not {index for index, times in counted.items() if times > 1} & ended_before, "only what was under way"


def test_sigterm_ends_everything_and_loses_nothing(new_server, tmp_path):
    server = new_server("--drain-timeout", "1s", "--cancel-grace", "1s")
    me, path = set_up(server, high=1)
    go = tmp_path / "go"
    running = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(running)["logs"], "the start")
    waiting = [me.predict(path, {"text": str(index)}, wait=False) for index in range(5)]
    server.stop()
    assert instance_processes(server.data) == []
    go.touch()
    server.start()
    assert me.ended(running)["output"] == ["begin ", "end"]
    assert [me.ended(one)["output"] for one in waiting] == [[str(index)] for index in range(5)]


def test_sigterm_lets_what_runs_end_in_time(new_server, tmp_path):
    server = new_server("--drain-timeout", "60s")
    me, path = set_up(server, high=1)
    go = tmp_path / "go"
    running = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(running)["logs"], "the start")
    server.process.terminate()
    wait_for(lambda: server.records("stopping; a second signal stops without waiting"), "that it stops")
    go.touch()
    server.stop()
    assert instance_processes(server.data) == []
    server.start()
    ended = me.prediction(running)
    assert (ended["status"], ended["output"]) == ("succeeded", ["begin ", "end"])


def test_instances_that_are_kept(new_server):
    server = new_server("--keep-instances")
    me, path = set_up(server, high=1)
    assert me.predict(path, {"text": "a"})["status"] == "succeeded"
    before = [row["id"] for row in me.get(path + "/instances").json["results"]]
    server.stop()
    assert instance_processes(server.data)
    server.start()
    assert me.predict(path, {"text": "b"})["output"] == ["b"]
    assert [row["id"] for row in me.get(path + "/instances").json["results"]] == before
    assert me.patch(path, {"max_instances": 0}).status == 200
    wait_for(lambda: instance_processes(server.data) == [], "their end")


def test_a_second_server_on_the_same_folder(new_server):
    server = new_server()
    done = subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(server.data)], check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another server is running on the data folder" in done.stderr
    assert server.account("me").get("/account").status == 200


def test_a_port_that_is_taken(new_server, tmp_path):
    server = new_server()
    done = subprocess.run([binary(), "serve", "--listen", f"127.0.0.1:{server.port}", "--data", str(tmp_path / "other")],
                          check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(server.port) in done.stderr and "in use" in done.stderr.lower()


@pytest.mark.parametrize("words, said", [
    (["--idle-timout", "5s"], "did you mean --idle-timeout"), (["--idle-timeout", "soon"], "idle-timeout"),
    (["extra"], "unexpected argument"), (["--listen", "nowhere"], "nowhere")])
def test_options_that_are_wrong(tmp_path, words, said):
    done = subprocess.run([binary(), "serve", "--data", str(tmp_path / "data"), *words], check=False, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and said in done.stderr and not SANITIZER.search(done.stderr)


def test_tokens_and_accounts_outlive_a_restart(new_server):
    server = new_server()
    me = server.account("me")
    server.kill()
    server.start()
    assert me.get("/account").json["username"] == "me"


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_build_runs_ends_with_a_server_that_is_killed(new_server, tmp_path):
    """An installer that went on writing into the environment was in the way of the next build of the same."""
    server = new_server()
    me = server.account("me")
    tool, mark = server.data / "tools/bin/uv", tmp_path / "pid"
    uv = shutil.which("uv") if not tool.exists() else str(tool.resolve())
    assert uv, "there is no uv"
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.unlink(missing_ok=True)
    shutil.copy(uv, tool.parent / "real-uv")  # builds see what is beside the tool, and little else
    tool.write_text(f"""#!/bin/sh
if [ "$1 $2" = "pip sync" ] && [ ! -e {mark} ]; then
    echo $$ > {mark}.part && mv {mark}.part {mark}
    exec sleep 100000
fi
exec {tool.parent}/real-uv "$@"
""")
    tool.chmod(0o755)
    environment = {**os.environ, "BERTH_URL": server.url, "BERTH_TOKEN": me.token}
    with subprocess.Popen([binary(), "push", str(MODELS / "ctl"), "me/ctl"], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as push:
        wait_for(mark.exists, "the installing")
        pid = int(mark.read_text())
        assert runs(pid)
        server.kill()
        wait_for(lambda: not runs(pid), "the end of what installs")
        push.wait(60)
    server.start()
    assert server.push(me, MODELS / "ctl", "ctl")
