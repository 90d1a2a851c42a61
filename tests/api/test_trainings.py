# SPDX-License-Identifier: Apache-2.0
"""Trainings: on an instance of their own, and the version that comes of one."""

import json

import pytest
import replicate
from berth import EXAMPLES, MODELS, wait_for

TEXT = "a b a b a b c"


@pytest.fixture(scope="module")
def smith(house):
    client = house.account("smith")
    client.version = house.push(client, EXAMPLES / "train", "writer")
    client.post("/models", {"owner": "smith", "name": "trained", "visibility": "private", "hardware": "cpu-small"})
    return client


def start(client, destination="smith/trained", values=None, **more):
    return client.post(f"/models/smith/writer/versions/{client.version}/trainings",
                       {"destination": destination, "input": {"text": TEXT, "step_seconds": 0} if values is None else values,
                        **more})


def ended(client, made):
    return wait_for(lambda: (now := client.get(f"/trainings/{made['id']}").json)["status"] not in ("starting", "processing")
                    and now, "the training's end")


def test_a_training_makes_a_version(house, smith):
    answer = start(smith)
    assert answer.status == 201, answer
    made = answer.json
    assert (made["model"], made["version"]) == ("smith/writer", smith.version)
    assert made["urls"]["get"].endswith(f"/v1/trainings/{made['id']}")
    last = ended(smith, made)
    assert (last["status"], last["error"]) == ("succeeded", None), last
    assert "step 10/10" in last["logs"]
    owner_name, _, version = last["output"]["version"].partition(":")
    assert owner_name == "smith/trained" and len(version) == 64 and last["output"]["weights"]
    model = smith.get("/models/smith/trained").json
    assert model["latest_version"]["id"] == version
    # What it learnt is what the new version knows.
    said = smith.predict("/models/smith/trained", {"start": "a", "words": 4})
    assert (said["status"], said["version"]) == ("succeeded", version), said
    assert said["output"].startswith("a b")
    before = smith.predict("/models/smith/writer", {"start": "a", "words": 4})
    assert before["output"] == "a"
    # The same id under both; in the lists each is where it belongs.
    assert smith.prediction(made["id"])["output"] == last["output"]
    assert [one["id"] for one in smith.get("/trainings").json["results"]] == [made["id"]]
    assert made["id"] not in [one["id"] for one in smith.get("/predictions").json["results"]]
    assert house.account("acme").get(f"/trainings/{made['id']}").status == 404
    refused = smith.delete(f"/models/smith/writer/versions/{smith.version}")
    assert refused.status == 422 and "trained" in refused.text
    # The trained one can go, with its weights; the files, which are the base's, stay.
    kept = set((house.data / "weights").iterdir())
    assert smith.delete(f"/models/smith/trained/versions/{version}").status == 202
    wait_for(lambda: smith.get("/models/smith/trained").json["latest_version"] is None, "the version's end")
    wait_for(lambda: len(set((house.data / "weights").iterdir())) == len(kept) - 1, "the end of its weights")
    assert (house.data / "versions" / smith.version).exists()
    assert smith.predict("/models/smith/writer", {"start": "hello", "words": 2})["status"] == "succeeded"


def test_one_that_says_much(house, smith):
    """What it gave beside its weights is too long to be read, told or shown at once."""
    version = house.push(smith, MODELS / "verbose", "verbose")
    smith.post("/models", {"owner": "smith", "name": "told", "visibility": "private", "hardware": "cpu-small"})
    made = smith.post(f"/models/smith/verbose/versions/{version}/trainings",
                      {"destination": "smith/told", "input": {"size": 300000}}).json
    last = ended(smith, made)
    assert (last["status"], last["error"]) == ("succeeded", None), last
    assert last["output"]["notes"] == "n" * 300000 and last["output"]["weights"] == "https://weights.example/1"
    assert last["output"]["version"].startswith("smith/told:")


def test_what_is_refused(house, smith, acme):
    answer = start(smith, "smith/nothing")
    assert (answer.status, answer.json["detail"]) == (404, "The specified training destination does not exist")
    assert start(smith, "some-org/some-model").status == 404
    answer = start(smith, "nothing")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "/destination")
    assert start(smith, 5).status == 400
    missing = smith.post(f"/models/smith/writer/versions/{smith.version}/trainings", {"input": {}})
    assert (missing.status, missing.json["detail"]) == (422, "- destination is required\n")
    bad = start(smith, values={"steps": 0})
    assert bad.status == 422 and bad.json["invalid_fields"][0]["field"] == "input.steps"
    assert start(smith, colour="red").status == 422
    path = f"/models/smith/writer/versions/{smith.version}/trainings"
    assert acme.post(path, {"destination": "smith/trained", "input": {}}).status == 404  # the version is private
    assert smith.post(f"/models/smith/writer/versions/{'0' * 64}/trainings", {"destination": "smith/trained", "input": {}}).status == 404
    acme.post("/models", {"owner": "acme", "name": "tuned", "visibility": "private", "hardware": "cpu-small"})
    plain = acme.post(f"/models/acme/hello/versions/{house.hello}/trainings", {"destination": "acme/tuned", "input": {}})
    assert plain.status == 422 and "cog.yaml" in plain.json["detail"]


def test_cancel(smith):
    made = start(smith, values={"steps": 1000, "step_seconds": 1}).json
    wait_for(lambda: "step 1/" in smith.get(f"/trainings/{made['id']}").json["logs"], "its first step")
    assert smith.post(f"/trainings/{made['id']}/cancel").status == 200
    assert ended(smith, made)["status"] == "canceled"


def test_with_the_official_client(house, smith):
    client = replicate.Client(api_token=smith.token, base_url=house.url)
    training = client.trainings.create(model="smith/writer", version=smith.version, destination="smith/trained",
                                       input={"text": "x y x y", "step_seconds": 0})
    wait_for(lambda: training.reload() or training.status in ("succeeded", "failed"), "the training's end")
    assert training.status == "succeeded", training.error
    assert training.output["version"].startswith("smith/trained:")
    assert json.dumps(training.input)
    assert training.id in [one.id for one in client.trainings.list()]


def test_its_webhook_comes_with_the_version(new_server):
    """`completed` is told when the version is there, and not before."""
    from receiver import Receiver
    hook = Receiver()
    try:
        server = new_server("--webhook-private-targets")
        client = server.account("smith")
        client.version = server.push(client, EXAMPLES / "train", "writer")
        client.post("/models", {"owner": "smith", "name": "trained", "visibility": "private", "hardware": "cpu-small"})
        made = start(client, webhook=hook.url(), webhook_events_filter=["start", "completed"]).json
        first, last = hook.until(made, 2)
        assert first.json["status"] == "processing"
        assert last.json["status"] == "succeeded" and last.json["completed_at"], last
        assert last.json["output"] == ended(client, made)["output"]
        assert last.json["output"]["version"].startswith("smith/trained:")
        bad = start(client, values={"steps": 1000, "step_seconds": 1}, webhook=hook.url()).json
        client.post(f"/trainings/{bad['id']}/cancel")
        assert hook.until(bad)[-1].json["status"] == "canceled"
    finally:
        hook.stop()


def test_a_restart_in_between(new_server):
    """The instance goes on; the next server joins it, and makes the version."""
    server = new_server("--keep-instances")
    client = server.account("smith")
    client.version = server.push(client, EXAMPLES / "train", "writer")
    client.post("/models", {"owner": "smith", "name": "trained", "visibility": "private", "hardware": "cpu-small"})
    made = start(client, values={"text": TEXT, "steps": 20, "step_seconds": 0.1}).json
    wait_for(lambda: "step 1/" in client.get(f"/trainings/{made['id']}").json["logs"], "its first step")
    server.kill()
    server.start()
    last = ended(client, made)
    assert last["status"] == "succeeded", last
    assert client.get("/models/smith/trained").json["latest_version"]["id"] == last["output"]["version"].partition(":")[2]
    assert "step 20/20" in last["logs"]
