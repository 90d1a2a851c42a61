# SPDX-License-Identifier: Apache-2.0
"""What a deployment wants of its scaling, and why it has as many instances as it has."""

import json
import subprocess

import pytest
from berth import MODELS, binary, wait_for
from test_deployments import body
from test_models import problem

DEFAULTS = {"target_wait": 30, "keep_alive": "auto", "max_queue": 100000, "max_cost_per_hour": None, "weight": 1, "schedule": []}
HOURS = {"days": ["mon", "sun"], "from": "22:00", "to": "06:30", "min_instances": 2}


@pytest.fixture
def made(acme, house):
    def make(name, **more):
        return acme.post("/deployments", body(house, name, **more)).json

    return make


def test_settings_make_no_release(acme, made):
    assert made("scaled")["scaling"] == DEFAULTS
    path = "/deployments/acme/scaled"
    wish = {"target_wait": "1m30s", "keep_alive": 5.5, "max_queue": 12, "max_cost_per_hour": 100.25, "weight": 3, "schedule": [HOURS]}
    answer = acme.patch(path, {"scaling": wish}).json
    assert answer["scaling"] == {**wish, "target_wait": 90}
    assert answer["current_release"]["number"] == 1
    answer = acme.patch(path, {"scaling": {"max_queue": None, "weight": None, "schedule": []}, "max_instances": 2}).json
    assert answer["current_release"]["number"] == 2
    assert answer["scaling"] == {**DEFAULTS, "target_wait": 90, "keep_alive": 5.5, "max_cost_per_hour": 100.25}
    assert acme.get(path).json == answer
    assert [d["scaling"] for d in acme.get("/deployments").json["results"] if d["name"] == "scaled"] == [answer["scaling"]]


def test_settings_from_the_start(acme, made):
    assert made("warm", min_instances=0, scaling={"keep_alive": "auto"})["scaling"] == DEFAULTS
    assert made("tuned", scaling={"target_wait": 2})["scaling"] == {**DEFAULTS, "target_wait": 2}


@pytest.mark.parametrize("wish, key, says", [
    ([], "scaling", "must be an object"),
    ({"wait": 1}, "scaling", '"wait" is not known'),
    ({"target_wait": "soon"}, "scaling/target_wait", '"soon"'),
    ({"keep_alive": -3}, "scaling/keep_alive", "-3"),
    ({"max_queue": 0}, "scaling/max_queue", "0"),
    ({"weight": 1001}, "scaling/weight", "from 1 to 1000"),
    ({"max_cost_per_hour": 0.000001}, "scaling/max_cost_per_hour", "pays for no instance: one of cpu-small costs"),
    ({"schedule": [{**HOURS, "to": "25:00"}]}, "scaling/schedule", 'to is "25:00"; they must be different times of the day in UTC'),
    ({"schedule": [{"to": "08:00", "min_instances": 1}]}, "scaling/schedule", "from is missing"),
    ({"schedule": [{**HOURS, "days": ["monday"]}]}, "scaling/schedule", 'days is ["monday"]; it must be a list of mon'),
    ({"schedule": [{**HOURS, "min_instances": -1}]}, "scaling/schedule", "min_instances is -1; it must be an integer from 0"),
    ({"schedule": ["\u00fc" * 100]}, "scaling/schedule", "it must be an object such as {"),
    ({"schedule": {}}, "scaling/schedule", "must be a list of objects"),
])
def test_settings_that_are_not_right(acme, house, wish, key, says):
    answer = acme.post("/deployments", body(house, "never-made", scaling=wish))
    assert says in problem(answer)["/" + key]


def test_all_that_is_not_right_is_told_at_once(acme, made):
    made("wrongly")
    answer = acme.patch("/deployments/acme/wrongly", {"scaling": {"target_wait": "soon", "wait": 1, "max_queue": 0, "keep_alive": 5}})
    assert set(problem(answer)) == {"/scaling/target_wait", "/scaling", "/scaling/max_queue"}
    assert acme.get("/deployments/acme/wrongly").json["scaling"] == DEFAULTS, "nothing of it has changed"


def test_a_short_queue(acme, made):
    made("short", hardware="gpu-t4", scaling={"max_queue": 2})
    path = "/deployments/acme/short/predictions"
    answers = [acme.post(path, {"input": {"text": "x"}}) for _ in range(3)]
    if answers[2].status == 201:
        pytest.skip("this machine has a T4")
    assert [a.status for a in answers] == [201, 201, 429]
    assert "2 waiting" in answers[2].json["detail"]


def test_decisions_have_their_reasons(acme, made):
    path = "/deployments/acme/decided"
    made("decided", scaling={"keep_alive": 0})
    assert acme.get(path + "/decisions").json == {"next": None, "previous": None, "results": []}
    for text in ("a", "b"):
        assert acme.predict(path, {"text": text})["status"] == "succeeded"
        wait_for(lambda: not acme.get(path + "/instances").json["results"], "that it stops again")
    rows = acme.get(path + "/decisions").json["results"]
    assert [(d["instances_before"], d["instances_after"], d["cause"]) for d in rows] == [
        (1, 0, "idle"), (0, 1, "first"), (1, 0, "idle"), (0, 1, "first")]
    assert "1 waiting" in rows[3]["sentence"] and "boots take" in rows[1]["sentence"]
    assert rows[3]["sentence"].startswith("0 → 1: ")
    assert rows[3]["inputs"]["waiting"] == 1 and rows[1]["inputs"]["boot_seconds"] > 0
    assert rows[0]["id"] > rows[1]["id"] and rows[0]["at"] > rows[3]["at"]


def test_decisions_are_ones_own(org, acme, made):
    made("private-decisions")
    assert org.get("/deployments/acme/private-decisions/decisions").status == 404


def cli(*words, fails=False):
    done = subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, done
    return done.stderr if fails else done.stdout


def test_simulate_own_traffic(house, acme, made):
    path = "/deployments/acme/replayed"
    made("replayed", scaling={"target_wait": 4, "keep_alive": "5m"})
    empty = acme.post(path + "/simulate").json
    assert empty["predictions"] == 0 and "no traffic" in empty["recommendation"]
    for text in "abc":
        assert acme.predict(path, {"text": text})["status"] == "succeeded"
    answer = acme.post(path + "/simulate", {"days": 1, "boot_seconds": 2}).json
    assert answer["predictions"] == 3 and answer["boot_seconds"] == 2
    assert len(answer["settings"]) == 24
    now = [s for s in answer["settings"] if s["present"]]
    assert [(s["min_instances"], s["max_instances"], s["target_wait"], s["keep_alive"]) for s in now] == [(0, 1, 4, 300)]
    assert now[0]["boots"] == 1 and now[0]["p99"] >= 1.9 and now[0]["cost"] > 0
    assert sum(s["recommended"] for s in answer["settings"]) == 1
    one = acme.post(path + "/simulate", {"min_instances": 1, "max_instances": 3, "target_wait": "1m", "keep_alive": 0}).json
    assert [(s["min_instances"], s["max_instances"], s["target_wait"], s["keep_alive"]) for s in one["settings"]] == [(1, 3, 60, 0)]
    assert one["settings"][0]["instance_hours"] == pytest.approx(7 * 24, rel=0.01)
    flags = ["--url", house.url, "--token", acme.token]
    said = cli("simulate", "--deployment", "acme/replayed", "--days", "1", *flags)
    assert "3 predictions" in said and "  now" in said and "<-" in said
    assert len(json.loads(cli("simulate", "--deployment", "acme/replayed", "--min", "0", "--json", *flags))["settings"]) == 12
    assert "soon" in cli("simulate", "--deployment", "acme/replayed", "--keep-alive", "soon", *flags, fails=True)


@pytest.mark.parametrize("wish, key", [
    ({"days": 0}, "/days"), ({"min_instances": -1}, "/min_instances"), ({"target_wait": "x"}, "/target_wait"),
    ({"keep_alive": []}, "/keep_alive"), ({"boot_seconds": "1"}, "/boot_seconds"), ({"boots": 1}, "/boots"),
    ({"min_instances": 2, "max_instances": 1}, "/max_instances"),
])
def test_simulations_that_make_no_sense(acme, running, wish, key):
    assert list(problem(acme.post("/deployments/acme/running/simulate", wish))) == [key]


def test_limits_of_simulation(new_server):
    server = new_server("--max-simulated", "10", "--max-decisions", "3")
    user = server.account("acme")
    version = server.push(user, MODELS / "ctl", "m")
    user.post("/deployments", {"name": "d", "model": "acme/m", "version": version, "hardware": "cpu-small",
                               "min_instances": 0, "max_instances": 1})
    for i in range(11):
        assert user.predict("/deployments/acme/d", {"text": str(i)})["status"] == "succeeded"
        if i == 9:
            assert user.post("/deployments/acme/d/simulate").json["predictions"] == 10
    answer = user.post("/deployments/acme/d/simulate")
    assert answer.status == 422 and "fewer days" in answer.json["detail"]


def test_simulate_a_table(tmp_path):
    table = tmp_path / "traffic.csv"
    table.write_text("arrival,service\n" + "".join(f"{i * 3},{1 + i % 2}\n" for i in range(400)))
    answer = json.loads(cli("simulate", "--trace", str(table), "--boot", "5", "--json"))
    assert answer["predictions"] == 400 and len(answer["settings"]) == 24
    for row in answer["settings"]:
        assert row["cost"] == pytest.approx(row["instance_hours"] * 3600, abs=0.01)
        assert row["p50"] <= row["p95"] <= row["p99"] and 0 <= row["over_target"] <= 1
        assert row["instance_hours"] * 3600 >= 600 and row["boots"] >= 1
    priced = json.loads(cli("simulate", "--trace", str(table), "--boot", "5", "--price", "0.25", "--min", "1", "--json"))
    assert all(row["cost"] == pytest.approx(row["instance_hours"] * 900, abs=0.01) for row in priced["settings"])
    assert "Take " in cli("simulate", "--trace", str(table), "--boot", "5")


@pytest.mark.parametrize("words, says", [
    (["--trace", "FILE"], "--boot SECONDS"), ([], "--deployment [OWNER/]NAME, or --trace"),
    (["--trace", "FILE", "--boot", "x"], '"x"'), (["--trace", "FILE", "--boot", "1", "--keep-alive", "y"], '"y"'),
    (["--trace", "/nowhere/at-all.csv", "--boot", "1"], "/nowhere/at-all.csv"),
    (["--trace", "BAD", "--boot", "1"], "line 2"),
])
def test_simulate_says_what_is_wrong(tmp_path, words, says):
    (tmp_path / "FILE").write_text("1,2\n")
    (tmp_path / "BAD").write_text("1,2\nnothing\n")
    words = [str(tmp_path / w) if w in ("FILE", "BAD") else w for w in words]
    assert says in cli("simulate", *words, fails=True)


def test_settings_by_the_command_line(house, acme, made):
    made("by-flags")
    flags = ["--url", house.url, "--token", acme.token]
    cli("deployments", "update", "by-flags", "--target-wait", "45s", "--keep-alive", "auto", "--max-queue", "9", "--weight", "2",
        "--schedule", json.dumps([HOURS]), *flags)
    assert acme.get("/deployments/acme/by-flags").json["scaling"] == {
        **DEFAULTS, "target_wait": 45, "max_queue": 9, "weight": 2, "schedule": [HOURS]}
    cli("deployments", "update", "by-flags", "--target-wait", "", "--schedule", "", "--weight", "", *flags)
    assert acme.get("/deployments/acme/by-flags").json["scaling"] == {**DEFAULTS, "max_queue": 9}


def test_a_recorded_live_run_is_replayed(new_server, tmp_path):
    """Each decision of a run, with what it was taken from, comes out the same by the same policy in another process."""
    recorded = tmp_path / "decisions"
    server = new_server("--record-decisions", str(recorded))
    user = server.account("acme")
    version = server.push(user, MODELS / "ctl", "m")
    path = user.deploy("d", "acme/m", version, high=3)
    user.patch(path, {"scaling": {"target_wait": 0.5, "keep_alive": 0}})
    for burst in (1, 12, 3):
        made = [user.predict(path, {"text": str(n)}, wait=False) for n in range(burst)]
        assert {user.ended(one)["status"] for one in made} == {"succeeded"}
        wait_for(lambda: not user.get(path + "/instances").json["results"], "that all stop")
    user.patch(path, {"max_instances": 0})
    stored = user.get(path + "/decisions").json["results"]
    server.stop()
    said = json.loads(cli("simulate", "--recorded", str(recorded), "--json"))
    assert said["different"] == 0 and said["decisions"] > len(said["changes"]) >= 6
    assert all(one["same"] for one in said["changes"])
    told = [(d["at"], d["instances_before"], d["instances_after"], d["sentence"]) for d in reversed(stored)]
    again = [(d["at"], d["instances_before"], d["instances_after"], d["sentence"]) for d in said["changes"]]
    assert told == again[:len(told)], "what is stored and shown is what the policy says again"
    assert "all come out the same" in cli("simulate", "--recorded", str(recorded))

    whole = recorded.read_bytes()
    recorded.write_bytes(whole[:-100])
    assert "cut off" in cli("simulate", "--recorded", str(recorded), fails=True)
    recorded.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    assert "damaged" in cli("simulate", "--recorded", str(recorded), fails=True)
    recorded.write_text("arrival,service\n")
    assert "no decisions" in cli("simulate", "--recorded", str(recorded), fails=True)
    assert "give --deployment" in cli("simulate", "--recorded", str(recorded), "--trace", "x", fails=True)


def test_the_record_of_decisions_ends(new_server, tmp_path):
    recorded = tmp_path / "decisions"
    server = new_server("--record-decisions", str(recorded), "--record-limit", "20KB")
    user = server.account("acme")
    path = user.deploy("d", "acme/m", server.push(user, MODELS / "ctl", "m"))
    assert user.predict(path, {})["status"] == "succeeded"
    wait_for(lambda: server.records("decisions are recorded no longer"), "that it is full")
    assert user.predict(path, {})["status"] == "succeeded"
    server.stop()
    assert recorded.stat().st_size <= 20000
    assert "all come out the same" in cli("simulate", "--recorded", str(recorded))
