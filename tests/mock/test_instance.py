# SPDX-License-Identifier: Apache-2.0
"""The mock must behave as the real servers do: a mock that flatters hides the faults that it is for."""

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

MOCK = Path(__file__).resolve().parent / "instance.py"
DEADLINE = 20
ASYNC = {"Prefer": "respond-async"}
STREAM = {"Accept": "text/event-stream"}
SLOW = {"default": {"duration_ms": 400, "logs": ["working"]}, "forever": {"duration_ms": -1}}


class Instance:
    """A running mock."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        assert line.startswith("listening 127.0.0.1:"), line
        self.port = int(line.rpartition(":")[2])

    def open(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def start(self, method, path, body=None, headers=None):
        """Send a request; the answer comes later."""
        connection = self.open()
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        return connection

    def call(self, method, path, body=None, headers=None):
        """Status and decoded body."""
        connection = self.start(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    def health(self):
        return self.call("GET", "/health-check")[1]

    def wait_health(self, status):
        """Wait until health says so; every answer is a fresh question."""
        wait_until(lambda: self.health()["status"] == status, f"health {status}")

    def put(self, its_id, mode=None, headers=None, **body):
        its_input = {} if mode is None else {"mode": mode}
        return self.call("PUT", f"/predictions/{its_id}", {"input": its_input, **body}, headers)

    def stream(self, its_id, mode=None):
        return events_of(self.start("PUT", f"/predictions/{its_id}", {"input": {"mode": mode} if mode else {}}, STREAM))

    def join(self, its_id):
        return events_of(self.start("PUT", f"/predictions/{its_id}", {"input": 0}, STREAM))


def events_of(connection):
    """All events of a stream, as pairs of name and data; checks the framing as it goes."""
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert response.getheader("content-type") == "text/event-stream"
    assert response.getheader("cache-control") == "no-cache"
    return list(read_events(response))


def read_events(response):
    name = None
    for raw in response:
        line = raw.decode().rstrip("\n")
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = json.loads(value)
            assert value == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            yield name, data
        else:
            assert line in ("", ": keep-alive")


def names_until_cut(response):
    """The events of a stream that breaks off: a reset may swallow the last ones."""
    names = []
    with contextlib.suppress(http.client.HTTPException, OSError):
        for name, _ in read_events(response):
            names.append(name)
    return names


def wait_until(condition, what):
    """Ask again until it holds; the pause between two questions only spares the processor."""
    pause = threading.Event()
    for _ in range(DEADLINE * 200):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def start(tmp_path):
    """Start a mock with a script; all are ended with the test."""
    with contextlib.ExitStack() as stack:

        def start_mock(environment=None, ready=True, **script):
            path = tmp_path / "script.json"
            path.write_text(json.dumps(script))
            process = subprocess.Popen([sys.executable, str(MOCK), "--script", str(path), "--port", "0"], text=True,
                                       stdout=subprocess.PIPE, stderr=open(tmp_path / "stderr", "w"),
                                       env={**os.environ, **(environment or {})})
            stack.callback(process.stdout.close)
            stack.callback(process.wait, DEADLINE)
            stack.callback(process.kill)
            instance = Instance(process)
            if ready:
                instance.wait_health("READY")
            return instance

        yield start_mock


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks and answers as the test says."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.put((body, dict(self.headers)))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.seen, server.answers = queue.Queue(), []
    server.url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def received(receiver, count):
    return [receiver.seen.get(timeout=DEADLINE) for _ in range(count)]


# Setup and health


def test_coglet_during_setup(start):
    instance = start(ready=False, setup_delay_ms=60_000)
    health = instance.health()
    assert health["status"] == "STARTING"
    assert set(health["setup"]) == {"started_at", "status"}
    assert health["version"]["coglet"] == "0.23.1"
    assert instance.put("a1") == (503, {"error": "Setup has not finished yet. Wait until it has finished, or GET "
                                                 "/health-check for status.", "status": "failed"})
    assert instance.put("a1", headers=STREAM)[0] == 406
    assert instance.call("GET", "/openapi.json") == (503, {"error": "OpenAPI schema not available"})


def test_legacy_during_setup(start):
    instance = start(ready=False, dialect="legacy", setup_delay_ms=60_000)
    assert instance.health() == {"status": "STARTING", "setup": {}}
    assert instance.put("a1") == (409, {"detail": "Already running a prediction"})


def test_coglet_setup_logs(start):
    setup = start(setup_logs="loading\nloaded").health()["setup"]
    assert setup["status"] == "succeeded"
    assert setup["logs"] == "[coglet::setup] loading\n[coglet::setup] loaded\n"
    assert {"started_at", "completed_at"} <= set(setup)


def test_coglet_survives_a_failed_setup(start):
    instance = start(ready=False, setup_fail="ValueError: no weights", setup_logs="loading")
    instance.wait_health("SETUP_FAILED")
    logs = instance.health()["setup"]["logs"]
    assert logs.endswith("Setup failed: setup failed: ValueError: no weights")
    assert "loading" not in logs
    assert instance.put("a1")[0] == 503
    assert instance.process.poll() is None


def test_legacy_exits_after_a_failed_setup(start):
    instance = start(ready=False, dialect="legacy", setup_fail="ValueError: no weights", setup_delay_ms=20)
    assert instance.process.wait(DEADLINE) == 255


def test_legacy_may_stay_after_a_failed_setup(start):
    instance = start(ready=False, dialect="legacy", setup_fail="ValueError: no weights", setup_logs="loading\n",
                     await_shutdown=True)
    instance.wait_health("SETUP_FAILED")
    assert instance.health()["setup"]["logs"].startswith("loading\nTraceback")
    assert instance.put("a1")[0] == 404


@pytest.mark.parametrize("given, expected", [
    ("channel closed", "Healthcheck error: protocol error: healthcheck channel closed"),
    ("timed out", "healthcheck timed out"),
    ("Healthcheck failed: RuntimeError: gpu", "Healthcheck failed: RuntimeError: gpu")])
def test_unhealthy(start, given, expected):
    instance = start(ready=False, health={"unhealthy": given})
    instance.wait_health("UNHEALTHY")
    assert instance.health()["user_healthcheck_error"] == expected
    assert instance.put("a1")[1]["status"] == "succeeded"


def test_unhealthy_while_running_only(start):
    instance = start(health={"unhealthy": "timed out", "while": "running"}, predictions=SLOW)
    instance.put("a1", "forever", ASYNC)
    assert instance.health()["status"] == "UNHEALTHY"


def test_health_that_hangs(start):
    instance = start()
    instance.call("POST", "/_mock/script", {"health": {"hang_ms": 60_000}})
    connection = instance.start("GET", "/health-check")
    assert instance.put("a1")[0] == 200
    connection.sock.settimeout(0.05)
    with pytest.raises(socket.timeout):
        connection.getresponse()


def test_any_health_word(start):
    instance = start(ready=False, health={"status": "DEFUNCT"})
    assert instance.health()["status"] == "DEFUNCT"


def test_discovery(start):
    instance = start(schema={"paths": {}, "components": {"schemas": {"TrainingInput": {}}}})
    document = instance.call("GET", "/")[1]
    assert document["cog_version"] == "0.23.1"
    assert document["predictions_idempotent_url"] == "/predictions/{prediction_id}"
    assert document["trainings_url"] == "/trainings"


# One prediction, three ways


RICH = {"default": {"logs": ["one", {"data": "two", "source": "stderr"}], "outputs": ["a", "b"],
                    "metrics": [{"name": "tokens", "value": 2, "mode": "increment"}]}}


def test_coglet_sync(start):
    status, final = start(predictions=RICH).put("a1")
    assert status == 200
    assert final.pop("metrics").keys() == {"tokens", "predict_time"}
    assert final == {"id": "a1", "status": "succeeded", "logs": "one\ntwo\n", "output": ["a", "b"]}


def test_coglet_invents_an_id(start):
    assert start().call("POST", "/predictions", {})[1]["id"].startswith("pred_")


def test_coglet_stream(start):
    events = start(predictions=RICH).stream("a1")
    assert events[:-1] == [
        ("start", {"id": "a1", "status": "processing"}),
        ("log", {"data": "one\n", "source": "stdout"}),
        ("log", {"data": "two\n", "source": "stderr"}),
        ("metric", {"mode": "increment", "name": "tokens", "value": 2}),
        ("output", {"chunk": "a", "index": 0}),
        ("output", {"chunk": "b", "index": 1}),
    ]
    name, final = events[-1]
    assert name == "completed"
    assert (final["status"], final["output"], final["logs"]) == ("succeeded", ["a", "b"], "one\ntwo\n")


def test_coglet_stream_of_a_single_value(start):
    events = start(predictions={"default": {"output": {"x": 1}}}).stream("a1")
    assert ("output", {"chunk": {"x": 1}, "index": 0}) in events
    assert events[-1][1]["output"] == {"x": 1}


def test_coglet_async_and_repeated_put(start):
    instance = start(predictions={"default": {"duration_ms": -1, "logs": ["l"], "outputs": ["a"]}})
    assert instance.put("a1", "m", ASYNC) == (202, {"id": "a1", "status": "starting"})
    wait_until(lambda: instance.put("a1")[1].get("output"), "output")
    assert instance.put("a1") == (202, {"id": "a1", "input": {"mode": "m"}, "logs": "l\n", "metrics": {},
                                        "output": ["a"], "status": "processing"})


def test_coglet_failure_keeps_its_logs_from_the_sync_answer(start):
    rule = {"logs": ["before"], "outputs": ["part"], "status": "failed", "error": "ValueError: boom"}
    instance = start(predictions={"default": rule})
    _, final = instance.put("a1")
    assert final["error"] == "Prediction failed: Prediction failed: ValueError: boom"
    assert final["logs"] == ""
    assert "output" not in final
    streamed = instance.stream("a2")[-1][1]
    assert (streamed["logs"], streamed["output"]) == ("before\n", ["part"])


def test_legacy_sync_failure_and_echo(start):
    rule = {"logs": ["before"], "outputs": ["part"], "status": "failed", "error": "boom"}
    instance = start(dialect="legacy", predictions={"default": rule})
    status, final = instance.put("a1", created_at="2026-01-01T00:00:00Z", anything="kept")
    assert (status, final["status"], final["error"], final["output"]) == (200, "failed", "boom", ["part"])
    assert final["logs"].startswith("before\nTraceback")
    assert (final["anything"], final["created_at"]) == ("kept", "2026-01-01T00:00:00Z")
    assert final["started_at"] and final["completed_at"]


def test_legacy_async(start):
    instance = start(dialect="legacy", predictions=SLOW)
    status, shown = instance.put("a1", "forever", ASYNC)
    assert (status, shown["status"], shown["input"]) == (202, "processing", {"mode": "forever"})
    assert instance.put("a1")[0] == 202
    assert instance.put("a2") == (409, {"detail": "Already running a prediction"})


def test_legacy_runs_a_repeated_put_twice_while_a_slot_is_free(start):
    instance = start(dialect="legacy", slots=2, predictions=SLOW)
    instance.put("a1", "forever", ASYNC)
    assert instance.put("a1")[0] == 200


def test_legacy_knows_no_stream(start):
    assert start(dialect="legacy").put("a1", headers=STREAM)[1]["status"] == "succeeded"


def test_slots(start):
    instance = start(slots=2, predictions=SLOW)
    assert [instance.put(f"a{n}", "forever", ASYNC)[0] for n in range(3)] == [202, 202, 409]
    assert instance.health()["status"] == "BUSY"
    assert instance.put("a9") == (409, {"error": "At capacity - all prediction slots busy", "status": "failed"})


# Cancelling


@pytest.mark.parametrize("dialect", ["coglet", "legacy"])
def test_cancel(start, dialect):
    instance = start(dialect=dialect, predictions=SLOW)
    connection = instance.start("PUT", "/predictions/a1", {"input": {"mode": "forever"}})
    instance.wait_health("BUSY")
    assert instance.call("POST", "/predictions/a1/cancel") == (200, {})
    assert json.loads(connection.getresponse().read())["status"] == "canceled"
    instance.wait_health("READY")
    wait_until(lambda: instance.call("POST", "/predictions/a1/cancel") == (404, {}), "404")


def test_cancel_that_is_ignored(start):
    rule = {"duration_ms": 300, "ignore_cancel": True, "outputs": ["a", "b", "c"]}
    instance = start(predictions={"default": rule})
    connection = instance.start("PUT", "/predictions/a1", {"input": {}}, STREAM)
    instance.wait_health("BUSY")
    instance.call("POST", "/predictions/a1/cancel")
    final = events_of(connection)[-1][1]
    assert (final["status"], final["output"]) == ("canceled", ["a", "b", "c"])


def test_coglet_cancels_when_the_sync_client_leaves(start):
    instance = start(predictions=SLOW)
    connection = instance.start("PUT", "/predictions/a1", {"input": {"mode": "forever"}})
    instance.wait_health("BUSY")
    connection.close()
    instance.wait_health("READY")


def test_legacy_goes_on_when_the_sync_client_leaves(start, receiver):
    instance = start(dialect="legacy", predictions=SLOW)
    body = {"input": {}, "webhook": receiver.url, "webhook_events_filter": ["completed"]}
    connection = instance.start("PUT", "/predictions/a1", body)
    instance.wait_health("BUSY")
    connection.close()
    assert received(receiver, 1)[0][0]["status"] == "succeeded"


def test_coglet_cancels_when_the_last_reader_of_a_created_stream_leaves(start):
    instance = start(predictions=SLOW)
    connection = instance.start("PUT", "/predictions/a1", {"input": {"mode": "forever"}}, STREAM)
    response = connection.getresponse()
    assert response.readline() == b"event: start\n"
    second = instance.start("PUT", "/predictions/a1", {"input": 0}, STREAM)
    assert second.getresponse().readline() == b"event: start\n"
    hang_up(connection, response)
    assert instance.health()["status"] == "BUSY"
    hang_up(second)
    instance.wait_health("READY")


def test_a_joined_reader_of_an_async_run_may_leave(start):
    instance = start(predictions={"default": {"duration_ms": 300, "logs": ["l"]}})
    instance.put("a1", headers=ASYNC)
    first = instance.start("PUT", "/predictions/a1", {"input": 0}, STREAM)
    response = first.getresponse()
    response.readline()
    hang_up(first, response)
    assert instance.join("a1")[-1][1]["status"] == "succeeded"


def hang_up(connection, response=None):
    """Close for good: the response shares the socket."""
    if response is not None:
        response.close()
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


# Streams that go wrong


def test_a_join_replays_from_the_start(start):
    instance = start(predictions={"default": {"duration_ms": 200, "outputs": ["a", "b", "c", "d"]}})
    instance.put("a1", headers=ASYNC)
    events = instance.join("a1")
    assert [data.get("chunk") for name, data in events if name == "output"] == ["a", "b", "c", "d"]
    assert events[0][0] == "start" and events[-1][0] == "completed"


def test_a_join_after_the_end(start):
    instance = start(grace_ms=0)
    instance.put("a1")
    wait_until(lambda: instance.call("PUT", "/predictions/a1", {"input": 0}, STREAM)[0] == 422, "422")
    status, body = instance.call("PUT", "/predictions/a1", {"input": 0}, STREAM)
    assert (status, body) == (422, {"detail": [{"loc": ["body", "input", "__root__"], "type": "value_error",
                                                "msg": "0 is not of type \"object\""}]})


def test_a_join_in_the_first_moment_after_the_end(start):
    instance = start(grace_ms=60_000)
    instance.put("a1")
    assert instance.join("a1")[-1][0] == "completed"


def test_a_join_that_comes_too_late_for_the_history(start):
    instance = start(sse={"history": 3}, predictions={"default": {"duration_ms": -1, "outputs": list("abcdef")}})
    instance.put("a1", headers=ASYNC)
    wait_until(lambda: instance.put("a1")[1].get("output") == list("abcdef"), "output")
    assert instance.join("a1") == [
        ("error", {"error": "SSE stream replay truncated; events were dropped", "skipped": 4})]


def test_a_reader_that_lags(start):
    events = start(sse={"lag_after": 2}, predictions=RICH).stream("a1")
    assert [name for name, _ in events] == ["start", "log", "error"]
    assert events[-1][1] == {"error": "SSE stream lagged; events were dropped", "skipped": 1}


def test_a_stream_that_breaks_off(start):
    connection = start(sse={"drop_after": 2}, predictions=RICH).start("PUT", "/predictions/a1", {"input": {}}, STREAM)
    names = names_until_cut(connection.getresponse())
    assert names == ["start", "log"][:len(names)]


def test_a_slow_stream(start):
    instance = start(sse={"slow_ms": 40}, predictions=RICH, slot_linger_ms=0)
    connection = instance.start("PUT", "/predictions/a1", {"input": {}}, STREAM)
    instance.wait_health("READY")
    assert len(events_of(connection)) == 7


def test_keep_alive_comments(start):
    instance = start(sse={"keepalive_ms": 20}, predictions=SLOW)
    response = instance.start("PUT", "/predictions/a1", {"input": {"mode": "forever"}}, STREAM).getresponse()
    lines = [response.readline() for _ in range(5)]
    assert lines[3:] == [b": keep-alive\n", b"\n"]


@pytest.mark.parametrize("script", [{"streaming": False}, {"schema": False}])
def test_no_stream_without_the_flag(start, script):
    status, body = start(**script).put("a1", headers=STREAM)
    assert status == 406
    assert body["error"].startswith("This model does not support streaming responses.")


def test_trainings_never_stream(start):
    instance = start()
    assert instance.call("PUT", "/trainings/t1", {}, STREAM)[0] == 406
    assert instance.call("PUT", "/trainings/t1", {})[1]["status"] == "succeeded"


# Accidents


def test_the_slot_lingers_after_the_answer(start):
    instance = start(slot_linger_ms=200)
    assert instance.put("a1")[0] == 200
    assert instance.put("a2")[0] == 409
    wait_until(lambda: instance.put("a2")[0] == 200, "the slot")


def test_a_lost_slot(start, tmp_path):
    instance = start(predictions={"lost": {"lose_slot": True}})
    assert instance.put("a1", "lost")[1]["error"].startswith("Failed to create output dir: ")
    assert instance.health()["status"] == "BUSY"
    assert instance.put("a2")[0] == 409
    records = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert [r["target"] for r in records if r["level"] == "ERROR"] == ["coglet::permit::pool"]


def test_a_lost_result(start, receiver):
    instance = start(predictions={"lost": {"lose_result": True, "duration_ms": 50}})
    connection = instance.start("PUT", "/predictions/a1", {"input": {"mode": "lost"}, "webhook": receiver.url}, STREAM)
    assert "completed" not in names_until_cut(connection.getresponse())
    instance.wait_health("READY")
    assert received(receiver, 1)[0][0]["status"] == "processing"
    assert receiver.seen.empty()


def test_a_worker_that_crashes(start):
    crash = {"how": "worker", "after_ms": 30}
    instance = start(predictions={"crash": {"duration_ms": -1, "logs": ["l"], "crash": crash}})
    final = instance.stream("a1", "crash")[-1][1]
    assert (final["status"], final["error"]) == ("failed", "Worker crashed")
    health = instance.health()
    assert health["status"] == "UNHEALTHY"
    assert health["user_healthcheck_error"] == "Healthcheck error: protocol error: healthcheck channel closed"
    wait_until(lambda: instance.put("a2")[0] == 409, "409")
    assert instance.process.poll() is None


def test_a_worker_that_died_idle(start):
    instance = start(slots=2, worker_dead=True)
    for its_id in ("a1", "a2"):
        assert instance.put(its_id)[1]["error"].endswith("Broken pipe (os error 32)")
    assert instance.put("a3")[0] == 409
    assert instance.health()["status"] == "UNHEALTHY"


def test_legacy_crash(start):
    crash = {"crash": {"duration_ms": -1, "crash": {"how": "worker"}}}
    instance = start(dialect="legacy", predictions=crash)
    assert instance.put("a1", "crash") == (500, "Internal Server Error")
    assert instance.process.wait(DEADLINE) == 1


def test_legacy_crash_that_stays(start):
    crash = {"crash": {"duration_ms": -1, "crash": {"how": "worker"}}}
    instance = start(dialect="legacy", predictions=crash, await_shutdown=True)
    instance.put("a1", "crash")
    assert instance.health()["status"] == "DEFUNCT"


@pytest.mark.parametrize("crash, code", [({"how": "exit", "code": 7}, 7), ({"how": "signal", "code": 9}, -9)])
def test_the_process_ends(start, crash, code):
    instance = start(predictions={"default": {"duration_ms": -1, "crash": {**crash, "after_ms": 30}}})
    with pytest.raises((http.client.HTTPException, OSError)):
        instance.put("a1")
    assert instance.process.wait(DEADLINE) == code


def test_connections_drop_and_the_server_lives(start):
    instance = start(predictions={"drop": {"duration_ms": -1, "crash": {"how": "drop", "after_ms": 30}}})
    with pytest.raises((http.client.HTTPException, OSError)):
        instance.put("a1", "drop")
    instance.wait_health("READY")
    assert instance.put("a2")[0] == 200


def test_an_oversize_output(start):
    instance = start(predictions={"big": {"output_bytes": 3_000_000}})
    assert len(instance.put("a1", "big")[1]["output"]) == 3_000_000
    assert len(instance.stream("a2", "big")[-1][1]["output"]) == 3_000_000


# Refusals


JSON = {"Content-Type": "application/json"}
START = "Failed to deserialize the JSON body into the target type: "
REFUSALS = [
    ("PUT", "/predictions/a1", b"{bad", JSON, 400, "Failed to parse the request body as JSON: "),
    ("PUT", "/predictions/a1", b"", JSON, 400, "Failed to parse the request body as JSON: "),
    ("PUT", "/predictions/a1", b"{}", {"Content-Type": "text/plain"}, 415,
     "Expected request with `Content-Type: application/json`"),
    ("PUT", "/predictions/a1", b'{"webhook_events_filter":null}', JSON, 422,
     START + "webhook_events_filter: invalid type: null, expected a sequence"),
    ("PUT", "/predictions/a1", b'{"context":null}', JSON, 422, START + "context: invalid type: null"),
    ("PUT", "/predictions/a1", b'{"webhook_events_filter":["no"]}', JSON, 422,
     START + "webhook_events_filter[0]: unknown variant `no`, expected one of `start`, `output`, `logs`, `completed`"),
    ("GET", "/predictions/a1", b"", JSON, 405, ""),
    ("GET", "/nope", b"", JSON, 404, ""),
]


@pytest.mark.parametrize("method, path, body, headers, status, text", REFUSALS)
def test_plain_text_refusals(start, method, path, body, headers, status, text):
    found = start().call(method, path, body, headers)
    assert found[0] == status
    assert found[1].startswith(text)


SCHEMA = {"paths": {"/predictions": {"post": {}}}, "components": {"schemas": {"Input": {
    "required": ["s"], "properties": {"s": {"type": "string"}, "n": {"type": "integer", "nullable": True}}}}}}


@pytest.mark.parametrize("given, problem", [
    ({}, ("s", "Field required", "value_error.missing")),
    ({"s": "x", "n": None}, ("n", 'null is not of type "integer"', "value_error")),
    ({"s": "x", "n": "3"}, ("n", '"3" is not of type "integer"', "value_error")),
    ({"s": "x", "n": True}, ("n", 'true is not of type "integer"', "value_error")),
    ({"s": "x", "n": 3.0, "unknown": 1}, None)])
def test_validation(start, given, problem):
    status, body = start(schema=SCHEMA).call("PUT", "/predictions/a1", {"input": given})
    if problem is None:
        assert status == 200
    else:
        name, message, kind = problem
        assert (status, body) == (422, {"detail": [{"loc": ["body", "input", name], "msg": message, "type": kind}]})


def test_the_id_must_match(start):
    assert start().call("PUT", "/predictions/a1", {"id": "a2"}) == (422, {"detail": [
        {"loc": ["body", "id"], "msg": "prediction ID must match the ID supplied in the URL", "type": "value_error"}]})


def test_a_body_without_a_type_is_ignored(start):
    instance = start(predictions={"default": {"output": "default"}, "m": {"output": "m"}})
    connection = instance.open()
    connection.putrequest("PUT", "/predictions/a1")
    connection.putheader("Content-Length", "22")
    connection.endheaders(b'{"input":{"mode":"m"}}')
    assert json.loads(connection.getresponse().read())["output"] == "default"


def test_scripted_answers(start):
    instance = start(answers=[{"method": "PUT", "path": "/predictions", "status": 400, "body": "no", "times": 1}])
    assert instance.put("a1") == (400, "no")
    assert instance.put("a1")[0] == 200


# Webhooks


def test_webhooks_in_order(start, receiver):
    instance = start({"WEBHOOK_AUTH_TOKEN": "secret"}, predictions=RICH)
    instance.put("a1", headers={**ASYNC, "traceparent": "00-1-2-01"}, webhook=receiver.url)
    found = received(receiver, 6)
    assert [body["status"] for body, _ in found] == ["processing"] * 5 + ["succeeded"]
    assert found[0][0] == {"id": "a1", "logs": "", "metrics": {}, "status": "processing"}
    assert [body.get("output") for body, _ in found[3:]] == [["a"], ["a", "b"], ["a", "b"]]
    headers = found[0][1]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["User-Agent"] == "coglet/0.23.1"
    assert headers["traceparent"] == "00-1-2-01"


def test_webhooks_are_filtered(start, receiver):
    start(predictions=RICH).put("a1", webhook=receiver.url, webhook_events_filter=["completed"])
    assert received(receiver, 1)[0][0]["status"] == "succeeded"
    assert receiver.seen.empty()


def test_webhooks_out_of_order(start, receiver):
    instance = start(predictions=RICH, webhook={"order": "completed_first"})
    instance.put("a1", webhook=receiver.url)
    assert received(receiver, 1)[0][0]["status"] == "succeeded"
    assert {body["status"] for body, _ in received(receiver, 5)} == {"processing"}


def test_webhooks_twice(start, receiver):
    start(webhook={"duplicate": True}).put("a1", webhook=receiver.url, webhook_events_filter=["completed"])
    first, second = received(receiver, 2)
    assert first[0] == second[0]


@pytest.mark.parametrize("answers, attempts", [([500, 503, 429], 4), ([404], 1)])
def test_only_the_last_webhook_is_tried_again(start, receiver, answers, attempts):
    receiver.answers[:] = answers
    instance = start(webhook={"retry_base_ms": 1})
    instance.put("a1", webhook=receiver.url, webhook_events_filter=["completed"])
    assert all(body["status"] == "succeeded" for body, _ in received(receiver, attempts))
    instance.put("a2", webhook=receiver.url, webhook_events_filter=["completed"])
    assert received(receiver, 1)[0][0]["id"] == "a2"


def test_legacy_webhooks_carry_the_whole_object(start, receiver):
    instance = start(dialect="legacy", predictions=RICH)
    instance.put("a1", "m", webhook=receiver.url)
    found = received(receiver, 6)
    assert all(body["input"] == {"mode": "m"} and body["started_at"] for body, _ in found)
    assert found[-1][0]["output"] == ["a", "b"]
    assert found[0][1]["User-Agent"].startswith("cog-worker/")


# The mock's own routes, and its end


def test_the_log_and_the_script(start):
    instance = start()
    instance.put("a1", "m", {"traceparent": "t"})
    instance.call("POST", "/_mock/script", {"predictions": {"m": {"output": "changed"}}})
    assert instance.put("a2", "m")[1]["output"] == "changed"
    seen = [entry for entry in instance.call("GET", "/_mock/log")[1] if entry["method"] == "PUT"]
    assert [entry["path"] for entry in seen] == ["/predictions/a1", "/predictions/a2"]
    assert seen[0]["body"] == {"input": {"mode": "m"}}
    assert seen[0]["headers"]["traceparent"] == "t"


def test_the_port_is_on_stderr_too(start, tmp_path):
    instance = start()
    record = json.loads((tmp_path / "stderr").read_text().splitlines()[0])
    assert record["fields"]["message"] == f"Starting coglet server on 127.0.0.1:{instance.port}"
    assert record["target"] == "coglet::transport::http::server"


def test_shutdown(start):
    instance = start()
    assert instance.call("POST", "/shutdown") == (200, {})
    assert instance.process.wait(DEADLINE) == 0


def test_sigterm_waits_for_open_requests(start):
    instance = start(predictions=SLOW)
    connection = instance.start("PUT", "/predictions/a1", {"input": {}})
    instance.wait_health("BUSY")
    instance.process.send_signal(signal.SIGTERM)
    assert json.loads(connection.getresponse().read())["status"] == "succeeded"
    assert instance.process.wait(DEADLINE) == 0


def test_keep_alive_after_a_waited_answer(start):
    instance = start(predictions=SLOW)
    connection = instance.open()
    for its_id in ("a1", "a2"):
        connection.request("PUT", f"/predictions/{its_id}", '{"input":{}}', {"Content-Type": "application/json"})
        wait = connection.getresponse()
        assert json.loads(wait.read())["id"] == its_id
        instance.wait_health("READY")
