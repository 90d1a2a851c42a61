# SPDX-License-Identifier: Apache-2.0
"""Folders with a model.yaml: servers that speak OpenAI's protocol, as vLLM's does, or plain HTTP."""

import http.client
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from berth import EXAMPLES, LIMIT, MODELS, instance_processes, wait_for

openai = pytest.importorskip("openai")

HELLO = [{"role": "user", "content": "a b c"}]
WORDS = ["user: ", "a ", "b ", "c ", "(None) "]


@pytest.fixture(scope="module")
def lab(house):
    client = house.account("lab")
    client.chat = client.deploy("chat", "lab/words", house.push(client, MODELS / "vllm", "words"))
    client.plain = client.deploy("plain", "lab/plain", house.push(client, MODELS / "plain", "plain"))
    return client


@pytest.fixture(scope="module")
def ai(house, lab):
    return openai.OpenAI(base_url=f"{house.url}/openai/v1", api_key=lab.token, max_retries=0)


def read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def there(path):
    return wait_for(path.exists, path) or path


def done(client, path, **values):
    made = client.predict(path, values)
    return made if made["status"] in ("succeeded", "failed", "canceled") else client.ended(made)


# --- the OpenAI protocol ---


def test_a_version_of_a_chat(lab):
    answer = lab.get("/models/lab/words")
    schema = answer.json["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert schema["Output"]["x-cog-array-type"] == "iterator" and schema["Output"]["x-cog-array-display"] == "concatenate"
    assert schema["Input"]["properties"]["max_tokens"]["x-order"] == 3 and schema["Input"]["required"] == []


def test_a_prediction_of_a_chat(lab):
    ended = done(lab, lab.chat, messages=HELLO)
    assert (ended["status"], ended["output"], ended["error"]) == ("succeeded", WORDS, None)
    metrics = ended["metrics"]
    assert (metrics["input_token_count"], metrics["output_token_count"]) == (7, 5) and metrics["predict_time"] > 0
    ended = done(lab, lab.chat, prompt="x", system_prompt="be kind", temperature=0.5)
    assert "".join(ended["output"]) == "system: be kind user: x (0.5) "
    assert done(lab, lab.chat, messages=HELLO, max_tokens=2)["output"] == WORDS[:2]
    assert lab.post(lab.chat + "/predictions", {"input": {"prompt": "x", "temperature": 3}}).status == 422


def test_streamed_as_it_comes(lab, tmp_path):
    gate = tmp_path / "gate"
    made = lab.post(lab.chat + "/predictions", {"input": {"messages": HELLO, "gate": str(gate)}, "stream": True}).json
    there(tmp_path / "gate.running")
    wait_for(lambda: lab.prediction(made)["status"] == "processing", "its begin")
    connection = http.client.HTTPConnection("127.0.0.1", lab.server.port, timeout=LIMIT)
    connection.request("GET", made["urls"]["stream"].partition(str(lab.server.port))[2], headers={"Accept": "text/event-stream"})
    events = connection.getresponse()
    first = b""
    while b"user: " not in first:
        first += events.read1()
    gate.write_text("")
    rest = events.read()
    connection.close()
    assert b"event: done" in rest and b"data: c " in rest
    assert lab.ended(made)["output"] == WORDS


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_of_openai(ai, streams):
    answer = ai.chat.completions.create(model="lab/chat", messages=HELLO, temperature=1, stream=streams,
                                        **({"stream_options": {"include_usage": True}} if streams else {}))
    if streams:
        chunks = list(answer)
        text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
        usage = chunks[-1].usage
    else:
        text, usage = answer.choices[0].message.content, answer.usage
    assert text.split() == ["user:", "a", "b", "c", "(1)"] or text.split() == ["user:", "a", "b", "c", "(1.0)"]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 5, 12)
    assert ai.completions.create(model="lab/chat", prompt="x").choices[0].text.startswith("user: x")


def test_a_cancel_is_seen_by_the_server(lab, tmp_path):
    made = lab.predict(lab.chat, {"messages": HELLO, "gate": str(tmp_path / "gate")}, wait=False)
    there(tmp_path / "gate.running")
    wait_for(lambda: lab.prediction(made)["output"], "its first word")
    assert lab.post(f"/predictions/{made['id']}/cancel").status == 200
    there(tmp_path / "gate.gone")
    ended = lab.ended(made)
    assert (ended["status"], ended["output"]) == ("canceled", WORDS[:1])


def test_a_client_of_openai_that_hangs_up(ai, tmp_path):
    stream = ai.chat.completions.create(model="lab/chat", messages=HELLO, stream=True, extra_body={"gate": str(tmp_path / "gate")})
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    there(tmp_path / "gate.running")
    stream.close()
    there(tmp_path / "gate.gone")


def test_as_many_at_once_as_it_says(lab, tmp_path):
    made = [lab.predict(lab.chat, {"messages": HELLO, "gate": str(tmp_path / f"gate{i}")}, wait=False) for i in range(4)]
    wait_for(lambda: len(list(tmp_path.glob("*.running"))) == 3, "three at once")
    (tmp_path / "gate3").write_text("")
    assert lab.prediction(made[3])["status"] == "starting"
    for i in range(3):
        (tmp_path / f"gate{i}").write_text("")
    assert [lab.ended(one)["output"] for one in made] == [WORDS] * 4


def test_what_goes_wrong_with_a_chat(lab):
    ended = done(lab, lab.chat, messages=HELLO, how="long")
    assert (ended["status"], ended["output"]) == ("failed", None)
    assert ended["error"].startswith("This model's maximum context length is 8 tokens.") and "400" in ended["error"]
    ended = done(lab, lab.chat, messages=HELLO, how="break")
    assert (ended["status"], ended["output"], ended["error"]) == ("failed", WORDS[:1], "the engine has no more memory")
    for how, output in (("cut", WORDS[:1]), ("slam", None)):
        ended = done(lab, lab.chat, messages=HELLO, how=how)
        assert (ended["status"], ended["output"]) == ("failed", output) and "closed the connection" in ended["error"], ended
    ended = done(lab, lab.chat, temperature=1)
    assert ended["status"] == "failed" and "neither messages nor a prompt" in ended["error"]
    ended = done(lab, lab.chat, messages=HELLO, how="crash")
    assert ended["status"] == "failed" and "exit" in ended["error"].lower(), ended
    assert done(lab, lab.chat, messages=HELLO)["output"] == WORDS  # another instance


# --- plain HTTP ---


def test_json_in_and_out(lab):
    ended = done(lab, lab.plain, name="you", unknown=1)
    assert ended["status"] == "succeeded", ended
    assert ended["output"] == {"greeting": "hello", "given": {"kind": "json", "name": "you", "count": 1}}
    assert done(lab, lab.plain, kind="text")["output"] == "hello world"
    assert lab.post(lab.plain + "/predictions", {"input": {"kind": "no"}}).status == 422
    schema = lab.get("/models/lab/plain").json["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert schema["Output"] == {"title": "Output"}


def with_output(tmp_path, output):
    folder = tmp_path / "model"
    shutil.copytree(MODELS / "plain", folder)
    with (folder / "model.yaml").open("a") as file:
        file.write(f"output: {output}\n")
    return folder


def test_files_in_and_out(house, lab, tmp_path):
    ended = done(lab, lab.plain, image="data:text/plain;base64,aGVsbG8=")
    assert ended["output"]["given"]["image"] == 5
    folder = with_output(tmp_path, "{schema: {type: string, format: uri}}")
    path = lab.deploy("pictures", "lab/pictures", house.push(lab, folder, "pictures"))
    ended = lab.prediction(done(lab, path, kind="picture"))
    assert ended["output"].startswith(f"{house.url}/") and ended["output"].endswith(".png"), ended
    answer = lab.get(ended["output"].removeprefix(house.url), prefix="")
    assert (answer.status, answer.type) == (200, "image/png") and answer.body.startswith(b"\x89PNG") and b"IEND" in answer.body


def test_a_large_answer(lab):
    assert done(lab, lab.plain, kind="big", count=300000)["output"] == "x" * 300000


def test_what_goes_wrong_with_a_plain_server(lab):
    for kind, what in (("fail", "no idea (the model server answered 500)"), ("detail", "name is odd (the model server answered 422)"),
                       ("page", "The model server answered 404."), ("slam", "closed the connection")):
        ended = done(lab, lab.plain, kind=kind)
        assert ended["status"] == "failed" and what in ended["error"], ended
    ended = done(lab, lab.plain, kind="words")
    assert (ended["output"], ended["error"]) == ("a", "no more words")


def test_events_are_pieces(house, lab, tmp_path):
    folder = with_output(tmp_path, "{schema: {type: string}, stream: true, from: word}")
    path = lab.deploy("events", "lab/events", house.push(lab, folder, "events"))
    assert done(lab, path, kind="stream")["output"] == ["one", "two"]
    ended = done(lab, path, kind="json")
    assert ended["status"] == "failed" and "nothing at word" in ended["error"]


# --- what is pushed ---


def test_the_example(house, lab):
    path = lab.deploy("example", "lab/example", house.push(lab, EXAMPLES / "server", "example"))
    assert done(lab, path, text="hello there", width=5)["output"] == "hello\nthere"
    assert lab.post(path + "/predictions", {"input": {"text": "x", "width": 0}}).status == 422


def variant(tmp_path, text):
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (folder / "model.yaml").write_text(text)
    return folder


def test_what_model_yaml_is_refused_for(house, lab, tmp_path):
    said = house.push(lab, variant(tmp_path, "protocol: grpc\ncommand: [x]\n"), "bad", fails=True)
    assert 'model.yaml: protocol is "grpc"; it must be openai or plain' in said
    (tmp_path / "model/cog.yaml").write_text('predict: "predict.py:Predictor"\n')
    assert "both a cog.yaml and a model.yaml" in house.push(lab, tmp_path / "model", "bad", fails=True)
    (tmp_path / "model/cog.yaml").unlink()
    (tmp_path / "model/model.yaml").unlink()
    assert "or a model.yaml" in house.push(lab, tmp_path / "model", "bad", fails=True)


def test_a_server_that_cannot_start(house, lab, tmp_path):
    version = house.push(lab, variant(tmp_path, "protocol: plain\ncommand: [no-such-program]\n"), "broken")
    path = lab.deploy("broken", "lab/broken", version)
    made = lab.predict(path, {}, wait=False)
    wait_for(lambda: lab.get(path).json["current_release"].get("status") == "failed"
             or lab.prediction(made)["status"] == "failed" or lab.post(path + "/predictions", {"input": {}}).status == 422, "its failure")
    answer = lab.post(path + "/predictions", {"input": {}})
    assert answer.status == 422 and "no-such-program" in answer.text, answer
    assert lab.post(f"/predictions/{made['id']}/cancel").status == 200


def typed(house, lab, tmp_path, name, output):
    """The plain server, with an output that is said to be of a kind."""
    folder = tmp_path / name
    shutil.copytree(MODELS / "plain", folder)
    text = (folder / "model.yaml").read_text()
    (folder / "model.yaml").write_text(f"{text}output: {json.dumps(output)}\n")
    return lab.deploy(name, f"lab/{name}", house.push(lab, folder, name))


def test_an_output_is_what_its_schema_says(house, lab, tmp_path):
    path = typed(house, lab, tmp_path, "text", {"schema": {"type": "string", "maxLength": 100000, "pattern": "^(hello|x)"}})
    assert done(lab, path, kind="text", name="you")["output"] == "hello you"
    assert done(lab, path, kind="big", count=100000)["status"] == "succeeded"
    for values, words in (({"kind": "json"}, "output: Invalid type"), ({"kind": "big", "count": 100001}, "output: String length"),
                          ({"kind": "picture"}, "output: ")):
        ended = done(lab, path, **values)
        assert ended["status"] == "failed" and "output.schema" in ended["error"] and words in ended["error"], ended
    assert ended["output"].startswith("data:image/png"), "it is shown as it came"


def test_a_member_and_a_piece_that_do_not_fit(house, lab, tmp_path):
    greeting = {"type": "object", "properties": {"greeting": {"type": "integer"}}}
    ended = done(lab, typed(house, lab, tmp_path, "member", {"schema": greeting}), kind="json")
    assert ended["status"] == "failed" and "output.greeting: " in ended["error"] and ended["output"]["greeting"] == "hello", ended
    one = {"type": "object", "properties": {"word": {"type": "string", "maxLength": 3, "enum": ["one"]}}}
    ended = done(lab, typed(house, lab, tmp_path, "pieces", {"schema": one, "stream": True}), kind="stream")
    assert ended["status"] == "failed" and "output.1.word: " in ended["error"] and len(ended["output"]) == 2, ended


def test_a_program_of_the_folder(house, lab, tmp_path):
    folder = variant(tmp_path, "protocol: plain\ncommand: [bin/serve, -x]\n")
    assert 'begins with "bin/serve", which the folder does not have' in house.push(lab, folder, "own", fails=True)
    program = folder / "bin/serve"
    program.mkdir(parents=True)
    assert "cannot be executed" in house.push(lab, folder, "own", fails=True)
    program.rmdir()
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    said = house.push(lab, folder, "own", fails=True)
    assert "cannot be executed. Make it executable (chmod +x), or put its interpreter before it" in said, said
    program.chmod(0o755)
    house.push(lab, folder, "own")
    house.push(lab, variant(tmp_path, "protocol: plain\ncommand: [./bin/serve]\n"), "own")


def test_packages_of_its_own(house, lab, tmp_path):
    """They are there under the environment's interpreter, and no other's."""
    folder = variant(tmp_path, "protocol: plain\ncommand: [python, server.py]\nhealth: /up\npath: /run\n"
                               "build: {python_packages: [six==1.16.0]}\nenvironment: [GREETING=x]\n"
                               "input: {kind: {type: string, default: text}, name: {type: string}}\n")
    shutil.copy(MODELS / "plain/server.py", folder / "server.py")
    text = (folder / "server.py").read_text()
    (folder / "server.py").write_text(text.replace("import json\n", "import json\nimport six\n", 1)
                                      .replace("os.environ['GREETING']", "six.__version__"))
    path = lab.deploy("packages", "lab/packages", house.push(lab, folder, "packages"))
    assert done(lab, path, name="y")["output"] == "1.16.0 y"


# --- the server's own end ---


def test_a_restart_of_the_server(new_server, tmp_path):
    """What ran goes again: nobody joins a connection that is gone."""
    server = new_server()
    client = server.account("me")
    path = client.deploy("chat", "me/words", server.push(client, MODELS / "vllm", "words"))
    gate = tmp_path / "gate"
    made = client.predict(path, {"messages": HELLO, "gate": str(gate)}, wait=False)
    there(tmp_path / "gate.running")
    server.kill()
    there(tmp_path / "gate.gone")
    server.start()
    there(tmp_path / "gate.running")
    gate.write_text("")
    assert client.ended(made)["output"] == WORDS
    assert len(instance_processes(server.data)) > 0


def test_an_instance_that_is_killed_while_idle(new_server):
    server = new_server()
    client = server.account("me")
    path = client.deploy("plain", "me/plain", server.push(client, MODELS / "plain", "plain"), low=1)
    assert done(client, path, kind="text")["output"] == "hello world"

    def pids():
        found = {pid: Path(f"/proc/{pid}/cmdline") for pid in instance_processes(server.data)}
        return [pid for pid, line in found.items() if line.exists() and b"server.py" in read(line)]

    before = wait_for(pids, "its process")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: set(pids()) - set(before) and not set(pids()) & set(before), "another process")
    assert done(client, path, kind="text")["output"] == "hello world"
