# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: valid, complete, and true of what the server answers."""

import os
import subprocess
import sys

import pytest
from berth import EXAMPLES, ROOT

validator = pytest.importorskip("openapi_spec_validator")
pytest.importorskip("schemathesis")

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance," \
         "response_headers_conformance,negative_data_rejection"


@pytest.fixture(scope="module")
def document(house):
    answer = house.nobody().get("/openapi.json", prefix="")
    assert (answer.status, answer.type) == (200, "application/json")
    return answer.json


@pytest.fixture(scope="module")
def fuzzed(house):
    """An account of its own, with one object of each kind."""
    client = house.account("fuzzed")
    client.version = house.push(client, EXAMPLES / "hello", "hello", "--public")
    client.deploy("hello", "fuzzed/hello", client.version)
    made = client.predict("/deployments/fuzzed/hello", {"text": "A B", "delay": 0})
    assert made["status"] == "succeeded", made
    client.made = made["id"]
    return client


def test_it_is_valid(document, house):
    validator.validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": f"{house.url}/v1"}]
    assert house.nobody().get("/openapi.json", prefix="/v1").json == document


def test_it_has_all_that_the_server_answers(document, house):
    operations = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                operations[operation["operationId"]] = (method, path, operation)
    table = (ROOT / "src/api/routes.c").read_text().split("ADMIN_ROUTES")[0].replace('{ .method = "', 'ROUTE("')
    routes = [line for line in table.split("ROUTE(")[2:] if "HTTP_HIDDEN" not in line and "/_i/" not in line]
    assert len(operations) == len(routes)
    assert operations["models.search"][:2] == ("x-query", "/models")
    assert operations["deployments.predictions.create"][:2] == ("post", "/deployments/{owner}/{name}/predictions")
    assert operations["openapi"][2]["security"] == []
    for name, (_, path, operation) in operations.items():
        said = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert said == {part[1:-1] for part in path.split("/") if part.startswith("{")}, name


def fuzz(house, client, tmp_path, parameters, *words):
    lines = ["[parameters]"] + [f'"path.{key}" = "{value}"' for key, value in parameters.items()]
    if parameters:
        lines += ["[[operations]]", 'include-path-regex = "^/predictions"', f'parameters = {{ "path.id" = "{client.made}" }}']
    (tmp_path / "schemathesis.toml").write_text("\n".join(lines) + "\n")
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    done = subprocess.run([program, "--config-file", str(tmp_path / "schemathesis.toml"), "run",
                           f"{house.url}/openapi.json", "--header", f"Authorization: Bearer {client.token}",
                           "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "12",
                           "--generation-deterministic", "--suppress-health-check", "all", "--no-color", "--exclude-operation-id",
                           "models.versions.push", *words],
                          capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]


def test_answers_to_anything(house, fuzzed, tmp_path):
    """Every operation, with whatever the document allows and forbids: no 5xx, nothing but what the document says."""
    fuzz(house, fuzzed, tmp_path, {})


def test_answers_about_what_there_is(house, fuzzed, tmp_path):
    """The same where the path names something that exists; nothing is deleted."""
    fuzz(house, fuzzed, tmp_path, {"owner": "fuzzed", "name": "hello"}, "--exclude-method", "DELETE",
         "--exclude-path-regex", "versions|builds|openai")
