# SPDX-License-Identifier: Apache-2.0
"""Pushed folders that somebody made to hurt: each is refused with its reason, over the real API, and nothing is written outside
the build's folder."""

import gzip
import io
import tarfile

import pytest
from berth import wait_for

LIMITS = ("--max-push", "200KB", "--max-push-unpacked", "2MB", "--max-push-files", "100", "--max-push-depth", "8",
          "--max-push-path", "200")
GOOD = ("cog.yaml", tarfile.REGTYPE, b'predict: "predict.py:P"\n')


def tar(*members, kind=tarfile.PAX_FORMAT, headers=None):
    """A tar of (name, type, content or the link's target); `headers` go to the last member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for at, (name, type_, content) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.type = type_
            if headers and at == len(members) - 1:
                info.pax_headers = headers
            if type_ == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return out.getvalue()


def packed(*members, **more):
    return gzip.compress(tar(GOOD, *members, **more))


def file(name, content=b"evil"):
    return name, tarfile.REGTYPE, content


def sparse():
    """One byte behind a hole of many gigabytes, as GNU tar 1.0 writes it."""
    content = b"1\n99999999998\n1\n".ljust(512, b"\0") + b"x"
    return packed(file("GNUSparseFile.0/holes", content), headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes", "GNU.sparse.realsize": "99999999999"})


FOLDERS = {
    "up": (packed(file("../escaped")), "(..)"),
    "up from below": (packed(file("a/b/../../../escaped")), "(..)"),
    "absolute": (packed(file("/tmp/berth-escaped")), "an absolute path"),
    "newline": (packed(file("a\nescaped")), "a control character in its name"),
    "escape sequence": (packed(file("a\x1b[2Jescaped")), "a control character in its name"),
    "not UTF-8": (gzip.compress(tar(GOOD, file("escaped-X"), kind=tarfile.GNU_FORMAT).replace(b"escaped-X", b"escaped-\xff")),
                  ""),
    "link out": (packed(("out", tarfile.SYMTYPE, "../../escaped")), "a link that points out of it"),
    "absolute link": (packed(("out", tarfile.SYMTYPE, "/tmp"), file("out/berth-escaped")), "a link that points out of it"),
    "through a link": (packed(file("d/x"), ("l", tarfile.SYMTYPE, "d"), file("l/escaped")), "cannot be put anywhere"),
    "hard link": (packed(("escaped", tarfile.LNKTYPE, "/etc/passwd")), "a hard link"),
    "hard link inside": (packed(("escaped", tarfile.LNKTYPE, "cog.yaml")), "a hard link"),
    "character device": (packed(("escaped", tarfile.CHRTYPE, "")), "a device, socket or pipe"),
    "block device": (packed(("escaped", tarfile.BLKTYPE, "")), "a device, socket or pipe"),
    "pipe": (packed(("escaped", tarfile.FIFOTYPE, "")), "a device, socket or pipe"),
    "deep": (packed(file("d/" * 8 + "escaped")), "max_push_depth"),
    "long path": (packed(file("a" * 150 + "/" + "escaped".ljust(60, "x"))), "max_push_path"),
    "many files": (packed(*[file(f"f{at}", b"") for at in range(100)]), "max_push_files"),
    "many folders on the way": (packed(*[file(f"a{at}/b/c/d/f", b"") for at in range(25)]), "max_push_files"),
    "large": (packed(file("zeros", bytes(3_000_000))), "max_push_unpacked"),
    "large together": (packed(*[file(f"zeros{at}", bytes(700_000)) for at in range(3)]), "max_push_unpacked"),
    "sparse": (sparse(), "max_push_unpacked"),
    "packed three times": (gzip.compress(gzip.compress(packed(file("zeros", bytes(50_000_000))))), "max_push_unpacked"),
    "huge header": (packed(file("x"), headers={"comment": "x" * 2_000_000}), "damaged"),
    "cut off": (packed(file("x", bytes(100_000)))[:-60], "truncated gzip input"),
    "noise": (bytes(range(256)) * 40, "not a gzip tar archive"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server, and around its data folder things that must stay as they are."""
    from berth import Server
    around = tmp_path_factory.mktemp("site")
    (around / "escaped-not").write_text("precious")
    server = Server(around / "data", *LIMITS).start()
    try:
        me = server.account("me")
        assert me.post("/models", {"owner": "me", "name": "harm", "visibility": "private", "hardware": "cpu-small"}).status == 201
        yield server
        server.stop()
    finally:
        server.end()


def outside(server):
    """Every file and folder around the server's data, and of that what is not of builds."""
    around = server.data.parent
    return {path: path.read_bytes() if path.is_file() else None for path in around.iterdir() if path != server.data}


@pytest.mark.parametrize("what", FOLDERS)
def test_it_is_refused_and_nothing_is_written_outside(site, what):
    from pathlib import Path
    archive, word = FOLDERS[what]
    me, before = site.account("me"), outside(site)
    assert len(archive) <= 200_000, "this would only test another limit"
    answer = me.post("/models/me/harm/versions", archive, headers={"Content-Type": "application/gzip"})
    assert answer.status == 202, answer
    path = f"/builds/{answer.json['id']}"
    ended = wait_for(lambda: (now := me.get(path).json)["status"] in ("failed", "succeeded") and now, "the build")
    assert ended["status"] == "failed", ended
    assert word in ended["error"], ended
    assert outside(site) == before
    assert not list(site.data.rglob("*escaped*")) and not Path("/tmp/berth-escaped").exists()


def test_one_that_is_too_large_packed_is_not_even_taken(site):
    import os
    me = site.account("me")
    answer = me.post("/models/me/harm/versions", packed(file("noise", os.urandom(400_000))),
                     headers={"Content-Type": "application/gzip"})
    assert answer.status == 413, answer
    assert "max_push" in answer.json["detail"]
