# SPDX-License-Identifier: Apache-2.0
"""What belongs to one account is not there for another: 404, and nothing of it in the answer, on every route."""

import json
import shutil
import socket
import sqlite3

import pytest
from berth import MODELS, read_all, wait_for

# Words that no answer to a stranger may hold.
SECRETS = ("hidden-model", "hidden-deployment", "cpu-small", "told to nobody")


@pytest.fixture(scope="module")
def secret(house, tmp_path_factory):
    """A private model, its version, its build, a deployment and a prediction; and the paths to them."""
    owner = house.account("owner")
    folder = tmp_path_factory.mktemp("hidden") / "ctl"
    shutil.copytree(MODELS / "ctl", folder)
    (folder / "secret.txt").write_text("no other model has this")  # so its version is nobody else's either
    version = house.push(owner, folder, "hidden-model")
    deployment = owner.deploy("hidden-deployment", "owner/hidden-model", version)
    made = owner.predict(deployment, {"text": "told to nobody"}, wait=True)
    answer = owner.post("/models/owner/hidden-model/versions", b"this is no archive",
                        headers={"Content-Type": "application/gzip"})
    assert answer.status == 202
    build = f"/builds/{answer.json['id']}"
    wait_for(lambda: owner.get(build).json["status"] == "failed", "the build's end")
    return {"M": "/models/owner/hidden-model", "V": f"/models/owner/hidden-model/versions/{version}", "D": deployment,
            "P": f"/predictions/{made['id']}", "B": build, "version": version}


CONFIGURATION = {"name": "mine", "hardware": "cpu-small", "min_instances": 0, "max_instances": 1}
ROUTES = [
    ("GET", "D", None), ("PATCH", "D", {}), ("PATCH", "D", {"max_instances": 2}), ("PATCH", "D", {"model": "other/model"}),
    ("PATCH", "D", {"model": "owner/hidden-model"}), ("DELETE", "D", None), ("POST", "D/enable", None),
    ("GET", "D/instances", None), ("GET", "D/releases", None), ("POST", "D/predictions", {"input": {}}),
    ("POST", "D/predictions", {"input": {"steps": "x"}}), ("POST", "D/predictions", {}),
    ("GET", "P", None), ("POST", "P/cancel", None),
    ("GET", "M", None), ("PATCH", "M", {"description": "mine now"}), ("DELETE", "M", None), ("GET", "M/readme", None),
    ("GET", "M/examples", None), ("GET", "M/versions", None), ("POST", "M/predictions", {"input": {}}),
    ("GET", "V", None), ("DELETE", "V", None),
    ("GET", "B", None), ("GET", "B/log", None), ("GET", "B/log?follow=1", None),
]


@pytest.mark.parametrize("method, path, body", ROUTES, ids=lambda x: json.dumps(x) if isinstance(x, dict) else str(x))
def test_a_stranger_sees_nothing(house, secret, method, path, body):
    stranger = house.account("stranger")
    answer = stranger.call(method, secret[path[0]] + path[1:], body)
    assert (answer.status, answer.type) == (404, "application/problem+json"), answer
    other = secret[path[0]].replace("hidden", "absent")[:-1] + "0"
    absent = stranger.call(method, other + path[1:], body)
    asked, named = (one.split("/")[-1] for one in (secret[path[0]], other))
    assert (absent.status, absent.text) == (answer.status, answer.text.replace(asked, named)), absent
    assert not any(word in answer.text for word in (*SECRETS, secret["version"])), answer


def test_a_stranger_cannot_use_or_list_it(house, secret):
    stranger = house.account("stranger")
    for version in (secret["version"], f"owner/hidden-model:{secret['version']}", "owner/hidden-model"):
        answer = stranger.post("/predictions", {"version": version, "input": {}})
        assert answer.status == 422 and answer.json["title"] == "Invalid version or not permitted", answer
    wanted = {**CONFIGURATION, "model": "owner/hidden-model", "version": secret["version"]}
    answer = stranger.post("/deployments", wanted)
    assert answer.status in (400, 422)
    absent = stranger.post("/deployments", {**wanted, "version": secret["version"][::-1]})
    assert answer.text == absent.text.replace(secret["version"][::-1], secret["version"])
    absent = stranger.post("/deployments", {**wanted, "model": "owner/absent-model"})
    assert answer.text == absent.text.replace("absent", "hidden")
    assert stranger.post("/models/owner/hidden-model/versions", b"x").status == 403
    for path in ("/deployments", "/predictions", "/models"):
        answer = stranger.get(path)
        assert answer.status == 200 and not any(word in answer.text for word in SECRETS[:2]), answer
    assert "hidden" not in stranger.call("QUERY", "/models", b"hidden", headers={"Content-Type": "text/plain"}).text
    assert "hidden-deployment" not in stranger.get("/capacity").text


def test_the_owner_still_has_all_of_it(house, secret):
    owner = house.account("owner")
    for key in ("D", "P", "M", "V", "B"):
        assert owner.get(secret[key]).status == 200
    answer = owner.patch(secret["D"], {"model": "other/model"})
    assert answer.status == 400 and "owner/hidden-model" in answer.json["detail"]


def test_the_internal_listener_refuses_before_the_body(house):
    with sqlite3.connect(house.data / "berth.db") as store:
        address = store.execute("SELECT value FROM setting WHERE name = 'internal_listen'").fetchone()[0]
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as link:
        link.sendall(b"POST /_i/no-such-secret/webhook/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        got = read_all(link)  # no byte of the body was sent, and the connection is closed all the same
    assert got.startswith(b"HTTP/1.1 404 "), got
    assert b"connection: close" in got.lower()
