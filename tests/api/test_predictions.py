# SPDX-License-Identifier: Apache-2.0
"""Predictions: made on three routes, validated, waited for, listed, canceled."""

import re
import socket

import pytest
from berth import TERMINAL, wait_for
from test_models import TIME

KEYS = {"id", "model", "version", "deployment", "input", "logs", "output", "data_removed", "error", "status", "source",
        "created_at", "started_at", "completed_at", "metrics", "urls"}
HIDDEN = {"title": "Invalid version or not permitted", "status": 422,
          "detail": "The specified version does not exist (or perhaps you don't have permission to use it?)"}


def test_one_through_a_deployment(acme, house, running):
    answer = acme.post(running + "/predictions", {"input": {"mode": "words", "steps": 2}}, headers={"Prefer": "wait"})
    assert answer.status == 201
    made = answer.json
    assert set(made) - {"stream", "cost", "instance"} == KEYS
    assert re.fullmatch("[0-9a-z]{26}", made["id"])
    assert (made["status"], made["output"], made["error"]) == ("succeeded", ["hello0 ", "hello1 "], None)
    assert made["logs"] == "mode words\nword 0\nword 1\n"
    assert (made["model"], made["version"], made["deployment"]) == ("some-org/some-model", house.version, "running")
    assert made["input"] == {"mode": "words", "steps": 2} and made["data_removed"] is False and made["source"] == "api"
    assert all(TIME.fullmatch(made[key]) for key in ("created_at", "started_at", "completed_at"))
    assert made["created_at"] <= made["started_at"] <= made["completed_at"]
    assert 0 <= made["metrics"]["predict_time"] <= made["metrics"]["total_time"]
    get = f"{house.url}/v1/predictions/{made['id']}"
    assert (made["urls"]["get"], made["urls"]["cancel"]) == (get, get + "/cancel")
    assert made["urls"]["web"].startswith(house.url)
    assert answer.headers["Location"] == get
    assert answer.headers["Preference-Applied"] == "wait"
    assert acme.prediction(made) == made


def test_without_prefer_it_is_starting(acme, running):
    answer = acme.post(running + "/predictions", {"input": {"text": "later"}})
    assert answer.status == 201 and answer.json["status"] == "starting"
    assert answer.json["output"] is None and answer.json["logs"] == ""
    assert answer.headers["Preference-Applied"] is None
    ended = acme.ended(answer.json)
    assert (ended["status"], ended["output"]) == ("succeeded", ["later"])


@pytest.mark.parametrize("version", ["{id}", "some-org/some-model:{id}", "some-org/some-model"])
def test_one_by_version(acme, house, version):
    answer = acme.post("/predictions", {"version": version.format(id=house.version), "input": {"text": "v"}},
                       headers={"Prefer": "wait"})
    assert answer.status == 201
    assert (answer.json["status"], answer.json["output"], answer.json["version"]) == ("succeeded", ["v"], house.version)
    assert "deployment" not in answer.json


def test_one_by_model(acme, house):
    answer = acme.post("/models/some-org/some-model/predictions", {"input": {"text": "m"}}, headers={"Prefer": "wait"})
    assert answer.status == 201
    assert (answer.json["output"], answer.json["version"]) == (["m"], house.version)


@pytest.mark.parametrize("version", ["0" * 64, "abc", "", "nobody/nothing", "some-org/some-model:" + "0" * 64,
                                     "a/b/c", "acme/hello:{hello}"])
def test_a_version_that_is_not_there_or_private(org, house, version):
    answer = org.post("/predictions", {"version": version.format(hello=house.hello), "input": {}})
    assert (answer.status, answer.type, answer.json) == (422, "application/problem+json", HIDDEN)


def test_a_model_without_a_version(acme):
    assert acme.post("/models", {"owner": "acme", "name": "bare", "visibility": "private",
                                 "hardware": "cpu"}).status == 201
    assert acme.post("/models/acme/bare/predictions", {"input": {}}).status == 404
    assert acme.post("/models/acme/nothing/predictions", {"input": {}}).status == 404


# --- validation ------------------------------------------------------------------------------------------------------------


def invalid(answer):
    """The pairs of field and description of a refused input, after looking at its form."""
    body = answer.json
    assert answer.status == 422 and answer.type == "application/problem+json", answer
    assert list(body) == ["detail", "status", "title", "invalid_fields"]
    assert (body["status"], body["title"]) == (422, "Input validation failed")
    lines = [f"- {x['field']}: {x['description']}\n" if x["field"] else f"- {x['description']}\n"
             for x in body["invalid_fields"]]
    assert body["detail"] == "".join(lines)
    return [(x["type"], x["field"], x["description"]) for x in body["invalid_fields"]]


@pytest.mark.parametrize("values, expected", [
    ({"steps": 0}, ("number_gte", "input.steps", "Must be greater than or equal to 1")),
    ({"ratio": 1.5}, ("number_lte", "input.ratio", "Must be less than or equal to 1")),
    ({"steps": "three"}, ("invalid_type", "input.steps", "Invalid type. Expected: integer, given: string")),
    ({"steps": 1.5}, ("invalid_type", "input.steps", "Invalid type. Expected: integer, given: number")),
    ({"text": 5}, ("invalid_type", "input.text", "Invalid type. Expected: string, given: integer")),
    ({"flag": "yes"}, ("invalid_type", "input.flag", "Invalid type. Expected: boolean, given: string")),
    ({"names": "x"}, ("invalid_type", "input.names", "Invalid type. Expected: array, given: string")),
    ({"names": ["a", 2]}, ("invalid_type", "input.names.1", "Invalid type. Expected: string, given: integer")),
    ({"code": "ABC"}, ("pattern", "input.code", "Does not match pattern '^[a-z]+$'")),
    ({"code": "abcdef"}, ("string_lte", "input.code", "String length must be less than or equal to 5")),
])
def test_a_wrong_value(acme, running, values, expected):
    assert invalid(acme.post(running + "/predictions", {"input": values})) == [expected]


def test_a_choice_that_is_none(acme, running):
    kind, field, text = invalid(acme.post(running + "/predictions", {"input": {"mode": "sing"}}))[0]
    assert (kind, field) == ("enum", "input.mode")
    assert text.startswith('mode must be one of the following: "echo", "words"')


def test_several_wrong_values(acme, running):
    found = invalid(acme.post(running + "/predictions", {"input": {"steps": 0, "ratio": -1}}))
    assert {row[1] for row in found} == {"input.steps", "input.ratio"}


def test_validation_is_the_same_on_all_routes(acme, house):
    wrong = {"input": {"steps": 0}}
    expected = [("number_gte", "input.steps", "Must be greater than or equal to 1")]
    assert invalid(acme.post("/predictions", {"version": house.version, **wrong})) == expected
    assert invalid(acme.post("/models/some-org/some-model/predictions", wrong)) == expected


def test_exact_body_of_a_refusal(acme):
    answer = acme.post("/predictions", {"model": "some-org/some-model", "input": {}})
    assert answer.json == {"detail": "- version is required\n- Additional property model is not allowed\n", "status": 422,
                           "title": "Input validation failed", "invalid_fields": [
                               {"type": "required", "field": "", "description": "version is required"},
                               {"type": "additional_property_not_allowed", "field": "",
                                "description": "Additional property model is not allowed"}]}


@pytest.mark.parametrize("body, expected", [
    ({}, ("required", "", "input is required")),
    ({"input": 5}, ("invalid_type", "input", "Invalid type. Expected: object, given: integer")),
    ({"input": {}, "inputs": {}}, ("additional_property_not_allowed", "", "Additional property inputs is not allowed")),
    ({"input": {}, "webhook": 5}, ("invalid_type", "webhook", "Invalid type. Expected: string, given: integer")),
    ({"input": {}, "webhook": "ftp://x"}, ("format", "webhook", "Does not match format 'uri'")),
    ({"input": {}, "webhook_events_filter": "start"},
     ("invalid_type", "webhook_events_filter", "Invalid type. Expected: array, given: string")),
])
def test_a_wrong_body(acme, running, body, expected):
    assert invalid(acme.post(running + "/predictions", body)) == [expected]


@pytest.mark.parametrize("given", ["4", "soon", "1s", "-5m"])
def test_a_wrong_deadline(acme, running, given):
    answer = acme.post(running + "/predictions", {"input": {}}, headers={"Cancel-After": given})
    assert invalid(answer)[0][1] == "Cancel-After"


def test_what_old_clients_send_is_tolerated(acme, running):
    more = {"webhook_completed": None, "stream": True}
    assert acme.post(running + "/predictions", {"input": {"text": "x"}, **more}).status == 201


def test_unknown_inputs_are_kept_and_do_no_harm(acme, running):
    made = acme.predict(running, {"text": "x", "unknown": [1, {"a": None}]})
    assert made["status"] == "succeeded" and made["input"]["unknown"] == [1, {"a": None}]


def test_the_input_comes_back_as_it_was(acme, running):
    made = acme.post(running + "/predictions", b'{"input": {"ratio": 1e-1, "text": "\\u00e9\\n", "big": '
                                               b'12345678901234567890123}}', headers={"Prefer": "wait"})
    assert b'"input":{"ratio": 1e-1, "text": "\\u00e9\\n", "big": 12345678901234567890123}' in made.body
    assert made.json["output"] == ["é\n"]


# --- waiting, cancel -----------------------------------------------------------------------------------------------------


def test_a_wait_that_runs_out_says_starting(acme, running, tmp_path):
    answer = acme.post(running + "/predictions", {"input": {"mode": "wait", "file": str(tmp_path / "go")}},
                       headers={"Prefer": "wait=1"})
    said = {key: answer.json.get(key) for key in ("status", "output", "logs", "started_at", "completed_at", "instance")}
    assert answer.status == 201 and said == {"status": "starting", "output": None, "logs": "", "started_at": None,
                                             "completed_at": None, "instance": None}
    assert answer.headers["Preference-Applied"] == "wait=1"
    wait_for(lambda: acme.prediction(answer.json)["status"] == "processing", "the start")
    (tmp_path / "go").touch()
    assert acme.ended(answer.json)["output"] == ["begin ", "end"]


@pytest.mark.parametrize("given", ["wait=0", "wait=x", "respond-async", "handling=lenient", ""])
def test_preferences_that_are_ignored(acme, running, given):
    answer = acme.post(running + "/predictions", {"input": {"text": "x"}}, headers={"Prefer": given})
    assert answer.status == 201 and answer.json["status"] == "starting"


def test_progress_is_seen_before_the_end(acme, running, tmp_path):
    made = acme.predict(running, {"mode": "wait", "file": str(tmp_path / "go")}, wait=False)
    seen = wait_for(lambda: (now := acme.prediction(made))["output"] and "waiting\n" in now["logs"] and now, "progress")
    assert (seen["status"], seen["output"], seen["completed_at"]) == ("processing", ["begin "], None)
    (tmp_path / "go").touch()
    assert acme.ended(made)["output"] == ["begin ", "end"]


def test_cancel_of_a_running_one(acme, running, tmp_path):
    made = acme.predict(running, {"mode": "wait", "file": str(tmp_path / "never")}, wait=False)
    wait_for(lambda: "waiting" in acme.prediction(made)["logs"], "the start")
    answer = acme.post(f"/predictions/{made['id']}/cancel")
    assert answer.status == 200 and answer.json["id"] == made["id"]
    ended = acme.ended(made)
    assert (ended["status"], ended["output"], ended["error"]) == ("canceled", ["begin "], None)
    assert "waiting\n" in ended["logs"] and ended["metrics"]["total_time"] > 0
    assert acme.post(f"/predictions/{made['id']}/cancel").json == ended
    assert acme.predict(running, {"text": "next"})["output"] == ["next"]


def test_cancel_of_a_waiting_one_is_immediate(acme, running, tmp_path):
    first = acme.predict(running, {"mode": "wait", "file": str(tmp_path / "go")}, wait=False)
    wait_for(lambda: "waiting" in acme.prediction(first)["logs"], "the start")
    second = acme.predict(running, {"text": "never"}, wait=False)
    answer = acme.post(f"/predictions/{second['id']}/cancel")
    assert (answer.status, answer.json["status"], answer.json["output"]) == (200, "canceled", None)
    assert answer.json["started_at"] is None and answer.json["completed_at"]
    (tmp_path / "go").touch()
    assert acme.ended(first)["status"] == "succeeded"


def test_the_deadline_ends_it(acme, running, tmp_path):
    answer = acme.post(running + "/predictions", {"input": {"mode": "wait", "file": str(tmp_path / "never")}},
                       headers={"Cancel-After": "5s"})
    assert answer.status == 201 and answer.json["deadline"] > answer.json["created_at"]
    assert acme.ended(answer.json)["status"] == "canceled"


def test_a_client_that_hangs_up_cancels_nothing(acme, house, running, tmp_path):
    body = b'{"input": {"mode": "wait", "text": "hung-up", "file": "%s"}}' % str(tmp_path / "go").encode()
    with socket.create_connection(("127.0.0.1", house.port)) as link:
        link.sendall(b"POST /v1%s/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nPrefer: wait\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                     % (running.encode(), acme.token.encode(), len(body), body))
        made = wait_for(lambda: [row for row in acme.get("/predictions").json["results"]
                                 if row["input"].get("text") == "hung-up" and row["status"] == "processing"], "it")
    (tmp_path / "go").touch()
    assert acme.ended(made[0])["output"] == ["begin ", "end"]


def test_others_do_not_see_it(acme, org, running):
    made = acme.predict(running, {"text": "mine"})
    for answer in (org.get(f"/predictions/{made['id']}"), org.post(f"/predictions/{made['id']}/cancel"),
                   acme.get("/predictions/" + "0" * 26)):
        assert (answer.status, answer.json) == (404, {"detail": "The requested resource could not be found.",
                                                      "status": 404})
    assert made["id"] not in [row["id"] for row in org.get("/predictions").json["results"]]


# --- lists -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory, house):
    """250 predictions of an account of their own; all are canceled while they wait for a GPU that is not there."""
    client = house.account("counting")
    path = client.deploy("waiting", "some-org/some-model", house.version, hardware="gpu-h100-8x")
    made = [client.predict(path, {"text": str(index)}, wait=False) for index in range(250)]
    yield client, made
    client.patch(path, {"max_instances": 0})


def test_three_pages_newest_first(many, house):
    client, made = many
    path, pages = "/predictions", []
    while path:
        pages.append(client.get(path).json)
        path = pages[-1]["next"] and pages[-1]["next"].removeprefix(f"{house.url}/v1")
    assert [len(page["results"]) for page in pages] == [100, 100, 50]
    assert [row["id"] for page in pages for row in page["results"]] == [row["id"] for row in reversed(made)]
    assert pages[0]["previous"] is None and pages[2]["next"] is None
    back = client.get(pages[2]["previous"].removeprefix(f"{house.url}/v1")).json
    assert [row["id"] for row in back["results"]] == [row["id"] for row in pages[1]["results"]]


def test_filters_by_time(many):
    client, made = many
    after, before = made[100]["created_at"], made[110]["created_at"]
    rows = client.get(f"/predictions?created_after={after}&created_before={before}").json["results"]
    expected = [row["id"] for row in made if after <= row["created_at"] < before]
    assert [row["id"] for row in reversed(rows)] == expected and expected
    page = client.get(f"/predictions?created_after={made[0]['created_at']}").json
    assert "created_after=" in page["next"]


def test_filter_by_source(many):
    client, _ = many
    assert client.get("/predictions?source=web").json["results"] == []


@pytest.mark.parametrize("query", ["created_after=yesterday", "created_before=1", "source=api", "cursor=zz"])
def test_wrong_filters(many, query):
    client, _ = many
    answer = client.get(f"/predictions?{query}")
    assert answer.status in (400, 404, 422) and answer.type == "application/problem+json"


def test_disabling_cancels_what_waits(house):
    client = house.account("stopping")
    path = client.deploy("waiting", "some-org/some-model", house.version, hardware="gpu-h100-8x")
    made = [client.predict(path, {}, wait=False) for _ in range(3)]
    assert client.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    assert [client.ended(row)["status"] for row in made] == ["canceled"] * 3
    assert all(row["status"] in TERMINAL for row in client.get("/predictions").json["results"])
