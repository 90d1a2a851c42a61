# SPDX-License-Identifier: Apache-2.0
"""Files in the inputs and outputs of predictions: where they come from, what the model sees, what the client gets."""

import base64
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
import urllib.request

import pytest
from berth import MODELS, instance_processes, wait_for
from receiver import Receiver
from sse import Stream, read
from test_files import file_of, node, signed, stored

OUTPUT = re.compile(r"(http://127\.0\.0\.1:\d+)/v1/outputs/[0-9a-hjkmnp-tv-z]{52}/([^/]+)")


class Web(http.server.ThreadingHTTPServer):
    """A web server for inputs: what a path answers is in `pages`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked, self.gate = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        """Who asked has gone."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/slow"):
            self.server.gate.wait(60)
        status, fields, body = self.server.pages.get(self.path.split("?")[0], (404, {}, b"not here"))
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **fields}.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = Web()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def files_house(tmp_path_factory):
    """A server that may fetch from this machine, with all shapes of the file model."""
    from berth import Server

    server = Server(tmp_path_factory.mktemp("files") / "data", "--input-private-targets", "--max-input-file", "3MB",
                    "--input-fetch-timeout", "20s", "--webhook-private-targets", "--cors-origins", "https://app.example.com").start()
    try:
        client = server.account("me")
        for shape in ("One", "Look", "Many", "Mixed", "Frames", "Slow"):
            push_shape(server, client, tmp_path_factory.mktemp(shape), shape)
        yield server
        server.stop()
    finally:
        server.end()


def push_shape(server, client, folder, shape, high=1):
    shutil.copytree(MODELS / "files", folder / "model")
    config = folder / "model/cog.yaml"
    config.write_text(config.read_text().replace(":One", f":{shape}"))
    version = server.push(client, folder / "model", shape.lower())
    client.deploy(shape.lower(), f"me/{shape.lower()}", version, high=high)


@pytest.fixture
def me(files_house):
    return files_house.account("me")


def run(client, shape, values, **more):
    return client.predict(f"/deployments/me/{shape}", values, **more)


def done(client, shape, values):
    """The prediction as it is kept, without files in its answer."""
    made = client.ended(run(client, shape, values, wait=False))
    assert made["status"] == "succeeded", made
    return made


def fetch(url, **fields):
    with urllib.request.urlopen(urllib.request.Request(url, headers=fields)) as answer:
        return answer.status, answer.headers, answer.read()


def md5(data):
    return hashlib.md5(data).hexdigest()


# --- outputs -------------------------------------------------------------------------------------------------------------


def test_an_output_is_an_address(me):
    made = done(me, "one", {"size": 1000, "name": "my pic.png"})
    match = OUTPUT.fullmatch(made["output"])
    assert match and match[2] == "my%20pic.png"
    assert made["urls"]["get"].startswith(match[1])
    status, fields, body = fetch(made["output"])
    assert (status, fields["Content-Type"], body) == (200, "image/png", b"x" * 1000)
    assert fields["Access-Control-Allow-Origin"] == "*"
    _, fields, _ = fetch(made["output"], Origin="https://app.example.com")
    assert fields.get_all("Access-Control-Allow-Origin") == ["https://app.example.com"]  # two would count as none
    status, fields, body = fetch(made["output"], Range="bytes=-5")
    assert (status, fields["Content-Range"], body) == (206, "bytes 995-999/1000", b"xxxxx")
    assert me.prediction(made)["output"] == made["output"]


def test_an_address_is_all_that_is_needed_and_cannot_be_guessed(me, files_house):
    made = done(me, "one", {})
    path = made["output"].removeprefix(files_house.url)
    nobody = files_house.nobody()
    assert nobody.get(path, prefix="").status == 200
    assert nobody.get(path.replace("/outputs/", "/outputs/0")[:-1], prefix="").status == 404
    assert nobody.get("/v1/outputs/" + "0" * 52 + "/out.png", prefix="").status == 404


def test_a_list_keeps_its_order(me):
    made = done(me, "many", {"n": 12})
    assert len(made["output"]) == 12
    for index, url in enumerate(made["output"]):
        assert OUTPUT.fullmatch(url)[2] == f"output-{index}.txt"
        status, fields, body = fetch(url)
        assert (status, fields.get_content_type(), body) == (200, "text/plain", f"part {index}".encode())
    assert done(me, "many", {"n": 0})["output"] == []


def test_a_file_inside_of_something_else(me):
    made = done(me, "mixed", {})
    assert made["output"]["title"] == "data:,kept"
    assert OUTPUT.fullmatch(made["output"]["picture"])[2] == "output.webp"
    assert fetch(made["output"]["picture"])[2] == b"picture"


def test_a_stream_of_files(me, files_house):
    made = run(me, "frames", {"n": 3}, wait=False)
    assert re.fullmatch(re.escape(files_house.url) + "/v1/files/streams/file-[0-9a-hjkmnp-tv-z]{52}", made["urls"]["stream"])
    events = read(made["urls"]["stream"])
    assert [name for name, _, _ in events] == ["output"] * 3 + ["done"]
    urls = [data for name, _, data in events if name == "output"]
    assert [fetch(url)[2] for url in urls] == [b"frame 0", b"frame 1", b"frame 2"]
    assert me.ended(made)["output"] == urls


def files_of(server, made):
    """What is recorded of a prediction's output: ids of the files that are there."""
    with sqlite3.connect(f"file:{server.data}/berth.db?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute(
            "SELECT id FROM file WHERE prediction_id = ? AND kind = 1 AND expires_at = 0", [made["id"]])]


@pytest.mark.parametrize("same", [False, True])
def test_a_file_is_told_when_it_is_made(me, files_house, tmp_path, same):
    made = run(me, "slow", {"folder": str(tmp_path), "n": 3, "same": same}, wait=False)
    stream, urls = Stream(made["urls"]["stream"]), []
    for index in range(3):
        (tmp_path / str(index)).touch()
        event, _, url = stream.next()
        assert event == "output" and OUTPUT.fullmatch(url)[2] == f"output-{index}.png"
        assert fetch(url)[2] == f"frame {0 if same else index}".encode()
        urls.append(url)
        if index < 2:
            now = me.prediction(made)
            assert (now["status"], now["output"]) == ("processing", urls)
    assert [event[::2] for event in stream.rest()] == [("done", "{}")]
    assert len(set(urls)) == 3
    ended = me.ended(made)
    assert (ended["status"], ended["output"]) == ("succeeded", urls)
    assert [event[2] for event in read(made["urls"]["stream"])][:-1] == urls
    assert len(files_of(files_house, made)) == 3


def test_webhooks_tell_the_files_so_far(me, tmp_path):
    hook = Receiver()
    try:
        made = me.post("/deployments/me/slow/predictions", {
            "input": {"folder": str(tmp_path), "n": 2}, "webhook": hook.url(), "webhook_events_filter": ["output", "completed"]}).json
        (tmp_path / "0").touch()
        wait_for(lambda: hook.of(made), "the first file to be told")
        first = hook.of(made)[0].json
        assert first["status"] == "processing" and [fetch(url)[2] for url in first["output"]] == [b"frame 0"]
        (tmp_path / "1").touch()
        wait_for(lambda: hook.of(made)[-1].json["status"] == "succeeded", "the end")
        assert hook.of(made)[-1].json["output"] == me.prediction(made)["output"]
        assert hook.of(made)[-1].json["output"][0] == first["output"][0]
    finally:
        hook.stop()


@pytest.mark.parametrize("how", ["canceled", "failed"])
def test_files_that_were_told_stay(me, files_house, tmp_path, how):
    made = run(me, "slow", {"folder": str(tmp_path), "n": 2, "dies": how == "failed"}, wait=False)
    stream = Stream(made["urls"]["stream"])
    (tmp_path / "0").touch()
    url = stream.next()[2]
    if how == "failed":
        (tmp_path / "1").touch()
    else:
        me.post(f"/predictions/{made['id']}/cancel")
    assert [event for event, _, _ in stream.rest()][-1] == "done"
    ended = me.ended(made)
    assert (ended["status"], ended["output"]) == (how, [url])
    assert fetch(url)[2] == b"frame 0" and len(files_of(files_house, made)) == 1


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_files_that_were_told_over_a_restart(new_server, tmp_path, way):
    """Joined again, the run gives its files once more: they keep their addresses, and nothing is stored twice."""
    server = new_server("--keep-instances", "--drain-timeout", "0s")
    client = server.account("me")
    push_shape(server, client, tmp_path, "Slow")
    made = run(client, "slow", {"folder": str(tmp_path)}, wait=False)
    stream = Stream(made["urls"]["stream"])
    (tmp_path / "0").touch()
    first = stream.next()
    (tmp_path / "1").touch()
    second = stream.next()
    if way == "stop":
        server.stop()
    else:
        server.kill()
    server.start()
    secret = made["urls"]["stream"].rpartition("/")[2]
    whole, resumed = Stream(f"{server.url}/v1/streams/{secret}"), Stream(f"{server.url}/v1/streams/{secret}", second[1])
    assert [whole.next(), whole.next()] == [first, second]
    (tmp_path / "2").touch()
    third, end = resumed.rest()
    assert whole.rest() == [third, end] and end[::2] == ("done", "{}")
    assert client.ended(made)["output"] == [first[2], second[2], third[2]]
    assert len(files_of(server, made)) == 3
    for index, event in enumerate((first, second, third)):
        path = event[2].partition("/v1/")[2]
        assert fetch(f"{server.url}/v1/{path}")[2] == f"frame {index}".encode()


def test_files_of_a_lost_attempt_go(new_server, tmp_path):
    server = new_server()
    client = server.account("me")
    push_shape(server, client, tmp_path, "Slow")
    made = run(client, "slow", {"folder": str(tmp_path), "n": 2}, wait=False)
    stream = Stream(made["urls"]["stream"])
    (tmp_path / "0").touch()
    first = stream.next()
    lost = files_of(server, made)
    server.kill()
    for process in [pid for pid in instance_processes(server.data) if pid != server.process.pid]:
        os.kill(process, signal.SIGKILL)
    server.start()
    secret = made["urls"]["stream"].rpartition("/")[2]
    again = Stream(f"{server.url}/v1/streams/{secret}", first[1]).next()
    assert again[2] != first[2]
    (tmp_path / "1").touch()
    ended = client.ended(made)
    assert ended["status"] == "succeeded" and ended["output"][0] == again[2] and len(ended["output"]) == 2
    kept = files_of(server, made)
    assert len(kept) == 2 and not set(kept) & set(lost)
    wait_for(lambda: {path.name for path in stored(server)} == set(kept), "the bytes of the lost attempt to go")


@pytest.mark.parametrize("shape", ["one", "many"])
def test_files_go_with_their_prediction(me, files_house, shape):
    made = done(me, shape, {"size": 321} if shape == "one" else {"n": 2})
    urls = [made["output"]] if shape == "one" else made["output"]
    paths = [url.removeprefix(files_house.url) for url in urls]
    before = len(stored(files_house))
    assert me.delete(f"/predictions/{made['id']}").status == 204
    assert [files_house.nobody().get(path, prefix="").status for path in paths] == [404] * len(paths)
    wait_for(lambda: len(stored(files_house)) <= before - len(paths), "the bytes to go")


@pytest.mark.parametrize("shape, values", [("one", {"size": 5}), ("many", {"n": 2})])
def test_small_files_come_with_the_answer_on_plain_http(me, shape, values):
    """The clients make file objects of https: and data: only."""
    answer = run(me, shape, values)
    assert answer["status"] == "succeeded"
    for value in answer["output"] if shape == "many" else [answer["output"]]:
        assert value.startswith("data:")
    kept = me.prediction(answer)["output"]
    for value in kept if shape == "many" else [kept]:
        assert OUTPUT.fullmatch(value)
    if shape == "one":
        assert base64.b64decode(answer["output"].split(",")[1]) == fetch(kept)[2] == b"xxxxx"


def test_large_files_do_not(me):
    answer = run(me, "one", {"size": 1100000})
    assert OUTPUT.fullmatch(answer["output"])
    assert len(fetch(answer["output"])[2]) == 1100000


def test_a_missing_file_fails_the_prediction(me):
    made = me.ended(run(me, "one", {"nothing": True}, wait=False))
    assert made["status"] == "failed"
    assert "no output file" in made["error"]


# --- inputs ----------------------------------------------------------------------------------------------------------------


def looked(client, values):
    return done(client, "look", values)["output"].split("\n")


def test_a_file_is_fetched(me, web):
    web.pages["/dir/a b.jpg"] = web.pages["/dir/a%20b.jpg"] = (200, {"Content-Type": "image/jpeg"}, b"jpeg")
    url = f"{web.url}/dir/a%20b.jpg?token=1"
    made = done(me, "look", {"file": url, "text": url})
    assert made["input"] == {"file": url, "text": url}
    assert made["output"].split("\n") == [f"a b.jpg 4 {md5(b'jpeg')}".replace("a b", ""), url]
    assert web.asked == ["/dir/a%20b.jpg?token=1"]


def test_several_files(me, web):
    more = []
    for index in range(6):
        web.pages[f"/{index}.txt"] = (200, {}, f"file {index}".encode())
        more.append(f"{web.url}/{index}.txt")
    seen = looked(me, {"file": more[0], "more": [*more, "data:text/plain;base64,eA=="]})
    assert seen[:-1] == [f".txt 6 {md5(f'file {index}'.encode())}" for index in [0, 0, 1, 2, 3, 4, 5]] + [f".txt 1 {md5(b'x')}"]
    assert sorted(web.asked) == [f"/{index}.txt" for index in range(6)]


def test_redirects_are_followed(me, web):
    web.pages["/from"] = (302, {"Location": "sub/to?x=1"}, b"")
    web.pages["/sub/to"] = (301, {"Location": f"{web.url}/end"}, b"")
    web.pages["/end"] = (200, {"Content-Disposition": 'attachment; filename="real.webp"'}, b"there")
    assert looked(me, {"file": f"{web.url}/from"})[0] == f".webp 5 {md5(b'there')}"


def test_a_name_without_an_extension_gets_one(me, web):
    web.pages["/picture"] = (200, {"Content-Type": "image/png"}, b"png")
    assert looked(me, {"file": f"{web.url}/picture"})[0] == f".png 3 {md5(b'png')}"


def sizes(server):
    """Of the files on the disk, which may go while they are looked at."""
    found = []
    for path in stored(server):
        try:
            found.append(path.stat().st_size)
        except FileNotFoundError:
            pass
    return found


def test_large_data_becomes_a_file(me, files_house):
    data = bytes(range(256)) * 1000
    made = done(me, "look", {"file": "data:image/png;base64," + base64.b64encode(data).decode()})
    assert made["output"].split("\n")[0] == f".png 256000 {md5(data)}"
    wait_for(lambda: 256000 not in sizes(files_house), "the copy of the input to go when it has served")


def test_own_files(me, files_house):
    file = file_of(me, b"mine", "m.csv", "text/csv")
    assert looked(me, {"file": file["urls"]["get"]})[0] == f".csv 4 {md5(b'mine')}"
    # By whatever name the server is known, and signed.
    other = file["urls"]["get"].replace("127.0.0.1", "localhost")
    assert looked(me, {"file": other})[0] == f".csv 4 {md5(b'mine')}"
    assert looked(me, {"file": files_house.url + "/v1" + signed(me, file)})[0] == f".csv 4 {md5(b'mine')}"


def test_an_output_is_an_input(me):
    made = done(me, "one", {"size": 7, "name": "o.gif"})
    assert looked(me, {"file": made["output"]})[0] == f".gif 7 {md5(b'x' * 7)}"


def failed(client, values):
    made = client.ended(run(client, "look", values, wait=False))
    assert made["status"] == "failed", made
    return made["error"]


def test_what_cannot_be_fetched(me, web, files_house):
    stranger = files_house.account("stranger")
    foreign = file_of(stranger)["urls"]["get"]
    web.pages["/big"] = (200, {}, b"x" * 3000001)
    web.pages["/endless"] = (200, {"Content-Length": None}, b"x" * 3000001)
    web.pages["/loop"] = (302, {"Location": "/loop"}, b"")
    web.pages["/ftp"] = (302, {"Location": "ftp://example.com/x"}, b"")
    web.pages["/short"] = (200, {"Content-Length": "100"}, b"x")
    for url, words in ((f"{web.url}/none?secret=1", "status 404"), (f"{web.url}/big", "larger than 3 MB (max_input_file)"),
                       (f"{web.url}/endless", "larger than 3 MB"), (f"{web.url}/loop", "more than 5 times"),
                       (f"{web.url}/ftp", "redirects"), (f"{web.url}/short", "could not be fetched"),
                       (foreign, "does not exist"), ("http://127.0.0.1:1/x", "could not be fetched"),
                       (f"{files_house.url}/v1/outputs/{'0' * 52}/x", "does not exist")):
        error = failed(me, {"file": url})
        assert 'The input "file"' in error and words in error, (url, error)
        assert "secret=1" not in error
    error = failed(me, {"file": f"{web.url}/none", "more": [f"{web.url}/none"]})
    assert "could not be fetched" in error
    assert "not a valid data: URI" in failed(me, {"file": "data:;base64," + "&" * 100000})


def test_other_schemes_are_refused_at_once(me):
    for url in ("file:///etc/passwd", "/etc/passwd", "ftp://example.com/x"):
        assert me.post("/deployments/me/look/predictions", {"input": {"file": url}}).status == 422


def test_private_addresses_are_refused(new_server, web, tmp_path):
    server = new_server()
    client = server.account("me")
    push_shape(server, client, tmp_path, "Look")
    web.pages["/x"] = (200, {}, b"x")
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        error = failed(client, {"file": web.url.replace("127.0.0.1", host) + "/x"})
        assert "private" in error and "input_private_targets" in error, error
    assert web.asked == []
    # Our own files are no such thing.
    assert looked(client, {"file": file_of(client, b"own")["urls"]["get"]})[0] == f".txt 3 {md5(b'own')}"


def test_nobody_waits_for_a_slow_download(me, web):
    web.pages["/slow.txt"] = web.pages["/quick.txt"] = (200, {}, b"x")
    slow = run(me, "look", {"file": f"{web.url}/slow.txt"}, wait=False)
    wait_for(lambda: web.asked, "the fetch to begin")
    assert done(me, "look", {"file": f"{web.url}/quick.txt"})["status"] == "succeeded"
    assert me.prediction(slow)["status"] == "starting"
    web.gate.set()
    assert me.ended(slow)["status"] == "succeeded"


def test_canceled_while_it_is_fetched(me, web, files_house):
    web.pages["/slow.bin"] = (200, {}, b"x")
    made = run(me, "look", {"file": f"{web.url}/slow.bin"}, wait=False)
    wait_for(lambda: web.asked, "the fetch to begin")
    assert me.post(f"/predictions/{made['id']}/cancel").json["status"] == "canceled"
    web.gate.set()
    assert me.prediction(made)["status"] == "canceled"


def test_an_input_is_for_its_instance_only(me, files_house):
    """Nobody else can make up such an address."""
    file = file_of(me)
    nobody = files_house.nobody()
    assert nobody.get(f"/_i/{'0' * 52}/input/{file['id']}{'0' * 52}/a.txt", prefix="").status == 404


def test_fetching_goes_on_after_a_restart(new_server, web, tmp_path):
    server = new_server("--input-private-targets")
    client = server.account("me")
    push_shape(server, client, tmp_path, "Look")
    web.pages["/slow.txt"] = (200, {}, b"late")
    made = run(client, "look", {"file": f"{web.url}/slow.txt"}, wait=False)
    wait_for(lambda: web.asked, "the fetch to begin")
    server.stop()
    server.start()
    wait_for(lambda: len(web.asked) > 1, "the fetch to begin again")
    web.gate.set()
    assert client.ended(made)["output"].split("\n")[0] == f".txt 4 {md5(b'late')}"


# --- the official clients ------------------------------------------------------------------------------------------------


def test_python_client(me, files_house):
    replicate = pytest.importorskip("replicate")
    client = replicate.Client(api_token=me.token, base_url=files_house.url)
    version = me.get("/models/me/one").json["latest_version"]["id"]
    opened = io.BytesIO(b"from python")
    opened.name = "p.txt"
    output = client.run(f"me/one:{version}", input={"file": opened, "name": "o.txt"})
    assert type(output).__name__ == "FileOutput"
    assert output.read() == b"from python"
    made = client.deployments.predictions.create("me/one", input={"file": io.BytesIO(b"again")})
    made.wait()
    assert fetch(made.output)[2] == b"again"


JS_RUN = """
const Replicate = require("replicate");
(async () => {
  const replicate = new Replicate({ auth: process.env.TOKEN, baseUrl: process.env.BASE });
  const seen = {};
  for (const [name, file] of [["blob", new Blob(["from a blob"], { type: "text/plain" })], ["buffer", Buffer.from("from a buffer")]]) {
    const output = await replicate.run("me/one:VERSION", { input: { file, name: "o.txt" } });
    seen[name] = [output.constructor.name, await (await output.blob()).text()];
  }
  const many = await replicate.run("me/many:MANY", { input: { n: 2 } });
  seen.many = await Promise.all(many.map(async (file) => await (await file.blob()).text()));
  seen.frames = [];
  for await (const { event, data } of replicate.stream("me/frames", { input: { n: 2 } }))
    if (event === "output") seen.frames.push([data.constructor.name, await (await data.blob()).text()]);
  console.log(JSON.stringify(seen));
})().catch((e) => { console.error(e); process.exit(1); });
"""


def test_javascript_client(me, files_house):
    script = JS_RUN.replace("VERSION", me.get("/models/me/one").json["latest_version"]["id"])
    script = script.replace("MANY", me.get("/models/me/many").json["latest_version"]["id"])
    seen = node(script, me, files_house)
    assert seen == {"blob": ["FileOutput", "from a blob"], "buffer": ["FileOutput", "from a buffer"], "many": ["part 0", "part 1"],
                    "frames": [["FileOutput", "frame 0"], ["FileOutput", "frame 1"]]}
