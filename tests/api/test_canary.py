# SPDX-License-Identifier: Apache-2.0
"""A new release that has a share of the predictions first: shown, promoted, halted, and over a restart."""

import shutil

import pytest
from berth import MODELS, wait_for
from test_cli import berth  # noqa: F401
from test_metrics import families, value
from test_models import problem

CHANGES = {
    "old": None,
    "new": ("            yield text\n", '            yield text + "!"\n'),
    "bad": ("            yield text\n", '            raise ValueError("no")\n'),
    "narrow": ("ge=1, le=100000", "ge=1, le=10"),
}
DEPLOYED = []
DEFAULTS = {"share": 0.1, "seconds": 600, "max_error_rate": 0.05, "max_latency_ratio": 2, "min_requests": 20}


def push_all(server, user, folder):
    """A version for each change of the model that does what its input says."""
    versions = {}
    for name, change in CHANGES.items():
        shutil.copytree(MODELS / "ctl", folder / name)
        source = folder / name / "predict.py"
        text = source.read_text()
        if change:
            assert change[0] in text
            source.write_text(text.replace(*change))
        versions[name] = server.push(user, folder / name, "canary")
    return versions


@pytest.fixture(scope="module")
def versions(house, acme, tmp_path_factory):
    return push_all(house, acme, tmp_path_factory.mktemp("canary"))


@pytest.fixture(autouse=True)
def room():
    """What a test has deployed holds no place of the machine after it."""
    yield
    while DEPLOYED:
        user, path = DEPLOYED.pop()
        user.patch(path, {"min_instances": 0, "max_instances": 0})


def deploy(user, versions, called, owner="acme", **canary):
    """The old version serves, and what comes next is a canary."""
    made = user.post("/deployments", {"name": called, "model": f"{owner}/canary", "version": versions["old"], "hardware": "cpu-small",
                                      "min_instances": 1, "max_instances": 2, "rollout": {"canary": canary}})
    assert made.status == 200, made
    path = f"/deployments/{owner}/{called}"
    if owner == "acme":
        DEPLOYED.append((user, path))
    assert user.predict(path, {"text": "first"})["output"] == ["first"]
    return path


def begin(user, path, version):
    """Follows with a version, until it has its share."""
    assert user.patch(path, {"version": version}).status == 200
    wait_for(lambda: user.get(path).json["canary"]["state"] == "on", "the canary")


def outputs(user, path, count, **values):
    return "".join("".join(user.predict(path, {"text": "a", **values})["output"]) for _ in range(count))


def test_nothing_is_shown_without_it(acme, running):
    assert not {"rollout", "canary"} & set(acme.get(running).json)


def test_its_share_and_then_all(acme, versions):
    path = deploy(acme, versions, "canary-share", share=0.2)
    shown = acme.get(path).json
    assert shown["rollout"] == {"canary": {**DEFAULTS, "share": 0.2}} and "canary" not in shown
    begin(acme, path, versions["new"])
    assert outputs(acme, path, 10) == "aaaaa!aaaaa!"
    shown = acme.get(path).json["canary"]
    assert (shown["release"], shown["beside"], shown["ended_at"], shown["why"]) == (2, 1, None, None)
    assert shown["began_at"] < shown["until"]
    assert {key: shown["new"][key] for key in ("requests", "ended", "errors")} == {"requests": 2, "ended": 2, "errors": 0}
    assert {key: shown["old"][key] for key in ("requests", "ended", "errors")} == {"requests": 8, "ended": 8, "errors": 0}
    assert shown["old"]["median_seconds"] > 0
    assert [row["state"] for row in acme.get(path + "/releases").json["results"]] == ["canary", "ready"]
    assert [d["canary"] for d in acme.get("/deployments").json["results"] if d["name"] == "canary-share"] == [shown]
    acme.patch(path, {"rollout": {"canary": {"seconds": 1}}})  # its time is over with that
    wait_for(lambda: acme.get(path).json["canary"]["state"] == "promoted", "its end")
    assert "1 seconds are over: 0 of 2 predictions failed on it" in acme.get(path).json["canary"]["why"]
    assert outputs(acme, path, 3) == "a!a!a!"
    assert [row["state"] for row in acme.get(path + "/releases").json["results"]] == ["ready", "ready"]


def test_errors_halt_it(acme, versions):
    path = deploy(acme, versions, "canary-bad", share=0.5)
    begin(acme, path, versions["bad"])
    ended = [acme.predict(path, {"text": "a"}) for _ in range(4)]
    assert [one["status"] for one in ended] == ["succeeded", "failed"] * 2
    wait_for(lambda: acme.get(path).json["canary"]["state"] == "halted", "the halt")
    assert "2 of 2 predictions failed on the new release, and 0 of 2 on the old one" in acme.get(path).json["canary"]["why"]
    assert outputs(acme, path, 6) == "a" * 6
    release = acme.get(path + "/releases").json["results"][0]
    assert release["state"] == "failed" and "halted" in release["failure"]
    wait_for(lambda: {row["version"] for row in acme.get(path + "/instances").json["results"]} == {versions["old"]},
             "the end of its instance")
    assert acme.post(path + "/promote").status == 422
    assert acme.post(path + "/enable").json["canary"]["state"] in ("setting up", "on")


def test_over_a_restart(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    versions = push_all(server, me, tmp_path)
    path = deploy(me, versions, "d", "me", share=0.5)
    begin(me, path, versions["new"])
    assert outputs(me, path, 5) == "aa!aa!a"
    before = me.get(path).json["canary"]
    server.stop()
    server.start()
    after = me.get(path).json["canary"]
    assert after["state"] == "on" and {**after, "state": "on"} == {**before, "state": "on"}, "all is there"
    wait_for(lambda: len([row for row in me.get(path + "/instances").json["results"] if row["state"] == "idle"]) == 2, "both")
    assert outputs(me, path, 2) == "a!a"
    server.kill()
    server.start()
    after = me.get(path).json["canary"]
    assert (after["state"], after["began_at"]) == ("on", before["began_at"])
    wait_for(lambda: len([row for row in me.get(path + "/instances").json["results"] if row["state"] == "idle"]) == 2, "both")
    assert sorted(outputs(me, path, 4)) == sorted("aa!aa!")
    assert me.post(path + "/halt").json["canary"]["state"] == "halted"
    server.kill()
    server.start()
    assert me.get(path).json["canary"]["why"] == "It was halted by hand."
    assert outputs(me, path, 3) == "aaa"


def test_by_hand(acme, org, versions):
    path = deploy(acme, versions, "canary-by-hand")
    assert (acme.post(path + "/promote").status, acme.post(path + "/halt").status) == (422, 422)
    begin(acme, path, versions["new"])
    assert (org.post(path + "/promote").status, org.post(path + "/halt").status) == (404, 404)
    assert acme.post(path + "/promote").json["canary"]["state"] == "promoted"
    assert outputs(acme, path, 2) == "a!a!"
    assert acme.post(path + "/rollback").status == 200
    wait_for(lambda: acme.get(path).json["canary"]["state"] == "on", "a canary of what was before")
    assert acme.patch(path, {"rollout": None}).json.get("rollout") is None
    wait_for(lambda: outputs(acme, path, 1) == "a", "that it takes over")


def test_inputs_that_only_one_takes(acme, versions):
    path = deploy(acme, versions, "canary-narrow", share=0.5)
    begin(acme, path, versions["narrow"])
    made = [acme.predict(path, {"text": "a", "steps": 50}) for _ in range(4)]
    assert {(one["status"], one["version"]) for one in made} == {("succeeded", versions["old"])}
    assert [acme.predict(path, {"text": "a", "steps": 5})["version"] for _ in range(2)] == [versions["narrow"], versions["old"]]
    refused = acme.post(path + "/predictions", {"input": {"steps": 0}})
    assert refused.status == 422


def test_large_inputs(acme, versions):
    path = deploy(acme, versions, "canary-large", share=0.5)
    begin(acme, path, versions["new"])
    text = "x" * 200_000
    made = [acme.predict(path, {"text": text}) for _ in range(4)]
    assert [one["version"] for one in made] == [versions["old"], versions["new"]] * 2
    assert made[1]["output"] == [text + "!"]


@pytest.mark.parametrize("wish, key, says", [
    (3, "rollout", "must be an object"),
    ({"blue": {}}, "rollout", '"blue" is not known'),
    ({"canary": 1}, "rollout/canary", "must be an object"),
    ({"canary": {"part": 1}}, "rollout/canary", '"part" is not known'),
    ({"canary": {"share": 1}}, "rollout/canary/share", "from 0.001 to 0.9"),
    ({"canary": {"seconds": "1m"}}, "rollout/canary/seconds", "from 1 to 604800"),
    ({"canary": {"max_error_rate": -0.1}}, "rollout/canary/max_error_rate", "from 0 to 1"),
    ({"canary": {"max_latency_ratio": 1}}, "rollout/canary/max_latency_ratio", "from 1.2 to 1000"),
    ({"canary": {"min_requests": 0}}, "rollout/canary/min_requests", "from 1 to 100000"),
])
def test_settings_that_are_not_right(acme, running, wish, key, says):
    assert says in problem(acme.patch(running, {"rollout": wish}))["/" + key]


def test_all_that_is_not_right_is_told_at_once(acme, running):
    answer = acme.patch(running, {"rollout": {"canary": {"share": 2, "seconds": 0}}, "scaling": {"weight": 0}})
    assert set(problem(answer)) == {"/rollout/canary/share", "/rollout/canary/seconds", "/scaling/weight"}
    assert "rollout" not in acme.get(running).json


def test_from_the_command_line(acme, versions, berth):  # noqa: F811
    path = deploy(acme, versions, "canary-line", share=0.9)
    mine = {"token": False, "BERTH_TOKEN": acme.token}
    said = berth("deployments", "canary", "canary-line", **mine).stdout
    assert "acme/canary-line has no canary. Its next release begins with one:" in said and "90 % of new" in said
    assert "No canary goes on" in berth("deployments", "promote", "canary-line", code=1, **mine).stderr
    said = berth("deployments", "update", "canary-line", "--canary", "0.5", "--version", versions["new"], **mine)
    wait_for(lambda: acme.get(path).json["canary"]["state"] == "on", "the canary")
    outputs(acme, path, 4)
    said = berth("deployments", "canary", "acme/canary-line", **mine).stdout.splitlines()
    assert said[0] == "acme/canary-line: canary on, release 2 beside release 1" and said[1].startswith("share       50 % of new")
    rows = {words[0]: words[1:] for words in map(str.split, said[-3:])}
    assert rows["requests"] == ["2", "2"] and rows["errors"][:4] == ["0", "of", "2", "(0.0"]
    ended = berth("deployments", "promote", "acme/canary-line", **mine).stdout
    assert "canary promoted" in ended and "It was promoted by hand." in ended
    berth("deployments", "update", "canary-line", "--canary", '{"share":0.1,"min_requests":5}', "--version", versions["old"], **mine)
    wait_for(lambda: acme.get(path).json["canary"]["state"] == "on", "another canary")
    assert acme.get(path).json["rollout"]["canary"]["min_requests"] == 5
    assert "It was halted by hand." in berth("deployments", "halt", "canary-line", **mine).stdout
    berth("deployments", "update", "canary-line", "--canary", "", **mine)
    assert "rollout" not in acme.get(path).json
    refused = berth("deployments", "update", "canary-line", "--canary", "many", code=1, **mine)
    assert "must be an object" in refused.stderr
    none = deploy(acme, versions, "canary-none", share=0.5)
    acme.patch(none, {"rollout": None})
    assert "`berth deployments update --canary SHARE`" in berth("deployments", "canary", "canary-none", **mine).stdout


def test_its_metrics(acme, versions):
    path = deploy(acme, versions, "canary-metrics", share=0.5)
    mine = {"owner": "acme", "name": "canary-metrics", "type": "deployment"}
    found = lambda: families(acme.call("GET", "/metrics", prefix=""))
    assert [value(found(), "berth_canary_state", state=state, **mine) for state in ("on", "promoted", "halted")] == [0, 0, 0]
    begin(acme, path, versions["new"])
    outputs(acme, path, 4)
    now = found()
    assert value(now, "berth_canary_state", state="on", **mine) == 1 and value(now, "berth_canary_share", **mine) == 0.5
    for side in ("old", "new"):
        assert value(now, "berth_canary_requests_total", release=side, **mine) == 2
        assert value(now, "berth_canary_ended_total", release=side, **mine) == 2
        assert value(now, "berth_canary_errors_total", release=side, **mine) == 0
        assert value(now, "berth_canary_run_median_seconds", release=side, **mine) > 0
    assert acme.post(path + "/halt").status == 200
    now = found()
    assert value(now, "berth_canary_state", state="halted", **mine) == 1 and value(now, "berth_canary_share", **mine) == 0
