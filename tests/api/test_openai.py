# SPDX-License-Identifier: Apache-2.0
"""The front in OpenAI's form, with their own client."""

import json

import pytest
from berth import MODELS, wait_for

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module")
def words(house):
    """An account with a model that takes a prompt and one that takes messages, behind deployments."""
    client = house.account("words")
    client.deploy("chat", "words/chat", house.push(client, MODELS / "chat", "chat"))
    client.deploy("talk", "words/talk", house.push(client, MODELS / "talk", "talk"))
    client.deploy("hello", "some-org/some-model", house.version)
    return client


@pytest.fixture(scope="module")
def ai(house, words):
    return openai.OpenAI(base_url=f"{house.url}/openai/v1", api_key=words.token, max_retries=0)


def ask(ai, *messages, model="words/chat", **more):
    return ai.chat.completions.create(model=model, messages=[{"role": r, "content": c} for r, c in messages], **more)


def test_chat(ai):
    answer = ask(ai, ("system", "be kind"), ("user", "hi there"), temperature=1.5, max_tokens=50)
    assert (answer.object, answer.model) == ("chat.completion", "words/chat")
    choice = answer.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content == "[be kind] hi there (1.5) "
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 5, 10)


def test_chat_of_several(ai):
    said = ask(ai, ("user", "a"), ("assistant", "b"), ("user", "c")).choices[0].message.content
    assert said == "[] User: a\nAssistant: b\nUser: c\nAssistant: (0.5) "
    parts = [{"role": "user", "content": [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]}]
    assert ai.chat.completions.create(model="words/chat", messages=parts).choices[0].message.content == "[] in parts (0.5) "


def parts(*more):
    return [{"role": "user", "content": [{"type": "text", "text": "see "}, *more]}]


def picture(url):
    return {"type": "image_url", "image_url": {"url": url}}


def test_nothing_is_dropped_in_silence(ai):
    said = ai.chat.completions.create(model="words/chat", messages=parts(picture("data:a")))
    assert said.choices[0].message.content == "[] see data:a (0.5) "
    for model, messages, what in (("words/chat", parts(picture("data:a"), picture("data:b")), "one image"),
                                  ("words/chat", parts({"type": "image_url"}), "image_url.url"),
                                  ("words/chat", parts({"type": "input_audio", "input_audio": {}}), "input_audio")):
        with pytest.raises(openai.BadRequestError) as e:
            ai.chat.completions.create(model=model, messages=messages)
        assert what in str(e.value)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    for asked in ({"tools": [tool]}, {"response_format": {"type": "json_object"}}, {"logprobs": True}, {"top_logprobs": 2}):
        with pytest.raises(openai.BadRequestError) as e:
            ask(ai, ("user", "a"), extra_body=asked)
        assert e.value.param == next(iter(asked)) and e.value.code == "unsupported_parameter"
    for nothing in ({"tools": []}, {"response_format": {"type": "text"}}, {"logprobs": False}, {"store": True}):
        assert ask(ai, ("user", "a"), extra_body=nothing).choices[0].message.content == "[] a (0.5) "


def test_limits_and_stops(ai):
    short = ask(ai, ("user", "a b c d"), max_completion_tokens=2).choices[0]
    assert (short.message.content, short.finish_reason) == ("[] a ", "length")
    assert ask(ai, ("user", "a b c d"), stop="c").choices[0].message.content == "[] a b "
    assert ask(ai, ("user", "a b c d"), stop=["x", "b"]).choices[0].message.content == "[] a "


def test_streamed_as_it_comes(ai, tmp_path):
    gate = tmp_path / "gate"
    stream = ask(ai, ("user", "hi"), stream=True, stream_options={"include_usage": True}, extra_body={"gate": str(gate)})
    chunks = iter(stream)
    first = next(chunks)
    assert (first.object, first.choices[0].delta.role) == ("chat.completion.chunk", "assistant")
    assert first.usage is None and "usage" in first.model_fields_set
    assert next(chunks).choices[0].delta.content == "[] "  # the rest waits for the gate
    gate.write_text("")
    rest = list(chunks)
    assert "".join(one.choices[0].delta.content or "" for one in rest if one.choices) == "hi (0.5) "
    assert [one.choices[0].finish_reason for one in rest if one.choices] == [None, None, "stop"]
    assert rest[-1].choices == [] and rest[-1].usage.completion_tokens == 3
    assert len({one.id for one in rest}) == 1


def test_the_wire(words):
    body = {"model": "words/chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = words.post("/chat/completions", body, prefix="/openai/v1")
    assert (answer.status, answer.type) == (200, "text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: {") for event in events[:-2])


def test_completions(ai):
    answer = ai.completions.create(model="words/chat", prompt="one two", max_tokens=3)
    assert (answer.object, answer.choices[0].text) == ("text_completion", "[] one two ")
    assert answer.choices[0].finish_reason == "length"
    streamed = ai.completions.create(model="words/chat", prompt=["one two"], stream=True)
    assert "".join(one.choices[0].text for one in streamed) == "[] one two (0.5) "
    assert ai.completions.create(model="words/talk", prompt="x").choices[0].text == "user x"


def test_a_model_that_takes_messages(ai):
    assert ask(ai, ("system", "a"), ("user", "b"), model="words/talk").choices[0].message.content == "system a / user b"
    stream = ask(ai, ("user", "b"), model="words/talk", stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in stream) == "user b"


def test_models(ai, words):
    assert {one.id for one in ai.models.list().data} == {"words/chat", "words/talk", "words/hello"}
    assert ai.models.retrieve("words/chat").id == "words/chat"
    for path in ("/models/words%2Fchat", "/models/words%2fchat"):  # as some of its clients send it
        answer = words.get(path, prefix="/openai/v1")
        assert answer.status == 200 and answer.json["id"] == "words/chat", answer
    assert words.get("/models/words%2Fnothing", prefix="/openai/v1").status == 404
    assert words.get("/models/words", prefix="/openai/v1").status == 404
    answer = words.get("/models/words/chat", prefix="/openai/v1")
    assert (answer.json["id"], answer.json["object"], answer.json["owned_by"]) == ("words/chat", "model", "words")
    assert ai.models.retrieve("words/chat").id == "words/chat"  # asks for words%2Fchat
    with pytest.raises(openai.NotFoundError) as found:
        ai.models.retrieve("words/nothing")
    assert found.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        ai.models.retrieve("gpt-4")


def test_errors(ai, house, words):
    with pytest.raises(openai.NotFoundError) as found:
        ask(ai, ("user", "x"), model="words/nothing")
    assert (found.value.code, found.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        ask(ai, ("user", "x"), model="gpt-4")
    with pytest.raises(openai.BadRequestError) as found:
        ask(ai, ("user", "x"), temperature=7)
    assert found.value.param == "input.temperature"
    for more in ({"n": 2}, {"stream": "yes"}):
        with pytest.raises(openai.BadRequestError):
            ask(ai, ("user", "x"), **more)
    with pytest.raises(openai.BadRequestError):
        ask(ai)
    with pytest.raises(openai.BadRequestError) as found:
        ask(ai, ("user", "x"), model="words/hello")
    assert found.value.code == "model_not_supported"
    with pytest.raises(openai.AuthenticationError):
        ask(openai.OpenAI(base_url=f"{house.url}/openai/v1", api_key="wrong", max_retries=0), ("user", "x"))
    broken = words.post("/chat/completions", b"{", prefix="/openai/v1")
    assert broken.status == 400 and broken.json["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "/embeddings", {}, 404), ("GET", "/nothing/at/all", None, 404), ("PUT", "/models", {}, 405),
    ("OPTIONS", "/chat/completions", None, 405), ("POST", "/chat/completions", {"messages": []}, 400),
    ("POST", "/chat/completions", {"model": 5}, 400), ("GET", "/models/a%ff", None, 400)])
def test_every_error_has_their_form(words, method, path, body, status):
    answer = words.call(method, path, body, prefix="/openai/v1")
    error = answer.json["error"]
    assert (answer.status, error["type"], set(error)) == (status, "invalid_request_error", {"message", "type", "param", "code"})
    assert error["message"] and (error["param"] == "model") == (status == 400 and method == "POST")


def test_a_body_over_the_limit_has_their_form_too(words):
    head, _, body = words.server.send(b"POST /openai/v1/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                                      + words.token.encode() + b"\r\nContent-Length: 1000000000\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and json.loads(body)["error"]["type"] == "invalid_request_error"


def test_a_prediction_that_fails(ai):
    with pytest.raises(openai.UnprocessableEntityError) as found:
        ask(ai, ("user", "x"), extra_body={"fails": True})
    assert "no more words" in str(found.value)
    with pytest.raises(openai.APIError) as found:
        list(ask(ai, ("user", "x"), stream=True, extra_body={"fails": True}))
    assert "no more words" in str(found.value)


def test_closing_the_stream_ends_the_work(ai, words, tmp_path):
    stream = ask(ai, ("user", "hi"), stream=True, extra_body={"gate": str(tmp_path / "never")})
    first = next(iter(stream))
    stream.close()
    assert first.id.startswith("chatcmpl-")
    made = first.id.removeprefix("chatcmpl-")
    wait_for(lambda: words.prediction(made)["status"] == "canceled", lambda: json.dumps(words.prediction(made)))
