# SPDX-License-Identifier: Apache-2.0
"""What is erased when, requests that are repeated, and deadlines."""

import calendar
import threading
import time

import pytest
from berth import MODELS, wait_for
from sse import Stream

WORDS = {"mode": "words", "text": "w", "steps": 2}


def predict(client, path, values, headers):
    answer = client.post(path + "/predictions", {"input": values}, headers=headers)
    assert answer.status == 201, answer
    return answer.json


def test_data_is_removed_after_the_retention(new_server):
    server = new_server("--retention", "3s")
    client = server.account("acme")
    path = client.deploy("d", "acme/model", server.push(client, MODELS / "ctl", "model"))
    made = client.predict(path, WORDS)
    assert made["status"] == "succeeded" and made["output"] == ["w0 ", "w1 "] and made["data_removed"] is False
    assert client.prediction(made) == made
    later = wait_for(lambda: (found := client.prediction(made))["data_removed"] and found, "the removal")
    assert (later["input"], later["output"], later["logs"]) == (None, None, None)
    kept = {"id", "model", "version", "status", "created_at", "started_at", "completed_at", "metrics", "urls", "error"}
    assert {key: later[key] for key in kept} == {key: made[key] for key in kept}
    assert client.get("/predictions").json["results"][0] == later
    assert Stream(made["urls"]["stream"]).status == 410
    # Over a restart, too.
    made = client.predict(path, WORDS)
    server.stop()
    server.start()
    wait_for(lambda: client.prediction(made)["data_removed"], "the removal")


def test_erasing_at_once(acme, org, house, tmp_path):
    def make(**values):
        return org.post("/predictions", {"version": house.version, "input": values}).json

    made = make(**WORDS)
    assert org.ended(made)["status"] == "succeeded"
    path = f"/predictions/{made['id']}"
    assert acme.delete(path).status == 404
    answer = org.delete(path)
    assert (answer.status, answer.body) == (204, b"")
    found = org.prediction(made)
    assert found["data_removed"] is True and found["output"] is None and found["status"] == "succeeded"
    assert org.delete(path).status == 204
    live = make(mode="wait", file=str(tmp_path / "never"))
    answer = org.delete(f"/predictions/{live['id']}")
    assert answer.status == 422 and "Cancel it first" in answer.text
    org.post(f"/predictions/{live['id']}/cancel")
    org.ended(live)
    assert org.delete(f"/predictions/{live['id']}").status == 204


# --- Idempotency-Key ------------------------------------------------------------------------------------------------------


def test_a_repeated_request(acme, org, running, house):
    key = {"Idempotency-Key": "one"}
    made = predict(acme, running, WORDS, key)
    for headers in (key, {**key, "Prefer": "wait"}):
        answer = acme.post(running + "/predictions", {"input": WORDS}, headers=headers)
        assert answer.status == 201 and answer.json["id"] == made["id"], answer
        assert answer.headers["Location"].endswith(made["id"])
    ended = acme.ended(made)
    answer = acme.post(running + "/predictions", {"input": WORDS}, headers=key)
    assert answer.status == 201 and answer.json == ended
    answer = acme.post(running + "/predictions", {"input": {**WORDS, "steps": 3}}, headers=key)
    assert answer.status == 422 and "Idempotency-Key" in answer.json["detail"]
    answer = acme.post("/predictions", {"version": f"some-org/some-model:{house.version}", "input": WORDS}, headers=key)
    assert answer.status == 422
    other = org.post("/predictions", {"version": house.version, "input": WORDS}, headers=key)
    assert other.status == 201 and other.json["id"] != made["id"]
    assert acme.predict(running, WORDS, wait=False)["id"] != made["id"]
    answer = acme.post(running + "/predictions", {"input": WORDS}, headers={"Idempotency-Key": "x" * 256})
    assert answer.status == 422 and answer.json["invalid_fields"][0]["field"] == "Idempotency-Key"


def test_repeats_at_the_same_moment(acme, running):
    answers = []

    def call():
        answers.append(acme.post(running + "/predictions", {"input": WORDS}, headers={"Idempotency-Key": "at once"}))

    threads = [threading.Thread(target=call) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1


# --- Cancel-After ----------------------------------------------------------------------------------------------------------


def seconds(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1])


@pytest.mark.parametrize("name", ["Cancel-After", "Replicate-Max-Lifetime"])
def test_a_deadline_while_it_runs_and_while_it_waits(acme, house, name, tmp_path):
    path = acme.deploy("deadline-" + name.lower(), "some-org/some-model", house.version)
    running = predict(acme, path, {"mode": "wait", "file": str(tmp_path / "never")}, {name: "20s"})
    assert 19.9 < seconds(running["deadline"]) - seconds(running["created_at"]) < 20.1
    wait_for(lambda: acme.prediction(running)["output"], "the first output")
    waiting = predict(acme, path, WORDS, {name: "5"})
    ended = acme.ended(waiting)
    assert ended["status"] == "aborted" and ended["started_at"] is None and "Cancel-After" in ended["error"]
    ended = acme.ended(running)
    assert ended["status"] == "canceled" and ended["started_at"] and ended["output"] == ["begin "]
    assert ended["completed_at"] >= ended["deadline"]


def test_a_deadline_that_is_not_reached(acme, running):
    made = predict(acme, running, WORDS, {"Prefer": "wait", "Cancel-After": "1h30m45s"})
    assert made["status"] == "succeeded" and made["deadline"]
    for wrong in ("4s", "soon", "-5", ""):
        answer = acme.post(running + "/predictions", {"input": WORDS}, headers={"Cancel-After": wrong})
        assert answer.status == 422 and answer.json["invalid_fields"][0]["field"] == "Cancel-After", answer


def test_a_deadline_over_a_restart(new_server, tmp_path):
    server = new_server("--keep-instances", "--drain-timeout", "0s")
    client = server.account("acme")
    path = client.deploy("d", "acme/model", server.push(client, MODELS / "ctl", "model"))
    running = predict(client, path, {"mode": "wait", "file": str(tmp_path / "never")}, {"Cancel-After": "10s"})
    wait_for(lambda: client.prediction(running)["output"], "the first output")
    waiting = predict(client, path, WORDS, {"Cancel-After": "5s"})
    server.stop()
    server.start()
    assert client.ended(waiting)["status"] == "aborted"
    ended = client.ended(running)
    assert ended["status"] == "canceled" and ended["output"] == ["begin "]
