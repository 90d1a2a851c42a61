# SPDX-License-Identifier: Apache-2.0
"""A new release that answers copies of the predictions: compared, reported, and shown to nobody."""

import base64
import json
import shutil
import sqlite3

import pytest
from berth import MODELS, wait_for
from receiver import Receiver
from test_cli import berth  # noqa: F401
from test_models import problem

DEFAULTS = {"share": 0.1, "seconds": 3600, "relative_tolerance": 0.000001, "absolute_tolerance": 0.000000001, "max_copies": 4}


def push_both(server, user, folder, narrow=False):
    """The version that serves, and the one that is to follow."""
    versions = []
    for new in (False, True):
        shutil.copytree(MODELS / "judge", folder / str(new))
        source = folder / str(new) / "predict.py"
        text = source.read_text()
        assert "NEW = False" in text and "le=100" in text
        text = text.replace("NEW = False", f"NEW = {new}")
        source.write_text(text.replace("default=10, le=100", "default=3, le=50") if new and narrow else text)
        versions.append(server.push(user, folder / str(new), "judge-narrow" if narrow else "judge"))
    return versions


@pytest.fixture(autouse=True)
def room():
    """What a test has deployed on the shared server gives up its room: others want some."""
    yield
    while deployed:
        user, path = deployed.pop()
        if user.server.process.poll() is None:
            user.patch(path, {"min_instances": 0, "max_instances": 0})


deployed = []


@pytest.fixture(scope="module")
def versions(house, acme, tmp_path_factory):
    return push_both(house, acme, tmp_path_factory.mktemp("shadow"))


def deploy(user, versions, called, owner="acme", model="judge", **shadow):
    """The old version serves, and what comes next is its shadow."""
    answer = user.post("/deployments", {"name": called, "model": f"{owner}/{model}", "version": versions[0], "hardware": "cpu-small",
                                      "min_instances": 1, "max_instances": 1, "rollout": {"shadow": {"share": 1, **shadow}}})
    assert answer.status == 200, answer
    path = f"/deployments/{owner}/{called}"
    deployed.append((user, path))
    assert user.predict(path, {})["status"] == "succeeded"
    return path


def begin(user, path, version):
    assert user.patch(path, {"version": version}).status == 200
    wait_for(lambda: user.get(path).json["shadow"]["state"] == "on", "the shadow")


def counted(user, path, n):
    """The report, once so many copies were compared or dropped."""
    wait_for(lambda: (lambda s: s["same"] + s["differ"] + s["dropped"] >= n)(user.get(path + "/shadow").json), f"{n} comparisons")
    return user.get(path + "/shadow").json


def stored_copies(server):
    """How many copies the store knows of: it is told once a second."""
    with sqlite3.connect(f"file:{server.data}/berth.db?mode=ro", uri=True) as db:
        text, = db.execute("SELECT shadow FROM canary").fetchone()
    return json.loads(text)["copied"]


def test_what_differs_and_how(acme, house, versions):
    path = deploy(acme, versions, "shadow-differs")
    assert acme.get(path).json["rollout"] == {"shadow": {**DEFAULTS, "share": 1}}
    assert acme.get(path + "/shadow").status == 404
    begin(acme, path, versions[1])
    for n, how in enumerate(["same", "noise", "drift", "relabel", "repaint", "fail"]):
        made = acme.predict(path, {"how": how})
        assert (made["status"], made["version"]) == ("succeeded", versions[0])
        assert (made["output"]["score"], made["output"]["label"]) == (2.5, "cat")
        counted(acme, path, n + 1)
    report = acme.get(path + "/shadow").json
    assert {key: report[key] for key in ("state", "release", "beside", "copied", "same", "differ", "failed", "dropped")} == {
        "state": "on", "release": 2, "beside": 1, "copied": 6, "same": 2, "differ": 4, "failed": 1, "dropped": 0}
    assert {key: n for key, n in report["by_kind"].items() if n} == {"number": 1, "text": 1, "file": 1, "status": 1}
    failed, file, text, number = report["examples"]
    assert (number["kind"], number["path"], number["old"], number["new"]) == ("number", "output.score", "2.5", "3.0")
    assert (text["path"], text["old"], text["new"]) == ("output.label", "cat", "cat!")
    assert file["path"] == "output.picture" and file["old"].startswith("sha256:") and file["new"].startswith("sha256:")
    assert file["old"] != file["new"] and file["differences"] == 1
    assert (failed["path"], failed["old"]) == ("status", "succeeded") and "not this one" in failed["new"]
    assert failed["old_seconds"] >= 0 and report["old"]["median_seconds"] >= 0 and report["new"]["median_seconds"] >= 0
    assert (report["old"]["errors"], report["new"]["errors"]) == (0, 1)
    shown = acme.get(path).json["shadow"]
    assert shown["differ"] == 4 and "examples" not in shown
    assert [row["state"] for row in acme.get(path + "/releases").json["results"]] == ["shadow", "ready"]


def test_nobody_sees_a_copy(new_server, tmp_path):
    hooks = Receiver()
    server = new_server("--webhook-private-targets")
    me = server.account("me")
    versions = push_both(server, me, tmp_path)
    path = deploy(me, versions, "d", "me")
    begin(me, path, versions[1])
    before = len(me.get("/predictions").json["results"])
    made = [me.post(path + "/predictions", {"input": {"how": "relabel"}, "webhook": hooks.url()}).json for _ in range(3)]
    ended = [me.ended(one) for one in made]
    assert {one["output"]["label"] for one in ended} == {"cat"} and {one["version"] for one in ended} == {versions[0]}
    assert counted(me, path, 3)["differ"] == 3
    wait_for(lambda: {one.json["id"] for one in hooks.got if one.json["status"] == "succeeded"} == {one["id"] for one in made}, "the hooks")
    assert {one.json["id"] for one in hooks.got} == {one["id"] for one in made}
    assert all(one.json["output"] is None or one.json["output"]["label"] == "cat" for one in hooks.got)
    listed = me.get("/predictions").json["results"]
    assert len(listed) == before + 3 and {row["version"] for row in listed} == {versions[0]}
    instances = {row["version"]: row for row in me.get(path + "/instances").json["results"]}
    assert set(instances) == set(versions)
    # Its time is its release's, and no prediction's.
    cost = wait_for(lambda: (found := me.get(path + "/cost").json) and {row["release"] for row in found["releases"]} >= {1, 2} and found, "the cost")
    shadow, = [row for row in cost["releases"] if row["release"] == 2]
    assert shadow["kinds"]["active"]["seconds"] == 0 and shadow["kinds"]["setup"]["seconds"] > 0
    hooks.stop()


def test_it_has_its_own_defaults_and_limits(acme, house, tmp_path, tmp_path_factory):
    versions = push_both(house, acme, tmp_path_factory.mktemp("narrow"), narrow=True)
    path = deploy(acme, versions, "shadow-narrow", model="judge-narrow")
    begin(acme, path, versions[1])
    seen = tmp_path / "seen"
    acme.predict(path, {"seen": str(seen), "how": "same"})
    counted(acme, path, 1)
    assert sorted(seen.read_text().splitlines()) == ["False same 10 7 ", "True same 3 7 "], "each has its own default"
    acme.predict(path, {"limit": 80})
    report = counted(acme, path, 2)
    assert (report["same"], report["differ"], report["by_kind"]["input"]) == (1, 1, 1)
    example = report["examples"][0]
    assert (example["kind"], example["path"]) == ("input", "input.limit") and "50" in example["new"]


def test_files_and_secrets(acme, versions, tmp_path):
    path = deploy(acme, versions, "shadow-files")
    begin(acme, path, versions[1])
    seen, gate = tmp_path / "seen", tmp_path / "gate"
    data = "data:image/png;base64," + base64.b64encode(b"p" * 100_000).decode()
    made = acme.predict(path, {"file": data, "seen": str(seen), "how": "relabel", "gate": str(gate), "key": "hush-hush"})
    assert made["status"] == "succeeded" and made["input"]["key"] == "**********"
    gate.touch()  # only now does the new version read on: the files of the input are still there
    report = counted(acme, path, 1)
    assert {tuple(line.split()[3:]) for line in seen.read_text().splitlines()} == {("100000", "hush-hush")}
    example = report["examples"][0]
    assert (report["by_kind"]["text"], report["by_kind"]["file"]) == (1, 0), "the file is the same"
    assert (example["path"], example["old"], example["new"], example["withheld"]) == ("output.label", None, None, "secret")
    made = acme.predict(path, {"how": "drift"})
    assert counted(acme, path, 2)["examples"][0]["new"] == "3.0"
    assert acme.delete(f"/predictions/{made['id']}").status == 204
    example = acme.get(path + "/shadow").json["examples"][0]
    assert (example["prediction"], example["kind"], example["new"], example["withheld"]) == (made["id"], "number", None, "erased")


def test_one_that_dies_or_hangs_delays_nobody(acme, versions, tmp_path):
    path = deploy(acme, versions, "shadow-bad", max_copies=2)
    begin(acme, path, versions[1])
    assert acme.predict(path, {"how": "die"})["status"] == "succeeded"
    report = counted(acme, path, 1)
    assert (report["failed"], report["examples"][0]["kind"]) == (1, "status")
    wait_for(lambda: {row["version"] for row in acme.get(path + "/instances").json["results"] if row["state"] == "idle"} == set(versions),
             "another instance of it")
    gate = tmp_path / "gate"
    made = [acme.predict(path, {"gate": str(gate)}) for _ in range(6)]
    assert {(one["status"], one["version"]) for one in made} == {("succeeded", versions[0])}
    report = counted(acme, path, 4)
    assert report["dropped_by"]["busy"] == 4 and report["copied"] == 3
    gate.touch()
    report = counted(acme, path, 7)
    assert (report["same"], report["differ"], report["dropped"]) == (2, 1, 4)
    gate.unlink()
    made = acme.predict(path, {"gate": str(gate)})
    assert acme.post(path + "/promote").json["shadow"]["state"] == "promoted"  # what it runs for nobody is in nobody's way
    wait_for(lambda: acme.predict(path, {"how": "relabel"})["output"]["label"] == "cat!", "that it takes over")
    assert acme.get(path + "/shadow").json["dropped_by"]["lost"] == 1


def test_over_a_restart_and_by_hand(new_server, tmp_path):
    server = new_server("--keep-instances")
    me = server.account("me")
    versions = push_both(server, me, tmp_path)
    path = deploy(me, versions, "d", "me", share=0.5, seconds=604800)
    begin(me, path, versions[1])
    for _ in range(4):
        assert me.predict(path, {"how": "drift"})["status"] == "succeeded"
    before = counted(me, path, 2)
    assert (before["copied"], before["differ"]) == (2, 2), "half of them"
    server.stop()
    server.start()
    assert me.get(path + "/shadow").json == before
    wait_for(lambda: len([row for row in me.get(path + "/instances").json["results"] if row["state"] == "idle"]) == 2, "both")
    gate = tmp_path / "gate"
    for _ in range(2):
        assert me.predict(path, {"gate": str(gate)})["version"] == versions[0]
    wait_for(lambda: me.get(path + "/shadow").json["copied"] == 3, "a copy")
    wait_for(lambda: stored_copies(server) == 3, "its record")
    server.kill()
    server.start()
    after = me.get(path + "/shadow").json
    assert (after["state"], after["copied"], after["differ"], after["dropped_by"]["lost"]) == ("on", 2, 2, 1)
    assert after["examples"] == before["examples"]
    gate.touch()
    assert me.patch(path, {"rollout": {"shadow": {"seconds": 1}}}).status == 200  # its time is over with that
    wait_for(lambda: me.get(path).json["shadow"]["state"] == "over", "its end")
    wait_for(lambda: {row["version"] for row in me.get(path + "/instances").json["results"]} == {versions[0]}, "the end of its instance")
    assert me.predict(path, {})["version"] == versions[0]
    server.kill()
    server.start()
    assert me.get(path).json["shadow"]["state"] == "over" and me.predict(path, {})["version"] == versions[0]
    assert me.post(path + "/halt").json["shadow"]["why"] == "It was halted by hand."
    assert me.get(path + "/releases").json["results"][0]["state"] == "failed"
    assert me.predict(path, {})["version"] == versions[0]
    assert me.post(path + "/enable").json["shadow"]["state"] in ("setting up", "on")
    assert me.get(path + "/shadow").json["copied"] == 0, "it begins anew"


def test_a_canary_follows(acme, versions):
    path = deploy(acme, versions, "shadow-then")
    begin(acme, path, versions[1])
    acme.predict(path, {"how": "drift"})
    counted(acme, path, 1)
    shown = acme.patch(path, {"rollout": {"canary": {"share": 0.5}}}).json
    assert shown["rollout"] == {"canary": {**shown["rollout"]["canary"], "share": 0.5}}
    wait_for(lambda: acme.get(path).json.get("canary", {}).get("state") == "on", "the canary")
    assert [acme.predict(path, {})["version"] for _ in range(4)] == [versions[0], versions[1]] * 2
    report = acme.get(path + "/shadow").json
    assert (report["state"], report["differ"], report["examples"][0]["kind"]) == ("past", 1, "number")


def test_large_inputs_are_not_copied(new_server, tmp_path):
    server = new_server("--shadow-max-input", "2KiB")
    me = server.account("me")
    versions = push_both(server, me, tmp_path)
    path = deploy(me, versions, "d", "me")
    begin(me, path, versions[1])
    me.predict(path, {"label": "x" * 1500})
    me.predict(path, {"label": "x" * 3000})
    report = counted(me, path, 2)
    assert (report["same"], report["dropped_by"]["too_large"]) == (1, 1)


def test_who_may_read_it(acme, org, versions, running):
    path = deploy(acme, versions, "shadow-private")
    begin(acme, path, versions[1])
    assert (acme.get(path + "/shadow").status, org.get(path + "/shadow").status) == (200, 404)


def test_from_the_command_line(acme, versions, berth):  # noqa: F811
    path = deploy(acme, versions, "shadow-line")
    mine = {"token": False, "BERTH_TOKEN": acme.token}
    berth("deployments", "update", "shadow-line", "--shadow", "", **mine)
    assert "rollout" not in acme.get(path).json
    said = berth("deployments", "shadow", "shadow-line", **mine).stdout
    assert said.startswith("acme/shadow-line has no shadow. `berth deployments update --shadow SHARE`")
    berth("deployments", "update", "shadow-line", "--shadow", "1", **mine)
    assert acme.get(path).json["rollout"]["shadow"]["share"] == 1
    said = berth("deployments", "shadow", "acme/shadow-line", **mine).stdout.splitlines()
    assert said[0] == "acme/shadow-line has no shadow. Its next release begins with one:"
    assert said[1] == "share       100 % of the predictions are copied, for 3600 s, 4 at a time"
    assert said[2] == "tolerates   numbers apart by 1e-06 of the larger one, or by 1e-09"
    berth("deployments", "update", "shadow-line", "--version", versions[1], **mine)
    wait_for(lambda: acme.get(path).json["shadow"]["state"] == "on", "the shadow")
    for n, how in enumerate(["same", "drift", "fail"]):
        acme.predict(path, {"how": how})
        counted(acme, path, n + 1)
    told = berth("deployments", "shadow", "shadow-line", **mine).stdout
    said = told.splitlines()
    assert said[0] == "acme/shadow-line: shadow on, release 2 beside release 1"
    assert "copied      3: 1 the same, 2 differ, 1 failed on the new release; 0 were dropped" in said
    assert "differ in   status 1, number 1" in said
    assert "number at output.score\n  old  \"2.5\"\n  new  \"3.0\"\n" in told
    rows = {words[0]: words[1:] for words in map(str.split, said) if words}
    assert rows["errors"][:3] == ["1", "of", "3"] and "requests" not in rows
    report = json.loads(berth("deployments", "shadow", "shadow-line", "--json", **mine).stdout)
    assert report["by_kind"]["number"] == 1 and len(report["examples"]) == 2
    ended = berth("deployments", "halt", "shadow-line", **mine).stdout
    assert "shadow halted" in ended and "It was halted by hand." in ended and "copied      3" in ended
    berth("deployments", "update", "shadow-line", "--canary", "0.5", **mine)
    assert set(acme.get(path).json["rollout"]) == {"canary"}, "it takes the shadow's place"
    assert "one of the two" in berth("deployments", "update", "shadow-line", "--canary", "0.5", "--shadow", "0.5", code=1, **mine).stderr
    assert "must be an object" in berth("deployments", "update", "shadow-line", "--shadow", "many", code=1, **mine).stderr


@pytest.mark.parametrize("wish, key, says", [
    ({"shadow": 1}, "rollout/shadow", "must be an object"),
    ({"shadow": {"part": 1}}, "rollout/shadow", '"part" is not known'),
    ({"shadow": {"share": 1.5}}, "rollout/shadow/share", "from 0.001 to 1"),
    ({"shadow": {"seconds": 0}}, "rollout/shadow/seconds", "from 1 to 604800"),
    ({"shadow": {"relative_tolerance": 2}}, "rollout/shadow/relative_tolerance", "from 0 to 1"),
    ({"shadow": {"absolute_tolerance": -1}}, "rollout/shadow/absolute_tolerance", "from 0 to 1000000"),
    ({"shadow": {"max_copies": 65}}, "rollout/shadow/max_copies", "from 1 to 64"),
    ({"shadow": {}, "canary": {}}, "rollout", "one of the two at a time"),
])
def test_settings_that_are_not_right(acme, running, wish, key, says):
    assert says in problem(acme.patch(running, {"rollout": wish}))["/" + key]
