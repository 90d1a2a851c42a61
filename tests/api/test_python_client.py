# SPDX-License-Identifier: Apache-2.0
"""The official Python client, unmodified."""

import pytest
import replicate
from berth import wait_for
from replicate.exceptions import ModelError, ReplicateError


@pytest.fixture(scope="module")
def client(house, acme):
    return replicate.Client(api_token=acme.token, base_url=house.url)


@pytest.fixture(scope="module")
def ready(acme, house):
    acme.deploy("for-python", "some-org/some-model", house.version)
    return "acme/for-python"


def test_base_url_and_token_from_the_environment(house, acme, monkeypatch):
    for url in (house.url, house.url + "/v1"):
        monkeypatch.setenv("REPLICATE_BASE_URL", url)
        monkeypatch.setenv("REPLICATE_API_TOKEN", acme.token)
        assert replicate.Client().accounts.current().username == "acme"


def test_account_and_hardware(client):
    account = client.accounts.current()
    assert (account.type, account.name, account.github_url) == ("organization", "Acme Corp", "https://example.com/acme")
    assert "gpu-t4" in [hardware.sku for hardware in client.hardware.list()]


def test_deployments(client, house):
    made = client.deployments.create(name="python-made", model="some-org/some-model", version=house.version,
                                     hardware="cpu-small", min_instances=0, max_instances=2)
    assert (made.owner, made.name, made.current_release.number) == ("acme", "python-made", 1)
    assert made.current_release.created_by.username == "acme"
    assert made.current_release.configuration.max_instances == 2
    assert client.deployments.get("acme/python-made") == made
    changed = client.deployments.update("acme", "python-made", max_instances=1, hardware="cpu")
    assert changed.current_release.number == 2
    assert (changed.current_release.configuration.hardware, changed.current_release.configuration.max_instances) == \
        ("cpu", 1)
    assert "python-made" in [deployment.name for deployment in client.deployments.list()]
    with pytest.raises(ReplicateError) as caught:
        client.deployments.create(name="python-made", model="some-org/some-model", version=house.version,
                                  hardware="cpu-small", min_instances=0, max_instances=2)
    assert caught.value.status == 409 and "already exists" in str(caught.value)
    assert client.deployments.delete("acme", "python-made") is True
    with pytest.raises(ReplicateError) as caught:
        client.deployments.get("acme/python-made")
    assert caught.value.status == 404


def test_predictions_of_a_deployment(client, ready):
    deployment = client.deployments.get(ready)
    made = deployment.predictions.create(input={"mode": "words", "steps": 2})
    assert made.status == "starting"
    made.wait()
    assert (made.status, made.output) == ("succeeded", ["hello0 ", "hello1 "])
    assert "word 1" in made.logs
    again = client.deployments.predictions.create(ready, input={"text": "waited"}, wait=True)
    assert (again.status, again.output) == ("succeeded", ["waited"])


def test_run(client, house):
    assert "".join(client.run(f"some-org/some-model:{house.version}", input={"text": "one"})) == "one"
    assert "".join(client.run("some-org/some-model", input={"mode": "words", "steps": 2})) == "hello0 hello1 "


def test_run_of_one_that_fails(client, house):
    with pytest.raises(ModelError) as caught:
        list(client.run(f"some-org/some-model:{house.version}", input={"mode": "raise", "text": "python"}))
    assert "broken on python" in str(caught.value)


def test_wrong_input(client, ready):
    with pytest.raises(ReplicateError) as caught:
        client.deployments.predictions.create(ready, input={"steps": 0})
    assert caught.value.status == 422
    assert "input.steps: Must be greater than or equal to 1" in caught.value.detail


def test_cancel(client, ready, tmp_path):
    made = client.deployments.predictions.create(ready, input={"mode": "wait", "file": str(tmp_path / "never")})

    def is_running():
        made.reload()
        return made.status == "processing"

    wait_for(is_running, "the start")
    made.cancel()
    made.wait()
    assert made.status == "canceled"
    assert client.predictions.get(made.id).status == "canceled"


def test_predictions_by_version(client, house):
    version = client.models.get("some-org/some-model").versions.get(house.version)
    made = client.predictions.create(version=version, input={"text": "v"}, wait=True)
    assert (made.status, made.output, made.version) == ("succeeded", ["v"], house.version)


def test_models_and_versions(client, house):
    model = client.models.create(owner="acme", name="python-model", visibility="private", hardware="cpu",
                                 description="Made by the client")
    assert (model.owner, model.name, model.description, model.latest_version) == \
        ("acme", "python-model", "Made by the client", None)
    found = client.models.get("some-org/some-model")
    assert found.latest_version.id == house.version and found.visibility == "public"
    assert [version.id for version in found.versions.list()] == [house.version]
    properties = found.versions.get(house.version).openapi_schema["components"]["schemas"]["Input"]["properties"]
    assert properties["steps"]["maximum"] == 100000
    assert ("some-org", "some-model") in [(model.owner, model.name) for model in client.models.list()]
    assert "some-model" in [model.name for model in client.models.search("some-model")]


def pages_of(listing):
    page, pages = listing(), []
    pages.append(page)
    while page.next:
        page = listing(page.next)
        pages.append(page)
    return pages


def test_three_pages_of_predictions(house):
    account = house.account("pager")
    path = account.deploy("waiting", "some-org/some-model", house.version, hardware="gpu-h100-8x")
    made = [account.predict(path, {"text": str(index)}, wait=False)["id"] for index in range(210)]
    client = replicate.Client(api_token=account.token, base_url=house.url)
    pages = pages_of(client.predictions.list)
    assert [len(page.results) for page in pages] == [100, 100, 10]
    assert [row.id for page in pages for row in page.results] == made[::-1]
    assert account.patch(path, {"max_instances": 0}).status == 200


def test_three_pages_of_deployments(house):
    account = house.account("deployer")
    for index in range(55):
        account.deploy(f"d-{index:02}", "some-org/some-model", house.version)
    client = replicate.Client(api_token=account.token, base_url=house.url)
    pages = pages_of(client.deployments.list)
    assert [len(page.results) for page in pages] == [25, 25, 5]
    names = [row.name for page in pages for row in page.results]
    assert names == [f"d-{index:02}" for index in reversed(range(55))]


def test_three_pages_of_models(house):
    account = house.account("modeler")
    for index in range(55):
        answer = account.post("/models", {"owner": "modeler", "name": f"m-{index:02}", "visibility": "public",
                                          "hardware": "cpu"})
        assert answer.status == 201
    client = replicate.Client(api_token=account.token, base_url=house.url)
    names = [f"{row.owner}/{row.name}" for page in replicate.paginate(client.models.list) for row in page.results]
    assert {f"modeler/m-{index:02}" for index in range(55)} <= set(names) and len(names) == len(set(names))


def test_a_wrong_token(house):
    client = replicate.Client(api_token="r8_" + "x" * 37, base_url=house.url)
    with pytest.raises(ReplicateError) as caught:
        client.accounts.current()
    assert caught.value.status == 401 and caught.value.title == "Unauthenticated"
