# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what is told when, how it is signed, and what happens with a receiver that does not behave."""

import json
import subprocess
import time

import pytest
from berth import MODELS, ROOT, Server, wait_for
from receiver import Receiver

WORDS = {"mode": "words", "text": "w", "steps": 2}


@pytest.fixture(scope="module")
def open_house(tmp_path_factory):
    """A server that may call private addresses, and is quick to lose its patience."""
    server = Server(tmp_path_factory.mktemp("hooks") / "data", "--webhook-private-targets", "--webhook-timeout", "1s",
                    "--webhook-concurrency", "4").start()
    try:
        client = server.account("acme")
        server.version = server.push(client, MODELS / "ctl", "model")
        server.path = client.deploy("d", "acme/model", server.version)
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture(scope="module")
def me(open_house):
    return open_house.account("acme")


@pytest.fixture
def receiver():
    made = []

    def make(manner=200):
        made.append(Receiver(manner))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def make(client, url, events=None, path=None, **values):
    body = {"input": values or WORDS, "webhook": url}
    if events is not None:
        body["webhook_events_filter"] = events
    answer = client.post((path or client.server.path) + "/predictions", body)
    assert answer.status == 201, answer
    return answer.json


def messages(client, made):
    answer = client.get(f"/predictions/{made['id']}/webhooks")
    assert answer.status == 200, answer
    assert answer.json["next"] is None and answer.json["previous"] is None
    return answer.json["results"]


def settled(client, made):
    """The messages, once the last one's attempts are written down."""
    return wait_for(lambda: (found := messages(client, made)) and found[-1]["event"] == "completed" and
                    found[-1]["status"] != "pending" and found, lambda: messages(client, made))


def test_the_end_is_told(me, receiver):
    hook = receiver()
    made = make(me, hook.url("/a/b?c=d%20e"), ["completed"])
    assert made["webhook"] == hook.url("/a/b?c=d%20e") and made["webhook_events_filter"] == ["completed"]
    [told] = hook.until(made)
    ended = me.ended(made)
    assert told.path == "/a/b?c=d%20e" and told.json == ended and ended["status"] == "succeeded"
    assert told.headers["Content-Type"] == "application/json" and told.headers["User-Agent"].startswith("Webhooks/")
    assert told.id.startswith("msg_") and abs(int(told.headers["webhook-timestamp"]) - time.time()) < 60
    [message] = settled(me, made)
    assert (message["n"], message["id"], message["event"]) == (1, told.id, "completed")
    assert message["status"] == "delivered" and message["url"] == made["webhook"]
    [attempt] = message["attempts"]
    assert (attempt["number"], attempt["response_status"], attempt["error"]) == (1, 200, None)
    assert len(hook.of(made)) == 1


def test_all_events_in_order(me, receiver, tmp_path):
    hook, go = receiver(), tmp_path / "go"
    made = make(me, hook.url(), ["start", "output", "logs", "completed"], mode="wait", file=str(go))
    wait_for(lambda: any(told.json["output"] == ["begin "] for told in hook.of(made)), "the first output")
    wait_for(lambda: any("waiting" in told.json["logs"] for told in hook.of(made)), "the logs")
    go.touch()
    me.ended(made)
    events = [message["event"] for message in settled(me, made)]
    assert events[0] == "start" and events[-1] == "completed" and {"output", "logs"} & set(events)
    told = hook.of(made)
    statuses = [each.json["status"] for each in told]
    assert statuses == ["processing"] * (len(told) - 1) + ["succeeded"]
    assert told[-1].json["output"] == ["begin ", "end"]
    assert len({each.id for each in told}) == len(told)
    assert told[0].json["input"] == {"mode": "wait", "file": str(go)}


def test_the_default_is_output_and_end(me, receiver):
    hook = receiver()
    made = make(me, hook.url())
    assert "webhook_events_filter" not in made
    events = [message["event"] for message in settled(me, made)]
    assert set(events) == {"output", "completed"} and events[-1] == "completed"


@pytest.mark.parametrize("events", [[], ["start"]])
def test_only_what_was_asked_for(me, receiver, events):
    hook = receiver()
    made = make(me, hook.url(), events)
    other = make(me, hook.url(), ["completed"])
    hook.until(other)
    assert me.ended(made)["status"] == "succeeded"
    assert [each["event"] for each in messages(me, made)] == events
    assert len(hook.of(made)) == len(events)


def test_output_is_throttled(me, receiver):
    """A thousand pieces in a moment are a few messages, half a second apart."""
    hook, came = receiver(), []
    hook.manner = lambda delivery: came.append((time.monotonic(), delivery.json["status"])) or 200
    made = make(me, hook.url(), ["output", "logs"], mode="words", text="w", steps=1000)
    me.ended(made)
    made = make(me, hook.url(), ["completed"])
    hook.until(made)
    assert 1 <= len(came) - 1 <= 2 + 2 * (came[-1][0] - came[0][0])


@pytest.mark.parametrize("body, field", [
    ({"webhook": "https://"}, "webhook"), ({"webhook": "ftp://example.com/x"}, "webhook"), ({"webhook": 1}, "webhook"),
    ({"webhook": "https://example.com/x", "webhook_events_filter": ["end"]}, "webhook_events_filter.0"),
])
def test_what_is_refused(me, open_house, body, field):
    answer = me.post(open_house.path + "/predictions", {"input": WORDS, **body})
    assert answer.status == 422 and answer.json["invalid_fields"][0]["field"] == field, answer


def test_plain_http_is_refused_unless_configured(acme, running):
    answer = acme.post(running + "/predictions", {"input": WORDS, "webhook": "http://example.com/x"})
    assert answer.status == 422 and "https" in answer.text


def test_private_addresses_are_refused_unless_configured(acme, running):
    made = make(acme, "https://127.0.0.1:9/x", ["completed"], running)
    acme.ended(made)
    message = wait_for(lambda: (found := messages(acme, made)) and found[0]["attempts"] and found[0], "the attempt")
    assert message["status"] == "pending" and message["next_attempt_at"]
    assert "not a public one" in message["attempts"][0]["error"] and message["attempts"][0]["response_status"] is None


# --- signatures ------------------------------------------------------------------------------------------------------------


def key(client):
    answer = client.get("/webhooks/default/secret")
    assert answer.status == 200 and set(answer.json) == {"key"}
    assert answer.json["key"].startswith("whsec_") and answer.json["key"].count("_") == 1
    return answer.json["key"]


def valid_in_python(told, secret):
    from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret
    try:
        Webhooks.validate(headers={name.lower(): value for name, value in told.headers.items()},
                          body=told.body.decode(), secret=WebhookSigningSecret(key=secret), tolerance=60)
        return True
    except InvalidSignatureError:
        return False


JAVASCRIPT = """
import { validateWebhook } from "replicate";
const { id, timestamp, signature, body, secret } = JSON.parse(process.argv[1]);
console.log(await validateWebhook({ id, timestamp, signature, body, secret }));
"""


def valid_in_javascript(told, secret):
    given = {"id": told.id, "timestamp": told.headers["webhook-timestamp"], "secret": secret,
             "signature": told.headers["webhook-signature"], "body": told.body.decode()}
    done = subprocess.run(["node", "--input-type=module", "-e", JAVASCRIPT, json.dumps(given)], cwd=ROOT, text=True,
                          capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == "true"


def test_signatures_and_rotation(open_house, receiver):
    hook, other = receiver(), open_house.account("other")
    secret = key(other)
    assert secret == key(other) != key(open_house.account("acme"))

    def tell():
        answer = other.post("/models", {"owner": "other", "name": "m", "visibility": "private", "hardware": "cpu-small"})
        assert answer.status in (201, 409)
        version = open_house.push(other, MODELS / "ctl", "m")
        return hook.until(make(other, hook.url(), ["completed"], other.deploy(f"d{len(hook.got)}", "other/m", version)))[0]

    first = tell()
    assert valid_in_python(first, secret) and valid_in_javascript(first, secret)
    assert not valid_in_python(first, key(open_house.account("acme")))
    first.body = first.body.replace(b"succeeded", b"failed")
    assert not valid_in_python(first, secret) and not valid_in_javascript(first, secret)
    answer = other.post("/webhooks/default/secret")
    assert answer.status == 200 and "previous_key_valid_until" in answer.json
    fresh = key(other)
    assert fresh == answer.json["key"] != secret
    second = tell()
    assert second.headers["webhook-signature"].count("v1,") == 2
    for each in (secret, fresh):
        assert valid_in_python(second, each) and valid_in_javascript(second, each)


# --- receivers that do not behave ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner, status, words", [
    (500, 500, "answered 500"), (404, 404, "answered 404"), (302, 302, "redirect"), ("cut", None, ""), ("hang", None, ""),
    ("drip", None, ""),
])
def test_the_end_is_tried_until_it_arrives(me, receiver, manner, status, words):
    hook = receiver(manner)
    made = make(me, hook.url(), ["completed"])
    wait_for(lambda: (found := messages(me, made)) and found[0]["attempts"], "a first attempt")
    hook.manner = 200
    [message] = settled(me, made)
    first, last = message["attempts"][0], message["attempts"][-1]
    assert first["response_status"] == status and words in first["error"], first
    assert last["response_status"] == 200 and last["error"] is None
    assert [attempt["number"] for attempt in message["attempts"]] == list(range(1, len(message["attempts"]) + 1))
    told = hook.of(made)
    assert len(told) == len(message["attempts"]) and {each.id for each in told} == {message["id"]}
    assert {each.path for each in told} == {"/hook?a=b"}


def test_progress_is_not_tried_again(me, receiver, tmp_path):
    go = tmp_path / "go"
    hook = receiver(lambda delivery: 200 if delivery.json["status"] == "succeeded" else 500)
    made = make(me, hook.url(), ["start", "output", "completed"], mode="wait", file=str(go))
    wait_for(lambda: len(messages(me, made)) == 2, "start and output")
    go.touch()
    found = settled(me, made)
    assert [(each["event"], each["status"], len(each["attempts"])) for each in found[:2]] == [
        ("start", "failed", 1), ("output", "failed", 1)]
    assert found[-1]["status"] == "delivered"
    ids = [each.id for each in hook.of(made)]
    assert len(set(ids)) == len(ids)


def test_nothing_follows_the_end(me, receiver, tmp_path):
    """The end waits for a message of progress that hangs, and nothing else is said in between."""
    go = tmp_path / "go"
    hook = receiver(lambda delivery: 200 if delivery.json["status"] == "succeeded" else "hang")
    made = make(me, hook.url(), ["start", "output", "logs", "completed"], mode="wait", file=str(go))
    hook.until(made)
    go.touch()
    me.ended(made)
    settled(me, made)
    told = hook.of(made)
    assert [each.json["status"] for each in told].index("succeeded") == len(told) - 1


def test_a_receiver_that_hangs_has_only_its_places(me, receiver):
    bad, good = receiver("hang"), receiver()
    hanging = [make(me, bad.url(), ["completed"]) for _ in range(12)]
    good.until(make(me, good.url(), ["completed"]))
    wait_for(lambda: len(bad.got) >= 4, "the first ones")
    assert bad.most_open <= 4
    bad.manner = 200
    bad.released.set()
    for made in hanging:
        assert settled(me, made)[0]["status"] == "delivered"


def test_an_attempt_that_just_ended_is_not_made_again_at_once(me, receiver):
    """What is due is read while other attempts end: those are not due any more, whatever was read."""
    seen = set()

    def manner(delivery):
        is_first = delivery.id not in seen
        seen.add(delivery.id)
        return 500 if is_first else 200

    hook = receiver(manner)
    mades = [make(me, hook.url(), ["completed"]) for _ in range(150)]
    for made in mades:
        [message] = settled(me, made)
        assert [attempt["response_status"] for attempt in message["attempts"]] == [500, 200]
        assert len(hook.of(made)) == 2


def test_sending_again(me, open_house, receiver, tmp_path):
    hook = receiver()
    made = make(me, hook.url(), ["start", "completed"])
    first, last = settled(me, made)
    path = f"/predictions/{made['id']}/webhooks"
    assert me.post(f"{path}/{last['n']}/resend").status == 202
    again = wait_for(lambda: len((found := settled(me, made))[-1]["attempts"]) == 2 and found, "a second attempt")
    assert [each["response_status"] for each in again[-1]["attempts"]] == [200, 200]
    assert hook.of(made)[-1].id == last["id"]
    assert me.post(f"{path}/{first['n']}/resend").status == 422
    assert me.post(f"{path}/77/resend").status == 404 and me.post(f"{path}/x/resend").status == 404
    other = open_house.account("other")
    assert other.get(path).status == 404 and other.post(f"{path}/{last['n']}/resend").status == 404
    assert me.get("/predictions/" + "0" * 26 + "/webhooks").status == 404
    assert messages(me, me.predict(open_house.path, WORDS)) == []


def test_giving_up(new_server, receiver):
    server = new_server("--webhook-private-targets", "--webhook-retry-for", "0s")
    client = server.account("acme")
    version = server.push(client, MODELS / "ctl", "model")
    hook = receiver(500)
    made = make(client, hook.url(), ["completed"], client.deploy("d", "acme/model", version))
    [message] = settled(client, made)
    assert message["status"] == "failed" and message["next_attempt_at"] is None and len(message["attempts"]) == 1


def test_over_a_restart(new_server, receiver):
    """What was not delivered when the server was killed is delivered by the next, under the same id."""
    server = new_server("--webhook-private-targets", "--webhook-timeout", "1s")
    client = server.account("acme")
    version = server.push(client, MODELS / "ctl", "model")
    path = client.deploy("d", "acme/model", version)
    hook = receiver(500)
    made = [make(client, hook.url(), ["completed"], path) for _ in range(5)]
    for each in made:
        hook.until(each)
    server.kill()
    hook.manner = 200
    server.start()
    for each in made:
        [message] = settled(client, each)
        assert message["status"] == "delivered"
        assert {told.id for told in hook.of(each)} == {message["id"]}
