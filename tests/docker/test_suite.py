# SPDX-License-Identifier: Apache-2.0
"""The same model behaves the same wherever its instances run: each test, unchanged, over processes and over containers."""

import base64
import hashlib

import engine as engines
import pytest
from berth import MODELS, wait_for
from places import Containers, Processes
from sse import Stream

# With an engine that is not installed only it is new.
PLACES = ["docker"] if engines.OTHER else ["process", "docker"]


@pytest.fixture(scope="module", params=PLACES)
def place(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    folder.chmod(0o777)
    if request.param == "process":
        made = Processes(folder)
    else:
        made = Containers(folder, request.getfixturevalue("engine"), request.getfixturevalue("base"))
    try:
        made.start()
        made.path = made.deploy("running", made.versions["ctl"])
        yield made
        made.server.stop()
    finally:
        made.end()


def begun(place, path, gate):
    """A prediction that waits for a gate, and says so."""
    made = place.client.predict(path, {"mode": "wait", "file": gate}, wait=False)
    wait_for(lambda: "waiting\n" in place.client.prediction(made)["logs"], lambda: f"the start of {place.client.prediction(made)}")
    return made


def works(place, path, text="next"):
    made = place.client.ended(place.client.predict(path, {"text": text}, wait=False))
    assert (made["status"], made["output"]) == ("succeeded", [text]), made
    return made


def test_a_push_is_a_version_with_its_schema(place):
    version = place.client.get(f"/models/acme/model/versions/{place.versions['ctl']}").json
    assert version["openapi_schema"] == engines.describe(MODELS / "ctl", "predict.py:Predictor")
    assert version["cog_version"] == "0.23.1"
    latest = place.client.get("/models/acme/model").json["latest_version"]
    assert latest["id"] == place.versions["other"] != place.versions["ctl"]


def test_the_answer_waits(place):
    made = place.client.predict(place.path, {"mode": "words", "text": "w", "steps": 3})
    made = made if made["status"] != "starting" else place.client.ended(made)  # the first one boots for as long as it likes
    assert (made["status"], made["output"], made["error"]) == ("succeeded", ["w0 ", "w1 ", "w2 "], None), made
    assert made["logs"] == "mode words\nword 0\nword 1\nword 2\n"
    assert made["version"] == place.versions["ctl"] and made["metrics"]["predict_time"] > 0


def test_asked_until_it_has_ended(place):
    gate, pass_through = place.gate()
    made = begun(place, place.path, gate)
    now = place.client.prediction(made)
    assert (now["status"], now["output"]) == ("processing", ["begin "]), now
    pass_through()
    ended = place.client.ended(made)
    assert (ended["status"], ended["output"], ended["logs"]) == ("succeeded", ["begin ", "end"], "mode wait\nwaiting\n"), ended


def test_output_is_streamed_as_it_is_made(place):
    works(place, place.path)
    gate, pass_through = place.gate()
    made = place.client.predict(place.path, {"mode": "wait", "file": gate}, wait=False)
    stream = Stream(made["urls"]["stream"])
    assert stream.next()[::2] == ("output", "begin ")
    assert place.client.prediction(made)["status"] == "processing"
    pass_through()
    assert [event[::2] for event in stream.rest()] == [("output", "end"), ("done", "{}")]


def test_an_input_that_is_wrong(place):
    refused = place.client.post(place.path + "/predictions", {"input": {"steps": 0}})
    assert refused.status == 422 and "steps" in refused.text, refused


def test_files_go_in(place):
    version = place.push("files", "look", ref="predict.py:Look")
    path = place.deploy("look", version, "look")
    body = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\ninside\r\n--x--\r\n'
    sent = place.client.post("/files", body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert sent.status == 201, sent
    picture = b"a picture" * 100000
    values = {"file": sent.json["urls"]["get"], "more": ["data:image/png;base64," + base64.b64encode(picture).decode()], "text": "seen"}
    made = place.client.ended(place.client.predict(path, values, wait=False))
    assert made["status"] == "succeeded", made
    assert made["output"].splitlines() == [f".txt 6 {hashlib.md5(b'inside').hexdigest()}",
                                           f".png {len(picture)} {hashlib.md5(picture).hexdigest()}", "seen"]


def test_files_come_out(place):
    version = place.push("files", "one", ref="predict.py:One")
    path = place.deploy("one", version, "one")
    made = place.client.ended(place.client.predict(path, {"size": 3000000, "name": "big.png"}, wait=False))
    assert made["status"] == "succeeded" and made["output"].startswith(place.server.url), made
    answer = place.client.get(made["output"].removeprefix(place.server.url), prefix="")
    assert (answer.status, answer.type, answer.body) == (200, "image/png", b"x" * 3000000)


def test_cancel(place):
    gate, pass_through = place.gate()
    running = begun(place, place.path, gate)
    waiting = place.client.predict(place.path, {"text": "never"}, wait=False)
    for one in waiting, running:
        assert place.client.post(f"/predictions/{one['id']}/cancel").status == 200
    ended = place.client.ended(running)
    assert (ended["status"], ended["output"]) == ("canceled", ["begin "]), ended
    ended = place.client.ended(waiting)
    assert ended["status"] in ("canceled", "aborted") and not ended["output"], ended
    works(place, place.path)


def test_a_prediction_that_fails(place):
    made = place.client.ended(place.client.predict(place.path, {"mode": "raise", "text": "purpose"}, wait=False))
    assert (made["status"], made["error"], made["output"]) == ("failed", "ValueError: broken on purpose", ["before "]), made
    assert made["logs"].startswith("mode raise\n"), made  # a traceback only where the Cog that runs it writes one
    works(place, place.path)


@pytest.mark.parametrize("mode", ["crash", "exit"])
def test_a_model_that_dies(place, mode):
    made = place.client.ended(place.client.predict(place.path, {"mode": mode, "file": "/usr/bin"}, wait=False))
    assert made["status"] == "failed" and made["error"], made
    works(place, place.path)


def test_a_setup_that_fails(place):
    version = place.push("ctl", "broken", files={"setup.txt": "raise"})
    path = place.deploy("broken", version, "broken")
    ended = place.client.ended(place.client.predict(path, {}, wait=False))
    assert ended["status"] == "failed" and "the weights are broken" in ended["error"] + ended["logs"], ended
    release = wait_for(lambda: (row := place.client.get(path + "/releases").json["results"][0])["state"] == "failed" and row,
                       "the release's end")
    assert "the weights are broken" in release["failure"], release
    refused = place.client.post(path + "/predictions", {"input": {}})
    assert refused.status == 422 and "the weights are broken" in refused.json["detail"], refused


def test_what_the_setup_says(place):
    works(place, place.path)
    row = place.instances(place.path)[0]
    assert "loading the weights\n" in row["setup_log"], row
    assert place.client.get(f"{place.path}/instances/{row['id']}/log").text == row["setup_log"]


def test_several_at_once_in_one_instance(place):
    version = place.push("together", "together", concurrency=3)
    path = place.deploy("together", version, "together")
    made = [place.client.predict(path, {"text": str(n), "others": 2}, wait=False) for n in range(3)]
    assert [place.client.ended(one)["output"] for one in made] == ["0", "1", "2"]
    assert len(place.instances(path)) == 1


def test_to_three_and_to_none_and_back(place):
    path = place.deploy("scaled", place.versions["ctl"], high=3, keep_alive="1s", target_wait=0.1)
    gate, pass_through = place.gate()
    made = [place.client.predict(path, {"mode": "wait", "file": gate}, wait=False) for _ in range(3)]
    wait_for(lambda: all("waiting\n" in place.client.prediction(one)["logs"] for one in made), "each in an instance of its own")
    assert sorted(row["state"] for row in place.instances(path)) == ["active"] * 3
    pass_through()
    assert [place.client.ended(one)["output"] for one in made] == [["begin ", "end"]] * 3
    wait_for(lambda: not place.instances(path), "the end of what is idle")
    works(place, path, "again")


def test_an_update_and_a_deletion(place):
    path = place.deploy("updated", place.versions["ctl"], low=1)
    assert works(place, path)["version"] == place.versions["ctl"]
    assert place.client.patch(path, {"version": place.versions["other"]}).status == 200
    wait_for(lambda: [row["version"] for row in place.instances(path)] == [place.versions["other"]], "the first release's end")
    assert works(place, path)["version"] == place.versions["other"]
    assert place.client.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    wait_for(lambda: not place.instances(path), "the end of all")
    assert place.client.post(path + "/predictions", {"input": {}}).status >= 400


def test_a_deployment_that_was_not_used_is_deleted(place):
    path = place.deploy("unused", place.versions["ctl"])
    assert place.client.delete(path).status == 204
    assert place.client.get(path).status == 404


def test_a_version_without_a_deployment_and_its_deletion(place):
    version = place.push("ctl", "alone", files={"one.txt": "of its own"})
    made = place.client.post("/predictions", {"version": version, "input": {"text": "alone"}})
    assert made.status == 201, made
    assert place.client.ended(made.json)["output"] == ["alone"]
    assert place.client.delete(f"/models/acme/alone/versions/{version}").status == 202
    wait_for(lambda: place.client.get(f"/models/acme/alone/versions/{version}").status == 404, "its end")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_server_that_comes_back_finds_its_instances(place, how):
    works(place, place.path)
    gate, pass_through = place.gate()
    made = begun(place, place.path, gate)
    before = [row["id"] for row in place.instances(place.path) if row["state"] == "active"]
    getattr(place.server, how)()
    place.server.start()
    wait_for(lambda: [row["id"] for row in place.instances(place.path) if row["state"] == "active"] == before, "its instance")
    pass_through()
    ended = place.client.ended(made)
    assert (ended["status"], ended["output"]) == ("succeeded", ["begin ", "end"]), ended
    works(place, place.path)
