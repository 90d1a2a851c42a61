# SPDX-License-Identifier: Apache-2.0
"""GET /v1/events: what changes is told to whoever may know of it, briefly, and once for what changes often."""

import json
import shutil
import socket
import time

import pytest
from berth import EXAMPLES, LIMIT, MODELS, wait_for
from sse import Stream
from test_session import Browser

ROW = ["owner", "name", "model", "version", "hardware", "min_instances", "max_instances", "release", "state", "failure",
       "held", "waits_for", "instances", "queue", "last_used_at", "hour", "cost_today"]


class Listener:
    """Reads as they come; asks are for those that were not given out before."""

    def __init__(self, client, query="", headers=None):
        sent = headers if headers is not None else {"Authorization": f"Bearer {client.token}"}
        self.stream = Stream(f"{client.server.url}/v1/events{query}", headers=sent)
        self.got = []
        name, data = self.next()
        assert name == "hello", (name, data)
        self.account = data["account"]

    def next(self):
        """An event as (name, data); None at the end. They have no ids: whoever comes back looks at everything again."""
        deadline = time.monotonic() + LIMIT
        while (lines := self.stream.block()) is not None:
            assert time.monotonic() < deadline, f"it does not come; until now: {self.got}"
            fields = dict(line.split(": ", 1) for line in lines)
            if "event" in fields:
                assert set(fields) == {"event", "data"}, lines
                return fields["event"], json.loads(fields["data"])
        return None

    def until(self, kind, /, **members):
        deadline = time.monotonic() + LIMIT
        while (one := self.next()) is not None:
            event, data = one
            assert time.monotonic() < deadline, f"{kind} {members} does not come; until now: {self.got}"
            self.got.append(one)
            if event == kind and all(data.get(key) == value for key, value in members.items()):
                return data
        return None

    def close(self):
        self.stream.close()


@pytest.fixture
def listen():
    made = []

    def start(*more, **named):
        made.append(Listener(*more, **named))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_the_life_of_a_deployment(house, acme, org, listen):
    heard, others = listen(acme), listen(org)
    assert (heard.account, others.account) == ("acme", "some-org")
    path = acme.deploy("told", "some-org/some-model", house.version, 1)
    assert heard.until("release", state="new") == {"number": 1, "state": "new", "deployment": "acme/told"}
    booted = heard.until("deployment", owner="acme", name="told", state="setting up")
    assert booted["release"] == 1 and booted["instances"]["setup"] == 1 and booted["queue"] == 0
    heard.until("deployment", name="told", state="idle")
    told = {(name, data.get("state")) for name, data in heard.got}
    assert ("release", "ready") in told and ("instance", "ready") in told and ("decision", None) in told
    made = acme.predict(path, {"text": "x"})
    told = heard.until("prediction", id=made["id"], status="succeeded")
    assert told == {"id": made["id"], "status": "succeeded", "deployment": "acme/told", "model": "some-org/some-model"}
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    heard.until("deployment", name="told", state="disabled")
    heard.until("instance", state="ended", deployment="acme/told")
    org.predict(org.deploy("theirs", "some-org/some-model", house.version), {"text": "x"})
    others.until("prediction", status="succeeded")
    assert not any("told" in json.dumps(data) for _, data in others.got)


def test_what_a_prediction_says_is_told_while_it_runs(acme, running, tmp_path, listen):
    heard = listen(acme)
    gate = tmp_path / "gate"
    made = acme.predict(running, {"mode": "wait", "file": str(gate)}, wait=False)
    told = heard.until("progress", id=made["id"])
    assert told == {"id": made["id"], "deployment": "acme/running", "model": "some-org/some-model"}
    now = acme.prediction(made)
    assert (now["status"], now["logs"].startswith("mode wait")) == ("processing", True)
    gate.write_text("")
    assert heard.until("prediction", id=made["id"], status="succeeded")


def test_what_an_instance_says_while_it_boots_is_told(house, acme, tmp_path, listen):
    slow = tmp_path / "slow"
    shutil.copytree(MODELS / "ctl", slow)
    (slow / "setup.txt").write_text("hang")
    heard = listen(acme)
    path = acme.deploy("slow-boot", "acme/slow", house.push(acme, slow, "slow"), 1)
    told = heard.until("log", deployment="acme/slow-boot")
    assert told == {"id": told["id"], "deployment": "acme/slow-boot", "model": "acme/slow"}
    assert not any(data.get("state") == "ready" for name, data in heard.got if name == "instance"), "it boots still"
    assert "loading the weights" in acme.get(f"{path}/instances/{told['id']}/log").text
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    heard.until("instance", state="ended", deployment="acme/slow-boot")


def test_builds_are_told(house, acme, listen):
    heard = listen(acme)
    house.push(acme, EXAMPLES / "hello", "told-model")
    build = heard.until("build", status="succeeded")
    assert build == {"id": build["id"], "status": "succeeded", "model": "acme/told-model"}
    assert acme.get(f"/builds/{build['id']}").json["status"] == "succeeded"


def test_only_of_one_deployment(house, acme, running, listen):
    heard = listen(acme, "?deployment=acme/running")
    other = acme.deploy("not-told", "some-org/some-model", house.version)
    acme.predict(other, {"text": "x"})
    made = acme.predict(running, {"text": "x"})
    heard.until("prediction", id=made["id"], status="succeeded")
    assert not any("not-told" in json.dumps(data) for _, data in heard.got)
    for name in ("x" * 200, "", "none", "acme/none", "/", "some-org/running"):
        refused = acme.get(f"/events?deployment={name}")
        assert refused.status == 404 and f'no deployment "{name[:100]}' in refused.json["detail"], (name, refused)
    by_name = listen(acme, "?deployment=running")
    made = acme.predict(running, {"text": "x"})
    by_name.until("prediction", id=made["id"], status="succeeded")


def test_a_page_says_for_whom_in_the_address(house, acme, org, listen):
    browser = Browser(house)
    browser.sign_in(acme)
    browser.sign_in(org)
    cookie = {"Cookie": f"berth_session_{house.port}={browser.cookie}"}
    assert listen(browser, headers=cookie).account == "some-org"
    assert listen(browser, "?account=acme", headers=cookie).account == "acme"
    assert browser.get("/events?account=nobody").status == 403
    assert house.nobody().get("/events").status == 401
    assert acme.call("HEAD", "/events").headers["Content-Type"] == "text/event-stream"


def test_signing_out_ends_what_was_listened_to(house, acme, org, listen):
    browser = Browser(house)
    browser.sign_in(acme)
    browser.sign_in(org)
    cookie = {"Cookie": f"berth_session_{house.port}={browser.cookie}"}
    of_acme, of_org = listen(browser, "?account=acme", headers=cookie), listen(browser, headers=cookie)
    assert browser.session("DELETE", query="?account=acme").status == 204
    assert of_acme.until("never") is None
    assert browser.session("DELETE").status == 204
    assert of_org.until("never") is None


def test_what_is_much_is_told_as_a_number(acme, org, house, tmp_path, listen):
    """Of more predictions at once than a page can show, only how many they were."""
    path = acme.deploy("many", "some-org/some-model", house.version)
    gate = tmp_path / "gate"
    made = [acme.post(path + "/predictions", {"input": {"text": "x", "until": str(gate)}}).json["id"] for _ in range(80)]
    heard = listen(acme)
    assert acme.patch(path, {"max_instances": 0}).status == 200  # all end at once
    assert heard.until("predictions")["changed"] > 0
    assert acme.get(f"/predictions/{made[-1]}").json["status"] == "canceled"


def test_who_cannot_be_told_all_is_told_so(new_server, listen):
    """Everything that the account has changes in one moment: more than is noted for a reader."""
    server = new_server("--enable-fake")
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    for n in range(270):
        me.deploy(f"d{n}", "me/ctl", version)
    heard = listen(me)
    assert me.call("PUT", "/account/budget", {"amount": 0.000001, "period": "day"}).status == 200
    assert heard.until("reset") == {}
    names = [one["name"] for one in server_pages(me, "/deployments/overview")]
    assert names == [f"d{n}" for n in reversed(range(270))]
    me.deploy("after", "me/ctl", version)
    heard.until("deployment", name="after")


def test_who_does_not_read_costs_little_and_starts_afresh(new_server, listen):
    server = new_server("--enable-fake")
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    for n in range(200):
        me.deploy(f"d{n}", "me/ctl", version)
    good = listen(me)
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(20)
        link.connect(("127.0.0.1", server.port))
        link.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {me.token}\r\n\r\n".encode())
        assert b"200" in link.recv(12)
        for n in range(50):  # each time all 200 are told
            assert me.call("PUT", "/account/budget", {"amount": 0.000001 * (n % 2), "period": "day"}).status == 200
            good.until("deployment", name="d7")
        text = b""
        while b"event: reset" not in text:
            text = text[-100:] + link.recv(65536)
        me.deploy("after", "me/ctl", version)
        while b'"after"' not in text:
            text = text[-100:] + link.recv(65536)


def server_pages(client, path):
    found = []
    while path:
        page = client.get(path).json
        found += page["results"]
        path = page["next"] and page["next"].split("/v1", 1)[1]
    return found


def test_streams_have_a_limit_and_end_with_the_token(new_server, listen):
    server = new_server("--max-streams", "1")
    me = server.account("me")
    made = me.post("/account/tokens", {}).json
    heard = listen(me, headers={"Authorization": f"Bearer {made['token']}"})
    refused = me.get("/events")
    assert refused.status == 429 and "max_streams" in refused.json["detail"]
    assert me.delete(f"/account/tokens/{made['id']}").status == 204
    assert heard.until("never") is None
    heard.close()
    listen(me)


def test_the_overview_has_it_all(house, acme, running):
    made = acme.predict(running, {"text": "x"})
    assert made["status"] == "succeeded"
    page = acme.get("/deployments/overview?name=acme/running").json
    assert (page["next"], page["previous"], len(page["results"])) == (None, None, 1)
    row = page["results"][0]
    assert list(row) == ROW
    assert (row["owner"], row["name"], row["model"], row["version"]) == ("acme", "running", "some-org/some-model", house.version)
    assert row["state"] in ("active", "idle") and sum(row["instances"].values()) >= 1
    hour = row["hour"]
    assert hour["step_seconds"] == 120 and len(hour["requests"]) == len(hour["wait_p95"]) == 30
    assert sum(hour["requests"]) == hour["total"] >= 1 and hour["p95"] >= 0
    assert row["cost_today"] >= 0 and row["last_used_at"] and row["failure"] is None
    everything = acme.get("/deployments/overview").json["results"]
    names = [f"{one['owner']}/{one['name']}" for one in acme.get("/deployments").json["results"]]  # of one page
    assert [f"{one['owner']}/{one['name']}" for one in everything][:len(names)] == names
    assert acme.get("/deployments/overview?name=some-org/none").json["results"] == []
    assert acme.get("/deployments/overview?cursor=nonsense!").status == 400


def test_what_it_waits_for_is_told(new_server, listen):
    server = new_server(start=False)
    (server.data / "berth.yaml").write_text(
        "hardware:\n  - {sku: cpu, name: A, price: 0, cpus: 0.5, memory: 1GB}\n"
        "  - {sku: absent, name: B, price: 0, cpus: 0.5, memory: 1GB, gpus: 8, gpu_kind: absent}\n")
    server.start()
    me = server.account("me")
    heard = listen(me)
    version = server.push(me, MODELS / "ctl", "ctl")
    path = me.deploy("far", "me/ctl", version, 1, hardware="absent")
    told = heard.until("deployment", name="far", state="waiting")
    assert "GPU" in told["waits_for"]
    row, = me.get("/deployments/overview").json["results"]
    assert (row["state"], row["waits_for"]) == ("waiting", told["waits_for"])
    assert me.patch(path, {"hardware": "cpu"}).status == 200
    assert heard.until("deployment", name="far", state="idle")["waits_for"] is None


def test_a_disabled_one_and_a_failed_one_say_so(house, acme, variant):
    acme.deploy("off", "some-org/some-model", house.version, 0, 0)
    look = lambda name: acme.get(f"/deployments/overview?name=acme/{name}").json["results"][0]
    assert look("off")["state"] == "disabled"
    acme.deploy("asleep", "some-org/some-model", house.version, 0, 1)
    assert look("asleep")["state"] == "offline"
    bad = house.push(acme, variant("raise"), "broken")
    acme.deploy("broken", "acme/broken", bad, 1)
    row = wait_for(lambda: look("broken") if look("broken")["state"] == "failed" else None, lambda: look("broken"))
    assert row["failure"]


def test_what_there_is_to_choose(acme, running):
    rows = acme.get("/capacity").json["hardware"]
    row = next(one for one in rows if one["sku"] == "cpu-small")
    assert [one["sku"] for one in rows] == [one["sku"] for one in acme.get("/hardware").json]
    assert row["price_per_hour"] == pytest.approx(row["price"] * 3600) and row["runtimes"] == ["process"]
    assert 0 <= row["available"] <= 1000 and row["cpus"] > 0 and row["memory_bytes"] > 0


def test_predictions_of_one_deployment(acme, org, running):
    made = acme.predict(running, {"text": "x"})["id"]
    other = acme.predict(acme.deploy("elsewhere", "some-org/some-model", acme.get(running).json["current_release"]["version"]),
                         {"text": "x"})["id"]
    listed = [one["id"] for one in acme.get("/predictions?deployment=acme/running").json["results"]]
    assert made in listed and other not in listed
    assert [one["id"] for one in acme.get("/predictions?deployment=acme/elsewhere").json["results"]] == [other]
    assert made in [one["id"] for one in acme.get("/predictions?deployment=running").json["results"]]
    for name in ("acme/none", "acme", "", "/", "none"):
        assert acme.get(f"/predictions?deployment={name}").status == 404, name
    assert org.get("/predictions?deployment=acme/running").status == 404
