# SPDX-License-Identifier: Apache-2.0
"""Files: uploads in all forms that clients send, lists, signed downloads with ranges, limits and the end."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from berth import ROOT, wait_for

ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
BOUNDARY = "----a-boundary"


def part(name, data, filename=None, kind=None):
    head = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    if kind:
        head += f"\r\nContent-Type: {kind}"
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + (data if isinstance(data, bytes) else data.encode()) + b"\r\n"


def upload(client, *parts, **more):
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return client.post("/files", body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, **more)


def file_of(client, data=b"hello", name="a.txt", kind="text/plain"):
    answer = upload(client, part("content", data, name, kind))
    assert answer.status == 201, answer
    return answer.json


def signed(client, file, owner=None, expiry=None, secret=None, path_id=None):
    secret = secret or client.get("/account/files_secret").json["key"]
    owner, expiry = owner or client.account, expiry or int(time.time()) + 60
    text = f"{owner} {file['id']} {expiry}"
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
    return f"/files/{path_id or file['id']}/download?" + urlencode({"owner": owner, "expiry": expiry, "signature": signature})


def stored(server):
    """The files on the disk. Folders may go while they are looked at."""
    return [Path(folder) / name for folder, _, names in os.walk(server.data / "blobs") for name in names]


def test_a_file_object(acme, house):
    answer = upload(acme, part("content", b"Hello!", "note.txt", "text/plain"), part("metadata", '{"a": 1, "b": [2]}'))
    assert answer.status == 201
    file = answer.json
    assert list(file) == ["id", "name", "content_type", "size", "etag", "checksums", "metadata", "created_at", "expires_at",
                          "urls"]
    assert ID.fullmatch(file["id"])
    assert (file["name"], file["content_type"], file["size"]) == ("note.txt", "text/plain", 6)
    md5 = hashlib.md5(b"Hello!").hexdigest()
    assert file["etag"] == md5
    assert file["checksums"] == {"sha256": hashlib.sha256(b"Hello!").hexdigest(), "md5": md5}
    assert file["metadata"] == {"a": 1, "b": [2]}
    assert file["urls"] == {"get": f"{house.url}/v1/files/{file['id']}"}
    created, expires = (time.mktime(time.strptime(file[key][:19], "%Y-%m-%dT%H:%M:%S")) for key in ("created_at", "expires_at"))
    assert expires - created == 24 * 3600
    assert answer.headers["Location"] == file["urls"]["get"]
    assert acme.get(f"/files/{file['id']}").json == file


@pytest.mark.parametrize("parts, expected", [
    # The JavaScript client: both parts are files.
    ([part("content", "x", "blob_1700000000000", "image/png"), part("metadata", '{"k":"v"}', "blob", "application/json")],
     ("blob_1700000000000", "image/png", {"k": "v"})),
    # The Python and Go clients: the metadata is a field.
    ([part("metadata", '{"k":"v"}'), part("content", "x", "a.txt", "text/plain")], ("a.txt", "text/plain", {"k": "v"})),
    # The generated clients: brackets, name and type as fields of their own.
    ([part("content", "x", "upload"), part("filename", "b.json"), part("type", "application/json"),
      part("metadata[one]", "1"), part("metadata[tw\"o]", "zwei")],
     ("b.json", "application/json", {"one": "1", "tw\"o": "zwei"})),
    # Bytes, and nothing else.
    ([part("content", "x")], ("file", "application/octet-stream", {})),
    # What nobody asked for is passed over; paths and line ends in a name are not kept.
    ([part("other", "y"), part("content", "x", "../../a%0D%0Ab.txt"), part("metadata", "")],
     ("a__b.txt", "application/octet-stream", {})),
])
def test_forms_of_an_upload(acme, parts, expected):
    answer = upload(acme, *parts)
    assert answer.status == 201, answer
    assert (answer.json["name"], answer.json["content_type"], answer.json["metadata"]) == expected


@pytest.mark.parametrize("parts, status, words", [
    ([part("metadata", "{}")], 400, "content"),
    ([part("content", "x"), part("content", "y")], 400, "more than one"),
    ([part("content", "x"), part("metadata", "[1]")], 400, "must be a JSON object such as"),
    ([part("content", "x"), part("metadata", "{a")], 400, "metadata"),
    ([part("content", "x"), part("filename", "n" * 256)], 400, "255"),
    ([part("content", "x"), part("type", "nonsense")], 400, "media type"),
    ([part("content", "x"), part("metadata", '"' + "m" * 70000 + '"')], 400, "65536"),
])
def test_what_an_upload_may_not_be(acme, house, parts, status, words):
    before = len(stored(house))
    answer = upload(acme, *parts)
    assert (answer.status, answer.type) == (status, "application/problem+json")
    assert words in answer.text
    wait_for(lambda: len(stored(house)) <= before, "what was begun to be removed")


def test_other_bodies(acme):
    assert acme.post("/files", {"content": "x"}).status == 415
    assert acme.post("/files", b"x", headers={"Content-Type": "multipart/form-data"}).status == 400
    broken = acme.post("/files", part("content", "x"), headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    assert broken.status == 400 and "last boundary" in broken.text


def test_only_the_owner_sees_it(acme, org):
    file = file_of(acme)
    for method in ("GET", "DELETE"):
        answer = org.call(method, f"/files/{file['id']}")
        assert (answer.status, answer.json["detail"]) == (404, "File not found")
    assert file["id"] not in [one["id"] for one in org.get("/files").json["results"]]


def test_list_and_delete(house):
    client = house.account("lister")
    files = [file_of(client, f"{index}".encode()) for index in range(3)]
    page = client.get("/files").json
    assert [one["id"] for one in page["results"]] == [one["id"] for one in reversed(files)]
    assert page["next"] is None and page["previous"] is None
    assert page["results"][0] == files[2]
    answer = client.delete(f"/files/{files[1]['id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert client.delete(f"/files/{files[1]['id']}").status == 404
    assert client.get(f"/files/{files[1]['id']}").status == 404
    assert [one["id"] for one in client.get("/files").json["results"]] == [files[2]["id"], files[0]["id"]]
    wait_for(lambda: not [path for path in stored(house) if path.name == files[1]["id"]], "the bytes to go")


def test_download(acme, house):
    file = file_of(acme, b"0123456789", "my file \u00e4.txt")
    nobody = house.nobody()
    answer = nobody.get(signed(acme, file))
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["ETag"] == f'"{file["etag"]}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''my%20file%20%C3%A4.txt" in answer.headers["Content-Disposition"]
    answer = nobody.get(signed(acme, file), headers={"Range": "bytes=2-4"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert nobody.get(signed(acme, file), headers={"Range": "bytes=10-"}).status == 416
    assert nobody.get(signed(acme, file), headers={"If-None-Match": answer.headers["ETag"]}).status == 304
    head = nobody.call("HEAD", signed(acme, file))
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "10", b"")


def test_downloads_that_are_not_signed_right(acme, org, house):
    file = file_of(acme)
    nobody = house.nobody()
    good = signed(acme, file)
    assert nobody.get(good).status == 200
    other = file_of(acme)
    wrong = [
        signed(acme, file, expiry=int(time.time()) - 1),
        signed(acme, file, secret="other"),
        signed(acme, file, secret=org.get("/account/files_secret").json["key"]),
        signed(org, file),
        signed(acme, file, path_id=other["id"]),
        good.replace("owner=acme", "owner=some-org"),
        good.replace("owner=acme", "owner=nobody"),
        re.sub("signature=.*", "signature=", good),
        re.sub("expiry=[0-9]+", "expiry=x", good),
        f"/files/{file['id']}/download",
    ]
    for path in wrong:
        answer = nobody.get(path)
        assert (answer.status, answer.json["detail"]) == (404, "File not found"), path
    assert nobody.get("/account/files_secret").status == 401


def test_types_that_could_do_harm(acme, house):
    for kind, name, how in (("text/html", "x.html", "attachment"), ("image/svg+xml", "x.svg", "inline"),
                            ("image/png", "x.png", "inline"), ("video/mp4", "x.mp4", "inline")):
        file = file_of(acme, b"<script>", name, kind)
        answer = house.nobody().get(signed(acme, file))
        assert answer.headers["Content-Disposition"].startswith(how), kind
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_the_limit_in_the_words_that_clients_know(acme):
    answer = acme.server.send(f"POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {acme.token}\r\n"
                              f"Content-Length: {1 << 40}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "Files must be less than 100MB in size"


def test_the_limit(new_server):
    server = new_server("--max-file", "10KB")
    client = server.account("me")
    assert file_of(client, b"x" * 10000)["size"] == 10000
    answer = upload(client, part("content", b"x" * 10001, "a"))
    assert (answer.status, answer.type) == (413, "application/problem+json")
    assert answer.json == {"detail": "Files must be less than 10kB in size", "status": 413}
    # Announced as too large: refused before a byte of it has come.
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    link.putrequest("POST", "/v1/files")
    for key, value in (("Authorization", f"Bearer {client.token}"), ("Content-Length", str(1 << 40)),
                       ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")):
        link.putheader(key, value)
    link.endheaders()
    assert link.getresponse().status == 413
    link.close()
    wait_for(lambda: len(stored(server)) == 1, "what was too large to go")


def test_expiry(new_server):
    server = new_server("--file-expiry", "1s")
    client = server.account("me")
    file = file_of(client)
    wait_for(lambda: client.get(f"/files/{file['id']}").status == 404, "the end of the file")
    assert client.get("/files").json["results"] == []
    assert server.nobody().get(signed(client, file)).status == 404
    wait_for(lambda: not stored(server), "the bytes to go")
    server.stop()


def test_files_outlive_a_restart(new_server):
    server = new_server()
    client = server.account("me")
    file = file_of(client, b"kept")
    (server.data / "blobs/part/0000").write_bytes(b"left by a crash")
    stray = server.data / "blobs/00/yz/01k00000000000000000wxyz00"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"its record was never written")
    server.kill()
    server.start()
    assert server.nobody().get(signed(client, file)).body == b"kept"
    wait_for(lambda: not stray.exists(), "what has no record to go")
    assert [path.name for path in stored(server)] == [file["id"]]


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def peak(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def test_large_files_take_little_memory(new_server):
    """100 MB up and down; with sanitizers memory is not what it would be, and only the bytes count."""
    server = new_server("--max-file", "200MB")
    client = server.account("me")
    file_of(client, b"warm up")
    pid, piece = server.process.pid, os.urandom(1 << 20)
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = resident(pid)
    head = part("content", b"", "big.bin")[:-2]
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)
    link.putrequest("POST", "/v1/files")
    for key, value in (("Authorization", f"Bearer {client.token}"), ("Content-Length", str(len(head) + (100 << 20) + len(tail))),
                       ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")):
        link.putheader(key, value)
    link.endheaders()
    link.send(head)
    digest = hashlib.sha256()
    for _ in range(100):
        link.send(piece)
        digest.update(piece)
    link.send(tail)
    answer = link.getresponse()
    file = json.loads(answer.read())
    assert answer.status == 201, file
    assert (file["size"], file["checksums"]["sha256"]) == (100 << 20, digest.hexdigest())
    link.request("GET", "/v1" + signed(client, file))
    answer, back, n = link.getresponse(), hashlib.sha256(), 0
    while data := answer.read(1 << 20):
        back.update(data)
        n += len(data)
    assert (n, back.hexdigest()) == (100 << 20, digest.hexdigest())
    grown = peak(pid) - before
    print(f"memory grew by {grown / 1e6:.1f} MB")
    if b"__asan_init" not in Path(f"/proc/{pid}/exe").read_bytes():
        assert grown < 20e6


# --- the official clients ------------------------------------------------------------------------------------------------


def test_python_client(acme, house):
    replicate = pytest.importorskip("replicate")
    client = replicate.Client(api_token=acme.token, base_url=house.url)
    path = house.data / "h\u00e4.txt"
    path.write_bytes(b"from python")
    file = client.files.create(path, metadata={"k": "v"})
    assert (file.name, file.size, file.content_type, file.metadata) == ("h\u00e4.txt", 11, "text/plain", {"k": "v"})
    assert file.etag == hashlib.md5(b"from python").hexdigest()
    with path.open("rb") as opened:
        other = client.files.create(opened)
    assert client.files.get(other.id).checksums == other.checksums
    assert {file.id, other.id} <= {one.id for one in client.files.list()}
    client.files.delete(file.id)
    with pytest.raises(replicate.exceptions.ReplicateError):
        client.files.get(file.id)


JS_UPLOAD = """
const Replicate = require("replicate");
(async () => {
  const replicate = new Replicate({ auth: process.env.TOKEN, baseUrl: process.env.BASE });
  const blob = await replicate.files.create(new Blob(["from a blob"], { type: "text/plain" }), { k: "v" });
  const buffer = await replicate.files.create(Buffer.from("from a buffer"));
  const named = await replicate.files.create(new File(["named"], "n.csv", { type: "text/csv" }));
  const list = await replicate.files.list();
  const got = await replicate.files.get(blob.id);
  const gone = await replicate.files.delete(buffer.id);
  console.log(JSON.stringify({ blob, buffer, named, got, gone, listed: list.results.map((f) => f.id) }));
})().catch((e) => { console.error(e); process.exit(1); });
"""


def node(script, client, house):
    if not (ROOT / "node_modules/replicate").exists():
        pytest.skip("the JavaScript client is not installed")
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=False, cwd=ROOT, timeout=90,
                          env={**os.environ, "TOKEN": client.token, "BASE": house.url + "/v1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_javascript_client(acme, house):
    seen = node(JS_UPLOAD.replace("new File(", "new (globalThis.File ?? require('node:buffer').File)("), acme, house)
    assert re.fullmatch(r"blob_\d+", seen["blob"]["name"])
    assert (seen["blob"]["content_type"], seen["blob"]["size"], seen["blob"]["metadata"]) == ("text/plain", 11, {"k": "v"})
    assert re.fullmatch(r"buffer_\d+", seen["buffer"]["name"])
    assert (seen["named"]["name"], seen["named"]["content_type"]) == ("n.csv", "text/csv")
    assert seen["got"] == seen["blob"] and seen["gone"] is True
    assert seen["blob"]["id"] in seen["listed"]
