# SPDX-License-Identifier: Apache-2.0
"""What things cost: of a deployment and an account, over restarts, and on each prediction."""

import json
import os
import sqlite3
import subprocess
import time
from decimal import Decimal

import pytest
from berth import LIMIT, MODELS, binary, instance_processes, wait_for

PRICE = Decimal("0.000025")  # of cpu-small
KINDS = ["setup", "active", "idle", "drain", "failed"]


def exact(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)


def adds_up(cost, *lists):
    for part in [cost] + [row for name in lists for row in cost[name]]:
        assert list(part["kinds"]) == KINDS
        for key in ("seconds", "cost"):
            assert sum(kind[key] for kind in part["kinds"].values()) == part[key]
    for name in lists:
        for key in ("seconds", "cost"):
            assert sum(row[key] for row in cost[name]) == cost[key], name


@pytest.fixture
def set_up(new_server):
    server = new_server("--idle-timeout", "0")
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    return server, me, version, me.deploy("d", "me/ctl", version)


def gone(server):
    wait_for(lambda: not instance_processes(server.data), "the end of the instances")


def test_everything_adds_up(set_up):
    server, me, version, path = set_up
    made = [me.ended(me.predict(path, {"text": str(n)}, wait=False)) for n in range(3)]
    ended = exact(me.get(f"/predictions/{made[0]['id']}"))
    assert ended["cost"] > 0
    wait_for(lambda: me.get(path + "/instances").json["results"] == [], "no instance")
    cost = exact(me.get(path + "/cost"))
    adds_up(cost, "days", "releases", "hardware")
    assert cost["cost"] == cost["seconds"] * PRICE
    assert [row["sku"] for row in cost["hardware"]] == ["cpu-small"]
    assert cost["hardware"][0]["price"] == PRICE
    assert cost["releases"][0]["release"] == 1
    assert cost["kinds"]["setup"]["seconds"] > 0 and cost["kinds"]["failed"]["seconds"] == 0
    mine = [exact(me.get(f"/predictions/{one['id']}"))["cost"] for one in made]
    assert sum(mine) == cost["kinds"]["active"]["cost"]
    lived = me.get(path + "/instances").json["ended"]
    assert all(row["ended_at"] for row in lived)

    by_model = me.post("/models/me/ctl/predictions", {"input": {}}, headers={"Prefer": "wait"}).json
    assert by_model["status"] == "succeeded"
    account = exact(me.get("/account/cost"))
    adds_up(account, "days", "deployments", "hardware")
    for day in account["days"]:
        adds_up(day, "deployments")
    kinds = {(row["type"], row["name"]): row for row in account["deployments"]}
    assert set(kinds) == {("deployment", "d"), ("model", "ctl")}
    assert kinds["deployment", "d"]["cost"] == cost["cost"]
    nobody_else = exact(server.account("other").get("/account/cost"))
    assert (nobody_else["cost"], nobody_else["days"], nobody_else["deployments"]) == (0, [], [])
    assert server.account("other").get(path + "/cost").status == 404
    server.stop()


def test_a_killed_server_loses_and_doubles_nothing(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), low=1)
    go = tmp_path / "go"
    made = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(made)["logs"], "the start")
    for _ in range(3):
        server.kill()
        server.start()
        wait_for(lambda: me.get(path + "/instances").json["results"][0]["state"] == "active", "it goes on")
    go.touch()
    ended = exact(me.get(f"/predictions/{me.ended(made)['id']}"))
    assert ended["cost"] > 0
    assert me.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    ended_rows = wait_for(lambda: me.get(path + "/instances").json["ended"], "its end")
    cost = exact(me.get(path + "/cost"))
    adds_up(cost, "days", "releases", "hardware")
    lived = sum(in_ms(row["ended_at"]) - in_ms(row["created_at"]) for row in ended_rows)
    assert abs(cost["seconds"] * 1000 - lived) <= 10, "to the millisecond, but for the steps of two clocks"
    assert cost["kinds"]["active"]["cost"] == ended["cost"]
    server.stop()


def in_ms(text):
    hours, minutes, seconds = text.partition("T")[2].rstrip("Z").split(":")
    return (int(hours) * 60 + int(minutes)) * 60000 + int(Decimal(seconds) * 1000)


def test_one_that_ends_while_no_server_is_there(new_server):
    server = new_server()
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), low=1)
    row = wait_for(lambda: [row for row in me.get(path + "/instances").json["results"] if row["ready_at"]], "it is ready")[0]
    state = json.loads((server.data / "instances" / row["id"] / "state.json").read_text())
    server.kill()
    os.kill(state["model_pid"], 9)
    saved = server.data / "instances" / row["id"] / "state.json"
    state = wait_for(lambda: (now := json.loads(saved.read_text()))["ended"] and now, "its end is on the disk")
    server.start()
    ended = wait_for(lambda: me.get(path + "/instances").json["ended"], "its end is known")
    assert in_ms(ended[0]["ended_at"]) == state["ended_at"] % 86400000
    server.stop()


def test_boots_that_fail_are_told_apart(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in ("cog.yaml", "predict.py"):
        (folder / name).write_bytes((MODELS / "ctl" / name).read_bytes())
    (folder / "setup.txt").write_text("raise")
    path = me.deploy("d", "me/broken", server.push(me, folder, "broken"), low=1)
    wait_for(lambda: me.get(path + "/instances").json["ended"], "a failed boot")
    cost = exact(me.get(path + "/cost"))
    assert cost["kinds"]["failed"]["seconds"] > 0
    assert cost["kinds"]["active"]["seconds"] == cost["kinds"]["idle"]["seconds"] == 0
    server.stop()


def test_every_end_has_its_times(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
    busy = me.predict(path, {"mode": "wait", "file": str(tmp_path / "never")}, wait=False)
    waits = me.predict(path, {}, wait=False)
    late = me.post(path + "/predictions", {"input": {}}, headers={"Cancel-After": "5s"}).json
    assert me.post(f"/predictions/{waits['id']}/cancel").status == 200
    ended = {"canceled while it waited": me.ended(waits), "aborted": me.ended(late)}
    wait_for(lambda: "waiting\n" in me.prediction(busy)["logs"], "the start")
    assert me.post(f"/predictions/{busy['id']}/cancel").status == 200
    ended["canceled while it ran"] = me.ended(busy)
    ended["succeeded"] = me.predict(path, {})
    ended["failed"] = me.predict(path, {"mode": "raise"})
    assert [one["status"] for one in ended.values()] == ["canceled", "aborted", "canceled", "succeeded", "failed"]
    for what, one in ended.items():
        times = one["metrics"]
        assert 0 <= times["predict_time"] <= times["total_time"], what
        assert times["total_time"] == (in_ms(one["completed_at"]) - in_ms(one["created_at"])) / 1000, what
        ran = what not in ("canceled while it waited", "aborted")
        assert (times["predict_time"] > 0) == ran, what
        assert (one["cost"] > 0) == ran, what
    server.stop()


@pytest.mark.parametrize("query, says", [
    ("from=yesterday", "from is"), ("to=2026-13-01", "to is"), ("from=2026-02-01&to=2026-01-01", "before to"),
    ("from=2020-01-01&to=2026-01-01", "400 days")])
def test_times_that_are_none(org, query, says):
    answer = org.get("/account/cost?" + query)
    assert answer.status == 400 and says in answer.json["detail"]


def test_times_are_widened(org):
    cost = org.get("/account/cost?from=2026-11-01T10:20:30Z&to=2026-11-01T11:00:01Z").json
    assert cost["from"].endswith(":00:00.000Z") and cost["to"] == "2026-11-01T12:00:00.000Z"
    assert org.get("/account/cost?from=2026-11-01&to=2026-11-02").json["to"] == "2026-11-02T00:00:00.000Z"


def test_the_command(org, house):
    path = org.deploy("costly", "some-org/some-model", house.version)
    org.predict(path, {})
    env = {**os.environ, "BERTH_URL": house.url, "BERTH_TOKEN": org.token}

    def say(*words):
        done = subprocess.run([binary(), "cost", *words], capture_output=True, text=True, check=False, timeout=LIMIT, env=env)
        return done.returncode, done.stdout, done.stderr

    code, said, _ = say("costly")
    assert code == 0 and "release 1" in said and said.splitlines()[-1].startswith("total")
    code, said, _ = say()
    assert code == 0 and "costly" in said
    code, said, _ = say("some-org/costly", "--from", "2026-01-05", "--to", "2026-01-06", "--json")
    assert code == 0 and json.loads(said)["seconds"] == 0
    code, _, said = say("costly", "--from", "then")
    assert code == 1 and "from is" in said


DAY = 86400000
HOURS_LEFT = f"SELECT COUNT(*) FROM ledger WHERE hour % {DAY} <> 0 AND hour < ?"


def in_days(ms):
    return time.strftime("%Y-%m-%d", time.gmtime(ms / 1000))


def old_hours(server, today):
    """Thirty days, of which the last ended three days ago: each hour in three releases and every kind."""
    with sqlite3.connect(server.data / "berth.db") as base:
        pool = base.execute("SELECT id FROM ledger_pool WHERE name = 'd'").fetchone()[0]
        base.executemany("INSERT INTO ledger (pool_id, hour, release, hardware, price, kind, ms) VALUES (?, ?, ?, 'cpu-small', ?, ?, ?)",
                         [(pool, today - day * DAY + hour * 3600000, 1 + hour // 9, 25000 + day, kind, 1 + (day * 7919 + hour * 104729) % 3600000)
                          for day in range(3, 33) for hour in range(24) for kind in range(5)])
    base.close()


def test_old_hours_become_days(new_server):
    server = new_server("--ledger-hours", "60d")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
    me.predict(path, {})
    assert me.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    wait_for(lambda: me.get(path + "/instances").json["ended"], "the end of the instance")
    server.stop()
    today = int(time.time() * 1000) // DAY * DAY
    old_hours(server, today)
    asked = [f"{where}?from={in_days(today - first * DAY)}&to={in_days(today - last * DAY)}"
             for where in (path + "/cost", "/account/cost") for first, last in ((40, 0), (33, 2), (20, 10), (5, 4))]
    server.start()
    before = [me.get(one).body for one in asked]
    assert exact(me.get(asked[0]))["seconds"] > 1000000
    by_hour = exact(me.get(f"{path}/cost?from={in_days(today - 9 * DAY)}T03:00:00Z&to={in_days(today - 9 * DAY)}T05:00:00Z"))
    assert by_hour["to"].endswith("T05:00:00.000Z")
    server.stop()
    server.options = ("--ledger-hours", "1d")
    server.start()

    def left():
        with sqlite3.connect(f"file:{server.data}/berth.db?mode=ro", uri=True) as base:
            return base.execute(HOURS_LEFT, (today - 2 * DAY,)).fetchone()[0]

    wait_for(lambda: left() == 0, "that the hours are put together")
    assert [me.get(one).body for one in asked] == before
    by_day = exact(me.get(f"{path}/cost?from={in_days(today - 9 * DAY)}T03:00:00Z&to={in_days(today - 9 * DAY)}T05:00:00Z"))
    assert (by_day["from"], by_day["to"]) == (f"{in_days(today - 9 * DAY)}T00:00:00.000Z", f"{in_days(today - 8 * DAY)}T00:00:00.000Z")
    adds_up(by_day, "days", "releases", "hardware")
    server.stop()
