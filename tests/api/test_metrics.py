# SPDX-License-Identifier: Apache-2.0
"""Metrics: of a deployment in steps of time, and of everything for Prometheus."""

import json
import re

import pytest
from berth import MODELS, ROOT, Client, wait_for
from prometheus_client.parser import text_string_to_metric_families

STATES = {"setup", "active", "idle", "draining"}


def families(answer):
    assert answer.status == 200, answer
    assert answer.type == "text/plain"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found, name, /, **labels):
    """The one sample with these labels."""
    samples = [sample for family in found.values() for sample in family.samples
               if sample.name == name and labels.items() <= sample.labels.items()]
    assert len(samples) == 1, (name, labels, samples)
    return samples[0].value


def total(steps, key):
    return sum(step[key] for step in steps)


@pytest.fixture
def busy(new_server, tmp_path):
    """A deployment that has run three predictions, one of them failed, and has one that runs and one that waits."""
    server = new_server("--metrics-listen", "127.0.0.1:0")
    me = server.account("me")
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
    server.go = tmp_path / "go"
    for mode in ("echo", "echo", "raise"):
        me.ended(me.predict(path, {"mode": mode}, wait=False))
    running = me.predict(path, {"mode": "wait", "file": str(server.go)}, wait=False)
    me.predict(path, {}, wait=False)
    wait_for(lambda: "waiting\n" in me.prediction(running)["logs"], "the start")
    return server, me, path


def check_steps(shown, waiting):
    for ring, seconds, length in (("hours", 60, 120), ("day", 900, 96)):
        steps = shown[ring]["steps"]
        assert (shown[ring]["step_seconds"], len(steps)) == (seconds, length)
        starts = [step["start"] for step in steps]
        assert starts == sorted(set(starts)) and all(start.endswith(":00.000Z") for start in starts)
        counts = {key: total(steps, key) for key in ("created", "succeeded", "failed", "canceled", "aborted", "boots",
                                                     "failed_boots", "cold_starts")}
        assert counts == {"created": 5, "succeeded": 2, "failed": 1, "canceled": 0, "aborted": 0, "boots": 1,
                          "failed_boots": 0, "cold_starts": 1}
        used = [step for step in steps if step["latency"]]
        assert used
        for step in used:
            assert 0 < step["latency"]["p50"] <= step["latency"]["p95"] <= step["latency"]["p99"]
            assert step["wait"]["p50"] >= 0 and step["throughput"] > 0
        assert total(steps, "cost") > 0
        assert max(step["queue"]["max"] for step in steps) >= 1
        assert all(set(step["instances"]) == STATES for step in steps)
        assert sum(step["instances"]["active"] for step in steps) > 0
        if waiting:
            assert sum(step["queue"]["mean"] for step in steps) > 0


def test_a_deployment_in_steps(busy):
    server, me, path = busy
    check_steps(me.get(path + "/metrics").json, True)
    assert server.account("other").get(path + "/metrics").status == 404
    server.stop()
    server.start()
    again = me.get(path + "/metrics").json
    steps = again["day"]["steps"]
    assert (total(steps, "succeeded"), total(steps, "failed"), total(steps, "cold_starts")) == (2, 1, 1), "kept"
    server.go.touch()
    server.stop()


def test_prometheus(busy):
    server, me, path = busy
    found = families(me.call("GET", "/metrics", prefix=""))
    mine = {"owner": "me", "name": "d", "type": "deployment"}
    assert value(found, "berth_predictions_created_total", **mine) == 5
    assert value(found, "berth_predictions_total", status="succeeded", **mine) == 2
    assert value(found, "berth_predictions_total", status="failed", **mine) == 1
    assert value(found, "berth_queue_length", **mine) == 1
    assert {state: value(found, "berth_instances", state=state, **mine) for state in STATES} == dict.fromkeys(STATES, 0) | {"active": 1}
    assert len([sample for sample in found["berth_instances"].samples if sample.labels["name"] == "d"]) == len(STATES)
    assert value(found, "berth_instances_max", **mine) == 1
    assert value(found, "berth_instance_boots_total", **mine) == 1
    assert value(found, "berth_prediction_latency_seconds_count", **mine) == 3
    assert value(found, "berth_prediction_latency_seconds_bucket", le="+Inf", **mine) == 3
    assert value(found, "berth_prediction_wait_seconds_count", **mine) == 4
    assert value(found, "berth_cost_total", **mine) > 0
    assert value(found, "berth_http_requests_total", operation="deployments.predictions.create", code="2xx") == 5
    assert value(found, "process_resident_memory_bytes") > 1000000
    assert value(found, "process_open_fds") > 5
    assert value(found, "berth_loop_turn_seconds_count") > 0 and value(found, "berth_loop_turn_worst_seconds") > 0
    assert value(found, "process_cpu_seconds_total") > 0
    check_conventions(found)
    assert me.call("GET", "/metrics", prefix="", headers={"Authorization": None}).status == 401
    others = families(server.account("other").call("GET", "/metrics", prefix=""))
    assert others["berth_queue_length"].samples == [], "what is another's is not told"
    port = int(server.records("telling metrics")[0]["port"])
    operator = Client(server, None, None)
    operator.server = type("Place", (), {"port": port})
    everything = families(operator.call("GET", "/metrics", prefix=""))
    assert value(everything, "berth_queue_length", **mine) == 1
    assert set(everything) == set(found)
    assert operator.call("GET", "/v1/account", prefix="").status == 404, "there is nothing else on that listener"
    server.go.touch()
    server.stop()


def test_instances_by_state(busy):
    """One that is to stop and still runs something is draining, and its time is active."""
    server, me, path = busy
    mine = {"owner": "me", "name": "d"}

    def states():
        found = families(me.call("GET", "/metrics", prefix=""))
        return {state: value(found, "berth_instances", state=state, **mine) for state in STATES}

    assert states() == {"setup": 0, "active": 1, "idle": 0, "draining": 0}
    assert me.call("PUT", path + "/budget", {"amount": 0}).status == 200  # what runs finishes
    wait_for(lambda: states()["draining"] == 1, "it drains")
    assert states() == {"setup": 0, "active": 0, "idle": 0, "draining": 1}
    wait_for(lambda: any(step["instances"]["draining"] > 0 for step in me.get(path + "/metrics").json["hours"]["steps"]), "its time")
    server.go.touch()
    server.stop()


def check_conventions(found):
    for family in found.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        names = [sample.name for sample in family.samples]
        if family.type == "counter":
            assert all(name.endswith("_total") for name in names), family.name
        else:
            assert not family.name.endswith("_total"), family.name
        keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(keys) == len(set(keys)), family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds"), family.name
            for sample in family.samples:
                if sample.name.endswith("_bucket") and sample.labels["le"] == "+Inf":
                    rest = {key: text for key, text in sample.labels.items() if key != "le"}
                    assert sample.value == value(found, family.name + "_count", **rest)


def test_the_number_of_series_has_a_limit(new_server):
    server = new_server("--metrics-pools", "2")
    me = server.account("me")
    version = server.push(me, MODELS / "ctl", "ctl")
    for name in ("a", "b", "c", "d"):
        me.deploy(name, "me/ctl", version, high=2)
    me.predict("/deployments/me/c", {})
    found = families(me.call("GET", "/metrics", prefix=""))
    rows = {sample.labels["name"]: sample for sample in found["berth_instances_max"].samples}
    assert set(rows) == {"a", "b", ""}
    assert rows[""].value == 4 and rows[""].labels["type"] == "other"
    assert value(found, "berth_predictions_total", type="other", status="succeeded") == 1
    assert value(found, "berth_predictions_total", name="a", status="succeeded") == 0
    server.stop()


def test_the_dashboard_names_only_what_there_is(busy):
    server, me, _ = busy
    found = families(me.call("GET", "/metrics", prefix=""))
    known = {sample.name for family in found.values() for sample in family.samples}
    known |= {name for name, family in found.items() if not family.samples}  # what nothing here has had
    board = json.loads((ROOT / "contrib/grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    named = {name for text in asked for name in re.findall(r"\b(?:berth|process)_[a-z_]+", text)}
    assert named - known == set()
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in named}
    families_known = {re.sub("_(bucket|sum|count)$", "", name) for name in known}
    assert families_known - shown <= {"process_start_time_seconds"}, "everything is on the dashboard"
    server.go.touch()
    server.stop()
