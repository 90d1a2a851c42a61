# SPDX-License-Identifier: Apache-2.0
"""Collections, search, examples, readme: how people find models."""

import pytest


@pytest.fixture(scope="module")
def shelf(house, org):
    house.admin("collection", "create", "words", "--name", "Words", "--description", "Models that say words",
                "--full-description", "# Words\n")
    house.admin("collection", "add", "words", "some-org/some-model", "acme/hello")
    yield "words"
    house.admin("collection", "delete", "words")


def test_collections(house, acme, org, shelf):
    assert "words" in house.admin("collection", "list")
    page = acme.get("/collections").json
    assert page["results"] == [{"name": "Words", "slug": "words", "description": "Models that say words"}]
    assert (page["next"], page["previous"]) == (None, None)
    one = acme.get("/collections/words").json
    assert list(one) == ["name", "slug", "description", "full_description", "models"]
    assert one["full_description"] == "# Words\n"
    assert [model["name"] for model in one["models"]] == ["some-model", "hello"]
    assert one["models"][0]["latest_version"]["id"] == house.version
    # acme/hello is private
    assert [model["name"] for model in org.get("/collections/words").json["models"]] == ["some-model"]
    assert acme.get("/collections/nothing").status == 404


def test_changing_a_collection(house, acme):
    house.admin("collection", "create", "short", "--name", "Short")
    house.admin("collection", "create", "short", "--description", "Later words")
    house.admin("collection", "add", "short", "acme/hello")
    house.admin("collection", "remove", "short", "acme/hello")
    one = acme.get("/collections/short").json
    assert (one["name"], one["description"], one["models"]) == ("Short", "Later words", [])
    assert "no model acme/nothing" in house.admin("collection", "add", "short", "acme/nothing", fails=True)
    assert "needs a name" in house.admin("collection", "create", "new", fails=True)
    house.admin("collection", "delete", "short")
    assert acme.get("/collections/short").status == 404
    assert "no collection short" in house.admin("collection", "delete", "short", fails=True)


def test_search(house, acme, org, shelf):
    found = acme.get("/search?query=hello&limit=5").json
    assert list(found) == ["query", "models", "collections", "pages"]
    assert (found["query"], found["pages"]) == ("hello", [])
    assert [one["model"]["name"] for one in found["models"]] == ["hello"]
    assert found["models"][0]["metadata"] == {"generated_description": None, "tags": [], "score": None}
    assert org.get("/search?query=hello").json["models"] == []
    nobody = house.nobody().get("/search?query=some-model")
    assert nobody.status == 200
    assert [one["model"]["name"] for one in nobody.json["models"]] == ["some-model"]
    assert [one["slug"] for one in house.nobody().get("/search?query=WORDS%20say").json["collections"]] == ["words"]
    assert house.nobody().get("/search?query=hello").json["models"] == []
    assert acme.get("/search").json == {"detail": 'Query parameter "query" is required', "status": 400}
    assert acme.get("/search?query=a&limit=51").status == 400


def test_examples(house, org):
    """The owner picks predictions; the first is shown with the model."""
    path = "/models/some-org/some-model"
    org.deploy("example", "some-org/some-model", house.version)
    made = [org.predict("/deployments/some-org/example", {"mode": "echo", "text": word}) for word in ("a", "b")]
    assert all(one["status"] == "succeeded" for one in made), made
    for one in made:
        assert org.call("PUT", f"{path}/examples/{one['id']}").status == 204, house.log()
    assert org.call("PUT", f"{path}/examples/{one['id']}").status == 204
    page = org.get(f"{path}/examples").json
    assert [one["id"] for one in page["results"]] == [made[1]["id"], made[0]["id"]]
    assert page["results"][0]["output"] == made[1]["output"]
    for answer in (org.get(path), house.account("acme").get(path)):
        assert answer.json["default_example"]["id"] == made[0]["id"]
        assert answer.json["default_example"]["input"] == made[0]["input"]
    listed = [one for one in org.get("/models").json["results"] if one["name"] == "some-model"]
    assert listed[0]["default_example"]["id"] == made[0]["id"]
    assert org.delete(f"{path}/examples/{made[0]['id']}").status == 204
    assert org.get(path).json["default_example"]["id"] == made[1]["id"]
    assert org.delete(f"{path}/examples/{made[0]['id']}").status == 404
    assert org.delete(f"{path}/examples/{made[1]['id']}").status == 204
    assert org.get(path).json["default_example"] is None

    for one in made:  # what is erased shows nothing any more, and is no example
        assert org.call("PUT", f"{path}/examples/{one['id']}").status == 204
    assert org.delete(f"/predictions/{made[0]['id']}").status == 204
    assert [one["id"] for one in org.get(f"{path}/examples").json["results"]] == [made[1]["id"]]
    assert org.get(path).json["default_example"]["id"] == made[1]["id"]
    assert org.delete(f"/predictions/{made[1]['id']}").status == 204
    assert org.get(path).json["default_example"] is None


def test_what_cannot_be_an_example(house, acme, org):
    path = "/models/some-org/some-model"
    assert org.call("PUT", f"{path}/examples/nothing").status == 404
    acme.deploy("own", "acme/hello", house.hello)
    other = acme.predict("/deployments/acme/own", {"text": "A", "delay": 0})
    assert org.call("PUT", f"{path}/examples/{other['id']}").status == 404  # somebody else's
    assert acme.call("PUT", f"{path}/examples/{other['id']}").status == 403  # a model of somebody else
    acme.call("PUT", f"/models/acme/hello/examples/{other['id']}")
    answer = acme.call("PUT", "/models/acme/nothing/examples/x")
    assert answer.status == 404
    acme.delete(f"/models/acme/hello/examples/{other['id']}")
