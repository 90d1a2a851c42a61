# SPDX-License-Identifier: Apache-2.0
"""What a deployment of an image does over time: streams, runs several at once, scales from nothing and back, is updated."""

import threading

from berth import wait_for
from sse import Stream
from test_docker import containers, none_left, push, ready


def touch(engine, container, name):
    """A file in a running container, for which its model waits."""
    made = engine.ask("POST", f"/containers/{container['Id']}/exec", {"Cmd": ["python3", "-c", f"open('{name}', 'w')"]})
    engine.ask("POST", f"/exec/{made['Id']}/start", {"Detach": True})


def running(engine, server, n):
    return wait_for(lambda: (found := containers(engine, server, running=True)) and len(found) == n and found, f"{n} containers")


def test_output_comes_as_it_is_made(engine, new_server):
    server = new_server()
    client, path = ready(server)
    made = client.predict(path, {"mode": "wait", "file": "/tmp/go"}, wait=False)
    stream = Stream(made["urls"]["stream"])
    assert stream.next()[::2] == ("output", "begin ")
    assert client.prediction(made)["status"] == "processing", "before its end"
    touch(engine, running(engine, server, 1)[0], "/tmp/go")
    assert [event[::2] for event in stream.rest()] == [("output", "end"), ("done", "{}")]


def test_several_at_once_in_one_container(engine, new_server):
    server = new_server()
    client, path = ready(server, "chat:v1", name="chat")
    made = [client.predict(path, {"prompt": "a b", "gate": f"/tmp/go{n}"}, wait=False) for n in range(3)]
    wait_for(lambda: [client.prediction(one)["output"] for one in made] == [["user: "]] * 3,
             lambda: f"the first word of each: {[client.prediction(one) for one in made]}")
    for n in range(3):
        touch(engine, running(engine, server, 1)[0], f"/tmp/go{n}")
    assert [client.ended(one)["status"] for one in made] == ["succeeded"] * 3


def test_from_zero_to_three_and_back(engine, new_server):
    server = new_server("--idle-timeout", "1s")
    client, path = ready(server, high=3)
    assert client.patch(path, {"scaling": {"target_wait": 0.1}}).status == 200
    made = [client.predict(path, {"mode": "wait", "file": "/tmp/go"}, wait=False) for _ in range(3)]
    wait_for(lambda: [client.prediction(one)["status"] for one in made] == ["processing"] * 3, "each in a container of its own")
    for container in running(engine, server, 3):
        touch(engine, container, "/tmp/go")
    assert [client.ended(one)["output"] for one in made] == [["begin ", "end"]] * 3
    none_left(engine, server)
    changes = [(row["instances_before"], row["instances_after"]) for row in client.get(path + "/decisions").json["results"]]
    assert changes[0][1] == 0 and max(after for _, after in changes) == 3, changes


class Load:
    """Predictions one after another from several threads, and what became of each."""

    def __init__(self, client, path, threads=3):
        self.client, self.path, self.ended, self.wrong, self.over = client, path, [], [], threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                self.ended.append(self.client.ended(self.client.predict(self.path, {"text": "x"}, wait=False)))
            except Exception as wrong:  # it is the test that fails, not the thread
                self.wrong.append(wrong)
                return

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_an_update_under_load_loses_nothing(engine, images, new_server):
    server = new_server("--idle-timeout", "10m")
    client, path = ready(server, low=1, high=2)
    other = push(server, "ctl:v2")
    assert other != client.get(path).json["current_release"]["version"]
    load = Load(client, path)
    try:
        wait_for(lambda: len(load.ended) > 10 or load.wrong, "some of the first release")
        assert client.patch(path, {"version": other}).status == 200
        wait_for(lambda: sum(one["version"] == other for one in load.ended) > 10 or load.wrong, "some of the second")
        wait_for(lambda: {engine.inspect(one["Id"])["Image"] for one in containers(engine, server, running=True)}
                 == {images["ctl:v2"]}, "the end of the first release's containers")
    finally:
        load.stop()
    assert not load.wrong, load.wrong
    assert {(one["status"], str(one["output"]), one["error"]) for one in load.ended} == {("succeeded", "['x']", None)}
