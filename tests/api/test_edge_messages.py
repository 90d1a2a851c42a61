# SPDX-License-Identifier: Apache-2.0
"""Messages that could be understood in two ways, or not at all: refused with the reason, and nothing behind them on that
connection is ever read as a request. Each is sent in one piece and byte by byte."""

import json
import socket
from contextlib import closing

import pytest
from berth import read_all
from edge import HOST, Reply, ask, dial, is_closed, request, try_send
from test_files import file_of, signed

POST = b"POST /v1/models HTTP/1.1\r\n" + HOST + b"Authorization: Bearer TOKEN\r\n"
GET = b"GET /v1/hardware HTTP/1.1\r\n" + HOST + b"Authorization: Bearer TOKEN\r\n"
CHUNKED = b"QUERY /v1/models HTTP/1.1\r\n" + HOST + b"Authorization: Bearer TOKEN\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"\r\n"

REFUSED = {
    "length-and-encoding": (400, POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "encoding-and-length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
    "two-lengths": (400, POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
    "length-plus": (400, POST + b"Content-Length: +38\r\n\r\n"),
    "length-two-spaces": (400, POST + b"Content-Length:  38\r\n\r\n"),
    "length-space-behind": (400, POST + b"Content-Length: 38 \r\n\r\n"),
    "length-list": (400, POST + b"Content-Length: 38,38\r\n\r\n"),
    "length-hexadecimal": (400, POST + b"Content-Length: 0x26\r\n\r\n"),
    "length-20-digits": (400, POST + b"Content-Length: 00000000000000000038\r\n\r\n"),
    "length-20-nines": (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "length-negative": (400, POST + b"Content-Length: -1\r\n\r\n"),
    "length-empty": (400, POST + b"Content-Length:\r\n\r\n"),
    "encoding-unknown": ((400, 501), POST + b"Transfer-Encoding: gzip\r\n\r\n"),
    "encoding-chunked-not-last": ((400, 501), POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "encoding-xchunked": ((400, 501), POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "encoding-chunked-twice": ((400, 501), POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "encoding-in-http10": (400, b"POST /v1/models HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "head-ended-by-cr": (400, GET + b"\r"),
    "field-ended-by-cr": (400, GET + b"X: y\rTransfer-Encoding: chunked\r\n\r\n"),
    "head-ended-by-cr-cr-lf": (400, GET + b"\r\r\n"),
    "line-ended-by-lf": (400, b"GET /v1/hardware HTTP/1.1\n" + HOST + END),
    "field-ended-by-lf": (400, b"GET /v1/hardware HTTP/1.1\r\nHost: berth.test\n\r\n"),
    "chunk-size-hexadecimal-prefix": (400, CHUNKED + b"0x26\r\n"),
    "chunk-size-plus": (400, CHUNKED + b"+4\r\nabcd\r\n0\r\n\r\n"),
    "chunk-size-empty": (400, CHUNKED + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunk-size-beyond-64-bits": (400, CHUNKED + b"ffffffffffffffffff\r\nabcd\r\n0\r\n\r\n"),
    "chunk-size-ended-by-lf": (400, CHUNKED + b"4\nabcd\r\n0\r\n\r\n"),
    "chunk-ended-by-lf": (400, CHUNKED + b"4\r\nabcd\n0\r\n\r\n"),
    "chunk-longer-than-it-says": (400, CHUNKED + b"4\r\nabcdef\r\n0\r\n\r\n"),
    "chunk-extension-over-1-kib": (400, CHUNKED + b"4;a=" + b"x" * 1100 + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunk-extensions-over-1-kib": (400, CHUNKED + b"4" + b";a" * 600 + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunks-without-last-crlf": (400, CHUNKED + b"4\r\nabcd\r\n0\r\nG"),
    "trailer-over-32-kib": (431, CHUNKED + b"0\r\nX: " + b"x" * 40000),
    "value-with-nul": (400, GET + b"X: a\0b\r\n\r\n"),
    "value-with-escape": (400, GET + b"X: a\x1b[1mb\r\n\r\n"),
    "value-with-del": (400, GET + b"X: a\x7f\r\n\r\n"),
    "value-with-vertical-tab": (400, GET + b"X: a\vb\r\n\r\n"),
    "name-space-before-colon": (400, GET + b"X : a\r\n\r\n"),
    "name-empty": (400, GET + b": a\r\n\r\n"),
    "name-with-space": (400, GET + b"X y: a\r\n\r\n"),
    "field-without-colon": (400, GET + b"Xa\r\n\r\n"),
    "host-missing": (400, b"GET /v1/hardware HTTP/1.1\r\n\r\n"),
    "host-twice": (400, GET + HOST + END),
    "host-with-user": (400, b"GET /v1/hardware HTTP/1.1\r\nHost: user@berth.test\r\n\r\n"),
    "host-with-space": (400, b"GET /v1/hardware HTTP/1.1\r\nHost: berth test\r\n\r\n"),
    "fold-space": (400, GET + b"X: a\r\n b\r\n\r\n"),
    "fold-tab": (400, GET + b"X: a\r\n\tb\r\n\r\n"),
    "fold-first-line": (400, b"GET /v1/hardware HTTP/1.1\r\n X: a\r\n" + HOST + END),
    "request-line-over-8-kib": (414, b"GET /" + b"a" * 8400 + b" HTTP/1.1\r\n" + HOST + END),
    "headers-over-32-kib": (431, GET + b"X: " + b"x" * 33000 + b"\r\n\r\n"),
    "headers-over-32-kib-in-many": (431, GET + b"".join(b"X-%d: %s\r\n" % (i, b"x" * 700) for i in range(60)) + END),
    "headers-over-100": (431, GET + b"".join(b"X-%d: y\r\n" % i for i in range(100)) + END),
    "http-0.9": (400, b"GET /v1/hardware\r\n"),
    "http-0.9-by-name": (400, b"GET /v1/hardware HTTP/0.9\r\n\r\n"),
    "http-1.2": (400, b"GET /v1/hardware HTTP/1.2\r\n" + HOST + END),
    "http-2-preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "tls-on-the-plain-port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "method-unknown": (501, b"BREW /v1/hardware HTTP/1.1\r\n" + HOST + END),
    "method-lower-case": (501, b"get /v1/hardware HTTP/1.1\r\n" + HOST + END),
    "target-without-slash": (400, b"GET hardware HTTP/1.1\r\n" + HOST + END),
    "expectation-unknown": (417, POST + b"Content-Length: 4\r\nExpect: tea\r\n\r\nabcd"),
    "body-over-the-limit": (413, POST + b"Content-Length: 1000000000\r\n\r\n"),
    "body-over-the-limit-expecting": (413, POST + b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"),
    "body-over-the-limit-of-a-get": (413, GET + b"Content-Length: 1000000\r\n\r\n"),
}


@pytest.fixture(scope="module")
def trap(house):
    """A request that would leave a trace if it were read: a model that must never be there."""
    me = house.account("edge")
    body = b'{"owner": "edge", "name": "smuggled", "visibility": "private", "hardware": "cpu-small"}'
    good = request(b"POST", b"/v1/models", b"Content-Type: application/json", token=me.token, body=body)
    yield good
    assert me.get("/models/edge/smuggled").status == 404, "a request behind a refused message was read"
    assert ask(house.port, good).status == 201, "the trap works"


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(house, trap, name, pieces):
    expected, message = REFUSED[name]
    message = message.replace(b"TOKEN", house.account("edge").token.encode())
    with closing(dial(house.port)) as link:
        if pieces == "whole":
            try_send(link, message + trap + trap)
        elif len(message) < 2000:
            for index in range(len(message)):
                if not try_send(link, message[index:index + 1]):
                    break
            try_send(link, trap)
        else:  # in pieces that end anywhere
            for index in range(0, len(message), 97):
                if not try_send(link, message[index:index + 97]):
                    break
            try_send(link, trap)
        reply = Reply(link)
        assert reply.status in (expected if isinstance(expected, tuple) else (expected,)), reply
        assert reply.field("Content-Type") == "application/problem+json" and reply.field("Connection") == "close"
        assert reply.field("X-Request-Id")
        problem = json.loads(reply.body)
        assert problem["status"] == reply.status and len(problem["detail"]) > 10
        assert is_closed(link), "one answer, then the end"


def test_a_chunked_body_over_the_limit(house, trap):
    """No length was announced: refused as soon as it is too long."""
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        try_send(link, request(b"POST", b"/v1/models", b"Transfer-Encoding: chunked", token=me.token))
        for _ in range(2000):
            if not try_send(link, b"4000\r\n" + b"x" * 0x4000 + b"\r\n"):
                break
        reply = Reply(link)
        assert (reply.status, reply.field("Connection")) == (413, "close"), reply


@pytest.mark.parametrize("message", [
    b"GET /v1/hardware HTTP/1.1\r\nHost: be", POST + b"Content-Length: 10\r\n\r\nabc", CHUNKED + b"4\r\nab",
    CHUNKED + b"4\r\nabcd\r\n0\r\n"], ids=["head", "body", "chunk", "last-chunk"])
def test_an_end_in_the_middle(house, message):
    with closing(dial(house.port)) as link:
        link.sendall(message.replace(b"TOKEN", house.account("edge").token.encode()))
        link.shutdown(socket.SHUT_WR)
        reply = Reply(link)
        assert (reply.status, reply.field("Connection")) == (400, "close"), reply
        assert is_closed(link)


def test_sizes_that_pass(house):
    me = house.account("edge")
    fields = [b"X-%d: %s" % (i, b"y" * 300) for i in range(97)]
    reply = ask(house.port, request(b"GET", b"/v1/hardware?" + b"a" * 8000, *fields, token=me.token))
    assert reply.status == 200, reply
    reply = ask(house.port, CHUNKED.replace(b"TOKEN", me.token.encode()) +
                b'4;c="d e";f=%s\r\nabcd\r\n0\r\nX-Trailer: y\r\n\r\n' % (b"g" * 900))
    assert reply.status == 200, reply


# --- what is asked for, rather than how ---

PATHS = {
    "nul": (b"/v1/models/edge/a%00b", (400, 404)), "dots-encoded": (b"/v1/models/edge/%2e%2e", (400, 404)),
    "dots": (b"/v1/models/../hardware", (400, 404)), "dots-encoded-inside": (b"/v1/models/%2e%2e/hardware", (400, 404)),
    "dot": (b"/v1/./hardware", (400, 404)), "two-slashes": (b"/v1//hardware", (400, 404)),
    "two-slashes-ahead": (b"//v1/hardware", (400, 404)), "slash-encoded": (b"/v1%2fhardware", (400, 404)),
    "slash-encoded-in-a-parameter": (b"/v1/models/edge%2fx", (400, 404)),
    "percent-cut": (b"/v1/models/edge/a%2", (400, 404)), "percent-letters": (b"/v1/models/edge/a%zz", (400, 404)),
    "utf8-overlong": (b"/v1/models/edge/%c0%af", (400, 404)), "utf8-overlong-dots": (b"/v1/%c0%ae%c0%ae/hardware", (400, 404)),
    "utf8-surrogate": (b"/v1/models/edge/%ed%a0%80", (400, 404)), "line-end": (b"/v1/models/edge/a%0d%0ab", (400, 404)),
    "backslash": (b"/v1\\hardware", (400, 404)), "fragment": (b"/v1/hardware#x", (400, 404)),
    "absolute": (b"http://berth.test/v1/hardware", (200,)), "glued": (b"/v1/https://berth.test/v1/hardware", (200,)),
    "glued-to-nothing": (b"/v1/https:///v1/hardware", (400, 404)),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths(house, name):
    target, expected = PATHS[name]
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        link.sendall(request(b"GET", target, token=me.token))
        reply = Reply(link)
        assert reply.status in expected, reply
        assert reply.field("Connection") is None, "it is what it asks for that is wrong: the connection goes on"
        link.sendall(request(b"GET", b"/v1/account", token=me.token))
        assert Reply(link).status == 200


METHODS = {
    "options-of-all": (b"OPTIONS", b"*", {"GET", "HEAD", "POST", "PATCH", "DELETE", "QUERY"}),
    "options": (b"OPTIONS", b"/v1/hardware", {"GET", "HEAD"}), "trace": (b"TRACE", b"/v1/hardware", {"GET", "HEAD"}),
    "put": (b"PUT", b"/v1/hardware", {"GET", "HEAD"}), "query": (b"QUERY", b"/v1/hardware", {"GET", "HEAD"}),
    "propfind": (b"PROPFIND", b"/v1/hardware", {"GET", "HEAD"}), "patch-of-models": (b"PATCH", b"/v1/models", {"GET", "HEAD", "POST", "QUERY"}),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_the_path_does_not_take(house, name):
    method, target, allowed = METHODS[name]
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        link.sendall(request(method, target, token=me.token))
        reply = Reply(link)
        assert (reply.status, reply.field("Content-Type")) == (405, "application/problem+json"), reply
        assert allowed <= set(reply.field("Allow").split(", ")), reply
        link.sendall(request(b"GET", b"/v1/account", token=me.token))
        assert Reply(link).status == 200


def test_connect(house, trap):
    with closing(dial(house.port)) as link:
        link.sendall(b"CONNECT berth.test:443 HTTP/1.1\r\nHost: berth.test:443\r\n\r\n" + trap)
        reply = Reply(link)
        assert reply.status == 405 and "GET" in reply.field("Allow"), reply
        assert read_all(link) == b"", "what follows may be anything and is not read"


def test_query_is_known(house):
    reply = ask(house.port, request(b"QUERY", b"/v1/models", b"Content-Type: text/plain", body=b"x",
                                    token=house.account("edge").token))
    assert reply.status == 200, reply


@pytest.mark.parametrize("target", [b"/v1/account", b"/v1/hardware", b"/v1/openapi.json", b"/healthz", b"/v1/nothing",
                                    b"/v1/models", b"/v1/predictions/nothing"])
@pytest.mark.parametrize("coding", [b"identity", b"gzip"])
def test_head(house, target, coding):
    """The same head as GET, and no body."""
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        link.sendall(request(b"HEAD", target, b"Accept-Encoding: " + coding, token=me.token))
        head = Reply(link, head_only=True)
        link.sendall(request(b"GET", target, b"Accept-Encoding: " + coding, token=me.token))
        get = Reply(link)
        assert head.status == get.status

        def same(reply):
            return [field for field in reply.fields if field[0] not in ("Date", "X-Request-Id")]

        assert same(head) == same(get)


def test_head_of_a_file(house):
    """Bytes that are streamed have their head too, and the connection goes on after it."""
    me = house.account("edge")
    target = b"/v1" + signed(me, file_of(me, b"x" * 100000, "a.bin", "application/octet-stream")).encode()
    with closing(dial(house.port)) as link:
        for _ in range(2):
            link.sendall(request(b"HEAD", target))
            head = Reply(link, head_only=True)
            assert (head.status, head.field("Content-Length")) == (200, "100000"), head
            link.sendall(request(b"GET", target))
            assert Reply(link).body == b"x" * 100000
