# SPDX-License-Identifier: Apache-2.0
"""What users of deployments want to see and to undo: rollback, queue positions, logs of instances that ended."""

from berth import wait_for


def release(client, path):
    return client.get(path).json["current_release"]


def test_rollback(house, org):
    path = org.deploy("back", "some-org/some-model", house.version, low=0, high=2)
    before = org.post(f"{path}/rollback")
    assert before.status == 400 and "no release before" in before.text
    org.patch(path, {"max_instances": 3})
    org.patch(path, {"max_instances": 4, "hardware": "cpu"})
    answer = org.post(f"{path}/rollback")
    assert answer.status == 200, answer
    now = answer.json["current_release"]
    assert (now["number"], now["configuration"]["max_instances"], now["configuration"]["hardware"]) == (4, 3, "cpu-small")
    assert org.post(f"{path}/rollback", {"release": 1}).json["current_release"]["configuration"]["max_instances"] == 2
    assert release(org, path)["number"] == 5
    assert org.post(f"{path}/rollback", {"release": 1}).json["current_release"]["number"] == 5  # nothing changes
    refused = org.post(f"{path}/rollback", {"release": 17})
    assert refused.status == 400 and refused.json["errors"][0]["pointer"] == "/release"
    assert org.post(f"{path}/rollback", b"{").status == 400
    assert org.post(f"{path}/rollback", {"number": 1}).status == 400
    assert house.account("acme").post(f"{path}/rollback").status == 404
    numbers = [one["release"]["number"] for one in org.get(f"{path}/releases").json["results"]]
    assert numbers == [5, 4, 3, 2, 1]


def test_queue_position(house, org, tmp_path):
    path = org.deploy("queue", "some-org/some-model", house.version)
    assert org.predict(path, {})["status"] == "succeeded"
    gate = tmp_path / "gate"
    first = org.predict(path, {"mode": "wait", "file": str(gate)}, wait=False)
    wait_for(lambda: org.prediction(first)["status"] == "processing", "the first to run")
    made = [org.predict(path, {"text": str(index)}, wait=False) for index in range(3)]
    waiting = [org.prediction(one) for one in made]
    assert [one["queue"]["position"] for one in waiting] == [1, 2, 3]
    assert waiting[2]["queue"]["estimated_start_at"] >= waiting[0]["queue"]["estimated_start_at"] > first["created_at"]
    assert "queue" not in org.prediction(first)
    assert "instance" not in waiting[0]
    assert org.prediction(first)["instance"] == org.get(f"{path}/instances").json["results"][0]["id"]
    org.post(f"/predictions/{waiting[0]['id']}/cancel")
    assert org.prediction(waiting[2])["queue"]["position"] == 2
    assert org.get(f"{path}/instances").json["waiting_predictions"] == 2
    gate.write_text("")
    assert org.ended(waiting[2])["status"] == "succeeded"
    ended = org.prediction(waiting[2])
    assert "queue" not in ended and ended["instance"] == org.prediction(first)["instance"]


def test_logs_of_instances(house, org, variant):
    path = org.deploy("chatty", "some-org/some-model", house.version)
    assert org.predict(path, {})["status"] == "succeeded"
    live = org.get(f"{path}/instances").json["results"]
    answer = org.get(f"{path}/instances/{live[0]['id']}/log")
    assert (answer.status, answer.type) == (200, "text/plain") and "loading the weights" in answer.text
    assert house.account("acme").get(f"{path}/instances/{live[0]['id']}/log").status == 404
    org.patch(path, {"max_instances": 0})
    ended = wait_for(lambda: org.get(f"{path}/instances").json["ended"], "the instance's end")
    assert (ended[0]["id"], ended[0]["state"]) == (live[0]["id"], "ended")
    assert "loading the weights" in org.get(f"{path}/instances/{live[0]['id']}/log").text
    other = org.deploy("other", "some-org/some-model", house.version)
    assert org.get(f"{other}/instances/{live[0]['id']}/log").status == 404
    assert org.get(f"{path}/instances/nothing/log").status == 404
