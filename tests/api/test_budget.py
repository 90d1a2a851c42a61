# SPDX-License-Identifier: Apache-2.0
"""Budgets: what they stop, what they leave, who is told; and what a deployment would cost."""

import json

import pytest
from berth import MODELS, wait_for
from receiver import Receiver


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


def told(receiver, kind):
    return [one.json for one in list(receiver.got) if one.json["type"] == kind]


def test_at_the_limit_nothing_begins_and_the_queue_stays(new_server, tmp_path, receiver):
    server = new_server("--webhook-private-targets")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), low=1)
    wait_for(lambda: any(row["state"] == "idle" for row in me.get(path + "/instances").json["results"]), "it is ready")
    go = tmp_path / "go"
    running = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(running)["logs"], "the start")
    url = f"http://127.0.0.1:{receiver.port}/spent"
    answer = me.call("PUT", path + "/budget", {"amount": 0.0000001, "period": "day", "warn_at": 0.5, "webhook": url})
    assert answer.status == 200, answer
    budget = answer.json
    assert (budget["amount"], budget["period"], budget["warn_at"], budget["webhook"]) == (1e-7, "day", 0.5, url)
    assert budget["state"] == "reached" and budget["spent"] >= 1e-7, "what was spent before counts"
    assert budget["period_start"] < budget["period_end"]
    message = wait_for(lambda: told(receiver, "budget.reached"), "the message")[0]
    assert (message["owner"], message["deployment"], message["amount"]) == ("me", "d", 1e-7)
    assert message["spent"] >= 1e-7

    waiting = me.predict(path, {}, wait=False)
    shown = me.prediction(waiting)
    assert shown["status"] == "starting"
    assert "budget of 0.0000001 a day is spent" in shown["queue"]["reason"]
    assert "budget" in me.get(path).json["held"]
    assert ["budget" in found["held"] for found in me.get("/deployments").json["results"]] == [True]
    assert "budget" in me.get(path + "/instances").json["waits_for"]
    assert me.prediction(running)["status"] == "processing", "what runs finishes"
    go.touch()
    assert me.ended(running)["status"] == "succeeded"
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "no instance, in spite of the minimum")
    decided = me.get(path + "/decisions").json["results"][0]
    assert (decided["cause"], decided["instances_before"], decided["instances_after"]) == ("budget", 1, 0)
    assert decided["sentence"].startswith("1 → 0: ") and "budget of 0.0000001 a day is spent" in decided["sentence"]

    server.kill()
    server.start()
    assert me.get(path + "/budget").json["state"] == "reached", "a restart forgets nothing"
    assert "reason" in me.prediction(waiting)["queue"]
    # That the last one ended may not have been written down any more.
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "no instance after the restart either")
    assert len(told(receiver, "budget.reached")) == 1, "it was told"

    assert me.call("PUT", path + "/budget", {"amount": 1000}).json["state"] == "ok"
    assert me.ended(waiting)["status"] == "succeeded"
    assert "held" not in me.get(path).json
    spent = json.loads(me.get(path + "/budget").body)["spent"]
    assert spent <= json.loads(me.get(path + "/cost").body)["cost"]
    assert me.delete(path + "/budget").status == 204
    assert me.get(path + "/budget").status == 404
    server.stop()


def test_an_account_is_warned_then_stopped(new_server, receiver):
    server = new_server("--webhook-private-targets")
    me, other = server.account("me"), server.account("other")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl", "--public"))
    theirs = other.deploy("d", "me/ctl", me.get(path).json["current_release"]["version"])
    me.predict(path, {})
    url = f"http://127.0.0.1:{receiver.port}/spent"
    spent = me.get("/account/cost").json["cost"]
    warned = me.call("PUT", "/account/budget", {"amount": round(spent * 1000, 9), "warn_at": 0.01, "webhook": url}).json
    assert warned["state"] in ("ok", "warned") and warned["period"] == "month"
    assert me.call("PUT", "/account/budget", {"amount": round(spent * 50, 9), "warn_at": 0.01, "webhook": url}).json["state"] == "warned"
    wait_for(lambda: told(receiver, "budget.warned"), "the warning")
    assert me.predict(path, {})["status"] == "succeeded", "a warning stops nothing"
    assert me.call("PUT", "/account/budget", {"amount": 0}).json["state"] == "reached"
    waiting = me.predict(path, {}, wait=False)
    assert "The account's budget" in me.prediction(waiting)["queue"]["reason"]
    assert other.predict(theirs, {})["status"] == "succeeded", "it is another's money"
    assert me.delete("/account/budget").status == 204
    assert me.ended(waiting)["status"] == "succeeded"
    server.stop()


@pytest.mark.parametrize("body, key", [
    ({}, "amount"), ({"amount": -1}, "amount"), ({"amount": "5"}, "amount"), ({"amount": 0.0000000001}, "amount"),
    ({"amount": 2e9}, "amount"), ({"amount": 1, "period": "week"}, "period"), ({"amount": 1, "warn_at": 0}, "warn_at"),
    ({"amount": 1, "warn_at": 1.5}, "warn_at"), ({"amount": 1, "webhook": "nowhere"}, "webhook"),
    ({"amount": 1, "webhook": "http://example.com/"}, "webhook"), ({"amount": 1, "limit": 1}, "limit")])
def test_what_is_no_budget(org, body, key):
    answer = org.call("PUT", "/account/budget", body)
    assert answer.status == 400, answer
    assert [error["pointer"] for error in answer.json["errors"]] == ["/" + key]
    assert org.get("/account/budget").status == 404


def test_anothers_budget_is_not_there(org, acme, house):
    path = org.deploy("mine-alone", "some-org/some-model", house.version)
    for method in ("GET", "PUT", "DELETE"):
        assert acme.call(method, path + "/budget", {"amount": 1} if method == "PUT" else None).status == 404


def test_an_estimate(org, house):
    asked = {"hardware": "gpu-t4", "min_instances": 1, "max_instances": 4}
    answer = org.post("/deployments/estimate", asked)
    assert answer.status == 200, answer
    assert answer.json == {"hardware": "gpu-t4", "price": 0.000225, "per_hour": {"minimum": 0.81, "maximum": 3.24},
                           "last_week": None}
    path = org.deploy("busy", "some-org/some-model", house.version)
    org.predict(path, {})
    wait_for(lambda: org.get(path + "/cost").json["seconds"] > 0, "it cost something")
    shown = org.post("/deployments/estimate", {**asked, "min_instances": 0, "deployment": "busy"}).json["last_week"]
    assert 0 < shown["seconds"] < 3600 and shown["cost"] == pytest.approx(shown["seconds"] * 0.000225)
    least = org.post("/deployments/estimate", {**asked, "deployment": "some-org/busy"}).json["last_week"]
    assert least["seconds"] == 7 * 86400, "the minimum runs all the time"
    for wrong, key in (({"hardware": "none"}, "hardware"), ({"max_instances": 0}, "max_instances"),
                       ({"deployment": "acme/busy"}, "deployment"), ({"name": "x"}, "name")):
        refused = org.post("/deployments/estimate", {**asked, **wrong})
        assert refused.status == 400 and refused.json["errors"][0]["pointer"] == "/" + key, refused
