# SPDX-License-Identifier: Apache-2.0
"""Answers over 1 KiB are compressed for clients that ask for it; what is streamed, ranges and short ones never are."""

import gzip
import json
from contextlib import closing

import pytest
from edge import Reply, ask, dial, request, reset
from test_files import file_of, signed

LARGE = b"/v1/openapi.json"  # more than is compressed at once
SMALL = b"/v1/models/gzip/described"
SHORT = b"/v1/account"


@pytest.fixture(scope="module")
def me(house):
    me = house.account("gzip")
    made = me.post("/models", {"owner": "gzip", "name": "described", "visibility": "private", "hardware": "cpu-small",
                               "description": "many words, some of them again and again, " * 100})
    assert made.status == 201, made
    return me


def get(house, me, target, *fields):
    return ask(house.port, request(b"GET", target, *fields, token=me.token))


@pytest.mark.parametrize("target", [SMALL, LARGE])
@pytest.mark.parametrize("asked", [b"gzip", b"gzip, deflate, br", b"deflate, GZIP;q=0.5", b"*", b"x-gzip", b"br;q=1.0, gzip;q=0.8, *;q=0.1",
                                   b"identity;q=0.5, gzip;q=1.0", b"gzip;q=0.001"])
def test_asked_for(house, me, target, asked):
    plain = get(house, me, target)
    assert plain.field("Content-Encoding") is None and plain.field("Vary") == "Accept-Encoding"
    zipped = get(house, me, target, b"Accept-Encoding: " + asked)
    assert (zipped.status, zipped.field("Content-Encoding"), zipped.field("Vary")) == (200, "gzip", "Accept-Encoding")
    assert zipped.field("Content-Type") == plain.field("Content-Type") == "application/json"
    assert int(zipped.field("Content-Length")) == len(zipped.body) < len(plain.body) / 2
    assert gzip.decompress(zipped.body) == plain.body


@pytest.mark.parametrize("asked", [b"", b"identity", b"br", b"gzip;q=0", b"gzip; q=0.0, br", b"*;q=0", b"gzip;q=0, *",
                                   b"identity, gzip;q=0.5", b"gzipped"])
def test_not_asked_for(house, me, asked):
    reply = get(house, me, SMALL, b"Accept-Encoding: " + asked)
    assert reply.field("Content-Encoding") is None and json.loads(reply.body)["name"] == "described"


def test_short_answers(house, me):
    reply = get(house, me, SHORT, b"Accept-Encoding: gzip")
    assert reply.field("Content-Encoding") is None and reply.field("Vary") is None


def test_files_and_ranges(house, me):
    """Bytes of files go as they are, whatever they are: their ranges and tags are those of the file."""
    target = b"/v1" + signed(me, file_of(me, b"text " * 2000, "a.txt", "text/plain")).encode()
    reply = get(house, me, target, b"Accept-Encoding: gzip")
    assert reply.field("Content-Encoding") is None and reply.body == b"text " * 2000
    reply = get(house, me, target, b"Accept-Encoding: gzip", b"Range: bytes=0-1999")
    assert (reply.status, reply.field("Content-Encoding"), len(reply.body)) == (206, None, 2000)


def test_streams(house, me, acme, running):
    made = acme.predict(running, {"mode": "words", "steps": 300})
    target = made["urls"]["stream"].split(f":{house.port}", 1)[1].encode()
    reply = get(house, me, target, b"Accept-Encoding: gzip")
    assert reply.field("Content-Encoding") is None and reply.body.count(b"event: output") == 300


def test_errors(house, me):
    """Refusals that are long are compressed too."""
    body = json.dumps({f"key{index}": 1 for index in range(100)}).encode()
    reply = ask(house.port, request(b"POST", b"/v1/deployments", b"Content-Type: application/json", b"Accept-Encoding: gzip",
                                    token=me.token, body=body))
    assert (reply.status, reply.field("Content-Encoding")) == (400, "gzip")
    assert len(json.loads(gzip.decompress(reply.body))["errors"]) == 100


def test_in_order(house, me):
    """A large answer that is still being compressed holds back those behind it on its connection, and no others."""
    with closing(dial(house.port)) as link:
        link.sendall(request(b"GET", LARGE, b"Accept-Encoding: gzip", token=me.token) * 3 +
                     request(b"GET", SHORT, token=me.token) +
                     request(b"GET", LARGE, b"Accept-Encoding: gzip", b"Connection: close", token=me.token))
        replies = [Reply(link) for _ in range(5)]
    assert len(gzip.decompress(replies[0].body)) > 32 << 10, "more than is done at once"
    assert [reply.field("Content-Encoding") for reply in replies] == ["gzip"] * 3 + [None, "gzip"]
    assert len({reply.body for reply in replies if reply.field("Content-Encoding")}) == 1
    assert replies[4].field("Connection") == "close"


def test_clients_that_go_meanwhile(house, me):
    for _ in range(20):
        link = dial(house.port)
        link.sendall(request(b"GET", LARGE, b"Accept-Encoding: gzip", token=me.token) * 5)
        reset(link)
    assert get(house, me, SHORT).status == 200
