# SPDX-License-Identifier: Apache-2.0
"""What is too long or too much is refused with its size and the limit; what is read at the start is read whole or not at all."""

import shutil
import subprocess

import pytest
from berth import EXAMPLES, LIMIT, MODELS, binary, wait_for

URL = "https://example.com/"


def too_long(answer, key, size, limit):
    assert answer.status == 400, answer
    found = [row["detail"] for row in answer.json["errors"] if row.get("pointer") == f"/{key}"]
    assert len(found) == 1 and str(size) in found[0] and str(limit) in found[0], answer
    assert f"- {key}: " in answer.json["detail"]


def test_the_queue_of_a_version(new_server):
    """Of a model that runs without a deployment, whether the body is read on the loop or beside it."""
    server = new_server("--max-queue", "2")
    me = server.account("me")
    late = server.push(me, EXAMPLES / "hello", "late", "--hardware", "gpu-t4")
    answers = [me.post("/predictions", {"version": late, "input": {"text": text}}) for text in ("x", "y" * 100000, "z" * 100000, "x")]
    if answers[2].status == 201:
        pytest.skip("this machine has a T4")
    assert [a.status for a in answers] == [201, 201, 429, 429]
    for refused in answers[2:]:
        assert refused.json["detail"] == "The queue of this version is full (2 waiting)."
        assert refused.headers["Retry-After"] == "10"


@pytest.mark.parametrize("key, limit, before", [("description", 10240, ""), ("readme", 1 << 20, ""), ("github_url", 2048, URL),
                                                ("paper_url", 2048, URL), ("weights_url", 2048, URL),
                                                ("license_url", 2048, URL), ("cover_image_url", 2048, URL),
                                                ("visibility", 64, ""), ("hardware", 64, "")])
def test_texts_of_a_model(acme, key, limit, before):
    made = acme.post("/models", {"owner": "acme", "name": "texts", "visibility": "private", "hardware": "cpu-small"})
    assert made.status in (201, 409)
    text = before + "x" * (limit - len(before))
    too_long(acme.patch("/models/acme/texts", {key: text + "x"}), key, limit + 1, limit)
    if key not in ("visibility", "hardware"):
        answer = acme.patch("/models/acme/texts", {key: text})
        assert answer.status == 200, answer
        assert acme.patch("/models/acme/texts", {key: None}).status == 200


def test_texts_of_a_new_model_and_deployment(acme):
    answer = acme.post("/models", {"owner": "x" * 300, "name": "x" * 300, "visibility": "x" * 300, "hardware": "x" * 300,
                                   "description": "x" * 20000, "paper_url": URL + "x" * 3000})
    for key, limit in (("owner", 256), ("name", 256), ("visibility", 64), ("hardware", 64)):
        too_long(answer, key, 300, limit)
    too_long(answer, "description", 20000, 10240)
    too_long(answer, "paper_url", 3000 + len(URL), 2048)
    answer = acme.post("/deployments", {"name": "x" * 300, "model": "x" * 300, "version": "x" * 300, "hardware": "x" * 300,
                                        "min_instances": 0, "max_instances": 0})
    for key, limit in (("name", 256), ("model", 256), ("version", 160), ("hardware", 64)):
        too_long(answer, key, 300, limit)


def test_a_long_webhook(acme, running):
    answer = acme.post(running + "/predictions", {"input": {}, "webhook": URL + "x" * 2048})
    assert answer.status == 422
    assert [row["field"] for row in answer.json["invalid_fields"]] == ["webhook"]
    assert str(2048 + len(URL)) in answer.json["detail"] and "2048" in answer.json["detail"]


def test_texts_of_accounts_and_tokens(house, acme):
    said = house.admin("account", "create", "long-name", "--full-name", "x" * 257, fails=True)
    assert "name" in said and "257" in said and "256" in said
    said = house.admin("token", "create", "acme", "--label", "x" * 257, fails=True)
    assert "label" in said and "257" in said and "256" in said


def test_many_unknown_keys_make_few_problems(acme, running):
    keys = {f"key{index}": index for index in range(5000)}
    answer = acme.post(running + "/predictions", {"input": {}, **keys})
    assert answer.status == 422 and len(answer.json["invalid_fields"]) == 100
    answer = acme.post("/deployments", keys)
    assert answer.status == 400 and len(answer.json["errors"]) == 100


def test_a_body_of_too_many_values(acme, running):
    answer = acme.post(running + "/predictions", {"input": {"names": [1] * 200000}})
    assert answer.status == 400 and "more than 200000 values" in answer.json["detail"]


def test_the_end_of_a_long_setup_log(acme, house, tmp_path):
    folder = tmp_path / "loud"
    shutil.copytree(MODELS / "ctl", folder)
    file = folder / "predict.py"
    file.write_text(file.read_text().replace('print("loading the weights")',
                                             'print("\\n".join(f"{index} " + "é" * 100 for index in range(1000)))'))
    version = house.push(acme, folder, "loud")
    path = acme.deploy("loud", "acme/loud", version, low=1)

    def log():
        rows = acme.get(path + "/instances").json["results"]
        return rows and rows[0]["setup_log"] if rows and rows[0]["state"] in ("idle", "active") else None

    text = wait_for(log, "the instance")
    assert 60000 < len(text.encode()) <= 65536
    assert "999 éé" in text and "\n100 " not in text and "\ufffd" not in text
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200


def serve(data, *more):
    done = subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(data), *more], text=True, check=False,
                          capture_output=True, timeout=LIMIT)
    assert done.returncode == 1, done
    return done.stderr


def test_a_configuration_that_cannot_be_read(tmp_path):
    data = tmp_path / "data"
    (data / "berth.yaml").mkdir(parents=True)
    said = serve(data)
    assert "berth.yaml" in said and "Is a directory" in said
    (data / "berth.yaml").rmdir()
    (data / "berth.yaml").write_bytes(b"#" * ((16 << 20) + 1))
    said = serve(data)
    assert "berth.yaml" in said and "larger than the limit" in said
    (data / "berth.yaml").unlink()
    assert "No such file" in serve(data, "--config", str(data / "other.yaml"))
    assert not (data / "berth.db").exists()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_damaged_key(tmp_path, size):
    shutil.copy(EXAMPLES / "berth.yaml", tmp_path / "berth.yaml")
    (tmp_path / "key").write_bytes(b"k" * size)
    said = serve(tmp_path)
    assert f"has {size} bytes, not 32" in said and "Success" not in said
    assert (tmp_path / "key").read_bytes() == b"k" * size


def test_a_long_path_to_the_data(tmp_path):
    data = tmp_path / ("x" * 200) / ("y" * 200)
    data.parent.mkdir()
    said = serve(data)
    assert f"has {len(str(data))} bytes, and 300 is the limit" in said
    assert not (data / "key").exists()


def test_searches_without_a_token(new_server):
    """So many a minute come from one address; what is refused for its form is none, and tokens have limits of their own."""
    server = new_server("--rate-limit-searches", "3")
    nobody, me = server.nobody(), server.account("me")
    assert [nobody.get("/search").status for _ in range(5)] == [400] * 5
    answers = [nobody.get("/search?query=a") for _ in range(5)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    refused = next(answer for answer in [*answers[3:], *(nobody.get("/search?query=a") for _ in range(20))] if answer.status != 200)
    assert refused.status == 429 and "3, rate_limit_searches" in refused.json["detail"] and refused.headers["Retry-After"] == "60"
    assert [me.get("/search?query=a").status for _ in range(5)] == [200] * 5
