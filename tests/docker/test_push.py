# SPDX-License-Identifier: Apache-2.0
"""Pushing and pulling through the server, with a real registry behind it and real clients."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from berth import LIMIT, wait_for

CONFIG = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Behind:
    """Debian's docker-registry (CNCF distribution)."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "config.yml").write_text(CONFIG.format(folder=folder / "data", port=self.port))
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(self.folder / "config.yml")], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_for(self.answers, lambda: f"the registry's first answer: {(self.folder / 'log').read_text()[-2000:]}")
        return self

    def answers(self):
        try:
            return urllib.request.urlopen(self.url + "/v2/", timeout=LIMIT).status == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)


@pytest.fixture
def behind(tmp_path):
    for program in ("docker-registry", "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}")
    folder = tmp_path / "registry"
    folder.mkdir()
    made = Behind(folder)
    yield made.start()
    made.kill()


def skopeo(*words, fails=False):
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False, timeout=4 * LIMIT)
    assert (done.returncode != 0) == fails, done
    return done.stderr if fails else done.stdout


@pytest.fixture
def archive(engine, images, tmp_path):
    """The image as a file, without a registry: `docker save`."""
    path = tmp_path / "ctl.tar"
    path.write_bytes(engine.fetch("/images/ctl:v1/get"))
    return f"docker-archive:{path}:ctl:v1"


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
    log = client.get(f"{path}/instances").json["results"][0]["id"]
    assert "Pull complete" in client.get(f"{path}/instances/{log}/log").text


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


def test_the_registry_is_killed_and_comes_back(new_server, behind, archive):
    server = new_server("--registry", behind.url)
    client = server.account("acme")
    behind.kill()
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", credentials(client), archive, address(server), fails=True)
    assert client.get("/models/acme/shout").status == 404
    behind.start()
    assert copied(server, client, archive)


@pytest.mark.skipif(not os.environ.get("BERTH_TEST_LONG"), reason="2 GB: with BERTH_TEST_LONG")
def test_two_gigabytes(new_server, behind, tmp_path):
    """In and out, with less than 30 MB more memory, at 0.8 or more of the registry's own rate."""
    server = new_server("--registry", behind.url)
    client = server.account("acme")
    layer = tmp_path / "layer"
    with open(layer, "wb") as opened:
        for _ in range(2048):
            opened.write(os.urandom(1 << 20))
    digest = "sha256:" + subprocess.run(["sha256sum", str(layer)], capture_output=True, text=True, check=True).stdout.split()[0]
    before = rss(server)
    took = {}
    for name, base, words in (("registry", behind.url, []), ("server", server.url, ["-u", credentials(client)])):
        begun = time.monotonic()
        where = curl(*words, "-D", "-", "-X", "POST", f"{base}/v2/acme/{name}/blobs/uploads/")
        location = next(line.split(" ", 1)[1].strip() for line in where.splitlines() if line.lower().startswith("location:"))
        curl(*words, "-T", str(layer), f"{location}{'&' if '?' in location else '?'}digest={digest}")
        took[name, "in"] = time.monotonic() - begun
        begun = time.monotonic()
        curl(*words, "-o", str(tmp_path / "back"), f"{base}/v2/acme/{name}/blobs/{digest}")
        took[name, "out"] = time.monotonic() - begun
    assert subprocess.run(["cmp", str(layer), str(tmp_path / "back")], check=False).returncode == 0
    print(took, rss(server) - before)
    assert rss(server) - before < 30 << 10


def curl(*words):
    done = subprocess.run(["curl", "-sS", "-f", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def rss(server):
    with open(f"/proc/{server.process.pid}/status") as opened:
        return next(int(line.split()[1]) for line in opened if line.startswith("VmHWM"))
