# SPDX-License-Identifier: Apache-2.0
"""Deployments: the seed's request, and all that can be done with one."""

import json
import re
import shutil
import subprocess

import pytest
from berth import EXAMPLES, MODELS, wait_for
from test_models import TIME, problem

CONFLICT = "A deployment with that name and owner already exists."


def body(house, called, **more):
    return {"name": called, "model": "some-org/some-model", "version": house.version, "hardware": "cpu-small",
            "min_instances": 0, "max_instances": 1, **more}


def test_the_seed_verbatim(acme, house):
    command = (f'curl -s -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" '
               f"-d '{{\"name\":\"my-app-image-generator\",\"model\":\"some-org/some-model\",\"version\":\"{house.version}\","
               f'"hardware":"gpu-t4","min_instances":1,"max_instances":5}}\' {house.url}/v1/deployments')
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True,
                          env={"TOKEN": acme.token, "PATH": "/usr/bin:/bin"})
    answer = json.loads(done.stdout)
    assert list(answer) == ["owner", "name", "current_release", "scaling"]  # the last is ours
    assert (answer["owner"], answer["name"]) == ("acme", "my-app-image-generator")
    release = answer["current_release"]
    assert list(release) == ["number", "model", "version", "created_at", "created_by", "configuration"]
    assert release["number"] == 1 and isinstance(release["number"], int)
    assert (release["model"], release["version"]) == ("some-org/some-model", house.version)
    assert TIME.fullmatch(release["created_at"])
    assert release["created_by"] == {"type": "organization", "username": "acme", "name": "Acme Corp",
                                     "github_url": "https://example.com/acme"}
    configuration = release["configuration"]
    assert (configuration["hardware"], configuration["min_instances"], configuration["max_instances"]) == ("gpu-t4", 1, 5)
    assert isinstance(configuration["min_instances"], int)
    # An older shape, for the Swift client; there is nothing else.
    assert configuration["scaling"] == {"min_instances": 1, "max_instances": 5}
    assert set(configuration) == {"hardware", "min_instances", "max_instances", "scaling"}
    assert acme.get("/deployments/acme/my-app-image-generator").json == answer
    no_gpu_is_said(acme)


def no_gpu_is_said(acme):
    """Here is no T4: the instances wait for one, and say so."""
    if any("T4" in gpu["name"] for gpu in acme.get("/capacity").json["machine"]["gpus"]):
        pytest.skip("this machine has a T4")
    path = "/deployments/acme/my-app-image-generator/instances"
    waiting = wait_for(lambda: acme.get(path).json["waits_for"], "what the deployment waits for")
    assert "T4" in waiting or "GPU" in waiting.upper()
    pools = [pool for pool in acme.get("/capacity").json["pools"] if pool["name"] == "my-app-image-generator"]
    assert [(pool["owner"], pool["hardware"], pool["instances"]) for pool in pools] == [("acme", "gpu-t4", 0)]
    assert pools[0]["waits_for"] == waiting
    made = acme.predict("/deployments/acme/my-app-image-generator", {"text": "later"}, wait=False)
    assert made["status"] == "starting"
    assert acme.get(path).json["waiting_predictions"] == 1
    assert acme.post(f"/predictions/{made['id']}/cancel").json["status"] == "canceled"


def test_create_get_update_delete(acme, house):
    path = "/deployments/acme/crud"
    made = acme.post("/deployments", body(house, "crud"))
    assert made.status == 200 and made.json["current_release"]["number"] == 1
    assert acme.get(path).json == made.json
    changed = acme.patch(path, {"max_instances": 3, "min_instances": 0})
    assert changed.status == 200
    assert changed.json["current_release"]["number"] == 2
    assert changed.json["current_release"]["configuration"]["max_instances"] == 3
    assert changed.json["current_release"]["created_at"] >= made.json["current_release"]["created_at"]
    assert acme.patch(path, {"max_instances": 3}).json == changed.json
    assert acme.patch(path, {}).json == changed.json
    assert acme.patch(path, {"model": "some-org/some-model", "hardware": "cpu"}).json["current_release"]["number"] == 3
    rows = acme.get(path + "/releases").json["results"]
    assert [row["release"]["number"] for row in rows] == [3, 2, 1]
    assert all(row["release"]["created_by"]["username"] == "acme" for row in rows)
    was = [row["release"]["configuration"] for row in rows]
    assert rows[0]["change"] == {"hardware": {"from": was[1]["hardware"], "to": "cpu"}}
    assert rows[1]["change"] == {key: {"from": was[2][key], "to": was[1][key]} for key in ("min_instances", "max_instances")
                                 if was[2][key] != was[1][key]} != {}
    assert rows[2]["change"] is None
    gone = acme.delete(path)  # it never ran anything
    assert (gone.status, gone.body) == (204, b"")
    assert acme.get(path).status == 404
    assert acme.delete(path).status == 404
    assert acme.patch(path, {"max_instances": 1}).status == 404


def test_one_that_was_used_lately_stays(acme, house):
    path = acme.deploy("used", "some-org/some-model", house.version)
    assert acme.predict(path, {"text": "x"})["status"] == "succeeded"
    enabled = problem(acme.delete(path))
    assert set(enabled) == {None} and "max_instances" in enabled[None]
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    too_early = problem(acme.delete(path))
    assert set(too_early) == {None} and re.search("used .* try again in 3[56][0-9][0-9] seconds", too_early[None])
    assert acme.get(path).status == 200


def test_one_that_was_used_can_go_when_the_time_is_over(new_server, house):
    server = new_server("--delete-after", "0s")
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "m")
    path = me.deploy("used", "me/m", version)
    assert me.predict(path, {"text": "x"})["status"] == "succeeded"
    assert me.patch(path, {"max_instances": 0}).status == 200
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "the instance's end")
    assert me.delete(path).status == 204


def test_a_name_that_is_taken(acme, house):
    assert acme.post("/deployments", body(house, "taken")).status == 200
    answer = acme.post("/deployments", body(house, "taken"))
    assert (answer.status, answer.type) == (409, "application/problem+json")
    assert answer.json == {"status": 409, "title": "Conflict", "detail": CONFLICT, "errors": [{"detail": CONFLICT}]}


def test_own_owner_before_the_name_is_dropped(acme, house):
    assert acme.post("/deployments", body(house, "acme/prefixed")).json["name"] == "prefixed"


WRONG = [
    ({"name": "Bad Name"}, "/name", "lower-case"),
    ({"name": 7}, "/name", "must be a string"),
    ({"model": "just-a-name"}, "/model", "owner/name"),
    ({"version": "abc"}, "/version", "64 hexadecimal digits"),
    ({"version": "0" * 64}, "/version", "version"),
    ({"hardware": "gpu-x"}, "/hardware", "gpu-x is not a valid hardware SKU. Your options are: cpu-small, cpu"),
    ({"hardware": None}, "/hardware", "required"),
    ({"min_instances": -1}, "/min_instances", "from 0 to 5"),
    ({"min_instances": 6, "max_instances": 9}, "/min_instances", "from 0 to 5"),
    ({"max_instances": 21}, "/max_instances", "from 0 to 20"),
    ({"min_instances": 3, "max_instances": 2}, "/max_instances", "less than min_instances"),
    ({"min_instances": "1"}, "/min_instances", "must be an integer"),
    ({"min_instances": 0.5}, "/min_instances", "not an integer"),
    ({"max_instances": True}, "/max_instances", "must be an integer"),
    ({"replicas": 2}, "/replicas", "not known"),
]


@pytest.mark.parametrize("change, pointer, words", WRONG)
def test_wrong_values(acme, house, change, pointer, words):
    found = problem(acme.post("/deployments", body(house, "wrong", **change)))
    assert set(found) == {pointer} and words in found[pointer]
    assert acme.get("/deployments/acme/wrong").status == 404


@pytest.mark.parametrize("change, pointer, words", [case for case in WRONG if "name" not in case[0] and
                                                    case[0].get("hardware", "") is not None])
def test_wrong_values_of_an_update(acme, house, running, change, pointer, words):
    before = acme.get(running).json
    found = problem(acme.patch(running, change))
    assert set(found) == {pointer} and (words in found[pointer] or pointer == "/model")
    assert acme.get(running).json == before


def test_an_update_that_would_cross_the_stored_bounds(acme, house):
    path = acme.deploy("bounds", "some-org/some-model", house.version, high=2)
    assert "/min_instances" in problem(acme.patch(path, {"min_instances": 3}))


def test_missing_keys_are_told_at_once(acme):
    assert set(problem(acme.post("/deployments", {}))) == {"/name", "/model", "/version", "/hardware", "/min_instances",
                                                           "/max_instances"}


@pytest.mark.parametrize("sent", [b"[]", b"3", b"null", b'"x"'])
def test_a_body_that_is_no_object(acme, sent):
    assert set(problem(acme.post("/deployments", sent))) == {None}


def test_a_version_that_is_private_to_another(house, org):
    answer = org.post("/deployments", body(house, "private", model="acme/hello", version=house.hello))
    assert set(problem(answer)) <= {"/model", "/version"}


def test_a_version_of_another_model(house, acme):
    assert set(problem(acme.post("/deployments", body(house, "mixed", version=house.hello)))) == {"/version"}


def test_others_do_not_see_it(acme, org, running):
    for answer in (org.get(running), org.patch(running, {"max_instances": 2}), org.delete(running),
                   org.get(running + "/instances"), org.post(running + "/predictions", {"input": {}})):
        assert (answer.status, answer.json["detail"]) == (404, "The requested resource could not be found.")


def test_disabled_and_enabled_again(acme, house):
    path = acme.deploy("switch", "some-org/some-model", house.version, high=0)
    refused = acme.post(path + "/predictions", {"input": {}})
    assert (refused.status, refused.type, refused.json["title"]) == (422, "application/problem+json",
                                                                     "Deployment disabled")
    assert acme.patch(path, {"max_instances": 1}).status == 200
    assert acme.predict(path, {"text": "on"})["output"] == ["on"]


def test_an_update_of_the_version_takes_over(acme, house, tmp_path):
    path = acme.deploy("moving", "acme/hello", house.hello)
    assert acme.predict(path, {"text": "a", "delay": 0})["version"] == house.hello
    shutil.copytree(EXAMPLES / "hello", tmp_path / "polite")
    source = (EXAMPLES / "hello/predict.py").read_text()
    (tmp_path / "polite/predict.py").write_text(source.replace("hello there,", "good day,"))
    second = house.push(acme, tmp_path / "polite", "hello")
    assert acme.patch(path, {"version": second}).json["current_release"]["version"] == second

    def runs_the_new():
        made = acme.predict(path, {"text": "a", "delay": 0})
        assert made["status"] == "succeeded"
        return made["version"] == second and made["output"][:2] == ["good", " day,"]

    wait_for(runs_the_new, "the new release")
    wait_for(lambda: {row["version"] for row in acme.get(path + "/instances").json["results"]} == {second},
             "the end of the old instance")


def test_pages_newest_first(new_server):
    server = new_server()
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "m")
    for index in range(60):
        me.deploy(f"d-{index:02}", "me/m", version)
    path, pages = "/deployments", []
    while path:
        pages.append(me.get(path).json)
        assert list(pages[-1]) == ["next", "previous", "results"]
        path = pages[-1]["next"] and pages[-1]["next"].removeprefix(f"{server.url}/v1")
    assert [row["name"] for page in pages for row in page["results"]] == [f"d-{i:02}" for i in reversed(range(60))]
    assert [len(page["results"]) for page in pages] == [25, 25, 10]
    assert pages[0]["previous"] is None and pages[1]["previous"].startswith(f"{server.url}/v1/deployments?cursor=")
    again = me.get(pages[1]["previous"].removeprefix(f"{server.url}/v1")).json
    assert again["results"] == pages[0]["results"] and again["previous"] is None


def test_only_own_ones_are_listed(org, running):
    assert not any(row["owner"] == "acme" for row in org.get("/deployments").json["results"])


def test_a_cursor_that_is_none(acme):
    for cursor in ("x", "n", "n" * 100, "n'--", "nABC"):
        answer = acme.get(f"/deployments?cursor={cursor}")
        assert answer.status in (400, 404) and re.search("cursor", answer.json["detail"], re.I), cursor
