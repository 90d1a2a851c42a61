# SPDX-License-Identifier: Apache-2.0
"""The registry's front, over a registry in memory."""

import base64
import http.client
import json
import os
import threading

import pytest
import registry as registries
from berth import LIMIT, Server, wait_for
from registry import (ARCHITECTURE, HARDWARE, INDEX, MANIFEST, SCHEMA, ask, digest_of, image_config, index, manifest, path_of, push,
                      upload)


@pytest.fixture
def behind():
    made = registries.Registry()
    yield made
    made.end()


@pytest.fixture
def server(tmp_path, behind):
    data = tmp_path / "data"
    data.mkdir()
    (data / "berth.yaml").write_text(HARDWARE)
    made = Server(data, "--registry", behind.url).start()
    try:
        yield made
        made.stop()
    finally:
        made.end()


def basic(name, token):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


def refused(answer, status, code, words):
    assert answer[0] == status, answer
    error = json.loads(answer[2])["errors"][0]
    assert error["code"] == code and words in error["message"], error


def test_who_may_enter(server):
    client = server.account("acme")
    other = server.account("other")
    status, fields, body = ask(client, "GET", "/v2/", Authorization=None)
    assert status == 401 and fields["WWW-Authenticate"].startswith("Basic "), fields
    assert fields["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert json.loads(body)["errors"][0]["code"] == "UNAUTHORIZED"
    bare = client.token.removeprefix("r8_")
    for good in ({}, basic("acme", client.token), basic("acme", bare), {"Authorization": f"Bearer {bare}"}):
        assert ask(client, "GET", "/v2/", **good)[0] == 200, good
    for bad in (basic("other", client.token), basic("acme", other.token), basic("acme", ""), {"Authorization": "Basic !!"},
                {"Authorization": "Basic " + base64.b64encode(b"acme").decode()}, {"Authorization": "Bearer r8_none"}):
        assert ask(client, "GET", "/v2/", **bad)[0] == 401, bad


def test_an_image_becomes_a_version(server, behind):
    client = server.account("acme")
    text, (status, fields, _) = push(client, layers=(os.urandom(300000), b"second"))
    assert status == 201 and fields["Docker-Content-Digest"] == digest_of(text), fields
    assert path_of(server, fields["Location"]) == f"/v2/acme/shout/manifests/{digest_of(text)}"
    made = client.get("/models/acme/shout").json
    assert made["latest_version"]["id"] == digest_of(text).removeprefix("sha256:")
    assert made["latest_version"]["openapi_schema"] == SCHEMA and made["latest_version"]["cog_version"] == "0.23.1"
    assert made["visibility"] == "private"
    assert push(client)[1][0] == 201, "again, of another layer"
    assert len(client.get("/models/acme/shout/versions").json["results"]) == 2
    for command, _, sent in behind.seen:
        assert "Authorization" not in sent, f"the token went on with {command}"


def test_what_was_pushed_is_pulled(server):
    client = server.account("acme")
    layer = os.urandom(3 << 20)
    text, _ = push(client, layers=(layer,))
    for reference in ("v1", digest_of(text)):
        status, fields, body = ask(client, "GET", f"/v2/acme/shout/manifests/{reference}", Accept=MANIFEST)
        assert status == 200 and body == text and fields["Content-Type"] == MANIFEST
        status, fields, body = ask(client, "HEAD", f"/v2/acme/shout/manifests/{reference}")
        assert status == 200 and body == b"" and int(fields["Content-Length"]) == len(text)
        assert fields["Docker-Content-Digest"] == digest_of(text)
    status, fields, body = ask(client, "GET", f"/v2/acme/shout/blobs/{digest_of(layer)}")
    assert status == 200 and body == layer and int(fields["Content-Length"]) == len(layer)
    assert json.loads(ask(client, "GET", "/v2/acme/shout/tags/list")[2])["tags"] == ["v1"]
    assert ask(client, "GET", f"/v2/acme/shout/blobs/{digest_of(b'other')}")[0] == 404


def test_anothers_repository(server, behind):
    client, other = server.account("acme"), server.account("other")
    layer = b"secret weights"
    push(client, layers=(layer,))
    n = len(behind.seen)
    for method, path in (("GET", "manifests/v1"), ("HEAD", f"blobs/{digest_of(layer)}"), ("GET", f"blobs/{digest_of(layer)}"),
                         ("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("GET", "tags/list")):
        answer = ask(other, method, f"/v2/acme/shout/{path}", b"{}" if method in ("POST", "PUT") else None)
        assert answer[0] == 403, (method, path, answer)
    refused(ask(other, "GET", "/v2/nobody/shout/manifests/v1"), 403, "DENIED", "other/MODEL")
    refused(ask(other, "POST", "/v2/other/team/shout/blobs/uploads/", ""), 404, "NAME_UNKNOWN", "HOST/OWNER/NAME")
    assert len(behind.seen) == n, "the registry hears nothing of it"
    assert ask(other, "GET", f"/v2/other/mine/blobs/{digest_of(layer)}")[0] == 404
    answer = ask(other, "POST", f"/v2/other/mine/blobs/uploads/?mount={digest_of(layer)}&from=acme/shout")
    assert answer[0] == 202 and "mount" not in behind.seen[-1][1], "it is uploaded instead"
    answer = ask(other, "POST", "/v2/other/mine/blobs/uploads/", f"mount={digest_of(layer)}&from=acme/shout",
                 Content_Type="application/x-www-form-urlencoded")
    sent = behind.seen[-1][2]
    assert answer[0] == 202 and sent["Content-Type"] == "application/octet-stream", "no form: a registry reads the mount from it"
    for query in (f"mount={digest_of(layer)}&from=acme/shout&from=other/mine", f"%6Dount={digest_of(layer)}&fro%6D=acme%2Fshout",
                  f"mount={digest_of(layer)}&from=other/../acme/shout", f"mount={digest_of(layer)}&from=other/..", "mount=a/b&from=other/x"):
        assert ask(other, "POST", f"/v2/other/mine/blobs/uploads/?{query}")[0] == 202, query
        assert behind.seen[-1][1] == "/v2/other/mine/blobs/uploads/", query
    answer = ask(client, "POST", f"/v2/acme/second/blobs/uploads/?mount={digest_of(layer)}&from=acme/shout")
    assert answer[0] == 201


def test_what_cannot_be_served_is_refused(server, behind):
    client = server.account("acme")
    for config, words in ((image_config(SCHEMA, labels=False), "no labels of Cog"),
                          (image_config(SCHEMA, architecture="s390x"), "--platform linux/"),
                          (image_config(SCHEMA, architecture=ARCHITECTURE, weights=[{"name": "w"}]), "managed weights"),
                          (b"[]", "cannot be read")):
        refused(push(client, config=config)[1], 400, "MANIFEST_INVALID", words)
    refused(push(client, text=b"no json")[1], 400, "MANIFEST_INVALID", "not valid JSON")
    refused(push(client, text=manifest(b"never pushed", []))[1], 400, "MANIFEST_INVALID", "push the blobs first")
    refused(push(client, tag="-x")[1], 400, "MANIFEST_INVALID", "is no tag")
    refused(ask(client, "GET", "/v2/acme/shout/blobs/sha256:12"), 404, "BLOB_UNKNOWN", "64 hex digits")
    assert not behind.manifests, "the registry was given none of them"
    assert client.get("/models/acme/shout").status == 404


def test_what_is_too_large_to_be_read(server, behind):
    client = server.account("acme")
    config = image_config(SCHEMA, architecture=ARCHITECTURE) + b" " * (4 << 20)
    refused(push(client, config=config)[1], 400, "MANIFEST_INVALID", "4194304 bytes")
    refused(push(client, text=b" " * (4 << 20) + b"{}")[1], 413, "SIZE_INVALID", "too large")
    assert not behind.manifests and client.get("/models/acme/shout").status == 404


def test_an_index(server, behind):
    client = server.account("acme")
    config = image_config(SCHEMA, architecture=ARCHITECTURE)
    upload(client, config)
    one, strange = manifest(config, []), manifest(b"of another machine", [])
    platform = {"platform": {"os": "linux", "architecture": ARCHITECTURE}}
    for text in (one, strange):
        assert push(client, tag=digest_of(text), text=text)[1][0] == 201
    assert client.get("/models/acme/shout").status == 404, "what is pushed by its digest is a part of something"
    assert push(client, tag="cog-image.v1", text=one)[1][0] == 201
    assert client.get("/models/acme/shout").status == 404
    text = index((strange, {"platform": {"os": "linux", "architecture": "s390x"}}), (one, platform))
    status, fields, _ = ask(client, "PUT", "/v2/acme/shout/manifests/v1", text, Content_Type=INDEX)
    assert status == 201
    assert client.get("/models/acme/shout").json["latest_version"]["id"] == digest_of(text).removeprefix("sha256:")
    weights = index((one, platform), (strange, {"artifactType": "application/vnd.cog.weight.v1"}))
    refused(ask(client, "PUT", "/v2/acme/shout/manifests/v2", weights, Content_Type=INDEX), 400, "MANIFEST_INVALID", "managed weights")
    none = index((strange, {"platform": {"os": "linux", "architecture": "s390x"}}))
    refused(ask(client, "PUT", "/v2/acme/shout/manifests/v2", none, Content_Type=INDEX), 400, "MANIFEST_INVALID", "no image for Linux")
    assert ("acme/shout", "v2") not in behind.manifests


def test_an_upload_in_chunks_and_its_state(server):
    client = server.account("acme")
    upload(client, os.urandom(1 << 20), chunks=5)
    _, fields, _ = ask(client, "POST", "/v2/acme/shout/blobs/uploads/")
    where = path_of(server, fields["Location"])
    ask(client, "PATCH", where, b"begun", Content_Type="application/octet-stream")
    assert ask(client, "GET", where)[1]["Range"] == "0-4"
    refused_digest = ask(client, "PUT", f"{where}&digest={digest_of(b'something else')}", b"")
    assert refused_digest[0] == 400 and json.loads(refused_digest[2])["errors"][0]["code"] == "DIGEST_INVALID"


def test_a_layer_has_a_limit(tmp_path, behind):
    """Small enough here for the client to have sent all when it is refused."""
    server = Server(tmp_path / "small", "--registry", behind.url, "--registry-max-layer", "200KB").start()
    try:
        client = server.account("acme")
        _, fields, _ = ask(client, "POST", "/v2/acme/shout/blobs/uploads/")
        where = path_of(server, fields["Location"])
        refused(ask(client, "PATCH", where, bytes(210000)), 413, "SIZE_INVALID", "registry_max_layer")
        answer = ask(client, "PATCH", where, iter([bytes(70000)] * 3), Transfer_Encoding="chunked")
        refused(answer, 413, "SIZE_INVALID", "registry_max_layer")
        assert ask(client, "PATCH", where, bytes(1000))[0] == 202
        server.stop()
    finally:
        server.end()


def rss(server):
    with open(f"/proc/{server.process.pid}/status") as opened:
        return next(int(line.split()[1]) for line in opened if line.startswith("VmRSS"))


def test_whoever_is_quicker_waits(server, behind):
    """A registry that takes nothing holds the client back, and one that gives all at once waits for the client: what is
    under way stays small."""
    client = server.account("acme")
    data = os.urandom(6 << 20)
    _, fields, _ = ask(client, "POST", "/v2/acme/shout/blobs/uploads/")
    where, before = path_of(server, fields["Location"]), rss(server)
    behind.gate = threading.Semaphore(0)
    sent, answers = [], []

    def chunks():
        for at in range(0, len(data), 65536):
            sent.append(at)
            yield data[at:at + 65536]

    worker = threading.Thread(target=lambda: answers.append(ask(client, "PATCH", where, chunks(), Content_Length=str(len(data)))))
    worker.start()
    wait_for(lambda: len(sent) > 4, "the first pieces")
    behind.gate.release(8)
    wait_for(lambda: len(behind.uploads[where.split("/")[-1].split("?")[0]]) >= 8 * 65536, "eight pieces in the registry")
    assert not answers and rss(server) - before < 4096
    behind.gate.release(1 << 20)
    worker.join(LIMIT)
    assert answers[0][0] == 202
    behind.gate = None
    assert ask(client, "PUT", f"{where}&digest={digest_of(data)}", b"")[0] == 201


def test_a_push_that_breaks_off_leaves_no_version(server, behind):
    client = server.account("acme")
    _, fields, _ = ask(client, "POST", "/v2/acme/shout/blobs/uploads/")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    connection.putrequest("PATCH", path_of(server, fields["Location"]))
    connection.putheader("Authorization", f"Bearer {client.token}")
    connection.putheader("Content-Length", "100000")
    connection.endheaders(b"half of it")
    wait_for(lambda: behind.seen[-1][0] == "PATCH", "its beginning")
    connection.close()
    assert client.get("/models/acme/shout").status == 404
    assert push(client)[1][0] == 201


MOMENTS = [(when, *what) for what in (("POST", "uploads"), ("PATCH", "uploads"), ("PUT", "uploads"), ("GET", "blobs"),
                                      ("PUT", "manifests")) for when in ("before", "after")]


def cut_off():
    raise ConnectionError("killed")


def push_broken(client, repository):
    """Whether the push came to its end."""
    try:
        return push(client, repository)[1][0] == 201
    except (AssertionError, OSError, http.client.HTTPException):
        return False


def test_the_registry_dies_in_every_phase_of_a_push(server, behind):
    client = server.account("acme")
    for n, moment in enumerate(MOMENTS):
        behind.moments[moment] = cut_off
        made = push_broken(client, f"acme/m{n}")
        assert not behind.moments and (moment[1] == "GET" or not made), moment  # what only reads is asked again
        assert client.get(f"/models/acme/m{n}").status == (200 if made else 404), moment
        assert push(client, f"acme/m{n}")[1][0] == 201, moment
        assert len(client.get(f"/models/acme/m{n}/versions").json["results"]) == 1


def test_the_server_dies_in_every_phase_of_a_push(server, behind):
    client = server.account("acme")
    for n, moment in enumerate(MOMENTS):
        killed = threading.Event()
        behind.moments[moment] = lambda done=killed: (server.kill(), done.set())
        assert not push_broken(client, f"acme/m{n}") and killed.wait(LIMIT), moment
        server.start()
        assert client.get(f"/models/acme/m{n}").status == 404, moment
        assert push(client, f"acme/m{n}")[1][0] == 201, moment
        assert len(client.get(f"/models/acme/m{n}/versions").json["results"]) == 1


def test_without_the_registry_behind(server, behind):
    client = server.account("acme")
    behind.broken = True
    refused(ask(client, "GET", "/v2/acme/shout/manifests/v1"), 502, "UNAVAILABLE", "cannot be used")
    behind.end()
    refused(ask(client, "POST", "/v2/acme/shout/blobs/uploads/"), 502, "UNAVAILABLE", "cannot be used")
    assert ask(client, "GET", "/v2/")[0] == 200


def test_a_server_without_one(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        client = server.account("acme")
        refused(ask(client, "GET", "/v2/"), 404, "NAME_UNKNOWN", "`registry`")
        refused(ask(client, "POST", "/v2/acme/shout/blobs/uploads/"), 404, "BLOB_UPLOAD_UNKNOWN", "`registry`")
        server.stop()
    finally:
        server.end()


def test_cog_login(server):
    client = server.account("acme")
    status, _, body = ask(client, "GET", "/cog/v1/display-token-url", Authorization=None)
    assert status == 200 and json.loads(body)["url"].startswith(server.url)
    for token in (client.token, client.token.removeprefix("r8_")):
        status, _, body = ask(client, "POST", "/cog/v1/verify-token", f"token={token}", Authorization=None,
                              Content_Type="application/x-www-form-urlencoded")
        assert status == 200 and json.loads(body) == {"username": "acme"}
    assert ask(client, "POST", "/cog/v1/verify-token", "token=none", Authorization=None)[0] == 404
    assert ask(client, "POST", "/cog/v1/verify-token", "", Authorization=None)[0] == 404
