# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind, on raw connections: a clear error, nothing broken, nothing leaked."""

import json
import random
import socket

import pytest
from berth import MODELS, wait_for


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A server of its own, whose end is looked at."""
    from berth import Server
    server = Server(tmp_path_factory.mktemp("bad") / "data", "--http-head-timeout", "2s").start()
    try:
        me = server.account("me")
        server.path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture(autouse=True)
def still_works(target):
    yield
    assert target.account("me").get("/account").status == 200
    assert target.process.poll() is None


def ask(target, head, body=b""):
    """The status, the type and the body of the answer to raw bytes."""
    got = target.send(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body)
    top, _, rest = got.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 "), got[:300]
    return int(top[9:12]), top.decode().lower(), rest


def refused(answer, *codes):
    status, top, rest = answer
    assert status in codes and "application/problem+json" in top, answer
    problem = json.loads(rest)
    assert problem["detail"] and problem["status"] == status
    return problem


def post(target, body, extra=b""):
    token = target.account("me").token.encode()
    return ask(target, b"POST /v1%s/predictions HTTP/1.1\nHost: x\nAuthorization: Bearer %s\nConnection: close\n"
               b"Content-Type: application/json\nContent-Length: %d%s" % (target.path.encode(), token, len(body), extra),
               body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_ten_megabytes_of_nesting(target, opening):
    refused(post(target, opening * ((10 << 20) // len(opening))), 400)


def test_ten_megabytes_of_nesting_inside_the_input(target):
    refused(post(target, b'{"input":{"text":' + b"[" * (10 << 20) + b"]" * (1 << 10) + b"}}"), 400)


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"}", b'"', b'{"input"', b'{"input":', b'{"input":{}', b"nul", b"truee", b"01", b"1e", b"-", b"[1,]",
    b'{"a" 1}', b'{"input":{"text":"\\x"}}', b'{"input":{"text":"\\ud800"}}', b'{"input":{"text":"\\u12"}}',
    b'{"input":{"text":"a\nb"}}', b"\x00" * 1000, b"\xef\xbb\xbf{}", b'{"input":{}}{"input":{}}', b'{"input":{"\xc0\x80":1}}',
    b'{"input":{"text":"\x00"}}', b"\xff" * 5000])
def test_broken_json(target, body):
    refused(post(target, body), 400, 422)


@pytest.mark.parametrize("body", [
    b"null", b"[]", b'"x"', b"5", b'{"input":null}', b'{"input":[]}', b'{"input":{"steps":1e999}}',
    b'{"input":{"steps":99999999999999999999999999}}', b'{"input":{"steps":-0.0001}}', b'{"input":{"steps":{}}}',
    b'{"input":{"names":{"0":"a"}}}', b'{"input":{"text":true}}', b'{"input":{},"webhook":[]}',
    b'{"input":{},"webhook_events_filter":[[]]}', b'{"input":{},"extra":1}'])
def test_wrong_types(target, body):
    refused(post(target, body), 422)


def test_a_hundred_thousand_unknown_keys(target):
    body = json.dumps({"input": {}, **{f"key{index}": index for index in range(100000)}}).encode()
    refused(post(target, body), 400, 422)


@pytest.mark.parametrize("key", ["k" * (1 << 20), "\u00e9" * 500, "x" + "\u00e9" * 500, "\u0000", "a/b~c", '"\\', "\n" * 5000])
def test_odd_keys_and_values_are_shown_cut(target, key):
    me = target.account("me")
    values = {"name": key, "model": key, "version": key, "hardware": key, "min_instances": key, "max_instances": 0}
    for method, path, body in (("POST", target.path + "/predictions", {"input": {"steps": key, "mode": key}, key: 1}),
                               ("POST", target.path + "/predictions", {"input": {}, "webhook": key,
                                                                       "webhook_events_filter": [key]}),
                               ("POST", "/predictions", {"input": {}, "version": key}),
                               ("POST", "/deployments", values), ("POST", "/deployments", {key: key}),
                               ("PATCH", target.path, values), ("POST", "/models", {"owner": key, "visibility": key, key: 1})):
        answer = me.call(method, path, body)
        assert answer.status in (400, 422), answer
        assert answer.json["detail"] and len(answer.body) < 100000, answer


def test_a_hundred_thousand_wrong_values(target):
    refused(post(target, json.dumps({"input": {"names": list(range(100000))}}).encode()), 422)


def test_input_of_random_bytes(target):
    source = random.Random(5)
    for _ in range(50):
        refused(post(target, bytes(source.randrange(256) for _ in range(source.randrange(1, 400)))), 400, 422)


def test_cut_and_twisted_requests(target):
    """A good request with one byte changed, or ended early: whatever the answer, it is one, and the server lives."""
    source = random.Random(6)
    token = target.account("me").token.encode()
    good = (b"POST /v1%s/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json"
            b"\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"input\":{}}\n" % (target.path.encode(), token))
    for _ in range(200):
        at = source.randrange(len(good))
        twisted = good[:at] + bytes([source.randrange(256)]) + good[at + 1:]
        with socket.create_connection(("127.0.0.1", target.port), timeout=60) as link:
            link.sendall(twisted)
            link.shutdown(socket.SHUT_WR)
            got = link.recv(12)
            assert not got or got.startswith(b"HTTP/1.1 "), twisted
    me = target.account("me")
    wait_for(lambda: all(row["status"] not in ("starting", "processing") for row in me.get("/predictions").json["results"]),
             "the end of those that were good")


def test_header_floods(target):
    refused(ask(target, b"GET /v1/account HTTP/1.1\nHost: x\n" + b"\n".join(b"X-%d: y" % i for i in range(5000))), 431)
    refused(ask(target, b"GET /v1/account HTTP/1.1\nHost: x\nX-Long: " + b"y" * (1 << 20)), 431)
    refused(ask(target, b"GET /v1/account HTTP/1.1\nHost: x\n" + b"y" * 100000 + b": z"), 431)
    refused(ask(target, b"GET /v1/" + b"y" * (1 << 20) + b" HTTP/1.1\nHost: x"), 414)


@pytest.mark.parametrize("head, codes", [
    (b"GET /v1/account HTTP/1.1", (400,)),
    (b"GET /v1/account HTTP/1.1\nHost: a\nHost: b", (400,)),
    (b"GET /v1/account HTTP/9.9\nHost: a", (400, 505)),
    (b"GET  /v1/account HTTP/1.1\nHost: a", (400,)),
    (b"GET /v1/account HTTP/1.1\nHost : a", (400,)),
    (b"GET /v1/account HTTP/1.1\nHost: a\n folded", (400,)),
    (b"GET /v1/account HTTP/1.1\nHost: a\nX: \x01", (400,)),
    (b"POST /v1/models HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked", (400,)),
    (b"POST /v1/models HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6", (400,)),
    (b"POST /v1/models HTTP/1.1\nHost: a\nContent-Length: -5", (400,)),
    (b"POST /v1/models HTTP/1.1\nHost: a\nContent-Length: 99999999999999999999", (400, 413)),
    (b"POST /v1/models HTTP/1.1\nHost: a\nTransfer-Encoding: gzip", (400, 501)),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
    (b"PRI * HTTP/2.0", (400, 505)),
])
def test_broken_requests(target, head, codes):
    refused(ask(target, head), *codes)


@pytest.mark.parametrize("path", ["/v1/models/%00/x", "/v1/models/a%2fb/c", "/v1/models/%2e%2e/account", "/v1//account",
                                  "/v1/models/%zz/x", "/v1/models/%c0%af/x", "/v1/../../etc/passwd",
                                  "/v1/predictions/" + "%41" * 2000])
def test_odd_paths(target, path):
    token = target.account("me").token.encode()
    status, _, _ = ask(target, b"GET %s HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer %s"
                       % (path.encode(), token))
    assert status in (400, 404, 414)


def test_half_requests_are_cut_off(target):
    """Nothing, half a head and half a body, all open at once; each is closed, none by us."""
    token = target.account("me").token.encode()
    halves = [b"", b"GET /v1/acc", b"GET /v1/account HTTP/1.1\r\nHost: x\r\n",
              b"POST /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\n" % token]
    links = []
    for half in halves * 5:
        link = socket.create_connection(("127.0.0.1", target.port), timeout=60)
        link.sendall(half)
        links.append(link)
    assert target.account("me").get("/account").status == 200
    for link in links:
        with link:
            got = link.recv(4096)
            assert not got or got.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")), got


def test_requests_that_are_given_up(target):
    token = target.account("me").token.encode()
    for index in range(50):
        with socket.create_connection(("127.0.0.1", target.port), timeout=60) as link:
            link.sendall(b"POST /v1%s/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nPrefer: wait\r\n"
                         b"Content-Type: application/json\r\nContent-Length: 26\r\n\r\n"
                         % (target.path.encode(), token))
            if index % 2:
                link.sendall(b'{"input":{"text":"given"}}'[:index])


def test_a_push_that_is_given_up_leaves_nothing(target):
    me = target.account("me")
    builds = sorted(path.name for path in (target.data / "builds").iterdir())
    with socket.create_connection(("127.0.0.1", target.port), timeout=60) as link:
        link.sendall(b"POST /v1/models/me/given-up/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                     b"Content-Length: 1000000\r\n\r\n%s" % (me.token.encode(), b"x" * 100000))
        wait_for(lambda: sorted(path.name for path in (target.data / "builds").iterdir()) != builds, "its file")
    wait_for(lambda: sorted(path.name for path in (target.data / "builds").iterdir()) == builds, "the file's end")


@pytest.mark.parametrize("body", [b"", b"x", b"\x1f\x8b" + b"\x00" * 100, b"\x1f\x8b\x08\x00" + b"\xff" * 10000])
def test_archives_that_are_none(target, body):
    me = target.account("me")
    answer = me.post("/models/me/none/versions", body, headers={"Content-Type": "application/gzip"})
    assert answer.status in (202, 400, 422)
    if answer.status == 202:
        path = f"/builds/{answer.json['id']}"
        wait_for(lambda: me.get(path).json["status"] == "failed", "the failure")


def evil_archives():
    import io
    import tarfile

    def pack(*members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for info, data in members:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def member(name, kind=None, link=""):
        info = tarfile.TarInfo(name)
        if kind:
            info.type, info.linkname = kind, link
        return info

    good = (member("cog.yaml"), b'predict: "predict.py:P"\n')
    return {
        "up": pack(good, (member("../../../escaped"), b"x")),
        "absolute": pack(good, (member("/tmp/berth-escaped"), b"x")),
        "link": pack(good, (member("out", tarfile.SYMTYPE, "/etc"), b""), (member("out/berth-escaped"), b"x")),
        "hard": pack(good, (member("passwd", tarfile.LNKTYPE, "/etc/passwd"), b"")),
        "device": pack(good, (member("null", tarfile.CHRTYPE), b"")),
        "bomb": pack(good, (member("zeros"), b"\0" * (64 << 20))),
    }


@pytest.mark.parametrize("kind", ["up", "absolute", "link", "hard", "device", "bomb"])
def test_archives_that_mean_harm(target, kind):
    from pathlib import Path
    me = target.account("me")
    answer = me.post("/models/me/harm/versions", evil_archives()[kind], headers={"Content-Type": "application/gzip"})
    if answer.status == 202:
        path = f"/builds/{answer.json['id']}"
        ended = wait_for(lambda: (now := me.get(path).json)["status"] in ("failed", "succeeded") and now, "the build")
        assert ended["status"] == "failed" and ended["error"]
    assert not [path for path in target.data.rglob("*escaped*")]
    assert not Path("/tmp/berth-escaped").exists() and not Path("/etc/berth-escaped").exists()
