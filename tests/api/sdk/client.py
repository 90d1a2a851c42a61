# SPDX-License-Identifier: Apache-2.0
"""The generated Python SDK, unmodified, with its strict validation of answers. test_generated_sdk.py starts the server and
this; each test here counts there. Prints "ok NAME" or "not ok NAME" for each."""

import asyncio
import json
import os
import sys
import time
import traceback

import replicate as sdk
from replicate import AsyncReplicate, Replicate

house = json.loads(os.environ["BERTH_TEST_HOUSE"])
settings = {"base_url": house["url"] + "/v1", "bearer_token": house["token"], "_strict_response_validation": True,
            "max_retries": 0}
replicate = Replicate(**settings)
ME = house["account"]
HELLO = {"model_owner": ME, "model_name": "hello"}
NEW = {"model": f"{ME}/hello", "version": house["hello"], "hardware": "cpu-small", "min_instances": 0, "max_instances": 1}


def ended(look, id_, **key):
    """Asks until it has ended; the caller's own time limit ends the waiting."""
    while (now := look(**{next(iter(key)): id_})).status in ("starting", "processing"):
        time.sleep(0.02)
    return now


def refused(kind, call, **values):
    try:
        call(**values)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def test_account_and_hardware():
    account = replicate.account.get()
    assert (account.username, account.type) == (ME, "user")
    assert "gpu-t4" in [one.sku for one in replicate.hardware.list()]


def test_deployments():
    made = replicate.deployments.create(name="sdk-made", **NEW)
    assert (made.owner, made.name, made.current_release.number) == (ME, "sdk-made", 1)
    where = {"deployment_owner": ME, "deployment_name": "sdk-made"}
    assert replicate.deployments.get(**where).current_release.configuration.max_instances == 1
    assert replicate.deployments.update(**where, max_instances=2).current_release.number == 2
    assert replicate.deployments.update(**where).current_release.number == 2
    assert "sdk-made" in [one.name for one in replicate.deployments.list()]
    refused(sdk.ConflictError, replicate.deployments.create, name="sdk-made", **NEW)
    assert replicate.deployments.delete(**where) is None
    refused(sdk.NotFoundError, replicate.deployments.get, **where)


def test_predictions_of_each_kind():
    for create, where in ((replicate.deployments.predictions.create, {"deployment_owner": ME, "deployment_name": "hello"}),
                          (replicate.models.predictions.create, HELLO),
                          (replicate.predictions.create, {"version": f"{ME}/hello:{house['hello']}"})):
        one = create(**where, input={"text": "Ann", "delay": 0}, prefer="wait=30", cancel_after="5m", stream=True,
                     webhook="https://127.0.0.1:9/hook", webhook_events_filter=["start", "completed"])
        assert (one.status, one.output) == ("succeeded", ["hello", " there,", " Ann"])
        assert one.urls.get.endswith(one.id) and one.urls.web and one.urls.stream
        assert replicate.predictions.get(prediction_id=one.id).metrics.total_time > 0


def test_lists_of_predictions():
    from datetime import datetime, timezone

    assert replicate.predictions.list().results
    assert replicate.predictions.list(created_before=datetime(2001, 1, 1, tzinfo=timezone.utc)).results == []
    assert len([one.id for one in replicate.predictions.list()]) >= 3  # goes from page to page


def test_cancel():
    one = replicate.models.predictions.create(**HELLO, input={"text": "a b c d e f g h", "delay": 5})
    replicate.predictions.cancel(prediction_id=one.id)
    assert ended(replicate.predictions.get, one.id, prediction_id=1).status == "canceled"


def test_wrong_input():
    error = refused(sdk.UnprocessableEntityError, replicate.models.predictions.create, **HELLO, input={"delay": "soon"})
    assert "input.delay: Invalid type" in error.body["detail"]


def test_models():
    model = replicate.models.create(owner=ME, name="sdk-model", visibility="private", hardware="cpu",
                                    description="Of a test", github_url="https://example.com/code",
                                    license_url="https://example.com/license", paper_url="https://example.com/paper",
                                    cover_image_url="https://example.com/cover.png")
    assert (model.visibility, model.license_url) == ("private", "https://example.com/license")
    where = {"model_owner": ME, "model_name": "sdk-model"}
    changed = replicate.models.update(**where, readme="# Read me\n", weights_url="https://example.com/weights",
                                      license_url="https://example.com/other")
    assert changed.license_url == "https://example.com/other"
    assert replicate.models.readme.get(**where) == "# Read me\n"
    assert replicate.models.examples.list(**where).results == []
    assert replicate.models.delete(**where) is None
    refused(sdk.NotFoundError, replicate.models.get, **where)


def test_finding_models():
    assert ("hello", ME) in [(one.name, one.owner) for one in replicate.models.list(sort_by="model_created_at",
                                                                                   sort_direction="asc")]
    assert "hello" in [one.name for one in replicate.models.search(body="hello").results]
    found = replicate.search(query="hello", limit=10)
    assert "hello" in [one.model.name for one in found.models]
    assert "sdk_collection" in [one.slug for one in replicate.collections.list()]
    assert [one.name for one in replicate.collections.get(collection_slug="sdk_collection").models] == ["hello"]


def test_versions():
    assert [one.id for one in replicate.models.versions.list(**HELLO)] == [house["hello"]]
    version = replicate.models.versions.get(**HELLO, version_id=house["hello"])
    assert version.openapi_schema["components"]["schemas"]["Input"]["properties"]["delay"]["maximum"] == 5
    doomed = {"model_owner": ME, "model_name": "doomed", "version_id": house["doomed"]}
    assert replicate.models.versions.delete(**doomed) is None
    while True:
        try:
            replicate.models.versions.get(**doomed)
        except sdk.NotFoundError:
            break
        time.sleep(0.02)


def test_files():
    made = replicate.files.create(content=b"some bytes", filename="some.txt", type="text/plain",
                                  metadata={"of": "a test", "n": 1})
    assert (made.name, made.content_type, made.size) == ("some.txt", "text/plain", 10)
    assert made.metadata["of"] == "a test"
    assert replicate.files.get(file_id=made.id).checksums.sha256
    assert made.id in [one.id for one in replicate.files.list()]
    plain = replicate.files.create(content=b"plain")
    assert replicate.files.delete(file_id=plain.id) is None
    refused(sdk.NotFoundError, replicate.files.get, file_id=plain.id)


def test_trainings():
    where = {"model_owner": ME, "model_name": "writer", "version_id": house["writer"]}
    made = replicate.trainings.create(**where, destination=f"{ME}/trained", input={"steps": 1, "step_seconds": 0},
                                      webhook="https://127.0.0.1:9/hook", webhook_events_filter=["start"])
    assert made.status == "starting"
    done = ended(replicate.trainings.get, made.id, training_id=1)
    assert done.status == "succeeded" and done.output.version.startswith(f"{ME}/trained:"), done
    assert made.id in [one.id for one in replicate.trainings.list()]
    other = replicate.trainings.create(**where, destination=f"{ME}/trained", input={})
    replicate.trainings.cancel(training_id=other.id)
    assert ended(replicate.trainings.get, other.id, training_id=1).status == "canceled"


def test_webhook_secret():
    assert replicate.webhooks.default.secret.get().key.startswith("whsec_")


def test_run_and_use():
    input = {"text": "Bob", "delay": 0}
    assert "".join(replicate.run(f"{ME}/hello:{house['hello']}", input=input)) == "hello there, Bob"
    assert "".join(replicate.run(f"{ME}/hello", input=input)) == "hello there, Bob"
    # These two make a client of their own, from the environment.
    assert "".join(sdk.use(f"{ME}/hello", streaming=True)(**input)) == "hello there, Bob"
    assert "".join(sdk.use(f"{ME}/hello")(**input)) == "hello there, Bob"


def test_async():
    async def talk():
        async with AsyncReplicate(**settings) as client:
            made = await client.predictions.create(version=house["hello"], input={"text": "Eve", "delay": 0}, prefer="wait")
            assert made.output == ["hello", " there,", " Eve"]
            assert (await client.account.get()).username == ME
            return [one.id async for one in client.predictions.list()]

    assert asyncio.run(talk())


def test_a_wrong_token():
    refused(sdk.AuthenticationError, Replicate(**{**settings, "bearer_token": "r8_" + "x" * 37}).account.get)


if __name__ == "__main__":
    for name, test in [(name, one) for name, one in globals().items() if name.startswith("test_")]:
        try:
            test()
            print(f"ok {name}", flush=True)
        except Exception:
            print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    sys.exit(0)
