# SPDX-License-Identifier: Apache-2.0
"""Models and their versions."""

import re
import shutil

import pytest
from berth import EXAMPLES, wait_for

MODEL_KEYS = {"url", "owner", "name", "description", "visibility", "github_url", "paper_url", "license_url", "run_count",
              "cover_image_url", "default_example", "latest_version", "is_official", "created_at"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z")


def new_model(client, called, **more):
    return client.post("/models", {"owner": client.account, "name": called, "visibility": "private",
                                   "hardware": "cpu-small", **more})


def problem(answer):
    """The parts of a refused management call, after looking at its form."""
    body = answer.json
    assert answer.status == 400 and answer.type == "application/problem+json", answer
    assert list(body) == ["status", "title", "detail", "errors"]
    assert (body["status"], body["title"]) == (400, "Validation failed")
    lines = ["The following errors occurred:"]
    for error in body["errors"]:
        key = error.get("pointer", "")[1:]
        lines.append(f"- {key}: {error['detail']}" if key else f"- {error['detail']}")
    assert body["detail"] == "\n".join(lines)
    return {error.get("pointer"): error["detail"] for error in body["errors"]}


def test_create_get_update_delete(acme, house):
    answer = new_model(acme, "painter", description="Paints", github_url="https://example.com/p")
    assert answer.status == 201
    made = answer.json
    assert set(made) == MODEL_KEYS and TIME.fullmatch(made["created_at"])
    assert made["url"] == f"{house.url}/acme/painter"
    assert (made["owner"], made["name"], made["visibility"]) == ("acme", "painter", "private")
    assert (made["description"], made["github_url"]) == ("Paints", "https://example.com/p")
    assert (made["run_count"], made["latest_version"], made["default_example"]) == (0, None, None)
    assert acme.get("/models/acme/painter").json == made
    changed = acme.patch("/models/acme/painter", {"description": "Paints well", "readme": "# Painter\n",
                                                  "license_url": "https://example.com/l"})
    assert changed.status == 200
    assert (changed.json["description"], changed.json["license_url"]) == ("Paints well", "https://example.com/l")
    assert changed.json["github_url"] == "https://example.com/p"
    readme = acme.get("/models/acme/painter/readme")
    assert (readme.status, readme.type, readme.text) == (200, "text/plain", "# Painter\n")
    assert acme.get("/models/acme/painter/examples").json == {"next": None, "previous": None, "results": []}
    gone = acme.delete("/models/acme/painter")
    assert (gone.status, gone.body) == (204, b"")
    assert acme.get("/models/acme/painter").status == 404


def test_readme_that_is_not_there(acme):
    assert acme.get("/models/acme/hello/readme").status == 404


def test_a_name_that_is_taken(acme):
    assert new_model(acme, "twice").status == 201
    answer = new_model(acme, "twice")
    sentence = "A model with that name and owner already exists."
    assert (answer.status, answer.type) == (409, "application/problem+json")
    assert answer.json == {"status": 409, "title": "Conflict", "detail": sentence, "errors": [{"detail": sentence}]}


@pytest.mark.parametrize("change, pointer, words", [
    ({"hardware": "gpu-x"}, "/hardware", "gpu-x is not a valid hardware SKU. Your options are: cpu-small, cpu, gpu-t4"),
    ({"owner": "some-org"}, "/owner", "must be \"acme\""),
    ({"name": "Bad Name"}, "/name", "lower-case"),
    ({"name": None}, "/name", "required"),
    ({"name": 5}, "/name", "must be a string"),
    ({"visibility": "secret"}, "/visibility", "public"),
    ({"github_url": "ftp://x"}, "/github_url", "URL"),
    ({"colour": "red"}, "/colour", "not known"),
])
def test_wrong_values(acme, change, pointer, words):
    found = problem(new_model(acme, "wrong", **change))
    assert set(found) == {pointer} and words in found[pointer]


def test_an_empty_address_is_none(acme):
    assert new_model(acme, "linked", github_url="https://example.com", paper_url="").json["paper_url"] is None
    changed = acme.patch("/models/acme/linked", {"github_url": "", "license_url": "https://example.com/license"}).json
    assert (changed["github_url"], changed["license_url"]) == (None, "https://example.com/license")


def test_several_mistakes_are_told_at_once(acme):
    assert set(problem(acme.post("/models", {"nmae": "x"}))) == {"/nmae", "/owner", "/name", "/visibility", "/hardware"}


def test_private_models_are_hidden_from_others(acme, org):
    assert acme.get("/models/acme/hello").status == 200
    for answer in (org.get("/models/acme/hello"), org.get("/models/acme/hello/versions"),
                   org.patch("/models/acme/hello", {"description": "mine"}), org.delete("/models/acme/hello")):
        assert answer.status == 404 and answer.json == {"detail": "The requested resource could not be found.",
                                                        "status": 404}


def test_public_models_can_be_read_but_not_changed_by_others(acme):
    assert acme.get("/models/some-org/some-model").status == 200
    assert acme.patch("/models/some-org/some-model", {"description": "mine"}).status in (403, 404)
    assert acme.delete("/models/some-org/some-model").status in (403, 404)


def test_a_model_with_versions_stays(acme, org):
    assert acme.delete("/models/acme/hello").status in (400, 422)
    assert org.delete("/models/some-org/some-model").status in (400, 422)
    assert org.get("/models/some-org/some-model").status == 200


def test_list_has_the_public_ones(acme, house):
    names = {(model["owner"], model["name"]) for model in acme.get("/models").json["results"]}
    assert ("some-org", "some-model") in names


@pytest.mark.parametrize("body, kind", [(b"some-model", "text/plain"), (b'"some-model"', "text/plain"),
                                        (b'"some-model"', "application/json")])
def test_search(acme, body, kind):
    answer = acme.call("QUERY", "/models", body, headers={"Content-Type": kind})
    assert answer.status == 200, answer
    assert [model["name"] for model in answer.json["results"]] == ["some-model"]
    assert answer.json["next"] is None and answer.json["previous"] is None


def test_search_for_nothing(acme):
    assert acme.call("QUERY", "/models", b"zzz-nothing").json["results"] == []
    assert acme.call("QUERY", "/models", b"").status == 400


def test_pages_of_models(new_server):
    server = new_server()
    me = server.account("me")
    for index in range(60):
        assert new_model(me, f"model-{index:02}", visibility="public").status == 201
    path, seen, pages = "/models?sort_by=model_created_at&sort_direction=asc", [], []
    while path:
        page = me.get(path).json
        pages.append(page)
        seen += [model["name"] for model in page["results"]]
        path = page["next"] and page["next"].removeprefix(f"{server.url}/v1")
        assert not path or "sort_by=model_created_at" in path and "sort_direction=asc" in path
    assert [len(page["results"]) for page in pages] == [25, 25, 10]
    assert seen == [f"model-{index:02}" for index in range(60)]
    assert pages[0]["previous"] is None
    back = me.get(pages[2]["previous"].removeprefix(f"{server.url}/v1")).json
    assert [model["name"] for model in back["results"]] == seen[25:50]


def test_sort_keys_are_checked(acme):
    assert acme.get("/models?sort_by=size").status == 400
    assert acme.get("/models?sort_direction=up").status == 400


def test_version_object(acme, house):
    answer = acme.get(f"/models/acme/hello/versions/{house.hello}")
    assert answer.status == 200
    version = answer.json
    assert set(version) == {"id", "created_at", "cog_version", "openapi_schema"}
    assert version["id"] == house.hello and TIME.fullmatch(version["created_at"])
    assert version["cog_version"] == "0.23.1"
    schemas = version["openapi_schema"]["components"]["schemas"]
    assert schemas["Input"]["properties"]["text"]["default"] == "world"
    assert schemas["Output"]["x-cog-array-type"] == "iterator"
    listed = acme.get("/models/acme/hello/versions").json
    assert list(listed) == ["next", "previous", "results"]
    assert version in listed["results"]
    assert acme.get("/models/acme/hello").json["latest_version"] == listed["results"][0]


def test_unknown_version(acme):
    assert acme.get("/models/acme/hello/versions/" + "0" * 64).status == 404


def test_the_same_folder_gives_the_same_version(acme, house):
    assert house.push(acme, EXAMPLES / "hello", "same") == house.hello
    assert house.push(acme, EXAMPLES / "hello", "same") == house.hello
    assert len(acme.get("/models/acme/same/versions").json["results"]) == 1


def test_a_changed_folder_gives_another_and_it_can_be_deleted(acme, house, tmp_path):
    folder = tmp_path / "changing"
    shutil.copytree(EXAMPLES / "hello", folder)
    first = house.push(acme, folder, "changing")
    with open(folder / "predict.py", "a") as opened:
        opened.write("# changed\n")
    second = house.push(acme, folder, "changing")
    assert first != second
    listed = [version["id"] for version in acme.get("/models/acme/changing/versions").json["results"]]
    assert listed == [second, first]
    path = acme.deploy("keeps-it", "acme/changing", second)
    assert acme.delete(f"/models/acme/changing/versions/{second}").status == 422
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    assert acme.delete(path).status == 204
    answer = acme.delete(f"/models/acme/changing/versions/{first}")
    assert (answer.status, answer.body) == (202, b"")
    wait_for(lambda: acme.get(f"/models/acme/changing/versions/{first}").status == 404, "the version's end")
    third = tmp_path / "third"
    shutil.copytree(folder, third)
    with open(third / "predict.py", "a") as opened:
        opened.write("# changed again\n")
    last = house.push(acme, third, "changing")
    assert (house.data / "versions" / last).exists()
    assert acme.delete(f"/models/acme/changing/versions/{last}").status == 202
    wait_for(lambda: not (house.data / "versions" / last).exists(), "the end of the version's folder")
    assert (house.data / "versions" / first).exists()  # another model has the same


def test_dockerignore_is_honoured(acme, house, tmp_path):
    folder = tmp_path / "ignoring"
    shutil.copytree(EXAMPLES / "hello", folder)
    first = house.push(acme, folder, "ignoring")
    (folder / ".dockerignore").write_text("*.log\n.dockerignore\n")
    (folder / "big.log").write_text("not part of it")
    assert house.push(acme, folder, "ignoring") == first


def test_a_push_to_anothers_model(acme, org, house):
    said = house.push(type(acme)(house, "some-org", acme.token), EXAMPLES / "hello", "some-model", fails=True)
    assert "acme" in said


def test_a_failing_build_says_why_and_leaves_nothing(acme, house, tmp_path):
    folder = tmp_path / "failing"
    shutil.copytree(EXAMPLES / "hello", folder)
    cases = {
        "build:\n  python_version: \"3.11\"\n  colour: red\npredict: \"predict.py:Predictor\"\n": "colour",
        "predict: \"predict.py:Nobody\"\n": "Nobody",
        "build:\n  system_packages: [\"no-such-package-here\"]\npredict: \"predict.py:Predictor\"\n":
            "no-such-package-here",
        "build:\n  python_packages: [\"no-such-package-here-either==99\"]\npredict: \"predict.py:Predictor\"\n":
            "no-such-package-here-either",
        "predict: [broken\n": "cog.yaml",
    }
    before = sorted(path.name for path in (house.data / "versions").iterdir())
    for text, words in cases.items():
        (folder / "cog.yaml").write_text(text)
        assert words in house.push(acme, folder, "failing", fails=True)
    assert sorted(path.name for path in (house.data / "versions").iterdir()) == before
    assert acme.get("/models/acme/failing/versions").json["results"] == []


def test_a_folder_without_cog_yaml(acme, house, tmp_path):
    assert "cog.yaml" in house.push(acme, tmp_path, "empty", fails=True)


def test_a_body_that_is_no_archive(acme, house):
    answer = acme.post("/models/acme/broken/versions", b"this is no archive" * 100,
                       headers={"Content-Type": "application/gzip"})
    assert answer.status == 202
    build = answer.json
    assert {"id", "status", "model", "urls"} <= set(build)
    path = build["urls"]["get"].removeprefix(f"{house.url}/v1")
    ended = wait_for(lambda: (found := acme.get(path).json)["status"] in ("failed", "succeeded") and found, "the build")
    assert ended["status"] == "failed" and ended["error"]
    assert acme.get(path + "/log").status == 200


