# SPDX-License-Identifier: Apache-2.0
"""Pushing and pulling through the server, with a real registry behind it and real clients."""

import http.client
import io
import json
import os
import subprocess
import tarfile
import urllib.request

import distribution
import pytest
from berth import LIMIT, Server, wait_for
from registry import HARDWARE, MANIFEST, SCHEMA, ask, digest_of, image_config, manifest, path_of, push, upload


@pytest.fixture
def behind(tmp_path):
    why = distribution.missing()
    if why:
        pytest.skip(why)
    folder = tmp_path / "registry"
    folder.mkdir()
    made = distribution.Distribution(folder)
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def front(tmp_path, behind):
    """A server without an engine: what is pushed becomes a version there as well."""
    data = tmp_path / "front"
    data.mkdir()
    (data / "berth.yaml").write_text(HARDWARE)
    made = Server(data, "--registry", behind.url).start()
    try:
        yield made
        made.stop()
    finally:
        made.end()


def skopeo(*words, fails=False):
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False, timeout=4 * LIMIT)
    assert (done.returncode != 0) == fails, done
    return done.stderr if fails else done.stdout


@pytest.fixture
def archive(engine, images, tmp_path):
    """An image whose last layer the engine has not, as a file: `docker save`."""
    made = engine.ask("POST", "/containers/create", {"Image": "ctl:v1"})["Id"]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as opened:
        entry = tarfile.TarInfo("noise")
        entry.size = 3 << 20
        opened.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    tar.seek(0)
    engine.fetch(f"/containers/{made}/archive?path=/", "PUT", tar, {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"})
    engine.ask("POST", f"/commit?container={made}&repo=fresh&tag=v1")
    engine.ask("DELETE", f"/containers/{made}?force=1")
    path = tmp_path / "fresh.tar"
    path.write_bytes(engine.fetch("/images/fresh:v1/get"))
    engine.ask("DELETE", "/images/fresh:v1")
    return f"docker-archive:{path}:fresh:v1"


def credentials(client):
    return f"{client.account}:{client.token}"


def address(server, name="acme/shout", tag="v1"):
    return f"docker://127.0.0.1:{server.port}/{name}:{tag}"


def copied(server, client, archive, **more):
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", credentials(client), archive, address(server, **more))
    return client.get("/models/acme/shout").json["latest_version"]["id"]


def test_what_is_pushed_is_deployed(new_server, behind, archive):
    server = new_server("--registry", behind.url)
    client = server.account("acme")
    version = copied(server, client, archive)
    path = client.deploy("pushed", "acme/shout", version)
    done = client.predict(path, {"mode": "words", "steps": 3})
    assert done["status"] == "succeeded" and done["output"] == ["hello0 ", "hello1 ", "hello2 "], done
    assert done["version"] == version
    instance = client.get(f"{path}/instances").json["results"][0]["id"]
    log = client.get(f"{path}/instances/{instance}/log").text
    assert "Pulling from acme/shout" in log and "Pull complete" in log, log


def test_skopeo_both_ways(new_server, behind, archive, tmp_path):
    server = new_server("--registry", behind.url)
    client, other = server.account("acme"), server.account("other")
    copied(server, client, archive)
    out = tmp_path / "out"
    skopeo("copy", "--src-tls-verify=false", "--src-creds", credentials(client), address(server), f"dir:{out}")
    manifest = json.loads((out / "manifest.json").read_text())
    assert all((out / layer["digest"].removeprefix("sha256:")).stat().st_size == layer["size"] for layer in manifest["layers"])
    for who in (credentials(other), "acme:none"):
        skopeo("inspect", "--tls-verify=false", "--creds", who, address(server), fails=True)


def test_the_engine_pushes_and_pulls(engine, new_server, behind):
    server = new_server("--registry", behind.url)
    client = server.account("acme")
    repository = f"127.0.0.1:{server.port}/acme/shout"
    engine.ask("POST", f"/images/ctl:v1/tag?repo={repository}&tag=v1")
    said = engine.ask("POST", f"/images/{repository}/push?tag=v1", {}, auth={"username": "acme", "password": client.token})
    assert "error" not in str(said), said
    version = client.get("/models/acme/shout").json["latest_version"]["id"]
    engine.ask("DELETE", f"/images/{repository}:v1")
    pulled = engine.ask("POST", f"/images/create?fromImage={repository}&tag=v1", {}, auth={"username": "acme", "password": client.token})
    assert version in str(pulled), pulled
    engine.ask("DELETE", f"/images/{repository}:v1")  # with the digest that the shared image got


def test_the_registry_is_killed_and_comes_back(new_server, behind, archive):
    server = new_server("--registry", behind.url)
    client = server.account("acme")
    behind.kill()
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", credentials(client), archive, address(server), fails=True)
    assert client.get("/models/acme/shout").status == 404
    behind.start()
    assert copied(server, client, archive)


def test_a_reference_of_another_registry(new_server, behind, archive):
    """What the engine has not it fetches; the version is the digest, whatever the tag becomes."""
    there = f"127.0.0.1:{behind.port}/team/shout"
    skopeo("copy", "--dest-tls-verify=false", archive, f"docker://{there}:v7")
    digest = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{there}:v7"))["Digest"]
    server = new_server()
    client = server.account("acme")
    assert server.admin("push", f"{there}:v7", "acme/model") == f"acme/model:{digest.removeprefix('sha256:')}"
    assert server.admin("push", f"{there}@{digest}", "acme/pinned") == f"acme/pinned:{digest.removeprefix('sha256:')}"
    behind.kill()
    path = client.deploy("fetched", "acme/model", digest.removeprefix("sha256:"))
    assert client.predict(path, {"text": "here"})["output"] == ["here"]
    said = server.admin("push", f"{there}:v8", "acme/model", fails=True)
    assert "has no image" in said and "refused" in said, said


def test_another_accounts_repository_and_its_blobs(front, behind):
    client, other = front.account("acme"), front.account("other")
    layer = os.urandom(100000)
    push(client, layers=(layer,))
    blob = f"blobs/{digest_of(layer)}"
    assert ask(client, "GET", f"/v2/acme/shout/{blob}")[2] == layer
    for path in (blob, "manifests/v1", "tags/list"):
        assert ask(other, "GET", f"/v2/acme/shout/{path}")[0] == 403
    assert ask(other, "GET", f"/v2/other/mine/{blob}")[0] == 404, "by its digest alone"
    answer = ask(other, "POST", f"/v2/other/mine/blobs/uploads/?mount={digest_of(layer)}&from=acme/shout")
    assert answer[0] == 202 and ask(other, "GET", f"/v2/other/mine/{blob}")[0] == 404, "by a mount"
    answer = ask(other, "POST", "/v2/other/mine/blobs/uploads/", f"mount={digest_of(layer)}&from=acme/shout",
                 Content_Type="application/x-www-form-urlencoded")
    assert answer[0] == 202 and ask(other, "GET", f"/v2/other/mine/{blob}")[0] == 404, "by a mount in a form"
    text = manifest(image_config(SCHEMA), (layer,))
    upload(other, image_config(SCHEMA), "other/mine")
    assert ask(other, "PUT", "/v2/other/mine/manifests/v1", text, Content_Type=MANIFEST)[0] == 400, "by a manifest that names it"
    assert other.get("/models/other/mine").status == 404
    assert ask(client, "POST", f"/v2/acme/second/blobs/uploads/?mount={digest_of(layer)}&from=acme/shout")[0] == 201


def begun(client, behind):
    _, fields, _ = ask(client, "POST", "/v2/acme/shout/blobs/uploads/")
    return path_of(client.server, fields["Location"])


def half_sent(client, behind):
    where = begun(client, behind)
    link = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=LIMIT)
    link.putrequest("PATCH", where)
    for name, value in (("Authorization", f"Bearer {client.token}"), ("Content-Type", "application/octet-stream"),
                        ("Content-Length", str(4 << 20))):
        link.putheader(name, value)
    link.endheaders(os.urandom(2 << 20))
    wait_for(lambda: sum(one.stat().st_size for one in behind.uploads()) > 0, "the first bytes in the registry's file")
    return link


def all_blobs(client, behind):
    for data in (b"layer", image_config(SCHEMA)):
        upload(client, data)


@pytest.mark.parametrize("who", ["server", "registry", "client"])
def test_a_kill_in_every_phase_of_a_push(front, behind, who):
    """Nothing half becomes a version, and the next push is as good as the first."""
    client = front.account("acme")
    for phase in (begun, half_sent, all_blobs):
        held = phase(client, behind)
        if who == "server":
            front.kill()
            front.start()
        elif who == "registry":
            behind.kill()
            behind.start()
        if hasattr(held, "close"):
            held.close()
        assert client.get("/models/acme/shout").status == 404, phase
        assert ask(client, "GET", "/v2/acme/shout/manifests/v1")[0] == 404, phase
    text, answer = push(client)
    assert answer[0] == 201
    assert client.get("/models/acme/shout").json["latest_version"]["id"] == digest_of(text).removeprefix("sha256:")
    assert ask(client, "GET", f"/v2/acme/shout/blobs/{digest_of(b'layer')}")[2] == b"layer"


def test_a_skopeo_that_is_killed(front, behind, tmp_path):
    """With a registry that stands still, so that it is in the middle of its push."""
    client = front.account("acme")
    folder = tmp_path / "image"
    folder.mkdir()
    layer, config = os.urandom(8 << 20), image_config(SCHEMA)
    text = manifest(config, (layer,))
    for name, data in (("version", b"Directory Transport Version: 1.1\n"), ("manifest.json", text),
                       (digest_of(layer)[7:], layer), (digest_of(config)[7:], config)):
        (folder / name).write_bytes(data)
    command = ["skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credentials(client), f"dir:{folder}", address(front)]
    with behind.stopped():
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: child.poll() is not None or open_to(behind), "its push")
        child.kill()
        child.wait(LIMIT)
    assert client.get("/models/acme/shout").status == 404
    skopeo(*command[1:])
    assert client.get("/models/acme/shout").json["latest_version"]["openapi_schema"] == SCHEMA  # its digest is skopeo's, which packs


def test_what_a_deleted_version_had_is_collected(front, behind):
    """As docs/images.md says."""
    client, layer = front.account("acme"), os.urandom(100000)
    text, answer = push(client, layers=(layer,))
    assert answer[0] == 201
    version = digest_of(text)
    assert client.delete(f"/models/acme/shout/versions/{version.removeprefix('sha256:')}").status == 202
    request = urllib.request.Request(f"{behind.url}/v2/acme/shout/manifests/{version}", method="DELETE")
    assert urllib.request.urlopen(request, timeout=LIMIT).status == 202
    digest = digest_of(layer).removeprefix("sha256:")
    blob = behind.folder / f"data/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    assert blob.exists()
    subprocess.run(["docker-registry", "garbage-collect", str(behind.folder / "config.yml")], check=True, capture_output=True,
                   timeout=LIMIT)
    assert not blob.exists()
    behind.kill()  # it remembers what it has seen
    behind.start()
    assert push(client, layers=(layer,))[1][0] == 201, "and comes again as new"
    assert ask(client, "GET", f"/v2/acme/shout/blobs/{digest_of(layer)}")[2] == layer


def open_to(behind):
    """Whether somebody is connected to the registry."""
    for line in open("/proc/net/tcp"):
        words = line.split()
        if words[2].endswith(f":{behind.port:04X}") and words[3] == "01":
            return True
    return False
