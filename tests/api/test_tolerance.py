# SPDX-License-Identifier: Apache-2.0
"""What clients do that the letter of the API does not allow, and the bodies of refusals."""

import gzip
import json

import pytest


@pytest.mark.parametrize("prefix", ["/v1", "", "/v1/v1"])
def test_prefixes(acme, running, prefix):
    assert acme.get("/account", prefix=prefix).json["username"] == "acme"
    assert acme.get(running, prefix=prefix).status == 200
    assert acme.get("/predictions", prefix=prefix).status == 200
    answer = acme.post(running + "/predictions", {"input": {"text": "p"}}, prefix=prefix, headers={"Prefer": "wait"})
    assert answer.json["output"] == ["p"]


def test_an_address_glued_to_the_base(acme, house):
    """The Go client's pages."""
    answer = acme.get(f"/v1/{house.url}/v1/deployments?cursor=", prefix="")
    assert answer.status == 200 and "results" in answer.json


def test_a_content_type_without_a_body(acme, running):
    for method, path, expected in (("GET", "/account", 200), ("GET", running, 200),
                                   ("DELETE", "/deployments/acme/not-there", 404)):
        assert acme.call(method, path, headers={"Content-Type": "application/json"}).status == expected


def test_a_trailing_slash(acme):
    assert acme.get("/account/").status == 200


def test_head_is_get_without_a_body(acme):
    get, head = acme.get("/account"), acme.call("HEAD", "/account")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == str(len(get.body))


def test_unknown_routes(acme):
    for path in ("/nothing", "/models/a", "/predictions/x/y/z"):
        answer = acme.get(path)
        assert (answer.status, answer.type) == (404, "application/problem+json")
        assert answer.json == {"detail": "The requested resource could not be found.", "status": 404}


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", "/account", {"GET"}), ("DELETE", "/hardware", {"GET"}), ("PUT", "/models", {"GET", "POST", "QUERY"}),
    ("POST", "/predictions/abc", {"GET"}), ("TRACE", "/deployments", {"GET", "POST"}),
    ("OPTIONS", "/deployments/a/b", {"GET", "PATCH", "DELETE"})])
def test_a_method_that_the_path_does_not_take(acme, method, path, allowed):
    answer = acme.call(method, path)
    assert (answer.status, answer.type) == (405, "application/problem+json")
    assert answer.json == {"detail": f'Method "{method}" not allowed.', "status": 405}
    assert allowed <= {word.strip() for word in answer.headers["Allow"].split(",")}


def test_a_method_that_http_does_not_know(acme):
    assert acme.call("BREW", "/account").status == 501


def test_broken_json(acme, running):
    for sent in (b"{", b'{"input": {}', b"{'input': {}}", b'{"input": NaN}', b'{"a":1,}', b"\xff\xfe", b'{"a":"\xff"}'):
        answer = acme.post(running + "/predictions", sent)
        assert (answer.status, answer.type) == (400, "application/problem+json"), sent
        assert answer.json["status"] == 400 and answer.json["detail"], sent


def test_a_key_that_stands_twice(acme, running):
    answer = acme.post(running + "/predictions", b'{"input": {"text": "a", "text": "b"}}')
    assert answer.status == 400 and "text" in answer.json["detail"]


def test_a_body_of_another_type(acme):
    answer = acme.post("/deployments", b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.type) == (415, "application/problem+json")
    assert answer.json["status"] == 415 and "application/x-www-form-urlencoded" in answer.json["detail"]


def test_a_word_that_is_not_known(acme):
    answer = acme.get("/builds/01/log?follow=yes")
    assert answer.status == 400 and '"yes"' in answer.json["detail"] and "follow=1" in answer.json["detail"]


def test_a_build_that_is_not_there_is_named(acme):
    for path in ("/builds/nobody-made-it", "/builds/nobody-made-it/log"):
        answer = acme.get(path)
        assert answer.status == 404 and '"nobody-made-it"' in answer.json["detail"], answer


@pytest.mark.parametrize("query", ["cursor=%", "cursor=%00", "a%zz=1", "cursor=%ff"])
def test_a_query_that_cannot_be_read(acme, query):
    """It is not taken as if it were not there."""
    answer = acme.get(f"/deployments?{query}")
    assert (answer.status, answer.type) == (400, "application/problem+json") and "query" in answer.json["detail"]


@pytest.mark.parametrize("path", ["/deployments", "/predictions", "/files", "/models/acme/hello/versions"])
def test_a_body_that_is_packed(acme, path):
    """Nothing is unpacked on the way: that is said, whatever the body would have been."""
    answer = acme.post(path, gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.type) == (415, "application/problem+json"), answer
    assert '"gzip"' in answer.json["detail"] and "without Content-Encoding" in answer.json["detail"]


def test_a_body_that_is_too_large(acme, running, house):
    sent = json.dumps({"input": {"text": "x" * (17 << 20)}}).encode()
    answer = house.send(b"POST /v1%s/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "
                        b"application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
                        % (running.encode(), acme.token.encode(), len(sent)))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in head
    assert json.loads(body)["status"] == 413


def test_limits_of_an_account(new_server, tmp_path):
    server = new_server("--rate-limit-requests", "3", "--rate-limit-predictions", "2")
    me, other = server.account("me"), server.account("other")
    assert [me.get("/account").headers["ratelimit-remaining"] for _ in range(3)] == ["2", "1", "0"]
    answer = me.get("/account")
    assert (answer.status, answer.type) == (429, "application/problem+json")
    seconds = answer.json["retry_after"]
    assert 0 < seconds <= 21 and answer.headers["Retry-After"] == str(seconds)
    assert answer.json == {"detail": f"Request was throttled. Your rate limit resets in ~{seconds}s.", "status": 429,
                           "retry_after": seconds}
    assert other.get("/account").status == 200
    made = [me.post("/predictions", {"version": "0" * 64, "input": {}}).status for _ in range(3)]
    assert made == [422, 422, 429]


def test_answers_carry_the_limits(new_server):
    server = new_server("--rate-limit-requests", "3000")
    answer = server.account("me").get("/account")
    assert (answer.headers["ratelimit-remaining"], answer.headers["ratelimit-reset"]) == ("2999", "1")


def test_the_cli_says_what_is_wrong(house, acme):
    assert "there is no command" in run_cli("dance")
    assert "there is no flag --colour" in run_cli("push", "x", "y/z", "--colour")
    assert "does not answer" in run_cli("push", str(house.data), "y/z", "--url", "http://127.0.0.1:1", "--token", "x",
                                        folder=house.data)


def run_cli(*words, folder=None):
    import subprocess

    from berth import EXAMPLES, binary
    words = [str(EXAMPLES / "hello") if word == str(folder) else word for word in words]
    done = subprocess.run([binary(), *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    return done.stderr
