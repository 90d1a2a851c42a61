# SPDX-License-Identifier: Apache-2.0
"""The disk of the data folder is full, at every place where something is written, and then there is room again."""

import os
import shutil
import subprocess
import urllib.request

import pytest
from berth import EXAMPLES, MODELS, Server, wait_for

WORDS = {"mode": "words", "text": "w", "steps": 2}
UPLOAD = {"Content-Type": "multipart/form-data; boundary=x"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root only")


def upload(size):
    return b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.bin"\r\n\r\n' + b"a" * size + b"\r\n--x--\r\n"


class Disk:
    """A file system of 64 MB, most of it taken by a file of ours that can shrink."""

    def __init__(self, folder):
        self.folder, self.filler = folder, folder / "filler"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "berth-test", folder], check=True)

    def fill(self, leave=0):
        """Leaves so many bytes, in whole pages."""
        with open(self.filler, "ab") as filler:
            while (free := self.free() - leave) > 0:
                piece = min(free, 1 << 20)
                os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, piece)

    def free(self):
        seen = os.statvfs(self.folder)
        return seen.f_bavail * seen.f_frsize

    def empty(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.folder], check=False)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    made = Disk(tmp_path_factory.mktemp("small") / "disk")
    yield made
    made.unmount()


@pytest.fixture(autouse=True)
def room(disk):
    """Each test begins and ends with an empty disk."""
    yield
    disk.empty()


@pytest.fixture(scope="module")
def server(disk):
    """A server whose data is on the small disk, and that does not watch how much is left."""
    made = Server(disk.folder / "data", "--disk-reserve", "0").start()
    try:
        client = made.account("acme")
        made.version = made.push(client, MODELS / "ctl", "model")
        made.path = client.deploy("d", "acme/model", made.version, low=1)
        client.predict(made.path, WORDS)
        yield made
        disk.empty()
        made.stop()
    finally:
        made.end()


def test_what_cannot_be_written_is_refused_and_what_was_accepted_is_kept(server, disk, tmp_path):
    me, go = server.account("acme"), tmp_path / "go"
    long = me.predict(server.path, {"mode": "wait", "file": str(go)}, wait=False)
    wait_for(lambda: me.prediction(long)["status"] == "processing", "the start")
    disk.fill()
    refused = me.post(server.path + "/predictions", {"input": {"mode": "words", "text": "w" * 100000}})
    assert refused.status == 507 and refused.type == "application/problem+json", refused
    assert me.call("POST", "/files", upload(1 << 20), UPLOAD).status == 507
    pushed = server.push(me, MODELS / "ctl", "other", fails=True)
    assert "space" in pushed
    assert me.get("/predictions").status == 200 and me.prediction(long)["status"] == "processing"
    go.touch()
    wait_for(lambda: server.records("an end could not be stored; it is tried again"), "the first try")
    assert me.prediction(long)["status"] == "processing", "not told before it is durable"
    disk.empty()
    assert me.ended(long)["output"] == ["begin ", "end"]
    assert me.predict(server.path, WORDS)["status"] == "succeeded"
    assert me.call("POST", "/files", upload(1 << 20), UPLOAD).status == 201
    assert server.push(me, EXAMPLES / "hello", "other")


def test_at_every_write(server, disk):
    """With a little more room each time: what answered 201 ends, what answered 507 does not exist."""
    me = server.account("acme")
    accepted, refused = [], 0
    known = {each["id"] for each in everything(me)}
    for leave in range(0, 200_000, 8192):
        disk.fill(leave)
        for size in (10, 3000, 30000):
            answer = me.post(server.path + "/predictions", {"input": {"mode": "words", "text": "w" * size, "steps": 1}})
            assert answer.status in (201, 507), answer
            if answer.status == 201:
                accepted.append(answer.json["id"])
            refused += answer.status == 507
        disk.empty()
    assert refused and accepted, (refused, len(accepted))
    for each in accepted:
        assert me.ended(each)["status"] == "succeeded"
    assert {each["id"] for each in everything(me)} - known == set(accepted)


def everything(client):
    found, path = [], "/predictions"
    while path:
        answer = client.get(path).json
        found += answer["results"]
        path = answer["next"] and answer["next"].partition("/v1")[2]
    return found


def test_an_unfinished_upload_leaves_nothing(server, disk):
    me = server.account("acme")
    before = me.get("/files").json["results"]
    assert not [path for path in (server.data / "blobs/part").iterdir()], "nothing unfinished is left"
    disk.fill()
    assert me.call("POST", "/files", upload(100_000), UPLOAD).status == 507
    wait_for(lambda: not list((server.data / "blobs/part").iterdir()), "what was begun to go")
    assert me.get("/files").json["results"] == before


@pytest.mark.parametrize("shape", ["Many", "Frames"])
def test_output_files_wait_for_room(server, tmp_path, shape):
    """Those that cannot be told come with the end: it waits until they can be stored, and nothing is lost."""
    me, blobs = server.account("acme"), server.data / "blobs"
    shutil.copytree(MODELS / "files", tmp_path / "model")
    config = tmp_path / "model/cog.yaml"
    config.write_text(config.read_text().replace(":One", f":{shape}"))
    path = me.deploy(shape.lower(), f"acme/{shape.lower()}", server.push(me, tmp_path / "model", shape.lower()))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "berth-test", blobs], check=True)
    try:
        (blobs / "part").mkdir()
        (blobs / "filler").write_bytes(b"x" * 16384)
        made = me.predict(path, {"n": 3}, wait=False)
        wait_for(lambda: any(each["prediction"] == made["id"] for each in
                             server.records("an output could not be stored; it is tried again")), "the first try")
        assert me.prediction(made)["status"] == "processing"
    finally:
        subprocess.run(["umount", "-l", blobs], check=True)
    ended, what = me.ended(made), "part" if shape == "Many" else "frame"
    assert ended["status"] == "succeeded" and len(ended["output"]) == 3, ended
    for index, url in enumerate(ended["output"]):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == f"{what} {index}".encode()


def test_what_a_training_made_waits_for_room(server):
    """The disk was full when its weights were to be kept: the training does not fail for it."""
    me, weights = server.account("acme"), server.data / "weights"
    version = server.push(me, EXAMPLES / "train", "writer")
    weights.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "berth-test", weights], check=True)
    try:
        (weights / "filler").write_bytes(b"x" * 16384)
        assert me.post("/models", {"owner": "acme", "name": "trained", "visibility": "private", "hardware": "cpu"}).status == 201
        made = me.post(f"/models/acme/writer/versions/{version}/trainings",
                       {"destination": "acme/trained", "input": {"steps": 1}}).json
        wait_for(lambda: any(each["training"] == made["id"] for each in
                             server.records("what a training made could not be stored; it is tried again")), "the first try")
        assert me.get(f"/trainings/{made['id']}").json["status"] == "processing"
    finally:
        subprocess.run(["umount", "-l", weights], check=True)
    last = wait_for(lambda: (one := me.get(f"/trainings/{made['id']}").json)["completed_at"] and one, "its end")
    assert last["status"] == "succeeded" and last["output"]["version"].startswith("acme/trained:"), last


def test_a_start_on_a_full_disk_says_so(server, disk):
    me = server.account("acme")
    made = me.predict(server.path, WORDS)
    server.stop()
    disk.fill()
    full = Server(server.data, "--disk-reserve", "0")
    with pytest.raises(AssertionError) as said:
        full.start()
    assert "did not start" in str(said.value) and ("space" in str(said.value) or "full" in str(said.value))
    disk.empty()
    server.start()
    assert me.prediction(made)["output"] == made["output"]
    assert me.predict(server.path, WORDS)["status"] == "succeeded"


def test_the_reserve_is_kept_for_what_was_accepted(server, disk, tmp_path):
    server.stop()
    watching = Server(server.data, "--disk-reserve", "8MB").start()
    watching.clients = {"acme": type(server.account("acme"))(watching, "acme", server.account("acme").token)}
    try:
        me, go = watching.account("acme"), tmp_path / "go"
        long = me.predict(server.path, {"mode": "wait", "file": str(go)}, wait=False)
        disk.fill(4 << 20)
        wait_for(lambda: me.get("/capacity").json["disk"]["is_low"], "the disk to be seen full")
        refused = me.post(server.path + "/predictions", {"input": WORDS})
        assert refused.status == 507 and "disk_reserve" in refused.json["detail"] and refused.headers["Retry-After"]
        assert me.call("POST", "/files", upload(10), UPLOAD).status == 507
        assert me.get("/predictions").status == 200
        go.touch()
        assert me.ended(long)["status"] == "succeeded", "there is room for its end"
        assert watching.records("the disk is nearly full: nothing new is accepted until there is room again")
        disk.empty()
        wait_for(lambda: not me.get("/capacity").json["disk"]["is_low"], "the room to be seen")
        assert me.predict(server.path, WORDS)["status"] == "succeeded"
        watching.stop()
    finally:
        watching.end()
        disk.empty()
        server.start()
