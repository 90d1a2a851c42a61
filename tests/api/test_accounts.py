# SPDX-License-Identifier: Apache-2.0
"""Accounts, tokens, hardware; who may see what."""

import re
import stat

NO_TOKEN = {"title": "Unauthenticated", "detail": "You did not pass an authentication token", "status": 401}
BAD_TOKEN = {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token", "status": 401}


def test_account_of_an_organization(acme):
    answer = acme.get("/account")
    assert answer.status == 200 and answer.type == "application/json"
    assert answer.json == {"type": "organization", "username": "acme", "name": "Acme Corp",
                           "github_url": "https://example.com/acme"}


def test_account_without_more_has_its_name_as_full_name(org):
    assert org.get("/account").json == {"type": "organization", "username": "some-org", "name": "some-org",
                                        "github_url": None}


def test_token_has_the_form_that_clients_know(acme):
    assert re.fullmatch(r"r8_[A-Za-z0-9]{37}", acme.token)


def test_tokens_are_listed_without_themselves_and_can_be_revoked(house):
    client = house.account("temporary")
    row = next(line.split() for line in house.admin("token", "list", "--account", "temporary").splitlines())
    assert client.token not in " ".join(row)
    assert client.get("/account").status == 200
    house.admin("token", "revoke", row[0])
    assert client.get("/account").json == BAD_TOKEN
    assert house.admin("token", "list", "--account", "temporary") == ""


def test_accounts_are_listed(house, acme):
    rows = [line.split() for line in house.admin("account", "list").splitlines()]
    assert ["acme", "organization", "Acme", "Corp"] in rows


def test_account_names_are_checked(house, acme):
    assert "exists already" in house.admin("account", "create", "acme", fails=True)
    assert "reserved" in house.admin("account", "create", "models", fails=True)
    assert "lower-case" in house.admin("account", "create", "Bad_Name", fails=True)
    assert "no account named" in house.admin("token", "create", "nobody-here", fails=True)


def test_administration_is_for_who_may_open_the_socket(house):
    socket = house.data / "admin.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    for path in ("/accounts", "/tokens"):
        assert house.nobody().get(path, prefix="").status == 404


def test_no_token_and_a_wrong_one(house, acme):
    nobody = house.nobody()
    for path in ("/account", "/hardware", "/models", "/deployments", "/predictions", "/predictions/x"):
        answer = nobody.get(path)
        assert (answer.status, answer.type, answer.json) == (401, "application/problem+json", NO_TOKEN)
    for given in ("Bearer r8_" + "0" * 37, "Bearer", "Basic abc", acme.token, "Bearer " + acme.token[:-1]):
        answer = nobody.get("/account", headers={"Authorization": given})
        assert (answer.status, answer.json) == (401, BAD_TOKEN), given


def test_schemes_that_are_taken(house, acme):
    for scheme in ("Bearer", "bearer", "Token", "TOKEN"):
        answer = house.nobody().get("/account", headers={"Authorization": f"{scheme} {acme.token}"})
        assert answer.status == 200, scheme


def test_no_token_comes_before_all_else(house):
    answer = house.nobody().post("/predictions", b"{broken", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json) == (401, NO_TOKEN)


def test_hardware_is_a_bare_list(acme):
    answer = acme.get("/hardware")
    assert answer.status == 200
    assert {"sku": "gpu-t4", "name": "Nvidia T4 GPU"} in answer.json
    assert {"sku": "cpu-small", "name": "CPU (Small)"} in answer.json
    assert all(set(row) == {"sku", "name"} for row in answer.json)


def test_without_configuration_there_are_two_kinds(new_server):
    server = new_server(start=False)
    (server.data / "berth.yaml").write_text("# nothing\n")
    server.start()
    assert [row["sku"] for row in server.account("me").get("/hardware").json] == ["cpu-small", "cpu"]


def test_capacity_says_what_the_machine_has(acme):
    answer = acme.get("/capacity").json
    assert answer["machine"]["cpus"] > 0 and answer["machine"]["memory_bytes"] > 0
    assert isinstance(answer["machine"]["gpus"], list) and isinstance(answer["pools"], list)


def test_health_is_open(house):
    assert house.nobody().get("/healthz", prefix="").json["status"] == "ok"
