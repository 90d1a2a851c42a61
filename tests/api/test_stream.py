# SPDX-License-Identifier: Apache-2.0
"""The output of a prediction as server-sent events."""

import asyncio
import json
import os
import re
import shutil
import subprocess

import pytest
from berth import MODELS, ROOT, wait_for
from sse import Stream, read

WORDS = {"mode": "words", "text": "w", "steps": 3}
ID = re.compile(r"\d{10}:\d+")


def make(client, path, **values):
    return client.predict(path, values, wait=False)


def parts(events, name="output"):
    return [data for event, _, data in events if event == name]


def test_address_is_a_secret(acme, running):
    made = make(acme, running, **WORDS)
    url = made["urls"]["stream"]
    assert re.fullmatch(re.escape(acme.server.url) + r"/v1/streams/[0-9a-hjkmnp-tv-z]{52}", url)
    assert acme.prediction(made)["urls"]["stream"] == url
    assert make(acme, running, **WORDS)["urls"]["stream"] != url
    acme.ended(made)
    assert Stream(url[:-1] + ("0" if url[-1] != "0" else "1")).status == 404
    assert Stream(url + "0").status == 404


def test_grammar(acme, running):
    made = make(acme, running, **WORDS)
    stream = Stream(made["urls"]["stream"])
    assert (stream.status, stream.type) == (200, "text/event-stream")
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.answer.headers["Transfer-Encoding"] == "chunked"
    events = stream.rest()
    assert stream.raw[:2] == [b": hi\n", b"\n"]
    seconds = events[0][1].split(":")[0]
    assert ID.fullmatch(events[0][1])
    assert events == [("output", f"{seconds}:{index}", f"w{index} ") for index in range(3)] + [
        ("done", f"{seconds}:3", "{}")]
    # After the end, the same again, to the byte.
    acme.ended(made)
    again = Stream(made["urls"]["stream"])
    assert again.rest() == events and again.raw == stream.raw


def test_lines_and_empty_pieces(acme, running):
    made = make(acme, running, mode="echo", text="a\nb\n\nc: d \u00e9\U0001f600")
    assert parts(read(made["urls"]["stream"])) == ["a\nb\n\nc: d \u00e9\U0001f600"]
    made = make(acme, running, mode="echo", text="")
    events = read(made["urls"]["stream"])
    assert parts(events) == [""] and events[-1][0] == "done"


def test_pieces_come_as_they_are_made(acme, running, tmp_path):
    go = tmp_path / "go"
    made = make(acme, running, mode="wait", file=str(go))
    early = Stream(made["urls"]["stream"])
    assert early.next()[::2] == ("output", "begin ")
    late = Stream(made["urls"]["stream"])  # from the start, though it comes late
    assert late.next()[::2] == ("output", "begin ")
    go.touch()
    for stream in (early, late):
        assert [event[::2] for event in stream.rest()] == [("output", "end"), ("done", "{}")]


def test_waiting_in_the_queue(acme, running, tmp_path):
    go = tmp_path / "go"
    first = make(acme, running, mode="wait", file=str(go))
    assert Stream(first["urls"]["stream"]).next()
    second = make(acme, running, **WORDS)
    stream = Stream(second["urls"]["stream"])
    assert stream.block() == [": hi"]
    go.touch()
    assert parts(stream.rest()) == ["w0 ", "w1 ", "w2 "]


def test_a_failure(acme, running):
    made = make(acme, running, mode="raise", text="it")
    live = read(made["urls"]["stream"])
    assert acme.ended(made)["error"] == "ValueError: broken on it"
    assert [event[::2] for event in live] == [("output", "before "), ("error", '{"detail":"ValueError: broken on it"}'),
                                              ("done", '{"reason":"error"}')]
    assert [event[1].split(":")[1] for event in live] == ["0", "1", "2"]
    assert read(made["urls"]["stream"]) == live


def test_a_cancel(acme, running, tmp_path):
    made = make(acme, running, mode="wait", file=str(tmp_path / "never"))
    stream = Stream(made["urls"]["stream"])
    assert stream.next()
    assert acme.post(f"/predictions/{made['id']}/cancel").status == 200
    assert [event[::2] for event in stream.rest()] == [("done", '{"reason":"canceled"}')]


def test_resuming(acme, running, tmp_path):
    go = tmp_path / "go"
    made = make(acme, running, mode="wait", file=str(go))
    stream = Stream(made["urls"]["stream"])
    begin = stream.next()
    stream.close()
    resumed = Stream(made["urls"]["stream"], begin[1])
    go.touch()
    rest = resumed.rest()
    assert [event[::2] for event in rest] == [("output", "end"), ("done", "{}")]
    acme.ended(made)
    everything = [begin, *rest]
    for index, event in enumerate(everything):
        assert read(made["urls"]["stream"], event[1]) == everything[index + 1:]
    for nonsense in ("x", "1:1", ":", "99999999999999999999:1", begin[1].split(":")[0] + ":-1"):
        assert read(made["urls"]["stream"], nonsense) == everything
    failed = make(acme, running, mode="raise", text="it")
    everything = read(failed["urls"]["stream"])
    for index, event in enumerate(everything):
        assert read(failed["urls"]["stream"], event[1]) == everything[index + 1:]


def test_head_and_token(acme, running):
    made = make(acme, running, **WORDS)
    path = made["urls"]["stream"].removeprefix(acme.server.url)
    assert acme.call("HEAD", path, prefix="").status == 200
    assert acme.server.nobody().get(path, prefix="").status == 200
    assert acme.get(path, prefix="", headers={"Authorization": "Bearer of-nobody"}).status == 200


def last_attempt(events):
    """An attempt that the model server cut off (we were too slow for it) is run again, from the first piece."""
    last = events[-1][1].split(":")[0]
    return parts(event for event in events if event[1].split(":")[0] == last)


def memory(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def test_a_reader_that_does_not_read_loses_only_itself(acme, running, house):
    """Twenty who read nothing of 20 MB beside one who does: each would hold all of it if it were queued for them."""
    made = make(acme, running, mode="words", text="x" * 20000, steps=1000)
    url = made["urls"]["stream"]
    lazy = [Stream(url) for _ in range(20)]
    assert len(last_attempt(read(url))) == 1000
    assert acme.ended(made)["status"] == "succeeded"
    assert memory(house) < 1 << 30
    # What they had not read yet is still theirs.
    outputs = last_attempt(lazy[0].rest())
    assert [len(output) for output in outputs] == [20000 + len(str(index)) + 1 for index in range(1000)]
    for stream in lazy:
        stream.close()


def test_many_readers_of_one(acme, running, tmp_path):
    go = tmp_path / "go"
    made = make(acme, running, mode="wait", file=str(go))
    streams = [Stream(made["urls"]["stream"]) for _ in range(200)]
    for stream in streams:
        assert stream.next()[2] == "begin "
    go.touch()
    assert all([event[::2] for event in stream.rest()] == [("output", "end"), ("done", "{}")] for stream in streams)


def test_only_where_the_output_is_an_iterator(acme, house, tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(MODELS / "ctl", folder)
    text = (folder / "predict.py").read_text()
    head = text[:text.index("class Predictor")]
    (folder / "predict.py").write_text(head + "class Predictor(BasePredictor):\n    def predict(self) -> str:\n"
                                              "        return 'whole'\n")
    version = house.push(acme, folder, "plain")
    made = acme.post("/predictions", {"version": version, "input": {}}).json
    assert set(made["urls"]) == {"get", "cancel", "web"}


def test_values_that_are_not_text(acme, house, tmp_path):
    folder = tmp_path / "numbers"
    shutil.copytree(MODELS / "ctl", folder)
    text = (folder / "predict.py").read_text()
    head = text[:text.index("class Predictor")]
    (folder / "predict.py").write_text(
        "from typing import Any, Iterator\n" + head + "class Predictor(BasePredictor):\n"
        "    def predict(self) -> Iterator[Any]:\n"
        "        yield 1\n        yield {'a': [1, ',', {'b': '\"]'}]}\n        yield [2, 3]\n        yield 'text'\n")
    version = house.push(acme, folder, "numbers")
    made = acme.post("/predictions", {"version": version, "input": {}}).json
    live = parts(read(made["urls"]["stream"]))
    assert acme.ended(made)["output"] == [1, {"a": [1, ",", {"b": '"]'}]}, [2, 3], "text"]
    assert [json.loads(part) for part in live[:3]] == [1, {"a": [1, ",", {"b": '"]'}]}, [2, 3]] and live[3] == "text"
    assert parts(read(made["urls"]["stream"])) == live


def server_with_model(new_server, *options):
    server = new_server(*options)
    client = server.account("acme")
    version = server.push(client, MODELS / "ctl", "model")
    return server, client, client.deploy("d", "acme/model", version)


def test_over_a_restart(new_server, tmp_path):
    """A run that goes on without the server: each event comes once to a reader that comes back."""
    server, client, path = server_with_model(new_server, "--keep-instances", "--drain-timeout", "0s")
    go = tmp_path / "go"
    made = make(client, path, mode="wait", file=str(go))
    stream = Stream(made["urls"]["stream"])
    begin = stream.next()
    assert begin[2] == "begin "
    wait_for(lambda: client.prediction(made)["output"] == ["begin "], "the output")
    server.stop()
    assert stream.rest() == []  # ended in good order, without a word that it is done
    server.start()
    secret = made["urls"]["stream"].rpartition("/")[2]
    url = f"{server.url}/v1/streams/{secret}"
    resumed = Stream(url, begin[1])
    whole = Stream(url)
    go.touch()
    rest = resumed.rest()
    assert [event[::2] for event in rest] == [("output", "end"), ("done", "{}")]
    assert whole.rest() == [begin, *rest]
    assert client.ended(made)["status"] == "succeeded"


@pytest.mark.parametrize("way", ["long", "short"])
def test_the_python_client_over_a_crash(new_server, tmp_path, way):
    """A long run goes on without the server; a short one is run again. Whoever comes back has each event once."""
    import httpx
    import replicate
    server, client, path = server_with_model(new_server)
    go = tmp_path / "go"
    for _ in range(3 if way == "short" else 0):  # the version is known to be quick then
        assert client.predict(path, {"mode": "echo"})["status"] == "succeeded"
    before = replicate.Client(api_token=client.token, base_url=server.url)
    made = before.deployments.predictions.create("acme/d", input={"mode": "wait", "file": str(go)})
    events = made.stream()
    first = next(events)
    assert first.data == "begin "
    url = server.url
    server.kill()
    with pytest.raises(httpx.HTTPError):
        list(events)
    server.start()
    found = replicate.Client(api_token=client.token, base_url=server.url).predictions.get(made.id)
    found.urls["stream"] = found.urls["stream"].replace(url, server.url)  # here the port is another one
    events = found.stream()
    again = next(events)
    assert again.data == "begin " and (again.id == first.id) == (way == "long")
    resumed = Stream(found.urls["stream"], first.id)
    go.touch()
    whole = [(event.event.value, event.data) for event in events]
    assert whole == [("output", "end"), ("done", "{}")]
    expected = [("output", "end"), ("done", "{}")]
    assert [event[::2] for event in resumed.rest()] == (expected if way == "long" else [("output", "begin "), *expected])
    assert client.ended(made.id)["status"] == "succeeded"


def test_an_attempt_that_was_lost(new_server, tmp_path):
    """What a lost attempt had said is said anew by the next, under ids of its own."""
    server, client, path = server_with_model(new_server)
    go = tmp_path / "go"
    made = make(client, path, mode="wait", file=str(go))
    stream = Stream(made["urls"]["stream"])
    begin = stream.next()
    server.kill()
    for process in instance_children(server):
        os.kill(process, 9)
    server.start()
    secret = made["urls"]["stream"].rpartition("/")[2]
    resumed = Stream(f"{server.url}/v1/streams/{secret}", begin[1])
    again = resumed.next()
    assert again[2] == "begin " and again[1] != begin[1]
    go.touch()
    assert [event[::2] for event in resumed.rest()] == [("output", "end"), ("done", "{}")]


def instance_children(server):
    from berth import instance_processes
    return [pid for pid in instance_processes(server.data) if pid != server.process.pid]


def test_python_client(acme, running, house, monkeypatch):
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.05")
    import replicate
    client = replicate.Client(api_token=acme.token, base_url=house.url)
    made = client.deployments.predictions.create("acme/running", input=WORDS)
    events = list(made.stream())
    assert [(event.event.value, event.data) for event in events] == [
        ("output", "w0 "), ("output", "w1 "), ("output", "w2 "), ("done", "{}")]
    assert "".join(str(event) for event in client.stream(f"some-org/some-model:{house.version}", input=WORDS)) == "w0 w1 w2 "

    async def in_coroutines():
        stream = await client.async_stream(f"some-org/some-model:{house.version}", input=WORDS)
        again = client.deployments.predictions.create("acme/running", input=WORDS)
        return [[event.event.value async for event in events] for events in (stream, again.async_stream())]

    assert asyncio.run(in_coroutines()) == [["output", "output", "output", "done"]] * 2
    failing = client.deployments.predictions.create("acme/running", input={"mode": "raise", "text": "x"})
    with pytest.raises(RuntimeError, match="broken on x"):
        list(failing.stream())


JAVASCRIPT = """
import Replicate from "replicate";
const [url, token, ref] = process.argv.slice(1);
const replicate = new Replicate({ auth: token, baseUrl: url + "/v1" });
const parts = [];
for await (const { event, data } of replicate.stream(ref, { input: { mode: "words", text: "w", steps: 3 } }))
  parts.push([event, data]);
let thrown = "";
try {
  for await (const _ of replicate.stream(ref, { input: { mode: "raise", text: "js" } }));
} catch (error) { thrown = error.message; }
console.log(JSON.stringify({ parts, thrown }));
"""


def test_javascript_client(acme, house):
    done = subprocess.run(["node", "--input-type=module", "-e", JAVASCRIPT, house.url, acme.token,
                           f"some-org/some-model:{house.version}"], cwd=ROOT, capture_output=True, text=True, check=False,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["parts"] == [["output", "w0 "], ["output", "w1 "], ["output", "w2 "], ["done", "{}"]]
    assert "broken on js" in said["thrown"]
