# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins: none may call the API, or those that cors_origins names (the CORS protocol of the Fetch standard)."""

import pytest
from berth import Server

APP = "https://app.example.com"
FIELDS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Expose-Headers")


def fields(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def preflight(client, origin, path="/predictions"):
    return client.call("OPTIONS", path, headers={
        "Authorization": "", "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,prefer"})


@pytest.fixture(scope="module")
def open_house(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cors") / "data", "--cors-origins", f"{APP}, http://localhost:3000").start()
    try:
        yield server
        server.stop()
    finally:
        server.end()


def test_without_the_option_no_field_is_sent(acme):
    assert fields(acme.get("/account", headers={"Origin": APP})) == {}
    answer = preflight(acme, APP)
    assert (answer.status, fields(answer)) == (405, {})


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
def test_a_named_origin(open_house, origin):
    client = open_house.account("acme")
    asked = preflight(client, origin)
    assert (asked.status, asked.body) == (204, b"")
    assert fields(asked)["access-control-allow-origin"] == origin
    assert "PATCH" in fields(asked)["access-control-allow-methods"]
    assert fields(asked)["access-control-allow-headers"] == "authorization,content-type,prefer"
    answer = client.get("/account", headers={"Origin": origin})
    assert answer.status == 200 and answer.json["username"] == "acme"
    assert fields(answer)["access-control-allow-origin"] == origin
    assert "Retry-After" in fields(answer)["access-control-expose-headers"]
    assert "Origin" in answer.headers.get_all("Vary")


def test_errors_are_readable_too_and_cookies_never_count(open_house):
    client = open_house.account("acme")
    for answer, status in ((client.get("/nowhere", headers={"Origin": APP}), 404),
                           (client.post("/predictions", {}, headers={"Origin": APP}), 422),
                           (client.get("/account", headers={"Origin": APP, "Authorization": "Bearer no"}), 401)):
        assert answer.status == status
        assert fields(answer)["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in fields(answer)


@pytest.mark.parametrize("origin", ["https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com",
                                    "https://app.example.com:8443", "null", "*"])
def test_another_origin_gets_nothing(open_house, origin):
    client = open_house.account("acme")
    assert fields(preflight(client, origin)) == {}
    answer = client.get("/account", headers={"Origin": origin})
    assert fields(answer) == {} and "Origin" in answer.headers.get_all("Vary")


def test_all_origins(new_server):
    server = new_server("--cors-origins", "*")
    answer = server.account("acme").get("/account", headers={"Origin": "https://any.example.com"})
    assert fields(answer)["access-control-allow-origin"] == "https://any.example.com"


@pytest.mark.parametrize("value", ["app.example.com", "https://app.example.com/", f"{APP},,http://localhost"])
def test_a_wrong_origin_is_refused_at_the_start(new_server, value):
    server = new_server("--cors-origins", value, start=False)
    said = server.admin("serve", "--cors-origins", value, fails=True)
    assert "cors-origins" in said and "is neither * nor http:// or https:// and a host" in said


def test_own_private_models_are_left_out_of_the_list(new_server):
    server = new_server("--no-list-private-models")
    client = server.account("acme")
    for name, visibility in (("hidden", "private"), ("shown", "public")):
        made = client.post("/models", {"owner": "acme", "name": name, "visibility": visibility, "hardware": "cpu-small"})
        assert made.status == 201, made
    assert [m["name"] for m in client.get("/models").json["results"]] == ["shown"]
    assert [m["name"] for m in client.get("/models?owner=acme").json["results"]] == ["shown", "hidden"]
