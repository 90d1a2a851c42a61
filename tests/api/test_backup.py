# SPDX-License-Identifier: Apache-2.0
"""berth backup and berth restore: a second server made from the first while that works."""

import io
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from berth import MODELS, Server, binary, wait_for

WORDS = {"mode": "words", "text": "w", "steps": 2}
FILE = {"mode": "file", "text": "kept"}


def berth(*words, **more):
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=120, **more)


def backup(server, path, *more):
    return berth("backup", path, "--data", server.data, *more)


def restore(path, data):
    return berth("restore", path, "--data", data)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("backup") / "data").start()
    try:
        client = server.account("acme")
        server.version = server.push(client, MODELS / "ctl", "model")
        server.path = client.deploy("d", "acme/model", server.version)
        yield server
        server.stop()
    finally:
        server.end()


def second_of(server, data):
    """A server on a restored folder; its clients have the tokens of the first."""
    second = Server(data)
    second.start()
    second.clients = {name: type(each)(second, each.account, each.token) for name, each in server.clients.items()}
    return second


def test_a_backup_under_load_has_all_that_was_there(first, tmp_path):
    me = first.account("acme")
    before = [me.predict(first.path, WORDS) for _ in range(20)]
    uploaded = me.call("POST", "/files", b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n',
                       {"Content-Type": "multipart/form-data; boundary=x"}).json
    stop, made, failed = threading.Event(), [], []

    def load():
        while not stop.is_set():
            answer = me.post(first.path + "/predictions", {"input": WORDS})
            (made if answer.status == 201 else failed).append(answer.json)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_for(lambda: len(made) > 20, "some load")
        done = backup(first, tmp_path / "all.tar")
        assert done.returncode == 0, done.stderr
        assert "backup of" in done.stderr and "files" in done.stderr
    finally:
        stop.set()
        thread.join()
    assert not failed
    assert not list((first.data / "backups").iterdir()), "the copy is gone"
    assert (tmp_path / "all.tar").stat().st_mode & 0o777 == 0o600
    done = restore(tmp_path / "all.tar", tmp_path / "second")
    assert done.returncode == 0, done.stderr
    second = second_of(first, tmp_path / "second")
    try:
        again = second.account("acme")
        for each in before:
            there = again.prediction(each)
            assert (there["status"], there["output"]) == ("succeeded", each["output"])
        known = [each for each in made[:21] if again.get(f"/predictions/{each['id']}").status == 200]
        assert len(known) == 21, "what was accepted before the backup began is in it"
        for each in known:
            assert again.ended(each)["status"] == "succeeded"
        answer = again.get(f"/files/{uploaded['id']}")
        assert answer.status == 200 and answer.json["checksums"] == uploaded["checksums"]
        assert (second.data / "key").read_bytes() == (first.data / "key").read_bytes()
        assert again.predict(first.path, WORDS)["status"] == "succeeded"
        second.stop()
    finally:
        second.end()


def test_through_a_pipe_and_compressed(first, tmp_path):
    done = subprocess.run(f"'{binary()}' backup - --data '{first.data}' | '{binary()}' restore - --data '{tmp_path}/piped'",
                          shell=True, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "piped/berth.db").exists() and (tmp_path / "piped").stat().st_mode & 0o777 == 0o700
    assert backup(first, tmp_path / "all.tar.gz").returncode == 0
    with tarfile.open(tmp_path / "all.tar.gz", "r:gz") as tar:
        names = tar.getnames()
    assert names[0] == "berth-backup" and names[1] == "berth.db" and names[-1] == "berth-backup-complete"
    assert not [name for name in names if name.split("/")[0] in ("instances", "cache", "lock", "tools", "backups")]


def test_files_that_go_meanwhile_are_held(first, tmp_path):
    """What the database's copy names is still there when its turn comes; it goes when the backup has ended."""
    me = first.account("acme")
    made = me.call("POST", "/files", b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n',
                   {"Content-Type": "multipart/form-data; boundary=x"}).json
    blobs = first.data / "blobs"

    def stored():
        # Folders that are empty now go, too; walk() does not mind one that went meanwhile.
        return [file for folder, _, files in os.walk(blobs) if "part" not in Path(folder).parts for file in files]

    before = len(stored())
    begun = first.ask("POST", "/backups")
    assert begun.status == 201
    assert (first.data / begun.json["database"]).exists()
    refused = backup(first, tmp_path / "no.tar")
    assert refused.returncode == 1 and begun.json["id"] in refused.stderr and "--force" in refused.stderr
    assert not (tmp_path / "no.tar").exists()
    assert me.delete(f"/files/{made['id']}").status == 204
    assert me.get(f"/files/{made['id']}").status == 404
    me.predict(first.path, WORDS)
    assert len(stored()) == before, "held"
    assert first.ask("DELETE", f"/backups/{begun.json['id']}").status == 204
    wait_for(lambda: len(stored()) == before - 1, "the end of the file")
    assert first.ask("DELETE", f"/backups/{begun.json['id']}").status == 404
    assert first.ask("POST", "/backups").status == 201
    assert backup(first, tmp_path / "forced.tar", "--force").returncode == 0


def test_a_hold_ends_by_itself(new_server):
    server = new_server("--backup-hold", "1s")
    begun = server.ask("POST", "/backups")
    assert begun.status == 201
    wait_for(lambda: not (server.data / begun.json["database"]).exists(), "the end of the hold")
    assert server.ask("DELETE", f"/backups/{begun.json['id']}").status == 404
    assert server.ask("POST", "/backups").status == 201


def test_what_is_refused(first, tmp_path):
    path = tmp_path / "all.tar"
    assert backup(first, path).returncode == 0
    again = backup(first, path)
    assert again.returncode == 1 and "exists" in again.stderr and path.stat().st_size > 1000
    done = restore(path, first.data)
    assert done.returncode == 1 and "not empty" in done.stderr
    short = tmp_path / "short.tar"
    short.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    done = restore(short, tmp_path / "half")
    assert done.returncode == 1 and "not a whole backup" in done.stderr and not (tmp_path / "half").exists()
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(MODELS / "ctl", "ctl")
    done = restore(other, tmp_path / "none")
    assert done.returncode == 1 and "not made by" in done.stderr and not (tmp_path / "none").exists()
    missing = restore(tmp_path / "missing.tar", tmp_path / "none")
    assert missing.returncode == 1 and "missing.tar" in missing.stderr
    stopped = berth("backup", tmp_path / "x.tar", "--data", tmp_path / "nobody")
    assert stopped.returncode == 2 and "no server runs" in stopped.stderr


def test_of_builds_only_logs_are_kept(first, tmp_path):
    """What a build works with comes and goes, and may be anything."""
    folder = first.data / "builds/01aaaaaaaaaaaaaaaaaaaaaaaa"
    (folder / "box/home").mkdir(parents=True)
    (folder / "box/home/secret").write_text("x")
    (folder / "source.tar.gz").write_text("x")
    (folder / "log").write_text("kept")
    try:
        assert backup(first, tmp_path / "all.tar").returncode == 0
        with tarfile.open(tmp_path / "all.tar") as tar:
            names = [name for name in tar.getnames() if folder.name in name]
            assert sorted(names) == [f"builds/{folder.name}", f"builds/{folder.name}/log"]
            assert tar.extractfile(names[-1] if names[-1].endswith("log") else names[0]).read() == b"kept"
    finally:
        shutil.rmtree(folder)


def archive(path, names):
    with tarfile.open(path, "w") as tar:
        for name, text in [("berth-backup", "1\n"), *((name, "x") for name in names), ("berth-backup-complete", f"{len(names)}\n")]:
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_paths_that_lead_out_are_told_from_names_with_dots(tmp_path):
    for at, name in enumerate(["..", "../x", "a/..", "a/../x", "a/b/..", "/x"]):
        done = restore(archive(tmp_path / f"{at}.tar", [name]), tmp_path / f"out{at}")
        assert done.returncode == 1 and "leads out" in done.stderr, (name, done)
    names = ["foo..", "foo../bar", "..foo", "a...b", "c/..d/e"]
    done = restore(archive(tmp_path / "good.tar", names[1:]), tmp_path / "good")
    assert done.returncode == 0, done
    for name in names[1:]:
        assert (tmp_path / "good" / name).read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_folder_that_is_mounted_is_named_as_such(tmp_path):
    (tmp_path / "disk").mkdir()
    path = archive(tmp_path / "b.tar", ["x"])
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$1" && exec "$2" restore "$3" --data "$1"', "sh",
                           str(tmp_path / "disk"), binary(), str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "mounted" in done.stderr and "below it" in done.stderr, done


def test_names_of_files_that_are_not_ascii(new_server, tmp_path):
    """Pushed, backed up and restored by commands whose environment says nothing of a locale."""
    folder, server = tmp_path / "model", new_server()
    shutil.copytree(MODELS / "ctl", folder)
    (folder / "gr\u00fc\u00dfe \u2603").mkdir()
    (folder / "gr\u00fc\u00dfe \u2603/\u6587.txt").write_text("kept")
    (folder / "l\u00efnk").symlink_to("gr\u00fc\u00dfe \u2603/\u6587.txt")
    me = server.account("me")
    version = server.push(me, folder, "m")
    done = berth("backup", tmp_path / "b.tar", "--data", server.data, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done
    done = berth("restore", tmp_path / "b.tar", "--data", tmp_path / "second", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done
    for data in (server.data, tmp_path / "second"):
        [found] = (data / "versions" / version).rglob("\u6587.txt")
        assert found.parent.name == "gr\u00fc\u00dfe \u2603" and found.read_text() == "kept"
        [link] = (data / "versions" / version).rglob("l\u00efnk")
        assert os.readlink(link) == "gr\u00fc\u00dfe \u2603/\u6587.txt"
